package rollout

import (
	"time"

	"gonum.org/v1/gonum/floats"
)

// Traffic is how many requests reached a service, hour by hour. Where it is known it takes the place of the hours of the
// week: a crash that needs requests comes after requests, whatever the hour.
type Traffic struct {
	Source string    `json:"source"` // the metric
	From   time.Time `json:"from"`   // the beginning of the first hour
	Hours  []float64 `json:"hours"`  // requests of each hour since; those of the last may not be complete
}

// known is the traffic of the hour that a time belongs to, and whether it is known.
func (t *Traffic) known(unix int64) (requests float64, ok bool) {
	i := (unix - t.From.UnixNano()) / nano
	if unix < t.From.UnixNano() || i >= int64(len(t.Hours)) {
		return 0, false
	}
	return t.Hours[i], true
}

// covers reports whether the traffic of a whole span is known, and not without a request in all of it.
func (t *Traffic) covers(from, to time.Time) bool {
	if t == nil || from.Before(t.From) || !to.After(from) || to.Sub(t.From) > time.Duration(len(t.Hours))*time.Hour {
		return false
	}
	return t.mean(from, to) > 0
}

// mean is the requests an hour in a span.
func (t *Traffic) mean(from, to time.Time) float64 {
	sum := 0.0
	t.pieces(from, to, func(d time.Duration, requests float64) { sum += requests * d.Hours() })
	return sum / to.Sub(from).Hours()
}

// pieces cuts a span at the hours. Time of which the traffic is not known has none.
func (t *Traffic) pieces(from, to time.Time, piece func(d time.Duration, requests float64)) {
	end := to.UnixNano()
	for at := from.UnixNano(); at < end; {
		left := min(nano-((at-t.From.UnixNano())%nano+nano)%nano, end-at)
		requests, _ := t.known(at)
		piece(time.Duration(left), requests)
		at += left
	}
}

// foreseen is this traffic with what is to be expected up to a time: the mean of the same hour of the week, or of the day
// where less than a week is known.
func (t *Traffic) foreseen(until time.Time) *Traffic {
	period := hoursADay
	if len(t.Hours) >= hoursAWeek {
		period = hoursAWeek
	}
	out := &Traffic{Source: t.Source, From: t.From, Hours: append([]float64(nil), t.Hours...)}
	for len(out.Hours) > 0 && out.From.Add(time.Duration(len(out.Hours))*time.Hour).Before(until) {
		var sum float64
		n := 0
		for i := len(out.Hours) - period; i >= 0; i -= period {
			if i < len(t.Hours) {
				sum += t.Hours[i]
				n++
			}
		}
		if n == 0 {
			sum, n = floats.Sum(t.Hours), len(t.Hours)
		}
		out.Hours = append(out.Hours, sum/float64(n))
	}
	return out
}
