package rollout

import (
	"fmt"
	"strings"
	"testing"
)

// ended checks what must hold of a world that came to rest.
func (w *world) ended(t *testing.T) {
	t.Helper()
	if len(w.wrong) > 0 {
		t.Errorf("%s\n%s", strings.Join(w.wrong, "\n"), strings.Join(w.log, "\n"))
	}
	if len(w.known()) == 0 {
		t.Error("nothing was ever planned")
	}
	for _, r := range w.known() {
		s := w.services[0]
		newest := s.revs[len(s.revs)-1].arn
		switch {
		case r.Live() && begun(r):
			t.Errorf("%s is still %s: %s\n%s", r.ID, r.Phase, r.Message, strings.Join(w.log, "\n"))
		case r.Outcome == RolledBack && (!s.good(s.primary.TaskDefinition) || !w.tidies && s.primary.TaskDefinition != r.Plan.Base):
			t.Errorf("rolled back, and %s runs", s.primary.TaskDefinition)
		case r.Outcome == RolledBack && !s.good(newest) && !strings.Contains(r.Message, "family's newest revision is still"):
			t.Errorf("rolled back, and the newest revision %s is the bad one: %s", newest, r.Message)
		}
	}
}

// incident is one service whose agent dies; harm reports whether the fix makes it worse.
func incident(harm bool) *world {
	w := newWorld(3, 1)
	w.worse = harm
	return w
}

// finish plays an incident: a day and a half of automation, then a rest.
func finish(w *world) {
	w.run(2, func() {
		if w.tidies {
			w.tidy()
		}
	})
	w.mode = Approve // nothing more starts, and ways back go on
	w.run(4, nil)
}

func TestTheIncidentEnds(t *testing.T) {
	for harm, want := range map[bool]Outcome{false: Succeeded, true: RolledBack} {
		w := incident(harm)
		finish(w)
		w.ended(t)
		first := w.known()[0]
		if first.Outcome != want || first.Soak.Table == nil {
			t.Errorf("harm %v: outcome %s, want %s: %s", harm, first.Outcome, want, first.Message)
		}
		begun := 0
		for _, r := range w.known() {
			if !r.StartedAt.IsZero() {
				begun++
			}
		}
		if begun != 1 || w.services[0].updates[first.ID] != 1 {
			t.Errorf("harm %v: %d rollouts begun, %d updates: want one of each", harm, begun, w.services[0].updates[first.ID])
		}
	}
}

// TestKilledAtEveryCall kills the controller at each of its calls, carried out or not, and lets another one take over.
func TestKilledAtEveryCall(t *testing.T) {
	for _, c := range []struct{ harm, tidies bool }{{false, false}, {true, false}, {true, true}} {
		harm := c.harm
		plain := incident(harm)
		plain.tidies = c.tidies
		finish(plain)
		want := plain.known()[0].Outcome
		for n := 1; n <= plain.calls; n++ {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("harm=%v/tidy=%v/call=%d/done=%v", harm, c.tidies, n, done), func(t *testing.T) {
					w := incident(harm)
					w.tidies = c.tidies
					w.killAt, w.killDone = n, done
					finish(w)
					w.ended(t)
					if got := w.known()[0].Outcome; got != want {
						t.Errorf("outcome %s, %s without the kill: %s", got, want, w.known()[0].Message)
					}
				})
			}
		}
	}
}

// TestEveryCallFailsFromTheNthOn lets nothing work any more from each call on: the rollout still ends.
func TestEveryCallFailsFromTheNthOn(t *testing.T) {
	for _, harm := range []bool{false, true} {
		plain := incident(harm)
		finish(plain)
		for _, f := range []fate{throttled, denied, lostAfter} {
			for n := 1; n <= plain.calls; n++ {
				t.Run(fmt.Sprintf("harm=%v/fate=%d/call=%d", harm, f, n), func(t *testing.T) {
					w := incident(harm)
					w.failFrom, w.failWith = n, f
					finish(w)
					w.ended(t)
				})
			}
		}
	}
}

// TestBrakesHold takes brakes off by lying to the machine, and sees the promise break that each of them keeps.
func TestBrakesHold(t *testing.T) {
	people := func(w *world) { w.disturb(60) }
	release := func(w *world) { // somebody deploys a new version every few minutes
		if w.r.IntN(3) == 0 {
			w.update(w.services[0], w.services[0].register("", broken, w.now))
		}
	}
	hasty := func(w *world) { // a pipeline registers a version that it does not deploy yet, and an approver takes fixes back
		if s := w.services[0]; w.r.IntN(4) == 0 {
			s.register("", broken, w.now)
			s.revs[len(s.revs)-1].image = len(s.revs)
		}
		if w.r.IntN(4) == 0 {
			w.order()
		}
	}
	for _, c := range []struct {
		name   string
		lie    lie
		faults int
		others func(*world)
		want   string
	}{
		{"windows", lie{windows: true}, 0, people, "starts outside a window"},
		{"others' rollouts", lie{known: true}, 0, people, "act at once"},
		{"the rate", lie{known: true}, 0, people, "started in a day"},
		{"deployments under way", lie{deploying: true}, 0, release, "deployed"},
		{"what was registered", lie{tags: true}, 700, func(*world) {}, "revisions registered"},
		{"pause", lie{pause: true}, 0, people, "starts while paused"},
		{"others' newest revisions", lie{foreign: true}, 0, hasty, "covers a revision"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, off := range []bool{false, true} {
				broke := false
				for seed := uint64(1); seed <= 8 && !(off && broke); seed++ {
					w := newWorld(seed, 3)
					w.settings.MaxPerDay, w.settings.Canary, w.faults = 1, 3, c.faults
					w.settings.Windows = []Window{workday(t)}
					if off {
						w.lie = c.lie
					}
					w.run(1, func() { c.others(w) })
					broke = broke || strings.Contains(strings.Join(w.wrong, "\n"), c.want)
				}
				if broke != off {
					t.Errorf("brake off %v: promise broken %v", off, broke)
				}
			}
		})
	}
}
