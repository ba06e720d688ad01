package churn

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"taskwarden/reconciler/finding"
)

// minExposure keeps a rate from being taken over no time at all.
const minExposure = time.Minute

// rate is how often a task stops unplanned, per task and day, with exact bounds.
type rate struct {
	n          int
	per        float64 // the observed rate
	low, high  float64 // each holds with 95 % confidence
	daysOfTask float64
	from       time.Time // since when the events were counted
}

// rateOf takes n events in so much time of tasks together. The bounds are Garwood's exact ones for a Poisson count, by
// quantiles of chi-square: low is ½χ²(0.05; 2n), high is ½χ²(0.95; 2n+2) (F. Garwood, Fiducial limits for the Poisson
// distribution, Biometrika 28, 1936).
func rateOf(n int, exposure time.Duration) rate {
	days := max(exposure, minExposure).Hours() / 24
	r := rate{n: n, per: float64(n) / days, daysOfTask: days}
	if n > 0 {
		r.low = distuv.ChiSquared{K: float64(2 * n)}.Quantile(0.05) / 2 / days
	}
	r.high = distuv.ChiSquared{K: float64(2*n + 2)}.Quantile(0.95) / 2 / days
	return r
}

// rate counts the deaths since the window's beginning, or since stops would have been seen, or since the oldest death
// counted, so that deaths read from history are not taken over no time.
func (c court) rate(deaths []Stop) rate {
	start := c.now.Add(-c.p.Window)
	inWindow := c.since(deaths, start)
	if c.h.Since.After(start) {
		start = c.h.Since
	}
	if len(inWindow) > 0 {
		start = earliest(start, inWindow[0].StoppedAt)
	}
	r := rateOf(len(inWindow), c.exposure(start, inWindow))
	r.from = start
	return r
}

// exposure is for how long tasks ran from start on, all together. It follows the number of tasks as it was: each task
// recorded or in view counts for as long as it ran. What is not known is taken as at present: tasks that run and are not
// listed, and the whole service where a death lacks its start. At least one task is taken to have been wanted since the
// first death, so that a service whose tasks never come up has a rate of attempts.
func (c court) exposure(start time.Time, deaths []Stop) time.Duration {
	var sum, ended, least time.Duration
	for _, s := range c.stops {
		if !s.StartedAt.IsZero() && s.StoppedAt.After(start) {
			ended += max(s.StoppedAt.Sub(latest(s.StartedAt, start)), 0)
		}
	}
	alive := 0
	for _, t := range c.o.Tasks {
		if t.Stopped() || !t.Ran() {
			continue
		}
		alive++
		sum += max(c.now.Sub(latest(t.StartedAt, start)), 0)
	}
	// Those that run unlisted took the places of those that ended.
	sum += max(ended, time.Duration(max(c.o.Service.Running-alive, 0))*c.now.Sub(start))
	if len(deaths) > 0 {
		least = c.now.Sub(deaths[0].StoppedAt)
	}
	for _, s := range deaths {
		if s.StartedAt.IsZero() && !unstarted(s) {
			least = time.Duration(c.tasks()) * c.now.Sub(start)
			break
		}
	}
	return max(sum, least)
}

// unstarted tells a stop of a task that never came up.
func unstarted(s Stop) bool {
	switch s.Verdict.Cause {
	case ImagePull, ResourceInit, Placement:
		return s.StartedAt.IsZero()
	default:
		return false
	}
}

func (r rate) String() string {
	return fmt.Sprintf("%s a task and day (95 %% bounds %s to %s)", number(r.per), number(r.low), number(r.high))
}

// finding is the rate as findings carry it, with four decimals: more is noise.
func (r rate) finding() *finding.Rate {
	digits := func(x float64) float64 { return math.Round(x*1e4) / 1e4 }
	return &finding.Rate{PerTaskDay: digits(r.per), Low: digits(r.low), High: digits(r.high), Deaths: r.n, TaskDays: digits(r.daysOfTask), From: r.from.UTC()}
}

func number(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}
