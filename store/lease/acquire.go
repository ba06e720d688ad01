package lease

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watch is what a watcher saw last. It decides alone, by values.
type watch struct {
	seen  Claim
	since time.Time // when seen was first seen so; zero: never looked
}

// look takes in a claim read by now, and says whether it may be taken: never claimed, given back, or stood still.
func (w *watch) look(c Claim, now time.Time) (free bool) {
	if w.since.IsZero() || c != w.seen {
		w.seen, w.since = c, now
	}
	return c.Epoch == 0 || c.Holder == "" || now.Sub(w.since) >= c.Lasts
}

// beats reports whether c shows a holder alive that w saw before.
func (w *watch) beats(c Claim) bool {
	return !w.since.IsZero() && c.Holder != "" && c != w.seen
}

// Acquire waits until the claim is free and takes it. While the register cannot be read it goes on trying. Errors:
// ErrForeign, ErrHeld (with NoWait), or one that wraps the context's.
func Acquire(ctx context.Context, r Register, o Options) (*Lease, error) {
	o = o.withDefaults()
	w, told := watch{}, ""
	for {
		l, holder, err := attempt(ctx, r, o, &w)
		switch {
		case l != nil:
			return l, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("wait for the lease: %w", ctx.Err())
		case errors.Is(err, ErrForeign), errors.Is(err, ErrHeld), err != nil && o.NoWait:
			return nil, err
		}
		if now := fmt.Sprint(holder, err); now != told {
			told = now
			o.Waiting(holder, err)
		}
		timer := time.NewTimer(o.Poll)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// attempt is one look, and one take where it is free. Without a lease it says who holds it, or what went wrong.
func attempt(ctx context.Context, r Register, o Options, w *watch) (l *Lease, holder string, err error) {
	within, cancel := context.WithTimeoutCause(ctx, o.Lasts/3, errors.New("no answer in time"))
	defer cancel()
	c, err := r.Read(within)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("read the lease: %w", err)
	case o.ID != "" && c.ID != "" && c.ID != o.ID:
		return nil, "", fmt.Errorf("%w: it is that of %q, and controller.id is %q here: replicas share one id, another controller needs a store of its own", ErrForeign, c.ID, o.ID)
	case o.NoWait && w.beats(c):
		return nil, "", fmt.Errorf("%w: %s renews its lease", ErrHeld, c.Holder)
	}
	if !w.look(c, time.Now()) {
		return nil, c.Holder, nil
	}
	is := Claim{ID: o.ID, Holder: o.Holder, Epoch: c.Epoch + 1, Lasts: o.Lasts}
	if is.ID == "" {
		is.ID = c.ID
	}
	sent := time.Now()
	switch err := r.Take(within, c, is); {
	case errors.Is(err, ErrChanged):
		return nil, "another process, just now,", nil
	case err != nil:
		return nil, "", fmt.Errorf("take the lease: %w", err)
	}
	from := sent
	if c.Holder != "" {
		from = time.Now().Add(o.Settle)
	}
	return hold(r, o, is.Epoch, sent, from), "", nil
}
