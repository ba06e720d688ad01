// Package storetest is what every engine of store.Store has to pass: Run with
// a function that opens one.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taskwarden/store"
)

// Open returns a store that judges expiry by now. It is called once a subtest;
// the store need not be empty, since each subtest uses a kind that no other
// one uses. The function closes the store with t.Cleanup.
type Open func(t *testing.T, now func() time.Time) store.Store

// Run tests the engine that open opens. The clock it hands out begins at the
// present, so an engine that removes items by real time (DynamoDB's TTL)
// removes none early, and moves forwards only.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	t.Helper()
	RunBut(t, nil, open)
}

// RunBut is Run without the tests that are named, each with the reason why the
// engine's peer cannot pass it. A name that is no test's fails.
func RunBut(t *testing.T, but map[string]string, open func(t *testing.T, now func() time.Time) store.Store) {
	t.Helper()
	tests := []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"item round trip", testRoundTrip},
		{"versions", testVersions},
		{"conditions", testConditions},
		{"first conflict in order is named", testFirstConflict},
		{"all or none", testAllOrNone},
		{"delete", testDelete},
		{"invalid calls", testInvalid},
		{"limits", testLimits},
		{"copies", testCopies},
		{"order and prefix", testOrder},
		{"paging", testPaging},
		{"all", testAll},
		{"kinds are apart", testKinds},
		{"kinds are listed", testListed},
		{"expiry", testExpiry},
		{"expired is absent for conditions", testExpiredConditions},
		{"increments from many goroutines", testIncrements},
		{"commits from many goroutines are whole", testWhole},
		{"ended context", testContext},
		{"closed", testClosed},
		{"model", testModel},
	}
	left := len(but)
	for i, tt := range tests {
		if why := but[tt.name]; why != "" {
			left--
			t.Logf("without %q: %s", tt.name, why)
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			c := &clock{now: time.Now().Truncate(time.Millisecond)}
			b := &bench{Store: open(t, c.Now), clock: c}
			b.kind = "conform-" + letters(i) + "-" + letters(int(time.Now().UnixNano()))
			tt.test(t, b)
		})
	}
	if left != 0 {
		t.Errorf("of the tests to leave out, %d do not exist: %v", left, but)
	}
}

// letters writes a number with the letters that a kind may have.
func letters(n int) string {
	out := []byte{}
	for {
		out = append(out, byte('a'+n%26))
		if n /= 26; n == 0 {
			return string(out)
		}
	}
}

// clock is a hand-moved clock.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is a store under test, its clock, and a kind of its own.
type bench struct {
	store.Store
	clock *clock
	kind  string
}

// put is a write of the bench's kind.
func (b *bench) put(key, body string, If store.Condition, version uint64) store.Write {
	return store.Write{Item: store.Item{Kind: b.kind, Key: key, Body: []byte(body), Version: version}, If: If}
}

func (b *bench) del(key string, If store.Condition, version uint64) store.Write {
	return store.Write{Item: store.Item{Kind: b.kind, Key: key, Version: version}, If: If, Delete: true}
}

func (b *bench) commit(t testing.TB, writes ...store.Write) {
	t.Helper()
	if err := b.Commit(t.Context(), writes...); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// wantItem demands the version and body of a key; version 0: that it is absent.
func (b *bench) wantItem(t testing.TB, key string, version uint64, body string) {
	t.Helper()
	got, err := b.Get(t.Context(), b.kind, key)
	if version == 0 {
		if !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("get %q: got %+v, error %v, want ErrNotFound", key, got, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	want := store.Item{Kind: b.kind, Key: key, Version: version, Body: []byte(body)}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("get %q (-want +got):\n%s", key, diff)
	}
}

// wantConflict demands that the commit fails by the conflict.
func (b *bench) wantConflict(t testing.TB, want store.Conflict, writes ...store.Write) {
	t.Helper()
	want.Kind = b.kind
	err := b.Commit(t.Context(), writes...)
	var got *store.Conflict
	if !errors.As(err, &got) || !errors.Is(err, store.ErrConflict) {
		t.Fatalf("commit: error %v, want conflict %+v", err, want)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Fatalf("conflict (-want +got):\n%s", diff)
	}
}

// keys returns the keys that a Range gives.
func (b *bench) keys(t testing.TB, prefix, after string, limit int) []string {
	t.Helper()
	items, err := b.Range(t.Context(), b.kind, prefix, after, limit)
	if err != nil {
		t.Fatalf("range %q after %q: %v", prefix, after, err)
	}
	keys := []string{}
	for _, it := range items {
		keys = append(keys, it.Key)
	}
	return keys
}

// fill puts n keys "<prefix>0000"… in commits of at most MaxItems, and returns
// them in order.
func (b *bench) fill(t testing.TB, prefix string, n int) []string {
	t.Helper()
	keys := make([]string, n)
	var writes []store.Write
	for i := range n {
		keys[i] = fmt.Sprintf("%s%04d", prefix, i)
		writes = append(writes, b.put(keys[i], keys[i], store.Any, 0))
		if len(writes) == store.MaxItems || i == n-1 {
			b.commit(t, writes...)
			writes = nil
		}
	}
	return keys
}

func canceled(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
