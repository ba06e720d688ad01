package rollout

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// Subject is one service as a plan needs it: what was seen of it, what was concluded, and what the edge found out because a
// policy matches.
type Subject struct {
	fleet.Observation
	History  churn.History
	Findings []finding.Finding
	Facts    Facts
}

// Facts are asked for only where a plan needs them. The zero value of each means that nothing is known against the plan,
// but for Owner, whose zero value is unknown.
type Facts struct {
	Owner         Owner
	Deleted       bool     // a fresh look found the service missing, draining or inactive
	Base          string   // status of the running revision as AWS gives it now: ACTIVE, INACTIVE, DELETE_IN_PROGRESS; "": not asked
	Express       bool     // resourceManagementType ECS
	PauseHooks    []string // lifecycle hooks of the service that wait for somebody's answer
	UnknownFields []string // fields of the raw document that a registration would lose
	Registration  *Refusal // why the change cannot be registered, beside that
	MovingImages  []string // images that a new deployment would move, or may, each with its container and why
	FamilyUsers   []string // others that run the bare family, which is its newest revision
	Requests      Requests // for what will be lost
	Losses        []Loss   // of all services, of the last 14 days
	Traffic       *Traffic // of the last 14 days; nil: no metric of it is known
	// InternalOperation is Application Signals' count a minute; nil: not known.
	InternalOperation *float64
	Cures             []string // other cures, best first
}

// Requests is how many of the service's requests Application Signals counted a minute, InternalOperation among them: it counts
// whatever the sampler drops, so it is the rate that a ratio is applied to.
type Requests struct {
	PerMinute float64
	Unknown   string // why the rate is not known; "" with a rate of 0 where nobody asked
}

// Plan is one exact change to one service, with all that a person needs to say yes or no.
type Plan struct {
	Key        fleet.Key                    `json:"key"`
	ServiceARN string                       `json:"serviceArn"`
	Policy     string                       `json:"policy"`
	Base       string                       `json:"baseRevision"` // ARN of the revision that runs
	Set        map[string]map[string]string `json:"set"`          // container to variable to value; what otel.Patch takes
	Changes    []otel.Change                `json:"changes"`      // those whose value differs
	LeftAlone  []string                     `json:"leftAlone,omitempty"`
	Why        []string                     `json:"why"`
	Culprits   []string                     `json:"culprits,omitempty"` // containers that the findings blame; none: any death counts
	Owner      Owner                        `json:"owner"`
	Handling   Handling                     `json:"handling"`
	Expected   []string                     `json:"expected"`
	Lost       []string                     `json:"lost"`
	Cures      []string                     `json:"cures,omitempty"`
	Power      string                       `json:"power"`
	Baseline   []Life                       `json:"baseline,omitempty"` // the newest lives before the change
	Before     Baseline                     `json:"before,omitzero"`    // and what is known of all of them
	Earliest   time.Time                    `json:"earliest,omitzero"`  // when the lifetimes can decide, if it starts now and no task dies; zero: not within the longest soak
	Soak       Soak                         `json:"soak"`
	// InternalOperation is how many requests of it there were a minute when the plan was made; nil: not known.
	InternalOperation *float64 `json:"internalOperation,omitempty"`
	Hash              string   `json:"planHash"`
}

// Soak is how a fix is verified.
type Soak struct {
	Fixed time.Duration `json:"fixed,omitempty"` // 0: until the lifetimes decide
	Min   time.Duration `json:"min"`
	Max   time.Duration `json:"max"`
}

// Make plans the policy for the service. ok is false where there is nothing to plan: the policy does not match, a finding it
// waits for is not open, or everything is set already. A refusal comes with the plan it refuses, so that it is kept once for
// each hash.
func Make(s Subject, p Policy, set Settings, now time.Time) (plan Plan, refusal *Refusal, ok bool) {
	if s.Gone || !p.Match.Cluster(s.Cluster) || !p.Match.Service(s.Service.Name) {
		return Plan{}, nil, false
	}
	open, all := opened(s.Findings, p.When)
	if !all {
		return Plan{}, nil, false
	}
	plan = Plan{Key: s.Key, ServiceARN: s.Service.ARN, Policy: p.Name, Base: s.Service.TaskDefinition, Owner: s.Facts.Owner,
		Cures: s.Facts.Cures, InternalOperation: s.Facts.InternalOperation, Soak: Soak{set.Soak, set.MinSoak, set.longest()}}
	definition, read := s.Definitions[plan.Base]
	if !read {
		plan.seal()
		return plan, refuse(ReasonUnseen, nil, "the running revision %s is not read yet", fleet.NameOf(plan.Base)), true
	}
	bad := plan.change(definition, p)
	if bad == nil && len(plan.Changes) == 0 {
		return Plan{}, nil, false
	}
	for _, f := range open {
		plan.Why = append(plan.Why, fmt.Sprintf("%s since %s: %s", f.Type, stamp(f.FirstSeen), f.Message))
		if f.Subject != "" && !slices.Contains(plan.Culprits, f.Subject) {
			plan.Culprits = append(plan.Culprits, f.Subject)
		}
	}
	if plan.Owner.State == "" {
		plan.Owner.State = UnknownOwner
	}
	plan.Handling = handling(p, plan.Owner.State)
	plan.compareWith(baseline(s.Observation, s.History, plan.Base, plan.blame(s.Facts.Losses), set.Zone, s.Facts.Traffic, s.At))
	f := plan.Before.comparison(nil).forecast(s.Service.Desired, plan.Soak, now)
	plan.Earliest, plan.Power = f.at, f.power(plan.Before, s.Service.Desired, plan.Soak)
	plan.foresee(s.Facts)
	plan.seal()
	return plan, firstOf(bad, s.lasting(plan)), true
}

func firstOf(refusals ...*Refusal) *Refusal {
	for _, r := range refusals {
		if r != nil {
			return r
		}
	}
	return nil
}

// opened lists the open findings of the wanted types, and tells whether every type has one. Unknown is not open enough to
// write to production on.
func opened(findings []finding.Finding, types []string) (open []finding.Finding, all bool) {
	for _, t := range types {
		before := len(open)
		for _, f := range findings {
			if f.Type == t && f.Status == finding.True {
				open = append(open, f)
			}
		}
		if len(open) == before {
			return nil, false
		}
	}
	return open, true
}

// handling is the policy's word for the owner's state; its defaults are the configuration's.
func handling(p Policy, o Ownership) Handling {
	if h, ok := p.OnOwner[o]; ok {
		return h
	}
	if o == NoOwner {
		return Apply
	}
	return Export
}

// compareWith sets what the new tasks are compared with; baseline gives it, also after the plan was stored.
func (p *Plan) compareWith(b Baseline) { p.Before, p.Baseline = b, b.Lives }

func (p Plan) baseline() Baseline {
	b := p.Before
	b.Lives = p.Baseline
	return b
}

func (p Plan) blame(losses []Loss) blame { return blame{p.Key, p.Culprits, losses} }

// seal writes the hash over what an approval is given for: service, base revision, policy, changes, how it is handled and
// how it is verified. Evidence and rates may move without making an approval stale.
func (p *Plan) seal() {
	body, _ := json.Marshal([]any{p.ServiceARN, p.Base, p.Policy, p.Set, p.Changes, p.Handling, p.Soak}) // plain values always encode
	sum := sha256.Sum256(body)
	p.Hash = hex.EncodeToString(sum[:8])
}

// foresee says what the change will do and what it costs.
func (p *Plan) foresee(f Facts) {
	whom := "unplanned stops"
	if len(p.Culprits) > 0 {
		whom = "deaths of " + strings.Join(p.Culprits, ", ")
	}
	p.Expected = append(p.Expected, "the "+whom+" are expected to end; nothing is promised, the lifetimes decide",
		"one deployment replaces every task")
	var ratio float64
	central := false
	for _, c := range p.Changes {
		switch {
		case c.Name == otel.Sampler && strings.TrimPrefix(c.Old, "parentbased_") == "xray":
			central = true
			p.Lost = append(p.Lost, "X-Ray's central sampling rules, their reservoir and adaptive boost no longer apply to "+c.Container)
		case c.Name == otel.SamplerArg && strings.HasSuffix(p.Set[c.Container][otel.Sampler], "traceidratio"):
			if _, err := fmt.Sscanf(c.New, "%g", &ratio); err == nil {
				p.Lost = append(p.Lost, traces(f, ratio, central))
				p.Expected = append(p.Expected, "exported traces become fewer; Application Signals metrics, InternalOperation among them, "+
					"are made from unsampled spans too and do not")
			}
		}
	}
}

// traces says what a ratio keeps, at the observed rate.
func traces(f Facts, ratio float64, central bool) string {
	keeps := fmt.Sprintf("a ratio of %g keeps %.3g %% of new traces", ratio, 100*ratio)
	if f.Requests.PerMinute == 0 {
		return keeps + "; the present rate is unknown (" + cmp.Or(f.Requests.Unknown, "nobody counted") + "), and a service of little traffic may keep almost none"
	}
	out := fmt.Sprintf("%s: about %s a minute of the %s requests that are counted now", keeps, amount(ratio*f.Requests.PerMinute), amount(f.Requests.PerMinute))
	if f.InternalOperation != nil && *f.InternalOperation > 0 {
		out += ", " + amount(*f.InternalOperation) + " of them InternalOperation"
	}
	if central {
		out += "; how many X-Ray's rules keep now is unknown (its default rule: one a second and 5 %)"
	}
	return out
}

// fix names what a policy does, whatever service it is done to: the policy and its values.
func (p Plan) fix() string {
	for _, values := range p.Set {
		body, _ := json.Marshal(values) // plain values always encode
		return p.Policy + string(body)
	}
	return p.Policy
}
