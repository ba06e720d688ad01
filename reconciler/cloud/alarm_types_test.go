package cloud

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func logAlarm(name string, groups ...string) *cloudwatch.PutLogAlarmInput {
	return &cloudwatch.PutLogAlarmInput{
		AlarmName: &name, ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, Threshold: aws.Float64(3),
		QueryResultsToEvaluate: aws.Int32(5), QueryResultsToAlarm: aws.Int32(2),
		AlarmActions: []string{mine}, InsufficientDataActions: []string{mine},
		ScheduledQueryConfiguration: &types.ScheduledQueryConfiguration{
			QueryString: aws.String("filter @message like /panic/"), AggregationExpression: aws.String("count(*)"), LogGroupIdentifiers: groups,
			ScheduledQueryRoleARN: aws.String("arn:aws:iam::111122223333:role/query"),
			ScheduleConfiguration: &types.ScheduleConfiguration{ScheduleExpression: aws.String("rate(5 minutes)"), StartTimeOffset: aws.Int64(300)},
		},
	}
}

func promAlarm(name, query string) *cloudwatch.PutMetricAlarmInput {
	return &cloudwatch.PutMetricAlarmInput{AlarmName: &name, EvaluationInterval: aws.Int32(60), AlarmActions: []string{mine},
		EvaluationCriteria: &types.EvaluationCriteriaMemberPromQLCriteria{Value: types.AlarmPromQLCriteria{Query: &query}}}
}

// Alarms of every type are listed, over any number of pages, with what they watch.
func TestAlarmsOfEveryTypeAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a, cw := watching(w, Options{}), cloudwatch.NewFromConfig(baseConfig(w.Transport()))
		must := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 120 { // more than a page of others come before
			must(cw.PutLogAlarm(t.Context(), logAlarm("a"+strings.Repeat("x", i), "/ecs/web")))
		}
		must(cw.PutLogAlarm(t.Context(), logAlarm("log", "/ecs/web", "/ecs/api")))
		must(cw.PutMetricAlarm(t.Context(), promAlarm("prom", `up == 0`)))
		some := &cloudwatch.PutCompositeAlarmInput{AlarmName: aws.String("some"), AlarmRule: aws.String(`ALARM("log")`)}
		must(cw.PutCompositeAlarm(t.Context(), some))
		must(nil, a.PutAlarm(t.Context(), metricSpec("plain"), nil, nil))
		got := map[string]alarm.Have{}
		for _, h := range alarms(t, a, "none") {
			h.StateSince, h.StateReason, h.ARN = time.Time{}, "", ""
			got[h.Name] = h
		}
		if len(got) != 124 || count(w, "DescribeAlarms") != 2 {
			t.Errorf("%d alarms in %d calls", len(got), count(w, "DescribeAlarms"))
		}
		want := alarm.Have{Type: alarm.LogType, State: "INSUFFICIENT_DATA", Foreign: true, Spec: alarm.Spec{Name: "log",
			Comparison: "GreaterThanThreshold", Threshold: 3, EvaluationPeriods: 5, Datapoints: 2, Missing: "missing",
			AlarmActions: []string{mine}, OKActions: []string{}, InsufficientActions: []string{mine}},
			Logs: alarm.LogQuery{Text: "filter @message like /panic/", Groups: []string{"/ecs/web", "/ecs/api"}}}
		if diff := cmp.Diff(want, got["log"]); diff != "" {
			t.Errorf("the log alarm (-want +got):\n%s", diff)
		}
		if h := got["prom"]; h.PromQL != "up == 0" || !h.Foreign || h.Type != alarm.MetricType || h.State != "OK" {
			t.Errorf("the PromQL alarm: %+v", h)
		}
		if h := got["some"]; h.Type != alarm.CompositeType || h.Rule != `ALARM("log")` {
			t.Errorf("the composite alarm: %+v", h)
		}
		// Log alarms that a list lacks, and that are there, show that the list was not whole.
		f, err := w.Inject(account.Fault{Kind: account.FaultNoToken, Ops: []string{"cloudwatch:DescribeAlarms"}, Calls: 1})
		if err != nil {
			t.Fatal(err)
		}
		if have, err := a.Alarms(t.Context(), nil); have != nil || !errors.Is(err, fleet.ErrConflict) || f.Hits() == 0 {
			t.Errorf("a list of one alarm: %d alarms, %v", len(have), err)
		}
	})
}

// A name that an alarm of another type has is taken: nothing is overwritten, whatever the listing said.
func TestATakenNameIsNeverOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a, cw := watching(w, Options{}), cloudwatch.NewFromConfig(baseConfig(w.Transport()))
		if _, err := cw.PutLogAlarm(t.Context(), logAlarm("taken", "/ecs/web")); err != nil {
			t.Fatal(err)
		}
		err := a.PutAlarm(t.Context(), metricSpec("taken"), nil, map[string]string{alarm.OwnerTag: "me"})
		if !errors.Is(err, fleet.ErrConflict) || count(w, "PutMetricAlarm") != 0 {
			t.Errorf("%v, %d puts", err, count(w, "PutMetricAlarm"))
		}
	})
}

// What a person changes between the reading and the repair stays: the repair is not sent.
func TestAPersonIsFasterThanARepair(t *testing.T) {
	for name, change := range map[string]func(*cloudwatch.PutMetricAlarmInput){
		"an action":   func(in *cloudwatch.PutMetricAlarmInput) { in.InsufficientDataActions = []string{mine} },
		"the text":    func(in *cloudwatch.PutMetricAlarmInput) { in.AlarmDescription = aws.String("ask Ann") },
		"another way": asPromQL,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, account.Bulk(1, 1, 1))
			a, cw := watching(w, Options{}), cloudwatch.NewFromConfig(baseConfig(w.Transport()))
			spec := metricSpec("ours")
			if err := a.PutAlarm(t.Context(), spec, nil, map[string]string{alarm.OwnerTag: "me"}); err != nil {
				t.Fatal(err)
			}
			was := alarms(t, a, "ours")[0]
			time.Sleep(10 * time.Minute) // its state changes meanwhile, which is no change of the alarm
			if err := a.PutAlarm(t.Context(), spec, &was, nil); err != nil {
				t.Errorf("%s: nobody changed it: %v", name, err)
			}
			in := alarmInput(spec)
			change(in)
			if _, err := cw.PutMetricAlarm(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			err := a.PutAlarm(t.Context(), spec, &was, nil)
			if !errors.Is(err, fleet.ErrConflict) || !strings.Contains(err.Error(), "it was changed") {
				t.Errorf("%s: %v", name, err)
			}
			now := alarms(t, a, "ours")[0]
			if slices.Equal(now.InsufficientActions, was.InsufficientActions) && now.Description == was.Description && now.PromQL == "" {
				t.Errorf("%s: a person's change is gone", name)
			}
			if _, err := cw.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"ours"}}); err != nil {
				t.Fatal(err)
			}
			if err := a.PutAlarm(t.Context(), spec, &was, nil); !errors.Is(err, fleet.ErrConflict) {
				t.Errorf("%s: a deleted alarm was repaired: %v", name, err)
			}
		})
	}
}

// A CloudWatch that does not know log alarms has none: the others are read. Once it knows them they are read too.
func TestWhereLogAlarmsAreUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		asks := func(c account.Call) bool {
			types, _ := c.Input["AlarmTypes"].([]any)
			return c.Op == "DescribeAlarms" && slices.Contains(types, any("LogAlarm"))
		}
		known := fails(w, asks, wire.Bad("ValidationError", "1 validation error detected: "+
			"Value '[MetricAlarm, CompositeAlarm, LogAlarm]' at 'alarmTypes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [CompositeAlarm, MetricAlarm]]"))
		if err := a.PutAlarm(t.Context(), metricSpec("plain"), nil, map[string]string{alarm.OwnerTag: "me"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := alarms(t, a, "none"); len(got) != 1 || got[0].Name != "plain" {
				t.Errorf("%+v", got)
			}
		}
		if n := count(w, "DescribeAlarms"); n != 6 { // two for the put and for each list, whose first page asks again
			t.Errorf("%d calls", n)
		}
		if err := a.PutAlarm(t.Context(), metricSpec("other"), nil, map[string]string{alarm.OwnerTag: "me"}); err != nil || count(w, "DescribeAlarms") != 7 {
			t.Errorf("a question by name asks for what is known: %v, %d calls", err, count(w, "DescribeAlarms"))
		}
		known()
		if _, err := cloudwatch.NewFromConfig(baseConfig(w.Transport())).PutLogAlarm(t.Context(), logAlarm("log", "/ecs/web")); err != nil {
			t.Fatal(err)
		}
		if got := alarms(t, a, "none"); len(got) != 3 {
			t.Errorf("once they are known: %+v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		fails(w, isOp("DescribeAlarms"), wire.Bad("ValidationError", "MaxRecords must be less"))
		if _, err := a.Alarms(t.Context(), nil); err == nil || count(w, "DescribeAlarms") != 1 {
			t.Errorf("another refusal: %v, %d calls", err, count(w, "DescribeAlarms"))
		}
	})
}

// Shapes that this version's SDK does not know are not taken for what they are not.
func TestAnAlarmOfAnUnknownShape(t *testing.T) {
	for name, m := range map[string]types.MetricAlarm{
		"no criteria at all": {AlarmName: aws.String("x")},
		"unknown criteria":   {AlarmName: aws.String("x"), EvaluationCriteria: &types.UnknownUnionMember{Tag: "Dream"}},
	} {
		if h := haveOf(m); !h.Unknown || !h.Foreign {
			t.Errorf("%s: %+v", name, h)
		}
	}
}
