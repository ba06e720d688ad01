package churn

import (
	"fmt"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// minExposure keeps a rate from being taken over no time at all.
const minExposure = time.Minute

// rate is how often a task stops unplanned, per task and day, with exact bounds.
type rate struct {
	n          int
	per        float64 // the observed rate
	low, high  float64 // each holds with 95 % confidence
	daysOfTask float64
}

// rateOf takes n events in the exposure of so many tasks over so long. The bounds are Garwood's exact ones for a Poisson
// count, by quantiles of chi-square: low is ½χ²(0.05; 2n), high is ½χ²(0.95; 2n+2) (F. Garwood, Fiducial limits for the
// Poisson distribution, Biometrika 28, 1936).
func rateOf(n, tasks int, over time.Duration) rate {
	days := float64(max(tasks, 1)) * max(over, minExposure).Hours() / 24
	r := rate{n: n, per: float64(n) / days, daysOfTask: days}
	if n > 0 {
		r.low = distuv.ChiSquared{K: float64(2 * n)}.Quantile(0.05) / 2 / days
	}
	r.high = distuv.ChiSquared{K: float64(2*n + 2)}.Quantile(0.95) / 2 / days
	return r
}

func (r rate) String() string {
	return fmt.Sprintf("%s a task and day (95 %% bounds %s to %s)", number(r.per), number(r.low), number(r.high))
}

func number(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}
