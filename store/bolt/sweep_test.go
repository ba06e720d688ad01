package bolt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"taskwarden/store"
)

// shift is a clock that runs with the real one, moved ahead.
type shift struct{ ahead atomic.Int64 }

func (c *shift) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// stay is how many items of a kind are in the file, expired or not.
func stay(t *testing.T, s *Store, kind string) (n int) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(kind)).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sweep(t *testing.T, s *Store, most, want int) {
	t.Helper()
	if n, err := s.Sweep(t.Context(), most); err != nil || n != want {
		t.Fatalf("sweep of at most %d: removed %d, error %v, want %d", most, n, err, want)
	}
}

func TestSweep(t *testing.T) {
	c := &shift{}
	s := mustOpen(t, t.TempDir(), Options{Now: c.now})
	const dying = 3*sweepStep + 7
	for i := range dying + 50 {
		w := put(fmt.Sprintf("k%04d", i), "v")
		if i < dying {
			w.Expires = time.Now().Add(time.Hour + time.Duration(i)*time.Second)
		}
		commit(t, s, w)
	}
	renewed, kept := put("k0000", "v"), put("k0001", "v")
	renewed.Expires = time.Now().Add(100 * time.Hour)
	commit(t, s, renewed, kept, store.Write{Item: store.Item{Kind: "stop", Key: "k0002"}, Delete: true})
	sweep(t, s, 0, 0)

	c.ahead.Store(int64(10 * time.Hour))
	if got := len(contents(t, s, "stop")); got != 52 {
		t.Errorf("before the sweep %d items show, want 52", got)
	}
	sweep(t, s, 5, 5)
	if got := stay(t, s, "stop"); got != 52+dying-3-5 {
		t.Errorf("after a sweep of 5 %d items stay", got)
	}
	sweep(t, s, sweepStep+1, sweepStep+1)
	sweep(t, s, 0, dying-3-5-sweepStep-1)
	sweep(t, s, 0, 0)
	if got := stay(t, s, "stop"); got != 52 {
		t.Errorf("after the sweep %d items stay, want 52", got)
	}
	if got := len(contents(t, s, "stop")); got != 52 {
		t.Errorf("after the sweep %d items show, want 52", got)
	}
	c.ahead.Store(int64(200 * time.Hour))
	sweep(t, s, 0, 1) // the renewed one

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sweep(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("sweep with an ended context: error %v", err)
	}
}

// TestSweepBesideCommits: an item that is renewed in time is never removed.
func TestSweepBesideCommits(t *testing.T) {
	c := &shift{}
	s := mustOpen(t, t.TempDir(), Options{Now: c.now})
	var renewing, sweeping sync.WaitGroup
	stop := make(chan struct{})
	sweeping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Sweep(t.Context(), 0); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 4 {
		renewing.Go(func() {
			for n := range uint64(60) {
				w := put(fmt.Sprintf("renewed %d", i), "v")
				w.If, w.Version, w.Expires = store.IfVersion, n, c.now().Add(200*time.Second)
				if n == 0 {
					w.If = store.Absent
				}
				if err := s.Commit(t.Context(), w); err != nil {
					t.Error(err)
					return
				}
				c.ahead.Add(int64(time.Second)) // 240 in all, well within a life
			}
		})
	}
	renewing.Wait()
	close(stop)
	sweeping.Wait()
	if got := len(contents(t, s, "stop")); got != 4 {
		t.Errorf("%d items, want the 4 renewed ones", got)
	}
}
