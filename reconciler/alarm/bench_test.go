package alarm

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkPlan compares the alarms of one target and the controller's own, all present and unchanged, with what a listing
// had: the steady state.
func BenchmarkPlan(b *testing.B) {
	actions := Actions{Alarm: []string{topic}}
	want := slices.Concat(Fleet(owner, "prod", actions), Own(owner, []string{"prod"}, 5*time.Minute, actions))
	var there []Have
	for _, s := range want {
		there = append(there, have(s))
	}
	for b.Loop() {
		rows, _ := Plan(want, there, Basis{Owner: owner})
		for _, r := range rows {
			if r.Status != Present {
				b.Fatalf("%s is %s: %s", r.Name, r.Status, r.Reason)
			}
		}
	}
	b.ReportMetric(float64(len(want)), "alarms")
}
