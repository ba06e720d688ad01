package rollout

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/floats"
)

// immuneAge is how many times the highest age at death other tasks must have passed to count as tasks that the fault does not
// strike (package churn does likewise). The percentile is then of those that die.
const immuneAge = 2

// q90 is the counted age that a tenth of the lives that die outlives: the 90th percentile of the Kaplan-Meier estimate.
// Where the estimate does not get so far (few die, or all that are alive are young) it is the one of an exponential with the
// same deaths and exposure, or the highest age, whichever is higher. It is 0 where no task died.
func q90(lives []Life) time.Duration {
	var total, oldest, oldestDeath time.Duration
	died := 0
	for _, l := range lives {
		total += l.Counted
		oldest = max(oldest, l.Counted)
		if l.End == Culprit {
			died++
			oldestDeath = max(oldestDeath, l.Counted)
		}
	}
	if died == 0 {
		return 0
	}
	sorted := slices.SortedFunc(slices.Values(lives), byCounted)
	steps, left := []float64{}, 1.0
	var at []time.Duration
	for i, l := range sorted {
		if l.End == Culprit {
			left *= 1 - 1/float64(len(sorted)-i)
			steps, at = append(steps, left), append(at, l.Counted)
		}
	}
	never := 0.0
	if oldest >= immuneAge*oldestDeath {
		never = left
	}
	for i, left := range steps {
		if left <= never+0.1*(1-never)+1e-9 { // the product of fractions is not exact
			return at[i]
		}
	}
	return max(oldest, time.Duration(math.Ln10*float64(total)/float64(died)))
}

// byCounted orders lives by counted age; at the same age deaths come first, since a task that lives at that age was at risk then.
func byCounted(a, b Life) int {
	alive := func(l Life) int {
		if l.End == Alive {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Counted, b.Counted), cmp.Compare(alive(a), alive(b)))
}

// ranks compares two groups' deaths in the order of age.
type ranks struct {
	observed int       // moments of death of the new lives
	expected float64   // as many as their share of those at risk at each moment would give
	draws    []float64 // that share, moment by moment
}

// fewer is the chance of that few new deaths or fewer, if both groups were alike.
func (r ranks) fewer() float64 { return atMost(r.draws, r.observed) }

// more is the chance of that many new deaths or more, if both groups were alike.
func (r ranks) more() float64 { return max(1-atMost(r.draws, r.observed-1), 0) }

// logRank is the exact log-rank test on counted ages. At each moment of death, the chance that it falls on a new life is the
// share of new lives among those that had reached that age; the number of new deaths is then a sum of such draws, whose
// distribution is computed and not approximated, so that it holds for one task as for hundreds. Ages alone count: a task too
// young to have died by the baseline's experience adds nothing. (N. Mantel 1966, with the risk sets as they were observed.)
// Deaths of one moment are one life; a life without a death counts for the part apart, the share of deaths that came alone.
func logRank(base, fresh []Life, death func(Life) bool, apart float64) ranks {
	type entry struct {
		age         time.Duration
		fresh, died bool
	}
	all := make([]entry, 0, len(base)+len(fresh))
	weight := func(e entry) float64 {
		if e.died {
			return 1
		}
		return apart
	}
	var atRisk, freshAtRisk float64
	add := func(lives []Life, fresh bool) {
		for _, l := range lives {
			e := entry{l.Counted, fresh, death(l)}
			if e.died && l.Shared {
				continue
			}
			all = append(all, e)
			atRisk += weight(e)
			if fresh {
				freshAtRisk += weight(e)
			}
		}
	}
	add(base, false)
	add(fresh, true)
	slices.SortFunc(all, func(a, b entry) int {
		switch {
		case a.age != b.age:
			return cmp.Compare(a.age, b.age)
		case a.died != b.died && a.died:
			return -1
		case a.died != b.died:
			return 1
		}
		return 0
	})
	var r ranks
	for _, e := range all {
		if e.died {
			share := min(1, max(0, freshAtRisk/atRisk))
			r.draws = append(r.draws, share)
			r.expected += share
			if e.fresh {
				r.observed++
			}
		}
		atRisk -= weight(e)
		if e.fresh {
			freshAtRisk -= weight(e)
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
