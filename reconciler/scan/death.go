package scan

import (
	"cmp"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// death is one task that ended without anybody having meant it, as far as can be told.
type death struct {
	task       string    // its id; "": only its replacement was seen
	born       time.Time // when it began to run, or when the scheduler started it; zero: unknown
	died       time.Time
	exact      bool // died is the task's own, not its replacement's start
	source     Source
	definition string // the task definition it ran, by the deployment in force; "": unknown
	exit       *int   // of the culprit
	image      string // the culprit's
	verdict    churn.Verdict
}

// record is all that is concluded about the tasks of one service.
type record struct {
	ledger
	deaths  []death // oldest first
	suspect string  // the container that the deaths judged so far name most; "": none
	planned int     // ends that were meant, as far as they were seen
	scaled  bool    // tasks were started or stopped by something else than deployments and deaths
}

// unsettled is how long before a look a start may not yet show in the list of tasks.
const unsettled = 2 * time.Minute

// recordOf finds the deaths. What the scheduler started and what neither runs nor was stopped by it is dead; that is only
// concluded from a complete list of tasks. A start outside of deployments stands for the death of the task it replaced:
// that dates deaths without a log, and counts those of tasks that had been started before the first event.
func recordOf(f Facts, p Policy, now time.Time) record {
	r := record{ledger: ledgerOf(f.Events)}
	since := now.Add(-p.History)
	seen := map[string]bool{}
	meant := []time.Time{}
	for _, t := range f.Tasks {
		seen[t.ID()] = true
		if !t.Stopped() {
			continue
		}
		if d := stoppedDeath(f, t, p); d.verdict.Planned {
			r.planned++
			if _, byScheduler := r.stopped[t.ID()]; !byScheduler {
				meant = append(meant, d.died)
			}
		} else if d.died.After(since) {
			r.deaths = append(r.deaths, d)
		}
	}
	if f.Complete {
		r.missing(f, p, seen, since)
	}
	r.suspect = suspectOf(r.deaths)
	r.date(f, meant, since)
	slices.SortStableFunc(r.deaths, func(a, b death) int { return cmp.Or(a.died.Compare(b.died), cmp.Compare(a.task, b.task)) })
	return r
}

// stoppedDeath judges a stopped task that AWS still shows.
func stoppedDeath(f Facts, t fleet.Task, p Policy) death {
	in := churn.Input{Task: t, Service: &f.Service, Logs: linesOf(f, t, t.TaskDefinition)}
	if d, ok := f.Definitions[t.TaskDefinition]; ok {
		in.Definition = &d
	}
	out := death{task: t.ID(), born: t.StartedAt, died: t.EndedAt(), exact: true, source: StoppedTasks, definition: t.TaskDefinition}
	out.verdict = churn.Explain(in, p.Churn.Knowledge)
	if c := out.verdict.Culprit; c != nil {
		out.exit = c.ExitCode
		box, _ := t.Container(c.Container)
		out.image = cmp.Or(box.Image, imageOf(f, t.TaskDefinition, c.Container))
	}
	return out
}

// missing adds the tasks that were started and are not there any more.
func (r *record) missing(f Facts, p Policy, seen map[string]bool, since time.Time) {
	for _, s := range r.starts {
		_, stopped := r.stopped[s.task]
		if seen[s.task] || s.at.Before(since) || s.at.After(f.At.Add(-unsettled)) {
			continue
		}
		if stopped && !r.sick[s.task] {
			r.planned++
			continue
		}
		d := death{task: s.task, born: s.at, source: ServiceEvents, definition: inForce(f, s.at).definition}
		if stopped {
			d.died, d.exact = r.stopped[s.task], true
		}
		r.deaths = append(r.deaths, byLogs(f, d, p))
	}
}

// byLogs judges a task that only its id and its logs are left of.
func byLogs(f Facts, d death, p Policy) death {
	t := fleet.Task{ARN: d.task}
	in := churn.Input{Logs: linesOf(f, t, d.definition)}
	if def, ok := f.Definitions[d.definition]; ok {
		in.Definition = &def
	}
	v := churn.Explain(in, p.Churn.Knowledge)
	v.Cause, v.Planned, v.Confidence, v.Culprit, v.Sidecar = churn.UnknownCause, false, churn.Low, nil, false
	v.Evidence = []string{"AWS shows the task no more: the scheduler started it, it does not run, and the scheduler did not stop it"}
	if d.exact {
		v.Cause, v.Confidence = churn.ELBHealthCheck, churn.Medium
		v.Evidence = []string{"the scheduler stopped the task right after a failed health check"}
	}
	if guilty := onlyFatal(v.Signatures); guilty != nil {
		image := imageOf(f, d.definition, guilty.Container)
		v.Cause, v.Confidence = churn.EssentialContainerExited, churn.Medium
		v.Culprit = &churn.Culprit{Container: guilty.Container}
		v.Sidecar = p.Churn.Knowledge.Sidecar(guilty.Container, image) && hasCompany(f, d.definition)
		v.Evidence = append(v.Evidence, "log of "+churn.Mask(guilty.Container)+" ends in "+guilty.Name+": "+guilty.Line)
		d.image = image
	}
	d.verdict = v
	return d
}

// onlyFatal is the first fatal signature, if all fatal ones are of one container.
func onlyFatal(all []churn.Signature) *churn.Signature {
	var found *churn.Signature
	for i := range all {
		if !all[i].Fatal {
			continue
		}
		if found != nil && found.Container != all[i].Container {
			return nil
		}
		if found == nil {
			found = &all[i]
		}
	}
	return found
}

func hasCompany(f Facts, definition string) bool {
	return len(f.Definitions[definition].Containers) > 1
}

func imageOf(f Facts, definition, container string) string {
	c, _ := f.Definitions[definition].Container(container)
	return c.Image
}

// linesOf are the log lines that were read of a task, by container.
func linesOf(f Facts, t fleet.Task, definition string) map[string][]string {
	var out map[string][]string
	for _, c := range f.Definitions[definition].Containers {
		ref, why := fleet.LogOf(t, c)
		if why != "" {
			continue
		}
		if tail, ok := f.Logs[ref]; ok && len(tail.Lines) > 0 {
			if out == nil {
				out = map[string][]string{}
			}
			out[c.Name] = tail.Lines
		}
	}
	return out
}

func suspectOf(deaths []death) string {
	counts, best := map[string]int{}, ""
	for _, d := range deaths {
		c := d.verdict.Culprit
		if c == nil {
			continue
		}
		counts[c.Container]++
		if n, most := counts[c.Container], counts[best]; n > most || n == most && c.Container < best {
			best = c.Container
		}
	}
	return best
}

// unnamed is the verdict on a task of which only the replacement was seen.
func unnamed() churn.Verdict {
	return churn.Verdict{Cause: churn.UnknownCause, Confidence: churn.Low, Signatures: []churn.Signature{},
		Evidence: []string{"a task was started while no deployment went on: it replaced one that had been started before the first service event"}}
}
