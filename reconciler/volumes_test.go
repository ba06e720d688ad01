package reconciler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

func TestVolumes(t *testing.T) {
	n := func(v float64) *float64 { return &v }
	signals := func(from, at time.Time) fleet.Metrics {
		return fleet.Metrics{Signals: fleet.SignalCounts{Seen: fleet.Seen{At: at, Complete: true}, From: from, Service: "django",
			Internal: []fleet.Point{{At: from, Value: 30}, {At: from.Add(time.Minute), Value: 15}}}}
	}
	r := rollout.Rollout{Plan: rollout.Plan{InternalOperation: n(3000)}, StartedAt: noon.Add(-time.Minute), Soak: rollout.Progress{From: noon}}
	counted := fleet.Metrics{Restarts: fleet.RestartCounts{Seen: fleet.Seen{Complete: true}}}
	restarts := churn.Restarts{Until: noon.Add(12 * time.Hour), Recent: []churn.Restart{{At: noon.Add(-25 * time.Hour)}, {At: noon.Add(-time.Hour)}, {At: noon}, {At: noon.Add(time.Hour)}}}
	full := restarts
	full.Recent = make([]churn.Restart, churn.RecentRestarts)
	for i := range full.Recent {
		full.Recent[i].At = noon.Add(-time.Hour)
	}
	blind := signals(noon, noon.Add(15*time.Minute))
	blind.Signals.Complete = false
	for name, tt := range map[string]struct {
		r        rollout.Rollout
		m        fleet.Metrics
		restarts churn.Restarts
		want     rollout.Volumes
	}{
		"before the deployment":         {rollout.Rollout{Plan: r.Plan}, signals(noon, noon.Add(15*time.Minute)), restarts, rollout.Volumes{InternalOperationBefore: n(3000)}},
		"requests of the new tasks":     {r, signals(noon, noon.Add(15*time.Minute)), churn.Restarts{}, rollout.Volumes{InternalOperationBefore: n(3000), InternalOperationAfter: n(3)}},
		"some are of the old ones":      {r, signals(noon.Add(-time.Minute), noon.Add(15*time.Minute)), churn.Restarts{}, rollout.Volumes{InternalOperationBefore: n(3000)}},
		"too short":                     {r, signals(noon, noon.Add(5*time.Minute)), churn.Restarts{}, rollout.Volumes{InternalOperationBefore: n(3000)}},
		"not read whole":                {r, blind, churn.Restarts{}, rollout.Volumes{InternalOperationBefore: n(3000)}},
		"restarts":                      {r, counted, restarts, rollout.Volumes{InternalOperationBefore: n(3000), RestartsBefore: n(1), RestartsAfter: n(4)}},
		"restarts that nobody counts":   {r, fleet.Metrics{}, restarts, rollout.Volumes{InternalOperationBefore: n(3000)}},
		"more restarts than remembered": {r, counted, full, rollout.Volumes{InternalOperationBefore: n(3000), RestartsAfter: n(0)}},
	} {
		if d := cmp.Diff(tt.want, volumesOf(tt.r, fleet.Observation{Metrics: tt.m}, tt.restarts)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// The rate of all requests is read where there is a metric of it, and unknown, with why, where there is not.
func TestRequests(t *testing.T) {
	known := fleet.SignalCounts{Seen: fleet.Seen{At: noon}, From: noon.Add(-15 * time.Minute), Service: "django", Environment: "prod"}
	with := func(change func(*fleet.SignalCounts)) fleet.SignalCounts {
		s := known
		change(&s)
		return s
	}
	for name, tt := range map[string]struct {
		signals fleet.SignalCounts
		series  func() ([][]fleet.Point, error)
		want    float64
		unknown string
	}{
		"read for the plan": {known, func() ([][]fleet.Point, error) { return [][]fleet.Point{{{Value: 300}, {Value: 600}}}, nil }, 60, ""},
		"read already":      {with(func(s *fleet.SignalCounts) { s.All = []fleet.Point{{Value: 150}} }), nil, 10, ""},
		"none":              {known, func() ([][]fleet.Point, error) { return [][]fleet.Point{nil}, nil }, 0, "counted none"},
		"denied":            {known, func() ([][]fleet.Point, error) { return nil, errors.New("cloudwatch:GetMetricData: denied") }, 0, "denied"},
		"not instrumented":  {fleet.SignalCounts{}, nil, 0, "does not use"},
		"no metric":         {with(func(s *fleet.SignalCounts) { s.Absent = noon }), nil, 0, "has no metric"},
		"which environment": {with(func(s *fleet.SignalCounts) { s.Environment = "" }), nil, 0, "has no metric"},
		"too short a time":  {with(func(s *fleet.SignalCounts) { s.From = noon.Add(-time.Minute) }), nil, 0, "not read yet"},
	} {
		got := requestsOf(t.Context(), Target{Observer: counting{series: tt.series}}, tt.signals)
		if got.PerMinute != tt.want || !strings.Contains(got.Unknown, tt.unknown) || (got.Unknown == "") != (tt.want > 0) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// counting answers metrics; nil where nobody should ask.
type counting struct {
	account
	series func() ([][]fleet.Point, error)
}

func (c counting) Series(_ context.Context, q []fleet.Query, _, _ time.Time) ([][]fleet.Point, error) {
	if len(q) != 1 || q[0].Statistic != "SampleCount" || len(q[0].Dimensions) != 2 {
		return nil, fmt.Errorf("asked for %+v", q)
	}
	return c.series()
}
