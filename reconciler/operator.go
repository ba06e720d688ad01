package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

// What follows is what people may do to rollouts. Each order is in the audit log and durable when the call returns. Each attempt
// that changed nothing is among the refused ones (Refusals). A *rollout.OrderError says why nothing was changed; after any other
// error the change may have been made.

// Rollouts lists the rollouts within a scope, newest first.
func (c *Controller) Rollouts(scope fleet.Key) []rollout.Rollout { return c.book.Rollouts(scope) }

// Rollout gives one rollout by its id.
func (c *Controller) Rollout(id string) (rollout.Rollout, bool) { return c.book.Rollout(id) }

// Audit lists the newest 5,000 audit entries within a scope, newest first.
func (c *Controller) Audit(scope fleet.Key) []AuditEntry { return c.book.Audit(scope) }

// Refusals lists the refused attempts within a scope, newest first.
func (c *Controller) Refusals(scope fleet.Key) []AuditEntry { return c.book.Refusals(scope, c.now()) }

// Paused gives who paused remediation of a target ("": of all) and why.
func (c *Controller) Paused(target string) (rollout.Order, bool) { return c.book.Paused(target) }

// Approve says yes to exactly the plan with that hash.
func (c *Controller) Approve(ctx context.Context, id, hash string, who rollout.Order) (rollout.Rollout, error) {
	return c.order(ctx, id, AuditEntry{Action: "approve", Hash: hash}, who, func(r rollout.Rollout, who rollout.Order) (rollout.Rollout, error) {
		is, err := rollout.ApproveBy(r, hash, who, c.o.Remediation.Settings.PlanTTL)
		if err == nil {
			err = c.futile(r, who.At)
		}
		return is, err
	})
}

// futile is why an approval of the rollout would lead to nothing, or nil.
func (c *Controller) futile(r rollout.Rollout, now time.Time) error {
	key := r.Key()
	if _, err := c.target(key.Target); err != nil {
		return rollout.Conflict("put it back into targets",
			"approve rollout %s: nothing would be sent: the configuration has no target %s any more", r.ID, key.Target)
	}
	return c.remediation.brakes(key, now).Futile(r, c.o.Remediation.Policies, c.view.observe(key), now)
}

// Reject says no to a plan, before anything was written.
func (c *Controller) Reject(ctx context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	return c.order(ctx, id, AuditEntry{Action: "reject"}, who, rollout.RejectBy)
}

// RollBack has a rollout taken back, also while remediation is paused and under a tag or mode off, and also one that has ended
// while its revision runs. A rollout of the same service that has not begun ends, so that one is live at a time.
func (c *Controller) RollBack(ctx context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	return c.order(ctx, id, AuditEntry{Action: "rollback"}, who, func(r rollout.Rollout, who rollout.Order) (rollout.Rollout, error) {
		is, err := rollout.RollBackBy(r, c.view.observe(r.Key()).Service.TaskDefinition, who)
		if err == nil && !r.Live() {
			err = c.makeWay(ctx, is, who)
		}
		return is, err
	})
}

// makeWay ends the rollout of the same service that lives, so that back can.
func (c *Controller) makeWay(ctx context.Context, back rollout.Rollout, who rollout.Order) error {
	of, _ := c.book.rolloutsOf(back.Key())
	for _, other := range of {
		if !other.Live() {
			continue
		}
		is, err := rollout.MakeWay(other, back, who)
		if err != nil {
			return err
		}
		if err := c.book.WriteRollout(ctx, is, c.o.Remediation.Audit, c.remediation.entry(is, "advance", is.Message)); err != nil {
			return fmt.Errorf("end the waiting rollout %s: %w", other.ID, err)
		}
		c.remediation.announce(other, is)
	}
	return nil
}

// order carries out a person's word on a rollout. Who.At is set here.
func (c *Controller) order(ctx context.Context, id string, e AuditEntry, who rollout.Order, do func(rollout.Rollout, rollout.Order) (rollout.Rollout, error)) (rollout.Rollout, error) {
	r := c.remediation
	r.deciding.Lock()
	defer r.deciding.Unlock()
	who.At = r.now()
	e.At, e.By, e.Reason, e.Ticket, e.Rollout = who.At, who.By, who.Reason, who.Ticket, id
	was, ok := c.book.Rollout(id)
	if !ok {
		return was, c.refused(ctx, e, rollout.NotFound("%s: no rollout %q", e.Action, id))
	}
	if e.Key = was.Key(); e.Hash == "" {
		e.Hash = was.Plan.Hash
	}
	if r.off() && e.Action != "rollback" {
		return was, c.refused(ctx, e, rollout.Conflict("set remediation.mode to approve", "%s rollout %s: remediation.mode is off", e.Action, id))
	}
	is, err := do(was, who)
	if err != nil {
		return was, c.refused(ctx, e, err)
	}
	e.Text = stateOf(was) + " → " + stateOf(is)
	err = c.book.WriteRollout(ctx, is, r.o.Audit, e)
	switch {
	case errors.Is(err, store.ErrConflict):
		return was, rollout.Conflict("read the rollout again", "%s rollout %s: it was written by another process meanwhile", e.Action, id)
	case err != nil:
		return was, err
	}
	r.announce(was, is)
	r.queues.of(is.Key().Target).Add(is.Key())
	return is, nil
}

// refused keeps an approver's attempt that changed nothing, and gives its error.
func (c *Controller) refused(ctx context.Context, e AuditEntry, why error) error {
	e.Text = why.Error()
	if err := c.book.NoteRefused(ctx, ByApprover, e); err != nil {
		c.o.Log.Error("could not save a refused attempt", zap.String("action", e.Action), zap.String("by", e.By), zap.Error(err))
	}
	return why
}

// Refused keeps an attempt that was rejected before it reached a rollout: no token, a wrong one, a body that cannot be read.
func (c *Controller) Refused(ctx context.Context, caller Caller, e AuditEntry) error {
	e.At = c.remediation.now()
	return c.book.NoteRefused(ctx, caller, e)
}

// Reset lets a service be tried again after its last try was rolled back or failed, or its plan was rejected.
func (c *Controller) Reset(ctx context.Context, key fleet.Key, who rollout.Order) error {
	c.remediation.deciding.Lock()
	defer c.remediation.deciding.Unlock()
	e := c.word("reset", &who)
	e.Key = key
	if of, _ := c.book.rolloutsOf(key); len(of) == 0 {
		return c.refused(ctx, e, rollout.NotFound("reset %s: it has no rollouts", key))
	}
	e.Text = "the service may be tried again"
	if err := c.book.SetReset(ctx, key, who, c.o.Remediation.Audit, e); err != nil {
		return err
	}
	c.queue.Add(key)
	return nil
}

// Pause stops every automatic write to a target ("": to all) from the next step on, until Resume, across restarts. A person's
// RollBack goes on.
func (c *Controller) Pause(ctx context.Context, target string, who rollout.Order) error {
	return c.pause(ctx, target, true, who)
}

// Resume ends the pause of a target, or ("") that of all; pauses of single targets hold on.
func (c *Controller) Resume(ctx context.Context, target string, who rollout.Order) error {
	return c.pause(ctx, target, false, who)
}

func (c *Controller) pause(ctx context.Context, target string, on bool, who rollout.Order) error {
	r := c.remediation
	r.deciding.Lock() // after this no decision is under way that did not know
	defer r.deciding.Unlock()
	e := c.word("pause", &who)
	if !on {
		e.Action = "resume"
	}
	e.Key = fleet.Key{Target: target}
	if target != "" {
		if _, err := c.target(target); err != nil {
			return c.refused(ctx, e, rollout.NotFound("%s: %v", e.Action, err))
		}
	}
	e.Text = "every target"
	if target != "" {
		e.Text = "target " + target
	}
	if err := c.book.SetPause(ctx, target, on, who, r.o.Audit, e); err != nil {
		return err
	}
	for _, k := range c.book.Rollouts(fleet.Key{Target: target}) {
		if k.Live() {
			r.queues.of(k.Key().Target).Add(k.Key())
		}
	}
	return nil
}

// word is the audit entry of a person's word; the word's time is now.
func (c *Controller) word(action string, who *rollout.Order) AuditEntry {
	who.At = c.remediation.now()
	return AuditEntry{At: who.At, By: who.By, Action: action, Reason: who.Reason, Ticket: who.Ticket}
}
