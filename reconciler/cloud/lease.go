package cloud

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/smithy-go/middleware"
)

// leastCall is what must be left of a lease for a write to be sent: AWS answers the writes made here in less.
const leastCall = 2 * time.Second

// OutsideLease is the error of a write that would have run, or ran, beyond the time in which this process alone may act.
type OutsideLease struct {
	Operation Operation
	Sent      bool // it is unknown whether it took effect
}

// Error says which of the two it is.
func (e *OutsideLease) Error() string {
	if e.Sent {
		return "no answer before this process's lease ended"
	}
	return "not sent: this process does not hold the lease for long enough, and another one may own the store soon"
}

// RetryableError keeps the SDK from repeating the call.
func (e *OutsideLease) RetryableError() bool { return false }

// writes reports whether calls of the class change something that the owner alone may change.
func (c Class) writes() bool { return c == Metrics || c == Alarms || c == Remediate }

// settle waits, before a write takes its token, until nothing of a lost owner can arrive any more.
func (c *guardedCall) settle(ctx context.Context) error {
	if !c.leased() {
		return nil
	}
	from, _ := c.account.o.Lease()
	wait := time.Until(from)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the last owner's calls to end: %w", context.Cause(ctx))
	}
}

// within bounds a write by the end of the lease.
func (c *guardedCall) within(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if !c.leased() {
		return ctx, func() {}, nil
	}
	_, until := c.account.o.Lease()
	if c.account.remains(until) < leastCall {
		return nil, nil, &OutsideLease{Operation: c.op}
	}
	ctx, cancel := context.WithDeadlineCause(ctx, until, &OutsideLease{c.op, true})
	return ctx, cancel, nil
}

// last looks at the lease once more when all that remains is to send: a process that was stopped, by a signal or with its
// machine, after the look before wakes up here.
func (c *guardedCall) last(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, md middleware.Metadata, err error,
) {
	if _, until := c.account.o.Lease(); c.account.remains(until) <= 0 {
		return out, md, &OutsideLease{Operation: c.op}
	}
	return next.HandleDeserialize(ctx, in)
}

// remains is how much of a lease is left by the clock that says less. While a process is stopped the monotonic clock goes on;
// while the whole machine is suspended it stands still on Linux, and only the wall clock shows the time. A wall clock that is
// set forward ends the lease too soon, which the next renewal mends; one that is set back changes nothing.
func (a *Account) remains(until time.Time) time.Duration {
	wall := time.Now
	if a.o.Wall != nil {
		wall = a.o.Wall
	}
	return min(time.Until(until), until.Round(0).Sub(wall().Round(0)))
}

func (c *guardedCall) leased() bool { return c.account.o.Lease != nil && c.op.Class.writes() }
