package reconciler

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// blindCritical is how long a target may be blind before that is critical (CONTRACT section 3, Unobservable).
const blindCritical = 2 * time.Hour

// trouble is something the controller cannot see or say, with why.
type trouble struct {
	message  string
	evidence []string
	since    time.Time
}

// troubles holds what stands in the way now, by target and reason. It is a level: set by a failure, cleared by the
// same thing's success.
type troubles struct {
	mu  sync.Mutex
	all map[string]map[string]trouble
}

func newTroubles() *troubles { return &troubles{all: map[string]map[string]trouble{}} }

// set notes a trouble and tells whether it is new or says something new; that only its evidence differs is no news.
func (t *troubles) set(target, reason string, is trouble) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[target] == nil {
		t.all[target] = map[string]trouble{}
	}
	was, ok := t.all[target][reason]
	if ok {
		is.since = was.since
	}
	t.all[target][reason] = is
	return !ok || was.message != is.message
}

func (t *troubles) clear(target, reason string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.all[target][reason]
	delete(t.all[target], reason)
	return ok
}

func (t *troubles) of(target string) map[string]trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.all[target])
}

// trouble notes a failure and logs it when it is new; what it says is seen in the target's Unobservable findings.
func (c *Controller) trouble(target, reason, message string, err error) {
	evidence := []string{err.Error()}
	if action := fleet.DeniedAction(err); action != "" {
		message += ": allow the IAM action " + action
	}
	if c.troubles.set(target, reason, trouble{message, evidence, c.now()}) {
		c.o.Log.Warn("something stands in the way", zap.String("target", target), zap.String("reason", reason),
			zap.String("message", message), zap.Error(err))
		c.queue.Add(fleet.Key{Target: target})
	}
}

func (c *Controller) settled(target, reason string) {
	if c.troubles.clear(target, reason) {
		c.o.Log.Info("no longer in the way", zap.String("target", target), zap.String("reason", reason))
		c.queue.Add(fleet.Key{Target: target})
	}
}

// noteOverlaps notes the targets whose services are another's: each stop is counted for one target only.
func (c *Controller) noteOverlaps() {
	for _, t := range c.o.Targets {
		if t.Overlap != "" {
			c.trouble(t.Name, "TargetsOverlap", "services of this target are watched by another one", errors.New(t.Overlap))
		}
	}
}

// sweepTroubles notes what a sweep could not see: the whole target, or some of its clusters.
func (c *Controller) sweepTroubles(target string, s fleet.Sweep) {
	broken := c.view.troubles(target)
	if len(broken) == 0 {
		c.settled(target, "ClustersUnreadable")
	} else {
		first := errors.New("see evidence")
		var which []string
		for _, name := range slices.Sorted(maps.Keys(broken)) {
			which = append(which, fmt.Sprintf("%s: %v", name, broken[name]))
			first = broken[name]
		}
		message := fmt.Sprintf("%d of %d clusters could not be read whole; what was seen before is kept and marked stale", len(broken), max(len(s.Clusters), len(broken)))
		if action := fleet.DeniedAction(first); action != "" {
			message += ": allow the IAM action " + action
		}
		if c.troubles.set(target, "ClustersUnreadable", trouble{message, which, c.now()}) {
			c.o.Log.Warn("something stands in the way", zap.String("target", target), zap.String("reason", "ClustersUnreadable"),
				zap.String("message", message), zap.Strings("clusters", which))
		}
	}
	if s.Err != nil && len(broken) == 0 {
		c.trouble(target, "TargetUnreadable", "the target's clusters could not be listed", s.Err)
	} else {
		c.settled(target, "TargetUnreadable")
	}
}

// targetClaims says what a target's troubles mean. It is pure.
func targetClaims(now, lastComplete, started time.Time, troubles map[string]trouble) []finding.Claim {
	var out []finding.Claim
	for _, reason := range slices.Sorted(maps.Keys(troubles)) {
		t := troubles[reason]
		out = append(out, finding.Claim{Type: finding.Unobservable, Subject: reason, Severity: finding.Info, Reason: reason,
			Message: t.message, Evidence: t.evidence, Since: t.since})
	}
	blind := lastComplete
	if blind.IsZero() {
		blind = started
	}
	if now.Sub(blind) >= blindCritical {
		out = append(out, finding.Claim{Type: finding.Unobservable, Subject: "TargetBlind", Severity: finding.Critical, Reason: "TargetBlind",
			Message: fmt.Sprintf("no complete look at the target since %s: nothing said about it is current", blind.UTC().Format(time.RFC3339)), Since: blind})
	}
	return out
}
