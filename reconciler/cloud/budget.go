package cloud

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// inFlight calls of one bucket at most, waiting for a token or for an answer: with the slowest ECS share that is
	// usual (5 a second) a fresh look waits for less than 2 seconds.
	inFlight = 8
	// headroom in a documented burst: AWS counts arrivals, we count departures.
	headroom = 2
	// slowest share of its own rate that throttling brings a bucket down to.
	slowest = 1.0 / 16
	// recovery of the pace after throttling: a tenth each recoverEvery.
	recoverStep  = 0.1
	recoverEvery = 10 * time.Second
	// throttles within this time were sent at the old pace and slow the bucket once.
	sameThrottle = time.Second
)

// Budgets holds the token buckets of one controller. Accounts that share it share each bucket of the AWS account and
// region they look at, however many targets they are. It is safe for concurrent use.
type Budgets struct {
	share float64

	mu      sync.Mutex
	buckets map[bucketKey]*bucket
	known   map[string]string // a name for credentials ("ambient") → the account id seen in its ARNs
}

type bucketKey struct{ account, region, name string }

// Pace is how fast one bucket is used.
type Pace struct {
	Account, Region, Bucket string
	Share                   float64 // of the bucket's own rate; 1: not slowed down
	Backoffs                int     // how often throttling slowed it down
}

// NewBudgets takes share of the documented burst and refill of each ECS bucket; one outside (0, 1] is taken as 1/4, the
// documented default.
func NewBudgets(share float64) *Budgets {
	if !(share > 0 && share <= 1) {
		share = 0.25
	}
	return &Budgets{share: share, buckets: map[bucketKey]*bucket{}, known: map[string]string{}}
}

// Paces lists the buckets used so far, in order of account, region and name.
func (b *Budgets) Paces() []Pace {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Pace, 0, len(b.buckets))
	for k, v := range b.buckets {
		share, backoffs := v.pace(time.Now())
		out = append(out, Pace{k.account, k.region, k.name, share, backoffs})
	}
	slices.SortFunc(out, func(x, y Pace) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region), cmp.Compare(x.Bucket, y.Bucket))
	})
	return out
}

// refill is how many calls a second the budget allows for ever in the bucket.
func (b *Budgets) refill(name string) float64 {
	def := bucketOf(name)
	if def.Shared {
		return def.Refill * b.share
	}
	return def.Refill
}

func (b *Budgets) bucket(account, region, name string) *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id, ok := b.known[account]; ok {
		account = id
	}
	key := bucketKey{account, region, name}
	if b.buckets[key] == nil {
		b.buckets[key] = newBucket(b.burst(name), b.refill(name))
	}
	return b.buckets[key]
}

func (b *Budgets) burst(name string) int {
	def := bucketOf(name)
	if def.Shared {
		return max(1, int(def.Burst*b.share)-headroom)
	}
	return max(1, int(def.Burst))
}

// learn says which account the credentials called name are for, so that a target that names the account by its role
// shares the buckets. What the first calls took before it was known stays counted: their buckets move along.
func (b *Budgets) learn(name, account string) {
	if account == "" || name == account {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[name] == account {
		return
	}
	b.known[name] = account
	for k, v := range b.buckets {
		if to := (bucketKey{account, k.region, k.name}); k.account == name {
			delete(b.buckets, k)
			if b.buckets[to] == nil {
				b.buckets[to] = v
			}
		}
	}
}

// bucket is one token bucket with a bounded number of calls in flight. Its pace is multiplied by a half when AWS
// throttles and grows back by equal steps (additive increase, multiplicative decrease).
//
// One caller at a time waits for a token: a token promised at a slow pace would otherwise come due together with those
// given out after the pace has grown back.
type bucket struct {
	slots  chan struct{} // one for each call in flight
	turn   chan struct{} // held by the one that waits for a token
	burst  int
	refill float64

	mu        sync.Mutex
	limit     *rate.Limiter
	slowed    float64 // the share in force at since
	since     time.Time
	throttled time.Time
	backoffs  int
}

func newBucket(burst int, refill float64) *bucket {
	return &bucket{
		slots: make(chan struct{}, inFlight), turn: make(chan struct{}, 1), burst: burst, refill: refill,
		limit: rate.NewLimiter(rate.Limit(refill), burst), slowed: 1,
	}
}

// take waits for a slot and then for a token; the caller gives the slot back with release. An error is ctx's own.
func (b *bucket) take(ctx context.Context) (release func(), err error) {
	if err := enter(ctx, b.slots); err != nil {
		return nil, err
	}
	if err := b.token(ctx); err != nil {
		<-b.slots
		return nil, err
	}
	return func() { <-b.slots }, nil
}

func (b *bucket) token(ctx context.Context) error {
	if err := enter(ctx, b.turn); err != nil {
		return err
	}
	defer func() { <-b.turn }()
	now := time.Now()
	token := b.reserve(now)
	wait := token.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		token.Cancel()
		return context.Cause(ctx)
	}
}

// enter takes a place in a channel, first come, first served.
func enter(ctx context.Context, places chan<- struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *bucket) reserve(now time.Time) *rate.Reservation {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recoverAt(now)
	return b.limit.ReserveN(now, 1)
}

// slow notes that AWS throttled a call of the bucket.
func (b *bucket) slow(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.throttled.IsZero() && now.Sub(b.throttled) < sameThrottle {
		return
	}
	b.recoverAt(now)
	b.throttled = now
	b.backoffs++
	b.setPace(now, max(slowest, b.slowed/2))
}

func (b *bucket) pace(now time.Time) (share float64, backoffs int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recoverAt(now)
	return b.slowed, b.backoffs
}

func (b *bucket) recoverAt(now time.Time) {
	steps := int(now.Sub(b.since) / recoverEvery)
	if b.slowed == 1 || steps < 1 {
		return
	}
	b.setPace(now, min(1, b.slowed+float64(steps)*recoverStep))
}

func (b *bucket) setPace(now time.Time, share float64) {
	b.slowed, b.since = share, now
	b.limit.SetLimitAt(now, rate.Limit(b.refill*share))
	b.limit.SetBurstAt(now, max(1, int(float64(b.burst)*share)))
}
