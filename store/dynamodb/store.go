package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskwarden/store"
	"taskwarden/store/lease"
)

// releaseWithin bounds how long Close may take to give the lease back.
const releaseWithin = 3 * time.Second

// Store is the table in the hands of its owner; it is a store.Store. The zero value is of no use, see Own.
type Store struct {
	table *Table
	lease *lease.Lease
	queue queue

	life   sync.Mutex
	calls  sync.WaitGroup // under way; added to with life held
	closed bool

	mu    sync.Mutex
	known map[string]bool // kinds that are listed in the table
}

var _ store.Store = (*Store)(nil)

// Own waits until no other process owns the table, then owns it. See lease.Acquire for the errors.
func (t *Table) Own(ctx context.Context, o lease.Options) (*Store, error) {
	l, err := lease.Acquire(ctx, register{t}, o)
	if err != nil {
		return nil, fmt.Errorf("own table %s: %w", t.name, err)
	}
	return &Store{table: t, lease: l, known: map[string]bool{}}, nil
}

// Lease is what this process holds of the table.
func (s *Store) Lease() *lease.Lease { return s.lease }

// Close waits for the calls under way, then gives the lease back, so that the next owner need not wait. A second Close does
// nothing. Nothing is lost where it fails: the lease then ends by itself.
func (s *Store) Close() error {
	s.life.Lock()
	was := s.closed
	s.closed = true
	s.life.Unlock()
	s.calls.Wait()
	if was {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
	defer cancel()
	if err := s.lease.Release(ctx); err != nil {
		return fmt.Errorf("close table %s: %w", s.table.name, err)
	}
	return nil
}

// enter begins a call, which ends with s.calls.Done; or says why there can be none.
func (s *Store) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// ended returns the error of a context that has ended, with its cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// list makes the kinds of writes findable before anything is written of them. A kind that is listed and has no items is no
// harm, so this needs no fence.
func (s *Store) list(ctx context.Context, writes []store.Write) error {
	for _, w := range writes {
		s.mu.Lock()
		known := w.Delete || s.known[w.Kind]
		s.mu.Unlock()
		if known {
			continue
		}
		if err := s.table.putNew(ctx, keyOf(kindsPartition, w.Kind)); err != nil {
			return fmt.Errorf("list the kind %s: %w", w.Kind, err)
		}
		s.mu.Lock()
		s.known[w.Kind] = true
		s.mu.Unlock()
	}
	return nil
}
