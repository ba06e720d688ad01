package cloud

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"taskwarden/reconciler/fleet"
)

const (
	attempts       = 4
	maxBackoff     = 20 * time.Second
	attemptTimeout = 30 * time.Second
)

// Options say what an Account looks at and what it may do.
type Options struct {
	Target     string // its configured name, for messages
	Region     string // "": the base configuration's
	RoleARN    string // "": the base configuration's own credentials
	ExternalID string // for the role's trust policy
	Scope      fleet.Scope
	Allow      map[Class]bool // classes of calls that may be sent; what is not true here is refused
	Budgets    *Budgets       // nil: its own, with the default share
	AllowList  fleet.AllowList
	Observe    func(CallStat) // told of each attempt, from many goroutines; may be nil
	// Lease gives the span in which this process may act (package store/lease): writes wait for its beginning and end within
	// it, or are not sent. nil: this process is alone.
	Lease func() (from, until time.Time)
	Wall  func() time.Time // the wall clock, which goes on while the machine is suspended; nil: time.Now
	// Events is told of each service's newest events as they are read, newest first, from many goroutines. nil: they are
	// dropped with the page, as whoever sweeps for ever wants it.
	Events func(serviceARN string, events []fleet.ServiceEvent)
}

// CallStat is one attempt of one call.
type CallStat struct {
	Target    string
	Operation Operation
	Region    string
	Code      string        // AWS's error code, "error" for a failure without one, "" for success
	Waited    time.Duration // for a slot and a token
	Took      time.Duration // from sending to the decoded answer
	Attempt   int           // from 1
	Throttled bool
}

// Account is one AWS account and region, seen through one set of credentials. It is safe for concurrent use.
type Account struct {
	o       Options
	budgets *Budgets
	account string // name of its buckets: the role's account id, or ambient
	base    aws.Config
	ecs     *ecs.Client
	cw      *cloudwatch.Client
	cfn     *cloudformation.Client

	noLogs atomic.Bool // CloudWatch knows no log alarms here

	mu       sync.Mutex
	logs     map[string]*cloudwatchlogs.Client // by region: a log group may live elsewhere
	sns      map[string]*sns.Client            // by region: a topic is known in its own alone
	ecr      map[string]*ecr.Client            // by region: an image may come from another
	alarms   map[string]bool                   // names of the last listing
	clusters []clusterRef                      // of the last complete listing
	stopped  map[string]stoppedTasks           // by cluster name
	known    map[string]known                  // by cluster name, of its last look
}

// ambient names the buckets of credentials whose account is not known yet.
const ambient = "ambient"

// New prepares an Account. It makes no call: the first one gets the credentials.
func New(base aws.Config, o Options) *Account {
	a := &Account{
		o: o, budgets: o.Budgets, account: ambient,
		logs: map[string]*cloudwatchlogs.Client{}, stopped: map[string]stoppedTasks{},
		known: map[string]known{}, sns: map[string]*sns.Client{}, ecr: map[string]*ecr.Client{},
	}
	if a.budgets == nil {
		a.budgets = NewBudgets(0)
	}
	if o.RoleARN != "" {
		a.account = fleet.AccountOf(o.RoleARN)
	}
	cfg := base.Copy()
	if o.Region != "" {
		cfg.Region = o.Region
	}
	cfg.RetryMaxAttempts = attempts
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = attempts, maxBackoff })
	}
	cfg.Credentials = a.credentials(cfg)
	a.base = cfg
	a.ecs = ecs.NewFromConfig(a.guarded("ecs", cfg.Region))
	a.cw = cloudwatch.NewFromConfig(a.guarded("cloudwatch", cfg.Region))
	a.cfn = cloudformation.NewFromConfig(a.guarded("cloudformation", cfg.Region))
	return a
}

// Region is where the account is looked at.
func (a *Account) Region() string { return a.base.Region }

// guarded is the configuration of a client whose every call goes through the table and the budget.
func (a *Account) guarded(service, region string) aws.Config {
	cfg := a.base.Copy()
	cfg.Region = region
	g := guard{account: a, service: service, region: region, allow: a.o.Allow}
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), g.install) // clients must not share one backing array
	return cfg
}

func (a *Account) logsIn(region string) *cloudwatchlogs.Client {
	if region == "" {
		region = a.base.Region
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.logs[region] == nil {
		a.logs[region] = cloudwatchlogs.NewFromConfig(a.guarded("logs", region))
	}
	return a.logs[region]
}

// call makes one call and takes the SDK's wrapping off its error, which guard has made a *fleet.Fault.
func call[I, O, P any](ctx context.Context, f func(context.Context, *I, ...func(*P)) (*O, error), in *I) (*O, error) {
	out, err := f(ctx, in)
	return out, plain(err)
}

func plain(err error) error {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		return op.Err
	}
	return err
}
