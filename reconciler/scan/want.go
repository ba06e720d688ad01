package scan

import (
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// How much of one service is read at most.
const (
	wantedTails   = 5  // dead tasks whose last lines are read
	searchedTasks = 3  // dead tasks of which every container's log is read while nobody is suspected
	wantedStreams = 20 // dead tasks whose log stream is asked for its first and last line
	wantedPhases  = 20 // deployments whose revision is read: one call
)

// deploymentsKept is how long ECS keeps service deployments.
const deploymentsKept = 90 * 24 * time.Hour

// Wants lists what is to be read next of a service; nothing once all is read that may tell more. Whoever reads notes each
// answer with Facts.Answered, and asks again.
func Wants(f Facts, p Policy, now time.Time) []Want {
	w := wanting{Facts: f, p: p, now: now}
	r := recordOf(f, p, now)
	if len(r.deaths) == 0 && !sidecarStopped(f) {
		return nil
	}
	w.want(Want{Source: Definitions, ARN: f.Service.TaskDefinition})
	for _, t := range f.Tasks {
		w.want(Want{Source: Definitions, ARN: t.TaskDefinition})
	}
	if len(r.deaths) == 0 {
		return w.list
	}
	rolling := f.rolling()
	if rolling {
		w.want(Want{Source: Deployments, From: now.Add(-deploymentsKept)})
	}
	for _, ph := range phases(f)[:min(len(phases(f)), wantedPhases)] {
		w.want(Want{Source: Revisions, ARN: ph.revision})
	}
	if rolling && !f.Asked[Want{Source: Deployments}] || len(w.list) > 0 {
		return w.list // which definition a task ran decides where its log is
	}
	w.evidence(r)
	w.onset(r)
	return w.list
}

// rolling tells whether ECS itself deploys the service: others (CODE_DEPLOY, EXTERNAL) have no service deployments.
func (f *Facts) rolling() bool {
	return f.Service.Controller == "" || f.Service.Controller == "ECS"
}

// sidecarStopped tells whether a container of a running task has stopped.
func sidecarStopped(f Facts) bool {
	return slices.ContainsFunc(f.Tasks, func(t fleet.Task) bool {
		return !t.Stopped() && slices.ContainsFunc(t.Containers, func(c fleet.Container) bool { return c.LastStatus == fleet.StatusStopped })
	})
}

type wanting struct {
	Facts
	p    Policy
	now  time.Time
	list []Want
}

func (w *wanting) want(one Want) {
	if one.ARN == "" && one.Ref == (fleet.LogRef{}) && one.Source != Deployments {
		return
	}
	if w.Asked[one.same()] || w.denied(one.Source) || slices.ContainsFunc(w.list, func(o Want) bool { return o.same() == one.same() }) {
		return
	}
	w.list = append(w.list, one)
}

// evidence asks for the logs of the newest deaths: of every container until one is suspected, then of that one.
func (w *wanting) evidence(r record) {
	named := slices.DeleteFunc(slices.Clone(r.deaths), func(d death) bool { return d.task == "" })
	slices.Reverse(named)
	for _, d := range named {
		w.want(Want{Source: Definitions, ARN: d.definition})
	}
	if w.p.Churn.Logs {
		w.tails(named, r.suspect)
		w.streams(named, r.suspect)
	}
}

func (w *wanting) tails(named []death, suspect string) {
	limit := searchedTasks
	if suspect != "" {
		limit = wantedTails
	}
	for i, d := range named[:min(len(named), limit)] {
		if i > 0 && suspect == "" && len(w.list) > 0 {
			return // first see what the newer one tells
		}
		for _, c := range w.Definitions[d.definition].Containers {
			if suspect != "" && c.Name != suspect {
				continue
			}
			w.want(Want{Source: LogLines, Ref: logOf(d.task, c), From: d.born})
		}
	}
}

func (w *wanting) streams(named []death, suspect string) {
	if suspect == "" {
		return
	}
	for _, d := range named[:min(len(named), wantedStreams)] {
		if c, ok := w.Definitions[d.definition].Container(suspect); ok && d.source != StoppedTasks {
			w.want(Want{Source: LogStreams, Ref: logOf(d.task, c)})
		}
	}
}

// logOf is where a container of a task that AWS shows no more wrote its log; empty where that cannot be told.
func logOf(task string, c fleet.ContainerDefinition) fleet.LogRef {
	ref, why := fleet.LogOf(fleet.Task{ARN: task}, c)
	if why != "" {
		return fleet.LogRef{}
	}
	return ref
}

// onset asks for what changed when it began.
func (w *wanting) onset(r record) {
	o := onsetOf(w.Facts, r, w.p, w.now)
	if o == nil {
		return
	}
	w.want(Want{Source: Replaced, ARN: o.phase.arn})
	w.want(Want{Source: Definitions, ARN: o.phase.definition})
	if was, ok := before(w.Facts, o.phase); ok {
		w.want(Want{Source: Revisions, ARN: was.revision})
		w.want(Want{Source: Definitions, ARN: was.definition})
	}
}
