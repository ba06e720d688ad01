package reconciler

import (
	"context"
	"errors"
	"fmt"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

// What follows is what people may do to rollouts. Each attempt is in the audit log, whether or not it changed anything, and
// is durable when the call returns. Errors are of class fleet.ErrNotFound (no such rollout, service or target) or
// fleet.ErrConflict (it does not stand where that may be done; nothing changed).

// Rollouts lists the rollouts within a scope, newest first.
func (c *Controller) Rollouts(scope fleet.Key) []rollout.Rollout { return c.book.Rollouts(scope) }

// Rollout gives one rollout by its id.
func (c *Controller) Rollout(id string) (rollout.Rollout, bool) { return c.book.Rollout(id) }

// Audit lists the newest 5,000 audit entries within a scope, newest first.
func (c *Controller) Audit(scope fleet.Key) []AuditEntry { return c.book.Audit(scope) }

// Paused gives who paused remediation of a target ("": of all) and why.
func (c *Controller) Paused(target string) (rollout.Order, bool) { return c.book.Paused(target) }

// Approve says yes to exactly the plan with that hash.
func (c *Controller) Approve(ctx context.Context, id, hash string, who rollout.Order) (rollout.Rollout, error) {
	return c.order(ctx, id, AuditEntry{Action: "approve", Hash: hash}, who, func(r rollout.Rollout, who rollout.Order) (rollout.Rollout, error) {
		return rollout.ApproveBy(r, hash, who, c.o.Remediation.Settings.PlanTTL)
	})
}

// Reject says no to a plan, before anything was written.
func (c *Controller) Reject(ctx context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	return c.order(ctx, id, AuditEntry{Action: "reject"}, who, rollout.RejectBy)
}

// RollBack has a rollout taken back, also while remediation is paused.
func (c *Controller) RollBack(ctx context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	return c.order(ctx, id, AuditEntry{Action: "rollback"}, who, rollout.RollBackBy)
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
		return was, c.refused(ctx, e, fmt.Errorf("%s: no rollout %q: %w", e.Action, id, fleet.ErrNotFound))
	}
	if e.Key = was.Key(); e.Hash == "" {
		e.Hash = was.Plan.Hash
	}
	if r.off() {
		return was, c.refused(ctx, e, fmt.Errorf("%s rollout %s: remediation.mode is off: %w", e.Action, id, fleet.ErrConflict))
	}
	is, err := do(was, who)
	if err != nil {
		return was, c.refused(ctx, e, err)
	}
	e.Text = stateOf(was) + " → " + stateOf(is)
	err = c.book.WriteRollout(ctx, is, r.o.Audit, e)
	switch {
	case errors.Is(err, store.ErrConflict):
		return was, fmt.Errorf("%w: %w", fleet.ErrConflict, err)
	case err != nil:
		return was, err
	}
	r.announce(was, is)
	r.queues.of(is.Key().Target).Add(is.Key())
	return is, nil
}

// refused audits an attempt that changed nothing, and gives its error.
func (c *Controller) refused(ctx context.Context, e AuditEntry, why error) error {
	e.Text, e.Refused = why.Error(), true
	return errors.Join(why, c.book.Note(ctx, c.o.Remediation.Audit, e))
}

// Refused audits an attempt that was turned down before it reached a rollout: no token, a wrong one, a cross-origin write.
func (c *Controller) Refused(ctx context.Context, key fleet.Key, action, id, why string, who rollout.Order) error {
	return c.book.Note(ctx, c.o.Remediation.Audit, AuditEntry{At: c.remediation.now(), Key: key, Rollout: id, By: who.By, Action: action,
		Reason: who.Reason, Ticket: who.Ticket, Text: why, Refused: true})
}

// Reset lets a service be tried again after its last try was rolled back or failed, or its plan was rejected.
func (c *Controller) Reset(ctx context.Context, key fleet.Key, who rollout.Order) error {
	c.remediation.deciding.Lock()
	defer c.remediation.deciding.Unlock()
	e := c.word("reset", &who)
	e.Key = key
	if of, _ := c.book.rolloutsOf(key); len(of) == 0 {
		return c.refused(ctx, e, fmt.Errorf("reset %s: it has no rollouts: %w", key, fleet.ErrNotFound))
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
			return c.refused(ctx, e, fmt.Errorf("%s: %w: %w", e.Action, err, fleet.ErrNotFound))
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
