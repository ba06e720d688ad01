package rollout

import (
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// Propose keeps the rollouts of one policy and one service in step with what is wanted now. It gives the rollout to write, or
// false where everything stands as it should:
//
//	live rollout of the policy, no longer wanted and not begun   expired
//	the same, and more deaths are known than when it was planned the same plan with what is known now
//	live rollout of the service                                  nothing: one at a time
//	plan refused                                                 refused, once for each plan hash and reason
//	refused before, and the reason is gone                       the same rollout, proposed again
//	owner's state says export                                    exported, once
//	failed before anything was done to the service               the same plan after planTTL, or after a reset
//	rejected, or ended already                                   nothing until a reset
//	otherwise                                                    proposed
//
// Mode off by the ceiling or the default plans nothing; by the service's tag it is a refusal.
func Propose(s Subject, p Policy, b Brakes, now time.Time) (Rollout, bool) {
	if b.Mode.rank() == 0 && b.modeReason() == ReasonMode {
		return Rollout{}, false
	}
	plan, bad, wanted := Make(s, p, b.Settings, now)
	if r, ok := b.live(s.Key); ok {
		if r.Plan.Policy != p.Name || !s.Complete {
			return Rollout{}, false
		}
		return r.waiting(plan, wanted, now)
	}
	if !wanted || !s.Complete {
		return Rollout{}, false
	}
	last, known := b.last(plan)
	if known && !b.again(last, now) {
		return Rollout{}, false
	}
	fresh := Rollout{ID: idOf(plan, now), Plan: plan, CreatedAt: now}
	fresh.enter(Proposed, now, b.Settings.PlanTTL)
	fresh.Message = "proposed"
	if last.Outcome == Refused {
		fresh.ID, fresh.CreatedAt = last.ID, last.CreatedAt
	}
	bad = firstOf(b.against(fresh, s.Observation), bad, b.start(fresh, s, now))
	switch {
	case bad != nil && bad.same(last):
		return Rollout{}, false
	case bad != nil:
		fresh.end(Refused, bad.Reason, bad.Message, now)
	case plan.Handling == Export:
		fresh.end(Exported, "", "the owner's tool applies it: taskwarden export "+s.Key.String(), now)
	}
	return fresh, true
}

// same reports whether a rollout was refused for that already. Which image moves, and why nobody can tell, is news under the one
// reason; the other reasons say the same each time, or count what nobody waits for.
func (r *Refusal) same(was Rollout) bool {
	return was.Outcome == Refused && was.Reason == r.Reason && (r.Reason != ReasonDrift || was.Message == r.Message)
}

// waiting keeps a rollout that has not begun with what is known now. One whose plan nobody would make any more ends. A new death
// tells more of how soon a fix can be proven; the hash, which an approval is for, does not cover that.
func (r Rollout) waiting(plan Plan, wanted bool, now time.Time) (Rollout, bool) {
	switch {
	case r.Phase != Proposed && r.Phase != Approved:
		return Rollout{}, false
	case !wanted || plan.Hash != r.Plan.Hash:
		r.end(Expired, "", "it is no longer wanted as it was planned: a finding closed, or the revision, the policy or the owner changed", now)
	case plan.Before.Deaths > r.Plan.Before.Deaths:
		r.Plan = plan
	default:
		return Rollout{}, false
	}
	return r, true
}

// live is the one rollout of a service that is on its way.
func (b Brakes) live(k fleet.Key) (Rollout, bool) {
	i := slices.IndexFunc(b.Known, func(r Rollout) bool { return r.Key() == k && r.Live() })
	if i < 0 {
		return Rollout{}, false
	}
	return b.Known[i], true
}

// last is the newest rollout of that plan.
func (b Brakes) last(p Plan) (Rollout, bool) {
	var out Rollout
	for _, r := range b.Known {
		if r.Key() == p.Key && r.Plan.Hash == p.Hash && !r.CreatedAt.Before(out.CreatedAt) {
			out = r
		}
	}
	return out, out.ID != ""
}

// again reports whether a plan that ended so may be made again. One that failed before anything was done is made again after
// planTTL: what turned it away then may well do so now.
func (b Brakes) again(r Rollout, now time.Time) bool {
	if r.Outcome == Failed && r.Untouched && now.Sub(r.Since) >= b.Settings.PlanTTL {
		return true
	}
	return slices.Contains([]Outcome{Refused, Expired}, r.Outcome) || r.Since.Before(b.Resets[r.Key().String()])
}

// against is what a person decided about this service: its tag, or a hold.
func (b Brakes) against(r Rollout, o fleet.Observation) *Refusal {
	if b.Mode.rank() == 0 {
		return refuse(b.modeReason(), nil, "the service's mode is %s", Off)
	}
	if why := b.held(r.Key(), o); why != "" {
		return refuse(ReasonHeld, nil, "%s", why)
	}
	return nil
}

// start is what keeps a rollout of mode auto from starting; others are shown, and meet the brakes when they are approved.
func (b Brakes) start(r Rollout, s Subject, now time.Time) *Refusal {
	if b.Mode != Auto || r.Plan.Handling != Apply {
		return nil
	}
	return b.admit(r, s.Observation, now)
}
