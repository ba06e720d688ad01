package scan

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Rate is how often a task died unplanned, a task and day, with exact 95 % bounds.
type Rate struct {
	PerTaskDay float64   `json:"perTaskDay"`
	Low        float64   `json:"low"`
	High       float64   `json:"high"`
	Deaths     int       `json:"deaths"`
	TaskDays   float64   `json:"taskDays"`
	From       time.Time `json:"from"`   // since when deaths were counted
	Method     string    `json:"method"` // how the task days were found
}

// minTaskDays keeps a rate from being taken over no time at all.
const minTaskDays = 1.0 / (24 * 60)

// rateOf takes n deaths in so many task days. The bounds are Garwood's for a Poisson count (Biometrika 28, 1936), each
// held with 95 % confidence, as package churn has them.
func rateOf(n int, taskDays float64, from time.Time, method string) Rate {
	days := max(taskDays, minTaskDays)
	r := Rate{PerTaskDay: digits(float64(n) / days), Deaths: n, TaskDays: digits(days), From: from.UTC().Truncate(time.Second), Method: method}
	if n > 0 {
		r.Low = digits(distuv.ChiSquared{K: float64(2 * n)}.Quantile(0.05) / 2 / days)
	}
	r.High = digits(distuv.ChiSquared{K: float64(2*n + 2)}.Quantile(0.95) / 2 / days)
	return r
}

// digits keeps four decimals: more is noise.
func digits(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// Lifetimes is how long tasks lived until they died.
type Lifetimes struct {
	Count  int     `json:"count"`
	P10    float64 `json:"p10Seconds"`
	P50    float64 `json:"p50Seconds"`
	P90    float64 `json:"p90Seconds"`
	Source Source  `json:"source"` // log streams and stopped tasks are exact, service events pair starts by age
}

func lifetimesOf(deaths []death) *Lifetimes {
	known := lives(deaths)
	if len(known) == 0 {
		return nil
	}
	exact := lived(deaths, func(d death) bool { return d.exact })
	source := ServiceEvents
	switch {
	case len(known) != len(exact):
	case slices.ContainsFunc(deaths, func(d death) bool { return d.source == LogStreams }):
		source = LogStreams
	default:
		source = StoppedTasks
	}
	sec := func(q float64) float64 { return math.Round(quantile(known, q).Seconds()) }
	return &Lifetimes{len(known), sec(0.1), sec(0.5), sec(0.9), source}
}

// minExact lifetimes from exact times are better than more that are only paired.
const minExact = 3

// lives are the lifetimes known, shortest first: the exact ones, or all where too few of them are exact.
func lives(deaths []death) []time.Duration {
	exact := lived(deaths, func(d death) bool { return d.exact })
	if len(exact) >= minExact {
		return exact
	}
	return lived(deaths, func(death) bool { return true })
}

// lived are the lifetimes known of the deaths that pick takes, shortest first.
func lived(deaths []death, pick func(death) bool) []time.Duration {
	var out []time.Duration
	for _, d := range deaths {
		if !d.born.IsZero() && d.died.After(d.born) && pick(d) {
			out = append(out, d.died.Sub(d.born))
		}
	}
	slices.Sort(out)
	return out
}

// quantile is the q-th part of the sorted durations, interpolated (type 7, as R and NumPy do by default); 0 for none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + time.Duration((at-float64(i))*float64(sorted[i+1]-sorted[i]))
}
