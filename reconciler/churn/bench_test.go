package churn

import (
	"fmt"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

// running is a healthy task of the service in look.
func running(n int) fleet.Task {
	t := stopped("", "")
	t.ARN, t.LastStatus, t.DesiredStatus = fmt.Sprintf("arn:aws:ecs:us-east-1:111122223333:task/c/%032d", n), fleet.StatusRunning, fleet.StatusRunning
	t.StartedAt = at(-24 * time.Hour)
	for _, name := range []string{"app", "ecs-cwagent", "shipper"} {
		t.Containers = append(t.Containers, fleet.Container{Name: name, LastStatus: fleet.StatusRunning})
	}
	return t
}

// BenchmarkJudge judges a service of ten tasks: without any stop, and with 200 recorded ones, which are 50 days of a
// crash every six hours.
func BenchmarkJudge(b *testing.B) {
	var tasks []fleet.Task
	for n := range 10 {
		tasks = append(tasks, running(n))
	}
	p := policy()
	p.Knowledge = knowledge(b)
	for _, recorded := range []int{0, 200} {
		b.Run(fmt.Sprintf("stops=%d", recorded), func(b *testing.B) {
			o := look(time.Minute, tasks...)
			h := History{Since: at(-90 * 24 * time.Hour)}
			for n := range recorded {
				offset := -time.Duration(recorded-n) * 6 * time.Hour
				s := stopOf(crash(n, offset, 6*time.Hour), o, p)
				s.LogsAt, s.Sources = LogsFetched, nil
				h.Stops = append(h.Stops, s)
			}
			for b.Loop() {
				if j := Judge(o, h, p, o.At); len(j.New) > 0 || (len(j.Claims) > 0) != (recorded > 0) {
					b.Fatalf("%d new stops, claims %v", len(j.New), j.Claims)
				}
			}
		})
	}
}

// BenchmarkExplain gives a verdict on one task that an agent's concurrent map write killed, log lines included.
func BenchmarkExplain(b *testing.B) {
	k, d := knowledge(b), definition()
	in := Input{Task: crash(1, 0, 6*time.Hour), Definition: &d, Logs: map[string][]string{}}
	for n := range 98 {
		in.Logs["ecs-cwagent"] = append(in.Logs["ecs-cwagent"], fmt.Sprintf("2026-05-01T11:%02d:00Z I! flushed %d metrics", n%60, n))
	}
	in.Logs["ecs-cwagent"] = append(in.Logs["ecs-cwagent"], "fatal error: concurrent map writes", "goroutine 41 [running]:")
	for b.Loop() {
		if v := Explain(in, k); v.Planned || len(v.Signatures) != 1 || v.Culprit == nil {
			b.Fatalf("%+v", v)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
}

func knowledge(b *testing.B) *Knowledge {
	b.Helper()
	k, err := NewKnowledge(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return k
}
