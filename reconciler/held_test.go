package reconciler

import (
	"testing"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// A stop that nothing makes surer is recorded once when AWS forgets the task, also if the store fails just then: before
// the write, or after it.
func TestAHeldStopIsRecordedOnceWhateverFails(t *testing.T) {
	unsure := fleet.Task{ARN: "arn:aws:ecs:r:1:task/c/a", Group: "service:django", LastStatus: fleet.StatusStopped, StopCode: "ServiceSchedulerInitiated", StoppedAt: noon}
	look := func(after time.Duration, tasks ...fleet.Task) fleet.Observation {
		return fleet.Observation{Key: django, Seen: fleet.Seen{At: noon.Add(after), Complete: true},
			Service: fleet.Service{Name: "django", Desired: 1, Running: 1}, Tasks: tasks}
	}
	for name, fails := range map[string]struct{ before, after bool }{"never": {}, "before the write": {before: true}, "after the write": {after: true}} {
		t.Run(name, func(t *testing.T) {
			failing := false
			b := openBook(t, flaky{openStore(t, t.TempDir()), func() (bool, bool) { return failing && fails.before, failing && fails.after }})
			pass := func(o fleet.Observation) (churn.Confidence, error) {
				t.Helper()
				m, err := b.Load(t.Context(), django)
				if err != nil {
					t.Fatal(err)
				}
				d := Decide(o, m, Policies{}, o.At)
				var last churn.Confidence
				for _, s := range d.New {
					last = s.Verdict.Confidence
				}
				return last, b.Record(t.Context(), d)
			}
			if recorded, err := pass(look(time.Minute, unsure)); recorded != "" || err != nil {
				t.Fatalf("the first look: %q, %v", recorded, err)
			}
			failing = true
			if recorded, err := pass(look(2 * time.Minute)); recorded != churn.Low || (err != nil) != (fails.before || fails.after) {
				t.Fatalf("the look without the task: %q, %v", recorded, err)
			}
			failing = false
			for i, o := range []fleet.Observation{look(2 * time.Minute), look(3 * time.Minute), look(4*time.Minute, unsure)} {
				if _, err := pass(o); err != nil {
					t.Fatal(i, err)
				}
			}
			if got := b.Stops(django); len(got) != 1 || got[0].Stop.Verdict.Confidence != churn.Low {
				t.Errorf("recorded %+v", got)
			}
			if got := rows(b)["UnplannedStops 12:02"]; got != 1 {
				t.Errorf("counted %v", got)
			}
		})
	}
}
