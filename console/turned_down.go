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

	"taskwarden/reconciler/fleet"
)

// strangersAtOnce is how many attempts of those who may not operate are audited one by one; then one a second.
const strangersAtOnce = 100

// strangers bounds what those who may not operate can write into the audit log.
type strangers struct {
	limit   *rate.Limiter
	unheard atomic.Int64 // attempts since the last entry that have none
}

// stranger audits an attempt of somebody who may not operate. Attempts beyond the bound are counted in the next entry.
func (a *api) stranger(ctx context.Context, src Source, r *http.Request, op operation, o order, p *problem) *problem {
	if !a.strangers.limit.Allow() {
		a.strangers.unheard.Add(1)
		return &problem{status: http.StatusTooManyRequests, Code: "too_many_attempts", Message: "too many attempts were turned down: try again in a minute"}
	}
	why := p.Message
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		why += " (from " + host + ")"
	}
	if n := a.strangers.unheard.Swap(0); n > 0 {
		why += fmt.Sprintf("; %d more attempts before it have no entry of their own", n)
	}
	a.note(ctx, src, op, o, why)
	return p
}

// note audits an attempt that was turned down here.
func (a *api) note(ctx context.Context, src Source, op operation, o order, why string) {
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
	if err := src.Refused(ctx, key, op.action(), id, why, o.who); err != nil {
		a.o.Log.Error("an attempt that was turned down is not in the audit log", zap.String("action", op.action()), zap.String("by", o.who.By), zap.Error(err))
	}
}

// failed words the error of an operation. One that is no refusal may have been carried out: who asked should look.
func (a *api) failed(src Source, op operation, o order, err error) *problem {
	p := &problem{Message: err.Error()}
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		p.status, p.Code = http.StatusNotFound, "not_found"
	case errors.Is(err, fleet.ErrConflict):
		p.status, p.Code = http.StatusConflict, "conflict"
		if r, ok := src.Rollout(o.subject); ok {
			p.Phase, p.Outcome = string(r.Phase), string(r.Outcome)
		}
	default:
		a.o.Log.Error("an order could not be written down", zap.String("action", op.action()), zap.String("by", o.who.By), zap.Error(err))
		p.status, p.Code = http.StatusInternalServerError, "not_written"
		p.Message = "this could not be written down, the controller's log has the details: look whether it holds before you try again"
	}
	for _, class := range []error{fleet.ErrNotFound, fleet.ErrConflict} {
		p.Message = strings.TrimSuffix(p.Message, ": "+class.Error())
	}
	return p
}
