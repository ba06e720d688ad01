package reconciler

import (
	"fmt"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Policies is all configuration that a decision depends on.
type Policies struct {
	Churn     churn.Policy
	Overrides []Override // the first that matches a service wins
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
	Key      fleet.Key
	At       time.Time
	New      []churn.Stop // to be recorded, once each
	Refined  []churn.Stop // recorded before; evidence has completed them
	Held     map[string]churn.Held
	Findings []finding.Finding
	Wants    []churn.Want
	Changes  []finding.Transition
	Reason   string // a stable code: the gravest open finding's type, Quiet, PartialView, Gone
	Message  string
}

// Decide judges one observation. It is pure and total: the same arguments give the same decision.
func Decide(o fleet.Observation, m Memory, p Policies, now time.Time) Decision {
	j := churn.Judge(o, m.History, p.of(o.Key), now)
	d := Decision{Key: o.Key, At: now, New: j.New, Refined: j.Refined, Held: j.Held, Wants: j.Wants}
	d.Findings = mergeAll(o.Key, m.Findings, j.Claims, o.Seen, now, m.Alarms)
	d.Changes = finding.Transitions(m.Findings, d.Findings, now)
	d.Reason, d.Message = explain(o, d.Findings)
	return d
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
