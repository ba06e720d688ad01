package cloudwatch

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// Every member of every answer is one the SDK's output structures know, and of a fitting kind: the SDK drops others silently.
func TestAnswersHaveTheShapesOfTheSDK(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"AlarmDescription": "x", "Tags": []any{m{"Key": "k", "Value": "v"}}}), noon)
	do(t, s, "PutMetricAlarm", fleetInput("f", nil), noon)
	do(t, s, "PutMetricAlarm", fleetInput("q", m{"Metrics": []any{metricQuery("a", "Level", "Sum", 60, "Service", "x")}}), noon)
	put(t, s, "Level", noon, 1, "Service", "x")
	put(t, s, "Level", noon, 1)
	s.Advance(minute(1))
	span := func(in m) m { in["StartTime"], in["EndTime"] = noon, minute(1); return in }
	for op, tc := range map[string]struct {
		in   m
		want any
	}{
		"DescribeAlarms":            {m{"MaxRecords": int64(2)}, sdk.DescribeAlarmsOutput{}},
		"DescribeAlarmContributors": {m{"AlarmName": "f"}, sdk.DescribeAlarmContributorsOutput{}},
		"DescribeAlarmHistory":      {m{}, sdk.DescribeAlarmHistoryOutput{}},
		"DescribeAlarmsForMetric":   {m{"Namespace": "Test", "MetricName": "Level"}, sdk.DescribeAlarmsForMetricOutput{}},
		"ListMetrics":               {m{}, sdk.ListMetricsOutput{}},
		"ListTagsForResource":       {m{"ResourceARN": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a"}, sdk.ListTagsForResourceOutput{}},
		"GetMetricData":             {span(m{"MetricDataQueries": []any{metricQuery("a", "Level", "Sum", 60)}}), sdk.GetMetricDataOutput{}},
		"GetMetricStatistics": {span(m{"Namespace": "Test", "MetricName": "Level", "Period": int64(60), "Statistics": []any{"Sum"}, "ExtendedStatistics": []any{"p50"}}),
			sdk.GetMetricStatisticsOutput{}},
	} {
		checkShape(t, op, do(t, s, op, tc.in, minute(1)), reflect.TypeOf(tc.want))
	}
}

// checkShape compares a value of an answer with the Go type the SDK decodes it into.
func checkShape(t *testing.T, path string, v any, want reflect.Type) {
	t.Helper()
	if want == nil {
		return // already reported
	}
	if want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			t.Errorf("%s: empty, so nothing is checked", path)
		}
		for name, e := range v {
			checkShape(t, path+"."+name, e, member(t, path, want, name))
		}
	case []any:
		if want.Kind() != reflect.Slice {
			t.Errorf("%s: a list where the SDK has %s", path, want)
			return
		}
		for i, e := range v {
			checkShape(t, fmt.Sprintf("%s[%d]", path, i), e, want.Elem())
		}
	default:
		fits := map[reflect.Type][]reflect.Kind{
			reflect.TypeFor[string](): {reflect.String}, reflect.TypeFor[bool](): {reflect.Bool}, reflect.TypeFor[int64](): {reflect.Int32, reflect.Int64},
			reflect.TypeFor[float64](): {reflect.Float64}, reflect.TypeFor[time.Time](): {reflect.Struct},
		}
		ok := false
		for _, k := range fits[reflect.TypeOf(v)] {
			ok = ok || k == want.Kind()
		}
		if !ok {
			t.Errorf("%s: %T where the SDK has %s", path, v, want)
		}
	}
}

// member is the type of a member of a structure or map, nil (and an error of the test) when there is none.
func member(t *testing.T, path string, of reflect.Type, name string) reflect.Type {
	t.Helper()
	if of.Kind() == reflect.Map {
		return of.Elem()
	}
	if of.Kind() == reflect.Struct {
		if f, ok := of.FieldByName(name); ok {
			return f.Type
		}
	}
	t.Errorf("%s: the SDK's %s has no member %s", path, of, name)
	return nil
}

// The texts the API's enums allow are those of the SDK.
func TestEnumsOfTheSDK(t *testing.T) {
	for _, v := range types.StandardUnit("").Values() {
		if got := code(t, newService(), "PutMetricData", m{"Namespace": "Test", "MetricData": []any{m{"MetricName": "A", "Value": 1.0, "Unit": string(v)}}}, noon); got != "" {
			t.Errorf("unit %s: %s", v, got)
		}
	}
	for _, v := range types.Statistic("").Values() {
		if _, err := parseStatistic(string(v)); err != nil {
			t.Error(err)
		}
	}
}

// A fleet of 2,500 services under seven fleet alarms, an hour of it.
func BenchmarkFleetHour(b *testing.B) {
	for b.Loop() {
		s := newService()
		for i := range 7 {
			do(b, s, "PutMetricAlarm", fleetInput(fmt.Sprint("f", i), nil), noon)
		}
		for i := range 60 {
			for j := range 2500 {
				s.Record("Test", "Level", map[string]string{"Service": fmt.Sprint(j)}, minute(i), 1)
			}
			s.Advance(minute(i + 1))
		}
	}
}
