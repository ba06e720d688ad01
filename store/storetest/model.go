package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"taskwarden/store"
)

// model is a store in a map, the plainest reading of the interface.
type model map[string]store.Item

func (m model) live(key string, now time.Time) (store.Item, bool) {
	it, ok := m[key]
	return it, ok && (it.Expires.IsZero() || now.Before(it.Expires))
}

// commit returns the conflict that the store has to report.
func (m model) commit(now time.Time, writes []store.Write) *store.Conflict {
	for _, w := range writes {
		it, there := m.live(w.Key, now)
		switch {
		case w.If == store.Absent && there:
			return &store.Conflict{Kind: w.Kind, Key: w.Key, If: w.If, Found: it.Version}
		case w.If == store.IfVersion && !there:
			return &store.Conflict{Kind: w.Kind, Key: w.Key, If: w.If, Want: w.Version}
		case w.If == store.IfVersion && w.Version != it.Version:
			return &store.Conflict{Kind: w.Kind, Key: w.Key, If: w.If, Want: w.Version, Found: it.Version}
		}
	}
	for _, w := range writes {
		old, there := m.live(w.Key, now)
		if delete(m, w.Key); w.Delete {
			continue
		}
		it := w.Item
		it.Version = 1
		if there {
			it.Version = old.Version + 1
		}
		m[w.Key] = it
	}
	return nil
}

func (m model) scan(now time.Time, prefix, after string, limit int) []store.Item {
	var out []store.Item
	for _, key := range slices.Sorted(maps.Keys(m)) {
		it, there := m.live(key, now)
		if there && strings.HasPrefix(key, prefix) && key > after && len(out) < limit {
			out = append(out, it)
		}
	}
	return out
}

// machine runs the engine beside the model.
type machine struct {
	*bench
	model model
}

var (
	someKey    = rapid.SampledFrom([]string{"a", "a/", "a/1", "a/2", "b", "\x00", "\xff", "\xff\xff"})
	somePrefix = rapid.SampledFrom([]string{"", "a", "a/", "b", "c", "\xff"})
)

func (m *machine) draw(t *rapid.T, key string) store.Write {
	w := m.put(key, "", store.Condition(rapid.IntRange(0, 2).Draw(t, "if")), 0)
	w.Body = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body")
	w.Delete = rapid.IntRange(0, 3).Draw(t, "delete") == 0
	if w.If == store.IfVersion {
		// The version that is there, more often than another one.
		w.Version = m.model[key].Version + uint64(max(0, rapid.IntRange(-3, 1).Draw(t, "off")))
		w.Version = max(1, w.Version)
	}
	if !w.Delete && rapid.Bool().Draw(t, "expires?") {
		w.Expires = m.clock.Now().Add(time.Duration(rapid.IntRange(-1, 5).Draw(t, "expires")) * time.Second).UTC()
	}
	return w
}

// Write commits one to four drawn writes.
func (m *machine) Write(t *rapid.T) {
	var writes []store.Write
	for _, key := range rapid.SliceOfNDistinct(someKey, 1, 4, rapid.ID).Draw(t, "keys") {
		writes = append(writes, m.draw(t, key))
	}
	err := m.Store.Commit(t.Context(), writes...)
	want := m.model.commit(m.clock.Now(), writes)
	if want == nil {
		if err != nil {
			t.Fatalf("commit: %v", err)
		}
		return
	}
	var got *store.Conflict
	if !errors.As(err, &got) {
		t.Fatalf("commit: error %v, want %v", err, want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("conflict (-want +got):\n%s", diff)
	}
}

func (m *machine) Read(t *rapid.T) {
	key := someKey.Draw(t, "key")
	got, err := m.Store.Get(t.Context(), m.kind, key)
	want, there := m.model.live(key, m.clock.Now())
	if !there {
		if !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("get %q: error %v, want ErrNotFound", key, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("get %q (-want +got):\n%s", key, diff)
	}
}

func (m *machine) Page(t *rapid.T) {
	prefix, after := somePrefix.Draw(t, "prefix"), ""
	if rapid.Bool().Draw(t, "after?") {
		after = someKey.Draw(t, "after")
	}
	m.wantRange(t, prefix, after, rapid.IntRange(1, 5).Draw(t, "limit"))
}

func (m *machine) Wait(t *rapid.T) {
	m.clock.advance(time.Duration(rapid.IntRange(1, 2500).Draw(t, "ms")) * time.Millisecond)
}

// Check runs after each of the actions above.
func (m *machine) Check(t *rapid.T) { m.wantRange(t, "", "", 100) }

func (m *machine) wantRange(t *rapid.T, prefix, after string, limit int) {
	got, err := m.Store.Range(t.Context(), m.kind, prefix, after, limit)
	if err != nil {
		t.Fatalf("range: %v", err)
	}
	want := m.model.scan(m.clock.Now(), prefix, after, limit)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("range %q after %q limit %d (-want +got):\n%s", prefix, after, limit, diff)
	}
}

// testModel draws calls and compares each answer with the model's. A run has a
// kind of its own, so that one store serves all runs.
func testModel(t *testing.T, b *bench) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		own := &bench{Store: b.Store, clock: b.clock, kind: fmt.Sprintf("%s-%s", b.kind, letters(run))}
		m := &machine{bench: own, model: model{}}
		rt.Repeat(map[string]func(*rapid.T){
			"write": m.Write, "write again": m.Write, "read": m.Read, "page": m.Page, "wait": m.Wait, "": m.Check,
		})
	})
}
