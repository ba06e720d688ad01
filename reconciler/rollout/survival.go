package rollout

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
)

// Ending is how one task's life is known to have ended.
type Ending string

// Endings. Alive also stands for lives that something planned cut short (a deployment, scaling in, an operator): of both is
// known only that they lasted at least so long, which statistics calls censored.
const (
	Alive   Ending = "alive"
	Culprit Ending = "culprit" // the death that the fix is to end, and every unplanned one of which nobody knows better
	Other   Ending = "other"   // an unplanned death of another, known culprit
)

// Life is one task: how long it ran, and how that ended.
type Life struct {
	Age time.Duration `json:"age"`
	End Ending        `json:"end"`
}

func culpritDeath(l Life) bool { return l.End == Culprit }
func anyDeath(l Life) bool     { return l.End != Alive }

// exposure is the number of deaths and the time of all lives together.
func exposure(lives []Life, death func(Life) bool) (n int, total time.Duration) {
	for _, l := range lives {
		total += l.Age
		if death(l) {
			n++
		}
	}
	return n, total
}

// q90 is the age that a tenth of these lives outlives: the 90th percentile of the Kaplan-Meier estimate, and where that does
// not get so far (few die, or all who are alive are young) the one of an exponential with the same deaths and exposure, or
// the oldest age known, whichever is longer. It is 0 where nobody died.
func q90(lives []Life) time.Duration {
	deaths, total := exposure(lives, culpritDeath)
	if deaths == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(lives), byAge)
	survive := 1.0
	for i, l := range sorted {
		if l.End == Culprit {
			survive *= 1 - 1/float64(len(sorted)-i)
		}
		if survive <= 0.1+1e-9 { // the product of fractions is not exact
			return l.Age
		}
	}
	return max(sorted[len(sorted)-1].Age, time.Duration(math.Ln10*float64(total)/float64(deaths)))
}

// byAge orders lives by age; at the same age deaths come first, since who is alive at that age was at risk then.
func byAge(a, b Life) int {
	switch {
	case a.Age != b.Age && a.Age < b.Age, a.Age == b.Age && a.End != Alive && b.End == Alive:
		return -1
	case a.Age != b.Age, a.End == Alive && b.End != Alive:
		return 1
	}
	return 0
}

// ranks compares two groups' deaths in the order of age.
type ranks struct {
	observed int       // deaths of the new lives
	expected float64   // as many as their share of those at risk at each death would give
	draws    []float64 // that share, death by death
}

// fewer is the chance of that few new deaths or fewer, if both groups were alike.
func (r ranks) fewer() float64 { return atMost(r.draws, r.observed) }

// more is the chance of that many new deaths or more, if both groups were alike.
func (r ranks) more() float64 { return max(1-atMost(r.draws, r.observed-1), 0) }

// logRank is the exact log-rank test. At each death, the chance that it falls on a new life is the share of new lives among
// those who had reached that age; the number of new deaths is then a sum of such draws, whose distribution is computed and
// not approximated, so that it holds for one task as for hundreds. Ages alone count: a task too young to have died by the
// baseline's experience adds nothing. (N. Mantel 1966, with the risk sets as they were observed.)
func logRank(base, fresh []Life, death func(Life) bool) ranks {
	type entry struct {
		Life
		fresh bool
	}
	all := make([]entry, 0, len(base)+len(fresh))
	for _, l := range base {
		all = append(all, entry{l, false})
	}
	for _, l := range fresh {
		all = append(all, entry{l, true})
	}
	slices.SortStableFunc(all, func(a, b entry) int { return byAge(a.Life, b.Life) })
	var r ranks
	atRisk := len(fresh)
	for i, e := range all {
		if death(e.Life) {
			share := float64(atRisk) / float64(len(all)-i)
			r.draws = append(r.draws, share)
			r.expected += share
			if e.fresh {
				r.observed++
			}
		}
		if e.fresh {
			atRisk--
		}
	}
	return r
}

// atMost is the chance that of independent draws with these chances no more than k succeed (Poisson-binomial).
func atMost(draws []float64, k int) float64 {
	if k < 0 {
		return 0
	}
	chance := make([]float64, k+1) // of exactly so many successes so far
	chance[0] = 1
	for _, p := range draws {
		for i := k; i > 0; i-- {
			chance[i] = chance[i]*(1-p) + chance[i-1]*p
		}
		chance[0] *= 1 - p
	}
	return min(floats.Sum(chance), 1)
}
