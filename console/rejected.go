package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// rejectionsAtOnce is how many rejected calls in a row are audited one by one; after that it is one a second.
const rejectionsAtOnce = 100

// rejections bounds how often rejected calls write to the store.
type rejections struct {
	limit     *rate.Limiter
	unwritten atomic.Int64 // rejected calls since the last audited one
}

// auditRejection notes a call of somebody who may not operate, and gives the answer to it. Calls beyond the bound are counted in
// the next note.
func (a *api) auditRejection(ctx context.Context, r *http.Request, op operation, o order, p *problem) *problem {
	if !a.rejections.limit.Allow() {
		a.rejections.unwritten.Add(1)
		return &problem{status: http.StatusTooManyRequests, Code: "too_many_attempts",
			Message: "too many calls were rejected: try again in a minute"}
	}
	src := a.o.Source()
	if src == nil {
		return a.absent()
	}
	why := p.Message
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		why += " (from " + host + ")"
	}
	if n := a.rejections.unwritten.Swap(0); n > 0 {
		why += fmt.Sprintf("; %d more calls before it have no entry of their own", n)
	}
	a.note(ctx, src, op, o, reconciler.ByStranger, why)
	return p
}

// note keeps a call that was rejected here among the refused attempts.
func (a *api) note(ctx context.Context, src Source, op operation, o order, caller reconciler.Caller, why string) {
	key, id := o.key, ""
	if strings.Contains(op.path, "{id}") {
		id = strings.Trim(quoted(o.subject), `"`)
		if of, ok := src.Rollout(o.subject); ok {
			key = of.Key()
		}
	}
	if strings.Contains(op.path, "{address}") && key == (fleet.Key{}) {
		var p *problem
		if key, p = resolve(src, o.subject); p != nil {
			why = "service " + quoted(o.subject) + ": " + why
		}
	}
	e := reconciler.AuditEntry{Key: key, Rollout: id, By: o.who.By, Action: op.action(), Reason: o.who.Reason, Ticket: o.who.Ticket, Text: why}
	if err := src.Refused(ctx, caller, e); err != nil {
		a.o.Log.Error("could not save a refused attempt", zap.String("action", op.action()), zap.String("by", o.who.By), zap.Error(err))
	}
}

// failed words the error of an operation. After one that is no rollout.OrderError the change may have been made.
func (a *api) failed(src Source, op operation, o order, err error) *problem {
	why, ok := errors.AsType[*rollout.OrderError](err)
	switch {
	case !ok:
		a.o.Log.Error("could not save an order", zap.String("action", op.action()), zap.String("by", o.who.By), zap.Error(err))
		return &problem{status: http.StatusInternalServerError, Code: "not_written",
			Message: "The change may or may not have been saved; details are in the controller's log. Check the rollout's state before you retry."}
	case errors.Is(why, rollout.ErrNotFound):
		return &problem{status: http.StatusNotFound, Code: "not_found", Message: why.Error()}
	}
	p := &problem{status: http.StatusConflict, Code: "conflict", Message: why.Error()}
	if r, ok := src.Rollout(o.subject); ok {
		p.Phase, p.Outcome = string(r.Phase), string(r.Outcome)
	}
	return p
}
