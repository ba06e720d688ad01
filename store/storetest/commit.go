package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/store"
)

func testRoundTrip(t *testing.T, b *bench) {
	at := b.clock.Now().Add(time.Hour)
	bodies := map[string][]byte{
		"empty":                                  {},
		"one zero":                               {0},
		"every byte":                             bytes.Repeat([]byte{0, 1, 0x7f, 0x80, 0xff}, 100),
		"the largest":                            bytes.Repeat([]byte("x"), store.MaxBody),
		"\x00\xff\xfe not UTF-8":                 []byte("odd key"),
		strings.Repeat("\xff", store.MaxKey):     []byte("longest key"),
		"arn:aws:ecs:eu-central-1:1:task/c/0123": []byte("plain"),
	}
	for key, body := range bodies {
		// In another zone and finer than the store keeps.
		in := store.Item{Kind: b.kind, Key: key, Body: body, Version: 77,
			Expires: at.Add(999 * time.Microsecond).In(time.FixedZone("", 7200))}
		b.commit(t, store.Write{Item: in})
		got, err := b.Get(t.Context(), b.kind, key)
		if err != nil {
			t.Fatalf("%.20q: %v", key, err)
		}
		if got.Kind != b.kind || got.Key != key || got.Version != 1 || !bytes.Equal(got.Body, body) {
			t.Fatalf("%.20q: got version %d, %d bytes under %.20q", key, got.Version, len(got.Body), got.Key)
		}
		if !got.Expires.Equal(at) || got.Expires.Location() != time.UTC {
			t.Fatalf("%.20q: expires %v, want %v in UTC", key, got.Expires, at)
		}
		page, err := b.Range(t.Context(), b.kind, key, "", 1)
		if err != nil || len(page) != 1 {
			t.Fatalf("%.20q: range gives %d items, error %v", key, len(page), err)
		}
		if diff := cmp.Diff(got, page[0]); diff != "" {
			t.Fatalf("%.20q: get and range differ:\n%s", key, diff)
		}
	}
	b.commit(t, store.Write{Item: store.Item{Kind: b.kind, Key: "never"}})
	got, err := b.Get(t.Context(), b.kind, "never")
	if err != nil || !got.Expires.IsZero() {
		t.Fatalf("no expiry: %v, error %v", got.Expires, err)
	}
}

func testVersions(t *testing.T, b *bench) {
	b.wantItem(t, "k", 0, "")
	b.commit(t, b.put("k", "a", store.Absent, 0))
	b.wantItem(t, "k", 1, "a")
	b.commit(t, b.put("k", "b", store.Any, 0))
	b.wantItem(t, "k", 2, "b")
	b.commit(t, b.put("k", "b", store.IfVersion, 2)) // the same body counts too
	b.wantItem(t, "k", 3, "b")
	b.commit(t, b.put("k", "c", store.Any, 99)) // Version is no operand of Any
	b.wantItem(t, "k", 4, "c")
	b.commit(t, b.del("k", store.IfVersion, 4))
	b.wantItem(t, "k", 0, "")
	b.commit(t, b.put("k", "d", store.Any, 0))
	b.wantItem(t, "k", 1, "d")
}

func testConditions(t *testing.T, b *bench) {
	b.commit(t, b.put("there", "a", store.Any, 0))
	b.commit(t, b.put("there", "a", store.Any, 0))
	tests := []struct {
		write store.Write
		want  *store.Conflict
	}{
		{b.put("there", "x", store.Absent, 0), &store.Conflict{If: store.Absent, Found: 2}},
		{b.put("there", "x", store.IfVersion, 1), &store.Conflict{If: store.IfVersion, Want: 1, Found: 2}},
		{b.put("there", "x", store.IfVersion, 3), &store.Conflict{If: store.IfVersion, Want: 3, Found: 2}},
		{b.put("gone", "x", store.IfVersion, 1), &store.Conflict{If: store.IfVersion, Want: 1}},
		{b.del("there", store.Absent, 0), &store.Conflict{If: store.Absent, Found: 2}},
		{b.del("there", store.IfVersion, 1), &store.Conflict{If: store.IfVersion, Want: 1, Found: 2}},
		{b.del("gone", store.IfVersion, 1), &store.Conflict{If: store.IfVersion, Want: 1}},
		{b.del("gone", store.Absent, 0), nil},
		{b.del("gone", store.Any, 0), nil},
	}
	for _, tt := range tests {
		if tt.want == nil {
			b.commit(t, tt.write)
		} else {
			tt.want.Key = tt.write.Key
			b.wantConflict(t, *tt.want, tt.write)
		}
		b.wantItem(t, "there", 2, "a")
		b.wantItem(t, "gone", 0, "")
	}
}

func testFirstConflict(t *testing.T, b *bench) {
	b.commit(t, b.put("m", "", store.Any, 0))
	fine, late, early := b.put("k", "", store.Any, 0), b.put("m", "", store.Absent, 0), b.put("a", "", store.IfVersion, 5)
	b.wantConflict(t, store.Conflict{Key: "m", If: store.Absent, Found: 1}, fine, late, early)
	b.wantConflict(t, store.Conflict{Key: "a", If: store.IfVersion, Want: 5}, fine, early, late)
}

func testAllOrNone(t *testing.T, b *bench) {
	b.commit(t, b.put("old", "a", store.Any, 0), b.put("doomed", "a", store.Any, 0))
	change := []store.Write{
		b.put("new", "b", store.Absent, 0), b.put("old", "b", store.IfVersion, 1), b.del("doomed", store.Any, 0),
	}
	for at := range len(change) + 1 { // the failing one in each place
		writes := append(append(append([]store.Write{}, change[:at]...), b.put("no", "", store.IfVersion, 1)), change[at:]...)
		b.wantConflict(t, store.Conflict{Key: "no", If: store.IfVersion, Want: 1}, writes...)
		b.wantItem(t, "new", 0, "")
		b.wantItem(t, "old", 1, "a")
		b.wantItem(t, "doomed", 1, "a")
	}
	b.commit(t, change...)
	b.wantItem(t, "new", 1, "b")
	b.wantItem(t, "old", 2, "b")
	b.wantItem(t, "doomed", 0, "")
}

func testDelete(t *testing.T, b *bench) {
	b.commit(t, b.put("a", "1", store.Any, 0), b.put("b", "1", store.Any, 0))
	over := b.del("a", store.Any, 0)
	over.Body, over.Expires = make([]byte, store.MaxBody+1), time.Unix(-1, 0) // not used
	b.commit(t, over)
	b.wantItem(t, "a", 0, "")
	if diff := cmp.Diff([]string{"b"}, b.keys(t, "", "", 0)); diff != "" {
		t.Fatal(diff)
	}
}

func testInvalid(t *testing.T, b *bench) {
	ctx := t.Context()
	named := func(kind, key string) store.Write { return store.Write{Item: store.Item{Kind: kind, Key: key}} }
	odd := b.put("k", "", store.Condition(9), 0)
	old := b.put("k", "", store.Any, 0)
	old.Expires = time.Unix(-5, 0)
	calls := map[string]func() error{
		"no kind":          func() error { return b.Commit(ctx, named("", "k")) },
		"kind of capitals": func() error { return b.Commit(ctx, named("Stop", "k")) },
		"kind with _":      func() error { return b.Commit(ctx, named("_expires", "k")) },
		"long kind":        func() error { return b.Commit(ctx, named(strings.Repeat("k", store.MaxKind+1), "k")) },
		"no key":           func() error { return b.Commit(ctx, named(b.kind, "")) },
		"long key":         func() error { return b.Commit(ctx, named(b.kind, strings.Repeat("k", store.MaxKey+1))) },
		"version 0":        func() error { return b.Commit(ctx, b.put("k", "", store.IfVersion, 0)) },
		"condition":        func() error { return b.Commit(ctx, odd) },
		"expiry":           func() error { return b.Commit(ctx, old) },
		"twice": func() error {
			return b.Commit(ctx, b.put("k", "", store.Any, 0), b.put("l", "", store.Any, 0), b.del("k", store.Any, 0))
		},
		"get without kind": func() error { _, err := b.Get(ctx, "", "k"); return err },
		"get without key":  func() error { _, err := b.Get(ctx, b.kind, ""); return err },
		"range of a kind":  func() error { _, err := b.Range(ctx, "_store", "", "", 0); return err },
		"range below 0":    func() error { _, err := b.Range(ctx, b.kind, "", "", -1); return err },
		"range prefix": func() error {
			_, err := b.Range(ctx, b.kind, strings.Repeat("k", store.MaxKey+1), "", 0)
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: error %v, want ErrInvalid", name, err)
		}
	}
	if got := b.keys(t, "", "", 0); len(got) != 0 {
		t.Errorf("an invalid commit left %q", got)
	}
	if err := b.Commit(ctx); err != nil {
		t.Errorf("commit of nothing: %v", err)
	}
}

func testLimits(t *testing.T, b *bench) {
	many := make([]store.Write, store.MaxItems+1)
	for i := range many {
		many[i] = b.put(fmt.Sprintf("many%03d", i), "", store.Absent, 0)
	}
	// Bodies that fill a commit to the last byte it may have.
	var heavy []store.Write
	for left := store.MaxBytes; left > 0; {
		w := b.put(fmt.Sprintf("heavy%03d", len(heavy)), "", store.Absent, 0)
		w.Body = make([]byte, min(store.MaxBody, left-w.Size()))
		left -= w.Size()
		heavy = append(heavy, w)
	}
	over := append([]store.Write{}, heavy...)
	last := &over[len(over)-1]
	last.Body = append(make([]byte, 0, len(last.Body)+1), make([]byte, len(last.Body)+1)...)
	big := b.put("big", "", store.Any, 0)
	big.Body = make([]byte, store.MaxBody+1)

	for name, writes := range map[string][]store.Write{"items": many, "bytes": over, "body": {big}} {
		if err := b.Commit(t.Context(), writes...); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("too many %s: error %v, want ErrTooLarge", name, err)
		}
	}
	if got := b.keys(t, "", "", 0); len(got) != 0 {
		t.Errorf("a commit over its limit left %q", got)
	}
	b.commit(t, many[1:]...)
	b.commit(t, heavy...)
	if got, want := len(b.keys(t, "", "", 0)), store.MaxItems+len(heavy); got != want {
		t.Errorf("%d items at the limits, want %d", got, want)
	}
}

func testCopies(t *testing.T, b *bench) {
	b.fill(t, "m", 300) // an engine may keep a small kind in other memory
	body := []byte("given")
	b.commit(t, store.Write{Item: store.Item{Kind: b.kind, Key: "k", Body: body}})
	copy(body, "XXXXX")
	b.wantItem(t, "k", 1, "given")
	got, err := b.Get(t.Context(), b.kind, "k")
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.Range(t.Context(), b.kind, "k", "", 1)
	if err != nil || len(page) != 1 {
		t.Fatalf("range: %d items, error %v", len(page), err)
	}
	copy(got.Body, "YYYYY")
	copy(page[0].Body, "ZZZZZ")
	b.wantItem(t, "k", 1, "given")
	// What was read stays as it was when its place is written over.
	b.commit(t, b.put("k", strings.Repeat("w", 5), store.Any, 0))
	b.commit(t, b.del("k", store.Any, 0))
	b.fill(t, "other", 300)
	if string(got.Body) != "YYYYY" || string(page[0].Body) != "ZZZZZ" || page[0].Key != "k" {
		t.Fatalf("an item changed after it was read: %q, %q %q", got.Body, page[0].Key, page[0].Body)
	}
}
