package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"go.uber.org/zap"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

const (
	oncall = "arn:aws:sns:us-east-1:111122223333:oncall"
	people = "arn:aws:sns:us-east-1:111122223333:people"
	prefix = "taskwarden/taskwarden/prod/"
)

// told has the alarms notify a topic with a subscriber.
func (w *world) told(o *reconciler.Options) {
	w.account.SetTopic(oncall, account.Topic{Confirmed: 1})
	o.Targets[0].Actions = alarm.Actions{Alarm: []string{oncall}, OK: []string{oncall}}
	o.HomeActions = o.Targets[0].Actions
}

func (w *world) described() map[string]cwtypes.MetricAlarm {
	w.t.Helper()
	out := map[string]cwtypes.MetricAlarm{}
	for p := cloudwatch.NewDescribeAlarmsPaginator(w.cw, &cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(100)}); p.HasMorePages(); {
		page, err := p.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range page.MetricAlarms {
			out[*a.AlarmName] = a
		}
	}
	return out
}

// put puts an alarm as a person would: all of it again, with the change.
func (w *world) put(a cwtypes.MetricAlarm, tags ...cwtypes.Tag) {
	w.t.Helper()
	if _, err := w.cw.PutMetricAlarm(w.t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: a.AlarmName, AlarmDescription: a.AlarmDescription, Namespace: a.Namespace, MetricName: a.MetricName, Dimensions: a.Dimensions,
		Statistic: a.Statistic, Period: a.Period, Metrics: a.Metrics, EvaluationPeriods: a.EvaluationPeriods, DatapointsToAlarm: a.DatapointsToAlarm,
		ComparisonOperator: a.ComparisonOperator, TreatMissingData: a.TreatMissingData, Threshold: a.Threshold, AlarmActions: a.AlarmActions,
		OKActions: a.OKActions, InsufficientDataActions: a.InsufficientDataActions, ActionsEnabled: a.ActionsEnabled, Tags: tags,
	}); err != nil {
		w.t.Fatal(err)
	}
}

func theirQuery(name, text string, actions ...string) cwtypes.MetricAlarm {
	return cwtypes.MetricAlarm{
		AlarmName: &name, EvaluationPeriods: aws.Int32(3), DatapointsToAlarm: aws.Int32(1), Threshold: aws.Float64(0), AlarmActions: actions,
		ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("notBreaching"),
		Metrics: []cwtypes.MetricDataQuery{{Id: aws.String("q"), Expression: &text, Period: aws.Int32(60), ReturnData: aws.Bool(true)}},
	}
}

func onMetric(name, namespace, metric string, operator cwtypes.ComparisonOperator, threshold float64, actions []string, dims ...string) cwtypes.MetricAlarm {
	a := cwtypes.MetricAlarm{
		AlarmName: &name, Namespace: &namespace, MetricName: &metric, Statistic: cwtypes.StatisticMaximum, Period: aws.Int32(60),
		EvaluationPeriods: aws.Int32(1), Threshold: &threshold, ComparisonOperator: operator, AlarmActions: actions,
	}
	for i := 0; i+1 < len(dims); i += 2 {
		a.Dimensions = append(a.Dimensions, cwtypes.Dimension{Name: &dims[i], Value: &dims[i+1]})
	}
	return a
}

func rowsOf(c running) map[string]reconciler.AlarmReport {
	out := map[string]reconciler.AlarmReport{}
	for _, a := range c.Alarms() {
		out[a.Name] = a
	}
	return out
}

// onAlarms lists the open findings on alarms as type/reason by service.
func onAlarms(c running) map[string][]string {
	out := map[string][]string{}
	for _, f := range c.Findings() {
		if f.Status == finding.True && strings.HasPrefix(f.Type, "Alarm") {
			out[f.Key.Service] = append(out[f.Key.Service], f.Type+"/"+f.Reason)
		}
	}
	return out
}

// A team's alarm on the same metric under another name: ours is not created, and the row says whose does its work. Once
// theirs reaches nobody, ours is created.
func TestATeamsAlarmIsNotDuplicated(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		w.account.SetTopic(people, account.Topic{Confirmed: 1})
		theirs := theirQuery("churn of all services", `SELECT MAX(SilentChurn) FROM SCHEMA("TaskWarden", ClusterName, ServiceName) GROUP BY ServiceName ORDER BY MAX() DESC`, people)
		w.put(theirs)
		c := w.run(w.told)
		defer c.stop()
		time.Sleep(30 * time.Minute)
		if _, made := w.described()[prefix+"silent-churn"]; made || len(w.described()) != 7 {
			t.Errorf("alarms: %v", slices.Sorted(maps.Keys(w.described())))
		}
		if r := rowsOf(c)[prefix+"silent-churn"]; r.Status != alarm.Present || r.Owned || !strings.Contains(r.Reason, "churn of all services") {
			t.Errorf("the row: %+v", r)
		}
		if r := rowsOf(c)["churn of all services"]; r.Status != alarm.Foreign || r.Owned || r.Kind != alarm.SilentChurn {
			t.Errorf("their row: %+v", r)
		}
		w.account.DeleteTopic(people)
		time.Sleep(90 * time.Minute)
		if _, made := w.described()[prefix+"silent-churn"]; !made {
			t.Error("theirs reaches nobody, and ours is not there")
		}
		if r := rowsOf(c)["churn of all services"]; r.Status != alarm.Blind || !strings.Contains(r.Reason, "does not exist") {
			t.Errorf("their row: %+v", r)
		}
		if got := onAlarms(c)[""]; !slices.Contains(got, "AlarmBlind/DeadActions") {
			t.Errorf("findings: %v", got)
		}
		if got := *w.described()["churn of all services"].Threshold; got != 0 {
			t.Errorf("their threshold is %v", got)
		}
	})
}

// What people change: an action that they add stays; a threshold is drift, repaired in ensure and only reported in plan.
func TestWhatPeopleChange(t *testing.T) {
	t.Parallel()
	for _, mode := range []reconciler.Mode{reconciler.Ensure, reconciler.Plan} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, incident(t, nil))
				c := w.run(w.told)
				time.Sleep(10 * time.Minute)
				c.stop()
				name := prefix + "sidecar-crash"
				a := w.described()[name]
				a.Threshold, a.AlarmActions = aws.Float64(7), append(a.AlarmActions, people)
				w.put(a)
				c = w.run(func(o *reconciler.Options) { w.told(o); o.Alarms = mode })
				defer c.stop()
				time.Sleep(75 * time.Second)
				drifted := slices.Contains(onAlarms(c)[""], "AlarmDrifted/ChangedByHand")
				time.Sleep(40 * time.Minute)
				got, row := w.described()[name], rowsOf(c)[name]
				if mode == reconciler.Plan {
					if *got.Threshold != 7 || row.Status != alarm.Drifted || row.Write.Put == nil || !slices.Contains(onAlarms(c)[""], "AlarmDrifted/ChangedByHand") {
						t.Errorf("threshold %v, row %+v, findings %v", *got.Threshold, row, onAlarms(c))
					}
					return
				}
				if *got.Threshold != 1 || !slices.Equal(got.AlarmActions, []string{oncall, people}) || row.Status != alarm.Present {
					t.Errorf("threshold %v, actions %v, row %+v", *got.Threshold, got.AlarmActions, row)
				}
				opened := w.logs.FilterMessage("finding opened").FilterField(zap.String("type", finding.AlarmDrifted)).Len() > 0
				if !drifted && !opened || slices.Contains(onAlarms(c)[""], "AlarmDrifted/ChangedByHand") {
					t.Errorf("drift was said: %t %t, and is open: %v", drifted, opened, onAlarms(c))
				}
			})
		})
	}
}

// A person adds an action to each of the three lists, one of them the topic that is ours in another list. A repair for another
// reason keeps all of them.
func TestARepairKeepsEveryListOfActions(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		c := w.run(func(o *reconciler.Options) { w.told(o); o.Targets[0].Actions.OK = nil })
		defer c.stop()
		time.Sleep(10 * time.Minute)
		name := prefix + "silent-churn"
		a := w.described()[name]
		a.Threshold, a.AlarmActions = aws.Float64(5), append(a.AlarmActions, people)
		a.OKActions, a.InsufficientDataActions = []string{oncall}, []string{people, oncall}
		w.put(a)
		time.Sleep(40 * time.Minute)
		got := w.described()[name]
		if *got.Threshold != 1 || !slices.Equal(got.AlarmActions, a.AlarmActions) || !slices.Equal(got.OKActions, a.OKActions) ||
			!slices.Equal(got.InsufficientDataActions, a.InsufficientDataActions) {
			t.Errorf("threshold %v; ALARM %v, OK %v, INSUFFICIENT_DATA %v", *got.Threshold, got.AlarmActions, got.OKActions, got.InsufficientDataActions)
		}
		if r := rowsOf(c)[name]; !strings.Contains(r.Reason, "INSUFFICIENT_DATA action "+people) {
			t.Errorf("the plan does not show what is kept: %+v", r)
		}
	})
}

// A person edits an alarm at the very moment at which it is repaired: the repair waits for the next look, and keeps the edit.
func TestARepairLosesNoEditMadeMeanwhile(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		c := w.run(w.told)
		defer c.stop()
		time.Sleep(10 * time.Minute)
		name := prefix + "sidecar-down"
		a := w.described()[name]
		a.Threshold = aws.Float64(5)
		w.put(a)
		edited := false
		defer w.account.Gate(func(c account.Call) bool { return c.Op == "ListTagsForResource" && !edited }, func(account.Call) account.Gate {
			edited = true // the alarms were listed, and nothing is written yet
			a.InsufficientDataActions = []string{people}
			w.put(a)
			return account.Gate{}
		})()
		time.Sleep(40 * time.Minute)
		if got := w.described()[name]; !edited || *got.Threshold != 1 || !slices.Equal(got.InsufficientDataActions, []string{people}) {
			t.Errorf("edited %t; threshold %v, INSUFFICIENT_DATA %v", edited, *got.Threshold, got.InsufficientDataActions)
		}
		if w.logs.FilterMessage("left an alarm to the next look").Len() == 0 {
			t.Error("the log does not say that the repair waited")
		}
	})
}

func (w *world) putLog(name string, actions []string, groups ...string) {
	w.t.Helper()
	if _, err := w.cw.PutLogAlarm(w.t.Context(), &cloudwatch.PutLogAlarmInput{
		AlarmName: &name, AlarmActions: actions, ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, Threshold: aws.Float64(0),
		QueryResultsToEvaluate: aws.Int32(1), QueryResultsToAlarm: aws.Int32(1),
		ScheduledQueryConfiguration: &cwtypes.ScheduledQueryConfiguration{
			QueryString: aws.String("filter @message like /fatal error/"), AggregationExpression: aws.String("count(*)"), LogGroupIdentifiers: groups,
			ScheduledQueryRoleARN: aws.String("arn:aws:iam::111122223333:role/query"),
			ScheduleConfiguration: &cwtypes.ScheduleConfiguration{ScheduleExpression: aws.String("rate(5 minutes)"), StartTimeOffset: aws.Int64(300)},
		},
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) putPromQL(name, query string, actions ...string) {
	w.t.Helper()
	if _, err := w.cw.PutMetricAlarm(w.t.Context(), &cloudwatch.PutMetricAlarmInput{AlarmName: &name, AlarmActions: actions, EvaluationInterval: aws.Int32(60),
		EvaluationCriteria: &cwtypes.EvaluationCriteriaMemberPromQLCriteria{Value: cwtypes.AlarmPromQLCriteria{Query: &query}}}); err != nil {
		w.t.Fatal(err)
	}
}

// A service that a log alarm or a PromQL alarm may watch is neither covered nor uncovered, and it is said which alarm may.
func TestLogAndPromQLAlarmsPossiblyCover(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		django := fleet.Key{Target: "prod", Cluster: "prod", Service: "django"}
		group := w.groupOf("prod", "django")
		w.account.SetTopic(people, account.Topic{Confirmed: 1})
		w.putLog("errors of django", []string{people}, group)
		w.putLog("a function", []string{people}, "/aws/lambda/x")
		w.putPromQL("tasks of another", `RunningTaskCount{ClusterName="prod",ServiceName="other"} < 1`, people)
		c := w.run(func(o *reconciler.Options) { w.told(o); o.Alarms = reconciler.Plan })
		defer c.stop()
		time.Sleep(time.Hour)
		covers := c.CoverOf(django)
		if len(covers) == 0 {
			t.Fatal("nothing is known of the service's alarms")
		}
		for _, cover := range covers {
			if cover.Tells != alarm.Unclear || cover.Missing || cover.Alarm != "errors of django" || !strings.Contains(cover.Why, "possibly: it is a log alarm on the log group "+group) {
				t.Errorf("%s: %+v", cover.Failure, cover)
			}
		}
		if got := onAlarms(c)["django"]; len(got) > 0 {
			t.Errorf("findings on the service: %v", got)
		}
		rows := rowsOf(c)
		if r := rows["errors of django"]; r.Status != alarm.Foreign || r.Service != "django" || !strings.Contains(r.Reason, "log alarm") {
			t.Errorf("its row: %+v", r)
		}
		if _, listed := rows["a function"]; listed {
			t.Error("a function's log alarm is listed with the services")
		}
		if _, err := w.cw.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"errors of django"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		for _, cover := range c.CoverOf(django) {
			if cover.Tells != alarm.No || !cover.Missing {
				t.Errorf("without it, %s: %+v", cover.Failure, cover)
			}
		}
	})
}

// groupOf is the log group of the first container of a service's running revision.
func (w *world) groupOf(cluster, service string) string {
	w.t.Helper()
	client := ecs.NewFromConfig(sdk(w.account))
	of, err := client.DescribeServices(w.t.Context(), &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{service}})
	if err != nil || len(of.Services) != 1 {
		w.t.Fatal(err)
	}
	out, err := client.DescribeTaskDefinition(w.t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: of.Services[0].TaskDefinition})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.TaskDefinition.ContainerDefinitions[0].LogConfiguration.Options["awslogs-group"]
}

// A wanted name that an alarm of another type has is a conflict: it is said, the alarm stays, and the others are made.
func TestATakenNameIsAConflict(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		w.putLog(prefix+"silent-churn", []string{oncall}, "/aws/lambda/x")
		w.putPromQL(prefix+"sidecar-crash", `Errors{FunctionName="x"} > 0`, oncall)
		c := w.run(w.told)
		defer c.stop()
		time.Sleep(40 * time.Minute)
		for kind, says := range map[string]string{"silent-churn": "a log alarm's", "sidecar-crash": "a PromQL alarm's"} {
			if r := rowsOf(c)[prefix+kind]; r.Status != alarm.Foreign || !r.Taken || r.Write.Needed() || !strings.Contains(r.Reason, says) {
				t.Errorf("%s: %+v", kind, r)
			}
		}
		if got := w.described()[prefix+"sidecar-crash"]; got.EvaluationCriteria == nil {
			t.Errorf("overwritten: %+v", got)
		}
		if _, made := w.described()[prefix+"sidecar-down"]; !made {
			t.Error("the other alarms are not made")
		}
		if got := onAlarms(c)[""]; !slices.Contains(got, "AlarmMissing/NameTaken") {
			t.Errorf("findings: %v", got)
		}
		if said := strings.Join(c.Targets()[0].Troubles, "\n"); said != "" {
			t.Errorf("conditions: %s", said)
		}
	})
}

// Alarms without an action are called blind while they are only planned, and once they are there.
func TestAlarmsWithoutActionsAreBlind(t *testing.T) {
	t.Parallel()
	for _, mode := range []reconciler.Mode{reconciler.Plan, reconciler.Ensure} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, incident(t, nil))
			c := w.run(func(o *reconciler.Options) { o.Alarms = mode })
			defer c.stop()
			time.Sleep(40 * time.Minute)
			if got := onAlarms(c)[""]; !slices.Contains(got, "AlarmBlind/NoActions") {
				t.Errorf("%s: findings %v", mode, got)
			}
			r, want := rowsOf(c)[prefix+"silent-churn"], alarm.Blind
			if mode == reconciler.Plan {
				want = alarm.Missing
			}
			if r.Status != want || !strings.Contains(r.Reason, "it has no alarm action") {
				t.Errorf("%s: %+v", mode, r)
			}
		})
	}
}

// An alarm that lost its tags is tagged again, and a topic that the configuration drops leaves the alarms.
func TestTagsAndTopicsAreKept(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		c := w.run(w.told)
		time.Sleep(10 * time.Minute)
		c.stop()
		a := w.described()[prefix+"silent-churn"]
		if _, err := w.cw.UntagResource(t.Context(), &cloudwatch.UntagResourceInput{ResourceARN: a.AlarmArn, TagKeys: []string{alarm.OwnerTag, alarm.SpecTag}}); err != nil {
			t.Fatal(err)
		}
		c = w.run(func(o *reconciler.Options) {
			w.told(o)
			o.Targets[0].Actions = alarm.Actions{Alarm: []string{people}}
		})
		defer c.stop()
		time.Sleep(10 * time.Minute)
		got, _ := w.account.CloudWatch().Alarm(prefix + "silent-churn")
		if got.Tags[alarm.OwnerTag] != "taskwarden" || got.Tags[alarm.SpecTag] == "" {
			t.Errorf("tags %v", got.Tags)
		}
		if !slices.Equal(got.AlarmActions, []string{people}) {
			t.Errorf("actions %v", got.AlarmActions)
		}
	})
}

// A thousand services in the fleet layout: few writes at the start, none afterwards.
func TestAThousandServicesTakeFewWrites(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, account.Bulk(4, 1000, 1000))
		c := w.run(w.told)
		defer c.stop()
		time.Sleep(30 * time.Minute)
		if n := called(w.account, "PutMetricAlarm"); n == 0 || n > 60 {
			t.Errorf("%d PutMetricAlarm calls at the start", n)
		}
		tr := c.Targets()[0]
		if tr.Services != 1000 || len(tr.Coverage) == 0 || tr.Coverage[0].Covered != 1000 {
			t.Errorf("%d services, coverage %+v", tr.Services, tr.Coverage)
		}
		if tr.Cost == nil || tr.Cost.High > 25 || tr.Cost.Low <= 0 {
			t.Errorf("cost %+v", tr.Cost)
		}
		before := w.account.CallCounts()
		time.Sleep(3 * time.Hour)
		after := w.account.CallCounts()
		for _, op := range []string{"cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:DeleteAlarms"} {
			if n := after[op] - before[op]; n != 0 {
				t.Errorf("%d calls of %s in a steady state", n, op)
			}
		}
		if n := after["cloudwatch:DescribeAlarms"] - before["cloudwatch:DescribeAlarms"]; n > 2*14 {
			t.Errorf("%d DescribeAlarms in three hours", n)
		}
	})
}

// The service layout: an alarm for each service, for a sidecar's once it was seen to crash. A deleted service's alarms stay
// in ensure and go in sync, after two complete looks.
func TestServiceLayoutAndSync(t *testing.T) {
	t.Parallel()
	for _, mode := range []reconciler.Mode{reconciler.Ensure, reconciler.Sync} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, incident(t, nil))
				options := func(o *reconciler.Options) {
					w.told(o)
					o.Alarms, o.Layout = mode, alarm.ServiceLayout
				}
				foreign := onMetric(prefix+"silent-churn/prod/gone", "Theirs", "M", cwtypes.ComparisonOperatorGreaterThanThreshold, 5, nil)
				w.put(foreign, cwtypes.Tag{Key: aws.String(alarm.OwnerTag), Value: aws.String("another")})
				c := w.run(options)
				defer func() { c.stop() }()
				time.Sleep(10 * time.Hour)
				services := c.Services()
				for _, s := range services {
					a, ok := w.described()[prefix+"silent-churn/prod/"+s.Service.Name]
					if !ok || *a.MetricName != "SilentChurn" || len(a.Dimensions) != 2 {
						t.Errorf("the alarm of %s: %t %+v", s.Key, ok, a)
					}
				}
				if _, ok := w.described()[prefix+"sidecar-crash/prod/django/cwagent"]; !ok || len(open(c.Controller)["django"]) != 3 {
					t.Errorf("no alarm on the sidecar: %v", slices.Sorted(maps.Keys(w.described())))
				}
				if got := w.alarmsIn(cwtypes.StateValueAlarm); !slices.Contains(got, prefix+"silent-churn/prod/django") {
					t.Errorf("in ALARM: %v", got)
				}
				// What a partial look does not show stays, however long.
				w.account.Deny("ecs:DescribeServices")
				time.Sleep(3 * time.Hour)
				w.account.Allow("ecs:DescribeServices")
				if n := called(w.account, "DeleteAlarms"); n != 0 {
					t.Fatalf("%d deletions while services could not be read", n)
				}
				// A listing of alarms that fails or is empty justifies nothing either.
				for _, kind := range []account.FaultKind{account.Fault500, account.FaultEmpty} {
					f, err := w.account.Inject(account.Fault{Ops: []string{"cloudwatch:DescribeAlarms"}, Kind: kind})
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Hour)
					f.End()
				}
				if n := called(w.account, "DeleteAlarms"); n != 0 {
					t.Fatalf("%d deletions on listings that failed", n)
				}
				before, its := len(w.described()), 0
				for name := range w.described() {
					if strings.HasPrefix(name+"/", prefix) && strings.Contains(name+"/", "/prod/"+services[0].Service.Name+"/") {
						its++
					}
				}
				if !w.account.DeleteService("prod/" + services[0].Service.Name) {
					t.Fatal("no service to delete")
				}
				gone := time.Now()
				time.Sleep(2 * time.Hour)
				for _, call := range w.account.Calls() { // looks come at 5 minutes, with a tenth of jitter
					if call.Op == "DeleteAlarms" && call.At.Sub(gone) < 4*time.Minute+30*time.Second {
						t.Errorf("deleted %s after it went: one look", call.At.Sub(gone))
					}
				}
				_, there := w.described()[prefix+"silent-churn/prod/"+services[0].Service.Name]
				if there != (mode == reconciler.Ensure) {
					t.Errorf("in %s the alarm of a deleted service is there: %t", mode, there)
				}
				if now := len(w.described()); mode == reconciler.Ensure && now != before || mode == reconciler.Sync && now != before-its {
					t.Errorf("%d alarms, %d before, %d of the service", now, before, its)
				}
				if _, there := w.described()[*foreign.AlarmName]; !there {
					t.Error("a foreign alarm was deleted")
				}
			})
		})
	}
}

// Two controllers with their own ids keep their own alarms in one account and never touch each other's, in sync too.
func TestTwoControllersKeepApart(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		one := w.run(func(o *reconciler.Options) { w.told(o); o.Alarms = reconciler.Sync })
		defer one.stop()
		other := &world{t: t, account: w.account, store: newWorld(t, account.Bulk(1, 1, 1)).store, cw: w.cw}
		two := other.run(func(o *reconciler.Options) { other.told(o); o.ID, o.Alarms = "another", reconciler.Sync })
		defer two.stop()
		time.Sleep(3 * time.Hour)
		for _, id := range []string{"taskwarden", "another"} {
			for _, kind := range []string{"prod/silent-churn", "prod/sidecar-crash", "prod/sidecar-down", "prod/target-blind", "default/controller-heartbeat"} {
				a, ok := w.account.CloudWatch().Alarm("taskwarden/" + id + "/" + kind)
				if !ok || a.Tags[alarm.OwnerTag] != id {
					t.Errorf("%s's %s: %t %v", id, kind, ok, a.Tags)
				}
			}
		}
		if n := called(w.account, "DeleteAlarms"); n != 0 {
			t.Errorf("%d deletions", n)
		}
	})
}

// Alarms of others that can never fire or reach anybody are found by reason, with data that are looked up rarely.
func TestBlindAlarmsAreFound(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		w.account.SetTopic(people, account.Topic{Pending: 1})
		above := cwtypes.ComparisonOperatorGreaterThanThreshold
		web := []string{"ClusterName", "prod", "ServiceName", "django"}
		for _, a := range []cwtypes.MetricAlarm{
			onMetric("no dimensions", "AWS/ECS", "CPUUtilization", above, 80, []string{oncall}),
			onMetric("tasks", "AWS/ECS", "RunningTaskCount", cwtypes.ComparisonOperatorLessThanThreshold, 1, []string{oncall}, web...),
			onMetric("cpu", "AWS/ECS", "CPUUtilization", above, 80, []string{oncall}, web...),
			onMetric("mute", "AWS/ECS", "MemoryUtilization", above, 80, nil, web...),
			onMetric("pending", "AWS/ECS", "MemoryUtilization", above, 90, []string{people}, web...),
			onMetric("inverted", "ECS/ContainerInsights", "TaskMemoryUtilization", cwtypes.ComparisonOperatorLessThanOrEqualToThreshold, 80, []string{oncall}, web...),
			onMetric("elsewhere", "AWS/RDS", "CPUUtilization", above, 80, nil, "DBInstanceIdentifier", "x"),
		} {
			w.put(a)
		}
		off := onMetric("off", "AWS/ECS", "CPUUtilization", above, 95, []string{oncall}, web...)
		off.ActionsEnabled = aws.Bool(false)
		w.put(off)
		c := w.run(w.told)
		defer c.stop()
		time.Sleep(26 * time.Hour)
		want := []string{"ActionsDisabled", "DeadActions", "InvertedOperator", "NoActions", "NoDataEver", "WrongDimensions", "WrongNamespace"}
		var got []string
		for _, f := range c.Findings() {
			if f.Type == finding.AlarmBlind && f.Status == finding.True {
				got = append(got, f.Reason)
				if len(f.Evidence) == 0 || f.Severity != finding.Warning && f.Reason != "WrongDimensions" {
					t.Errorf("%s: %s, evidence %v", f.Reason, f.Severity, f.Evidence)
				}
				for _, e := range f.Evidence {
					if strings.HasPrefix(e, "elsewhere") || strings.HasPrefix(e, "taskwarden/") {
						t.Errorf("%s: %s", f.Reason, e)
					}
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("blind: %v, want %v", got, want)
		}
		if n := called(w.account, "ListMetrics"); n == 0 || n > 5*(26+1)+4*2 { // four metrics and Application Signals' each hour, and the four once a day for two weeks
			t.Errorf("%d ListMetrics calls in a day", n)
		}
		if n := called(w.account, "GetTopicAttributes"); n > 3*27 {
			t.Errorf("%d GetTopicAttributes calls in a day", n)
		}
	})
}

// Without the permission to read topics and metrics nothing is concluded from them, and it is said.
func TestUnreadTopicsAndMetricsAreUnknown(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		w.account.Deny("sns:*", "cloudwatch:ListMetrics")
		w.put(onMetric("cpu", "AWS/ECS", "CPUUtilization", cwtypes.ComparisonOperatorGreaterThanThreshold, 80, []string{"arn:aws:sns:us-east-1:111122223333:unknown"}, "ClusterName", "prod", "ServiceName", "django"))
		c := w.run(w.told)
		defer c.stop()
		time.Sleep(time.Hour)
		if got := onAlarms(c)[""]; slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "AlarmBlind") }) {
			t.Errorf("findings: %v", got)
		}
		said := strings.Join(c.Targets()[0].Troubles, "\n")
		for _, action := range []string{"sns:GetTopicAttributes", "cloudwatch:ListMetrics"} {
			if !strings.Contains(said, action) {
				t.Errorf("%s is not named: %s", action, said)
			}
		}
	})
}

// The gauge raises its alarm within a period; OK comes by resolution, or ten minutes after the controller went silent, and
// then the heartbeat alarm has fired before.
func TestOKIsNeverASilentController(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		c := w.run(w.told)
		time.Sleep(10 * time.Hour)
		opened := time.Time{}
		for _, l := range w.logs.FilterMessage("finding opened").All() {
			if l.ContextMap()["type"] == finding.SilentChurn {
				opened = l.Time
				if by := fmt.Sprint(l.ContextMap()["heardBy"]); !strings.Contains(by, prefix+"silent-churn") {
					t.Errorf("heard by %v", by)
				}
			}
		}
		churn, beat := prefix+"silent-churn", "taskwarden/taskwarden/default/controller-heartbeat"
		raised := w.transition(churn, "ALARM", opened)
		if opened.IsZero() || raised.IsZero() || raised.Sub(opened) > 2*time.Minute {
			t.Errorf("opened %s, in ALARM %s", opened, raised)
		}
		if at := w.transition(churn, "OK", raised); !at.IsZero() {
			t.Errorf("OK at %s, and nothing was resolved", at)
		}
		c.stop()
		died := time.Now()
		time.Sleep(30 * time.Minute)
		w.account.Advance(time.Now())
		fired, calm := w.transition(beat, "ALARM", died), w.transition(churn, "OK", died)
		if fired.IsZero() || calm.IsZero() || !fired.Before(calm) || calm.Sub(died) < 9*time.Minute || calm.Sub(died) > 15*time.Minute { // CloudWatch looks a little past the ten periods
			t.Errorf("silent since %s, heartbeat fired %s, OK %s", died, fired, calm)
		}
	})
}

// transition is when an alarm first went into a state after a time; zero for never.
func (w *world) transition(name, to string, after time.Time) time.Time {
	for _, t := range w.account.CloudWatch().Transitions() {
		if t.Alarm == name && t.To == to && t.From != to && !t.At.Before(after) {
			return t.At
		}
	}
	return time.Time{}
}
