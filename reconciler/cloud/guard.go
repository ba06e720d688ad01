package cloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Refused is the error of a call that was not sent.
type Refused struct {
	Operation Operation
	Known     bool // it is in the table, and its class is not allowed
}

// Error says why nothing was sent.
func (r *Refused) Error() string {
	if !r.Known {
		return "not sent: this product never makes this call"
	}
	return fmt.Sprintf("not sent: calls of the class %s are not switched on", r.Operation.Class)
}

// guard puts the product's rules into the calls of one client.
type guard struct {
	account *Account
	service string
	region  string
	allow   map[Class]bool
}

// install is called by the SDK for each call, with the operation's name as the stack's id. The gate comes first of all
// steps, so that what is refused costs nothing; the pacing comes within a retry's attempt, after the credentials (which
// may need a call of their own) and before the signature (which carries the time).
func (g guard) install(stack *middleware.Stack) error {
	op, known := operationOf(g.service, stack.ID())
	c := &guardedCall{guard: g, op: op, known: known}
	if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("taskwarden.Gate", c.gate), middleware.Before); err != nil {
		return err
	}
	if !op.Retry {
		once := retry.NewAttemptMiddleware(aws.NopRetryer{}, smithyhttp.RequestCloner)
		if _, err := stack.Finalize.Swap(once.ID(), once); err != nil {
			return err
		}
	}
	if c.leased() {
		if err := stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("taskwarden.Lease", c.last), middleware.After); err != nil {
			return err
		}
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("taskwarden.Pace", c.pace), "Signing", middleware.Before)
}

// guardedCall is one call with its retries, which follow one another.
type guardedCall struct {
	guard
	op      Operation
	known   bool
	attempt int
}

func (c *guardedCall) gate(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
	out middleware.InitializeOutput, md middleware.Metadata, err error,
) {
	switch {
	case !c.known || !c.allow[c.op.Class] && !(c.op.Class == Remediate && ordered(ctx)):
		err = &Refused{c.op, c.known}
	case c.region == "":
		err = errNoRegion
	default:
		out, md, err = next.HandleInitialize(ctx, in)
	}
	if err != nil {
		err = faultOf(ctx, c.op, c.region, err)
	}
	return out, md, err
}

func (c *guardedCall) pace(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, md middleware.Metadata, err error,
) {
	asked := time.Now()
	if err := c.settle(ctx); err != nil {
		return out, md, err
	}
	b := c.account.budgets.bucket(c.account.account, c.region, c.op.Bucket)
	release, err := b.take(ctx)
	if err != nil {
		return out, md, fmt.Errorf("wait for the call budget: %w", err)
	}
	defer release()
	tallyOf(ctx).add(c.op.Bucket)
	c.attempt++
	sent := time.Now()
	out, md, err = c.send(ctx, in, next)
	throttled := isThrottle(err)
	if throttled {
		b.slow(time.Now())
	}
	c.observe(CallStat{
		Code: codeOf(err), Waited: sent.Sub(asked), Took: time.Since(sent), Attempt: c.attempt, Throttled: throttled,
	})
	return out, md, err
}

func (c *guardedCall) observe(s CallStat) {
	if c.account.o.Observe == nil {
		return
	}
	s.Target, s.Operation, s.Region = c.account.o.Target, c.op, c.region
	c.account.o.Observe(s)
}

// send bounds the attempt's time. An attempt that ran out of it is worth a retry, which the SDK would not make of a
// context's error; so the context's own error is left out of the chain, unless the caller's context is done.
func (c *guardedCall) send(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	leased, end, err := c.within(ctx)
	if err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	defer end()
	within, cancel := context.WithTimeoutCause(leased, attemptTimeout, errNoAnswer)
	defer cancel()
	out, md, err := next.HandleFinalize(within, in)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		err = errNoAnswer
		if leased.Err() != nil {
			err = context.Cause(leased)
		}
	}
	return out, md, err
}

func isThrottle(err error) bool {
	return err != nil && throttles.IsErrorThrottle(err) == aws.TrueTernary
}

var throttles = retry.IsErrorThrottles(retry.DefaultThrottles)

// codeOf is AWS's code, "error" for a failure without one, "" for none.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return "error"
}
