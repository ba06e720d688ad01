package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"taskwarden/store"
)

// groupBytes bounds how much one transaction takes on, and so its memory and
// how long its members wait for each other.
const groupBytes = 4 * store.MaxBytes

// queue is the group commit: whoever has the turn commits all that wait, in
// one transaction with one sync. It is in place of bbolt's DB.Batch, which
// makes a lone caller wait for its timer (10 ms by default) and runs a whole
// batch again for each member whose condition fails. BenchmarkCommit and
// BenchmarkBatch compare them: about ten times the commits at Batch's default
// delay, and more than it with a delay of 1 ms from 8 callers on.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	turn    chan struct{} // of capacity 1; filled by the one that has the turn
}

type request struct {
	writes []store.Write
	err    error         // valid once done is closed
	done   chan struct{} // closed when the request has its answer
}

func (r *request) size() (n int) {
	for _, w := range r.writes {
		n += w.Size()
	}
	return n
}

func (q *queue) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
}

// take removes the longest waiting requests, up to groupBytes but at least one.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, total := 0, 0
	for _, r := range q.waiting {
		total += r.size()
		if n > 0 && total > groupBytes {
			break
		}
		n++
	}
	group := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return group
}

// withdraw removes a request that nobody has taken yet.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// Commit is store.Store's. A context that ends while the commit waits for its
// turn takes it back; once it has begun it is waited for, so here an error of
// the context always means that nothing was written.
func (s *Store) Commit(ctx context.Context, writes ...store.Write) error {
	if err := store.ValidateCommit(writes); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	defer s.life.RUnlock()
	if len(writes) == 0 {
		return nil
	}
	r := &request{writes: writes, done: make(chan struct{})}
	s.queue.add(r)
	if err := s.await(ctx, r); err != nil {
		if _, conflict := errors.AsType[*store.Conflict](err); conflict {
			return err
		}
		return fmt.Errorf("commit %d writes, first %s %q: %w", len(writes), writes[0].Kind, writes[0].Key, err)
	}
	return nil
}

// await returns the answer to r, taking the turn when it is free.
func (s *Store) await(ctx context.Context, r *request) error {
	for {
		select {
		case <-r.done:
			return r.err
		case <-ctx.Done():
			if s.queue.withdraw(r) {
				return ended(ctx)
			}
			<-r.done
			return r.err
		case s.queue.turn <- struct{}{}:
			s.lead(r)
		}
	}
}

// lead answers the requests that wait, unless r had its answer before the turn,
// and gives the turn back. A panic inside becomes their answer (guard).
func (s *Store) lead(r *request) {
	defer func() { <-s.queue.turn }()
	select {
	case <-r.done:
		return
	default:
	}
	group := s.queue.take()
	err := s.guard(func() error { return s.commit(group) })
	for _, r := range group {
		if err != nil {
			r.err = s.locate(explain(err))
		}
		close(r.done)
	}
}

// commit applies each request of a group whose conditions hold, and leaves its
// conflict in the others. An error is that of the transaction, for all.
func (s *Store) commit(group []*request) error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer tx.Rollback() // without effect after a commit
	now, changed := s.now(), false
	for _, r := range group {
		var old []record
		if old, r.err = examine(tx, r.writes, now); r.err != nil {
			r.err = s.locate(r.err)
			continue
		}
		for i, w := range r.writes {
			if err := apply(tx, w, old[i], now); err != nil {
				return fmt.Errorf("%s %q: %w", w.Kind, w.Key, err)
			}
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return tx.Commit()
}

// examine returns the record stored for each write (version 0: none), or why
// the writes cannot be made.
func examine(tx *bbolt.Tx, writes []store.Write, now time.Time) ([]record, error) {
	old := make([]record, len(writes))
	for i, w := range writes {
		r, err := stored(tx, w.Kind, w.Key)
		if err != nil {
			return nil, err
		}
		found := r.version
		if !r.live(now) {
			found = 0
		}
		if err := w.Check(found); err != nil {
			return nil, err
		}
		old[i] = r
	}
	return old, nil
}

// stored returns the record under kind and key, expired or not.
func stored(tx *bbolt.Tx, kind, key string) (record, error) {
	b := tx.Bucket([]byte(kind))
	if b == nil {
		return record{}, nil
	}
	raw := b.Get([]byte(key))
	if raw == nil {
		return record{}, nil
	}
	return decode(kind, key, raw)
}

// apply makes one write whose condition holds, given the record in its place.
func apply(tx *bbolt.Tx, w store.Write, old record, now time.Time) error {
	if w.Delete {
		return forget(tx, w.Kind, w.Key, old)
	}
	if err := unlist(tx, w.Kind, w.Key, old); err != nil {
		return err
	}
	r := record{version: 1, body: w.Body}
	if old.live(now) {
		r.version = old.version + 1
	}
	if !w.Expires.IsZero() {
		r.expires = w.Expires.UnixMilli()
		if err := tx.Bucket(expiresBucket).Put(expiryKey(r.expires, w.Kind, w.Key), []byte{}); err != nil {
			return err
		}
	}
	b, err := tx.CreateBucketIfNotExists([]byte(w.Kind))
	if err != nil {
		return err
	}
	return b.Put([]byte(w.Key), encode(w.Kind, w.Key, r))
}

// forget removes a record, if there is one.
func forget(tx *bbolt.Tx, kind, key string, old record) error {
	if old.version == 0 {
		return nil
	}
	if err := unlist(tx, kind, key, old); err != nil {
		return err
	}
	return tx.Bucket([]byte(kind)).Delete([]byte(key))
}

// unlist removes a record from the order of expiry.
func unlist(tx *bbolt.Tx, kind, key string, old record) error {
	if old.expires == 0 {
		return nil
	}
	return tx.Bucket(expiresBucket).Delete(expiryKey(old.expires, kind, key))
}
