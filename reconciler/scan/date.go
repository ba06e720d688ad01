package scan

import (
	"cmp"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// near is how far apart a death and its replacement's start may lie: the scheduler looks again within a minute.
const near = 5 * time.Minute

// date gives each death its time: the log stream's where it was read, else that of the start that replaced it, in the order
// of age. Starts that replaced nobody known become deaths without a name, unless the service was scaled.
func (r *record) date(f Facts, meant []time.Time, since time.Time) {
	for i := range r.deaths {
		r.deaths[i] = byStream(f, r.deaths[i], r.suspect)
	}
	var replacements []time.Time
	windows := rollouts(f, r.ledger)
	crowded := 0.0
	for _, s := range r.starts {
		if s.at.Before(since) || within(windows, s.at) {
			continue
		}
		crowded += 1 - 1/float64(s.crowd)
		if !r.scaledIn(s.task, windows) {
			replacements = append(replacements, s.at)
		}
	}
	r.scaled = crowded > 1+2*coincidences(len(replacements), f.At.Sub(latest(r.from, since)))
	for id := range r.stopped {
		r.scaled = r.scaled || r.scaledIn(id, windows)
	}
	replacements = takeNear(replacements, meant)
	slices.SortFunc(r.deaths, func(a, b death) int { return cmp.Or(a.born.Compare(b.born), cmp.Compare(a.task, b.task)) })
	var exact []time.Time
	for _, d := range r.deaths {
		if d.exact {
			exact = append(exact, d.died)
		}
	}
	r.pair(takeNear(replacements, exact))
}

// oneLook is how long deaths may lie apart for the scheduler to replace them at once.
const oneLook = time.Minute

// coincidences is how many of n starts are to be expected beside another one, if all replace tasks that died at random.
func coincidences(n int, over time.Duration) float64 {
	return float64(n) * float64(n) * oneLook.Seconds() / 2 / max(over.Seconds(), oneLook.Seconds())
}

// scaledIn tells whether the scheduler stopped a task outside of deployments, and not for its health.
func (r *record) scaledIn(task string, rollouts []window) bool {
	at, stopped := r.stopped[task]
	return stopped && !r.sick[task] && !within(rollouts, at)
}

// pair gives the replacements that are left to the deaths whose time is unknown, oldest task first. Where there are more
// replacements than such deaths, the first ones replaced tasks that had been started before the first event.
func (r *record) pair(replacements []time.Time) {
	undated := 0
	for _, d := range r.deaths {
		if d.died.IsZero() {
			undated++
		}
	}
	elder := max(0, len(replacements)-undated)
	for i, at := range replacements {
		next := slices.IndexFunc(r.deaths, func(d death) bool { return d.died.IsZero() && d.born.Before(at) })
		if i >= elder && next >= 0 {
			r.deaths[next].died = at
		} else if !r.scaled {
			r.deaths = append(r.deaths, death{died: at, source: ServiceEvents, verdict: unnamed()})
		}
	}
	for i := range r.deaths {
		if r.deaths[i].died.IsZero() { // it died while a deployment went on; how soon is not known
			r.deaths[i].died = r.deaths[i].born
		}
	}
}

// takeNear leaves out, for each of the known times, the replacement that follows on it most closely.
func takeNear(replacements, known []time.Time) []time.Time {
	out := slices.Clone(replacements)
	for _, at := range known {
		best := -1
		for i, r := range out {
			if gap := r.Sub(at).Abs(); gap <= near && (best < 0 || gap < out[best].Sub(at).Abs()) {
				best = i
			}
		}
		if best >= 0 {
			out = slices.Delete(out, best, best+1)
		}
	}
	return out
}

// byStream dates a death by the log of the container that died of a crash: its last line is its end. AWS's own times of a
// task that it still shows are better.
func byStream(f Facts, d death, container string) death {
	if d.task == "" || container == "" || d.source == StoppedTasks {
		return d
	}
	c, ok := f.Definitions[d.definition].Container(container)
	if !ok {
		return d
	}
	ref, _ := fleet.LogOf(fleet.Task{ARN: d.task}, c)
	s, ok := f.Streams[ref]
	if !ok || s.Missing != "" {
		return d
	}
	if begin := birthOf(s); !begin.IsZero() {
		d.born = begin
	}
	if !d.exact && s.LastEvent.After(d.born) {
		d.died, d.exact, d.source = s.LastEvent, true, LogStreams
	}
	return d
}

// birthOf is when a stream's container began: the log driver makes the stream then, the first line may come hours later.
func birthOf(s fleet.LogStream) time.Time {
	if s.CreatedAt.IsZero() || !s.FirstEvent.IsZero() && s.FirstEvent.Before(s.CreatedAt) {
		return s.FirstEvent
	}
	return s.CreatedAt
}

// firstOf is the first time that is known.
func firstOf(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// window is a stretch of time, both ends included.
type window struct{ from, to time.Time }

func within(all []window, at time.Time) bool {
	return slices.ContainsFunc(all, func(w window) bool { return !at.Before(w.from) && !at.After(w.to) })
}

// settling is how long after a deployment's end the service may still be busy with it.
const settling = 2 * time.Minute

// longestRollout bounds a deployment whose end nobody told: updatedAt may be later than the end.
const longestRollout = time.Hour

// rollouts are the times in which starts belong to a deployment.
func rollouts(f Facts, l ledger) []window {
	var out []window
	for _, d := range f.Deployments {
		w := window{d.CreatedAt, d.FinishedAt.Add(settling)}
		if d.FinishedAt.IsZero() {
			w.to = f.At
		}
		out = append(out, w)
	}
	for _, d := range f.Service.Deployments {
		if !listed(f.Deployments, d) {
			out = append(out, window{d.CreatedAt, rolloutEnd(d, l, f.At).Add(settling)})
		}
	}
	return out
}

// rolloutEnd is when a deployment of DescribeServices was over, as far as can be told; at is the look.
func rolloutEnd(d fleet.Deployment, l ledger, at time.Time) time.Time {
	if end, ok := l.ended[d.ID]; ok {
		return end
	}
	if d.RolloutState == fleet.RolloutInProgress {
		return at
	}
	if limit := d.CreatedAt.Add(longestRollout); d.UpdatedAt.After(limit) {
		return limit
	}
	return d.UpdatedAt
}

// sameTime is how far apart the two histories may date one deployment: their ids do not agree.
const sameTime = time.Minute

func listed(all []fleet.ServiceDeployment, d fleet.Deployment) bool {
	return slices.ContainsFunc(all, func(o fleet.ServiceDeployment) bool { return o.CreatedAt.Sub(d.CreatedAt).Abs() <= sameTime })
}
