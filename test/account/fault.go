package account

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// FaultKind is one way in which an account's answers go wrong.
type FaultKind string

// The kinds of faults. The first group is loud: the caller gets an error. The second answers 200 and is not, or not
// quite, true.
const (
	Fault500      FaultKind = "500"       // InternalFailure with HTTP status 500 (AWS common errors)
	Fault503      FaultKind = "503"       // ServiceUnavailable with HTTP status 503 (AWS common errors)
	FaultThrottle FaultKind = "throttle"  // ThrottlingException for every call; Throttle enforces the documented buckets instead
	FaultDeny     FaultKind = "deny"      // IAM denies the action
	FaultTimeout  FaultKind = "timeout"   // no answer until the caller gives up; the call is not applied
	FaultReset    FaultKind = "reset"     // the connection breaks before the call is applied
	FaultCut      FaultKind = "cut"       // the connection breaks after it was applied
	FaultGarbage  FaultKind = "garbage"   // 200 with a proxy's HTML page; the call is applied
	FaultHalfBody FaultKind = "half-body" // 200 with a body that ends in its middle; the call is applied

	FaultEmpty   FaultKind = "empty"    // lists are empty, and no page follows
	FaultHalf    FaultKind = "half"     // the first half of each list is missing, and no page follows
	FaultNoToken FaultKind = "no-token" // one item of a list and no nextToken, as if a page were all
	FaultRepeat  FaultKind = "repeat"   // every item twice on a page, and the page again behind a nextToken
	FaultMissing FaultKind = "missing"  // a describe call tells MISSING of what exists
	FaultFailure FaultKind = "failure"  // a describe call gives another reason in failures[]
	FaultStale   FaultKind = "stale"    // answers are up to By old (10 minutes): each list and each described object
	FaultSkew    FaultKind = "skew"     // all timestamps of answers are off by By (4 minutes), which may be negative
	FaultUnknown FaultKind = "unknown"  // members and enum values that no SDK of today knows
)

// Fault is one thing that goes wrong with calls of some operations for some time.
type Fault struct {
	Ops   []string // IAM names, also as patterns: ecs:ListTasks, cloudwatch:*
	Kind  FaultKind
	For   time.Duration // 0: until it is ended
	Calls int           // it strikes so many calls; 0: all of its time
	By    time.Duration // stale, skew; 0: the kind's own
}

// Injection is a fault at work.
type Injection struct {
	fault   Fault
	account *Account
	until   time.Time // zero: no end
	hits    int
	seen    map[string]remembered // stale: what was answered
}

// Inject lets a fault happen from now on. Of several injections that concern a call the first one strikes. A fault that
// could never strike (no operations, an unknown kind) gives an error that says so.
func (a *Account) Inject(f Fault) (*Injection, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inject(f, time.Now()), nil
}

func (a *Account) inject(f Fault, now time.Time) *Injection {
	i := &Injection{fault: f, account: a, seen: map[string]remembered{}}
	if f.For > 0 {
		i.until = now.Add(f.For)
	}
	a.faults = append(a.faults, i)
	return i
}

// Hits is how many calls the fault has struck: an answer that it would not have changed is none.
func (i *Injection) Hits() int {
	i.account.mu.Lock()
	defer i.account.mu.Unlock()
	return i.hits
}

// End ends the fault. Calls that it holds are let go when their callers give up.
func (i *Injection) End() {
	i.account.mu.Lock()
	defer i.account.mu.Unlock()
	i.account.faults = slices.DeleteFunc(slices.Clone(i.account.faults), func(o *Injection) bool { return o == i })
}

// strikes says whether the fault concerns a call. a.mu is held.
func (i *Injection) strikes(action string, now time.Time) bool {
	if !i.until.IsZero() && !now.Before(i.until) || i.fault.Calls > 0 && i.hits >= i.fault.Calls {
		return false
	}
	return slices.ContainsFunc(i.fault.Ops, func(pattern string) bool {
		ok, err := path.Match(pattern, action)
		return ok && err == nil
	})
}

// fault finds the injection that strikes a call. a.mu is held.
func (a *Account) fault(req wire.Request, now time.Time) *Injection {
	a.faults = slices.DeleteFunc(a.faults, func(i *Injection) bool { return !i.until.IsZero() && !now.Before(i.until) })
	for _, i := range a.faults {
		if i.strikes(req.Service+":"+req.Op, now) {
			return i
		}
	}
	return nil
}

var errReset = errors.New("read: connection reset by peer")

// unanswered is the error of a call that never gets as far as the account.
func (a *Account) unanswered(ctx context.Context, req wire.Request) error {
	a.mu.Lock()
	i := a.fault(req, time.Now())
	if i == nil || i.fault.Kind != FaultTimeout && i.fault.Kind != FaultReset {
		a.mu.Unlock()
		return nil
	}
	i.hits++
	a.mu.Unlock()
	if i.fault.Kind == FaultReset {
		return errReset
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// refuses is what the fault answers in place of the call. a.mu is held.
func (i *Injection) refuses(req wire.Request) *wire.Error {
	if i == nil {
		return nil
	}
	var e *wire.Error
	switch i.fault.Kind {
	case Fault500:
		e = &wire.Error{Code: "InternalFailure", Status: 500, Message: "The request processing has failed because of an unknown error."}
	case Fault503:
		e = &wire.Error{Code: "ServiceUnavailable", Status: 503, Message: "The request has failed due to a temporary failure of the server."}
	case FaultThrottle:
		e = wire.Bad("ThrottlingException", "Rate exceeded")
	case FaultDeny:
		e = i.account.accessDenied(req, i.account.needs(req)[0])
	case FaultMissing:
		if req.Op == "DescribeTaskDefinition" {
			e = wire.Bad("ClientException", "Unable to describe task definition.")
		}
	}
	if e != nil {
		i.hits++
	}
	return e
}

// cuts says whether the reply is withheld. a.mu is held.
func (i *Injection) cuts() bool {
	if i == nil || i.fault.Kind != FaultCut {
		return false
	}
	i.hits++
	return true
}

// asks prepares a call's input: the page that repeat announced is the same page. a.mu is held.
func (i *Injection) asks(in wire.Input) (wire.Input, bool) {
	member, again := tokenOf(in)
	if i == nil || i.fault.Kind != FaultRepeat || !again {
		return in, false
	}
	first := wire.Input{}
	for k, v := range in {
		if k != member {
			first[k] = v
		}
	}
	return first, true
}

// distorts changes a good answer, and says that it did. a.mu is held.
func (i *Injection) distorts(req wire.Request, out map[string]any, again bool) map[string]any {
	if i == nil {
		return out
	}
	changed := false
	switch i.fault.Kind {
	case FaultEmpty:
		changed = eachList(out, func(l items) items { return l.slice(0, 0) })
	case FaultHalf:
		changed = eachList(out, func(l items) items { return l.slice(l.len()/2, l.len()) })
	case FaultNoToken:
		changed = eachList(out, func(l items) items { return l.slice(0, min(1, l.len())) })
	case FaultRepeat:
		changed = repeat(out, req, again)
	case FaultMissing:
		changed = fail(out, "MISSING")
	case FaultFailure:
		changed = fail(out, "INTERNAL_FAILURE")
	case FaultStale:
		out, changed = i.stale(req, out)
	case FaultSkew:
		by := cmp.Or(i.fault.By, 4*time.Minute)
		out, changed = skew(out, by)
	case FaultUnknown:
		out, changed = future(out), true
	}
	if changed {
		i.hits++
	}
	return out
}

// mangles changes the bytes of a good answer. a.mu is held.
func (i *Injection) mangles(reply wire.Reply) wire.Reply {
	if i == nil {
		return reply
	}
	switch i.fault.Kind {
	case FaultGarbage:
		reply.Body = []byte("<html><head><title>Welcome</title></head><body>Please accept the terms of this network.</body></html>")
	case FaultHalfBody:
		reply.Body = reply.Body[:len(reply.Body)/2]
	default:
		return reply
	}
	i.hits++
	return reply
}
