package test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
	"taskwarden/test/account"
)

// A service that vanishes for exactly one complete look, in the worst case: the process has just started, so that nothing
// is remembered that could be asked for, and no list shows anything. Its findings stay, and nothing is told as news.
func TestOneEmptyLookClosesNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, incident(t, nil))
		c := w.run(nil)
		time.Sleep(9 * time.Hour)
		was := open(c.Controller)
		if len(was["django"]) != 3 {
			t.Fatalf("the incident is not seen: %v", was)
		}
		c.stop()
		services := w.inject(account.Fault{Ops: []string{"ecs:ListServices"}, Kind: account.FaultEmpty, Calls: 1})
		tasks := w.inject(account.Fault{Ops: []string{"ecs:ListTasks"}, Kind: account.FaultEmpty, Calls: 1})
		c = w.run(nil)
		defer c.stop()
		time.Sleep(4 * time.Minute) // one look
		if services.Hits() != 1 || tasks.Hits() != 1 {
			t.Fatalf("the faults struck %d and %d calls", services.Hits(), tasks.Hits())
		}
		if d := cmp.Diff(was, open(c.Controller)); d != "" {
			t.Errorf("after one empty look: %s", d)
		}
		time.Sleep(20 * time.Minute)
		if d := cmp.Diff(was, open(c.Controller)); d != "" {
			t.Errorf("after the next looks: %s", d)
		}
		for _, message := range []string{"finding closed", "finding opened", "finding unknown"} {
			if n := w.logs.FilterMessage(message).Len(); n != 0 {
				t.Errorf("%d times %q", n, message)
			}
		}
	})
}

// What complete looks say for a minute is believed: with nothing remembered and nothing shown the service is gone and its
// findings close. When it is back, what still holds opens again, with its own beginning, and no stop is lost or doubled.
func TestLastingEmptyLooksAreBelieved(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, incident(t, nil))
		c := w.run(nil)
		time.Sleep(9 * time.Hour)
		was := open(c.Controller)
		c.stop()
		w.inject(account.Fault{Ops: []string{"ecs:ListServices", "ecs:ListTasks"}, Kind: account.FaultEmpty, For: 20 * time.Minute})
		c = w.run(nil)
		defer c.stop()
		time.Sleep(19 * time.Minute)
		if got := open(c.Controller); len(got) != 0 {
			t.Errorf("open after four empty looks: %v", got)
		}
		time.Sleep(40 * time.Minute) // two readings of metrics, for what they tell
		if d := cmp.Diff(was, open(c.Controller)); d != "" {
			t.Errorf("after it is back: %s", d)
		}
		for _, f := range c.Findings() { // a flood is known since the reading that shows it, and no longer
			if f.Key.Service == "django" && f.Type != finding.TelemetryFlood && !f.FirstSeen.Before(start.Add(8*time.Hour)) {
				t.Errorf("it began when it was seen again: %+v", f)
			}
		}
		compareWithTruth(t, w, c, start)
	})
}

// The same in a process that knows the service: it asks for it by name, the look is not complete, the service stays in
// view, and what is wrong is named. That holds for as long as the lists lie.
func TestListsThatLieAreFoundOut(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"ecs:ListServices", "ecs:ListTasks", "ecs:ListClusters"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, incident(t, nil))
				c := w.run(nil)
				defer c.stop()
				time.Sleep(9 * time.Hour)
				was, services := open(c.Controller), len(c.Services())
				w.inject(account.Fault{Ops: []string{op}, Kind: account.FaultEmpty, For: 50 * time.Minute})
				time.Sleep(49 * time.Minute)
				tr := c.Targets()[0]
				if tr.Complete || tr.Ready || len(tr.Troubles) == 0 {
					t.Errorf("not found out: %+v", tr)
				}
				if got := len(c.Services()); got != services {
					t.Errorf("%d services in view, %d exist", got, services)
				}
				time.Sleep(10 * time.Minute)
				if d := cmp.Diff(was, open(c.Controller)); d != "" {
					t.Errorf("afterwards: %s", d)
				}
				if n := w.logs.FilterMessage("finding closed").FilterFieldKey("on").Len(); n > 0 {
					for _, l := range w.logs.FilterMessage("finding closed").All() {
						if l.ContextMap()["type"] != "Unobservable" {
							t.Errorf("closed: %v", l.ContextMap())
						}
					}
				}
			})
		})
	}
}

func (w *world) inject(f account.Fault) *account.Injection {
	w.t.Helper()
	i, err := w.account.Inject(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}
