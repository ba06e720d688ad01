package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// watch is what a watcher saw last, and what it asked for. It decides alone, by values.
type watch struct {
	seen  Claim
	since time.Time // when seen was first seen so; zero: never looked

	asked  Claim  // by the last Take; Epoch 0: none was sent
	settle bool   // asked is to replace an owner whose last calls may still arrive somewhere
	before *Lease // that this process held last; nil: none
}

// look takes in a claim read by now, and says whether it may be taken: never claimed, given back, this process's own of before, or
// stood still. A claim that was deleted may have a living owner, which last renewed it before it was deleted: that one's time is
// waited for as well.
func (w *watch) look(c Claim, now time.Time) (free bool) {
	if w.since.IsZero() || c != w.seen {
		w.seen, w.since = c, now
	}
	switch {
	case c.Deleted:
	case c.Epoch == 0, c.Holder == "":
		return true
	}
	return w.ended(c) || now.Sub(w.since) >= c.Lasts
}

// ended reports whether c is the claim of the lease that this process held last. That one has ended, and no other process took it.
func (w *watch) ended(c Claim) bool {
	if w.before == nil || c.Token != w.before.token || c.owner() != w.before.epoch {
		return false
	}
	select {
	case <-w.before.Done():
		return true
	default:
		return false
	}
}

// mine reports whether c is what this watcher asked for: the take took place, and its answer did not arrive in time.
func (w *watch) mine(c Claim) bool {
	return w.asked.Epoch != 0 && c.Epoch == w.asked.Epoch && c.Token == w.asked.Token
}

// beats reports whether c shows a holder alive that w saw before.
func (w *watch) beats(c Claim) bool {
	return !w.since.IsZero() && c.Holder != "" && c != w.seen
}

// Acquire waits until the claim is free and takes it. While the register cannot be read it goes on trying. Errors:
// ErrForeign, ErrUnfit, ErrHeld (with NoWait), or one that wraps the context's.
func Acquire(ctx context.Context, r Register, o Options) (*Lease, error) {
	o = o.withDefaults()
	w, token, told := watch{before: o.Before}, rand.Text(), ""
	for {
		l, seen := attempt(ctx, r, o, &w, token)
		switch err := seen.Err; {
		case l != nil:
			return l, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("wait for the lease: %w", ctx.Err())
		case errors.Is(err, ErrForeign), errors.Is(err, ErrUnfit), errors.Is(err, ErrHeld), err != nil && o.NoWait && !errors.Is(err, ErrDeleted):
			return nil, err
		}
		if now := fmt.Sprint(seen); now != told {
			told = now
			o.Waiting(seen)
		}
		timer := time.NewTimer(o.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// attempt is one look, and one take where it is free. Without a lease it says what was seen, or what went wrong.
func attempt(ctx context.Context, r Register, o Options, w *watch, token string) (*Lease, Seen) {
	var c Claim
	err := within(ctx, o, func(ctx context.Context) (err error) { c, err = r.Read(ctx); return err })
	if c.Deleted {
		c.Lasts = o.Lasts
	}
	switch {
	case err != nil:
		return nil, Seen{Err: fmt.Errorf("read the lease: %w", err)}
	case o.ID != "" && c.ID != "" && c.ID != o.ID:
		return nil, Seen{Err: fmt.Errorf("%w: it is that of %q, and controller.id is %q here: replicas share one id, another controller needs "+
			"a store of its own", ErrForeign, c.ID, o.ID)}
	case w.mine(c):
		return confirm(ctx, r, o, w)
	case o.NoWait && w.beats(c):
		return nil, Seen{Err: fmt.Errorf("%w: %s renews its lease", ErrHeld, c.Holder)}
	}
	switch free := w.look(c, time.Now()); {
	case !free && c.Deleted:
		return nil, Seen{Err: fmt.Errorf("%w: it is taken once an owner of before can no longer live, %s after this was seen", ErrDeleted, o.Lasts)}
	case !free:
		return nil, Seen{Holder: c.Holder, Note: c.Note}
	}
	return take(ctx, r, o, w, c, token)
}

// take claims what was found free.
func take(ctx context.Context, r Register, o Options, w *watch, c Claim, token string) (*Lease, Seen) {
	is := Claim{ID: o.ID, Holder: o.Holder, Token: token, Epoch: c.next(time.Now()), Lasts: o.Lasts, Note: o.Note()}
	if is.ID == "" {
		is.ID = c.ID
	}
	sent := time.Now()
	w.asked, w.settle = is, c.Holder != "" || c.Deleted
	err := within(ctx, o, func(ctx context.Context) error { return r.Take(ctx, c, is) })
	switch {
	case errors.Is(err, ErrChanged):
		return nil, Seen{Holder: "another process, just now,"}
	case err != nil:
		return nil, Seen{Err: fmt.Errorf("take the lease: %w", err)}
	}
	return hold(r, o, is, sent, w.acts(o, sent)), Seen{}
}

// acts is from when the owner of what was taken by a call sent at sent may act.
func (w *watch) acts(o Options, sent time.Time) time.Time {
	if w.settle {
		return time.Now().Add(o.Settle)
	}
	return sent
}

// confirm begins a lease whose take was answered too late, by a renewal.
func confirm(ctx context.Context, r Register, o Options, w *watch) (*Lease, Seen) {
	sent := time.Now()
	err := within(ctx, o, func(ctx context.Context) error { return r.Renew(ctx, w.asked.Epoch, o.Note()) })
	if err != nil {
		return nil, Seen{Err: fmt.Errorf("renew the lease that was just taken: %w", err)}
	}
	return hold(r, o, w.asked, sent, w.acts(o, sent)), Seen{}
}

// within makes one call, which may take a third of the lease.
func within(ctx context.Context, o Options, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Lasts/3, fmt.Errorf("no answer within %s", o.Lasts/3))
	defer cancel()
	err := call(ctx)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}
