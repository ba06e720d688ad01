package reconciler

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// series is an account whose metrics answer so.
type series struct {
	account
	answer func(context.Context) ([][]fleet.Point, error)
}

func (s series) Series(ctx context.Context, _ []fleet.Query, _, _ time.Time) ([][]fleet.Point, error) {
	return s.answer(ctx)
}

// requestsWorld is a remediation with a book, on a clock that a test moves.
func requestsWorld(t *testing.T, now *time.Time) *remediation {
	c := &Controller{now: func() time.Time { return *now }, book: openBook(t, openStore(t, t.TempDir())), view: newView()}
	c.o.Log = zap.NewNop()
	return newRemediation(c)
}

func balancedAs(service string) fleet.Observation {
	return fleet.Observation{Key: fleet.Key{Target: "prod", Cluster: "main", Service: service},
		Service: fleet.Service{TargetGroups: []string{"arn:aws:elasticloadbalancing:r:1:targetgroup/web/0123456789abcdef"}}}
}

// TestRequestsAreNotWaitedForLong: CloudWatch accepts a call and never answers. A visit reads requests before it decides, and
// a target has four visitors.
func TestRequestsAreNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := series{answer: func(ctx context.Context) ([][]fleet.Point, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Minute): // four attempts and their pauses end sooner
				return nil, errors.New("no answer from AWS within 30s")
			}
		}}
		began := time.Now()
		r := newRemediation(&Controller{now: time.Now})
		_, err := r.traffic(t.Context(), Target{Name: "prod", Observer: silent}, balancedAs("web"), began.Add(-rollout.BaselineDays))
		if took := time.Since(began); err == nil || took > time.Minute {
			t.Errorf("waited %s: %v", took, err)
		}
	})
}

// TestRequestsOfServicesThatAreGoneAreForgotten, and a metric without an answer is not asked for with each visit.
func TestRequestsOfServicesThatAreGoneAreForgotten(t *testing.T) {
	now, asked := noon, 0
	r := requestsWorld(t, &now)
	target := Target{Name: "prod", Observer: series{answer: func(context.Context) ([][]fleet.Point, error) { asked++; return make([][]fleet.Point, 1), nil }}}
	for range 4 {
		_, _ = r.traffic(t.Context(), target, balancedAs("idle"), noon.Add(-rollout.BaselineDays))
	}
	if asked != 1 {
		t.Errorf("a metric without a datum was asked for %d times at one moment", asked)
	}
	target.Observer = series{answer: func(context.Context) ([][]fleet.Point, error) {
		return [][]fleet.Point{{{At: now.Add(-time.Hour), Value: 7}}}, nil
	}}
	for i := range 50 {
		now = now.Add(time.Hour)
		_, _ = r.traffic(t.Context(), target, balancedAs(fmt.Sprint("preview", i)), now.Add(-rollout.BaselineDays))
	}
	if len(r.requests) > 2 {
		t.Errorf("%d readings are kept for services that came and went", len(r.requests))
	}
}

// TestUnreadRequestsHinderNothingAfterTheSoak: the requests could not be read when the soak ended.
func TestUnreadRequestsHinderNothingAfterTheSoak(t *testing.T) {
	now := noon
	r := requestsWorld(t, &now)
	fails := series{answer: func(context.Context) ([][]fleet.Point, error) { return nil, errors.New("status 503") }}
	o := balancedAs("web")
	v := &visit{r: r, t: Target{Name: "prod", Observer: fails}, key: o.Key, observation: o}
	soaks := rollout.Rollout{ID: "r", Phase: rollout.Soaking}
	soaks.Plan.Before.Traffic = &rollout.Traffic{From: noon.Add(-rollout.BaselineDays)}
	v.since(t.Context(), soaks)
	soaks.Outcome, soaks.Since = rollout.Inconclusive, now
	v.since(t.Context(), soaks)
	now = now.Add(24 * time.Hour)
	if got := r.claims(o.Key, now); len(got) > 0 {
		t.Errorf("a day after the soak: %s %q", got[0].Message, got[0].Evidence)
	}
}
