package dynamodb

import (
	"errors"
	"testing"
	"time"

	"taskwarden/store"
	"taskwarden/store/lease"
	"taskwarden/test/faulty"
	"taskwarden/test/peer"
)

// TestLease hands a table on between processes, on Amazon's own emulator and real time, with a short lease.
func TestLease(t *testing.T) {
	url := peer.DynamoDBLocal(t)
	peer.Table(t, url, "taskwarden")
	short := func(holder string) lease.Options {
		return lease.Options{ID: "c", Holder: holder, Lasts: 2 * time.Second, Poll: 100 * time.Millisecond, Settle: 300 * time.Millisecond}
	}
	open := func(c *faulty.Way) *Table {
		cfg := peer.Config(url)
		cfg.HTTPClient = c
		table, err := Open(t.Context(), cfg, "taskwarden", Options{})
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	own := func(table *Table, holder string) *Store {
		s, err := table.Own(t.Context(), short(holder))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wire := &faulty.Way{}
	tableA, tableB := open(wire), open(&faulty.Way{})
	a := own(tableA, "a")
	if err := a.Commit(t.Context(), put("k", "a", store.Any, 0)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // longer than the lease lasts: it is being renewed
	if _, err := tableB.Own(t.Context(), lease.Options{ID: "c", Holder: "copy", NoWait: true, Poll: 100 * time.Millisecond}); !errors.Is(err, lease.ErrHeld) {
		t.Fatalf("error %v, want ErrHeld", err)
	}
	wire.Set(func(faulty.Call) faulty.Fate {
		return faulty.Fate{Answer: faulty.Exception("ServiceUnavailable", "cut")}
	})
	start := time.Now()
	b := own(tableB, "b")
	took := time.Since(start)
	t.Logf("a lease of 2 s was taken over after %s", took)
	if took > 2*time.Second+700*time.Millisecond {
		t.Errorf("taken over after %s", took)
	}
	select {
	case <-a.Lease().Done():
	default:
		t.Error("the old owner does not know")
	}
	wire.Set(nil)
	if err := a.Commit(t.Context(), put("k", "stale", store.Any, 0)); !errors.Is(err, store.ErrFenced) {
		t.Errorf("commit of the old owner: %v", err)
	}
	if n := len(wire.Of("TransactWriteItems")); n != 0 {
		t.Errorf("the old owner sent %d transactions", n)
	}
	mustHave(t, b, "k", "a", 1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	c := own(tableA, "c")
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("a lease that was given back was taken after %s", took)
	}
	if from, until := c.Lease().Acts(); time.Now().Before(from) || !time.Now().Before(until) {
		t.Error("nobody's calls can be under way, and the owner may not act at once")
	}
	if err := errors.Join(a.Close(), c.Close()); err != nil {
		t.Error(err)
	}
}
