package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

const (
	// attempts bound the SDK's repeats of a call that was throttled or not answered. Between them it waits a random part of
	// minBackoff, doubled each time, at most maxBackoff (DynamoDB developer guide, "Error retries and exponential backoff"):
	// up to 4 seconds in all, beside the attempts' own time.
	attempts   = 8
	minBackoff = 50 * time.Millisecond
	maxBackoff = time.Second
	// attemptTimeout is how long one attempt may take; DynamoDB answers in milliseconds, 4 MB over a thin line take longer.
	attemptTimeout = 5 * time.Second
)

// Options change how a table is used; the zero value is right for production.
type Options struct {
	// Now is the clock that expiry is judged by; nil: time.Now. It may be called from many goroutines.
	Now func() time.Time
}

// Table is a table that has the right schema. It can be owned by one process at a time, see Own.
type Table struct {
	name   string
	region string
	now    func() time.Time
	db     *dynamodb.Client
}

// Open looks whether the table is there and fit, and writes nothing. It makes no table: its
// error says what to create. cfg is the ambient configuration: endpoint, credentials and retries' transport come from it.
func Open(ctx context.Context, cfg aws.Config, name string, o Options) (*Table, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &Table{name: name, region: cfg.Region, now: o.Now, db: client(cfg)}
	if cfg.Region == "" {
		return nil, fmt.Errorf("open table %s: no AWS region: set AWS_REGION, --region, or a region in the profile", name)
	}
	out, err := t.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	if err == nil {
		err = fit(out.Table)
	}
	if err == nil {
		_, err = register{t}.ownItems(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open table %s in %s: %w", name, t.region, t.explain("DescribeTable", err))
	}
	return t, nil
}

// client bounds each attempt's time and each call's repeats.
func client(cfg aws.Config) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.Logger = logging.Nop{} // what matters is in the errors; stderr is the log's
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts = attempts
			s.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) { return backoff(attempt), nil })
			// The quota of the default limiter is meant for many callers; here there is one, which waits anyway.
			s.RateLimiter = ratelimit.None
		})
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("taskwarden.Attempt", bounded), "Signing", middleware.Before)
		})
	})
}

// backoff is how long to wait after a number of vain attempts, from 0.
func backoff(attempt int) time.Duration {
	return rand.N(min(maxBackoff, minBackoff<<min(attempt, 10)))
}

// errNoAnswer is the error of an attempt that ran out of time. It is a timeout that the SDK repeats.
var errNoAnswer error = noAnswer{}

type noAnswer struct{}

func (noAnswer) Error() string { return fmt.Sprintf("no answer within %s", attemptTimeout) }
func (noAnswer) Timeout() bool { return true }

// bounded is one attempt. The context's own error is left out of the chain, since the SDK would not repeat it.
func bounded(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	within, cancel := context.WithTimeoutCause(ctx, attemptTimeout, errNoAnswer)
	defer cancel()
	out, md, err := next.HandleFinalize(within, in)
	if err != nil && ctx.Err() == nil && within.Err() != nil {
		err = errNoAnswer
	}
	if doubt, ok := ctx.Value(doubtKey{}).(*bool); ok && err != nil && !refused(err) {
		*doubt = true
	}
	return out, md, err
}

// doubtKey is the key of a *bool in a context: an attempt of the call may have been carried out although it failed.
type doubtKey struct{}

// refused reports whether DynamoDB said that it did not carry out an attempt. A transaction that is said to be in progress may end
// well.
func refused(err error) bool {
	api, answered := errors.AsType[smithy.APIError](err)
	return answered && api.ErrorFault() != smithy.FaultServer && api.ErrorCode() != "TransactionInProgressException"
}

// Name is the table's name.
func (t *Table) Name() string { return t.name }

// get reads one item as it is in the table, expired or not; nil where there is none.
func (t *Table) get(ctx context.Context, key attributes) (attributes, error) {
	out, err := t.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, t.explain("GetItem", err)
	}
	return out.Item, nil
}

// putNew puts an item unless one is there already, which is no error.
func (t *Table) putNew(ctx context.Context, item attributes) error {
	_, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.name, Item: item, ConditionExpression: aws.String("attribute_not_exists(pk)")})
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return nil
	}
	return t.explain("PutItem", err)
}
