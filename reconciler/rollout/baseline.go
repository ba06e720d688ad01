package rollout

import (
	"fmt"
	"math"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

const (
	baselineDays  = 14 * 24 * time.Hour // how far back lifetimes are compared with
	baselineLives = 400                 // how many of them are kept with a rollout, newest first
	fewDeaths     = 3                   // fewer deaths of the base revision, and earlier revisions are taken in
)

// baseline is the lives before the change: those of the base revision in the last 14 days. Where it is too young to have
// shown how its tasks die, those of earlier revisions count too, from the birth of the first that died of the culprit on:
// older ones may be from before whatever began it.
func baseline(s Subject, culprits []string, now time.Time) []Life {
	since := now.Add(-baselineDays)
	own := func(revision string, _ time.Time) bool { return revision == s.Service.TaskDefinition }
	lives := livesOf(s.Observation, s.History, culprits, since, own)
	if n, _ := exposure(lives, culpritDeath); n >= fewDeaths {
		return lives
	}
	var onset time.Time
	for _, d := range s.History.Stops {
		if endingOf(d, culprits) == Culprit && d.StoppedAt.After(since) && (onset.IsZero() || d.StartedAt.Before(onset)) && !d.StartedAt.IsZero() {
			onset = d.StartedAt
		}
	}
	return livesOf(s.Observation, s.History, culprits, since, func(_ string, born time.Time) bool { return !onset.IsZero() && !born.Before(onset) })
}

// livesOf lists the lives of the revisions that want picks: recorded stops that ended after since, and the tasks seen running,
// whose age is counted to when they were seen.
func livesOf(o fleet.Observation, h churn.History, culprits []string, since time.Time, want func(revision string, born time.Time) bool) []Life {
	var out []Life
	for _, s := range slices.Backward(h.Stops) {
		if s.Lifetime > 0 && s.StoppedAt.After(since) && want(s.TaskDefinition, s.StartedAt) && len(out) < baselineLives {
			out = append(out, Life{s.Lifetime, endingOf(s, culprits)})
		}
	}
	for _, t := range o.Tasks {
		if t.LastStatus == fleet.StatusRunning && t.Ran() && o.At.After(t.StartedAt) && want(t.TaskDefinition, t.StartedAt) {
			out = append(out, Life{o.At.Sub(t.StartedAt), Alive})
		}
	}
	return out
}

// endingOf is how a recorded stop counts. Where no culprit is known, the death is taken for the culprit's: a fix is not
// proven by not knowing.
func endingOf(s churn.Stop, culprits []string) Ending {
	switch {
	case s.Verdict.Planned:
		return Alive
	case len(culprits) == 0 || s.Verdict.Culprit == nil || slices.Contains(culprits, s.Verdict.Culprit.Container):
		return Culprit
	}
	return Other
}

// decides is the age at which new tasks of which none dies prove the fix, or 0 where no death is known to compare with.
func decides(base []Life, tasks int, soak Soak) time.Duration {
	n, _ := exposure(base, culpritDeath)
	if n == 0 {
		return 0
	}
	q, m := float64(q90(base)), float64(n)
	lives := m * (math.Pow(quietChance, -1/m) - 1) / float64(max(tasks, 1)) // in which (m/(m+x))^m reaches 5 %
	return max(time.Duration(q*outlive), time.Duration(q*lives/math.Ln10), soak.Min)
}

// power says how long the soak will be if the fix works: "12 h decide this at 4 tasks; at 1 task 30 h".
func power(base []Life, tasks int, soak Soak) string {
	tasks = max(tasks, 1)
	at := decides(base, tasks, soak)
	if at == 0 {
		return fmt.Sprintf("no lifetime that ended in a death is known: nothing can decide this, and it ends inconclusive after %s", human(soak.Max))
	}
	if at = roundUp(at); at > soak.Max {
		return fmt.Sprintf("%s would decide this at %d task(s), which is longer than the longest soak of %s: it will end inconclusive unless it gets worse",
			human(at), tasks, human(soak.Max))
	}
	out := fmt.Sprintf("%s decide this at %d tasks; at 1 task %s", human(at), tasks, human(roundUp(decides(base, 1, soak))))
	if tasks == 1 {
		out = fmt.Sprintf("%s decide this at 1 task", human(at))
	}
	n, _ := exposure(base, culpritDeath)
	return fmt.Sprintf("%s (if nobody dies; by %d death(s), of whose lifetimes a tenth was longer than %s)", out, n, human(q90(base)))
}

// roundUp gives no more figures than such a forecast is worth.
func roundUp(d time.Duration) time.Duration {
	step := time.Second
	switch {
	case d > time.Hour:
		step = 30 * time.Minute
	case d > time.Minute:
		step = time.Minute
	}
	return (d + step - 1).Truncate(step)
}
