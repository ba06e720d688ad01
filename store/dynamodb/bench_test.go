package dynamodb

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"taskwarden/store"
	"taskwarden/store/lease"
	"taskwarden/test/peer"
)

// BenchmarkCommit is what a record costs on DynamoDB Local: 1 stop, and 40 stops, of 500 bytes a commit, from 1 and 16
// callers. Its disk is memory and its network is loopback: what it shows is this package's own price, and the group's gain.
func BenchmarkCommit(b *testing.B) {
	url := peer.DynamoDBLocal(b)
	peer.Table(b, url, "taskwarden")
	table, err := Open(b.Context(), peer.Config(url), "taskwarden", Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := table.Own(b.Context(), lease.Options{ID: "bench", Holder: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	body := strings.Repeat("b", 500)
	var next atomic.Int64
	for _, callers := range []int{1, 16} {
		for _, stops := range []int{1, 40} {
			b.Run(fmt.Sprintf("callers=%d/stops=%d", callers, stops), func(b *testing.B) {
				var wg sync.WaitGroup
				var left atomic.Int64
				left.Store(int64(b.N))
				for range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							n := next.Add(1)
							var writes []store.Write
							for i := range stops {
								writes = append(writes, put(fmt.Sprintf("%09d/%02d", n, i), body, store.Absent, 0))
							}
							if err := s.Commit(b.Context(), writes...); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}
