package scan

import (
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// phase is the time in which one deployment was in force.
type phase struct {
	created    time.Time
	finished   time.Time // zero: not over
	arn        string    // of the service deployment; "": only DescribeServices told of it
	revision   string    // service revision ARN; ""
	definition string    // task definition ARN; "": unknown
}

// undone are deployments whose revision did not stay.
var undone = []string{"STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}

// phases are the deployments that stayed, newest first.
func phases(f Facts) []phase {
	var out []phase
	for _, d := range f.Deployments {
		if !slices.Contains(undone, d.Status) {
			out = append(out, phase{d.CreatedAt, d.FinishedAt, d.ARN, d.Target, f.Revisions[d.Target].TaskDefinition})
		}
	}
	for _, d := range f.Service.Deployments {
		if !listed(f.Deployments, d) && d.RolloutState != fleet.RolloutFailed {
			out = append(out, phase{created: d.CreatedAt, finished: rolloutEnd(d, ledgerOf(f.Events), f.At), definition: d.TaskDefinition})
		}
	}
	slices.SortStableFunc(out, func(a, b phase) int { return b.created.Compare(a.created) })
	if p, ok := f.Service.Primary(); ok && len(out) > 0 && out[0].definition == "" && out[0].created.Sub(p.CreatedAt).Abs() <= sameTime {
		out[0].definition = p.TaskDefinition
	}
	return out
}

// inForce is the deployment in force at a time. Before the first one known it is empty but for the present task definition
// (of the service, or of a task where others deploy it), by which at least the logs may be found.
func inForce(f Facts, at time.Time) phase {
	for _, p := range phases(f) {
		if !p.created.After(at) {
			return p
		}
	}
	if f.Service.TaskDefinition == "" && len(f.Tasks) > 0 {
		return phase{definition: f.Tasks[0].TaskDefinition}
	}
	return phase{definition: f.Service.TaskDefinition}
}

// before is the deployment that one replaced, or false where none is known. sources are what ECS says it replaced.
func before(f Facts, p phase) (phase, bool) {
	all := phases(f)
	for _, d := range f.Deployments {
		if d.ARN != p.arn || p.arn == "" || len(d.Sources) == 0 {
			continue
		}
		from := d.Sources[len(d.Sources)-1]
		for _, o := range all {
			if o.revision == from {
				return o, true
			}
		}
		return phase{revision: from, definition: f.Revisions[from].TaskDefinition}, true
	}
	i := slices.IndexFunc(all, func(o phase) bool { return o.created.Before(p.created) })
	if i < 0 {
		return phase{}, false
	}
	return all[i], true
}
