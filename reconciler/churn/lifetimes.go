package churn

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"taskwarden/reconciler/finding"
)

// life is how long one task is known to have lived. One that did not die of what is judged (it runs, or was stopped on
// purpose) says only that it can live that long: it is censored.
type life struct {
	age  time.Duration
	died bool
}

// survival is the Kaplan–Meier estimate of how long tasks live (E. Kaplan, P. Meier, Nonparametric estimation from
// incomplete observations, Journal of the American Statistical Association 53, 1958), so that deployments, which cut lives
// short, do not make tasks seem to die younger. It is written here since gonum/stat has no survival analysis.
//
// Tasks that were alive when watching began count with their whole age. Their siblings that had died are not known, which
// errs on the long side for the first lives.
type survival struct {
	steps    []step // by age
	deaths   int
	censored int
	longest  time.Duration // the highest age seen, dead or alive
}

// step is an age at which tasks died, and the share of all that outlives it.
type step struct {
	age  time.Duration
	left float64
}

func survivalOf(lives []life) survival {
	slices.SortFunc(lives, func(a, b life) int { return cmp.Compare(a.age, b.age) })
	var s survival
	left := 1.0
	for i := 0; i < len(lives); {
		j, died := i, 0
		for ; j < len(lives) && lives[j].age == lives[i].age; j++ {
			if lives[j].died {
				died++
			}
		}
		if died > 0 {
			left *= 1 - float64(died)/float64(len(lives)-i)
			s.steps = append(s.steps, step{lives[i].age, left})
		}
		s.deaths, s.censored, s.longest = s.deaths+died, s.censored+j-i-died, lives[i].age
		i = j
	}
	return s
}

// immune is how many times the age of the oldest death tasks must have outlived for the rest to count as another kind:
// then the estimate is of those that do die. A crash that strikes in one zone alone leaves the others' tasks alive for
// weeks, and their age says nothing about it.
const immune = 2

// quantile is the age by which the q-th part of the tasks has died; 0 where none died. Where the estimate does not reach
// so far, since too few have died yet, it is the highest age seen (B. Efron's completion of the tail, 1967).
func (s survival) quantile(q float64) time.Duration {
	if len(s.steps) == 0 {
		return 0
	}
	last := s.steps[len(s.steps)-1]
	if s.longest >= immune*last.age {
		q *= 1 - last.left
	}
	// Ages between two deaths are interpolated, each death standing for the middle of its step, as the usual sample
	// quantile does for data without censoring.
	prior := 1.0
	var at, before float64
	for i, st := range s.steps {
		mid := 1 - (prior+st.left)/2
		if mid >= q {
			if i == 0 || mid == before {
				return st.age
			}
			part := (q - before) / (mid - before)
			return (time.Duration(at) + time.Duration(part*(float64(st.age)-at))).Round(time.Millisecond)
		}
		at, before, prior = float64(st.age), mid, st.left
	}
	if 1-last.left >= q-1e-9 {
		return last.age
	}
	return s.longest
}

// span says when tasks die: "6 h 10 min to 6 h 50 min after their start (median 6 h 30 min)", which are the middle 80 %;
// "" where no lifetime is known.
func (s survival) span() string {
	if s.deaths == 0 {
		return ""
	}
	low, mid, high := human(s.quantile(0.1)), human(s.quantile(0.5)), human(s.quantile(0.9))
	if low == high {
		return low + " after their start"
	}
	return fmt.Sprintf("%s to %s after their start (median %s)", low, high, mid)
}

// finding is the estimate as findings carry it.
func (s survival) finding() *finding.Lifetimes {
	if s.deaths == 0 {
		return nil
	}
	sec := func(q float64) float64 { return math.Round(s.quantile(q).Seconds()) }
	return &finding.Lifetimes{P10: sec(0.1), P50: sec(0.5), P90: sec(0.9), P95: sec(0.95), Deaths: s.deaths, Alive: s.censored}
}

// lives are those of the tasks of the revisions that died in the run, as they were at its last death: what happens later
// changes nothing about it, so a finding's end stands until the next death. The run's own deaths are deaths; other ends
// and tasks that live are censored.
func (c court) lives(run []Stop) []life {
	last, oldest := run[len(run)-1].StoppedAt, run[0].StoppedAt
	revisions, own := map[string]bool{}, make(map[string]bool, len(run))
	var out []life
	for _, s := range run {
		own[s.TaskARN] = true
		if s.Lifetime > 0 {
			revisions[s.TaskDefinition] = true
			oldest = earliest(oldest, s.StoppedAt.Add(-s.Lifetime))
			out = append(out, life{s.Lifetime, true})
		}
	}
	if len(out) == 0 {
		return nil
	}
	for _, s := range c.stops {
		if s.Lifetime == 0 || own[s.TaskARN] || s.StoppedAt.Before(oldest) || !s.StartedAt.Before(last) || !revisions[s.TaskDefinition] {
			continue
		}
		out = append(out, life{min(s.Lifetime, last.Sub(s.StartedAt)), false})
	}
	for _, t := range c.o.Tasks {
		if t.Ran() && !c.known[t.ARN] && t.StartedAt.Before(last) && revisions[t.TaskDefinition] {
			out = append(out, life{last.Sub(t.StartedAt), false})
		}
	}
	return out
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
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
