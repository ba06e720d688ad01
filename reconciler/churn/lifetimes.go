package churn

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// quantile is the q-th part of the sorted durations, interpolated (type 7, as R and NumPy do by default); 0 for none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(math.Floor(at))
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(i)
	return (sorted[i] + time.Duration(part*float64(sorted[i+1]-sorted[i]))).Round(time.Millisecond)
}

// lifetimes are those known of the stops, shortest first.
func lifetimes(stops []Stop) []time.Duration {
	var out []time.Duration
	for _, s := range stops {
		if s.Lifetime > 0 {
			out = append(out, s.Lifetime)
		}
	}
	slices.Sort(out)
	return out
}

// span says when tasks die: "6 h 10 min to 6 h 50 min after their start (median 6 h 30 min)"; "" where no lifetime is known.
func span(sorted []time.Duration) string {
	if len(sorted) == 0 {
		return ""
	}
	low, mid, high := human(quantile(sorted, 0.1)), human(quantile(sorted, 0.5)), human(quantile(sorted, 0.9))
	if low == high {
		return low + " after their start"
	}
	return fmt.Sprintf("%s to %s after their start (median %s)", low, high, mid)
}

// human writes a duration with its two largest units.
func human(d time.Duration) string {
	d = d.Round(time.Second)
	days, h, m, s := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60, int(d/time.Second)%60
	pair := func(a int, ua string, b int, ub string) string {
		if b == 0 {
			return fmt.Sprintf("%d %s", a, ua)
		}
		return fmt.Sprintf("%d %s %d %s", a, ua, b, ub)
	}
	switch {
	case days > 0:
		return pair(days, "d", h, "h")
	case h > 0:
		return pair(h, "h", m, "min")
	case m > 0:
		return pair(m, "min", s, "s")
	}
	return fmt.Sprintf("%d s", s)
}
