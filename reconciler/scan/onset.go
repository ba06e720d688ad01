package scan

import (
	"slices"
	"time"
)

// How it began, as far as the history reaches.
const (
	WithDeployment    = "with_deployment"    // no death was seen before it, and deaths would have been
	WithoutDeployment = "without_deployment" // nothing had been deployed shortly before
	BeforeHistory     = "before_history"     // it was under way when the visible history begins
)

// onset is when and under which deployment the present run of deaths began.
type onset struct {
	at    time.Time // the first death of the run
	began string
	phase phase   // in force when the first of the dead was born
	run   []death // oldest first
	from  time.Time
}

const (
	clearDefault = time.Hour // between deaths of one run where no lifetime is known
	clearFloor   = time.Minute
)

// clearTime is how long no death must come before a run is over: twice the 95th percentile of the lifetimes, as a finding
// clears.
func clearTime(deaths []death, p Policy) time.Duration {
	if p.Churn.ClearAfter > 0 {
		return p.Churn.ClearAfter
	}
	known := lives(deaths)
	if len(known) == 0 {
		return clearDefault
	}
	return max(2*quantile(known, 0.95), clearFloor)
}

// onsetOf finds the newest run of deaths and how it began; nil where nobody died.
func onsetOf(f Facts, r record, p Policy, now time.Time) *onset {
	if len(r.deaths) == 0 {
		return nil
	}
	limit := clearTime(r.deaths, p)
	run := r.deaths
	for i := len(run) - 1; i > 0; i-- {
		if run[i].died.Sub(run[i-1].died) >= limit {
			run = run[i:]
			break
		}
	}
	o := &onset{at: run[0].died, run: run}
	known := lives(run)
	life := quantile(known, 0.9)
	birth := firstOf(run[0].born, run[0].died.Add(-life))
	o.phase = inForce(f, birth)
	reach := r.reach(now, p)
	end := firstOf(o.phase.finished, o.phase.created)
	switch {
	case o.at.Sub(reach) < limit && o.phase.created.Before(reach):
		o.began, o.from = BeforeHistory, reach
	case !o.phase.created.IsZero() && o.at.Sub(end) < limit:
		o.began, o.from = WithDeployment, end
	default:
		o.began, o.from = WithoutDeployment, o.at.Add(-max(life, clearDefault))
	}
	if o.began == WithDeployment && o.phase.created.Sub(reach) < quantile(known, 0.5) {
		o.began = BeforeHistory // too little is seen of the time before it
	}
	o.from = latest(o.from, reach)
	return o
}

// reach is since when the deaths of a service would have been seen.
func (r record) reach(now time.Time, p Policy) time.Time {
	since := now.Add(-p.History)
	if !r.from.IsZero() {
		return latest(r.from, since)
	}
	return latest(now.Add(-stoppedShown), since)
}

// stoppedShown is how long AWS shows a stopped task at least (DescribeTasks).
const stoppedShown = time.Hour

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// rate counts the run's deaths over the time since it began. A service that was scaled has no constant number of tasks:
// there only the tasks known by name count, each for as long as it ran.
func (o *onset) rate(f Facts, r record, now time.Time) Rate {
	if !r.scaled {
		tasks := max(f.Service.Desired, f.Service.Running, 1)
		n := 0
		for _, d := range o.run {
			if d.died.After(o.from) {
				n++
			}
		}
		return rateOf(n, float64(tasks)*now.Sub(o.from).Hours()/24, o.from, "deaths over the tasks wanted and the time since then")
	}
	n, exposed := 0, time.Duration(0)
	for _, d := range o.run {
		if d.task != "" && !d.born.IsZero() && d.died.After(d.born) {
			n++
			exposed += d.died.Sub(d.born)
		}
	}
	for _, t := range f.Tasks {
		if !t.Stopped() && t.Ran() {
			exposed += now.Sub(latest(t.StartedAt, o.from))
		}
	}
	return rateOf(n, exposed.Hours()/24, o.from, "deaths of tasks known by id over the time that each of them ran")
}

// named are the deaths of tasks whose id is known.
func named(deaths []death) []death {
	return slices.DeleteFunc(slices.Clone(deaths), func(d death) bool { return d.task == "" })
}
