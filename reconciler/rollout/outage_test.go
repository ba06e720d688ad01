package rollout

import (
	"fmt"
	"testing"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

func stopsAt(at time.Time, n int, container string) (out []churn.Stop) {
	for i := range n {
		out = append(out, churn.Stop{TaskARN: fmt.Sprint(container, at, i), StoppedAt: at.Add(time.Duration(i) * time.Second), Lifetime: time.Hour,
			Verdict: churn.Verdict{Cause: churn.EssentialContainerExited, Culprit: &churn.Culprit{Container: container}}})
	}
	return out
}

// TestAnOutageThatHitOthersIsNotTheFixs: a death counts as an outage's where three other services lost their tasks at the same
// moment, of other causes.
func TestAnOutageThatHitOthersIsNotTheFixs(t *testing.T) {
	ours := stopsAt(start, 1, "agent")[0]
	for _, c := range []struct {
		name    string
		others  int
		tasks   int
		cause   string // of each, with its number
		away    time.Duration
		outage  bool
		desired int
	}{
		{"three others at the same moment", 3, 4, "app%d", 5 * time.Minute, true, 4},
		{"two others", 2, 4, "app%d", 0, false, 4},
		{"an hour apart", 3, 4, "app%d", time.Hour, false, 4},
		{"the same fault in three services", 3, 4, "agent", 0, false, 4},
		{"one task of many", 3, 1, "app%d", 0, false, 1},
		{"a small share of each", 3, 4, "app%d", 0, false, 40},
	} {
		by := blame{key: fleet.Key{Service: "web"}, culprits: []string{"agent"}}
		for i := range c.others {
			container := c.cause
			if container != "agent" {
				container = fmt.Sprintf(c.cause, i)
			}
			key := fleet.Key{Service: fmt.Sprint("other", i)}
			by.losses = append(by.losses, Losses(key, c.desired, stopsAt(start.Add(c.away), c.tasks, container))...)
		}
		if got := by.ending(ours) == Alive; got != c.outage {
			t.Errorf("%s: counts as an outage's: %t", c.name, got)
		}
	}
	own := blame{key: fleet.Key{Service: "web"}, losses: Losses(fleet.Key{Service: "web"}, 4, stopsAt(start, 4, "app"))}
	if len(own.losses) != 1 || own.ending(ours) == Alive {
		t.Errorf("the service's own loss is no outage: %v", own.losses)
	}
}
