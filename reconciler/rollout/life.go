package rollout

import (
	"cmp"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// Ending is how one task's life is known to have ended.
type Ending string

// Endings. Alive also stands for lives that something else cut short (a deployment, scaling in, an outage of many): of both is
// known only that they lasted at least so long, which statistics calls censored.
const (
	Alive   Ending = "alive"
	Culprit Ending = "culprit" // the death that the fix is to end, and every death by a container's own end whose container is unknown
	Other   Ending = "other"   // an unplanned death that the fix cannot have caused: of another container, or none of a container
)

// Life is one task.
type Life struct {
	Start time.Time     `json:"start,omitzero"`
	Age   time.Duration `json:"age"`
	// Counted is the part of the age in which tasks like this one died before the change (comparison.counted).
	Counted time.Duration `json:"counted"`
	End     Ending        `json:"end"`
	// Shared marks a death that came in the moment of an earlier one. Both are one draw: what killed one killed the other.
	Shared bool `json:"shared,omitempty"`
}

func (l Life) ended() time.Time { return l.Start.Add(l.Age) }

func culpritDeath(l Life) bool { return l.End == Culprit }
func anyDeath(l Life) bool     { return l.End != Alive }

// livesOf lists the lives of the revisions that want picks: recorded stops that ended after since, and the tasks seen running,
// whose age is counted to when they were seen.
func livesOf(o fleet.Observation, h churn.History, by blame, since time.Time, want func(revision string, born time.Time) bool) []Life {
	var out []Life
	for _, s := range h.Stops {
		if s.Lifetime > 0 && s.StoppedAt.After(since) && want(s.TaskDefinition, s.StartedAt) {
			out = append(out, Life{Start: s.StoppedAt.Add(-s.Lifetime), Age: s.Lifetime, End: by.ending(s)})
		}
	}
	for _, t := range o.Tasks {
		if t.LastStatus == fleet.StatusRunning && t.Ran() && o.At.After(t.StartedAt) && want(t.TaskDefinition, t.StartedAt) {
			out = append(out, Life{Start: t.StartedAt, Age: o.At.Sub(t.StartedAt), End: Alive})
		}
	}
	return out
}

// notTheContainer are the causes of stops that no container's own end brought about: the load balancer, the platform or a
// start that failed. A setting of a container neither caused nor cures them.
var notTheContainer = []churn.Cause{churn.ELBHealthCheck, churn.ImagePull, churn.ResourceInit, churn.Placement, churn.CircuitBreaker, "infrastructure"}

// ending is how a recorded stop counts. A container's own end without a known container counts as the culprit's: what is not
// known does not prove a fix.
func (b blame) ending(s churn.Stop) Ending {
	switch culprits := b.culprits; {
	case s.Verdict.Planned || b.outage(s):
		return Alive
	case slices.Contains(notTheContainer, s.Verdict.Cause):
		return Other
	case len(culprits) == 0 || s.Verdict.Culprit == nil || slices.Contains(culprits, s.Verdict.Culprit.Container):
		return Culprit
	}
	return Other
}

// momentMost and momentShare bound how far apart two deaths of one moment are: a quarter of an hour, and a twentieth of the
// median lifetime.
const (
	momentMost  = 15 * time.Minute
	momentShare = 20
)

// medianAge is the median age at death; 0 where no task died.
func medianAge(lives []Life) time.Duration {
	var ages []time.Duration
	for _, l := range lives {
		if l.End != Alive {
			ages = append(ages, l.Age)
		}
	}
	if len(ages) == 0 {
		return 0
	}
	slices.Sort(ages)
	return ages[len(ages)/2]
}

// moment is how far apart deaths of these lives may be to count as one draw.
func moment(lives []Life) time.Duration { return min(momentMost, medianAge(lives)/momentShare) }

// markMoments marks the deaths that share the moment of an earlier one, of the same kind of ending, and gives the number of
// moments in which the culprit died. A moment begins with its first death and lasts no longer than within, so that a steady
// trickle of deaths is not one long moment. lives are put in the order in which they ended.
func markMoments(lives []Life, within time.Duration) (moments int) {
	slices.SortStableFunc(lives, func(a, b Life) int { return cmp.Compare(a.ended().UnixNano(), b.ended().UnixNano()) })
	began := map[Ending]time.Time{}
	for i := range lives {
		l := &lives[i]
		if l.End == Alive {
			continue
		}
		at := l.ended()
		if first, ok := began[l.End]; ok && at.Sub(first) <= within {
			l.Shared = true
			continue
		}
		l.Shared, began[l.End] = false, at
		if l.End == Culprit {
			moments++
		}
	}
	return moments
}
