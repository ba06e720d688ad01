package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskwarden/contain"
)

// margin is taken off an owner's time: what two machines' clocks may drift apart within Lasts, by far.
func margin(lasts time.Duration) time.Duration { return lasts / 20 }

// hold begins a lease that was taken by a call sent at sent, and keeps it renewed.
func hold(r Register, o Options, c Claim, sent, from time.Time) *Lease {
	o.Before = nil // or each lease would keep the one before it
	ctx, stop := context.WithCancel(context.Background())
	l := &Lease{register: r, o: o, epoch: c.Epoch, token: c.Token, from: from, until: sent.Add(o.Lasts - margin(o.Lasts)),
		done: make(chan struct{}), stop: stop, stopped: make(chan struct{})}
	contain.Go(contain.Lease, o.Holder, func() error { l.keep(ctx, sent); return nil }, func(panicked error) {
		if panicked != nil {
			l.Lose(fmt.Errorf("it is no longer renewed: %w", panicked))
		}
		close(l.stopped)
	})
	return l
}

// keep renews every third of the time, counted from when the last renewal was sent, and more often while that fails. It ends the
// lease when its time is over. A panic ends the lease too (hold): an owner that no longer renews must not go on acting.
func (l *Lease) keep(ctx context.Context, sent time.Time) {
	var failed error
	for wait := l.o.Lasts/3 - time.Since(sent); sleep(ctx, l.until, wait); {
		sent := time.Now()
		err := l.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			l.extend(sent)
			wait, failed = l.o.Lasts/3-time.Since(sent), nil
		case errors.Is(err, ErrChanged):
			l.Lose(errors.New("another process took it"))
			return
		case errors.Is(err, ErrDeleted):
			l.Lose(err)
			return
		default:
			wait, failed = l.o.Lasts/12, err
		}
	}
	switch {
	case ctx.Err() != nil:
	case failed != nil:
		l.Lose(fmt.Errorf("it could not be renewed within %s: %w", l.o.Lasts, failed))
	default:
		l.Lose(errors.New("this process, or its machine, stood still for longer than the lease lasts"))
	}
}

func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, l.until)
	defer cancel()
	return within(ctx, l.o, func(ctx context.Context) error { return l.register.Renew(ctx, l.epoch, l.o.Note()) })
}

// extend notes a renewal. Only keep changes until.
func (l *Lease) extend(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = sent.Add(l.o.Lasts - margin(l.o.Lasts))
}

// sleep waits for d but not beyond until; false when ctx ended or until is over.
func sleep(ctx context.Context, until time.Time, d time.Duration) bool {
	timer := time.NewTimer(min(d, time.Until(until)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return time.Now().Before(until)
	}
}
