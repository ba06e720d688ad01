package scan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// ago is a time before the look.
func ago(d time.Duration) time.Time { return noon.Add(-d) }

func policy() Policy {
	k, err := churn.NewKnowledge(nil, nil)
	if err != nil {
		panic(err)
	}
	return Policy{History: 14 * 24 * time.Hour, Churn: churn.Policy{Window: 24 * time.Hour, Threshold: 3, RatePerTaskDay: 0.1,
		StormStops: 3, StormWithin: 15 * time.Minute, Logs: true, LogLines: 100, TailLines: 20, Knowledge: k}}
}

// id is a task id as ECS makes them.
func id(n int) string { return fmt.Sprintf("%032x", n) }

// past is a service whose history a test writes down, oldest first.
type past struct {
	f Facts
}

func newPast(desired int) *past {
	o := fleet.Observation{Key: fleet.Key{Target: "t", Cluster: "c", Service: "web"}, Seen: fleet.Seen{At: noon, Complete: true}}
	o.Service = fleet.Service{ARN: "arn:aws:ecs:eu-west-1:1:service/c/web", Name: "web", TaskDefinition: "web:1", Desired: desired,
		Deployments: []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", TaskDefinition: "web:1", RolloutState: fleet.RolloutCompleted,
			CreatedAt: ago(200 * time.Hour), UpdatedAt: ago(199 * time.Hour)}}}
	return &past{NewFacts(o, nil)}
}

func (p *past) say(at time.Time, format string, args ...any) {
	e := fleet.ServiceEvent{At: at, Message: "(service web) " + fmt.Sprintf(format, args...)}
	p.f.Events = append([]fleet.ServiceEvent{e}, p.f.Events...)
}

func (p *past) started(at time.Time, tasks ...int) {
	text := fmt.Sprintf("has started %d tasks:", len(tasks))
	for _, n := range tasks {
		text += " (task " + id(n) + ")"
	}
	p.say(at, "%s.", text)
}

func (p *past) stopped(at time.Time, tasks ...int) {
	text := fmt.Sprintf("has stopped %d running tasks:", len(tasks))
	for _, n := range tasks {
		text += " (task " + id(n) + ")"
	}
	p.say(at, "%s.", text)
}

func (p *past) running(n int, since time.Time) {
	p.f.Service.Running++
	p.f.Tasks = append(p.f.Tasks, fleet.Task{ARN: "arn:aws:ecs:eu-west-1:1:task/c/" + id(n), Group: "service:web", LastStatus: fleet.StatusRunning,
		DesiredStatus: fleet.StatusRunning, TaskDefinition: "web:1", StartedAt: since, CreatedAt: since})
}

// churned is a one-task service that lost a task every six hours for two days.
func churned() *past {
	p := newPast(1)
	p.say(ago(48*time.Hour), "has reached a steady state.")
	for n := range 8 {
		p.started(ago(time.Duration(45-6*n)*time.Hour), n)
	}
	p.running(7, ago(3*time.Hour))
	return p
}

func TestEvents(t *testing.T) {
	a, b := id(1), id(2)
	for message, want := range map[string]struct {
		kind  eventKind
		names []string
	}{
		"(service web) has started 1 tasks: (task " + a + ").":                                       {eventStarted, []string{a}},
		"(service web) has started 2 tasks: (task " + a + ") (task " + b + ").":                      {eventStarted, []string{a, b}},
		"(service web, taskSet ecs-svc/12) has started 2 tasks: (task " + a + ") (task " + a + ").":  {eventStarted, []string{a}},
		"(service web) has started 1 tasks: (task 0ad2b2f1-3f0c-4a43-9a3c-2a0b6f4e9d11).":            {eventStarted, []string{"0ad2b2f1-3f0c-4a43-9a3c-2a0b6f4e9d11"}},
		"(service web) has stopped 1 running tasks: (task " + a + ").":                               {eventStopped, []string{a}},
		"(service web) (port 80) is unhealthy in (target-group x) due to (reason Request timed out)": {eventUnhealthy, nil},
		"(service web) (task " + a + ") failed container health checks.":                             {eventUnhealthy, nil},
		"(service web) (deployment ecs-svc/123) deployment completed.":                               {eventCompleted, []string{"ecs-svc/123"}},
		"(service web) has reached a steady state.":                                                  {eventOther, nil},
		"(service web) has begun draining connections on 1 tasks.":                                   {eventOther, nil},
		"": {eventOther, nil},
		"x has started " + strings.Repeat("(task ", 4000): {eventStarted, nil},
	} {
		kind, names := eventOf(message)
		if kind != want.kind || !cmp.Equal(names, want.names) {
			t.Errorf("%.80q: %s %q, want %s %q", message, kind, names, want.kind, want.names)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("(service web) has started 1 tasks: (task " + id(1) + ").")
	f.Add("(service web) (deployment ecs-svc/123) deployment completed.")
	f.Fuzz(func(t *testing.T, message string) {
		kind, names := eventOf(message)
		if kind == "" || (kind == eventOther || kind == eventUnhealthy) && len(names) > 0 {
			t.Errorf("%q: %s %q", message, kind, names)
		}
		for _, n := range names {
			if !strings.Contains(message, n) || len(n) > 64 {
				t.Errorf("%q names %q", message, n)
			}
		}
	})
}

func TestEventsOfOneSecondKeepTheirOrder(t *testing.T) {
	p := newPast(1)
	at := ago(time.Hour)
	p.say(at, "(port 80) is unhealthy in (target-group x) due to (reason Request timed out)")
	p.stopped(at, 1)
	if l := ledgerOf(p.f.Events); !l.sick[id(1)] {
		t.Errorf("%+v", l)
	}
}

func TestChurnFromEventsAlone(t *testing.T) {
	s := Judge(churned().f, policy(), noon)
	if s.Status != Churning || s.Deaths != 8 || s.NamedDeaths != 7 || s.Culprit != nil {
		t.Errorf("%s, %d deaths, %d named, culprit %+v", s.Status, s.Deaths, s.NamedDeaths, s.Culprit)
	}
	if s.Rate.PerTaskDay < 3.9 || s.Rate.PerTaskDay > 4.1 || s.Lifetimes.P50 != 6*3600 || s.Lifetimes.Source != ServiceEvents {
		t.Errorf("%+v, %+v", s.Rate, s.Lifetimes)
	}
	if s.Proof.Younger != 1 || s.Onset.Began != BeforeHistory || s.Onset.Revision != "web:1" {
		t.Errorf("%+v, %+v", s.Proof, s.Onset)
	}
}

// TestWhatIsNoDeath: each story is one of which nobody died, and a partial list of tasks, which proves nothing.
func TestWhatIsNoDeath(t *testing.T) {
	for name, story := range map[string]func(*past){
		"scale out and in": func(p *past) {
			p.started(ago(20*time.Hour), 2, 3, 4)
			p.stopped(ago(10*time.Hour), 2, 3, 4)
		},
		"scale out by ones": func(p *past) {
			for n := 2; n < 6; n++ {
				p.started(ago(time.Duration(20-n)*time.Hour), n)
				p.running(n, ago(time.Duration(20-n)*time.Hour))
			}
		},
		"a deployment": func(p *past) {
			p.f.Service.Deployments[0].CreatedAt, p.f.Service.Deployments[0].UpdatedAt = ago(20*time.Hour), ago(19*time.Hour)
			p.started(ago(20*time.Hour), 2)
			p.stopped(ago(19*time.Hour+30*time.Minute), 2)
			p.started(ago(19*time.Hour+20*time.Minute), 3)
			p.running(3, ago(19*time.Hour+20*time.Minute))
		},
		"a start that the list of tasks may not show yet": func(p *past) { p.started(ago(time.Minute), 9) },
		"a partial list": func(p *past) {
			p.f.Complete = false
			p.f.Tasks = nil
			p.started(ago(20*time.Hour), 2)
			p.started(ago(18*time.Hour), 3)
			p.started(ago(16*time.Hour), 4)
			p.started(ago(14*time.Hour), 5)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPast(1)
			p.say(ago(48*time.Hour), "has reached a steady state.")
			p.running(1, ago(190*time.Hour))
			story(p)
			s := Judge(p.f, policy(), noon)
			if s.NamedDeaths > 0 || s.Status == Churning || len(s.Findings) > 0 {
				t.Errorf("%s: %d named deaths, %+v", s.Status, s.NamedDeaths, s.Findings)
			}
			if !p.f.Complete && (s.Status == Quiet || s.SeenSince != nil) {
				t.Errorf("concluded from a partial list: %s since %v", s.Status, s.SeenSince)
			}
		})
	}
}

// TestScaledServicesCountWhatTheyName: a service that is scaled up and down every day still loses its tasks.
func TestScaledServicesCountWhatTheyName(t *testing.T) {
	p := churned()
	p.f.Service.Desired = 3
	for n, h := range []int{40, 16} {
		p.started(ago(time.Duration(h)*time.Hour), 100+2*n, 101+2*n)
		p.stopped(ago(time.Duration(h-10)*time.Hour), 100+2*n, 101+2*n)
	}
	s := Judge(p.f, policy(), noon)
	if s.Deaths != 7 || s.Status != Churning || s.Rate.PerTaskDay < 3.2 || s.Rate.PerTaskDay > 4.8 {
		t.Errorf("%s, %d deaths, rate %+v", s.Status, s.Deaths, s.Rate)
	}
}

// TestScaledOutServicesCountWhatTheyName: six more tasks at once replaced nobody.
func TestScaledOutServicesCountWhatTheyName(t *testing.T) {
	p := churned()
	p.f.Service.Desired = 7
	p.started(ago(20*time.Hour), 10, 11, 12, 13, 14, 15)
	for n := range 6 {
		p.running(10+n, ago(20*time.Hour))
	}
	s := Judge(p.f, policy(), noon)
	if s.Deaths != 7 || s.Status != Churning || !strings.Contains(s.Rate.Method, "by id") {
		t.Errorf("%s, %d deaths, rate %+v", s.Status, s.Deaths, s.Rate)
	}
}

func TestUnhealthyTasksTheSchedulerStopped(t *testing.T) {
	p := newPast(1)
	for n := range 4 {
		at := ago(time.Duration(40-10*n) * time.Hour)
		p.started(at, n)
		p.say(at.Add(5*time.Hour), "(port 80) is unhealthy in (target-group x) due to (reason Health checks failed)")
		p.stopped(at.Add(5*time.Hour), n)
	}
	r := recordOf(p.f, policy(), noon)
	for _, d := range r.deaths {
		if d.task != "" && (d.verdict.Cause != churn.ELBHealthCheck || !d.exact) {
			t.Errorf("%+v", d)
		}
	}
	if len(named(r.deaths)) != 4 {
		t.Errorf("%d deaths", len(r.deaths))
	}
}

func TestSpotCapacityIsNoChurn(t *testing.T) {
	p := churned()
	for i := range p.f.Tasks {
		p.f.Tasks[i].CapacityProvider = "FARGATE_SPOT"
	}
	if s := Judge(p.f, policy(), noon); s.Status != Stops || len(s.Findings) > 0 {
		t.Errorf("%s %+v", s.Status, s.Findings)
	}
}

func TestStatusWithoutDeaths(t *testing.T) {
	for name, tc := range map[string]struct {
		desired int
		running time.Duration // age of the only task; 0: none runs
		events  time.Duration // age of the only event; 0: none
		want    string
	}{
		"an old task proves":           {1, 50 * time.Hour, 0, Quiet},
		"an old event proves":          {1, 2 * time.Hour, 50 * time.Hour, Quiet},
		"an hour proves nothing":       {1, time.Hour, time.Hour, Unknown},
		"no history at all":            {1, 0, 0, Unknown},
		"nothing wanted":               {0, 0, 50 * time.Hour, Unknown},
		"one of two that are wanted":   {2, 50 * time.Hour, 0, Unknown},
		"an event of just a day's age": {1, time.Hour, 24 * time.Hour, Quiet},
	} {
		p := newPast(tc.desired)
		if tc.running > 0 {
			p.running(1, ago(tc.running))
		}
		if tc.events > 0 {
			p.say(ago(tc.events), "has reached a steady state.")
		}
		if s := Judge(p.f, policy(), noon); s.Status != tc.want {
			t.Errorf("%s: %s (%s), want %s", name, s.Status, s.Reason, tc.want)
		}
	}
}

func TestYoungTasksAreSaid(t *testing.T) {
	p := newPast(1)
	p.running(1, ago(2*time.Hour))
	if s := Judge(p.f, policy(), noon); s.Status != Unknown || !strings.Contains(s.Reason, "1 of the running tasks") {
		t.Errorf("%s: %s", s.Status, s.Reason)
	}
}

// TestOthersDeployments: a service that CodeDeploy or an own controller deploys names its definition on its tasks alone.
func TestOthersDeployments(t *testing.T) {
	p := churned()
	p.f.Service.Controller, p.f.Service.Deployments, p.f.Service.TaskDefinition = "EXTERNAL", nil, ""
	p.f.Definitions["web:1"] = fleet.Definition{ARN: "web:1", Containers: []fleet.ContainerDefinition{{Name: "app", Essential: true, LogDriver: "awslogs",
		LogOptions: map[string]string{"awslogs-group": "g", "awslogs-stream-prefix": "p"}}}}
	p.f.Answered(Want{Source: Definitions, ARN: "web:1"}, nil)
	wants := Wants(p.f, policy(), noon)
	if len(wants) != 1 || wants[0].Source != LogLines || wants[0].Ref.Stream != "p/app/"+id(6) {
		t.Errorf("%+v", wants)
	}
	if o := Judge(p.f, policy(), noon).Onset; o.Revision != "" || o.Deployed != nil {
		t.Errorf("%+v", o)
	}
}

func TestOnsetWithoutADeployment(t *testing.T) {
	p := newPast(1)
	p.say(ago(150*time.Hour), "has reached a steady state.")
	for n := range 8 {
		p.started(ago(time.Duration(45-6*n)*time.Hour), n)
	}
	p.running(7, ago(3*time.Hour))
	if o := Judge(p.f, policy(), noon).Onset; o.Began != WithoutDeployment || !o.FirstDeath.Equal(ago(45*time.Hour)) {
		t.Errorf("%+v", o)
	}
}

func TestBeforeADeployment(t *testing.T) {
	f := churned().f
	dep := func(n int, at time.Duration, status string, sources ...string) fleet.ServiceDeployment {
		return fleet.ServiceDeployment{ARN: fmt.Sprint("d", n), Status: status, Target: fmt.Sprint("r", n), CreatedAt: ago(at), FinishedAt: ago(at - time.Hour), Sources: sources}
	}
	f.Deployments = []fleet.ServiceDeployment{dep(4, 30*time.Hour, "SUCCESSFUL", "r2"), dep(3, 60*time.Hour, "ROLLBACK_SUCCESSFUL"), dep(2, 100*time.Hour, "SUCCESSFUL"), dep(1, 200*time.Hour, "SUCCESSFUL")}
	for n := 1; n <= 4; n++ {
		f.Revisions[fmt.Sprint("r", n)] = fleet.ServiceRevision{ARN: fmt.Sprint("r", n), TaskDefinition: fmt.Sprint("web:", n)}
	}
	for at, want := range map[time.Duration]string{10 * time.Hour: "web:4", 50 * time.Hour: "web:2", 150 * time.Hour: "web:1", 900 * time.Hour: "web:1"} {
		if got := inForce(f, ago(at)).definition; got != want {
			t.Errorf("%s ago: %s, want %s", at, got, want)
		}
	}
	for at, want := range map[time.Duration]string{10 * time.Hour: "web:2", 50 * time.Hour: "web:1"} {
		if was, ok := before(f, inForce(f, ago(at))); !ok || was.definition != want {
			t.Errorf("before %s ago: %+v, want %s", at, was, want)
		}
	}
	if was, ok := before(f, inForce(f, ago(150*time.Hour))); ok {
		t.Errorf("before the first: %+v", was)
	}
}

func TestChanges(t *testing.T) {
	f := churned().f
	box := func(name, image string, env ...fleet.EnvVar) fleet.ContainerDefinition {
		return fleet.ContainerDefinition{Name: name, Image: image, Essential: true, Env: env}
	}
	kept := func(name, value string) fleet.EnvVar { return fleet.EnvVar{Name: name, Value: value, Kept: true} }
	f.Definitions["a"] = fleet.Definition{ARN: "a", Memory: 512, Containers: []fleet.ContainerDefinition{
		box("app", "app:1", kept("OTEL_TRACES_SAMPLER", "always_on"), fleet.EnvVar{Name: "GONE"}, kept("SAME", "1")), box("old", "old:1"), box("agent", "agent:latest")}}
	f.Definitions["b"] = fleet.Definition{ARN: "b", Memory: 1024, Containers: []fleet.ContainerDefinition{
		box("app", "app:2", kept("OTEL_TRACES_SAMPLER", "xray"), fleet.EnvVar{Name: "NEW"}, kept("SAME", "1")), box("agent", "agent:latest"), box("extra", "extra:1")}}
	f.Revisions["ra"] = fleet.ServiceRevision{Images: []fleet.RevisionImage{{Container: "agent", Digest: "sha256:1"}}}
	f.Revisions["rb"] = fleet.ServiceRevision{Images: []fleet.RevisionImage{{Container: "agent", Digest: "sha256:2"}}}
	var got []string
	for _, c := range changes(f, phase{definition: "a", revision: "ra"}, phase{definition: "b", revision: "rb"}) {
		got = append(got, c.String())
	}
	want := []string{"app: image: app:1 → app:2", "app: GONE: (hidden) → (none)", "app: NEW: (none) → (hidden)", "app: OTEL_TRACES_SAMPLER: always_on → xray",
		"agent: image digest: sha256:1 → sha256:2", "extra: container: (none) → extra:1", "old: container: old:1 → (none)", "task memory: 512 → 1024"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAlarmed(t *testing.T) {
	s := Service{Target: "t", Cluster: "c", Service: "web", Status: Churning, Findings: []Finding{
		{Type: finding.SilentChurn, Severity: finding.Warning}, {Type: finding.SidecarCrash, Subject: "cwagent", Severity: finding.Warning}}}
	dims := []alarm.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "web"}}
	have := func(name, namespace, metric, comparison string, threshold float64, actions ...string) alarm.Have {
		return alarm.Have{Spec: alarm.Spec{Name: name, Metric: metric, Dimensions: dims, Statistic: "Average", Comparison: comparison, Threshold: threshold,
			Missing: "missing", AlarmActions: actions}, Namespace: namespace}
	}
	ours := alarm.Fleet("x", "t", alarm.Actions{Alarm: []string{"topic"}})
	off := alarm.Have{Spec: ours[1]}
	off.ActionsDisabled = true
	services := []Service{s, {Target: "t", Cluster: "c", Service: "api", Status: Quiet}}
	covered, unheard := Alarmed(services, alarm.NewIndex([]alarm.Have{
		{Spec: ours[0]}, off,
		have("cpu", "AWS/ECS", "CPUUtilization", "GreaterThanThreshold", 80, "topic"),
		have("count", "ECS/ContainerInsights", "RunningTaskCount", "LessThanThreshold", 1, "topic"),
		have("mute", "AWS/ECS", "MemoryUtilization", "GreaterThanThreshold", 80),
	}, alarm.Facts{}), nil)
	var got []string
	for _, told := range services[0].Alarms {
		got = append(got, fmt.Sprintf("%s %s %s %d", told.Failure, told.Name, told.Tells, told.Actions))
	}
	want := []string{"silent-churn taskwarden/x/t/silent-churn yes 1", "silent-churn count no 1", "sidecar-crash taskwarden/x/t/sidecar-crash no 0",
		"no-running-task count no 1", " cpu no 0", " mute no 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(unheard) != 1 || unheard[0].Type != finding.SidecarCrash || !strings.Contains(unheard[0].Why, "disabled") || unheard[0].Service != "t/c/web" {
		t.Errorf("unheard %+v", unheard)
	}
	if covered[0] != (Cover{"silent-churn", 2, 2, 0}) || covered[1] != (Cover{"sidecar-crash", 2, 0, 0}) || len(services[1].Alarms) != 0 {
		t.Errorf("covered %+v", covered)
	}
}

// A log alarm on a service's log group possibly covers it; on another group it does, as long as the service's own are not known.
func TestLogAlarmsPossiblyCover(t *testing.T) {
	theirs := alarm.Have{Type: alarm.LogType, Foreign: true, Spec: alarm.Spec{Name: "log", AlarmActions: []string{"topic"}}, Logs: alarm.LogQuery{Groups: []string{"/ecs/web"}}}
	for name, c := range map[string]struct {
		groups  []string
		unknown int
	}{"its own": {[]string{"/ecs/web"}, 1}, "another's": {[]string{"/ecs/api"}, 0}, "not known": {nil, 1}} {
		s := Service{Target: "t", Cluster: "c", Service: "web", Status: Churning, Findings: []Finding{{Type: finding.SilentChurn}}}
		key := fleet.Key{Target: "t", Cluster: "c", Service: "web"}
		covered, unheard := Alarmed([]Service{s}, alarm.NewIndex([]alarm.Have{theirs}, alarm.Facts{}), map[fleet.Key]alarm.Place{key: {LogGroups: c.groups}})
		if covered[0] != (Cover{"silent-churn", 1, 0, c.unknown}) {
			t.Errorf("%s: %+v", name, covered[0])
		}
		if len(unheard) != 1 || strings.Contains(unheard[0].Why, "log: possibly") != (c.unknown == 1) {
			t.Errorf("%s: %+v", name, unheard)
		}
	}
}

func TestAddresses(t *testing.T) {
	keys := []fleet.Key{{Target: "a", Cluster: "c", Service: "web"}, {Target: "b", Cluster: "c", Service: "web"}, {Target: "a", Cluster: "c", Service: "api"}}
	for address, want := range map[string]int{"web": 2, "c/web": 2, "b/c/web": 1, "api": 1, "a/api": 0, "": 0, "x/y/z/web": 0,
		"arn:aws:ecs:eu-west-1:1:service/c/api": 1, "arn:aws:ecs:eu-west-1:1:service/api": 1} {
		if got := Matching(keys, address); len(got) != want {
			t.Errorf("%q: %v, want %d", address, got, want)
		}
	}
	if c, s := Place("a/c/web"); c != "c" || s != "web" {
		t.Errorf("%q %q", c, s)
	}
}

func TestWorstAndCauses(t *testing.T) {
	one := Service{Target: "t", Cluster: "c", Service: "a", Status: Churning, cause: cause{"x", "oom", "i:1"}, Findings: []Finding{{Severity: finding.Warning}}}
	two, other, none, calm := one, one, one, one
	two.Service, other.Service, none.Service, calm.Service = "b", "c", "d", "e"
	other.cause.image, none.cause = "i:2", cause{}
	calm.Status, calm.Findings = Quiet, nil
	r := Compose(Report{}, []Service{calm, none, other, two, one}, 0)
	var got []string
	for _, c := range r.Causes {
		got = append(got, fmt.Sprintf("%s %s %d/%d", c.Container, c.Image, c.Explains, c.Of))
	}
	if diff := cmp.Diff([]string{"x i:1 2/4", "x i:2 1/4", "  1/4"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Worst() != finding.Warning || r.Items[0].Service != "a" || r.Items[4].Service != "e" || !r.Complete {
		t.Errorf("%s %+v", r.Worst(), r.Items)
	}
}
