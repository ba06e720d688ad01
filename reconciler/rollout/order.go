package rollout

import (
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

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

// RollBackBy is an approver's order to take a rollout back. It holds while remediation is paused and under every tag and mode,
// and is carried out by Advance. A rollout that has ended goes on, as one that rolls back, while runs, the revision that its
// service was last seen on, is the one that it deployed.
func RollBackBy(r Rollout, runs string, who Order) (Rollout, error) {
	conflict := func(format string, args ...any) (Rollout, error) {
		return r, Conflict("", "roll back rollout %s: %s", r.ID, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Foreign:
		return conflict("somebody else deployed the fix, and this rollout only watched it")
	case r.Live() && r.Order != nil:
		return conflict("it is %s, and %s ordered that already at %s", state(r), r.Order.By, stamp(r.Order.At))
	case r.Live() && (r.Phase == Proposed || r.Phase == Approved):
		return conflict("it is %s: nothing was deployed; reject it instead", state(r))
	case r.Live():
		r.Order = &who
		return r, nil
	case !slices.Contains([]Outcome{Succeeded, Inconclusive, Failed}, r.Outcome) || r.Revision == "":
		return conflict("it ended %s at %s: there is nothing of it to take back", r.Outcome, stamp(r.Since))
	case runs == "":
		return conflict("it ended %s, and which revision runs now is not known yet: try again after the next whole look", r.Outcome)
	case runs != r.Revision:
		return conflict("it ended %s, and the service runs %s now, not its %s: what somebody else deployed is left alone", r.Outcome,
			fleet.NameOf(runs), fleet.NameOf(r.Revision))
	}
	r.Former = &Conclusion{Outcome: r.Outcome, Reason: r.Reason, Message: r.Message}
	r.Order, r.Outcome = &who, ""
	r.Ending = &Conclusion{Outcome: RolledBack, Message: "rolled back by " + who.By + " after it had " + ended(r.Former.Outcome)}
	r.enter(RollingBack, who.At, rollIn)
	r.Message = r.Ending.Message
	return r, nil
}

func ended(o Outcome) string {
	if o == Inconclusive {
		return "ended inconclusive"
	}
	return string(o)
}

// MakeWay ends a rollout that has not begun, because another one of its service is taken back. An error is an
// *OrderError of class ErrConflict: that one has begun.
func MakeWay(r Rollout, back Rollout, who Order) (Rollout, error) {
	if r.Phase != Proposed && r.Phase != Approved {
		return r, Conflict("take back rollout "+r.ID, "roll back rollout %s: rollout %s of the same service is %s", back.ID, r.ID, state(r))
	}
	r.end(Expired, "", fmt.Sprintf("rollout %s of the service is taken back by %s; a new plan is made if it is still wanted", back.ID, who.By), who.At)
	return r, nil
}
