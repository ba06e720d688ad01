package judgement

import (
	"slices"
	"time"
)

// naive is a rule that people write in an afternoon: so many stops of a kind in a time raise an alert, which stays until
// fewer are left in it.
type naive struct {
	name    string
	stops   int
	within  time.Duration
	failure func(*Stop) bool
}

func stopCode(s *Stop) bool {
	return s.Code != "ServiceSchedulerInitiated" && s.Code != "UserInitiated"
}

// naives are the rules that the judging is measured beside. They see every stop the moment that it was shown.
var naives = []naive{
	{"stop code only, each", 1, 24 * time.Hour, stopCode},
	{"stop code only, 3 in 24 h", 3, 24 * time.Hour, stopCode},
	{"3 stops in an hour", 3, time.Hour, func(*Stop) bool { return true }},
}

// opened is what the rule would have opened for a service.
func (n naive) opened(c Case) []Span {
	var shown []*Stop
	for _, s := range c.Stops {
		if !s.Seen.IsZero() && n.failure(s) {
			shown = append(shown, s)
		}
	}
	slices.SortStableFunc(shown, func(a, b *Stop) int { return a.Seen.Compare(b.Seen) })
	var out []Span
	for i := n.stops - 1; i < len(shown); i++ {
		at, first := shown[i].Seen, shown[i-n.stops+1].Seen
		if at.Sub(first) >= n.within {
			continue
		}
		to := first.Add(n.within)
		if k := len(out) - 1; k >= 0 && !at.After(out[k].To) {
			out[k].To = later(out[k].To, to)
			continue
		}
		span := Span{Type: "SilentChurn", From: at, To: to}
		for _, s := range shown[max(0, i-20) : i+1] {
			if at.Sub(s.Seen) < n.within {
				span.Evidence = append(span.Evidence, s.ARN)
			}
		}
		out = append(out, span)
	}
	return out
}
