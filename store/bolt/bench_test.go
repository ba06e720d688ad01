package bolt

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"taskwarden/store"
)

var body = []byte(strings.Repeat("b", 500))

// callers runs b.N calls from n goroutines.
func callers(b *testing.B, n int, call func(i int64) error) {
	b.Helper()
	var next atomic.Int64
	errs := make([]error, n)
	var wg sync.WaitGroup
	b.ResetTimer()
	for g := range n {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N) && errs[g] == nil; i = next.Add(1) {
				errs[g] = call(i)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit is one item of 500 bytes a commit.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("callers=%d", n), func(b *testing.B) {
			s := mustOpen(b, b.TempDir(), Options{})
			callers(b, n, func(i int64) error {
				return s.Commit(b.Context(), store.Write{Item: store.Item{Kind: "stop", Key: fmt.Sprint(i % 5000), Body: body}})
			})
		})
	}
}

// BenchmarkBatch is the same through bbolt's DB.Batch, with its default delay
// and with a short one.
func BenchmarkBatch(b *testing.B) {
	for _, delay := range []time.Duration{10 * time.Millisecond, time.Millisecond} {
		for _, n := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("delay=%v/callers=%d", delay, n), func(b *testing.B) {
				s := mustOpen(b, b.TempDir(), Options{})
				s.db.MaxBatchDelay = delay
				callers(b, n, func(i int64) error {
					w := store.Write{Item: store.Item{Kind: "stop", Key: fmt.Sprint(i % 5000), Body: body}}
					return s.db.Batch(func(tx *bbolt.Tx) error {
						old, err := examine(tx, []store.Write{w}, time.Now())
						if err != nil {
							return err
						}
						return apply(tx, w, old[0], time.Now())
					})
				})
			})
		}
	}
}

func filled(b *testing.B, n int) *Store {
	b.Helper()
	s := mustOpen(b, b.TempDir(), Options{})
	var writes []store.Write
	for i := range n {
		writes = append(writes, put(fmt.Sprintf("k%07d", i), string(body)))
		if len(writes) == store.MaxItems || i == n-1 {
			if err := s.Commit(b.Context(), writes...); err != nil {
				b.Fatal(err)
			}
			writes = nil
		}
	}
	return s
}

func BenchmarkGet(b *testing.B) {
	s, i := filled(b, 10_000), 0
	for b.Loop() {
		if _, err := s.Get(b.Context(), "stop", fmt.Sprintf("k%07d", i*7919%10_000)); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkRange1000(b *testing.B) {
	s := filled(b, 10_000)
	for b.Loop() {
		items, err := s.Range(b.Context(), "stop", "k", "k0004000", 1000)
		if err != nil || len(items) != 1000 {
			b.Fatalf("%d items, error %v", len(items), err)
		}
	}
}

// BenchmarkOpen is the verification of 100,000 items, 50 MB of bodies.
func BenchmarkOpen(b *testing.B) {
	s := filled(b, 100_000)
	dir := strings.TrimSuffix(s.path, FileName)
	for b.Loop() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		var err error
		if s, err = Open(dir, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
