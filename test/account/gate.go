package account

import (
	"context"
	"path"
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// Gate says what becomes of a call that a test or a scenario intervenes in. The zero Gate lets it pass.
type Gate struct {
	// Hold keeps the call from being applied until it is closed, or until the caller gives up.
	Hold <-chan struct{}
	// Err is answered in place of the call, which is then not applied.
	Err *wire.Error
	// Cut applies the call and withholds the reply: the connection breaks.
	Cut bool
}

type gate struct {
	match  func(Call) bool
	decide func(Call) Gate
}

// Gate has decide asked about every call that match picks, before it is applied; remove ends that. Of several gates the
// first one added that matches a call decides. Both functions may call the account.
func (a *Account) Gate(match func(Call) bool, decide func(Call) Gate) (remove func()) {
	g := &gate{match, decide}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gates = append(a.gates, g)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.gates = slices.DeleteFunc(slices.Clone(a.gates), func(o *gate) bool { return o == g })
	}
}

// Deny has IAM deny actions, by their IAM names, such as "cloudwatch:PutMetricData" or "ecs:*".
func (a *Account) Deny(actions ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.denied = append(slices.Clone(a.denied), actions...)
}

// Allow takes back what Deny denied under the same names.
func (a *Account) Allow(actions ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.denied = slices.DeleteFunc(slices.Clone(a.denied), func(d string) bool { return slices.Contains(actions, d) })
}

// pass asks the gates about a call, and waits as long as they hold it.
func (a *Account) pass(ctx context.Context, req wire.Request) (Gate, error) {
	a.mu.Lock()
	gates, c := a.gates, a.callOf(req, time.Now())
	a.mu.Unlock()
	for _, g := range gates {
		if !g.match(c) {
			continue
		}
		d := g.decide(c)
		if d.Hold != nil {
			select {
			case <-d.Hold:
			case <-ctx.Done():
				return d, context.Cause(ctx)
			}
		}
		return d, nil
	}
	return Gate{}, nil
}

// denial is IAM's answer to a call that lacks a permission; nil: it is allowed.
func (a *Account) denial(req wire.Request) *wire.Error {
	if n := a.unmet(req); n != nil {
		return a.accessDenied(req, *n)
	}
	return nil
}

func (a *Account) isDenied(action string) bool {
	return slices.ContainsFunc(a.denied, func(pattern string) bool {
		ok, _ := path.Match(pattern, action)
		return ok || pattern == "*"
	})
}

// accessDenied words it as IAM does. The query protocol names the error AccessDenied with HTTP status 403.
func (a *Account) accessDenied(req wire.Request, n need) *wire.Error {
	e := wire.Bad("AccessDeniedException", "User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		a.caller(req.AccessKey), n.action, n.resource, n.action)
	switch req.Service {
	case "sts":
		e.Code, e.Status = "AccessDenied", 403
	case "sns":
		e.Code, e.Status = "AuthorizationError", 403
	}
	return e
}
