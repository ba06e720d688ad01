package account

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"taskwarden/test/account/cloudwatch"
)

// Account is the simulated account. All its methods are safe for concurrent use.
type Account struct {
	mu        sync.Mutex
	region    string
	accountID string
	start     time.Time
	now       time.Time // of the event that is happening, or of the last Advance
	rng       *rand.Rand
	timing    Timing
	agenda    agenda

	clusters []*cluster
	families map[string][]*definition // by family, revisions in order
	logs     logs
	metrics  *cloudwatch.Service
	// eachMinute: RestartCount holds the restarts of its minute, not the total.
	eachMinute bool
	alarms     int // transitions of metrics already narrated

	calls    []Call
	counts   map[string]int
	requests uint64
	denied   []string
	enforced map[string]*Enforcement // by role
	levels   map[string]*level       // of the request limits' buckets; nil: no limits
	topics   map[string]Topic        // SNS's, by ARN
	sessions map[string]string       // by access key, the ARN of the assumed role's session
	signer   string                  // the access key of the call that is being answered
	called   string                  // the region of the call that is being answered
	images   map[string]Image        // by reference, what tags mean now
	gates    []*gate
	faults   []*Injection
	stops    []Stop
	restarts []Restart
	pending  []Event // to be narrated
	tellers  []func(Event)
}

// cluster is an ECS cluster with all its tasks, the stopped ones for as long as ECS shows them.
type cluster struct {
	name, arn string
	insights  string
	services  []*service
	tasks     map[string]*task // by id
}

// New makes the account of a scenario as it is at start: its services have been running since start minus the scenario's
// history. A scenario that does not hold together gives an error that names the place.
func New(scenario Scenario, start time.Time) (*Account, error) {
	if err := scenario.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", scenario.Name, err)
	}
	a := &Account{
		region: cmp.Or(scenario.Region, "us-east-1"), accountID: cmp.Or(scenario.AccountID, "111122223333"),
		start: start.UTC(), rng: rand.New(rand.NewPCG(scenario.Seed, 0x7461736b)), timing: scenario.Timing.filled(),
		families: map[string][]*definition{}, images: imagesByName(scenario.Images), counts: map[string]int{}, sessions: map[string]string{}, topics: map[string]Topic{}, logs: logs{groups: map[string]*logGroup{}},
	}
	a.now = a.start.Add(-a.draw(scenario.History))
	a.metrics = cloudwatch.New(a.region, a.accountID)
	a.metrics.EvaluateEvery = a.timing.Evaluate.Min
	for _, c := range scenario.Clusters {
		if err := a.found(c); err != nil {
			return nil, fmt.Errorf("scenario %s: cluster %s: %w", scenario.Name, c.Name, err)
		}
	}
	for _, s := range scenario.Timeline {
		a.plan(s)
	}
	if a.eachMinute = scenario.RestartCount != "total"; scenario.publishes() {
		a.agenda.put(a.now.Truncate(time.Minute).Add(time.Minute), a.publish)
	}
	a.advance(a.start)
	a.pending = nil
	return a, nil
}

// found makes a cluster with its services.
func (a *Account) found(c Cluster) error {
	cl := &cluster{name: c.Name, arn: a.arn("ecs", "cluster/"+c.Name), insights: cmp.Or(c.ContainerInsights, "disabled"), tasks: map[string]*task{}}
	a.clusters = append(a.clusters, cl)
	for _, v := range c.Services {
		if err := a.settle(cl, v); err != nil {
			return fmt.Errorf("service %s: %w", v.Name, err)
		}
	}
	return nil
}

// Advance lets everything happen that is due up to now, in the order of its time. Every call to the account does so by
// itself; a server also does it now and then so that the world moves while nobody calls. A time in the past does nothing.
func (a *Account) Advance(now time.Time) {
	a.mu.Lock()
	a.advance(now)
	a.unlock()
}

func (a *Account) advance(now time.Time) {
	now = now.UTC()
	for {
		next, ok := a.agenda.due(now)
		if !ok {
			break
		}
		a.now = next.at
		next.do()
	}
	if now.After(a.now) {
		a.now = now
	}
	a.metrics.Advance(a.now)
}

// unlock ends a critical section and then narrates what happened in it, so that a teller may call the account.
func (a *Account) unlock() {
	events, tellers := a.pending, a.tellers
	a.pending = nil
	if len(tellers) > 0 {
		events = append(events, a.alarmEvents()...)
	}
	a.mu.Unlock()
	slices.SortStableFunc(events, func(x, y Event) int { return x.At.Compare(y.At) })
	for _, e := range events {
		for _, tell := range tellers {
			tell(e)
		}
	}
}

// CloudWatch is the account's CloudWatch. It is not safe for concurrent use: read it only while no call is under way.
func (a *Account) CloudWatch() *cloudwatch.Service { return a.metrics }

// after puts something down to happen after a drawn delay.
func (a *Account) after(delay Span, do func()) { a.agenda.put(a.now.Add(a.draw(delay)), do) }

// draw picks a duration out of a span.
func (a *Account) draw(s Span) time.Duration {
	if s.Max <= s.Min {
		return s.Min
	}
	return s.Min + time.Duration(a.rng.Int64N(int64(s.Max-s.Min)))
}

func (a *Account) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + a.region + ":" + a.accountID + ":" + resource
}

// hex makes an id of 32 hexadecimal digits, as tasks have.
func (a *Account) hex() string { return fmt.Sprintf("%016x%016x", a.rng.Uint64(), a.rng.Uint64()) }

// uuid makes an id in the form of a random UUID.
func (a *Account) uuid() string {
	h := a.hex()
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// digits makes the 19 digits of a deployment id.
func (a *Account) digits() string { return fmt.Sprintf("%019d", a.rng.Uint64N(9e18)+1e18) }

// filled gives a timing with the defaults put in.
func (t Timing) filled() Timing {
	or := func(s *Span, low, high time.Duration) {
		if *s == (Span{}) {
			*s = Span{low, high}
		}
	}
	or(&t.Schedule, time.Second, 4*time.Second)
	or(&t.Provision, 8*time.Second, 15*time.Second)
	or(&t.Pull, 5*time.Second, 15*time.Second)
	or(&t.Healthy, 40*time.Second, 40*time.Second)
	or(&t.Drain, 30*time.Second, 30*time.Second)
	or(&t.Terminate, 500*time.Millisecond, 3*time.Second)
	or(&t.Deprovision, 12*time.Second, 25*time.Second)
	or(&t.Evaluate, time.Minute, time.Minute)
	or(&t.Deregister, 0, 10*time.Minute)
	return t
}

// Region is the account's region.
func (a *Account) Region() string { return a.region }
