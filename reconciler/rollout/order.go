package rollout

import (
	"fmt"
	"time"

	"taskwarden/reconciler/fleet"
)

// ApproveBy is a person's yes to exactly the plan with that hash. An error is of class fleet.ErrConflict and says where the
// rollout stands; then nothing changed.
func ApproveBy(r Rollout, hash string, who Order, ttl time.Duration) (Rollout, error) {
	switch {
	case !r.Live() || r.Phase != Proposed:
		return r, fmt.Errorf("approve rollout %s: it is %s: %w", r.ID, state(r), fleet.ErrConflict)
	case hash == "" || hash != r.Plan.Hash:
		return r, fmt.Errorf("approve rollout %s: its plan hash is %s, not %q: read the plan again: %w", r.ID, r.Plan.Hash, hash, fleet.ErrConflict)
	case !who.At.Before(r.Deadline):
		return r, fmt.Errorf("approve rollout %s: it expired at %s: %w", r.ID, stamp(r.Deadline), fleet.ErrConflict)
	}
	r.Approval = &who
	r.enter(Approved, who.At, ttl)
	r.Message = "approved by " + who.By
	return r, nil
}

// RejectBy is a person's no, before anything was written.
func RejectBy(r Rollout, who Order) (Rollout, error) {
	if !r.Live() || r.Phase != Proposed && r.Phase != Approved {
		return r, fmt.Errorf("reject rollout %s: it is %s: %w", r.ID, state(r), fleet.ErrConflict)
	}
	r.end(Rejected, "", "rejected by "+who.By+": "+who.Reason, who.At)
	return r, nil
}

// RollBackBy is a person's order to take a rollout back. It holds while remediation is paused, and is carried out by Advance.
func RollBackBy(r Rollout, who Order) (Rollout, error) {
	if !r.Live() || r.Foreign || r.Order != nil || r.Phase == Proposed || r.Phase == Approved {
		return r, fmt.Errorf("roll back rollout %s: it is %s: %w", r.ID, state(r), fleet.ErrConflict)
	}
	r.Order = &who
	return r, nil
}
