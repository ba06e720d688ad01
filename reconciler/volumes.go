package reconciler

import (
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// volumeLeast is the shortest time that a rate is told of: a few minutes say little.
const volumeLeast = 10 * time.Minute

// internalOperation is how many requests of InternalOperation a minute Application Signals counted in what was last read, or nil
// where that is not known.
func internalOperation(s fleet.SignalCounts) *float64 {
	minutes := s.At.Sub(s.From).Minutes()
	if !s.Complete || s.Service == "" || !s.Absent.IsZero() || minutes < volumeLeast.Minutes() {
		return nil
	}
	sum := 0.0
	for _, p := range s.Internal {
		sum += p.Value
	}
	rate := sum / minutes
	return &rate
}

// volumesOf is what the metrics say before and after a rollout's deployment. What is not known is nil, never zero.
func volumesOf(r rollout.Rollout, o fleet.Observation, restarts churn.Restarts) rollout.Volumes {
	v := rollout.Volumes{InternalOperationBefore: r.Plan.InternalOperation}
	from := r.Soak.From
	if from.IsZero() || r.StartedAt.IsZero() && !r.Foreign {
		return v
	}
	if !o.Metrics.Signals.From.Before(from) { // all of what was read is of the new tasks
		v.InternalOperationAfter = internalOperation(o.Metrics.Signals)
	}
	if until := restarts.Until; o.Metrics.Restarts.Complete && until.Sub(from) >= volumeLeast {
		v.RestartsAfter = restartsADay(restarts, from, until)
		v.RestartsBefore = restartsADay(restarts, from.Add(-24*time.Hour), from)
	}
	return v
}

// restartsADay counts the remembered restarts in [from, to), or gives nil where older ones may have been forgotten.
func restartsADay(r churn.Restarts, from, to time.Time) *float64 {
	if len(r.Recent) >= churn.RecentRestarts && r.Recent[0].At.After(from) {
		return nil
	}
	n := 0.0
	for _, x := range r.Recent {
		if !x.At.Before(from) && x.At.Before(to) {
			n++
		}
	}
	n *= 24 / to.Sub(from).Hours()
	return &n
}
