package reconciler

import (
	"fmt"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/store/memory"
)

// BenchmarkBurst is an agent's bug in 2,500 services at once: each pass that opens a finding compares its cause with all others.
func BenchmarkBurst(b *testing.B) {
	const services = 2500
	for b.Loop() {
		b.StopTimer()
		book, err := OpenBook(b.Context(), memory.New(time.Now), time.Hour, false)
		if err != nil {
			b.Fatal(err)
		}
		c := New(Options{ID: "me", Targets: []Target{{Name: "t"}}, Book: book, Log: zap.NewNop(), Home: account{}, Alarms: Off,
			AlarmAudit: cron.Every(time.Hour), Report: cron.Every(time.Hour)})
		b.StartTimer()
		for i := range services {
			key := fleet.Key{Target: "t", Cluster: "c", Service: fmt.Sprintf("service-%04d", i)}
			d := Decision{Key: key, At: noon}
			for _, typ := range []string{finding.SilentChurn, finding.SidecarCrash} {
				f := finding.Finding{Key: key, Type: typ, Status: finding.True, Reason: "R", Detail: finding.Detail{Cause: &finding.Cause{Container: "cwagent", Signature: "go-panic", Image: "cwagent:1"}}}
				d.Findings = append(d.Findings, f)
				d.Changes = append(d.Changes, finding.Transition{Key: key, Type: typ, To: finding.True})
			}
			book.mu.Lock()
			book.remember(Memory{Key: key, Findings: d.Findings, version: 1})
			book.mu.Unlock()
			c.announce(d)
		}
		b.StopTimer()
		c.shutDown()
		b.StartTimer()
	}
}

// BenchmarkSick is the brakes' look at a fleet of which 2,500 services are sick, at each write of a rollout.
func BenchmarkSick(b *testing.B) {
	var all []finding.Finding
	for i := range 2500 {
		key := fleet.Key{Target: "t", Cluster: "c", Service: fmt.Sprintf("service-%04d", i)}
		for _, typ := range []string{finding.SilentChurn, finding.SidecarCrash} {
			all = append(all, finding.Finding{Key: key, Type: typ, Status: finding.True, Detail: finding.Detail{Cause: &finding.Cause{Container: "cwagent", Signature: "go-panic"}}})
		}
	}
	for b.Loop() {
		if n := len(sick(all)); n != 2500 {
			b.Fatal(n)
		}
	}
}
