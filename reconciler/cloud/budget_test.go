package cloud

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"taskwarden/test/account"
)

// exceeds is whether more calls than a bucket of that burst and refill allows were made in any stretch of time.
func exceeds(at []time.Time, burst, refill float64) bool {
	// Calls i..j fit if j-i+1 <= burst + refill*(at[j]-at[i]), for all i <= j: the bucket's level never falls below zero.
	level, last := burst, time.Time{}
	for i, t := range at {
		if i > 0 {
			level = min(burst, level+refill*t.Sub(last).Seconds())
		}
		if level, last = level-1, t; level < -1e-6 {
			return true
		}
	}
	return false
}

func TestABucketIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		burst := rapid.IntRange(1, 100).Draw(r, "burst")
		refill := rapid.Float64Range(0.2, 80).Draw(r, "refill")
		callers := rapid.IntRange(1, 30).Draw(r, "callers")
		seed := rapid.Uint64().Draw(r, "seed")
		var at []time.Time
		var highest int
		synctest.Test(t, func(t *testing.T) { at, highest = crowd(t, newBucket(burst, refill), callers, seed) })
		if exceeds(at, float64(burst), refill) || highest > inFlight || len(at) != callers*10 {
			r.Errorf("%d calls, at most %d at once, too fast or too many", len(at), highest)
		}
	})
}

// crowd has callers take 10 tokens each, with pauses and throttling by chance; it tells when each was given, and how
// many callers were in flight at most.
func crowd(t *testing.T, b *bucket, callers int, seed uint64) (at []time.Time, highest int) {
	var (
		mu     sync.Mutex
		inside int
		group  sync.WaitGroup
	)
	for c := range callers {
		random := rand.New(rand.NewPCG(seed, uint64(c)))
		group.Go(func() {
			for range 10 {
				release, err := b.take(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at = append(at, time.Now())
				inside++
				highest = max(highest, inside)
				mu.Unlock()
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
				if random.IntN(10) == 0 {
					b.slow(time.Now())
				}
				mu.Lock()
				inside--
				mu.Unlock()
				release()
				time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
			}
		})
	}
	group.Wait()
	return at, highest
}

func TestTheAccountSeesNoMoreThanTheBudget(t *testing.T) {
	for _, share := range []float64{1, 0.25, 0.05} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, account.Bulk(40, 400, 400))
			random := rand.New(rand.NewPCG(1, 2))
			var mu sync.Mutex
			w.Gate(func(account.Call) bool { return true }, func(account.Call) account.Gate {
				mu.Lock()
				defer mu.Unlock()
				switch random.IntN(20) {
				case 0:
					return account.Gate{Err: throttling()}
				case 1:
					return account.Gate{Err: outage()}
				}
				return account.Gate{}
			})
			budgets := NewBudgets(share)
			a, other := watching(w, Options{Budgets: budgets}), watching(w, Options{Budgets: budgets})
			var group sync.WaitGroup
			group.Go(func() { sweep(t.Context(), a); sweep(t.Context(), a) })
			group.Go(func() { sweep(t.Context(), other) })
			group.Wait()
			byBucket := map[string][]time.Time{}
			failed := 0
			for _, c := range w.Calls() {
				op, _ := operationOf(c.Service, c.Op)
				byBucket[op.Bucket] = append(byBucket[op.Bucket], c.At)
				if c.Code != "" {
					failed++
				}
			}
			for name, at := range byBucket {
				if def := bucketOf(name); exceeds(at, max(1, def.Burst*share), def.Refill*share) {
					t.Errorf("share %v: %s is exceeded by %d calls", share, name, len(at))
				}
			}
			if failed < 20 {
				t.Errorf("only %d calls failed: nothing was retried", failed)
			}
		})
	}
}

func TestExceedsSeesTooMany(t *testing.T) {
	start := time.Unix(0, 0)
	var at []time.Time
	for i := range 20 {
		at = append(at, start.Add(time.Duration(i)*50*time.Millisecond)) // 20 a second
	}
	if exceeds(at, 1, 20) || !exceeds(at, 1, 19) || !exceeds(at, 5, 10) || exceeds(at, 11, 10) {
		t.Error("the measure of the other tests is wrong")
	}
}

func TestAtMostEightInFlightForAllAccountsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(20, 40, 40))
		var inside atomic.Int64
		open := make(chan struct{})
		w.Gate(isOp("ListServices"), func(account.Call) account.Gate { inside.Add(1); return account.Gate{Hold: open} })
		budgets := NewBudgets(1)
		var group sync.WaitGroup
		for range 3 {
			a := watching(w, Options{Budgets: budgets})
			group.Go(func() { sweep(t.Context(), a) })
		}
		time.Sleep(attemptTimeout / 2)
		synctest.Wait()
		if n := inside.Load(); n != inFlight {
			t.Errorf("%d calls are in flight, want %d", n, inFlight)
		}
		close(open)
		group.Wait()
		if n := count(w, "ListServices"); n != 60 {
			t.Errorf("%d calls in the end", n)
		}
	})
}

func TestAFreshCallWaitsLessThanTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(20, 1000, 2000))
		budgets := NewBudgets(0.25) // the default
		a := watching(w, Options{Budgets: budgets})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { sweep(ctx, a); close(done) }()
		time.Sleep(10 * time.Second) // the burst is spent
		began := time.Now()
		release, err := budgets.bucket(ambient, "us-east-1", "ecs-service-read").take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
		if waited := time.Since(began); waited > 2*time.Second || waited == 0 {
			t.Errorf("waited %s behind a sweep", waited)
		}
		cancel()
		<-done
	})
}

func TestThrottlingHalvesThePaceAndItGrowsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(100, 20)
		want := func(share float64, backoffs int) {
			t.Helper()
			if s, n := b.pace(time.Now()); s < share-1e-9 || s > share+1e-9 || n != backoffs {
				t.Errorf("pace %v after %d backoffs, want %v after %d", s, n, share, backoffs)
			}
		}
		want(1, 0)
		b.slow(time.Now())
		b.slow(time.Now()) // sent at the old pace as well
		want(0.5, 1)
		time.Sleep(2 * time.Second)
		b.slow(time.Now())
		want(0.25, 2)
		time.Sleep(9 * time.Second)
		want(0.25, 2)
		time.Sleep(2 * time.Second)
		want(0.35, 2)
		time.Sleep(time.Hour)
		want(1, 2)
		for range 20 {
			time.Sleep(2 * time.Second)
			b.slow(time.Now())
		}
		want(slowest, 22)
		began := time.Now()
		for range 10 {
			release, err := b.take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
		if took := time.Since(began); took < 2*time.Second { // 1.25 a second, growing, with the burst cut as well
			t.Errorf("10 calls in %s at a sixteenth of the pace", took)
		}
	})
}

func TestWaitingForTheBudgetEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(1, 0.01)
		release, err := b.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("for a token: %v", err)
		}
		for range inFlight {
			b.slots <- struct{}{}
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("for a slot: %v", err)
		}
	})
}

func TestBudgetsAreSharedByAccountAndRegion(t *testing.T) {
	b := NewBudgets(0.25)
	first := b.bucket(ambient, "us-east-1", "ecs-service-read")
	b.learn(ambient, "111122223333")
	if b.bucket("111122223333", "us-east-1", "ecs-service-read") != first || b.bucket(ambient, "us-east-1", "ecs-service-read") != first {
		t.Error("the ambient account, once known, does not share its buckets with a role's")
	}
	for _, other := range []*bucket{
		b.bucket("111122223333", "eu-west-1", "ecs-service-read"), b.bucket("444455556666", "us-east-1", "ecs-service-read"),
		b.bucket("111122223333", "us-east-1", "ecs-resource-read"),
	} {
		if other == first {
			t.Error("another account's, region's or name's bucket is shared")
		}
	}
	if first.burst != 23 || first.refill != 5 {
		t.Errorf("a quarter of 100 and 20 less the headroom is not %d and %v", first.burst, first.refill)
	}
	if alarms := b.bucket(ambient, "us-east-1", "alarms-write"); alarms.refill != 1 || alarms.burst != 1 {
		t.Errorf("CloudWatch's rate is scaled: %v", alarms.refill)
	}
	if paces := b.Paces(); len(paces) != 5 || paces[0].Account != "111122223333" || paces[0].Region != "eu-west-1" {
		t.Errorf("%+v", paces)
	}
	for _, share := range []float64{0, -1, 2} {
		if NewBudgets(share).share != 0.25 {
			t.Errorf("share %v", share)
		}
	}
}
