package cloudwatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func metricQuery(id, metric, stat string, period int64, pairs ...string) m {
	return m{"Id": id, "MetricStat": m{
		"Metric": m{"Namespace": "Test", "MetricName": metric, "Dimensions": dims(pairs...)}, "Period": period, "Stat": stat,
	}}
}

func getData(t testing.TB, s *Service, in m) []m {
	t.Helper()
	var out []m
	for _, r := range do(t, s, "GetMetricData", in, minute(60))["MetricDataResults"].([]any) {
		out = append(out, r.(m))
	}
	return out
}

func TestStatistics(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricData", m{"Namespace": "Test", "MetricData": []any{
		m{"MetricName": "X", "Values": []any{1.0, 2.0, 9.0}, "Counts": []any{8.0, 1.0, 1.0}},
	}}, noon)
	for stat, want := range map[string]float64{
		"Sum": 19, "Average": 1.9, "Minimum": 1, "Maximum": 9, "SampleCount": 10, "p50": 1, "p90": 2, "p100": 9, "p99.9": 9,
	} {
		got := getData(t, s, m{"MetricDataQueries": []any{metricQuery("a", "X", stat, 60)}, "StartTime": noon, "EndTime": minute(1)})
		want := []m{{"Id": "a", "Label": "X", "StatusCode": "Complete", "Timestamps": []any{noon}, "Values": []any{want}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", stat, diff)
		}
	}
}

// A statistic set has no percentiles unless its values are all equal.
func TestPercentileOfStatisticSet(t *testing.T) {
	s := newService()
	for i, set := range []m{{"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}, {"SampleCount": 2.0, "Sum": 4.0, "Minimum": 2.0, "Maximum": 2.0}} {
		do(t, s, "PutMetricData", m{"Namespace": "Test", "MetricData": []any{m{"MetricName": "X", "StatisticValues": set, "Timestamp": minute(i)}}}, minute(i))
	}
	got := getData(t, s, m{"MetricDataQueries": []any{metricQuery("a", "X", "p50", 60)}, "StartTime": noon, "EndTime": minute(2)})
	if diff := cmp.Diff([]any{2.0}, got[0]["Values"]); diff != "" {
		t.Error(diff)
	}
}

// StartTime is inclusive and rounds down to its period, EndTime is exclusive, the order is ScanBy's.
func TestGetMetricDataSpan(t *testing.T) {
	s := newService()
	for i := range 10 {
		put(t, s, "X", minute(i), float64(i))
	}
	for name, tc := range map[string]struct {
		period   int64
		from, to time.Time
		scan     string
		want     []any
	}{
		"aligned":          {60, minute(2), minute(4), "TimestampAscending", []any{2.0, 3.0}},
		"descending":       {60, minute(2), minute(5), "", []any{4.0, 3.0, 2.0}},
		"within a minute":  {60, minute(2).Add(59 * time.Second), minute(3), "TimestampAscending", []any{2.0}},
		"cut end":          {60, minute(2), minute(3).Add(time.Millisecond), "TimestampAscending", []any{2.0, 3.0}},
		"five minutes":     {300, minute(0), minute(10), "TimestampAscending", []any{10.0, 35.0}},
		"five from within": {300, minute(7), minute(8), "TimestampAscending", []any{18.0}},
	} {
		t.Run(name, func(t *testing.T) {
			in := m{"MetricDataQueries": []any{metricQuery("a", "X", "Sum", tc.period)}, "StartTime": tc.from, "EndTime": float64(tc.to.UnixMilli()) / 1000}
			if tc.scan != "" {
				in["ScanBy"] = tc.scan
			}
			if diff := cmp.Diff(tc.want, getData(t, s, in)[0]["Values"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Pages of any size give together what one page gives, every page but the last with a token.
func TestGetMetricDataPages(t *testing.T) {
	s := newService()
	for i := range 7 {
		put(t, s, "X", minute(i), float64(i))
		put(t, s, "Y", minute(i), float64(10+i))
	}
	queries := []any{metricQuery("x", "X", "Sum", 60), metricQuery("none", "Absent", "Sum", 60), metricQuery("y", "Y", "Sum", 60)}
	rapid.Check(t, func(rt *rapid.T) {
		in := m{"MetricDataQueries": queries, "StartTime": noon, "EndTime": minute(7), "ScanBy": "TimestampAscending",
			"MaxDatapoints": int64(rapid.IntRange(1, 20).Draw(rt, "size"))}
		got := map[string][]any{}
		for pages := 0; ; pages++ {
			out := do(t, s, "GetMetricData", in, minute(60))
			for _, r := range out["MetricDataResults"].([]any) {
				got[r.(m)["Id"].(string)] = append(got[r.(m)["Id"].(string)], r.(m)["Values"].([]any)...)
			}
			if out["NextToken"] == nil {
				break
			}
			if in["NextToken"] = out["NextToken"]; pages > 20 {
				rt.Fatal("pages without end")
			}
		}
		want := map[string][]any{"x": {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, "none": nil, "y": {10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0}}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Error(diff)
		}
	})
}

func TestInsightsQuery(t *testing.T) {
	s := newService()
	for i, service := range []string{"a", "b", "c"} {
		put(t, s, "Level", noon, float64(i), "Service", service)
		put(t, s, "Level", noon, 50, "Service", service, "Container", "x")
	}
	for query, want := range map[string][]string{
		`SELECT MAX(Level) FROM SCHEMA("Test", Service) GROUP BY Service ORDER BY MAX() DESC`:         {"c [2]", "b [1]", "a [0]"},
		`SELECT MAX(Level) FROM SCHEMA("Test", Service) GROUP BY Service ORDER BY MAX() DESC LIMIT 1`: {"c [2]"},
		`SELECT SUM(Level) FROM SCHEMA("Test", Service) WHERE Service != 'b'`:                         {"q [2]"},
		`SELECT SUM(Level) FROM "Test" WHERE Service = 'b' GROUP BY Service`:                          {"b [51]"},
		`SELECT COUNT(Level) FROM "Test"`:                                                             {"q [6]"},
		`SELECT AVG(Level) FROM "Other"`:                                                              nil,
		`SELECT MIN(Level) FROM "Test" GROUP BY Container`:                                            {"x [50]"},
	} {
		var got []string
		for _, r := range getData(t, s, m{"MetricDataQueries": []any{m{"Id": "q", "Expression": query, "Period": int64(60)}}, "StartTime": noon, "EndTime": minute(5)}) {
			got = append(got, fmt.Sprint(r["Label"], " ", r["Values"]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestGetMetricDataValidation(t *testing.T) {
	s := newService()
	put(t, s, "X", noon, 3)
	good := metricQuery("a", "X", "Sum", 60)
	sql := func(id string) m { return m{"Id": id, "Expression": `SELECT MAX(X) FROM "Test"`, "Period": int64(60)} }
	many := make([]any, 501)
	for i := range many {
		many[i] = metricQuery(fmt.Sprint("q", i), "X", "Sum", 60)
	}
	for name, tc := range map[string]struct {
		queries []any
		change  m
		want    string
	}{
		"good":           {[]any{good}, nil, ""},
		"reference":      {[]any{good, m{"Id": "b", "Expression": "a"}}, nil, ""},
		"no such id":     {[]any{m{"Id": "b", "Expression": "a"}}, nil, "ValidationError"},
		"math":           {[]any{good, m{"Id": "b", "Expression": "a * 2"}}, nil, "ValidationError"},
		"same id":        {[]any{good, good}, nil, "ValidationError"},
		"upper-case id":  {[]any{metricQuery("A", "X", "Sum", 60)}, nil, "ValidationError"},
		"period":         {[]any{metricQuery("a", "X", "Sum", 61)}, nil, "ValidationError"},
		"statistic":      {[]any{metricQuery("a", "X", "tm99", 60)}, nil, "ValidationError"},
		"500 queries":    {many[:500], nil, ""},
		"501 queries":    {many, nil, "ValidationError"},
		"two insights":   {[]any{sql("a"), sql("b")}, nil, "ValidationError"},
		"bad sql":        {[]any{m{"Id": "a", "Expression": "SELECT x", "Period": int64(60)}}, nil, "ValidationError"},
		"sql period":     {[]any{m{"Id": "a", "Expression": `SELECT MAX(X) FROM "Test"`, "Period": int64(30)}}, nil, "ValidationError"},
		"backwards":      {[]any{good}, m{"EndTime": noon}, "ValidationError"},
		"no start":       {[]any{good}, m{"StartTime": nil}, "MissingRequiredParameterException"},
		"token":          {[]any{good}, m{"NextToken": "?"}, "InvalidNextToken"},
		"scan":           {[]any{good}, m{"ScanBy": "Sideways"}, "ValidationError"},
		"other account":  {[]any{m{"Id": "a", "AccountId": "999999999999", "Expression": `SELECT MAX(X) FROM "Test"`, "Period": int64(60)}}, nil, "ValidationError"},
		"max datapoints": {[]any{good}, m{"MaxDatapoints": int64(100801)}, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			in := m{"MetricDataQueries": tc.queries, "StartTime": noon, "EndTime": minute(1)}
			for k, v := range tc.change {
				in[k] = v
			}
			if got := code(t, s, "GetMetricData", in, minute(60)); got != tc.want {
				t.Errorf("code %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReturnDataFalse(t *testing.T) {
	s := newService()
	put(t, s, "X", noon, 3)
	hidden := metricQuery("a", "X", "Sum", 60)
	hidden["ReturnData"] = false
	got := getData(t, s, m{"MetricDataQueries": []any{hidden, m{"Id": "b", "Expression": "a", "Label": "mine"}}, "StartTime": noon, "EndTime": minute(1)})
	if len(got) != 1 || got[0]["Id"] != "b" || got[0]["Label"] != "mine" || len(got[0]["Values"].([]any)) != 1 {
		t.Errorf("results %v", got)
	}
}

func TestGetMetricStatistics(t *testing.T) {
	s := newService()
	put(t, s, "X", noon, 1, "A", "b")
	put(t, s, "X", minute(1), 3, "A", "b")
	in := m{"Namespace": "Test", "MetricName": "X", "Dimensions": dims("A", "b"), "StartTime": noon, "EndTime": minute(10),
		"Period": int64(300), "Statistics": []any{"Sum", "Maximum"}, "ExtendedStatistics": []any{"p100"}}
	got := do(t, s, "GetMetricStatistics", in, minute(60))
	want := m{"Label": "X", "Datapoints": []any{m{"Timestamp": noon, "Unit": "None", "Sum": 4.0, "Maximum": 3.0, "ExtendedStatistics": m{"p100": 3.0}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	in["Unit"] = "Seconds"
	if got := do(t, s, "GetMetricStatistics", in, minute(60))["Datapoints"].([]any); len(got) != 0 {
		t.Errorf("datapoints of another unit: %v", got)
	}
	in["Period"], in["EndTime"] = int64(60), minute(1441)
	if got := code(t, s, "GetMetricStatistics", in, minute(60)); got != "InvalidParameterCombinationException" {
		t.Errorf("code %q for 1441 datapoints", got)
	}
}

func TestListMetrics(t *testing.T) {
	s := newService()
	put(t, s, "Old", noon.Add(-4*time.Hour), 1, "A", "x")
	for i := range 501 {
		put(t, s, "X", noon, 1, "A", fmt.Sprint("v", i), "B", "w")
	}
	put(t, s, "Y", noon, 1)
	for name, tc := range map[string]struct {
		in   m
		want int
	}{
		"all":        {m{}, 503},
		"namespace":  {m{"Namespace": "Other"}, 0},
		"name":       {m{"MetricName": "Y"}, 1},
		"dimension":  {m{"Dimensions": []any{m{"Name": "B"}}}, 501},
		"value":      {m{"Dimensions": []any{m{"Name": "A", "Value": "v7"}, m{"Name": "B"}}}, 1},
		"active":     {m{"RecentlyActive": "PT3H"}, 502},
		"both names": {m{"Namespace": "Test", "MetricName": "Old"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			total, pages := 0, 0
			for {
				out := do(t, s, "ListMetrics", tc.in, noon)
				n := len(out["Metrics"].([]any))
				total, pages = total+n, pages+1
				if n > 500 {
					t.Errorf("%d metrics in a page", n)
				}
				if out["NextToken"] == nil {
					break
				}
				tc.in["NextToken"] = out["NextToken"]
			}
			if total != tc.want || pages != 1+(tc.want-1)/500 && tc.want > 0 {
				t.Errorf("%d metrics in %d pages, want %d", total, pages, tc.want)
			}
		})
	}
}
