package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/store"
)

// The keys of the tests of order, in bytewise order.
var ordered = []string{
	"\x00", "\x00\x00", "A", "a", "a\x00", "a/", "a/1", "a/10", "a/2", "a0", "aé", "b",
	"\x7f", "\x80", "é", "\xff", "\xff\x00", "\xff\xfe", "\xff\xff", "\xff\xff\xff",
}

func testOrder(t *testing.T, b *bench) {
	if got := b.keys(t, "", "", 0); len(got) != 0 {
		t.Fatalf("a kind never written has %q", got)
	}
	for i := range ordered { // stored in another order
		b.commit(t, b.put(ordered[(i*7)%len(ordered)], "v", store.Any, 0))
	}
	bounds := append([]string{"", "zzz", "a/3", "\xff\xff\xff\xff", strings.Repeat("\xff", store.MaxKey)}, ordered...)
	for _, prefix := range bounds {
		for _, after := range bounds {
			want := []string{}
			for _, key := range ordered {
				if strings.HasPrefix(key, prefix) && key > after {
					want = append(want, key)
				}
			}
			if diff := cmp.Diff(want, b.keys(t, prefix, after, 0)); diff != "" {
				t.Fatalf("prefix %q after %q (-want +got):\n%s", prefix, after, diff)
			}
			first := want[:min(2, len(want))]
			if diff := cmp.Diff(first, b.keys(t, prefix, after, 2)); diff != "" {
				t.Fatalf("prefix %q after %q limit 2 (-want +got):\n%s", prefix, after, diff)
			}
		}
	}
}

func testPaging(t *testing.T, b *bench) {
	want := b.fill(t, "p/", 25)
	b.fill(t, "o/", 3)
	b.fill(t, "q/", 3)
	for _, limit := range []int{1, 4, 5, 24, 25, 26, 1000} {
		var got []string
		for after := ""; ; {
			page := b.keys(t, "p/", after, limit)
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func testAll(t *testing.T, b *bench) {
	want := b.fill(t, "a/", store.DefaultLimit+7)
	b.fill(t, "b/", 2)
	if got := b.keys(t, "", "", 0); len(got) != store.DefaultLimit {
		t.Errorf("a range without limit gives %d items, want %d", len(got), store.DefaultLimit)
	}
	var got []string
	for item, err := range store.All(t.Context(), b, b.kind, "a/") {
		if err != nil {
			t.Fatal(err)
		}
		if string(item.Body) != item.Key {
			t.Fatalf("%q has body %q", item.Key, item.Body)
		}
		got = append(got, item.Key)
	}
	if !slices.Equal(want, got) {
		t.Errorf("all gives %d items, want %d in order", len(got), len(want))
	}
	for item, err := range store.All(t.Context(), b, b.kind, "a/") { // may be left early
		if err != nil || item.Key != want[0] {
			t.Errorf("first of all: %q, error %v", item.Key, err)
		}
		break
	}
	errs := 0
	for item, err := range store.All(canceled(t), b, b.kind, "") {
		if err == nil || item.Key != "" {
			t.Errorf("all with an ended context yields %q, error %v", item.Key, err)
		}
		errs++
	}
	if errs != 1 {
		t.Errorf("%d errors, want 1", errs)
	}
}

func testKinds(t *testing.T, b *bench) {
	longer := *b
	longer.kind += "-x"
	b.commit(t, b.put("k", "mine", store.Any, 0), longer.put("k", "theirs", store.Any, 0), longer.put("l", "theirs", store.Any, 0))
	b.commit(t, b.del("k", store.Any, 0))
	b.wantItem(t, "k", 0, "")
	longer.wantItem(t, "k", 1, "theirs")
	if diff := cmp.Diff([]string{}, b.keys(t, "", "", 0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"k", "l"}, longer.keys(t, "", "", 0)); diff != "" {
		t.Error(diff)
	}
	longer.wantConflict(t, store.Conflict{Key: "k", If: store.Absent, Found: 1}, b.put("k", "", store.Absent, 0), longer.put("k", "", store.Absent, 0))
}

func testListed(t *testing.T, b *bench) {
	kinds := []string{b.kind + "-a", b.kind + "-b", b.kind + "-c"}
	for _, kind := range []string{kinds[2], kinds[0], kinds[1]} {
		w := b.put("k", "v", store.Any, 0)
		w.Kind = kind
		b.commit(t, w)
	}
	got, err := b.Kinds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(got) {
		t.Errorf("kinds are not in order: %q", got)
	}
	got = slices.DeleteFunc(got, func(k string) bool { return !strings.HasPrefix(k, b.kind+"-") }) // others' tests may share the store
	if diff := cmp.Diff(kinds, got); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if _, err := b.Kinds(canceled(t)); err == nil {
		t.Error("kinds with an ended context: no error")
	}
}

// expiring is a write that expires d from now.
func (b *bench) expiring(key string, d time.Duration) store.Write {
	w := b.put(key, key, store.Any, 0)
	w.Expires = b.clock.Now().Add(d)
	return w
}

func testExpiry(t *testing.T, b *bench) {
	start := b.clock.Now()
	b.commit(t, b.put("c never", "", store.Any, 0), b.expiring("a second", time.Second),
		b.expiring("b hour", time.Hour), b.expiring("d past", -time.Hour), b.expiring("e now", 0))
	steps := []struct {
		at   time.Duration
		want []string
	}{
		{0, []string{"a second", "b hour", "c never"}},
		{time.Second - time.Millisecond, []string{"a second", "b hour", "c never"}},
		{time.Second, []string{"b hour", "c never"}},
		{time.Hour - time.Millisecond, []string{"b hour", "c never"}},
		{time.Hour, []string{"c never"}},
		{1000 * time.Hour, []string{"c never"}},
	}
	for _, step := range steps {
		b.clock.advance(start.Add(step.at).Sub(b.clock.Now()))
		if diff := cmp.Diff(step.want, b.keys(t, "", "", 0)); diff != "" {
			t.Fatalf("at %v (-want +got):\n%s", step.at, diff)
		}
		for _, key := range []string{"a second", "b hour", "c never", "d past", "e now"} {
			_, err := b.Get(t.Context(), b.kind, key)
			if there := !errors.Is(err, store.ErrNotFound); there != slices.Contains(step.want, key) {
				t.Fatalf("at %v get %q: error %v", step.at, key, err)
			}
		}
	}
	// Expired items do not take places in a page.
	for i := range 50 {
		b.commit(t, b.expiring(fmt.Sprintf("f%02d", i), time.Minute))
	}
	b.commit(t, b.put("g1", "", store.Any, 0), b.put("g2", "", store.Any, 0))
	b.clock.advance(time.Hour)
	if diff := cmp.Diff([]string{"c never", "g1"}, b.keys(t, "", "", 2)); diff != "" {
		t.Errorf("page over expired items (-want +got):\n%s", diff)
	}
}

func testExpiredConditions(t *testing.T, b *bench) {
	for _, key := range []string{"absent", "any", "put", "delete", "longer", "for ever"} {
		b.commit(t, b.expiring(key, time.Minute))
		b.commit(t, b.expiring(key, time.Minute))
	}
	b.commit(t, b.expiring("longer", time.Hour), b.put("for ever", "v", store.Any, 0)) // a later write decides
	b.clock.advance(2 * time.Minute)
	if diff := cmp.Diff([]string{"for ever", "longer"}, b.keys(t, "", "", 0)); diff != "" {
		t.Errorf("after the first expiry (-want +got):\n%s", diff)
	}
	b.wantConflict(t, store.Conflict{Key: "put", If: store.IfVersion, Want: 2}, b.put("put", "", store.IfVersion, 2))
	b.wantConflict(t, store.Conflict{Key: "delete", If: store.IfVersion, Want: 2}, b.del("delete", store.IfVersion, 2))
	b.commit(t, b.put("absent", "new", store.Absent, 0), b.put("any", "new", store.Any, 0), b.del("put", store.Absent, 0))
	b.clock.advance(1000 * time.Hour) // the old expiry is gone with the old item
	b.wantItem(t, "absent", 1, "new")
	b.wantItem(t, "any", 1, "new")
	b.wantItem(t, "put", 0, "")
	b.wantItem(t, "for ever", 3, "v")
}
