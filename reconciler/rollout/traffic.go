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
	To     time.Time `json:"to"`     // when it was read
	Hours  []float64 `json:"hours"`  // requests of each hour since From, the last up to To
}

const (
	// trafficLasts is how long after it was read traffic is taken to go on as it was.
	trafficLasts = time.Hour
	// trafficLeast is how much of an hour must be known to tell its rate.
	trafficLeast = 5 * time.Minute
)

// rate is the requests an hour at a time; 0 where they are not known.
func (t *Traffic) rate(unix int64) float64 {
	i, last := int((unix-t.From.UnixNano())/nano), len(t.Hours)-1
	switch {
	case unix < t.From.UnixNano() || last < 0 || unix >= t.To.Add(trafficLasts).UnixNano():
		return 0
	case i < last:
		return t.Hours[i]
	}
	known := t.To.Sub(t.From) - time.Duration(last)*time.Hour
	if known < trafficLeast && last > 0 {
		return t.Hours[last-1]
	}
	return t.Hours[last] / max(known, trafficLeast).Hours()
}

// covers reports whether the traffic of a whole span is known, and not without a request in all of it.
func (t *Traffic) covers(from, to time.Time) bool {
	if t == nil || from.Before(t.From) || !to.After(from) || !to.Before(t.To.Add(trafficLasts)) {
		return false
	}
	return t.mean(from, to) > 0
}

// uncountedMost is the largest share of the moments of death that may come in hours without a request.
const uncountedMost = 0.1

// counted reports whether requests can be what these lives die of. Where the culprit died in hours without a request, the metric
// began later than the lives, or something else kills; then the few hours that have requests would count for too much.
func (t *Traffic) counted(lives []Life, from time.Time) bool {
	moments, silent := 0, 0
	for _, l := range lives {
		if at := l.ended(); l.End == Culprit && !l.Shared && !at.Before(from) {
			moments++
			if t.rate(at.UnixNano()) == 0 {
				silent++
			}
		}
	}
	return float64(silent) <= uncountedMost*float64(moments)
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
		piece(time.Duration(left), t.rate(at))
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
	out := &Traffic{Source: t.Source, From: t.From, To: until, Hours: append([]float64(nil), t.Hours...)}
	if last := len(out.Hours) - 1; last >= 0 {
		out.Hours[last] = t.rate(t.To.UnixNano())
	}
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
