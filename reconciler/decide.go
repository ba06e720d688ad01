package reconciler

import (
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
)

// Policies is all configuration that a decision depends on.
type Policies struct {
	Churn     churn.Policy
	Overrides []Override // the first that matches a service wins
	Lint      otel.Options
}

// Override is another threshold for some services.
type Override struct {
	Match     fleet.Scope
	Threshold int
}

// of gives the policy for one service.
func (p Policies) of(key fleet.Key) churn.Policy {
	out := p.Churn
	for _, o := range p.Overrides {
		if o.Match.Cluster(key.Cluster) && o.Match.Service(key.Service) {
			out.Threshold = o.Threshold
			break
		}
	}
	return out
}

// Decision is what one look at a service means: what to record, what to read next, and why; also when that is nothing.
type Decision struct {
	Key     fleet.Key
	At      time.Time
	New     []churn.Stop // to be recorded, once each
	Refined []churn.Stop // recorded before; evidence has completed them
	Held    map[string]churn.Held
	Short   time.Time // since when tasks have been missing; zero: none is

	Restarts  churn.Restarts
	Restarted []churn.Restart // to be counted, once each

	Findings []finding.Finding
	Wants    []churn.Want
	Changes  []finding.Transition
	Reason   string // a stable code: the gravest open finding's type, Quiet, PartialView, Gone
	Message  string
}

// Decide judges one observation. It is pure and total: the same arguments give the same decision.
func Decide(o fleet.Observation, m Memory, p Policies, now time.Time) Decision {
	j := churn.Judge(o, m.History, p.of(o.Key), now)
	d := Decision{Key: o.Key, At: now, New: j.New, Refined: j.Refined, Held: j.Held, Short: j.Short, Wants: j.Wants, Restarts: j.Restarts, Restarted: j.Restarted}
	claims := append(advised(j.Claims, o, m.Findings, p.Lint), misconfigured(o, m.Findings, j.Claims, p.Lint)...)
	if m.Learning {
		claims = weakened(claims)
	}
	if !o.Gone {
		claims = append(append(claims, rollout.Claims(m.Rollouts, m.Reset, o)...), m.Hindered...) // known for certain, also before the view is whole
	}
	d.Findings = mergeAll(o.Key, m.Findings, claims, o.Seen, now, m.Alarms)
	d.Changes = finding.Transitions(m.Findings, d.Findings, now)
	d.Reason, d.Message = explain(o, d.Findings)
	return d
}

// advised completes the claims' causes by what ran, and ranks what may help. Of a task definition that is not known any
// more, what the finding said of it stands.
func advised(claims []finding.Claim, o fleet.Observation, was []finding.Finding, lint otel.Options) []finding.Claim {
	out := slices.Clone(claims)
	for i, c := range out {
		if c.Cause == nil {
			continue
		}
		var ran *fleet.Definition
		if d, ok := o.Definitions[c.Cause.TaskDefinition]; ok {
			ran = &d
		}
		cause, cures := otel.Advise(*c.Cause, ran, lint)
		before := slices.IndexFunc(was, func(f finding.Finding) bool { return f.Type == c.Type && f.Subject == c.Subject })
		if ran == nil && before >= 0 && was[before].Cause != nil && was[before].Cause.TaskDefinition == cause.TaskDefinition && cause.Sidecar {
			cause.Settings, cause.Unseen, cures = was[before].Cause.Settings, was[before].Cause.Unseen, was[before].Cures
		}
		out[i].Cause, out[i].Cures = &cause, cures
	}
	return out
}

// weakened are claims that keep what is open and open nothing: what a first look shows is history, and is no news before
// the view is whole.
func weakened(claims []finding.Claim) []finding.Claim {
	out := slices.Clone(claims)
	for i := range out {
		out[i].Keeps = true
	}
	return out
}

func explain(o fleet.Observation, findings []finding.Finding) (reason, message string) {
	var worst finding.Finding
	for _, f := range findings {
		if f.Open() && f.Type != finding.AlarmMissing && f.Severity.Rank() > worst.Severity.Rank() {
			worst = f // that nobody is told of it is not the trouble
		}
	}
	switch {
	case worst.Type != "":
		return worst.Type, worst.Message
	case !o.Complete:
		return "PartialView", "the last look at the cluster was not whole: nothing is concluded from what is missing"
	case o.Gone:
		return "Gone", "a complete look at the cluster did not find the service"
	}
	return "Quiet", fmt.Sprintf("%d of %d wanted tasks run, and nothing is open", o.Service.Running, o.Service.Desired)
}
