// Package lease makes one of several processes the owner of what they share, by a claim in a register that is changed by
// conditional writes only. It compares no clocks: a claim that did not change for as long as it lasts, by the watcher's own
// monotonic clock, has no living owner.
//
//	owner:    Renew every third of Lasts; may act until Lasts after the last renewal was *sent*, less a margin
//	watcher:  reads every Poll; takes when the claim was given back, or stood still for Lasts after it was *seen*
//
// What the watcher saw was sent before, so the owner's right has ended when another one takes it, and each take raises the
// epoch, which fences what is written in the owner's name. The monotonic clock runs on while a process is stopped by a signal
// or a frozen control group. It stands still while a whole machine is suspended: whoever acts on the world outside the store
// compares the wall clock with the end of Acts as well (package cloud does).
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Defaults. A lost owner is replaced after at most Lasts + 2 × Poll and the time of two calls: about 12 seconds.
const (
	DefaultLasts  = 9 * time.Second
	DefaultPoll   = time.Second
	DefaultSettle = 5 * time.Second
)

var (
	// ErrChanged: a conditional write found another claim than the one it was made for.
	ErrChanged = errors.New("the claim has changed")
	// ErrHeld: another process holds the claim and renews it.
	ErrHeld = errors.New("in use by another process")
	// ErrForeign: the claim is of another controller.
	ErrForeign = errors.New("belongs to another controller")
	// ErrLost: the lease ended without having been given back.
	ErrLost = errors.New("the lease is lost")
)

// Claim is what the register holds; the zero value: nobody ever claimed it.
type Claim struct {
	ID     string // of the controller whose replicas share this; "": none yet
	Holder string // who owns it, for people; "": it was given back
	Epoch  uint64 // one more with each owner
	Beat   uint64 // one more with each renewal
	Lasts  time.Duration
}

// Register keeps one claim. Its writes are conditional and fail with ErrChanged; a repeat of one whose answer was lost must
// not make it fail.
type Register interface {
	// Read gives the claim as of every write that returned before.
	Read(ctx context.Context) (Claim, error)
	// Take replaces was by is, and fences the owners before is.Epoch, in one step.
	Take(ctx context.Context, was, is Claim) error
	// Renew changes Beat while Epoch is the claim's.
	Renew(ctx context.Context, epoch uint64) error
	// GiveBack clears Holder while Epoch is the claim's.
	GiveBack(ctx context.Context, epoch uint64) error
}

// Options say who claims and how. Zero durations are the defaults.
type Options struct {
	ID     string        // the controller's; "": whoever's it is, as a copy of the store needs
	Holder string        // this process, for people: "host/pid"; not empty
	Lasts  time.Duration // without a renewal
	Poll   time.Duration // between two looks of a watcher
	Settle time.Duration // how long after a lost owner's end its last calls may still arrive somewhere
	NoWait bool          // ErrHeld as soon as the holder shows that it lives
	// Waiting is told who owns it, or why that is not known (holder is then empty), when either changes; may be nil.
	Waiting func(holder string, err error)
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		of   *time.Duration
		well time.Duration
	}{{&o.Lasts, DefaultLasts}, {&o.Poll, DefaultPoll}, {&o.Settle, DefaultSettle}} {
		if *d.of <= 0 {
			*d.of = d.well
		}
	}
	if o.Waiting == nil {
		o.Waiting = func(string, error) {}
	}
	return o
}

// Lease is held by one process until Done. It is safe for concurrent use.
type Lease struct {
	register Register
	o        Options
	epoch    uint64
	from     time.Time

	mu    sync.Mutex
	until time.Time
	err   error // why it ended

	done    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{} // the renewing has ended
}

// Epoch is this owner's number: higher than of any owner before.
func (l *Lease) Epoch() uint64 { return l.epoch }

// Done is closed when the lease ends, lost or given back.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Err says why the lease ended; nil before.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Acts is the span in which the holder may act on the world outside the store: from when nothing of a lost owner can arrive
// any more, until when nobody else can be the owner. Both carry monotonic readings; until moves on with each renewal and is
// in the past once the lease has ended.
func (l *Lease) Acts() (from, until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.from, time.Time{}
	}
	return l.from, l.until
}

// Lose ends the lease at once, for one that found out otherwise that another process owns it.
func (l *Lease) Lose(err error) { l.end(fmt.Errorf("%w: %w", ErrLost, err)) }

// Release gives the lease back; the next one need not wait. After an error it ends by itself.
func (l *Lease) Release(ctx context.Context) error {
	l.stop()
	<-l.stopped
	l.mu.Lock()
	lost := l.err != nil
	l.mu.Unlock()
	if lost {
		return nil //nolint:nilerr // it ended, and whoever used it knows why
	}
	l.end(errReleased)
	if err := l.register.GiveBack(ctx, l.epoch); err != nil && !errors.Is(err, ErrChanged) {
		return fmt.Errorf("give the lease back: %w", err)
	}
	return nil
}

var errReleased = errors.New("the lease was given back")

func (l *Lease) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.done)
	}
}
