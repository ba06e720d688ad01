package test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// writes are the actions that no mode of this version but alarms.mode ensure ever needs.
var writes = []string{"cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource",
	"ecs:RegisterTaskDefinition", "ecs:UpdateService", "ecs:StopTask"}

func incident(t *testing.T, overrides map[string]string) account.Scenario {
	t.Helper()
	s, err := account.LoadScenario("scenarios/incident.yaml", overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func called(a *account.Account, op string) (n int) {
	for _, c := range a.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

func errorsLogged(w *world) []string {
	var out []string
	for _, l := range w.logs.All() {
		if l.Level >= 1 {
			out = append(out, l.Message+" "+l.ContextMap()["reason"].(string))
		}
	}
	return out
}

// With every write refused by the account, mode plan runs without an error and without trying one, and says what it would do.
func TestPlanModeNeedsNoWritePermission(t *testing.T) {
	t.Parallel()
	for _, mode := range []reconciler.Mode{reconciler.Plan, reconciler.Off} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, incident(t, nil))
				w.account.Deny(writes...)
				c := w.run(func(o *reconciler.Options) { o.Alarms = mode })
				defer c.stop()
				time.Sleep(9 * time.Hour)
				if got := errorsLogged(w); len(got) != 0 {
					t.Errorf("logged %v", got)
				}
				for _, op := range []string{"PutMetricAlarm", "DeleteAlarms", "TagResource", "UpdateService"} {
					if n := called(w.account, op); n != 0 {
						t.Errorf("%d calls of %s", n, op)
					}
				}
				planned := 0
				for _, a := range c.Alarms() {
					if a.Status == "missing" && a.Write.Put != nil {
						planned++
					}
				}
				if want := map[reconciler.Mode]int{reconciler.Plan: 7, reconciler.Off: 0}[mode]; planned != want {
					t.Errorf("%d alarms planned, want %d: %+v", planned, want, c.Alarms())
				}
				if len(open(c.Controller)["django"]) != 3 {
					t.Errorf("the incident is not seen: %v", open(c.Controller))
				}
			})
		})
	}
}

// The plan is exactly what ensure then does: same names, same specifications.
func TestPlanEqualsWhatEnsureWrites(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		c := w.run(func(o *reconciler.Options) { o.Alarms = reconciler.Plan })
		time.Sleep(20 * time.Minute)
		planned := map[string]string{}
		for _, a := range c.Alarms() {
			planned[a.Name] = a.Write.Put.Hash()
		}
		c.stop()
		c = w.run(nil)
		defer c.stop()
		time.Sleep(20 * time.Minute)
		out, err := w.cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{})
		if err != nil || len(out.MetricAlarms) != len(planned) || len(planned) == 0 {
			t.Fatalf("%d alarms, %d planned: %v", len(out.MetricAlarms), len(planned), err)
		}
		for _, a := range out.MetricAlarms {
			tags, err := w.cw.ListTagsForResource(t.Context(), &cloudwatch.ListTagsForResourceInput{ResourceARN: a.AlarmArn})
			if err != nil {
				t.Fatal(err)
			}
			spec := ""
			for _, tag := range tags.Tags {
				if aws.ToString(tag.Key) == "taskwarden:spec" {
					spec = aws.ToString(tag.Value)
				}
			}
			if want := planned[aws.ToString(a.AlarmName)]; want == "" || want != spec {
				t.Errorf("%s: planned %q, written %q", aws.ToString(a.AlarmName), want, spec)
			}
		}
		before := called(w.account, "PutMetricAlarm")
		time.Sleep(6 * time.Hour)
		if n := called(w.account, "PutMetricAlarm") - before; n != 0 {
			t.Errorf("%d alarms put in a steady state", n)
		}
	})
}

// Somebody else's alarm of our name is never written, and a drifted one of ours is repaired.
func TestEnsureTouchesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		theirs := &cloudwatch.PutMetricAlarmInput{
			AlarmName: aws.String("taskwarden/taskwarden/prod/silent-churn"), Namespace: aws.String("Theirs"), MetricName: aws.String("M"),
			Statistic: cwtypes.StatisticSum, Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(7),
			ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
			Tags:               []cwtypes.Tag{{Key: aws.String("taskwarden:owner"), Value: aws.String("another")}},
		}
		if _, err := w.cw.PutMetricAlarm(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
		c := w.run(nil)
		defer c.stop()
		time.Sleep(10 * time.Minute)
		ours, err := w.cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"taskwarden/taskwarden/prod/sidecar-crash"}})
		if err != nil || len(ours.MetricAlarms) != 1 {
			t.Fatalf("our alarm: %v %v", ours, err)
		}
		a := ours.MetricAlarms[0]
		if _, err := w.cw.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
			AlarmName: a.AlarmName, Metrics: a.Metrics, EvaluationPeriods: a.EvaluationPeriods, DatapointsToAlarm: a.DatapointsToAlarm,
			ComparisonOperator: a.ComparisonOperator, TreatMissingData: a.TreatMissingData, Threshold: aws.Float64(99),
			AlarmActions: []string{"arn:aws:sns:us-east-1:111122223333:people"},
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Minute)
		out, err := w.cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String("taskwarden/taskwarden/prod/si")})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range out.MetricAlarms {
			switch {
			case strings.HasSuffix(*a.AlarmName, "/silent-churn") && aws.ToFloat64(a.Threshold) != 7:
				t.Errorf("a foreign alarm was written: %+v", a)
			case strings.HasSuffix(*a.AlarmName, "/sidecar-crash") && (aws.ToFloat64(a.Threshold) != 1 || len(a.AlarmActions) != 1):
				t.Errorf("not repaired, or a person's action was lost: %+v", a)
			}
		}
	})
}

// With PutMetricData denied there is one log line, a finding that names the action, and looking goes on.
func TestDeniedMetricsAreSaidOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		w.account.Deny("cloudwatch:PutMetricData")
		c := w.run(nil)
		defer c.stop()
		time.Sleep(24 * time.Hour)
		said := 0
		for _, l := range w.logs.FilterMessage("something stands in the way").All() {
			if l.ContextMap()["reason"] == "MetricsRefused" {
				said++
			}
		}
		if said != 1 {
			t.Errorf("said %d times", said)
		}
		named := false
		for _, f := range c.Findings() {
			named = named || f.Type == finding.Unobservable && f.Status == finding.True && strings.Contains(f.Message, "cloudwatch:PutMetricData")
		}
		if !named {
			t.Errorf("no finding names the action: %+v", c.Findings())
		}
		if n := called(w.account, "ListClusters"); n < 24*12*9/10 {
			t.Errorf("%d sweeps in a day", n)
		}
		w.account.Allow("cloudwatch:PutMetricData")
		time.Sleep(10 * time.Minute)
		for _, f := range c.Findings() {
			if f.Type == finding.Unobservable && f.Open() {
				t.Errorf("still open: %+v", f)
			}
		}
		var crashes float64
		for _, s := range w.account.Stops() {
			if !s.Planned {
				crashes++
			}
		}
		if got := w.maxima(time.Now().Add(-25*time.Hour), "UnplannedStops", "ClusterName", "prod", "ServiceName", "django"); got != crashes || crashes == 0 {
			t.Errorf("after it is allowed again the counters say %v of %v", got, crashes)
		}
	})
}

// With a read denied the action is named, what was open stays open as unknown, and nothing is concluded.
func TestDeniedReadsConcludeNothing(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"ecs:ListTasks", "ecs:DescribeServices", "ecs:ListClusters"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, incident(t, nil))
				c := w.run(nil)
				defer c.stop()
				time.Sleep(9 * time.Hour)
				if len(open(c.Controller)["django"]) != 3 {
					t.Fatalf("the incident is not seen: %v", open(c.Controller))
				}
				w.account.Deny(action)
				time.Sleep(20 * time.Hour)
				kept, named := 0, false
				for _, f := range c.Findings() {
					if f.Key.Service == "django" && f.Open() {
						kept++
					}
					named = named || f.Type == finding.Unobservable && f.Open() && strings.Contains(f.Message, action)
				}
				if kept != 3 || !named {
					t.Errorf("%d findings kept, action named: %t: %+v", kept, named, c.Findings())
				}
				for _, s := range c.Services() {
					if s.Gone {
						t.Errorf("%s is said to be gone", s.Key)
					}
				}
				if tr := c.Targets()[0]; tr.Ready || tr.Complete {
					t.Errorf("ready without a complete view: %+v", tr)
				}
			})
		})
	}
}

// A restart forgets nothing: open findings are said from the start on, stops before it are recorded once and counted once.
func TestRestartRemembers(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, incident(t, nil))
		c := w.run(nil)
		time.Sleep(15 * time.Hour)
		before := len(c.Stops(fleet.Key{}))
		c.stop()
		time.Sleep(40 * time.Minute) // a downtime shorter than AWS's memory
		opened := w.logs.FilterMessage("finding opened").Len()
		c = w.run(nil)
		defer c.stop()
		time.Sleep(90 * time.Second)
		if len(open(c.Controller)["django"]) != 3 || opened == 0 {
			t.Errorf("findings after the restart: %v", open(c.Controller))
		}
		if n := w.logs.FilterMessage("finding opened").Len(); n != 0 {
			t.Errorf("%d findings told as news", n)
		}
		time.Sleep(8 * time.Hour)
		if n := len(c.Stops(fleet.Key{})); n <= before {
			t.Errorf("%d stops before, %d after", before, n)
		}
		compareWithTruth(t, w, c, start)
	})
}
