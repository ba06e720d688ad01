package rollout

import (
	"fmt"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	sickWithin = 30 * time.Minute // how recently a service must have fallen sick to count against the fleet
	sickLeast  = 5                // and how many must have, of different causes
)

// Brakes are the guards that can keep a plan from production. All but Mode and ModeBy are the same for every service.
type Brakes struct {
	Mode     Mode   // of this service, under the ceiling
	ModeBy   Reason // what set it: mode or tag
	Ceiling  Mode   // of every service (remediation.mode)
	Paused   string // "": not paused; otherwise by whom and why
	Settings Settings
	Known    []Rollout            // every rollout that is kept, of all targets, this one among them
	Resets   map[string]time.Time // last reset, by service key
	Fleet    Fleet
	ViewAge  time.Duration // how old a view may be to act on it
}

// Fleet is the state of all services of all targets.
type Fleet struct {
	Complete bool // every target's last look is whole, young, and not the first since the start
	Why      string
	Services int
	Sick     []Sick
}

// Sick is a service with an open churn finding.
type Sick struct {
	Key   fleet.Key
	Since time.Time
	Cause string // culprit, signature and image together: what one page would be about
}

// mayWrite is why no write may be sent for this rollout now, or nil. It holds for every write that is automatic, rollbacks
// included. A way back that an approver ordered passes a pause, and every tag and mode.
func (b Brakes) mayWrite(r Rollout) *Refusal {
	switch {
	case r.Order != nil && r.Phase == RollingBack:
		return nil
	case b.Paused != "":
		return refuse(ReasonPaused, nil, "remediation is paused: %s", b.Paused)
	case b.Mode.rank() < Approve.rank():
		return refuse(b.modeReason(), nil, "the service's mode is %s: nothing is sent", b.Mode)
	}
	return nil
}

func (b Brakes) modeReason() Reason {
	if b.ModeBy == "" {
		return ReasonMode
	}
	return b.ModeBy
}

// admit gives the first reason why the service must not be changed now, or nil. Whose turn it is, turn decides.
func (b Brakes) admit(r Rollout, o fleet.Observation, now time.Time) *Refusal {
	if why := b.mayWrite(r); why != nil {
		return why
	}
	switch {
	case b.held(r.Key(), o) != "":
		return refuse(ReasonHeld, nil, "%s", b.held(r.Key(), o))
	case !o.Complete, now.Sub(o.At) > b.ViewAge:
		return refuse(ReasonStale, nil, "the last whole look at the service's cluster is not young enough to act on")
	case !b.Fleet.Complete:
		return refuse(ReasonStale, nil, "the view of the fleet is not whole: %s", b.Fleet.Why)
	case o.Service.Deploying():
		return refuse(ReasonDeploying, nil, "a deployment of this service is under way")
	}
	if why := b.fleetSick(r, now); why != nil {
		return why
	}
	if why := b.canaryFailed(r); why != nil {
		return why
	}
	return b.Settings.windowClosed(now)
}

// fleetSick counts the services that fell sick lately. Those that share this service's cause count as one: many services
// with one cause are what the fix is for. Different causes at once are an outage, in which nobody should change settings.
func (b Brakes) fleetSick(r Rollout, now time.Time) *Refusal {
	own := ""
	for _, s := range b.Fleet.Sick {
		if s.Key == r.Key() {
			own = s.Cause
		}
	}
	n, common := 0, 0
	for _, s := range b.Fleet.Sick {
		switch {
		case now.Sub(s.Since) > sickWithin:
		case s.Cause == own && own != "":
			common = 1
		default:
			n++
		}
	}
	if n += common; n < sickLeast || float64(n) <= b.Settings.FleetSick*float64(b.Fleet.Services) {
		return nil
	}
	return refuse(ReasonSick, nil, "%d of %d services fell sick of different causes in the last %s", n, b.Fleet.Services, human(sickWithin))
}

// held gives the reason why the service waits for a person's reset, or "": a try since the last reset failed, or a deployment took
// a fix out again. Another rollout would fight with whoever made that deployment.
func (b Brakes) held(k fleet.Key, o fleet.Observation) string {
	var own []Rollout
	for _, r := range b.Known {
		if r.Key() != k {
			continue
		}
		own = append(own, r)
		if r.holds() && r.Since.After(b.Resets[k.String()]) {
			return fmt.Sprintf("rollout %s ended %s at %s: %s", r.ID, r.Outcome, stamp(r.Since), r.Message)
		}
	}
	for _, r := range inPlace(own, b.Resets[k.String()]) {
		if lost, _ := r.lost(o); lost {
			return fmt.Sprintf("rollout %s %s at %s, and then %s", r.ID, r.Outcome, stamp(r.Since), takenOut(o))
		}
	}
	return ""
}

// holds reports whether the rollout's end keeps its service from another try: it failed, or a deployment of another revision took the fix out.
func (r Rollout) holds() bool {
	return r.Outcome == RolledBack || r.Outcome == Failed && !r.Untouched || r.Outcome == Superseded && r.Arrived
}

// wave lists the rollouts of the same fix: the policy with the same values.
func (b Brakes) wave(r Rollout) []Rollout {
	var out []Rollout
	for _, k := range b.Known {
		if k.Plan.fix() == r.Plan.fix() && !k.Foreign && k.ID != r.ID {
			out = append(out, k)
		}
	}
	return out
}

// canaryFailed stops a fix of whose first wave a service ended badly, until that service is reset.
func (b Brakes) canaryFailed(r Rollout) *Refusal {
	for _, k := range b.wave(r) {
		if k.Canary && k.endedBadly() && k.Since.After(b.Resets[k.Key().String()]) {
			return refuse(ReasonCanary, []string{"rollout " + k.ID}, "the policy's first wave ended %s on %s at %s: %s", k.Outcome, k.Key(), stamp(k.Since), k.Message)
		}
	}
	return nil
}

// endedBadly reports whether the fix was sent to the service and then did not stay there, or stayed without any effect. A
// service that was deleted says nothing about the fix.
func (r Rollout) endedBadly() bool {
	switch r.Outcome {
	case RolledBack, Failed, Superseded:
		return !r.Wrote.IsZero() && r.Reason != ReasonDeleted
	case Inconclusive:
		return r.Soak.Assessment.Ineffective
	}
	return false
}
