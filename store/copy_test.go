package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taskwarden/store"
	"taskwarden/store/memory"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// contents is every live item, versions left out: they begin again in a copy.
func contents(t testing.TB, s store.Store) (out []store.Item) {
	t.Helper()
	kinds, err := s.Kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		for it, err := range store.All(t.Context(), s, kind, "") {
			if err != nil {
				t.Fatal(err)
			}
			it.Version = 0
			if sum := sha256.Sum256(it.Body); len(it.Body) > 1000 {
				it.Body = sum[:] // a difference shows all the same, and is found sooner
			}
			out = append(out, it)
		}
	}
	return out
}

func filled(t testing.TB) store.Store {
	t.Helper()
	s := memory.New(at(noon))
	var writes []store.Write
	put := func(it store.Item) {
		if writes = append(writes, store.Write{Item: it}); len(writes) == store.MaxItems {
			if err := s.Commit(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}
			writes = nil
		}
	}
	for i := range 350 {
		put(store.Item{Kind: "stop", Key: fmt.Sprintf("k/%03d", i), Body: []byte(strings.Repeat("x", i)), Expires: noon.Add(time.Duration(i) * time.Hour)})
	}
	for i := range 13 {
		put(store.Item{Kind: "large", Key: fmt.Sprintf("\xff%d", i), Body: make([]byte, store.MaxBody)})
		if i%5 == 0 {
			if err := s.Commit(t.Context(), writes...); err != nil {
				t.Fatal(err)
			}
			writes = nil
		}
	}
	put(store.Item{Kind: "empty", Key: "\x00"})
	if err := s.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCopy(t *testing.T) {
	from, to := filled(t), memory.New(at(noon))
	told := 0
	done, err := store.Copy{From: from, To: to, Name: "a", Now: at(noon), Progress: func(store.Copied) { told++ }}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := contents(t, from)
	if diff := cmp.Diff(want, contents(t, to), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if done.Items != len(want) || done.Compared != len(want) || done.Bytes < 13*store.MaxBody || told < 7 {
		t.Errorf("%+v after %d commits, want %d items", done, told, len(want))
	}
	if err := store.Whole(t.Context(), to); err != nil {
		t.Error(err)
	}
	if _, err := (store.Copy{From: to, To: memory.New(at(noon)), Name: "to", Now: at(noon)}).Run(t.Context()); err != nil {
		t.Errorf("copy of a copy: %v", err)
	}
	if _, err := (store.Copy{From: from, To: to, Name: "a"}).Run(t.Context()); !errors.Is(err, store.ErrNotEmpty) {
		t.Errorf("copy into a full store: error %v, want ErrNotEmpty", err)
	}
}

// breaking fails after some commits, each of which took place.
type breaking struct {
	store.Store
	left int
}

var errBroken = errors.New("the cable was pulled")

func (b *breaking) Commit(ctx context.Context, w ...store.Write) error {
	if err := b.Store.Commit(ctx, w...); err != nil {
		return err
	}
	if b.left--; b.left < 0 {
		return errBroken
	}
	return nil
}

// TestCopyIsRepeated interrupts a copy after each of its commits: no controller may start on what is left, and the same copy
// made again is whole, whatever happened to the source in between.
func TestCopyIsRepeated(t *testing.T) {
	for left := range 8 {
		from, to := filled(t), memory.New(at(noon))
		c := store.Copy{From: from, To: &breaking{to, left}, Name: "a", Now: at(noon)}
		if _, err := c.Run(t.Context()); !errors.Is(err, errBroken) {
			t.Fatalf("error %v", err)
		}
		if err := store.Whole(t.Context(), to); !errors.Is(err, store.ErrHalfCopied) || !strings.Contains(err.Error(), "from a") {
			t.Fatalf("whole after an interruption: %v", err)
		}
		if _, err := (store.Copy{From: from, To: to, Name: "b", Now: at(noon)}).Run(t.Context()); !errors.Is(err, store.ErrHalfCopied) {
			t.Fatalf("copy from elsewhere over an interrupted one: %v", err)
		}
		if _, err := (store.Copy{From: to, To: memory.New(at(noon)), Name: "to"}).Run(t.Context()); !errors.Is(err, store.ErrHalfCopied) {
			t.Fatalf("copy of an interrupted one: %v", err)
		}
		gone := store.Write{Item: store.Item{Kind: "large", Key: "\xff0"}, Delete: true}
		if err := from.Commit(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if _, err := (store.Copy{From: from, To: to, Name: "a", Now: at(noon)}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, from), contents(t, to), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	}
}

// altering changes what is written, as a broken engine would.
type altering struct {
	store.Store
	alter func(store.Write) (store.Write, bool)
}

func (a altering) Commit(ctx context.Context, writes ...store.Write) error {
	var out []store.Write
	for _, w := range writes {
		if w, keep := a.alter(w); keep {
			out = append(out, w)
		}
	}
	return a.Store.Commit(ctx, out...)
}

func TestCopyIsCompared(t *testing.T) {
	for want, alter := range map[string]func(*store.Write) bool{
		`stop "k/007" is missing`: func(w *store.Write) bool { return w.Key != "k/007" },
		`stop "k/349" is missing`: func(w *store.Write) bool { return w.Key != "k/349" },
		`stop "k/008" differs`: func(w *store.Write) bool {
			if w.Key == "k/008" {
				w.Expires = w.Expires.Add(time.Second)
			}
			return true
		},
		`stop "k/009" differs`: func(w *store.Write) bool {
			if w.Key == "k/009" {
				w.Body = []byte("other")
			}
			return true
		},
		`stop "z" is in the copy and not in a`: func(w *store.Write) bool {
			if w.Key == "k/010" {
				w.Key = "z"
			}
			return true
		},
	} {
		from, to := filled(t), memory.New(at(noon))
		c := store.Copy{From: from, To: altering{to, func(w store.Write) (store.Write, bool) { keep := alter(&w); return w, keep }}, Name: "a", Now: at(noon)}
		if _, err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), `stop "k/010" is missing`) {
			t.Errorf("error %v does not say %q", err, want)
		}
		if err := store.Whole(t.Context(), to); !errors.Is(err, store.ErrHalfCopied) {
			t.Errorf("a copy that differs is whole: %v", err)
		}
	}
}

// TestCopyWhileItemsExpire: what expires while the copy runs is no difference.
func TestCopyWhileItemsExpire(t *testing.T) {
	now := noon
	clock := func() time.Time { return now }
	from, to := memory.New(clock), memory.New(clock)
	for i := range 250 {
		it := store.Item{Kind: "stop", Key: fmt.Sprint(i), Expires: noon.Add(time.Duration(i+1) * time.Second)}
		if err := from.Commit(t.Context(), store.Write{Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	slow := store.Copy{From: from, To: to, Name: "a", Now: clock, Progress: func(store.Copied) { now = now.Add(20 * time.Second) }}
	done, err := slow.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done.Compared >= done.Items || done.Compared < 100 {
		t.Errorf("%+v", done)
	}
}
