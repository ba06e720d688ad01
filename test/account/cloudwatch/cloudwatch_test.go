package cloudwatch

import (
	"errors"
	"math"
	"testing"
	"time"

	"taskwarden/test/account/wire"
)

// noon is the start of every test: a whole hour, so periods begin there.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

type m = map[string]any

func newService() *Service { return New("eu-west-1", "111122223333") }

func do(t testing.TB, s *Service, op string, in m, now time.Time) m {
	t.Helper()
	out, err := s.Do(op, in, now)
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return out
}

// code is the error code an operation answers, "" when it succeeds.
func code(t testing.TB, s *Service, op string, in m, now time.Time) string {
	t.Helper()
	_, err := s.Do(op, in, now)
	if err == nil {
		return ""
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v is not a *wire.Error", op, err)
	}
	if e.Status < 400 || e.Message == "" {
		t.Errorf("%s: error %#v lacks a status or a message", op, e)
	}
	return e.Code
}

func dims(pairs ...string) []any {
	var out []any
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, m{"Name": pairs[i], "Value": pairs[i+1]})
	}
	return out
}

// put stores one value of a metric of the namespace Test at a time.
func put(t testing.TB, s *Service, metric string, at time.Time, value float64, pairs ...string) {
	t.Helper()
	do(t, s, "PutMetricData", m{"Namespace": "Test", "MetricData": []any{
		m{"MetricName": metric, "Value": value, "Timestamp": at, "Dimensions": dims(pairs...)},
	}}, at)
}

// alarmInput is a valid alarm on Test/Level; changes overwrite or, with nil, remove members.
func alarmInput(name string, changes m) m {
	in := m{
		"AlarmName": name, "Namespace": "Test", "MetricName": "Level", "Statistic": "Maximum", "Period": int64(60),
		"EvaluationPeriods": int64(1), "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
	}
	for k, v := range changes {
		if in[k] = v; v == nil {
			delete(in, k)
		}
	}
	return in
}

func stateOf(t testing.TB, s *Service, name string) string {
	t.Helper()
	a, ok := s.Alarm(name)
	if !ok {
		t.Fatalf("no alarm %q", name)
	}
	return a.State
}

func TestUnknownOperation(t *testing.T) {
	if got := code(t, newService(), "PutAnomalyDetector", m{}, noon); got != "UnknownOperationException" {
		t.Errorf("code %q", got)
	}
}

func TestPutMetricDataValidation(t *testing.T) {
	many := make([]any, 1001)
	for i := range many {
		many[i] = m{"MetricName": "A", "Value": 1.0}
	}
	var wide []any
	for i := range 31 {
		wide = append(wide, m{"Name": string(rune('A' + i)), "Value": "x"})
	}
	for name, tc := range map[string]struct {
		namespace string
		data      []any
		want      string
	}{
		"value":                 {"Test", []any{m{"MetricName": "A", "Value": int64(1)}}, ""},
		"aws namespace":         {"AWS/ECS", []any{m{"MetricName": "A", "Value": 1.0}}, "InvalidParameterValueException"},
		"container insights":    {"ECS/ContainerInsights", []any{m{"MetricName": "A", "Value": 1.0}}, ""},
		"no namespace":          {"", []any{m{"MetricName": "A", "Value": 1.0}}, "MissingRequiredParameterException"},
		"no data":               {"Test", nil, "MissingRequiredParameterException"},
		"1001 datums":           {"Test", many, "InvalidParameterValueException"},
		"1000 datums":           {"Test", many[:1000], ""},
		"no name":               {"Test", []any{m{"Value": 1.0}}, "MissingRequiredParameterException"},
		"no value":              {"Test", []any{m{"MetricName": "A"}}, "MissingRequiredParameterException"},
		"NaN":                   {"Test", []any{m{"MetricName": "A", "Value": math.NaN()}}, "InvalidParameterValueException"},
		"infinite":              {"Test", []any{m{"MetricName": "A", "Values": []any{math.Inf(1)}}}, "InvalidParameterValueException"},
		"two forms":             {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Values": []any{1.0}}}, "InvalidParameterCombinationException"},
		"counts differ":         {"Test", []any{m{"MetricName": "A", "Values": []any{1.0, 2.0}, "Counts": []any{1.0}}}, "InvalidParameterCombinationException"},
		"31 dimensions":         {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Dimensions": wide}}, "InvalidParameterValueException"},
		"30 dimensions":         {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Dimensions": wide[:30]}}, ""},
		"empty dimension value": {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Dimensions": dims("A", "")}}, "InvalidParameterValueException"},
		"too old":               {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Timestamp": noon.Add(-14*24*time.Hour - time.Second)}}, "InvalidParameterValueException"},
		"two weeks old":         {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Timestamp": noon.Add(-14 * 24 * time.Hour)}}, ""},
		"too new":               {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Timestamp": float64(noon.Add(2*time.Hour + time.Second).Unix())}}, "InvalidParameterValueException"},
		"unit":                  {"Test", []any{m{"MetricName": "A", "Value": 1.0, "Unit": "Parsecs"}}, "InvalidParameterValueException"},
		"resolution":            {"Test", []any{m{"MetricName": "A", "Value": 1.0, "StorageResolution": int64(30)}}, "InvalidParameterValueException"},
		"set":                   {"Test", []any{m{"MetricName": "A", "StatisticValues": m{"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}}}, ""},
		"half a set":            {"Test", []any{m{"MetricName": "A", "StatisticValues": m{"SampleCount": 2.0}}}, "MissingRequiredParameterException"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := code(t, newService(), "PutMetricData", m{"Namespace": tc.namespace, "MetricData": tc.data}, noon); got != tc.want {
				t.Errorf("code %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPutMetricDataStoresAllOrNothing(t *testing.T) {
	s := newService()
	bad := m{"Namespace": "Test", "MetricData": []any{m{"MetricName": "A", "Value": 1.0}, m{"MetricName": "B"}}}
	if got := code(t, s, "PutMetricData", bad, noon); got == "" {
		t.Fatal("accepted")
	}
	if got := s.Data("Test", "A", nil); got != nil {
		t.Errorf("stored %v", got)
	}
}

// The default time is now, the same minute adds up, dimensions are a set, units stay apart.
func TestDataIsSummedByMinute(t *testing.T) {
	s := newService()
	ab, ba := dims("A", "1", "B", "2"), dims("B", "2", "A", "1")
	for i, d := range [][]any{ab, ba} {
		do(t, s, "PutMetricData", m{"Namespace": "Test", "MetricData": []any{
			m{"MetricName": "X", "Values": []any{1.0, 5.0}, "Counts": []any{2.0, 1.0}, "Dimensions": d, "Unit": "Count"},
		}}, noon.Add(time.Duration(10+i)*time.Second))
	}
	got := s.Data("Test", "X", map[string]string{"A": "1", "B": "2"})
	want := Point{At: noon, Unit: "Count", SampleCount: 6, Sum: 14, Minimum: 1, Maximum: 5}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
