package churn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

const webDefinition = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:1"

func policy() Policy {
	return Policy{Window: 24 * time.Hour, Threshold: 3, RatePerTaskDay: 0.1, StormStops: 3, StormWithin: 15 * time.Minute, Logs: true, LogLines: 100, TailLines: 6}
}

func definition() fleet.Definition {
	logs := map[string]string{"awslogs-group": "/ecs/web", "awslogs-stream-prefix": "ecs"}
	return fleet.Definition{ARN: webDefinition, Containers: []fleet.ContainerDefinition{
		{Name: "app", Essential: true, LogDriver: "awslogs", LogOptions: logs, Env: []fleet.EnvVar{{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}},
			DependsOn: []fleet.Dependency{{Container: "init", Condition: "SUCCESS"}}},
		{Name: "ecs-cwagent", Essential: true, Image: "amazon/cloudwatch-agent:1", LogDriver: "awslogs", LogOptions: logs},
		{Name: "init"}, {Name: "shipper", Image: "corp/shipper:1"},
	}}
}

func look(offset time.Duration, tasks ...fleet.Task) fleet.Observation {
	return fleet.Observation{
		Key: fleet.Key{Target: "default", Cluster: "c", Service: "web"}, Seen: fleet.Seen{At: at(offset), Complete: true},
		Service:     fleet.Service{Name: "web", Desired: 4, Running: 4, Deployments: []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", RolloutState: "COMPLETED", TaskDefinition: webDefinition, CreatedAt: at(-90 * 24 * time.Hour)}}},
		Tasks:       tasks,
		Definitions: map[string]fleet.Definition{webDefinition: definition()},
	}
}

// crash is a task whose agent died at the offset after so long.
func crash(n int, offset, life time.Duration) fleet.Task {
	t := stopped("EssentialContainerExited", "Essential container in task exited", box("app", 143), box("ecs-cwagent", 2))
	t.ARN = fmt.Sprintf("arn:aws:ecs:us-east-1:111122223333:task/c/%032d", n)
	t.StartedAt, t.StoppingAt, t.StoppedAt = at(offset-life), at(offset), at(offset+20*time.Second)
	t.Containers[1].Image, t.Containers[1].ImageDigest = "amazon/cloudwatch-agent:1", "sha256:0123456789abcdef0123"
	return t
}

// world plays a book: it records what judgements bring.
type world struct {
	h History
	p Policy
}

func (w *world) judge(o fleet.Observation) Judgement {
	j := Judge(o, w.h, w.p, o.At)
	w.h.Stops = append(slices.Clone(w.h.Stops), j.New...)
	for _, s := range j.Refined {
		i := slices.IndexFunc(w.h.Stops, func(was Stop) bool { return was.TaskARN == s.TaskARN })
		w.h.Stops[i] = s
	}
	w.h.Held, w.h.Short = j.Held, j.Short
	return j
}

func claimed(claims []finding.Claim) string {
	var out []string
	for _, c := range claims {
		s := c.Type
		if c.Subject != "" {
			s += "/" + c.Subject
		}
		if c.Keeps {
			s += "?"
		}
		out = append(out, s+" "+string(c.Severity)+" "+c.Reason)
	}
	return strings.Join(out, "; ")
}

func TestJudgeIncident(t *testing.T) {
	w := world{h: History{Since: at(-48 * time.Hour)}, p: policy()}
	life := 6*time.Hour + 30*time.Minute
	first := look(time.Hour, crash(1, 0, life))
	j := w.judge(first)
	if len(j.New) != 1 || !j.New[0].Verdict.Sidecar || j.New[0].Lifetime != life || j.New[0].LogsAt != LogsWanted {
		t.Fatalf("new stops %+v", j.New)
	}
	want := []Want{{TaskARN: j.New[0].TaskARN, Container: "ecs-cwagent", Ref: fleet.LogRef{Group: "/ecs/web", Stream: "ecs/ecs-cwagent/" + fmt.Sprintf("%032d", 1)}, From: at(-15 * time.Minute), To: at(20*time.Second + 2*time.Minute)}}
	if d := cmp.Diff(want, j.Wants); d != "" {
		t.Fatalf("wants (-want +got):\n%s", d)
	}
	if got := claimed(j.Claims); got != "SilentChurn? warning UnplannedStops; SidecarCrash/ecs-cwagent warning SidecarExited" {
		t.Errorf("claims after one death: %s", got)
	}

	first.Logs = map[fleet.LogRef]fleet.Tail{want[0].Ref: {Lines: []string{"started", "token=hunter2", "fatal error: concurrent map writes", "", "goroutine 1 [running]:", "a()", "b()", "c()", "d()", "e()", "f()", "g()"}}}
	j = w.judge(first)
	if len(j.New) != 0 || len(j.Refined) != 1 || len(j.Wants) != 0 {
		t.Fatalf("with the log: %+v", j)
	}
	s := j.Refined[0]
	if s.LogsAt != LogsFetched || found(s.Verdict.Signatures) != "go-concurrent-map-writes!" || len(s.Sources) != 0 {
		t.Errorf("refined %+v", s)
	}
	if want := []string{"fatal error: concurrent map writes", "", "goroutine 1 [running]:", "a()", "b()", "g()"}; !slices.Equal(s.Tail, want) {
		t.Errorf("tail %q, want %q", s.Tail, want)
	}

	for i := 2; i <= 6; i++ {
		j = w.judge(look(time.Duration(i)*time.Hour, crash(i, time.Duration(i)*time.Hour-time.Minute, life)))
	}
	if got := claimed(j.Claims); got != "SilentChurn warning UnplannedStops; SidecarCrash/ecs-cwagent warning GoConcurrentMapWrites" {
		t.Errorf("claims after six deaths: %s", got)
	}
	churn, agent := j.Claims[0], j.Claims[1]
	if churn.Count != 6 || !churn.Since.Equal(at(20*time.Second)) || len(churn.Evidence) != 5 {
		t.Errorf("churn claim %+v", churn)
	}
	for _, part := range []string{"6 unplanned stops", "6 h 30 min after their start", "essential_container_exited by ecs-cwagent (exit 2)", "4 task(s)"} {
		if !strings.Contains(churn.Message, part) {
			t.Errorf("%q is not in %q", part, churn.Message)
		}
	}
	for _, part := range []string{"amazon/cloudwatch-agent:1@0123456789ab", "exit 2", "fatal error: concurrent map writes", "app sets OTEL_TRACES_SAMPLER=xray", "6 task(s)"} {
		if !strings.Contains(agent.Message, part) {
			t.Errorf("%q is not in %q", part, agent.Message)
		}
	}

	// The window slides over the deaths; only the clock of 2 × 6 h 30 min clears.
	if got := claimed(w.judge(look(18*time.Hour + 58*time.Minute)).Claims); !strings.HasPrefix(got, "SilentChurn warning") {
		t.Errorf("just before the clearing time: %s", got)
	}
	if got := claimed(w.judge(look(19*time.Hour + 10*time.Minute)).Claims); got != "" {
		t.Errorf("after the clearing time: %s", got)
	}
	// A deployment restarts the clock, and opens nothing.
	deployed := look(19*time.Hour + 10*time.Minute)
	deployed.Service.Deployments[0].CreatedAt = at(10 * time.Hour)
	if got := claimed(w.judge(deployed).Claims); got != "SilentChurn? warning UnplannedStops; SidecarCrash/ecs-cwagent? warning GoConcurrentMapWrites" {
		t.Errorf("after a deployment: %s", got)
	}
}

func TestJudgeRecordsOnce(t *testing.T) {
	w := world{h: History{Since: at(-time.Hour)}, p: policy()}
	older := crash(1, 0, time.Hour)
	older.Version, older.StoppedReason = 1, "older"
	newer := crash(1, 0, time.Hour)
	newer.Version = 2
	foreign := crash(2, 0, time.Hour)
	foreign.Group = "service:other"
	running := crash(3, 0, time.Hour)
	running.LastStatus = "DEPROVISIONING"
	o := look(time.Minute, newer, older, foreign, running)
	if j := w.judge(o); len(j.New) != 1 || strings.Contains(strings.Join(j.New[0].Verdict.Evidence, " "), "older") {
		t.Fatalf("new %+v", j.New)
	}
	if j := w.judge(o); len(j.New) != 0 || len(j.Refined) != 0 {
		t.Errorf("the same look brings %+v", j)
	}
}

func TestJudgeWantsAreBounded(t *testing.T) {
	var tasks []fleet.Task
	for i := range 50 {
		tasks = append(tasks, crash(i, time.Duration(i)*time.Second, time.Hour))
	}
	j := Judge(look(time.Hour, tasks...), History{}, policy(), at(time.Hour))
	if len(j.New) != 50 || len(j.Wants) != maxWantedStops || j.Wants[0].TaskARN != tasks[49].ARN {
		t.Errorf("%d new, %d wants", len(j.New), len(j.Wants))
	}
	p := policy()
	p.Logs = false
	if j := Judge(look(time.Hour, tasks...), History{}, p, at(time.Hour)); len(j.Wants) != 0 || j.New[0].LogsAt != LogsNone {
		t.Error("logs are asked for although they are switched off")
	}
}

func TestJudgeSeverity(t *testing.T) {
	spread := []fleet.Task{crash(1, -10*time.Hour, 5*time.Hour), crash(2, -5*time.Hour, 5*time.Hour), crash(3, -time.Minute, 5*time.Hour)}
	burst := []fleet.Task{crash(1, -3*time.Minute, time.Minute), crash(2, -2*time.Minute, time.Minute), crash(3, -time.Minute, time.Minute)}
	for _, c := range []struct {
		name             string
		tasks            []fleet.Task
		desired, running int
		want             finding.Severity
	}{
		{"spread", spread, 4, 4, finding.Warning},
		{"storm", burst, 4, 4, finding.Critical},
		{"a task is missing at one look", spread, 4, 3, finding.Warning},
		{"one-task service, up", spread, 1, 1, finding.Warning},
		{"one-task service, down", spread, 1, 0, finding.Critical},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := look(0, c.tasks...)
			o.Service.Desired, o.Service.Running = c.desired, c.running
			j := Judge(o, History{Since: at(-24 * time.Hour)}, policy(), o.At)
			if len(j.Claims) == 0 || j.Claims[0].Type != finding.SilentChurn || j.Claims[0].Severity != c.want || j.Claims[0].Keeps {
				t.Errorf("claims %s", claimed(j.Claims))
			}
		})
	}
}

func TestJudgeRate(t *testing.T) {
	tasks := []fleet.Task{crash(1, -10*time.Hour, 5*time.Hour), crash(2, -5*time.Hour, 5*time.Hour), crash(3, -time.Minute, 5*time.Hour)}
	o := look(0, tasks...)
	o.Service.Desired, o.Service.Running = 100, 100
	if got := claimed(Judge(o, History{Since: at(-24 * time.Hour)}, policy(), o.At).Claims[:1]); got != "SilentChurn? warning UnplannedStops" {
		t.Errorf("three deaths among a hundred tasks: %s", got)
	}
}

func TestJudgeCompletedLoopAndCircuitBreaker(t *testing.T) {
	var loop, broken []fleet.Task
	for i := range 4 {
		done := crash(i, -time.Duration(i+1)*time.Hour, 50*time.Minute)
		done.Containers = []fleet.Container{box("app", 0)}
		loop = append(loop, done)
		given := crash(i, -time.Duration(i+1)*time.Hour, time.Minute)
		given.StopCode, given.StoppedReason = "ServiceSchedulerInitiated", "ECS deployment circuit breaker: tasks failed"
		broken = append(broken, given)
	}
	if got := claimed(Judge(look(0, loop...), History{}, policy(), at(0)).Claims); got != "SilentChurn warning CompletedLoop" {
		t.Errorf("a job as a service: %s", got)
	}
	if got := claimed(Judge(look(0, broken...), History{}, policy(), at(0)).Claims); got != "" {
		t.Errorf("a circuit breaker's stops: %s", got)
	}
	gone := look(0, loop...)
	gone.Gone = true
	if got := claimed(Judge(gone, History{}, policy(), at(0)).Claims); got != "" {
		t.Errorf("a service that is gone: %s", got)
	}
}

func TestJudgeSidecarDown(t *testing.T) {
	live := func(boxes ...fleet.Container) fleet.Task {
		t := crash(1, 0, time.Hour)
		t.LastStatus, t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppedAt = "RUNNING", "RUNNING", "", "", time.Time{}
		t.Containers = append([]fleet.Container{{Name: "app", LastStatus: "RUNNING"}}, boxes...)
		return t
	}
	withRestart := definition()
	withRestart.Containers[3].Restart = true
	young := live(box("shipper", 1))
	young.StartedAt = at(-10 * time.Second)
	for _, c := range []struct {
		name string
		task fleet.Task
		d    *fleet.Definition
		want string
	}{
		{"failed", live(box("shipper", 1)), nil, "SidecarDown/shipper warning SidecarStopped"},
		{"helper that did its work", live(box("init", 0)), nil, ""},
		{"unknown container that ended well", live(box("shipper", 0)), nil, ""},
		{"injected agent that ended", live(box("aws-guardduty-agent-1", 0)), nil, "SidecarDown/aws-guardduty-agent-1 warning SidecarStopped"},
		{"injected and unknown", live(box("mystery", 1)), nil, ""},
		{"essential: the task is about to stop", live(box("ecs-cwagent", 2)), nil, ""},
		{"restart policy, just started", young, &withRestart, ""},
		{"no definition, no conclusion", live(box("shipper", 1)), &fleet.Definition{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := look(0, c.task)
			if c.d != nil {
				o.Definitions = map[string]fleet.Definition{webDefinition: *c.d}
			}
			if c.name == "no definition, no conclusion" {
				o.Definitions = nil
			}
			if got := claimed(Judge(o, History{}, policy(), o.At).Claims); got != c.want {
				t.Errorf("claims %q, want %q", got, c.want)
			}
		})
	}
}

func TestJudgeIsDeterministic(t *testing.T) {
	var tasks []fleet.Task
	for i := range 12 {
		tasks = append(tasks, crash(i, -time.Duration(i%3)*time.Hour, time.Hour))
	}
	o := look(0, tasks...)
	first := Judge(o, History{}, policy(), o.At)
	for range 20 {
		slices.Reverse(o.Tasks)
		if d := cmp.Diff(first, Judge(o, History{}, policy(), o.At)); d != "" {
			t.Fatalf("another order of tasks changed (-was +is):\n%s", d)
		}
		o.Tasks = append(o.Tasks[1:], o.Tasks[0])
	}
	if len(maps.Collect(maps.All(first.Held))) != 0 {
		t.Errorf("held %v", first.Held)
	}
}

// Missing tasks are critical once they stay missing; a deployment under way and a partial look count for nothing.
func TestJudgeSeverityStaysShort(t *testing.T) {
	spread := []fleet.Task{crash(1, -10*time.Hour, 5*time.Hour), crash(2, -5*time.Hour, 5*time.Hour), crash(3, -time.Minute, 5*time.Hour)}
	for _, c := range []struct {
		name string
		at   time.Duration // of the second look
		edit func(*fleet.Observation)
		want finding.Severity
	}{
		{"still, a minute later", time.Minute, func(*fleet.Observation) {}, finding.Warning},
		{"still, five minutes later", 5 * time.Minute, func(*fleet.Observation) {}, finding.Critical},
		{"back by then", 5 * time.Minute, func(o *fleet.Observation) { o.Service.Running = 4 }, finding.Warning},
		{"a deployment goes on", 5 * time.Minute, func(o *fleet.Observation) { o.Service.Deployments[0].RolloutState = fleet.RolloutInProgress }, finding.Warning},
		{"long after the last death", 20 * time.Hour, func(o *fleet.Observation) { o.Service.Deployments[0].CreatedAt = at(19 * time.Hour) }, finding.Warning},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{h: History{Since: at(-24 * time.Hour)}, p: policy()}
			first := look(0, spread...)
			first.Service.Running = 3
			w.judge(first)
			o := look(c.at)
			o.Service.Running = 3
			c.edit(&o)
			if j := w.judge(o); len(j.Claims) == 0 || j.Claims[0].Severity != c.want {
				t.Errorf("claims %s, want %s", claimed(j.Claims), c.want)
			}
		})
	}
	part := look(0)
	part.Complete, part.Service.Running = false, 3
	if got := shortSince(part, time.Time{}); !got.IsZero() {
		t.Errorf("a partial look says that tasks are missing since %s", got)
	}
}

// A one-task service was down from the death to its replacement's start, whether or not a look fell into the gap.
func TestJudgeSeverityOfOneTask(t *testing.T) {
	spread := []fleet.Task{crash(1, -15*time.Hour, 5*time.Hour), crash(2, -9*time.Hour, 5*time.Hour), crash(3, -time.Hour, 5*time.Hour)}
	replaced, outlived := running(9), running(9)
	replaced.StartedAt = at(-58 * time.Minute)
	for name, c := range map[string]struct {
		task fleet.Task
		want finding.Severity
	}{"replaced after the death": {replaced, finding.Critical}, "scaled in from two": {outlived, finding.Warning}} {
		o := look(0, append(slices.Clone(spread), c.task)...)
		o.Service.Desired, o.Service.Running = 1, 1
		if j := Judge(o, History{Since: at(-24 * time.Hour)}, policy(), o.At); j.Claims[0].Severity != c.want {
			t.Errorf("%s: %s", name, claimed(j.Claims))
		}
	}
}
