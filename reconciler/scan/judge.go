package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// Judge says what the facts of one service mean. It is total and deterministic.
func Judge(f Facts, p Policy, now time.Time) Service {
	r := recordOf(f, p, now)
	o := onsetOf(f, r, p, now)
	s := Service{
		Target: f.Target, Cluster: f.Cluster, Service: f.Key.Service, TaskDefinition: fleet.NameOf(f.Service.TaskDefinition),
		Desired: f.Service.Desired, Running: f.Service.Running, Deaths: len(r.deaths), NamedDeaths: len(named(r.deaths)), PlannedStops: r.planned,
		Proof: proofOf(f), Owner: f.Definitions[f.Service.TaskDefinition].RegisteredBy,
		Settings: []otel.Problem{}, Cures: []finding.Cure{}, Findings: []Finding{}, Alarms: []Told{}, Gaps: append([]Gap{}, f.Gaps...),
	}
	if o != nil {
		rate := o.rate(f, r, now)
		s.Rate, s.Lifetimes, s.LastDeath = &rate, lifetimesOf(o.run), stamp(o.run[len(o.run)-1].died)
		s.Onset, s.Culprit = onsetRow(f, o), culpritOf(o.run)
		s.Findings = findings(f, r, o, p, now)
	} else {
		s.Findings = findings(f, r, &onset{from: r.reach(now, p)}, p, now)
	}
	s.SeenSince = seenSince(f, r, s.Proof, p, now)
	s.settle(f, p, now)
	if d, ok := f.Definitions[f.Service.TaskDefinition]; ok && (s.Status == Churning || s.Status == Stops) {
		s.advise(d, p)
	}
	if c := s.Culprit; c != nil {
		s.cause = cause{c.Container, c.Signature, c.Image}
	}
	s.Sources = reaches(f, r, s, p, now)
	return s
}

// settle gives the status: a finding first, then what was seen at all, then whether not seeing it means anything.
func (s *Service) settle(f Facts, p Policy, now time.Time) {
	open := slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Type == finding.SilentChurn || f.Type == finding.SidecarCrash })
	switch {
	case open:
		s.Status, s.Reason = Churning, fmt.Sprintf("%d tasks ended unplanned%s", s.Deaths, s.blame())
	case s.Deaths > 0 && s.NamedDeaths == 0:
		s.Status, s.Reason = Stops, fmt.Sprintf("%d tasks were started outside deployments: they replaced others, or the service was scaled out", s.Deaths)
	case s.Deaths > 0 && s.Culprit == nil && onSpot(f):
		s.Status, s.Reason = Stops, fmt.Sprintf("%d tasks ended that the scheduler did not stop; on spot capacity a reclaimed task looks the same", s.Deaths)
	case s.Deaths > 0:
		s.Status, s.Reason = Stops, fmt.Sprintf("%d tasks ended that the scheduler did not stop, too few or too long ago for a finding%s", s.Deaths, s.blame())
	default:
		s.Status, s.Reason = s.unseen(p, now)
	}
}

// unseen is what it means that no end was seen.
func (s *Service) unseen(p Policy, now time.Time) (status, reason string) {
	switch {
	case s.Desired == 0 && s.Running == 0:
		return Unknown, "no task is wanted and none runs"
	case s.SeenSince == nil:
		return Unknown, "no source says anything of the past"
	case now.Sub(*s.SeenSince) < p.Churn.Window:
		return Unknown, "no unplanned end in " + Span(now.Sub(*s.SeenSince)) + ", which is all that can be seen" + s.earlier()
	}
	return Quiet, "no unplanned end in " + Span(now.Sub(*s.SeenSince)) + s.earlier()
}

// earlier says what the ages of the running tasks show of the time before.
func (s *Service) earlier() string {
	if s.Proof.Younger == 0 || s.PlannedStops > 0 {
		return ""
	}
	return fmt.Sprintf("; %d of the running tasks are much younger than the last deployment: they replaced others before, or the service was scaled out", s.Proof.Younger)
}

// blame is the culprit in a few words; "" for none.
func (s *Service) blame() string {
	switch c := s.Culprit; {
	case c == nil:
		return ""
	case c.Signature != "":
		return ": " + c.Container + " dies of " + c.Signature
	default:
		return ": " + c.Container + " ends"
	}
}

// findings judges the deaths as a controller that had watched would. Deaths that only their replacements show are no
// evidence by themselves, and neither are unexplained ones on spot capacity, where a reclaimed task looks the same.
func findings(f Facts, r record, o *onset, p Policy, now time.Time) []Finding {
	var stops []churn.Stop
	sure := slices.ContainsFunc(r.deaths, func(d death) bool { return d.task != "" && (d.verdict.Culprit != nil || !onSpot(f)) })
	exact := slices.ContainsFunc(r.deaths, func(d death) bool { return d.exact && !d.born.IsZero() })
	for _, d := range r.deaths {
		explained := d.verdict.Cause != churn.UnknownCause
		if sure && (explained || !onSpot(f)) {
			stops = append(stops, d.stopOf(f.Key.Service, exact))
		}
	}
	past := f.Observation
	past.Tasks = slices.DeleteFunc(slices.Clone(f.Tasks), fleet.Task.Stopped) // they are among the deaths already
	j := churn.Judge(past, churn.History{Stops: stops, Since: o.from}, p.Churn, now)
	out := []Finding{}
	for _, c := range j.Claims {
		if c.Keeps {
			continue
		}
		status := finding.True
		if !f.Complete {
			status = finding.Unknown
		}
		out = append(out, Finding{Type: c.Type, Subject: c.Subject, Status: status, Severity: c.Severity, Reason: c.Reason, Message: c.Message,
			Evidence: append([]string{}, c.Evidence...), FirstSeen: *stamp(cmp.Or(c.Since, now)), LastSeen: now, Count: max(c.Count, 1)})
	}
	return out
}

// onSpot tells whether the service's tasks run on capacity that AWS takes back.
func onSpot(f Facts) bool {
	return slices.ContainsFunc(f.Tasks, func(t fleet.Task) bool { return strings.Contains(strings.ToUpper(t.CapacityProvider), "SPOT") })
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

func onsetRow(f Facts, o *onset) *Onset {
	out := &Onset{Began: o.began, FirstDeath: *stamp(o.at), Deployed: stamp(o.phase.created), Changes: []Change{}}
	if !o.phase.created.IsZero() {
		out.Revision = fleet.NameOf(o.phase.definition)
		out.Registered = f.Definitions[o.phase.definition].RegisteredBy
	}
	if was, ok := before(f, o.phase); ok {
		out.Before = fleet.NameOf(was.definition)
		out.Changes = append(out.Changes, changes(f, was, o.phase)...)
	}
	return out
}

// culpritOf is who most of the examined deaths name; nil where none names anybody.
func culpritOf(run []death) *Culprit {
	name := suspectOf(run)
	if name == "" {
		return nil
	}
	out := &Culprit{Container: name}
	for _, d := range run { // oldest first: the newest one's words stay
		v := d.verdict
		if v.Culprit != nil || len(v.Signatures) > 0 {
			out.Examined++
		}
		if v.Culprit == nil || v.Culprit.Container != name {
			continue
		}
		out.Shown++
		out.Sidecar, out.Image = v.Sidecar, cmp.Or(d.image, out.Image)
		if v.Culprit.ExitCode != nil {
			out.ExitCode = v.Culprit.ExitCode
		}
		for _, sig := range v.Signatures {
			if sig.Container == name && sig.Fatal {
				out.Signature, out.Line = sig.Name, sig.Line
				break
			}
		}
	}
	return out
}

// muchYounger is how much later than a deployment's end a task must have started to have replaced another.
const muchYounger = 10 * time.Minute

// proofOf sets the running tasks' ages against the last deployment's end.
func proofOf(f Facts) Proof {
	var p Proof
	var end time.Time
	if all := phases(f); len(all) > 0 && !f.Service.Deploying() {
		end = firstOf(all[0].finished, all[0].created)
		p.DeploymentEnded = stamp(end)
	}
	for _, t := range f.Tasks {
		if t.Stopped() || !t.Ran() {
			continue
		}
		if p.Oldest == nil || t.StartedAt.Before(*p.Oldest) {
			p.Oldest = stamp(t.StartedAt)
		}
		if p.Youngest == nil || t.StartedAt.After(*p.Youngest) {
			p.Youngest = stamp(t.StartedAt)
		}
		if !end.IsZero() && t.StartedAt.Sub(end) > muchYounger {
			p.Younger++
		}
	}
	return p
}

// seenSince is since when an unplanned end would have been seen: since the first service event, or since the youngest task
// started while all that are wanted run, whichever is longer ago. It takes a complete list of tasks.
func seenSince(f Facts, r record, proof Proof, p Policy, now time.Time) *time.Time {
	if !f.Complete {
		return nil
	}
	var since time.Time
	if !r.from.IsZero() {
		since = latest(r.from, now.Add(-p.History))
	}
	whole := proof.Youngest != nil && f.Service.Desired > 0 && f.Service.Running == f.Service.Desired
	if whole && (since.IsZero() || proof.Youngest.Before(since)) {
		since = *proof.Youngest
	}
	return stamp(since)
}
