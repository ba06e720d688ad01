package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"
)

// sweepStep is how many items one transaction of Sweep removes, so that
// commits wait for it only shortly.
const sweepStep = 200

// Sweep removes items that have expired, the longest expired first and at most
// max of them (0 or less: all), and returns how many it removed, also with an
// error. Reads never show an expired item, so sweeping is about space alone;
// it takes turns with commits.
func (s *Store) Sweep(ctx context.Context, max int) (removed int, err error) {
	for max <= 0 || removed < max {
		step := sweepStep
		if max > 0 {
			step = min(step, max-removed)
		}
		due, n, err := s.sweep(ctx, step)
		removed += n
		if err != nil {
			return removed, fmt.Errorf("sweep expired items: %w", err)
		}
		if due < step {
			break
		}
	}
	return removed, nil
}

// sweep makes one step: due is how many entries it found, removed how many
// items went with them.
func (s *Store) sweep(ctx context.Context, step int) (due, removed int, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, 0, err
	}
	defer s.life.RUnlock()
	select {
	case s.queue.turn <- struct{}{}:
		defer func() { <-s.queue.turn }()
	case <-ctx.Done():
		return 0, 0, ended(ctx)
	}
	if err := s.broken.Load(); err != nil {
		return 0, 0, s.locate(*err)
	}
	err = s.guard(func() error {
		entries, err := s.expired(step)
		if err != nil || len(entries) == 0 {
			return err // an empty transaction would cost a sync
		}
		due = len(entries)
		return s.db.Update(func(tx *bbolt.Tx) error {
			removed, err = remove(tx, entries)
			return err
		})
	})
	if err != nil {
		return due, 0, s.locate(explain(err))
	}
	return due, removed, nil
}

// expired lists the first entries of the bucket _expires that are due.
func (s *Store) expired(limit int) (entries [][]byte, err error) {
	now := s.now().UnixMilli()
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(expiresBucket).Cursor()
		for k, _ := c.First(); k != nil && len(entries) < limit; k, _ = c.Next() {
			expires, _, _, ok := parseExpiryKey(k)
			if !ok {
				return damaged("entry %q in the order of expiry", k)
			}
			if expires > now {
				break
			}
			entries = append(entries, bytes.Clone(k))
		}
		return nil
	})
	return entries, err
}

// remove deletes the items of entries. An entry whose item says otherwise is
// only dropped: the item decides.
func remove(tx *bbolt.Tx, entries [][]byte) (removed int, err error) {
	for _, entry := range entries {
		expires, kind, key, _ := parseExpiryKey(entry)
		old, err := stored(tx, kind, key)
		if err != nil {
			return 0, err
		}
		if old.version == 0 || old.expires != expires {
			if err := tx.Bucket(expiresBucket).Delete(entry); err != nil {
				return 0, err
			}
			continue
		}
		if err := forget(tx, kind, key, old); err != nil {
			return 0, err
		}
		removed++
	}
	return removed, nil
}
