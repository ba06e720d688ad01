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
	// ErrDeleted: the claim is not there any more, and it was there before.
	ErrDeleted = errors.New("the claim was deleted, by a person or another program")
	// ErrUnfit: this program cannot use what the claim is for, and waiting does not change that.
	ErrUnfit = errors.New("cannot be used")
)

// Claim is what the register holds; the zero value: no process ever claimed it.
type Claim struct {
	ID     string // of the controller whose replicas share this; "": none yet
	Holder string // the process that owns it, for people; "": it was given back
	Token  string // drawn for each Acquire: a process knows its own claim by it
	Epoch  uint64 // higher with each owner
	Beat   uint64 // one more with each renewal
	Lasts  time.Duration
	Note   string // what the holder says of itself, see Options.Note

	// Fence is the epoch below which writes are refused. It outlives a claim that was deleted; Token is then that of the
	// fence's owner.
	Fence uint64
	// Deleted: there is no claim, and there was one: an owner may still live.
	Deleted bool
}

// owner is the epoch of the last owner that is known.
func (c Claim) owner() uint64 { return max(c.Epoch, c.Fence) }

// next is an epoch that is above every earlier owner's. Where claim and fence were both deleted it is the time in seconds, which no
// count of owners reaches.
func (c Claim) next(now time.Time) uint64 {
	if c.Deleted && c.Fence == 0 {
		return uint64(now.Unix())
	}
	return c.owner() + 1
}

// Register keeps one claim. Its writes are conditional and fail with ErrChanged, or with ErrDeleted where no claim is there. A
// repeat of a write whose answer was lost must not make it fail.
type Register interface {
	// Read gives the claim as of every write that returned before. ErrUnfit ends an Acquire.
	Read(ctx context.Context) (Claim, error)
	// Take replaces was by is, and fences the owners before is.Epoch, in one step.
	Take(ctx context.Context, was, is Claim) error
	// Renew changes Beat, and sets Note, while Epoch is the claim's.
	Renew(ctx context.Context, epoch uint64, note string) error
	// GiveBack clears Holder while Epoch is the claim's.
	GiveBack(ctx context.Context, epoch uint64) error
}

// Seen is what a waiting process knows of the claim.
type Seen struct {
	Holder string // "": it is not known, and Err says why
	Note   string // what the holder says of itself
	Err    error
}

// Options say who claims and how. Zero durations are the defaults.
type Options struct {
	ID     string        // the controller's; "": that of the claim, as a copy of the store needs
	Holder string        // this process, for people: "host/pid"; not empty
	Lasts  time.Duration // without a renewal
	Poll   time.Duration // between two looks of a watcher
	Settle time.Duration // how long after a lost owner's end its last calls may still arrive somewhere
	NoWait bool          // ErrHeld as soon as the holder shows that it lives
	// Before is the lease that this process held last, which has ended; nil: none. While no other process took it since, it is
	// taken again at once.
	Before *Lease
	// Note gives what this process says of itself to those that wait; it is asked with each renewal. nil: nothing.
	Note func() string
	// Waiting is told what is seen of the claim when that changes; may be nil.
	Waiting func(Seen)
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
		o.Waiting = func(Seen) {}
	}
	if o.Note == nil {
		o.Note = func() string { return "" }
	}
	return o
}

// Lease is held by one process until Done. It is safe for concurrent use.
type Lease struct {
	register Register
	o        Options
	epoch    uint64
	token    string
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
		return nil //nolint:nilerr // it ended, and its user knows why
	}
	l.end(errReleased)
	if err := l.register.GiveBack(ctx, l.epoch); err != nil && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrDeleted) {
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
		l.stop() // what ended is not renewed
	}
}
