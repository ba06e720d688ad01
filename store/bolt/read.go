package bolt

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"taskwarden/store"
)

// checkEvery is how many keys a Range passes between two looks at its context.
const checkEvery = 256

// Get is store.Store's.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Item, error) {
	if err := store.ValidateKey(kind, key); err != nil {
		return store.Item{}, err
	}
	var item store.Item
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		r, err := stored(tx, kind, key)
		if err != nil {
			return err
		}
		if !r.live(s.now()) {
			return store.ErrNotFound
		}
		item = r.item(kind, key)
		return nil
	})
	if err != nil {
		return store.Item{}, fmt.Errorf("get %s %q: %w", kind, key, err)
	}
	return item, nil
}

// Range is store.Store's.
func (s *Store) Range(ctx context.Context, kind, prefix, after string, limit int) ([]store.Item, error) {
	limit, err := store.ValidateRange(kind, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	var items []store.Item
	err = s.view(ctx, func(tx *bbolt.Tx) (err error) {
		if b := tx.Bucket([]byte(kind)); b != nil {
			items, err = s.scan(ctx, b, span{kind, []byte(prefix), []byte(after), limit})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("range over %s from %q after %q: %w", kind, prefix, after, err)
	}
	return items, nil
}

// span is what a Range asks for.
type span struct {
	kind          string
	prefix, after []byte
	limit         int
}

func (s *Store) scan(ctx context.Context, b *bbolt.Bucket, sp span) ([]store.Item, error) {
	var items []store.Item
	now, c := s.now(), b.Cursor()
	from := sp.prefix
	if bytes.Compare(sp.after, from) > 0 {
		from = sp.after
	}
	passed := 0
	for k, v := c.Seek(from); k != nil && len(items) < sp.limit; k, v = c.Next() {
		if passed++; passed%checkEvery == 0 && ctx.Err() != nil {
			return nil, ended(ctx)
		}
		if len(sp.after) > 0 && bytes.Equal(k, sp.after) {
			continue
		}
		if !bytes.HasPrefix(k, sp.prefix) {
			break
		}
		r, err := decode(sp.kind, string(k), v)
		if err != nil {
			return nil, err
		}
		if r.live(now) {
			items = append(items, r.item(sp.kind, string(k)))
		}
	}
	return items, nil
}

// Kinds is store.Store's.
func (s *Store) Kinds(ctx context.Context) ([]string, error) {
	var kinds []string
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if name[0] != '_' {
				kinds = append(kinds, string(name))
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list kinds: %w", err)
	}
	return kinds, nil
}

// view runs fn in a read transaction.
func (s *Store) view(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.life.RUnlock()
	return s.locate(s.guard(func() error { return s.db.View(fn) }))
}
