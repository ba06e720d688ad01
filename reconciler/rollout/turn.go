package rollout

import "time"

// load is what other rollouts take up at a moment.
type load struct{ acting, soaking, today int }

// loadBeside counts all known rollouts but one.
func (b Brakes) loadBeside(id string, now time.Time) load {
	var l load
	for _, k := range b.Known {
		if k.ID == id || k.Foreign {
			continue
		}
		if k.acts() {
			l.acting++
		}
		if k.soaks() {
			l.soaking++
		}
		if !k.StartedAt.IsZero() && now.Sub(k.StartedAt) < 24*time.Hour {
			l.today++
		}
	}
	return l
}

// acts tells whether the rollout counts for maxConcurrent: registering, rolling, rolling back, and the soak of a canary.
func (r Rollout) acts() bool { return r.acting() || r.Live() && r.Phase == Soaking && r.Canary }

// soaks tells whether it counts for maxSoaking: no canary, and soaking or on the way to it.
func (r Rollout) soaks() bool {
	return r.Live() && !r.Canary && (r.Phase == Registering || r.Phase == Rolling || r.Phase == Soaking)
}

// firstWave counts the other rollouts of the same fix that have succeeded, and its canaries that are under way.
func (b Brakes) firstWave(r Rollout) (proven, trying int) {
	for _, k := range b.wave(r) {
		switch {
		case k.Proven():
			proven++
		case k.Canary && k.Live():
			trying++
		}
	}
	return proven, trying
}

// turn says whose turn it is: a refusal that waits, or whether the rollout starts as one of its policy's first wave. Starts
// are decided one after the other, each with the one before among Known.
func (b Brakes) turn(r Rollout, now time.Time) (canary bool, wait *Refusal) {
	s, l := b.Settings, b.loadBeside(r.ID, now)
	proven, trying := b.firstWave(r)
	canary = proven < s.Canary
	switch {
	case l.acting >= s.MaxConcurrent:
		return canary, refuse(ReasonSlots, nil, "%d rollout(s) are under way, and maxConcurrent is %d", l.acting, s.MaxConcurrent)
	case !canary && l.soaking >= s.MaxSoaking:
		return canary, refuse(ReasonSlots, nil, "%d rollout(s) soak or will, and maxSoaking is %d", l.soaking, s.MaxSoaking)
	case l.today >= s.MaxPerDay:
		return canary, refuse(ReasonPerDay, nil, "%d rollout(s) started in the last 24 h, and maxPerDay is %d", l.today, s.MaxPerDay)
	case canary && proven+trying >= s.Canary:
		return canary, refuse(ReasonWave, nil, "the policy's first wave of %d service(s) has not succeeded yet", s.Canary)
	}
	return canary, nil
}
