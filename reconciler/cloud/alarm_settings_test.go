package cloud

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taskwarden/reconciler/alarm"
	"taskwarden/test/account"
)

// What becomes of a person's change of an alarm of ours.
const (
	repaired = "repaired" // drift: the wanted value is written again
	kept     = "kept"     // no drift, and a repair for another reason sends it as it is
	taken    = "taken"    // the alarm is of another shape now: reported, never overwritten
)

// edit is a person's PutMetricAlarm on an alarm of ours, with one member changed.
type edit struct {
	member, of string // of: the part of the member; "" for the whole
	spec       func(string) alarm.Spec
	change     func(*cloudwatch.PutMetricAlarmInput)
	becomes    string
}

const mine = "arn:aws:sns:us-east-1:111122223333:people"

// edits are all members of PutMetricAlarm: docs/alarms.md has the same table.
func edits() []edit {
	type in = *cloudwatch.PutMetricAlarmInput
	return []edit{
		{"AlarmActions", "", metricSpec, func(p in) { p.AlarmActions = append(p.AlarmActions, mine) }, kept},
		{"OKActions", "", querySpec, func(p in) { p.OKActions = append(p.OKActions, mine) }, kept},
		{"OKActions", "our ALARM topic", metricSpec, func(p in) { p.OKActions = p.AlarmActions }, kept},
		{"InsufficientDataActions", "", querySpec, func(p in) { p.InsufficientDataActions = []string{mine} }, kept},
		{"InsufficientDataActions", "our ALARM topic", querySpec, func(p in) { p.InsufficientDataActions = p.AlarmActions }, kept},
		{"ActionsEnabled", "", querySpec, func(p in) { p.ActionsEnabled = aws.Bool(false) }, kept},
		{"AlarmDescription", "", metricSpec, func(p in) { p.AlarmDescription = aws.String("ask Ann") }, kept},
		{"AlarmDescription", "taken away", metricSpec, func(p in) { p.AlarmDescription = nil }, kept},
		{"ActionConfiguration", "", metricSpec, func(p in) {
			sent := types.AlarmTagsPropagation{Enabled: aws.Bool(true), ExcludedTagKeys: []string{"secret"}}
			p.ActionConfiguration = &types.ActionConfiguration{AlarmTagsPropagation: &sent}
		}, kept},
		{"Metrics", "Label", querySpec, func(p in) { p.Metrics[0].Label = aws.String("churn of ${PROP('Dim.ServiceName')}") }, kept},
		{"Tags", "", querySpec, func(p in) { p.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}} }, kept},

		{"Threshold", "", metricSpec, func(p in) { p.Threshold = aws.Float64(5) }, repaired},
		{"ComparisonOperator", "", metricSpec, func(p in) { p.ComparisonOperator = types.ComparisonOperatorGreaterThanThreshold }, repaired},
		{"EvaluationPeriods", "", metricSpec, func(p in) { p.EvaluationPeriods = aws.Int32(9) }, repaired},
		{"DatapointsToAlarm", "", metricSpec, func(p in) { p.DatapointsToAlarm = aws.Int32(2) }, repaired},
		{"TreatMissingData", "", metricSpec, func(p in) { p.TreatMissingData = aws.String("ignore") }, repaired},
		{"Period", "", metricSpec, func(p in) { p.Period = aws.Int32(300) }, repaired},
		{"Statistic", "", metricSpec, func(p in) { p.Statistic = types.StatisticSum }, repaired},
		{"ExtendedStatistic", "", metricSpec, func(p in) { p.Statistic, p.ExtendedStatistic = "", aws.String("p90") }, repaired},
		{"Namespace", "", metricSpec, func(p in) { p.Namespace = aws.String("Other") }, repaired},
		{"MetricName", "", metricSpec, func(p in) { p.MetricName = aws.String("Other") }, repaired},
		{"Dimensions", "", metricSpec, func(p in) { p.Dimensions[0].Value = aws.String("another") }, repaired},
		{"Unit", "", metricSpec, func(p in) { p.Unit = types.StandardUnitSeconds }, repaired},
		{"EvaluationWindow", "", metricSpec, func(p in) {
			p.EvaluationWindow = &types.EvaluationWindowMemberWallClockWindow{Value: types.WallClockWindow{Timezone: aws.String("UTC")}}
		}, repaired},
		{"WarmUpConfiguration", "", metricSpec, func(p in) {
			p.WarmUpConfiguration = &types.WarmUpConfiguration{WarmUpPeriodDurationInMinutes: aws.Int32(30)}
		}, repaired},
		{"EvaluateLowSampleCountPercentile", "", metricSpec, func(p in) { p.EvaluateLowSampleCountPercentile = aws.String("ignore") }, repaired},
		{"Metrics", "", querySpec, func(p in) { p.Metrics[0].Expression = aws.String(`SELECT MAX(SilentChurn) FROM "Other"`) }, repaired},
		{"Metrics", "Period", querySpec, func(p in) { p.Metrics[0].Period = aws.Int32(300) }, repaired},

		{"EvaluationCriteria", "", metricSpec, asPromQL, taken},
		{"EvaluationInterval", "", metricSpec, asPromQL, taken}, // with EvaluationCriteria alone
	}
}

func asPromQL(in *cloudwatch.PutMetricAlarmInput) {
	*in = *promAlarm(*in.AlarmName, "SilentChurn == 1")
}

// Each member of PutMetricAlarm, which overwrites everything, has an owner: what a person changes of ours is repaired, what a
// person owns stays, also when the alarm is repaired for another reason. A member that a newer SDK brings has no row yet.
func TestEachSettingHasAnOwner(t *testing.T) {
	members := map[string]bool{"AlarmName": true} // the key: another name is another alarm
	for _, e := range edits() {
		members[e.member] = true
		synctest.Test(t, func(t *testing.T) { e.check(t) })
	}
	members["ThresholdMetricId"] = true
	if h := haveOf(types.MetricAlarm{ThresholdMetricId: aws.String("ad1"), MetricName: aws.String("x")}); !h.Foreign {
		t.Error("an alarm on an anomaly band is taken for ours")
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[cloudwatch.PutMetricAlarmInput]()) {
		if f.IsExported() && !members[f.Name] {
			t.Errorf("nothing says who owns %s", f.Name)
		}
	}
}

func (e edit) check(t *testing.T) {
	t.Helper()
	name := strings.TrimSpace(e.member + " " + e.of)
	w := world(t, account.Bulk(1, 1, 1))
	a, cw := watching(w, Options{}), cloudwatch.NewFromConfig(baseConfig(w.Transport()))
	spec := e.spec("taskwarden/taskwarden/prod/silent-churn")
	spec.ActionsDisabled = false
	applied := map[string]alarm.Applied{spec.Name: {Hash: spec.Hash(), Own: &alarm.Actions{Alarm: spec.AlarmActions, OK: spec.OKActions}}}
	tags := map[string]string{alarm.OwnerTag: "taskwarden", alarm.SpecTag: spec.Hash()}
	if err := a.PutAlarm(t.Context(), spec, nil, tags); err != nil {
		t.Fatal(err)
	}
	person := func(more ...func(*cloudwatch.PutMetricAlarmInput)) alarm.Row {
		t.Helper()
		in := alarmInput(spec)
		for _, change := range append(more, e.change) {
			change(in)
		}
		if len(in.Tags) > 0 { // a put ignores tags on an alarm that exists
			add := &cloudwatch.TagResourceInput{ResourceARN: aws.String(arnOf(spec.Name)), Tags: in.Tags}
			if _, err := cw.TagResource(t.Context(), add); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := cw.PutMetricAlarm(t.Context(), in); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows, _ := alarm.Plan([]alarm.Spec{spec}, alarms(t, a, "taskwarden/"), alarm.Basis{Owner: "taskwarden", Applied: applied})
		return rows[0]
	}
	repair := func(r alarm.Row) {
		t.Helper()
		if err := a.PutAlarm(t.Context(), *r.Write.Put, r.Write.Was, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	switch row := person(); e.becomes {
	case repaired:
		if row.Status != alarm.Drifted || row.Write.Put == nil {
			t.Errorf("%s: a change is not drift: %+v", name, row)
			return
		}
		repair(row)
		if got := alarms(t, a, "taskwarden/")[0]; !cmp.Equal(spec, got.Spec, cmpopts.EquateEmpty()) || len(got.Settings) > 0 {
			t.Errorf("%s: not repaired: %v\n%s", name, got.Settings, cmp.Diff(spec, got.Spec))
		}
	case kept:
		if row.Write.Put != nil || row.Status == alarm.Drifted {
			t.Errorf("%s: a person's change would be undone: %+v", name, row)
		}
		row = person(func(in *cloudwatch.PutMetricAlarmInput) { in.Threshold = aws.Float64(*in.Threshold + 4) })
		before := describedAlarm(t, cw, spec.Name)
		if row.Status != alarm.Drifted || e.member != "Tags" && !strings.Contains(row.Reason, "kept, since people own it: ") {
			t.Errorf("%s: the plan does not say what is kept: %+v", name, row)
		}
		repair(row)
		after := describedAlarm(t, cw, spec.Name)
		if *after.Threshold != spec.Threshold {
			t.Errorf("%s: the threshold is %v", name, *after.Threshold)
		}
		if got := alarms(t, a, "taskwarden/")[0].Tags["team"]; e.member == "Tags" && got != "x" {
			t.Error("a person's tag is gone")
		}
		after.Threshold, after.AlarmConfigurationUpdatedTimestamp = before.Threshold, before.AlarmConfigurationUpdatedTimestamp
		// Without a text there is none, or an empty one.
		for _, m := range []*types.MetricAlarm{&after, &before} {
			m.AlarmDescription = aws.String(aws.ToString(m.AlarmDescription))
		}
		if diff := cmp.Diff(before, after, cmpopts.IgnoreUnexported(types.MetricAlarm{}, types.Dimension{}, types.MetricDataQuery{},
			types.ActionConfiguration{}, types.AlarmTagsPropagation{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: a repair changed more than the threshold (-before +after):\n%s", name, diff)
		}
	case taken:
		if row.Status != alarm.Foreign || !row.Taken || row.Write.Needed() {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

func arnOf(name string) string { return "arn:aws:cloudwatch:us-east-1:111122223333:alarm:" + name }

func describedAlarm(t *testing.T, cw *cloudwatch.Client, name string) types.MetricAlarm {
	t.Helper()
	out, err := cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
	if err != nil || len(out.MetricAlarms) != 1 {
		t.Fatalf("%v, %d alarms", err, len(out.MetricAlarms))
	}
	m := out.MetricAlarms[0]
	slices.Sort(m.AlarmActions)
	slices.Sort(m.OKActions)
	return m
}
