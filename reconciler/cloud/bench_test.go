package cloud

import (
	"syscall"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// BenchmarkSweep looks at the small reference account (20 clusters, 1,000 services, 10,000 tasks) through the SDK and an
// in-process transport, at a pace that never waits. The simulated account's own work is in the CPU time.
func BenchmarkSweep(b *testing.B) {
	began := time.Now()
	w, err := account.New(account.Bulk(20, 1000, 10_000), began.Add(-time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	w.Advance(began)
	unpaced := NewBudgets(1)
	unpaced.share = 1e6
	a := watching(w, Options{Budgets: unpaced})
	calls, cpu := 0, processorTime(b)
	for b.Loop() {
		tasks := 0
		s := a.Sweep(b.Context(), func(c fleet.Cluster) { tasks += len(c.Tasks) })
		if !s.Complete || tasks != 10_000 {
			b.Fatalf("%d tasks, error %v", tasks, s.Err)
		}
		calls = s.Calls
	}
	b.ReportMetric(float64(calls), "calls/sweep")
	b.ReportMetric((processorTime(b)-cpu).Seconds()/float64(b.N), "CPU-s/sweep")
}

// processorTime is what the process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
