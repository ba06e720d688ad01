package rollout

import (
	"fmt"
	"strings"
	"time"
)

// load is what other rollouts take up at a moment.
type load struct {
	acting, soaking []Rollout
	today           int
}

// loadBeside counts all known rollouts but one.
func (b Brakes) loadBeside(id string, now time.Time) load {
	var l load
	for _, k := range b.Known {
		if k.ID == id || k.Foreign {
			continue
		}
		if k.acts() {
			l.acting = append(l.acting, k)
		}
		if k.soaks() {
			l.soaking = append(l.soaking, k)
		}
		if !k.StartedAt.IsZero() && now.Sub(k.StartedAt) < 24*time.Hour {
			l.today++
		}
	}
	return l
}

// acts reports whether the rollout counts for maxConcurrent: registering, rolling, rolling back, and the soak of a canary.
func (r Rollout) acts() bool { return r.acting() || r.Live() && r.Phase == Soaking && r.Canary }

// soaks reports whether it counts for maxSoaking: no canary, and soaking or on the way to it.
func (r Rollout) soaks() bool {
	return r.Live() && !r.Canary && (r.Phase == Registering || r.Phase == Rolling || r.Phase == Soaking)
}

// firstWave counts the other rollouts of the same fix that have succeeded, and lists its canaries that are under way.
func (b Brakes) firstWave(r Rollout) (proven int, trying []Rollout) {
	for _, k := range b.wave(r) {
		switch {
		case k.Proven():
			proven++
		case k.Canary && k.Live():
			trying = append(trying, k)
		}
	}
	return proven, trying
}

// standing says where the rollouts stand that another one waits for: which service, since when, for what, and until when at the
// latest. It changes only when they do: each waiting rollout is written whenever its message changes.
func standing(rollouts []Rollout) string {
	var out []string
	for _, r := range rollouts {
		text := fmt.Sprintf("rollout %s on %s is %s since %s", r.ID, r.Key(), r.Phase, stamp(r.Since))
		if r.Phase == Soaking {
			text = fmt.Sprintf("rollout %s on %s soaks since %s: %s; it ends by itself at %s at the latest", r.ID, r.Key(), stamp(r.Soak.From),
				r.Plan.Power, stamp(r.Deadline))
		}
		if r.Canary {
			text += " (first wave: if it ends inconclusive, the next service takes its place)"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// turn decides whether it is the rollout's turn: wait says what it waits for; canary reports whether it starts in its policy's
// first wave. Starts are decided one after the other, and each one sees the earlier starts in Known.
func (b Brakes) turn(r Rollout, now time.Time) (canary bool, wait *Refusal) {
	s, l := b.Settings, b.loadBeside(r.ID, now)
	proven, trying := b.firstWave(r)
	canary = proven < s.Canary
	switch {
	case len(l.acting) >= s.MaxConcurrent:
		return canary, refuse(ReasonSlots, nil, "%d rollout(s) are under way, and maxConcurrent is %d: %s", len(l.acting), s.MaxConcurrent, standing(l.acting))
	case !canary && len(l.soaking) >= s.MaxSoaking:
		return canary, refuse(ReasonSlots, nil, "%d rollout(s) soak or will, and maxSoaking is %d", len(l.soaking), s.MaxSoaking)
	case l.today >= s.MaxPerDay:
		return canary, refuse(ReasonPerDay, nil, "%d rollout(s) started in the last 24 h, and maxPerDay is %d", l.today, s.MaxPerDay)
	case canary && proven+len(trying) >= s.Canary:
		return canary, refuse(ReasonWave, nil, "the policy's first wave of %d service(s) has not succeeded yet: %s", s.Canary, standing(trying))
	}
	return canary, nil
}
