package reconciler

import (
	"context"
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

// requestsOf is how many requests of all operations Application Signals counted a minute. They are read for services with a plan
// alone, by one call for the time of the last reading, unless that read them.
func requestsOf(ctx context.Context, t Target, s fleet.SignalCounts) rollout.Requests {
	minutes := s.At.Sub(s.From).Minutes()
	switch {
	case s.Service == "":
		return rollout.Requests{Unknown: "it does not use Application Signals, or its metrics were not read yet"}
	case !s.Absent.IsZero() || s.Environment == "":
		return rollout.Requests{Unknown: "Application Signals has no metric of it"}
	case minutes < volumeLeast.Minutes():
		return rollout.Requests{Unknown: "its metrics were not read yet"}
	}
	all := s.All
	if len(all) == 0 {
		series, err := t.Observer.Series(ctx, []fleet.Query{{Metric: signalMetric(s), Statistic: requests}}, s.From, s.At)
		if err != nil {
			return rollout.Requests{Unknown: err.Error()}
		}
		all = series[0]
	}
	if rate := churn.SumOf(all) / minutes; rate > 0 {
		return rollout.Requests{PerMinute: rate}
	}
	return rollout.Requests{Unknown: "Application Signals counted none"}
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
