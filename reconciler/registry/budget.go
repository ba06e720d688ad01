package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/time/rate"
)

const (
	// looks a second at one registry, and how many at once. They are HEAD requests, which cost nothing.
	looksPerSecond, looksAtOnce = 2, 20
	// One manifest each pullEvery and a few at once: at most 17 in six hours, of the 100 that Docker Hub gives an address
	// without credentials (Docker Hub documentation, "Pull usage and limits"); others share that address.
	pullEvery, pullsAtOnce = 30 * time.Minute, 5
	// restFor is how long a registry is left alone that answered 429, and restSilent one that gave no answer in time: each
	// question to it would cost as long again.
	restFor, restSilent = 10 * time.Minute, time.Minute
)

// budget is how often one registry is asked.
type budget struct {
	looks, pulls *rate.Limiter

	mu   sync.Mutex
	rest time.Time // nothing is asked before
	why  string
}

func newBudget() *budget {
	return &budget{looks: rate.NewLimiter(looksPerSecond, looksAtOnce), pulls: rate.NewLimiter(rate.Every(pullEvery), pullsAtOnce)}
}

// look waits for the turn of a HEAD request.
func (b *budget) look(ctx context.Context) error {
	b.mu.Lock()
	rest, why := b.rest, b.why
	b.mu.Unlock()
	if time.Now().Before(rest) {
		return fmt.Errorf("%s, and is left alone until %s", why, rest.UTC().Format(time.RFC3339))
	}
	if err := b.looks.Wait(ctx); err != nil {
		return errors.New("too many images of it are asked for at once")
	}
	return nil
}

// pull takes one of the few manifests that may be read.
func (b *budget) pull() error {
	if !b.pulls.Allow() {
		return fmt.Errorf("the tag is of another index than the one that runs, and its manifest is not read: %d at once and one each %s may be", pullsAtOnce, pullEvery)
	}
	return nil
}

// heard notes an answer that asks for a rest, or that there was none in time, and gives the error.
func (b *budget) heard(ctx context.Context, err error) error {
	answer, ok := errors.AsType[*transport.Error](err)
	switch {
	case ok && answer.StatusCode == http.StatusTooManyRequests:
		b.leave(restFor, "it answered 429 (too many requests)")
	case !ok && errors.Is(ctx.Err(), context.DeadlineExceeded):
		b.leave(restSilent, "it gave no answer in time")
	}
	return err
}

func (b *budget) leave(alone time.Duration, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest, b.why = time.Now().Add(alone), why
}
