package cloud

import (
	"context"
	"sync"
	"time"
)

// tally counts the attempts made on behalf of one sweep, by bucket. A nil tally counts nothing.
type tally struct {
	mu    sync.Mutex
	calls map[string]int
}

type tallyKey struct{}

func withTally(ctx context.Context) (context.Context, *tally) {
	t := &tally{calls: map[string]int{}}
	return context.WithValue(ctx, tallyKey{}, t), t
}

func tallyOf(ctx context.Context) *tally {
	t, _ := ctx.Value(tallyKey{}).(*tally)
	return t
}

func (t *tally) add(bucket string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[bucket]++
}

func (t *tally) total() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, calls := range t.calls {
		n += calls
	}
	return n
}

// floor is the shortest interval at which the same calls may be repeated for ever: the bucket that is used most decides.
func (t *tally) floor(b *Budgets) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var longest float64
	for bucket, calls := range t.calls {
		longest = max(longest, float64(calls)/b.refill(bucket))
	}
	return time.Duration(longest * float64(time.Second))
}
