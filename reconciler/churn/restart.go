package churn

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// MetricsEvery is how often metric evidence is read.
const MetricsEvery = 15 * time.Minute

const (
	staleMetrics  = 2*MetricsEvery + 10*time.Minute // what was read longer ago says nothing any more: one reading failed, and its data were some minutes old
	quietRestarts = 2 * MetricsEvery                // the shortest clearing: two readings must show no restart
)

// Restartable names the containers of the service's running tasks, and of those it would start now, that a restart policy
// brings back. whole: every definition that this takes is known.
func Restartable(o fleet.Observation) (names []string, whole bool) {
	whole = true
	used := map[string]bool{o.Service.TaskDefinition: true}
	for _, t := range o.Tasks {
		used[t.TaskDefinition] = used[t.TaskDefinition] || !t.Stopped()
	}
	found := map[string]bool{}
	for arn, running := range used {
		d, ok := o.Definitions[arn]
		whole = whole && (ok || !running || arn == "")
		for _, c := range d.Containers {
			found[c.Name] = found[c.Name] || running && c.Restart
		}
	}
	maps.DeleteFunc(found, func(_ string, restarts bool) bool { return !restarts })
	return slices.Sorted(maps.Keys(found)), whole
}

// restarting claims, per container, that its restart policy brings it back: the tasks run on, so that nothing else shows it.
// One restart opens. The restarts are the clock, as deaths are of a crash; it stands still while nobody can read them.
func (c court) restarting(r Restarts) []finding.Claim {
	names, whole := Restartable(c.o)
	now, seen := c.restartClock(r, len(names) > 0 || !whole)
	var out []finding.Claim
	for _, name := range c.restarted(r) {
		run := slices.DeleteFunc(slices.Clone(r.Recent), func(x Restart) bool { return x.Container != name })
		limit := c.restartLimit(run)
		last := run[len(run)-1].At
		start := last
		for _, d := range c.o.Service.Deployments {
			start = latest(start, d.CreatedAt)
		}
		switch {
		case !seen:
			out = append(out, finding.Claim{Type: finding.SidecarRestarting, Subject: name, Keeps: true, Blind: true})
		case now.Sub(start) < limit:
			claim := c.restartClaim(name, run, limit)
			claim.Keeps = now.Sub(last) >= limit
			out = append(out, claim)
		}
	}
	return append(out, c.restartsUnseen(names)...)
}

// restartClock is up to when restarts are known: that of the look where no container can restart.
func (c court) restartClock(r Restarts, possible bool) (now time.Time, seen bool) {
	if !possible {
		return c.o.At, true
	}
	is := c.o.Metrics.Restarts
	return r.Until, is.Complete && is.Absent.IsZero() && is.At.Equal(r.Until) && c.now.Sub(is.At) < staleMetrics
}

func (c court) restarted(r Restarts) []string {
	names := map[string]bool{}
	for _, x := range r.Recent {
		names[x.Container] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// livesBetween are the lives that ended in a restart.
func livesBetween(run []Restart) survival {
	var out []life
	for _, r := range run {
		if r.After > 0 {
			out = append(out, life{r.After, true})
		}
	}
	return survivalOf(out)
}

// restartLimit is how long no restart must come before the finding clears.
func (c court) restartLimit(run []Restart) time.Duration {
	known := livesBetween(run)
	switch {
	case c.p.ClearAfter > 0:
		return max(c.p.ClearAfter, quietRestarts)
	case known.deaths == 0:
		return defaultClear
	}
	return max(2*known.quantile(0.95), quietRestarts)
}

func (c court) restartClaim(name string, run []Restart, limit time.Duration) finding.Claim {
	for i := len(run) - 1; i > 0; i-- {
		if run[i].At.Sub(run[i-1].At) >= limit {
			run = run[i:]
			break
		}
	}
	tasks := map[string]bool{}
	for _, r := range run {
		tasks[r.Task] = true
	}
	what := "container"
	if c.p.Knowledge.Sidecar(name, c.imageOf(name)) {
		what = "sidecar"
	}
	m := fmt.Sprintf("%s %s was restarted %d time(s) in %d task(s) since %s by its restart policy, which no ECS API and no event shows",
		what, Mask(name), len(run), len(tasks), run[0].At.UTC().Format(time.RFC3339))
	if image := c.imageOf(name); image != "" {
		m += "; image " + Mask(image)
	}
	if life := livesBetween(run).span(); life != "" {
		m += "; its lives end " + life
	}
	var evidence []string
	for _, r := range slices.Backward(run) {
		if len(evidence) == maxShown {
			break
		}
		evidence = append(evidence, fmt.Sprintf("task %s: RestartCount of Container Insights at %s", r.Task, r.At.UTC().Format(time.RFC3339)))
	}
	return finding.Claim{Type: finding.SidecarRestarting, Subject: name, Severity: finding.Warning, Reason: "ContainerRestarts", Message: m,
		Evidence: evidence, Since: run[0].At, Count: len(run)}
}

// imageOf is the image of a container in the service's present definition, or in another known one.
func (c court) imageOf(name string) string {
	if def, ok := c.o.Definitions[c.o.Service.TaskDefinition].Container(name); ok {
		return def.Image
	}
	for _, arn := range slices.Sorted(maps.Keys(c.o.Definitions)) {
		if def, ok := c.o.Definitions[arn].Container(name); ok {
			return def.Image
		}
	}
	return ""
}
