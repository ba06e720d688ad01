package lease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"taskwarden/contain"
)

// table is a register in memory, with the conditional writes of a real one.
type table struct {
	mu     sync.Mutex
	claim  Claim
	fence  uint64
	fenced string // the token of the fence's owner
	owned  bool   // it was claimed once
}

func (r *table) Read(context.Context) (Claim, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claim
	c.Fence = r.fence
	if c.Deleted = r.owned && c.Epoch == 0; c.Deleted {
		c.Token = r.fenced
	}
	return c, nil
}

func (r *table) Take(_ context.Context, was, is Claim) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claim.Epoch != was.Epoch || r.claim.Beat != was.Beat || r.fence >= is.Epoch {
		return ErrChanged
	}
	r.claim, r.fence, r.fenced, r.owned = is, is.Epoch, is.Token, true
	return nil
}

func (r *table) Renew(_ context.Context, epoch uint64, note string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.holds(epoch); err != nil {
		return err
	}
	r.claim.Beat++
	r.claim.Note = note
	return nil
}

func (r *table) GiveBack(_ context.Context, epoch uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.holds(epoch); err != nil {
		return err
	}
	r.claim.Holder = ""
	return nil
}

func (r *table) holds(epoch uint64) error {
	switch r.claim.Epoch {
	case epoch:
		return nil
	case 0:
		return ErrDeleted
	}
	return ErrChanged
}

// remove deletes the claim, the fence or both, as a person can in a real table.
func (r *table) remove(claim, fence bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if claim {
		r.claim = Claim{}
	}
	if fence {
		r.fence, r.fenced = 0, ""
	}
}

// line is one process's way to the table. It may be cut, and be slow each way.
type line struct {
	*table
	mu    sync.Mutex
	cut   bool
	delay func() time.Duration
}

var errCut = errors.New("cut")

func (l *line) set(cut bool) { l.mu.Lock(); defer l.mu.Unlock(); l.cut = cut }

func (l *line) pass(ctx context.Context, do func() error) error {
	for _, step := range []func() error{do, func() error { return nil }} {
		var d time.Duration
		if l.delay != nil {
			d = l.delay()
		}
		l.mu.Lock()
		cut := l.cut
		l.mu.Unlock()
		if cut { // nothing comes back
			<-ctx.Done()
			return fmt.Errorf("%w: %w", errCut, ctx.Err())
		}
		if d > 0 && !sleep(ctx, time.Now().Add(d+1), d) {
			return ctx.Err()
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *line) Read(ctx context.Context) (c Claim, err error) {
	err = l.pass(ctx, func() (err error) { c, err = l.table.Read(ctx); return err })
	return c, err
}
func (l *line) Take(ctx context.Context, was, is Claim) error {
	return l.pass(ctx, func() error { return l.table.Take(ctx, was, is) })
}
func (l *line) Renew(ctx context.Context, epoch uint64, note string) error {
	return l.pass(ctx, func() error { return l.table.Renew(ctx, epoch, note) })
}
func (l *line) GiveBack(ctx context.Context, epoch uint64) error {
	return l.pass(ctx, func() error { return l.table.GiveBack(ctx, epoch) })
}

func mustAcquire(t *testing.T, r Register, o Options) *Lease {
	t.Helper()
	l, err := Acquire(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func acts(l *Lease) bool {
	from, until := l.Acts()
	now := time.Now()
	return !now.Before(from) && now.Before(until)
}

func TestGivenBackIsTakenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &table{}
		a := mustAcquire(t, r, Options{ID: "c", Holder: "a"})
		if !acts(a) {
			t.Error("the first owner ever may not act at once")
		}
		start := time.Now()
		var told []string
		go func() {
			time.Sleep(20 * time.Second)
			if err := a.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		b := mustAcquire(t, r, Options{ID: "c", Holder: "b", Waiting: func(s Seen) { told = append(told, fmt.Sprint(s.Holder, s.Err)) }})
		if took := time.Since(start); took < 20*time.Second || took > 20*time.Second+DefaultPoll {
			t.Errorf("taken after %s", took)
		}
		if acts(a) || !acts(b) || b.Epoch() != a.Epoch()+1 || fmt.Sprint(told) != "[a<nil>]" {
			t.Errorf("a acts: %v, b acts: %v, epochs %d and %d, told %v", acts(a), acts(b), a.Epoch(), b.Epoch(), told)
		}
		<-a.Done()
		if err := b.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A lost owner is replaced within Lasts and two looks; it knows by itself before, and the next one lets its last calls end.
func TestLostOwnerIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &table{}
		way := &line{table: r}
		a := mustAcquire(t, way, Options{ID: "c", Holder: "a"})
		took := make(chan *Lease)
		go func() {
			b, err := Acquire(t.Context(), r, Options{ID: "c", Holder: "b"})
			if err != nil {
				t.Error(err)
			}
			took <- b
		}()
		time.Sleep(time.Minute + 100*time.Millisecond)
		way.set(true)
		start := time.Now()
		<-a.Done()
		if since := time.Since(start); since > DefaultLasts || !errors.Is(a.Err(), ErrLost) {
			t.Errorf("the owner noticed after %s: %v", since, a.Err())
		}
		b := <-took
		since := time.Since(start)
		t.Logf("taken after %s", since)
		if since > DefaultLasts+2*DefaultPoll {
			t.Errorf("taken after %s", since)
		}
		if acts(b) {
			t.Error("the next owner may act while calls of the lost one may still arrive")
		}
		time.Sleep(DefaultSettle)
		if !acts(b) {
			t.Error("the next owner may never act")
		}
		if err := errors.Join(a.Release(t.Context()), b.Release(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// A register that fails for less than the lease lasts ends nothing.
func TestShortTroubleIsOutlived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &line{table: &table{}}
		l := mustAcquire(t, way, Options{ID: "c", Holder: "a"})
		for range 20 {
			time.Sleep(10 * time.Second)
			way.set(true)
			time.Sleep(DefaultLasts / 3)
			way.set(false)
		}
		if !acts(l) {
			t.Errorf("lost: %v", l.Err())
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestForeignAndHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &table{}
		a := mustAcquire(t, r, Options{ID: "c", Holder: "a"})
		if _, err := Acquire(t.Context(), r, Options{ID: "other", Holder: "b"}); !errors.Is(err, ErrForeign) {
			t.Errorf("error %v, want ErrForeign", err)
		}
		start := time.Now()
		if _, err := Acquire(t.Context(), r, Options{Holder: "copy", NoWait: true}); !errors.Is(err, ErrHeld) || time.Since(start) > 4*time.Second {
			t.Errorf("after %s: error %v, want ErrHeld", time.Since(start), err)
		}
		a.Lose(errors.New("killed")) // its renewing ends without giving back
		a.stop()
		copying := mustAcquire(t, r, Options{Holder: "copy", NoWait: true})
		if err := copying.Release(t.Context()); err != nil || r.claim.ID != "c" {
			t.Errorf("claim %+v, error %v", r.claim, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b := mustAcquire(t, r, Options{ID: "c", Holder: "b"})
		if _, err := Acquire(ctx, r, Options{ID: "c", Holder: "d"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := b.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNeverTwoOwners draws processes that are cut off, slow, and come back: at no time may two of them act, and each owner's
// epoch is higher than the one before.
func TestNeverTwoOwners(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		delays := rapid.SliceOfN(rapid.IntRange(0, 1500), 50, 50).Draw(rt, "delays")
		cuts := rapid.SliceOfN(rapid.IntRange(0, 20), 20, 20).Draw(rt, "cuts")
		// A person deletes the claim, again and again; or the fence, or both, once: two deletions of both, with an owner in between
		// that a watcher did not see, leave nothing to tell them apart by.
		claims := rapid.SliceOfN(rapid.IntRange(0, 4), 20, 20).Draw(rt, "claims") // 1: it is deleted
		once := rapid.IntRange(0, 40).Draw(rt, "once")                            // when; beyond the end: never
		both := rapid.Bool().Draw(rt, "both")
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			r, next := &table{claim: Claim{ID: "c", Epoch: 7}, fence: 7, owned: true}, 0
			var mu sync.Mutex
			var owners []*Lease
			var wg sync.WaitGroup
			lines := make([]*line, 3)
			for i := range lines {
				lines[i] = &line{table: r, delay: func() time.Duration {
					mu.Lock()
					defer mu.Unlock()
					next++
					return time.Duration(delays[next%len(delays)]) * time.Millisecond
				}}
				wg.Go(func() {
					var before *Lease
					for ctx.Err() == nil {
						// Settle is 1, or the wait would hide that two own it.
						l, err := Acquire(ctx, lines[i], Options{ID: "c", Holder: fmt.Sprint(i), Before: before, Settle: 1})
						if err != nil {
							return
						}
						mu.Lock()
						if n := len(owners); n > 0 && owners[n-1].Epoch() >= l.Epoch() {
							t.Errorf("epoch %d after %d", l.Epoch(), owners[n-1].Epoch())
						}
						owners = append(owners, l)
						mu.Unlock()
						select {
						case <-l.Done():
						case <-ctx.Done():
						}
						stop, end := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
						_ = l.Release(stop) // a line may be cut
						end()
						before = l
					}
				})
			}
			for i, s := range cuts {
				lines[i%3].set(i%2 == 0)
				r.remove(once >= len(cuts) && claims[i] == 1 || i == once && both, i == once)
				for range s * 10 {
					time.Sleep(100 * time.Millisecond)
					mu.Lock()
					var acting []uint64
					for _, l := range owners {
						if acts(l) {
							acting = append(acting, l.Epoch())
						}
					}
					mu.Unlock()
					if len(acting) > 1 {
						t.Fatalf("owners of epochs %v act at one time", acting)
					}
				}
			}
			cancel()
			wg.Wait()
		})
	})
}

// broken is a register whose renewals panic.
type broken struct{ *table }

func (broken) Renew(context.Context, uint64, string) error { panic("a defect in the register") }

// An owner whose renewing panics stands down at once: it must not act when another process takes the lease.
func TestAPanicWhileRenewingEndsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(contain.Report(func(*contain.Panic) {}))
		r := &table{}
		l := mustAcquire(t, broken{r}, Options{ID: "c", Holder: "a"})
		<-l.Done()
		if acts(l) || !errors.Is(l.Err(), ErrLost) || contain.In(l.Err()) == nil {
			t.Errorf("acts: %t, ended with %v", acts(l), l.Err())
		}
		if err := l.Release(t.Context()); err != nil { // returns, though the keeper ended by a panic
			t.Errorf("release: %v", err)
		}
		next := mustAcquire(t, r, Options{ID: "c", Holder: "b"})
		if !errors.Is(next.Release(t.Context()), nil) || next.Epoch() != l.Epoch()+1 {
			t.Errorf("the next owner has epoch %d", next.Epoch())
		}
	})
}

// What a person deletes in the table locks no replica out, and makes no two of them owners at one time.
func TestDeletedByHand(t *testing.T) {
	for name, what := range map[string]struct{ claim, fence bool }{"claim": {true, false}, "fence": {false, true}, "both": {true, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &table{}
				a := mustAcquire(t, r, Options{ID: "c", Holder: "a"})
				time.Sleep(time.Minute)
				r.remove(what.claim, what.fence)
				at := time.Now()
				var told []string
				go func() {
					time.Sleep(time.Second)
					if name == "fence" { // the owner learns of it by a commit
						a.Lose(errors.New("the fence does not hold"))
					}
				}()
				waiting := func(s Seen) { told = append(told, fmt.Sprint(s.Holder, s.Err)) }
				b := mustAcquire(t, r, Options{ID: "c", Holder: "b", Settle: 1, Waiting: waiting})
				if acts(a) || time.Since(at) > 12*time.Second {
					t.Errorf("taken after %s, the owner before acts: %v", time.Since(at), acts(a))
				}
				if b.Epoch() <= a.Epoch() {
					t.Errorf("epoch %d after %d", b.Epoch(), a.Epoch())
				}
				if what.claim && (!errors.Is(a.Err(), ErrDeleted) || !strings.Contains(fmt.Sprint(told), "was deleted")) {
					t.Errorf("the owner is told %v, the next one %v", a.Err(), told)
				}
				if err := b.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// An owner that lost its lease and that no other process replaced does not wait for itself.
func TestOwnLeaseIsTakenAgainAtOnce(t *testing.T) {
	for name, lose := range map[string]func(*table, *line){
		"cut off":       func(_ *table, way *line) { way.set(true); time.Sleep(20 * time.Second); way.set(false) },
		"claim deleted": func(r *table, _ *line) { r.remove(true, false) },
		"fence deleted": func(r *table, _ *line) { r.remove(false, true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &table{}
				way := &line{table: r}
				a := mustAcquire(t, way, Options{ID: "c", Holder: "a"})
				time.Sleep(time.Minute)
				lose(r, way)
				if name == "fence deleted" {
					a.Lose(errors.New("the fence does not hold"))
				}
				<-a.Done()
				at := time.Now()
				again := mustAcquire(t, way, Options{ID: "c", Holder: "a", Before: a})
				if took := time.Since(at); took > DefaultPoll || again.Epoch() != a.Epoch()+1 {
					t.Errorf("taken again after %s, epoch %d after %d", took, again.Epoch(), a.Epoch())
				}
				if _, err := Acquire(t.Context(), r, Options{ID: "c", Holder: "copy", NoWait: true, Before: a}); !errors.Is(err, ErrHeld) {
					t.Errorf("a lease that was replaced is taken for one's own: %v", err)
				}
				if err := again.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Answers that are slow, but not slower than a renewal may be, keep nobody from owning the table, and nobody loses it to them.
func TestSlowAnswers(t *testing.T) {
	for _, d := range []time.Duration{1400 * time.Millisecond, 1600 * time.Millisecond, 2500 * time.Millisecond, 2900 * time.Millisecond} {
		t.Run(d.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				way := &line{table: &table{}, delay: func() time.Duration { return d / 2 }}
				at := time.Now()
				l := mustAcquire(t, way, Options{ID: "c", Holder: "a"})
				if took := time.Since(at); took > 12*time.Second || l.Epoch() != 1 {
					t.Errorf("owned after %s, epoch %d", took, l.Epoch())
				}
				time.Sleep(5 * time.Minute)
				if l.Err() != nil {
					t.Errorf("lost: %v", l.Err())
				}
				if err := l.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A take whose answer comes too late took place all the same: the process that asked for it goes on as the owner.
func TestLateAnswerToATake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		way := &line{table: &table{}}
		way.delay = func() time.Duration {
			if n++; n == 4 { // the answer to the first take
				return DefaultLasts / 2
			}
			return 0
		}
		var told []string
		at := time.Now()
		l := mustAcquire(t, way, Options{ID: "c", Holder: "a", Waiting: func(s Seen) { told = append(told, fmt.Sprint(s.Err)) }})
		if took := time.Since(at); took > DefaultLasts/3+DefaultPoll || l.Epoch() != 1 || !acts(l) {
			t.Errorf("owned after %s, epoch %d, acts: %v", took, l.Epoch(), acts(l))
		}
		if len(told) != 1 || !strings.Contains(told[0], "take the lease: no answer within 3s") {
			t.Errorf("told %q", told)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A register that this program cannot use ends the wait: no time changes it.
func TestUnfitEndsTheWait(t *testing.T) {
	unfit := fmt.Errorf("its layout is newer: %w", ErrUnfit)
	if _, err := Acquire(t.Context(), &refusing{err: unfit}, Options{ID: "c", Holder: "a"}); !errors.Is(err, ErrUnfit) {
		t.Errorf("error %v", err)
	}
}

type refusing struct {
	table
	err error
}

func (r *refusing) Read(context.Context) (Claim, error) { return Claim{}, r.err }

// What a holder says of itself reaches those that wait, with its next renewal.
func TestNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, note := &table{}, "one"
		var mu sync.Mutex
		a := mustAcquire(t, r, Options{ID: "c", Holder: "a", Note: func() string { mu.Lock(); defer mu.Unlock(); return note }})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var told []string
		time.AfterFunc(10*time.Second, func() { mu.Lock(); defer mu.Unlock(); note = "two" })
		_, err := Acquire(ctx, r, Options{ID: "c", Holder: "b", Waiting: func(s Seen) { told = append(told, s.Holder+" "+s.Note) }})
		if fmt.Sprint(told) != "[a one a two]" || err == nil {
			t.Errorf("told %q, error %v", told, err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
