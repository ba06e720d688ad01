package cloudwatch

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func logInput(name string, change m) m {
	in := m{
		"AlarmName": name, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0.0, "QueryResultsToEvaluate": int64(3), "QueryResultsToAlarm": int64(2),
		"ScheduledQueryConfiguration": m{"QueryString": "filter @message like /panic/", "AggregationExpression": "count(*)",
			"LogGroupIdentifiers": []any{"/ecs/web"}, "ScheduledQueryRoleARN": "arn:aws:iam::111122223333:role/query",
			"ScheduleConfiguration": m{"ScheduleExpression": "rate(5 minutes)", "StartTimeOffset": int64(300)}},
	}
	return changed(in, change)
}

func promInput(name string, change m) m {
	return changed(m{"AlarmName": name, "EvaluationCriteria": m{"PromQLCriteria": m{"Query": "up == 0", "PendingPeriod": int64(60)}},
		"EvaluationInterval": int64(60)}, change)
}

func changed(in, change m) m {
	for k, v := range change {
		if in[k] = v; v == nil {
			delete(in, k)
		}
	}
	return in
}

func TestLogAndPromQLAlarmsAreChecked(t *testing.T) {
	query := logInput("a", nil)["ScheduledQueryConfiguration"].(m)
	but := func(member string) m {
		q := maps.Clone(query)
		delete(q, member)
		return m{"ScheduledQueryConfiguration": q}
	}
	for name, tc := range map[string]struct {
		op   string
		in   m
		want string
	}{
		"a log alarm":               {"PutLogAlarm", logInput("a", nil), ""},
		"no query":                  {"PutLogAlarm", logInput("a", but("QueryString")), "ValidationError"},
		"no aggregation":            {"PutLogAlarm", logInput("a", but("AggregationExpression")), "ValidationError"},
		"no schedule":               {"PutLogAlarm", logInput("a", but("ScheduleConfiguration")), "ValidationError"},
		"no threshold":              {"PutLogAlarm", logInput("a", m{"Threshold": nil}), "ValidationError"},
		"101 results":               {"PutLogAlarm", logInput("a", m{"QueryResultsToEvaluate": int64(101)}), "ValidationError"},
		"4 of 3":                    {"PutLogAlarm", logInput("a", m{"QueryResultsToAlarm": int64(4)}), "ValidationError"},
		"lines without a role":      {"PutLogAlarm", logInput("a", m{"ActionLogLineCount": int64(5)}), "ValidationError"},
		"a PromQL alarm":            {"PutMetricAlarm", promInput("a", nil), ""},
		"with a threshold":          {"PutMetricAlarm", promInput("a", m{"Threshold": 1.0}), "ValidationError"},
		"without an interval":       {"PutMetricAlarm", promInput("a", m{"EvaluationInterval": nil}), "ValidationError"},
		"without a query":           {"PutMetricAlarm", promInput("a", m{"EvaluationCriteria": m{"PromQLCriteria": m{}}}), "ValidationError"},
		"an interval on a metric":   {"PutMetricAlarm", alarmInput("a", m{"EvaluationInterval": int64(60)}), "ValidationError"},
		"a warm-up of no length":    {"PutMetricAlarm", alarmInput("a", m{"WarmUpConfiguration": m{}}), "ValidationError"},
		"a warm-up of five minutes": {"PutMetricAlarm", alarmInput("a", m{"WarmUpConfiguration": m{"WarmUpPeriodDurationInMinutes": int64(5)}}), ""},
	} {
		if got := code(t, newService(), tc.op, tc.in, noon); got != tc.want {
			t.Errorf("%s: code %q, want %q", name, got, tc.want)
		}
	}
}

// A name is unique over all types; each type is listed only where AlarmTypes asks for it.
func TestTypesShareTheirNames(t *testing.T) {
	s := newService()
	puts := map[string]func(name string) (string, m){
		"MetricAlarm":    func(name string) (string, m) { return "PutMetricAlarm", alarmInput(name, nil) },
		"CompositeAlarm": func(name string) (string, m) { return "PutCompositeAlarm", m{"AlarmName": name, "AlarmRule": "TRUE"} },
		"LogAlarm":       func(name string) (string, m) { return "PutLogAlarm", logInput(name, nil) },
	}
	for kind, put := range puts {
		op, in := put(kind)
		do(t, s, op, in, noon)
	}
	do(t, s, "PutMetricAlarm", promInput("PromQL", nil), noon)
	for kind := range puts {
		for other, put := range puts {
			op, in := put(kind)
			want := "ValidationError"
			if kind == other {
				want = ""
			}
			if got := code(t, s, op, in, noon); got != want {
				t.Errorf("a %s in the place of a %s: code %q, want %q", other, kind, got, want)
			}
		}
		out := do(t, s, "DescribeAlarms", m{"AlarmTypes": []any{kind}, "AlarmNames": []any{"MetricAlarm", "CompositeAlarm", "LogAlarm"}}, noon)
		got := map[string]int{}
		for member, list := range out {
			got[member] = len(list.([]any))
		}
		want := map[string]int{"MetricAlarms": 0, "CompositeAlarms": 0, "LogAlarms": 0}
		want[kind+"s"] = 1
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	pages, token := 0, any(nil)
	for ; pages == 0 || token != nil; pages++ {
		in := m{"AlarmTypes": []any{"MetricAlarm", "CompositeAlarm", "LogAlarm"}, "MaxRecords": int64(1)}
		if token != nil {
			in["NextToken"] = token
		}
		token = do(t, s, "DescribeAlarms", in, noon)["NextToken"]
	}
	if pages != 4 {
		t.Errorf("4 alarms of 3 types in %d pages of one", pages)
	}
	if got := describe(t, s, m{"AlarmNames": []any{"PromQL"}}, noon)[0]; got["StateValue"] != "OK" || got["EvaluationInterval"] != int64(60) {
		t.Errorf("a new PromQL alarm: %v", got)
	}
}

// An alarm that becomes one of another shape keeps its tags and its state, and is evaluated only while it can be.
func TestAnAlarmChangesItsShape(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"Tags": []any{m{"Key": "k", "Value": "v"}}, "TreatMissingData": "breaching"}), noon)
	s.Advance(noon.Add(time.Minute))
	do(t, s, "PutMetricAlarm", promInput("a", nil), noon.Add(time.Minute))
	if a, _ := s.Alarm("a"); a.State != "ALARM" || a.Tags["k"] != "v" || len(s.Alarms()) != 0 {
		t.Errorf("as a PromQL alarm: %+v", a)
	}
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"TreatMissingData": "notBreaching",
		"WarmUpConfiguration": m{"WarmUpPeriodDurationInMinutes": int64(5)}}), noon.Add(2*time.Minute))
	s.Advance(noon.Add(6 * time.Minute))
	if a, _ := s.Alarm("a"); a.State != "ALARM" || a.Tags["k"] != "v" {
		t.Errorf("while it warms up: %+v", a)
	}
	s.Advance(noon.Add(8 * time.Minute))
	if a, _ := s.Alarm("a"); a.State != "OK" {
		t.Errorf("after its warm-up: %+v", a)
	}
}
