package cloud

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// stopsOf asks for the counter that counters put.
func stopsOf(i int) fleet.Query {
	return fleet.Query{Statistic: "Maximum", Metric: fleet.Metric{Namespace: alarm.Namespace, Name: "UnplannedStops",
		Dimensions: []fleet.Dimension{{Name: "ClusterName", Value: "prod"}, {Name: "ServiceName", Value: fmt.Sprintf("s%04d", i)}}}}
}

func TestSeriesHaveTheOrderOfTheirQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		minute := time.Now().UTC().Truncate(time.Minute)
		for _, at := range []time.Time{minute, minute.Add(-2 * time.Minute)} {
			if err := a.PutData(t.Context(), counters(1200, at)); err != nil {
				t.Fatal(err)
			}
		}
		var queries []fleet.Query
		for i := range 1201 { // the last one has no data
			queries = append(queries, stopsOf(i))
		}
		before := count(w, "GetMetricData")
		got, err := a.Series(t.Context(), queries, minute.Add(-10*time.Minute), minute.Add(time.Minute))
		if err != nil || len(got) != 1201 || len(got[1200]) != 0 || count(w, "GetMetricData")-before != 3 {
			t.Fatalf("%d series by %d calls: %v", len(got), count(w, "GetMetricData")-before, err)
		}
		want := []fleet.Point{{At: minute.Add(-2 * time.Minute), Value: 778}, {At: minute, Value: 778}}
		if d := cmp.Diff(want, got[777]); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	})
}

// stamp is a time as CBOR's tag 1 writes it.
func stamp(at time.Time) any { return cbor.Tag{Number: 1, Content: at.Unix()} }

func TestSeriesAreCompleteOrAnError(t *testing.T) {
	at := time.Now().UTC().Truncate(time.Minute)
	values := func(v ...float64) map[string]any {
		times := []any{stamp(at), stamp(at.Add(-time.Minute)), stamp(at.Add(-2 * time.Minute))}
		return map[string]any{"Id": "m0", "StatusCode": "Complete", "Values": v, "Timestamps": times[:len(v)]}
	}
	for name, tc := range map[string]struct {
		in  results
		sum float64 // 0: an error
	}{
		"complete":           {results{values(1, 2, 3)}, 6},
		"a page twice":       {results{values(1, 2, 3), values(1, 2)}, 6},
		"no answer":          {nil, 0},
		"for another":        {results{values(1), {"Id": "m3", "StatusCode": "Complete"}}, 0},
		"by a made-up id":    {results{values(1), {"Id": "x", "StatusCode": "Complete"}}, 0},
		"broken":             {results{{"Id": "m0", "StatusCode": "InternalError"}}, 0},
		"partial":            {results{{"Id": "m0", "StatusCode": "PartialData", "Values": []float64{2}}}, 0},
		"values without end": {results{{"Id": "m0", "StatusCode": "Complete", "Values": []float64{5, 7}, "Timestamps": []any{stamp(at)}}}, 5},
	} {
		got, err := New(baseConfig(tc.in), Options{Allow: everything()}).Series(t.Context(), []fleet.Query{stopsOf(0)}, at.Add(-time.Hour), at)
		if (err == nil) != (tc.sum > 0) || err != nil && got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		sum := 0.0
		for _, s := range got {
			for i, p := range s {
				if sum += p.Value; i > 0 && !p.At.After(s[i-1].At) {
					t.Errorf("%s: not in order: %v", name, s)
				}
			}
		}
		if sum != tc.sum {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMetricsAreListedByTheirDimensions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		if err := a.PutData(t.Context(), counters(600, time.Now())); err != nil {
			t.Fatal(err)
		}
		any, one := stopsOf(0).Metric, stopsOf(41).Metric
		any.Dimensions = []fleet.Dimension{{Name: "ServiceName"}}
		for like, want := range map[*fleet.Metric]int{&any: 600, &one: 1, {Namespace: alarm.Namespace, Name: "Nope"}: 0} {
			got, err := a.Metrics(t.Context(), *like)
			if err != nil || len(got) != want {
				t.Errorf("%+v: %d metrics, %v", like, len(got), err)
			}
		}
		got, err := a.Metrics(t.Context(), one)
		if err != nil || len(got) != 1 || !cmp.Equal(got[0], one) || got[0].Value("ServiceName") != "s0041" || got[0].Value("X") != "" {
			t.Errorf("%+v, %v", got, err)
		}
		time.Sleep(4 * time.Hour)
		if got, err := a.Metrics(t.Context(), any); err != nil || len(got) != 0 {
			t.Errorf("%d metrics without data for four hours, %v", len(got), err)
		}
	})
}

func TestInsightsAreTheClustersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(150, 1, 1)
		s.Clusters[0].ContainerInsights, s.Clusters[149].ContainerInsights = "enhanced", "enabled"
		w := world(t, s)
		names := []string{"nope"}
		for _, c := range s.Clusters {
			names = append(names, c.Name)
		}
		got, err := watching(w, Options{}).Insights(t.Context(), names)
		if err != nil || len(got) != 150 || count(w, "DescribeClusters") != 2 {
			t.Fatalf("%d settings by %d calls: %v", len(got), count(w, "DescribeClusters"), err)
		}
		for name, want := range map[string]string{"prod-000": "enhanced", "prod-149": "enabled", "prod-007": "disabled"} {
			if got[name] != want {
				t.Errorf("%s: %q", name, got[name])
			}
		}
	})
}
