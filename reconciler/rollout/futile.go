package rollout

import (
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// openingsTried bounds the search for the next time at which windows and freezes allow a start.
const openingsTried = 10_000

// Futile says why nothing would be sent for an approved rollout before its approval ends, or nil. It names only what a person
// has to change: what passes by itself (a deployment under way, a turn, a sick fleet) and a pause are no reasons against a yes.
// policies are those of the configuration.
func (b Brakes) Futile(r Rollout, policies []Policy, o fleet.Observation, now time.Time) error {
	for _, check := range []func() *OrderError{
		func() *OrderError { return b.modeForbids(r) },
		func() *OrderError { return policyForbids(r, policies) },
		func() *OrderError { return movedOn(r, o) },
		func() *OrderError { return b.waitsForReset(r, o) },
		func() *OrderError { return b.opensTooLate(r, now) },
	} {
		if why := check(); why != nil {
			why.Message = fmt.Sprintf("approve rollout %s: nothing would be sent: %s", r.ID, why.Message)
			return why
		}
	}
	return nil
}

// modeForbids is the reason of the service's mode: the ceiling, the default, or the service's tag.
func (b Brakes) modeForbids(r Rollout) *OrderError {
	switch {
	case b.Mode.rank() >= Approve.rank():
		return nil
	case b.Ceiling.rank() < Approve.rank():
		return Conflict("set remediation.mode to approve or auto", "remediation.mode is %s, and no service is above it", b.Ceiling)
	case b.ModeBy == ReasonTag:
		return Conflict(fmt.Sprintf("set the tag to approve or auto on %s, or remove it", r.Key()),
			"the service's tag %s makes its mode %s", Tag, b.Mode)
	}
	return Conflict(fmt.Sprintf("tag %s with %s=approve, or set remediation.default to approve", r.Key(), Tag),
		"remediation.default is %s, and no tag raises the service above it", b.Mode)
}

// policyForbids is the reason of the configuration's policy: it is gone, or what it does with this owner's services is not to
// apply the change.
func policyForbids(r Rollout, policies []Policy) *OrderError {
	i := slices.IndexFunc(policies, func(p Policy) bool { return p.Name == r.Plan.Policy })
	if i < 0 {
		return Conflict("put the policy back and approve the new plan", "the configuration has no policy %s any more", r.Plan.Policy)
	}
	if does := handling(policies[i], r.Plan.Owner.State); does != Apply {
		return Conflict(fmt.Sprintf("set onOwner.%s of policy %s to apply", r.Plan.Owner.State, r.Plan.Policy),
			"the owner of the service is %s, and policy %s says %s for that", r.Plan.Owner.State, r.Plan.Policy, does)
	}
	return nil
}

// movedOn is the reason of a plan that is no longer about what runs. Only a complete look tells.
func movedOn(r Rollout, o fleet.Observation) *OrderError {
	switch {
	case !o.Complete:
		return nil
	case o.Gone:
		return Conflict("", "the service is gone")
	case o.Service.TaskDefinition != r.Plan.Base:
		return Conflict("approve the plan for the revision that runs, once it is listed",
			"the service runs %s now, and the plan is for %s", fleet.NameOf(o.Service.TaskDefinition), fleet.NameOf(r.Plan.Base))
	}
	return nil
}

// waitsForReset is the reason of an earlier rollout that a person has to look at first: of this service, or of the policy's
// first wave.
func (b Brakes) waitsForReset(r Rollout, o fleet.Observation) *OrderError {
	if why := b.held(r.Key(), o); why != "" {
		return Conflict(fmt.Sprintf("look at why, then: taskwarden reset %s", r.Key()), "the service is held: %s", why)
	}
	if why := b.canaryFailed(r); why != nil {
		return Conflict(why.Remedy, "%s", why.Message)
	}
	return nil
}

// opensTooLate is the reason of windows and freezes that allow no start before the approval ends.
func (b Brakes) opensTooLate(r Rollout, now time.Time) *OrderError {
	end := now.Add(b.Settings.PlanTTL)
	next := b.Settings.nextStart(now, end)
	if !next.IsZero() {
		return nil
	}
	later := "windows and freezes allow no start within a year"
	if next = b.Settings.nextStart(now, now.AddDate(1, 0, 0)); !next.IsZero() {
		later = "windows and freezes allow the next start at " + stamp(next)
	}
	return Conflict("approve it less than remediation.planTTL before a start is allowed, or change remediation.windows, freezes or planTTL",
		"%s, and the approval would end at %s (remediation.planTTL is %s)", later, stamp(end), human(b.Settings.PlanTTL))
}

// nextStart is the first time in [now, end) at which windows and freezes allow a start, or zero. That is now, the opening of a
// window, or the end of a freeze.
func (s Settings) nextStart(now, end time.Time) time.Time {
	at := []time.Time{now}
	for _, f := range s.Freezes {
		at = append(at, f.To)
	}
	for _, w := range s.Windows {
		t := w.next(now)
		for range openingsTried {
			if t.IsZero() || !t.Before(end) {
				break
			}
			at = append(at, t)
			t = w.next(t)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	for _, t := range at {
		if !t.Before(now) && t.Before(end) && s.windowClosed(t) == nil {
			return t
		}
	}
	return time.Time{}
}
