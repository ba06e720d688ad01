package churn

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/mask"
)

// Judge puts one look at a service and its history together. It is total and deterministic, and recording its outcome
// makes the same look bring nothing new.
//
//   - New: stopped tasks of the service that are not recorded. A verdict of low confidence waits in Held until a complete
//     look later than the one that first showed it, unless something makes it surer before. A held stop that a complete
//     look no longer shows is recorded as it was last judged: AWS has forgotten the task, and nothing will make it surer.
//   - Refined: recorded stops whose wanted logs have come, were found nowhere, or can be looked for now.
//   - Wants: logs of unplanned stops, at most 20 stops a look, newest first.
//   - Restarts, Restarted: the restarts that metrics show and that were not counted before.
//   - Claims: none of a service that is gone.
func Judge(o fleet.Observation, h History, p Policy, now time.Time) Judgement {
	var j Judgement
	recorded := make(map[string]bool, len(h.Stops))
	for _, s := range h.Stops {
		recorded[s.TaskARN] = true
	}
	j.New, j.Held = newStops(o, h, p, recorded)
	stops := slices.Concat(h.Stops, j.New)
	for i := range stops {
		if stops[i].LogsAt != LogsWanted {
			continue
		}
		if next, changed := stops[i].refine(o, p, now); changed {
			stops[i] = next
			if i < len(h.Stops) {
				j.Refined = append(j.Refined, next)
			} else {
				j.New[i-len(h.Stops)] = next
			}
		}
	}
	j.Wants = wants(stops, o)
	j.Short, j.Restarts = shortSince(o, h.Short), h.Restarts
	if !o.Gone {
		for _, s := range j.New {
			recorded[s.TaskARN] = true
		}
		c := court{o: o, h: h, p: p, now: now, stops: byTime(stops), known: recorded, short: j.Short}
		j.Restarts, j.Restarted = c.countRestarts()
		j.Claims = slices.Concat(c.silentChurn(), c.sidecarCrashes(), c.sidecarsDown(), c.restarting(j.Restarts), c.flood())
	}
	return j
}

// byTime is the stops in order; a new list only where they are not, which they nearly always are.
func byTime(stops []Stop) []Stop {
	if slices.IsSortedFunc(stops, Stop.compare) {
		return slices.Clip(stops)
	}
	out := slices.Clone(stops)
	slices.SortStableFunc(out, Stop.compare)
	return out
}

func (s Stop) compare(o Stop) int {
	return cmp.Or(s.StoppedAt.Compare(o.StoppedAt), cmp.Compare(s.TaskARN, o.TaskARN))
}

// newStops judges the stopped tasks that are not recorded yet.
func newStops(o fleet.Observation, h History, p Policy, recorded map[string]bool) ([]Stop, map[string]Held) {
	held := map[string]Held{}
	var out []Stop
	shown := map[string]bool{}
	for _, t := range stoppedTasks(o) {
		shown[t.ARN] = true
		if recorded[t.ARN] {
			continue
		}
		s := stopOf(t, o, p)
		was := h.Held[t.ARN]
		if s.Verdict.Confidence != Low || was.over(o.Seen) {
			out = append(out, s)
			continue
		}
		if was.Since.IsZero() && o.Complete {
			was.Since = o.At
		}
		held[t.ARN] = Held{was.Since, s}
	}
	for arn, was := range h.Held {
		switch {
		case shown[arn], recorded[arn]:
		case o.Complete && o.At.After(was.Since):
			was.Stop.say("AWS no longer shows the task: a complete look at " + o.At.UTC().Format(time.RFC3339) + " came without it, so this verdict stays as it is")
			out = append(out, was.Stop)
		default:
			held[arn] = was // not seeing it now says nothing
		}
	}
	return byTime(out), held
}

// over tells whether a stop that is shown again has waited long enough: for a complete look after the first one.
func (h Held) over(seen fleet.Seen) bool {
	return seen.Complete && !h.Since.IsZero() && seen.At.After(h.Since)
}

// stoppedTasks are the service's, each once, in its latest version.
func stoppedTasks(o fleet.Observation) []fleet.Task {
	name := cmp.Or(o.Service.Name, o.Key.Service)
	latest := map[string]fleet.Task{}
	for _, t := range o.Tasks {
		if name == "" || t.ARN == "" || !t.Stopped() || t.ServiceName() != name {
			continue
		}
		if was, ok := latest[t.ARN]; !ok || was.Version < t.Version {
			latest[t.ARN] = t
		}
	}
	return slices.SortedFunc(maps.Values(latest), func(a, b fleet.Task) int { return cmp.Compare(a.ARN, b.ARN) })
}

func stopOf(t fleet.Task, o fleet.Observation, p Policy) Stop {
	in := Input{Task: t, Service: &o.Service}
	if d, ok := o.Definitions[t.TaskDefinition]; ok {
		in.Definition = &d
	}
	s := Stop{
		TaskARN: t.ARN, TaskDefinition: t.TaskDefinition, StartedAt: t.StartedAt, StoppingAt: t.StoppingAt, StoppedAt: t.EndedAt(),
		Lifetime: t.Lifetime(), Zone: t.AvailabilityZone, Node: t.ContainerInstance, Verdict: Explain(in, p.Knowledge),
	}
	if strings.HasPrefix(t.StartedBy, "ecs-svc/") {
		s.Deployment = t.StartedBy
	}
	if s.StoppedAt.IsZero() {
		s.StoppedAt = o.At
		s.say("AWS gave no time of the stop: that of the look stands for it")
	}
	if c := s.Verdict.Culprit; c != nil {
		s.setImage(t, in.Definition, c.Container)
	}
	s.Told = unstarted(s) && !through(o.Service, s.Deployment)
	if !s.Verdict.Planned && p.Logs {
		s.Sources = sourcesOf(t, s.Verdict)
	}
	if len(s.Sources) > 0 {
		s.LogsAt = LogsWanted
	}
	return s
}

// through tells whether a deployment has come about. One that is no longer listed beside another was replaced, by a
// roll-back or a correction for most that do not start; of a service that lists none nothing is known.
func through(s fleet.Service, id string) bool {
	d, listed := s.Deployment(id)
	if !listed {
		return id == "" || len(s.Deployments) == 0
	}
	return d.RolloutState != fleet.RolloutInProgress && d.RolloutState != fleet.RolloutFailed
}

func (s *Stop) setImage(t fleet.Task, d *fleet.Definition, container string) {
	c, _ := t.Container(container)
	s.Image, s.ImageDigest = c.Image, c.ImageDigest
	if s.Image == "" && d != nil {
		def, _ := d.Container(container)
		s.Image = def.Image
	}
}

// say adds to the evidence, once and on a list of its own.
func (s *Stop) say(text string) {
	if text = mask.Cut(text, 2*maxLine); !slices.Contains(s.Verdict.Evidence, text) {
		s.Verdict.Evidence = append(slices.Clip(s.Verdict.Evidence), text)
	}
}
