package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/robfig/cron/v3"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// faultStory is a small account with one sick service, django, that loses both tasks every 18 to 22 minutes to its agent.
const faultStory = `
name: faults
why: one sick service among healthy ones, in two clusters
seed: 5
clusters:
  - name: prod
    services:
      - name: django
        desired: 2
        taskDefinition:
          family: django
          containers:
            - {name: app, image: "app:1", environment: {OTEL_TRACES_SAMPLER: xray}}
            - {name: cwagent, image: "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300057.0b1161"}
        models:
          cwagent:
            onStop: {exit: 0}
            cases: [{when: {OTEL_TRACES_SAMPLER: xray}, lifetime: 18m..22m, exit: 2, log: ["fatal error: concurrent map writes", "goroutine 7 [running]:"]}]
      - {name: orders, desired: 1, taskDefinition: {family: orders, containers: [{name: orders, image: "orders:41"}]}}
      - {name: worker, desired: 2, taskDefinition: {family: worker, containers: [{name: worker, image: "worker:12"}]}}
  - name: yard
    containerInsights: enhanced
    services:
      - name: web
        desired: 1
        taskDefinition:
          family: web
          containers:
            - {name: web, image: "web:3", environment: {OTEL_AWS_APPLICATION_SIGNALS_ENABLED: "true", OTEL_SERVICE_NAME: web}}
            - {name: fluent-bit, image: "aws-for-fluent-bit:2", essential: false, restartPolicy: {enabled: true}}
        signals: [{service: web, environment: "ecs:yard", operation: InternalOperation, perMinute: 5}]
`

// moment is when a fault begins: before the first look, amid an incident with open findings, or while it heals.
type moment struct {
	name     string
	at       time.Duration // after the controller's start
	lasts    time.Duration
	end      time.Duration // of the cell, long enough for the world to be seen again
	timeline string
}

// The steps around a fault make the controller need every operation while it lasts: a new definition, a death outside
// the incident with its log and its counters. At the end nothing dies any more, so that all can be compared.
var moments = []moment{
	{"before the first look", 0, 15 * time.Minute, 75 * time.Minute, stepsAt("2m", "4m") + quietAt("55m")},
	{"amid an incident", 56 * time.Minute, 15 * time.Minute, 100 * time.Minute, stepsAt("57m", "60m") + quietAt("80m")},
	{"while it heals", 110 * time.Minute, 20 * time.Minute, 150 * time.Minute, stepsAt("111m", "114m") +
		"  - {at: 70m, do: deploy, service: django, set: {app: {OTEL_TRACES_SAMPLER: parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG: \"0.01\"}}, why: the cure}\n"},
}

func stepsAt(deploy, kill string) string {
	return fmt.Sprintf(`
timeline:
  - {at: %s, do: deploy, service: worker, image: {worker: "worker:13"}, why: a release}
  - {at: %s, do: kill, service: orders, container: orders, exit: 1, log: ["panic: boom", "", "goroutine 1 [running]:"], why: a crash of its own}
`, deploy, kill)
}

func quietAt(at string) string {
	return "  - {at: " + at + ", do: set-model, service: django, container: cwagent, model: {}, why: nothing dies any more}\n"
}

// looks is how often the controllers of the matrix look.
const looks = 4 * time.Minute

// faultCell is one fault at one moment, and what is seen of it.
type faultCell struct {
	*world
	t        *testing.T
	c        running
	op       string
	fault    account.Fault
	m        moment
	extra    []account.Fault
	loud     bool // the caller gets errors
	blinding bool // no look at the target can be complete while it lasts
	clusters bool // nor one at any of its clusters
	begin    time.Time
	known    map[fleet.Key]bool // services that were in view
	said     string
}

// run plays the cell to its end.
func (f *faultCell) play() {
	f.begin = time.Now()
	f.prepareAlarms()
	if f.m.at == 0 {
		f.strike(f.start)
		return
	}
	f.start()
	time.Sleep(f.m.at)
	if got := open(f.c.Controller)["django"]; !slices.Equal(got, []string{"SidecarCrash/cwagent", "SilentChurn/"}) {
		f.t.Fatalf("before the fault open: %v", got)
	}
	f.disturbAlarms()
	f.strike(func() {})
}

func (f *faultCell) start() {
	allow := fleet.NewAllowList()
	base := sdk(f.account)
	base.DisableRequestCompression = true // bodies here are smaller than what the SDK's own default compresses
	acct := cloud.New(base, cloud.Options{Target: "prod", Budgets: cloud.NewBudgets(1), AllowList: allow, RoleARN: "arn:aws:iam::111122223333:role/watch",
		Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Evidence: true, cloud.Metrics: true, cloud.Alarms: true}})
	f.c = f.run(func(o *reconciler.Options) {
		o.Targets = []reconciler.Target{{Name: "prod", Observer: acct, CloudWatch: acct}}
		o.Home, o.Resync, o.AlarmAudit, o.AllowHash = acct, looks, cron.Every(5*time.Minute), allow.Hash()
	})
}

// strike injects the fault, has the world go on under it, and then looks at what has become of it.
func (f *faultCell) strike(start func()) {
	f.known = map[fleet.Key]bool{}
	if f.m.at > 0 {
		f.during() // what is in view before must stay
	}
	var all []*account.Injection
	for _, one := range append([]account.Fault{f.fault}, f.extra...) {
		one.For = f.m.lasts
		i, err := f.account.Inject(one)
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, i)
	}
	start()
	defer f.c.stop()
	struck := time.Now()
	for left := f.m.lasts - time.Second; left > 0; left = f.m.lasts - time.Second - time.Since(struck) {
		time.Sleep(min(time.Minute, left))
		f.during()
	}
	if f.fault.Kind != "" && all[0].Hits() == 0 {
		f.t.Fatal("the fault struck no call: the cell shows nothing")
	}
	f.atItsEnd(struck)
	for time.Since(f.begin) < f.m.end {
		time.Sleep(time.Minute)
		f.during()
	}
	f.afterwards(struck)
}

// during holds at every minute: what exists is in view and not gone, and an incident that goes on is not over.
func (f *faultCell) during() {
	now := map[fleet.Key]bool{}
	for _, s := range f.c.Services() {
		now[s.Key] = !s.Gone
	}
	for key := range f.known {
		if !now[key] {
			f.t.Errorf("%s: %s exists and is said to be gone", time.Since(f.begin), key)
			delete(f.known, key)
		}
	}
	for key, there := range now {
		if there {
			f.known[key] = true
		}
	}
	for _, x := range f.c.Findings() {
		if x.Type == finding.Unobservable && x.Open() {
			f.said += x.Message + " " + strings.Join(x.Evidence, " ") + "\n"
		}
	}
}

// atItsEnd holds in the last moment of the fault.
func (f *faultCell) atItsEnd(struck time.Time) {
	target := f.c.Targets()[0]
	if f.blinding {
		if target.Ready || target.Complete {
			f.t.Errorf("ready %t, complete %t after %s without a complete view", target.Ready, target.Complete, f.m.lasts)
		}
	}
	if f.clusters {
		for _, l := range f.logs.FilterMessage("finding closed").All() {
			if l.Time.After(struck) && !strings.Contains(fmt.Sprint(l.ContextMap()["type"]), finding.Unobservable) && !onAlarm(l) {
				f.t.Errorf("closed without a complete view: %v", l.ContextMap())
			}
		}
	}
	patient := f.op == "logs:GetLogEvents" && f.fault.Kind == account.FaultTimeout // still trying when it ends, so nothing is lost
	if f.loud && !patient && !strings.Contains(f.words(), f.op) {
		f.t.Errorf("nothing said names %s:\n%s", f.op, f.words())
	}
}

// words is everything said so far in findings and in log lines of some weight.
func (f *faultCell) words() string {
	out := f.said
	for _, l := range f.logs.All() {
		if l.Level >= zapcore.WarnLevel {
			out += fmt.Sprintln(l.Message, l.ContextMap())
		}
	}
	return out
}

// afterwards holds at the end: nothing is lost, nothing was counted twice, nothing stays in the way.
func (f *faultCell) afterwards(struck time.Time) {
	f.compareStops()
	for _, l := range f.logs.FilterMessage("pass failed").All() {
		f.t.Errorf("pass failed: %v", l.ContextMap())
	}
	target := f.c.Targets()[0]
	// That logs may be read again shows with the next one that is wanted, and here nothing dies any more.
	unasked := func(trouble string) bool {
		return f.op == "logs:GetLogEvents" && f.fault.Kind == account.FaultDeny && strings.HasPrefix(trouble, "LogsUnreadable")
	}
	if troubles := slices.DeleteFunc(target.Troubles, unasked); !target.Ready || !target.Complete || len(troubles) > 0 {
		f.t.Errorf("long after the fault: ready %t, complete %t, troubles %v", target.Ready, target.Complete, target.Troubles)
	}
	f.compareFindings()
	f.compareAlarms()
}

func (f *faultCell) compareStops() {
	truth, unplanned, sidecar := map[string]account.Stop{}, map[[2]string]float64{}, 0.0
	for _, s := range f.account.Stops() {
		truth[s.TaskARN] = s
		if !s.Planned {
			unplanned[[2]string{s.Cluster, s.Service}]++
		}
		if s.Culprit == "cwagent" {
			sidecar++
		}
	}
	if unplanned[[2]string{"prod", "django"}] < 4 || unplanned[[2]string{"prod", "orders"}] != 1 {
		f.t.Errorf("the story went wrong: %v", unplanned)
	}
	for _, r := range f.c.Stops(fleet.Key{}) {
		s, ok := truth[r.Stop.TaskARN]
		if !ok {
			f.t.Errorf("%s %s never stopped, or was recorded twice", r.Key, r.Stop.TaskARN)
		} else if s.Planned != r.Stop.Verdict.Planned {
			f.t.Errorf("%s: planned %t (%s), is %t (%s)", r.Key, r.Stop.Verdict.Planned, r.Stop.Verdict.Cause, s.Planned, s.Cause)
		}
		delete(truth, r.Stop.TaskARN)
	}
	for _, s := range truth {
		f.t.Errorf("%s/%s: the stop at %s (%s) was never recorded", s.Cluster, s.Service, s.At.Sub(f.begin), s.Cause)
	}
	for k, n := range unplanned {
		if got := f.maxima(f.begin, "UnplannedStops", "ClusterName", k[0], "ServiceName", k[1]); got != n {
			f.t.Errorf("%v: UnplannedStops says %v, %v happened", k, got, n)
		}
	}
	if got := f.maxima(f.begin, "SidecarCrashes", "ClusterName", "prod", "ContainerName", "cwagent", "ServiceName", "django"); got != sidecar {
		f.t.Errorf("SidecarCrashes says %v, %v happened", got, sidecar)
	}
}

// compareFindings: an incident that went on all the time has the findings it opened, and they were never closed; one that
// healed has none, and none was closed before twice the shortest lifetime had passed without a death.
func (f *faultCell) compareFindings() {
	got, healed := open(f.c.Controller), strings.Contains(f.m.timeline, "the cure")
	if want := []string{"SidecarCrash/cwagent", "SilentChurn/"}; !healed && !slices.Equal(got["django"], want) || healed && len(got["django"]) > 0 {
		f.t.Errorf("open at the end: %v", got)
	}
	got[""] = slices.DeleteFunc(got[""], func(s string) bool { return s == "Unobservable/LogsUnreadable" }) // see afterwards
	if len(got[""]) > 0 || len(got) > 2 || len(got) == 2 && got["django"] == nil {
		f.t.Errorf("open where nothing churns: %v", got)
	}
	var last time.Time
	for _, s := range f.account.Stops() {
		if s.Service == "django" && !s.Planned {
			last = s.At
		}
	}
	for _, l := range f.logs.FilterMessage("finding closed").All() {
		if l.ContextMap()["on"] == "prod/prod/django" && !onAlarm(l) && (!healed || l.Time.Before(last.Add(36*time.Minute))) {
			f.t.Errorf("closed at %s, the last death was at %s: %v", l.Time.Sub(f.begin), last.Sub(f.begin), l.ContextMap())
		}
	}
}

// onAlarm tells a finding on alarms: it closes by what the alarms are, not by what the services do.
func onAlarm(l observer.LoggedEntry) bool {
	return strings.HasPrefix(fmt.Sprint(l.ContextMap()["type"]), "Alarm")
}

const (
	foreignAlarm = "taskwarden/taskwarden/prod/sidecar-down"
	ownAlarm     = "taskwarden/taskwarden/prod/silent-churn"
)

// prepareAlarms puts an alarm of ours with an old tag, somebody else's that has the name of one of ours, and a team's whose
// data and topic are looked up.
func (f *faultCell) prepareAlarms() {
	f.account.SetTopic(people, account.Topic{Confirmed: 1})
	f.put(onMetric("cpu", "AWS/ECS", "CPUUtilization", cwtypes.ComparisonOperatorGreaterThanThreshold, 80, []string{people}, "ClusterName", "prod", "ServiceName", "django"))
	for name, owner := range map[string]string{foreignAlarm: "another", ownAlarm: "taskwarden"} {
		if _, err := f.cw.PutMetricAlarm(f.t.Context(), &cloudwatch.PutMetricAlarmInput{
			AlarmName: aws.String(name), Namespace: aws.String("Theirs"), MetricName: aws.String("M"),
			Statistic: cwtypes.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(7),
			ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, ActionsEnabled: aws.Bool(false),
			Tags: []cwtypes.Tag{{Key: aws.String("taskwarden:owner"), Value: aws.String(owner)}},
		}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// disturbAlarms makes work for the next audit: a threshold and a tag that are not as wanted.
func (f *faultCell) disturbAlarms() {
	all := f.alarmsNow()
	a := all["taskwarden/taskwarden/prod/sidecar-crash"]
	if _, err := f.cw.PutMetricAlarm(f.t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: a.AlarmName, Metrics: a.Metrics, EvaluationPeriods: a.EvaluationPeriods, DatapointsToAlarm: a.DatapointsToAlarm,
		ComparisonOperator: a.ComparisonOperator, TreatMissingData: a.TreatMissingData, Threshold: aws.Float64(99),
	}); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.cw.TagResource(f.t.Context(), &cloudwatch.TagResourceInput{ResourceARN: all[ownAlarm].AlarmArn,
		Tags: []cwtypes.Tag{{Key: aws.String("taskwarden:spec"), Value: aws.String("old")}}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *faultCell) alarmsNow() map[string]cwtypes.MetricAlarm {
	out, err := f.cw.DescribeAlarms(f.t.Context(), &cloudwatch.DescribeAlarmsInput{})
	if err != nil {
		f.t.Fatal(err)
	}
	all := map[string]cwtypes.MetricAlarm{}
	for _, a := range out.MetricAlarms {
		all[*a.AlarmName] = a
	}
	return all
}

// compareAlarms: none was deleted, the foreign one was not written, ours are all there and repaired, and what a person
// chose (actions disabled) is kept.
func (f *faultCell) compareAlarms() {
	all := f.alarmsNow()
	for _, name := range []string{"prod/silent-churn", "prod/sidecar-crash", "prod/target-blind", "default/controller-heartbeat"} {
		if a := all["taskwarden/taskwarden/"+name]; a.AlarmName == nil || aws.ToFloat64(a.Threshold) == 7 || aws.ToFloat64(a.Threshold) == 99 {
			f.t.Errorf("the alarm %s is missing or drifted: %v", name, aws.ToFloat64(a.Threshold))
		}
	}
	if a := all[foreignAlarm]; a.AlarmName == nil || aws.ToString(a.Namespace) != "Theirs" || aws.ToFloat64(a.Threshold) != 7 {
		f.t.Errorf("the foreign alarm was deleted or written: %+v", a)
	}
	if a := all[ownAlarm]; a.AlarmName != nil && aws.ToBool(a.ActionsEnabled) {
		f.t.Error("a person's choice of no actions was overwritten")
	}
	if n := called(f.account, "DeleteAlarms"); n != 0 {
		f.t.Errorf("%d alarms deleted", n)
	}
}
