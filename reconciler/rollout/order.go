package rollout

import "time"

// ApproveBy is a person's yes to exactly the plan with that hash. An error is an *OrderError of class ErrConflict and says
// where the rollout stands; then nothing changed.
func ApproveBy(r Rollout, hash string, who Order, ttl time.Duration) (Rollout, error) {
	switch {
	case !r.Live() || r.Phase != Proposed:
		return r, Conflict("", "approve rollout %s: it is %s", r.ID, state(r))
	case hash == "" || hash != r.Plan.Hash:
		return r, Conflict("read the plan again", "approve rollout %s: its plan hash is %s, not %q", r.ID, r.Plan.Hash, hash)
	case !who.At.Before(r.Deadline):
		return r, Conflict("", "approve rollout %s: it expired at %s", r.ID, stamp(r.Deadline))
	}
	r.Approval = &who
	r.enter(Approved, who.At, ttl)
	r.Message = "approved by " + who.By
	return r, nil
}

// RejectBy is a person's no, before anything was written.
func RejectBy(r Rollout, who Order) (Rollout, error) {
	if !r.Live() || r.Phase != Proposed && r.Phase != Approved {
		return r, Conflict("", "reject rollout %s: it is %s", r.ID, state(r))
	}
	r.end(Rejected, "", "rejected by "+who.By+": "+who.Reason, who.At)
	return r, nil
}

// RollBackBy is a person's order to take a rollout back. It holds while remediation is paused, and is carried out by Advance.
func RollBackBy(r Rollout, who Order) (Rollout, error) {
	if !r.Live() || r.Foreign || r.Order != nil || r.Phase == Proposed || r.Phase == Approved {
		return r, Conflict("", "roll back rollout %s: it is %s", r.ID, state(r))
	}
	r.Order = &who
	return r, nil
}
