// Package memory is a store.Store that lives as long as its process: for a replay, whose memory is nobody's afterwards and
// has to be the same each time.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"taskwarden/store"
)

// Store is the engine. The zero value is of no use, see New.
type Store struct {
	now func() time.Time

	mu     sync.Mutex
	kinds  map[string]*table
	closed bool
}

var _ store.Store = (*Store)(nil)

// table is the items of one kind.
type table struct {
	items map[string]store.Item
	keys  []string // in order
}

// New is an empty store that judges expiry by now.
func New(now func() time.Time) *Store { return &Store{now: now, kinds: map[string]*table{}} }

// begin locks the store for one call, or says why the call cannot take place.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("use the store: %w", err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	return nil
}

// Get returns one item.
func (s *Store) Get(ctx context.Context, kind, key string) (store.Item, error) {
	if err := store.ValidateKey(kind, key); err != nil {
		return store.Item{}, err
	}
	if err := s.begin(ctx); err != nil {
		return store.Item{}, err
	}
	defer s.mu.Unlock()
	it, ok := s.live(kind, key)
	if !ok {
		return store.Item{}, fmt.Errorf("%s %q: %w", kind, key, store.ErrNotFound)
	}
	return copied(it), nil
}

// live is the item, unless it has expired.
func (s *Store) live(kind, key string) (store.Item, bool) {
	t := s.kinds[kind]
	if t == nil {
		return store.Item{}, false
	}
	it, ok := t.items[key]
	return it, ok && (it.Expires.IsZero() || s.now().Before(it.Expires))
}

// Range returns items in the order of their keys.
func (s *Store) Range(ctx context.Context, kind, prefix, after string, limit int) ([]store.Item, error) {
	limit, err := store.ValidateRange(kind, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	t := s.kinds[kind]
	if t == nil {
		return nil, nil
	}
	var out []store.Item
	from, _ := slices.BinarySearch(t.keys, max(prefix, after))
	for _, key := range t.keys[from:] {
		if len(out) == limit || !strings.HasPrefix(key, prefix) {
			break
		}
		if it, ok := s.live(kind, key); ok && key > after {
			out = append(out, copied(it))
		}
	}
	return out, nil
}

// Commit makes all writes, or none.
func (s *Store) Commit(ctx context.Context, writes ...store.Write) error {
	if err := store.ValidateCommit(writes); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	versions := make([]uint64, len(writes))
	for i, w := range writes {
		if it, ok := s.live(w.Kind, w.Key); ok {
			versions[i] = it.Version
		}
		if err := w.Check(versions[i]); err != nil {
			return err
		}
	}
	for i, w := range writes {
		s.write(w, versions[i])
	}
	return nil
}

func (s *Store) write(w store.Write, version uint64) {
	t := s.kinds[w.Kind]
	if t == nil {
		t = &table{items: map[string]store.Item{}}
		s.kinds[w.Kind] = t
	}
	at, known := slices.BinarySearch(t.keys, w.Key)
	if w.Delete {
		if known {
			t.keys = slices.Delete(t.keys, at, at+1)
			delete(t.items, w.Key)
		}
		return
	}
	if !known {
		t.keys = slices.Insert(t.keys, at, strings.Clone(w.Key))
	}
	it := copied(w.Item)
	it.Version = version + 1
	if !it.Expires.IsZero() {
		it.Expires = it.Expires.UTC().Truncate(time.Millisecond)
	}
	t.items[w.Key] = it
}

func copied(it store.Item) store.Item {
	it.Body = bytes.Clone(it.Body)
	return it
}

// Kinds lists the kinds that were ever written.
func (s *Store) Kinds(ctx context.Context) ([]string, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.kinds)), nil
}

// Close ends the store; what it held is gone.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.kinds = true, nil
	return nil
}
