package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"taskwarden/store"
)

// increment adds one to the number under "n", again until nobody is in its way.
func (b *bench) increment(ctx context.Context) error {
	for {
		w := b.put("n", "1", store.Absent, 0)
		item, err := b.Get(ctx, b.kind, "n")
		switch {
		case err == nil:
			n, err := strconv.Atoi(string(item.Body))
			if err != nil {
				return err
			}
			w = b.put("n", strconv.Itoa(n+1), store.IfVersion, item.Version)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		if err := b.Commit(ctx, w); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func testIncrements(t *testing.T, b *bench) {
	const workers, each = 8, 15
	together(t, workers, func(int) error {
		for range each {
			if err := b.increment(t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	b.wantItem(t, "n", workers*each, strconv.Itoa(workers*each))
}

// together runs f in n goroutines and fails the test with their errors.
func together(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// testWhole lets commits that claim overlapping sets of keys race: of each set
// one claimer gets all or nobody gets any.
func testWhole(t *testing.T, b *bench) {
	const workers, rounds, size = 6, 10, 4
	won := make([][]int, workers)
	together(t, workers, func(i int) error {
		for round := range rounds {
			var writes []store.Write
			for k := range size {
				// Each worker names the keys in another order.
				writes = append(writes, b.put(fmt.Sprintf("%03d/%d", round, (k+i)%size), strconv.Itoa(i), store.Absent, 0))
			}
			switch err := b.Commit(t.Context(), writes...); {
			case err == nil:
				won[i] = append(won[i], round)
			case !errors.Is(err, store.ErrConflict):
				return err
			}
		}
		return nil
	})
	owner := map[int]int{}
	for i, rounds := range won {
		for _, round := range rounds {
			if other, taken := owner[round]; taken {
				t.Errorf("round %d was won by %d and %d", round, other, i)
			}
			owner[round] = i
		}
	}
	for round := range rounds {
		i, ok := owner[round]
		if !ok {
			t.Errorf("nobody won round %d", round)
			continue
		}
		for k := range size {
			b.wantItem(t, fmt.Sprintf("%03d/%d", round, k), 1, strconv.Itoa(i))
		}
	}
}

func testContext(t *testing.T, b *bench) {
	b.commit(t, b.put("k", "v", store.Any, 0))
	cause := errors.New("told to stop")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	for _, tt := range []struct {
		ctx  context.Context
		want error
	}{{ended, context.Canceled}, {late, context.DeadlineExceeded}} {
		_, get := b.Get(tt.ctx, b.kind, "k")
		_, rng := b.Range(tt.ctx, b.kind, "", "", 0)
		commit := b.Commit(tt.ctx, b.put("k", "w", store.Any, 0))
		for name, err := range map[string]error{"get": get, "range": rng, "commit": commit} {
			if !errors.Is(err, tt.want) {
				t.Errorf("%s with an ended context: error %v, want %v", name, err, tt.want)
			}
		}
	}
	b.wantItem(t, "k", 1, "v")
}

func testClosed(t *testing.T, b *bench) {
	b.commit(t, b.put("k", "v", store.Any, 0))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	_, get := b.Get(t.Context(), b.kind, "k")
	_, rng := b.Range(t.Context(), b.kind, "", "", 0)
	commit := b.Commit(t.Context(), b.put("k", "w", store.Any, 0))
	for name, err := range map[string]error{"get": get, "range": rng, "commit": commit} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after close: error %v, want ErrClosed", name, err)
		}
	}
}
