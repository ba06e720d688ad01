package bolt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"taskwarden/store"
)

// TestCommitGroup holds the turn until several commits wait: they go in one
// transaction, see each other in the order of arrival, and one that fails
// leaves the others alone.
func TestCommitGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, t.TempDir(), Options{})
		s.queue.turn <- struct{}{}
		claim := func(key, body string) store.Write {
			w := put(key, body)
			w.If = store.Absent
			return w
		}
		commits := [][]store.Write{
			{put("a", "1")},
			{claim("b", "first")},
			{claim("c", "no"), claim("b", "second")},
			{put("a", "2")},
			{claim("d", "1")},
		}
		var wg sync.WaitGroup
		errs := make([]error, len(commits))
		for i, writes := range commits {
			wg.Go(func() { errs[i] = s.Commit(t.Context(), writes...) })
			synctest.Wait()
		}
		// One more, whose caller loses patience.
		ctx, cancel := context.WithCancel(t.Context())
		var late error
		wg.Go(func() { late = s.Commit(ctx, put("late", "v")) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(late, context.Canceled) {
			t.Errorf("commit whose context ended in the queue: error %v", late)
		}
		before := s.lastTx(t)
		<-s.queue.turn
		wg.Wait()
		if n := s.lastTx(t) - before; n != 1 {
			t.Errorf("%d transactions, want 1", n)
		}
		for i, err := range errs {
			if want := i == 2; errors.Is(err, store.ErrConflict) != want || (err != nil) != want {
				t.Errorf("commit %d: error %v", i, err)
			}
		}
		got := map[string]string{}
		for _, item := range contents(t, s, "stop") {
			got[item.Key] = fmt.Sprintf("%d %s", item.Version, item.Body)
		}
		if want := map[string]string{"a": "2 2", "b": "1 first", "d": "1 1"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after the group: %v, want %v", got, want)
		}
	})
}

// lastTx is the number of the last transaction that wrote.
func (s *Store) lastTx(t *testing.T) int {
	t.Helper()
	tx, err := s.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	return tx.ID()
}

func TestQueueTake(t *testing.T) {
	q := &queue{}
	large := store.Write{Item: store.Item{Body: make([]byte, store.MaxBody)}}
	full := make([]store.Write, 11) // nearly MaxBytes
	for i := range full {
		full[i] = large
	}
	for range 6 {
		q.add(&request{writes: full})
	}
	if n := len(q.take()); n != 4 {
		t.Errorf("took %d full commits, want 4", n)
	}
	if n := len(q.take()); n != 2 {
		t.Errorf("took %d full commits then, want the 2 left", n)
	}
	if n := len(q.take()); n != 0 {
		t.Errorf("took %d of none", n)
	}
}

// TestCloseWaits: a commit that waits when Close is called is still made.
func TestCloseWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, dir, Options{})
		s.queue.turn <- struct{}{}
		var wg sync.WaitGroup
		var commit error
		wg.Go(func() { commit = s.Commit(t.Context(), put("k", "v")) })
		synctest.Wait()
		go func() { <-s.queue.turn }()
		closing := s.Close()
		wg.Wait()
		if commit != nil || closing != nil {
			t.Errorf("commit: error %v, close: error %v", commit, closing)
		}
	})
	if got := len(contents(t, mustOpen(t, dir, Options{}), "stop")); got != 1 {
		t.Errorf("%d items after the close, want 1", got)
	}
}
