package rollout

import (
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

const (
	lossTasks = 2   // a loss is of at least so many tasks,
	lossShare = 0.5 // and of such a share of the service's
	// outageOthers is how many other services must lose tasks at the same moment, of other causes, before a death counts as
	// the outage's.
	outageOthers = 3
)

// Loss is a moment in which a service lost at least half of its tasks, and two, unplanned.
type Loss struct {
	Key   fleet.Key
	From  time.Time
	To    time.Time
	Cause string // causeOf of the first task
}

// Losses lists the losses of a service that wants so many tasks, oldest first. stops are oldest first.
func Losses(key fleet.Key, desired int, stops []churn.Stop) (out []Loss) {
	need := max(lossTasks, int(lossShare*float64(desired)+0.5))
	stops = slices.DeleteFunc(slices.Clone(stops), func(s churn.Stop) bool { return s.Verdict.Planned })
	for i := 0; i < len(stops); {
		n := i
		for n < len(stops) && stops[n].StoppedAt.Sub(stops[i].StoppedAt) <= momentMost {
			n++
		}
		if n-i >= need {
			out = append(out, Loss{Key: key, From: stops[i].StoppedAt, To: stops[n-1].StoppedAt, Cause: causeOf(stops[i])})
			i = n
			continue
		}
		i++
	}
	return out
}

// causeOf tells causes apart: why the task stopped, of which container, by which crash.
func causeOf(s churn.Stop) string {
	cause := string(s.Verdict.Cause)
	if c := s.Verdict.Culprit; c != nil {
		cause += "/" + c.Container
	}
	for _, sig := range s.Verdict.Signatures {
		if sig.Fatal {
			return cause + "/" + sig.Name
		}
	}
	return cause
}

// blame is what a death of a service is judged by: the containers that the fix is for, and what other services lost.
type blame struct {
	key      fleet.Key
	culprits []string
	losses   []Loss
}

// otherLosses are the losses that may excuse a death: not those of services that got the same fix before, since a fix that harms
// many services at once would pass for an outage.
func (m *machine) otherLosses() []Loss {
	wave := m.w.Brakes.wave(m.Rollout)
	return slices.DeleteFunc(slices.Clone(m.w.Losses), func(l Loss) bool {
		return slices.ContainsFunc(wave, func(k Rollout) bool { return k.Key() == l.Key && !k.Wrote.IsZero() && !l.To.Before(k.Wrote) })
	})
}

// outage reports whether a stop came while other services lost their tasks too, of other causes. Services that die of the
// same cause as this one are no outage: they have the same fault.
func (b blame) outage(s churn.Stop) bool {
	var others []fleet.Key
	own := causeOf(s)
	for _, l := range b.losses {
		near := !s.StoppedAt.Before(l.From.Add(-momentMost)) && !s.StoppedAt.After(l.To.Add(momentMost))
		if near && l.Key != b.key && l.Cause != own && !slices.Contains(others, l.Key) {
			others = append(others, l.Key)
		}
	}
	return len(others) >= outageOthers
}
