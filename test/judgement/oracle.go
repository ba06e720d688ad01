package judgement

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Truth is one time in which a service was, by CONTRACT section 3, what a finding says.
type Truth struct {
	Type, Subject string
	From          time.Time // the look that showed enough; before it nobody could know
	To            time.Time // zero: still so at the end
	First         time.Time // the first of its deaths
	Deaths        int       // shown by From
	Fault         string    // of the death that was enough
}

// over tells an episode whose evidence had run out before the look that showed enough of it.
func (t Truth) over() bool { return !t.To.IsZero() && t.To.Before(t.From) }

// The contract's defaults.
const (
	threshold  = 3
	window     = 24 * time.Hour
	perTaskDay = 0.1
	doubt      = 0.05 // a lower 95 % bound
)

// death tells the stops that churn is made of: unplanned, not explained by a deployment, and shown to somebody.
func (s *Stop) death() bool { return !s.Planned && !s.Excused && !s.Seen.IsZero() }

// churning is when the service churned: three deaths in a day, at a rate for which a lower bound is above the limit. The
// exposure is that of the tasks which ran, in the time from which stops were shown.
func (c Case) churning() []Truth {
	var deaths []*Stop
	for _, s := range c.Stops {
		if s.death() {
			deaths = append(deaths, s)
		}
	}
	return c.episodes("SilentChurn", "", deaths, func(at time.Time) bool {
		from := at.Add(-window)
		n := 0
		for _, d := range deaths {
			if !d.Seen.After(at) && d.At.After(from) {
				n++
			}
		}
		return n >= threshold && surprise(n, perTaskDay*c.exposure(from, at)) < doubt
	})
}

// crashing is when sidecars crashed: from the first death on, for each container that was the culprit.
func (c Case) crashing() []Truth {
	by := map[string][]*Stop{}
	var names []string
	for _, s := range c.Stops {
		if s.death() && s.Sidecar {
			if by[s.Culprit] == nil {
				names = append(names, s.Culprit)
			}
			by[s.Culprit] = append(by[s.Culprit], s)
		}
	}
	var out []Truth
	for _, name := range names {
		out = append(out, c.episodes("SidecarCrash", name, by[name], func(time.Time) bool { return true })...)
	}
	return out
}

// episodes puts deaths together: one opens where enough says so, and ends when no death has come for twice the 95th
// percentile of its lifetimes, counted from when all tasks ran again. A deployment restarts that clock.
func (c Case) episodes(kind, subject string, deaths []*Stop, enough func(at time.Time) bool) []Truth {
	deaths = slices.Clone(deaths)
	slices.SortStableFunc(deaths, func(a, b *Stop) int { return cmp.Or(a.Seen.Compare(b.Seen), a.At.Compare(b.At)) })
	var out []Truth
	var run *clock // of the open episode
	for i, d := range deaths {
		if run != nil {
			if end := c.ends(*run); d.Died.After(end) {
				out[len(out)-1].To, run = end, nil
			}
		}
		first := i
		if run == nil && enough(d.Seen) {
			for first > 0 && d.Seen.Sub(deaths[first-1].At) < window {
				first--
			}
			shown := i + 1
			for shown < len(deaths) && deaths[shown].Seen.Equal(d.Seen) {
				shown++
			}
			run = &clock{}
			out = append(out, Truth{Type: kind, Subject: subject, From: d.Seen, First: deaths[first].At, Deaths: shown - first, Fault: d.Fault})
		}
		if run != nil {
			run.add(deaths[first : i+1])
		}
	}
	if run != nil {
		if end := c.ends(*run); end.Before(c.Looks[len(c.Looks)-1].at) {
			out[len(out)-1].To = end
		}
	}
	return out
}

// clock is what an episode's end depends on.
type clock struct {
	lives []time.Duration // shortest first
	last  time.Time
}

func (k *clock) add(deaths []*Stop) {
	for _, d := range deaths {
		if d.Lifetime > 0 {
			i, _ := slices.BinarySearch(k.lives, d.Lifetime)
			k.lives = slices.Insert(k.lives, i, d.Lifetime)
		}
		if d.Died.After(k.last) {
			k.last = d.Died
		}
	}
}

// ends is when the evidence of an episode has run out.
func (c Case) ends(k clock) time.Time {
	limit := time.Minute // the floor of every clearing
	if n := len(k.lives); n > 0 {
		limit = max(limit, 2*k.lives[int(math.Ceil(0.95*float64(n)))-1])
	}
	from := c.wholeAgain(k.last)
	for _, b := range c.Begun {
		if b.After(from) && b.Before(from.Add(limit)) {
			from = b
		}
	}
	return from.Add(limit)
}

// wholeAgain is when, from a time on, all tasks ran that the primary deployment wants: a replacement that does not run yet
// proves nothing.
func (c Case) wholeAgain(from time.Time) time.Time {
	i, _ := slices.BinarySearchFunc(c.levels, from, func(l level, at time.Time) int { return l.at.Compare(at) })
	if i > 0 && c.levels[i-1].whole && (i == len(c.levels) || c.levels[i].at.After(from)) {
		return from
	}
	for _, l := range c.levels[i:] {
		if l.whole {
			return l.at
		}
	}
	return c.Looks[len(c.Looks)-1].at.Add(window)
}

// exposure is how many days of tasks ran in a time, as far as stops in it would have been shown.
func (c Case) exposure(from, to time.Time) float64 {
	if first := c.Looks[0].at.Add(-visible); from.Before(first) {
		from = first
	}
	total := c.ran(from, to)
	for _, dark := range c.dark {
		if f, t := later(dark.from, from), earlier(dark.to, to); f.Before(t) {
			total -= c.ran(f, t)
		}
	}
	return total
}

// darkness is when a stop would never have been shown: it was forgotten before the next look that read anything.
func darkness(looks []look) []outage {
	var out []outage
	last := looks[0].at
	for _, l := range looks {
		if l.kind == blank {
			continue
		}
		if l.at.Sub(last) > visible {
			out = append(out, outage{last, l.at.Add(-visible)})
		}
		last = l.at
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// ran is the sum of all running tasks' time, in days.
func (c Case) ran(from, to time.Time) float64 {
	total := 0.0
	i, _ := slices.BinarySearchFunc(c.levels, from, func(l level, at time.Time) int { return l.at.Compare(at) })
	for i = max(0, i-1); i < len(c.levels) && c.levels[i].at.Before(to); i++ {
		start, end := c.levels[i].at, to
		if i+1 < len(c.levels) && c.levels[i+1].at.Before(to) {
			end = c.levels[i+1].at
		}
		if start.Before(from) {
			start = from
		}
		total += float64(c.levels[i].running) * end.Sub(start).Hours() / 24
	}
	return total
}

// surprise is the chance of n events or more where mean are expected (Poisson): a lower bound of n's rate at 1-q lies above
// a limit exactly where the limit's own chance of n or more is below q.
func surprise(n int, mean float64) float64 {
	below, term := 0.0, math.Exp(-mean)
	for k := range n {
		below += term
		term *= mean / float64(k+1)
	}
	return 1 - below
}
