package console

import (
	"strings"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// What follows is the JSON of the API's items (CONTRACT sections 2, 3 and 6). Times are RFC 3339 in UTC; one that is not
// known is left out. Lists are never null.

// Place is whose item it is. An item of a whole target has no cluster and no service.
type Place struct {
	Target  string `json:"target,omitempty" jsonschema_description:"Name of the configured target; left out for the controller's own account."`
	Cluster string `json:"cluster,omitempty" jsonschema_description:"Cluster name."`
	Service string `json:"service,omitempty" jsonschema_description:"Service name."`
}

// Key is the place as the controller names it.
func (p Place) Key() fleet.Key { return fleet.Key(p) }

func placeOf(k fleet.Key) Place { return Place(k) }

// Finding is one condition of one service or target.
type Finding struct {
	Place
	Container string     `json:"container,omitempty" jsonschema_description:"The container, for findings of a container."`
	Type      string     `json:"type" jsonschema_description:"Type of the condition, as SilentChurn. New types may appear."`
	Status    string     `json:"status" jsonschema:"enum=True,enum=False,enum=Unknown" jsonschema_description:"True: open. False: closed. Unknown: was open, and the view does not allow a conclusion."`
	Severity  string     `json:"severity" jsonschema:"enum=info,enum=warning,enum=critical" jsonschema_description:"How grave it is."`
	Reason    string     `json:"reason" jsonschema_description:"A stable code for why."`
	Message   string     `json:"message" jsonschema_description:"One sentence for a person on call."`
	Evidence  []string   `json:"evidence" jsonschema_description:"What it rests on."`
	FirstSeen *time.Time `json:"firstSeen,omitempty" jsonschema_description:"When it began, by the evidence."`
	LastSeen  *time.Time `json:"lastSeen,omitempty" jsonschema_description:"The last look that showed it."`
	ClosedAt  *time.Time `json:"closedAt,omitempty" jsonschema_description:"When it closed; only for status False."`
	Count     int        `json:"count" jsonschema_description:"How often it was seen happening."`
	HeardBy   []string   `json:"heardBy" jsonschema_description:"Alarms that tell of it and reach somebody."`
	Unheard   string     `json:"unheard,omitempty" jsonschema_description:"Why it reaches nobody; left out where it does, and for types that no alarm tells."`
	ClearsAt  *time.Time `json:"clearsAt,omitempty" jsonschema_description:"When it will be over if nothing more happens; left out: not by time."`

	CauseID   string             `json:"causeId" jsonschema_description:"The same for all findings of one cause: see /api/v1/causes."`
	Cause     *finding.Cause     `json:"cause,omitempty" jsonschema_description:"Who did it, and what is known of it; left out: nothing is."`
	Cures     []finding.Cure     `json:"cures" jsonschema_description:"What may help, in the order in which to try it. None of it was measured here."`
	Rate      *finding.Rate      `json:"rate,omitempty" jsonschema_description:"How often tasks die, with exact bounds of 95 % confidence each."`
	Lifetimes *finding.Lifetimes `json:"lifetimes,omitempty" jsonschema_description:"How long after their start tasks die."`
	Traits    []finding.Trait    `json:"traits,omitempty" jsonschema_description:"Where the tasks that died ran and what they ran, beside those that run now."`
}

// Open reports whether the finding stands: open, or unknown since it was open.
func (f Finding) Open() bool { return f.Status != string(finding.False) }

func findingOf(f finding.Finding, cause string) Finding {
	out := Finding{
		CauseID: cause, Cause: f.Cause, Cures: filled(f.Cures), Rate: f.Rate, Lifetimes: f.Lifetimes, Traits: f.Traits, ClearsAt: moment(f.ClearsAt),
		Place: placeOf(f.Key), Type: f.Type, Status: string(f.Status), Severity: string(f.Severity), Reason: f.Reason,
		Message: f.Message, Evidence: filled(f.Evidence), FirstSeen: moment(f.FirstSeen), LastSeen: moment(f.LastSeen), Count: f.Count,
		HeardBy: []string{},
	}
	if f.Key.Service != "" && f.Type != finding.Unobservable && !strings.HasPrefix(f.Type, "Alarm") {
		out.Container = f.Subject // elsewhere the subject only tells reasons apart
	}
	if !f.Open() {
		out.ClosedAt, out.ClearsAt = moment(f.ClosedAt), nil
	}
	return out
}

// Cause is one cause with the open findings that have it: one page, the services listed.
type Cause struct {
	CauseID   string         `json:"causeId" jsonschema_description:"As its findings carry it."`
	Target    string         `json:"target" jsonschema_description:"Name of the configured target."`
	Severity  string         `json:"severity" jsonschema:"enum=info,enum=warning,enum=critical" jsonschema_description:"The gravest of its findings."`
	Types     []string       `json:"types" jsonschema_description:"Types of its findings."`
	Reason    string         `json:"reason" jsonschema_description:"Of the gravest finding."`
	Message   string         `json:"message" jsonschema_description:"Of the gravest finding."`
	Services  []string       `json:"services" jsonschema_description:"Addresses of the services that have it: target/cluster/service."`
	Count     int            `json:"count" jsonschema_description:"Deaths of all of them."`
	FirstSeen *time.Time     `json:"firstSeen,omitempty" jsonschema_description:"When the first of its findings began."`
	LastSeen  *time.Time     `json:"lastSeen,omitempty" jsonschema_description:"The last look that showed one."`
	Shared    []Shared       `json:"shared" jsonschema_description:"What the tasks that died have in common and those that live have less, by Fisher's exact test at 1 %."`
	Cause     finding.Cause  `json:"cause" jsonschema_description:"Who did it, as the newest finding shows it."`
	Cures     []finding.Cure `json:"cures" jsonschema_description:"What may help, in the order in which to try it. None of it was measured here."`
}

// Shared is one thing in common.
type Shared struct {
	finding.Trait
	OfDeaths int    `json:"ofDeaths" jsonschema_description:"Deaths that tell it."`
	OfAlive  int    `json:"ofAlive" jsonschema_description:"Running tasks that tell it."`
	Text     string `json:"text" jsonschema_description:"The same in words."`
}

func causeOf(g finding.Group) Cause {
	out := Cause{CauseID: g.ID, Target: g.Target, Severity: string(g.Severity), Types: filled(g.Types), Reason: g.Reason, Message: g.Message,
		Services: []string{}, Count: g.Deaths, FirstSeen: moment(g.FirstSeen), LastSeen: moment(g.LastSeen), Shared: []Shared{},
		Cause: g.Cause, Cures: filled(g.Cures)}
	for _, key := range g.Services {
		out.Services = append(out.Services, key.String())
	}
	for _, s := range g.Shared {
		out.Shared = append(out.Shared, Shared{s.Trait, s.OfDeaths, s.OfAlive, s.String()})
	}
	return out
}

// heardOf is a finding with who hears of it.
func heardOf(src Source, f finding.Finding, cause string) Finding {
	out, h := findingOf(f, cause), src.HearingOf(f)
	out.HeardBy, out.Unheard = filled(h.Alarms), h.Why
	return out
}

// Stop is one recorded stop of a task: the fields of explain with times and what ran.
type Stop struct {
	Place
	TaskARN         string      `json:"taskArn" jsonschema_description:"ARN of the task."`
	Planned         bool        `json:"planned" jsonschema_description:"Somebody or something meant the task to stop. Never changes."`
	Cause           string      `json:"cause" jsonschema_description:"Why it stopped, as essential_container_exited. New causes may appear."`
	Culprit         *Culprit    `json:"culprit" jsonschema:"nullable" jsonschema_description:"The container whose end made the task stop; null: nobody, or it cannot be told."`
	Sidecar         bool        `json:"sidecar" jsonschema_description:"The culprit is a known agent or proxy, not the application."`
	Signatures      []Signature `json:"signatures" jsonschema_description:"Known crashes found in the last log lines."`
	Confidence      string      `json:"confidence" jsonschema:"enum=high,enum=medium,enum=low" jsonschema_description:"How sure the verdict is."`
	Evidence        []string    `json:"evidence" jsonschema_description:"First the rule that decided, then what it saw."`
	StartedAt       *time.Time  `json:"startedAt,omitempty" jsonschema_description:"When the task reached RUNNING; left out: it never did."`
	StoppedAt       *time.Time  `json:"stoppedAt,omitempty" jsonschema_description:"When it stopped."`
	LifetimeSeconds float64     `json:"lifetimeSeconds,omitempty" jsonschema_description:"How long it ran; left out: it never ran, or AWS gave no times."`
	TaskDefinition  string      `json:"taskDefinition,omitempty" jsonschema_description:"ARN of the task definition."`
	Deployment      string      `json:"deployment,omitempty" jsonschema_description:"Id of the deployment that started it."`
	Image           string      `json:"image,omitempty" jsonschema_description:"The culprit's image."`
	ImageDigest     string      `json:"imageDigest,omitempty" jsonschema_description:"Digest of that image."`
	Tail            []string    `json:"tail" jsonschema_description:"The culprit's last log lines, oldest first, masked and bounded."`
}

// Culprit is the container whose end made the task stop.
type Culprit struct {
	Container string `json:"container" jsonschema_description:"Container name."`
	ExitCode  *int   `json:"exitCode" jsonschema:"nullable" jsonschema_description:"Its exit code; null: AWS gave none."`
}

// Signature is a known crash found in a container's last log lines.
type Signature struct {
	Container string `json:"container" jsonschema_description:"Container name."`
	Name      string `json:"name" jsonschema_description:"The signature, as go-concurrent-map-writes."`
	Fatal     bool   `json:"fatal" jsonschema_description:"The process died of it."`
	Line      string `json:"line" jsonschema_description:"The line that shows it, masked and bounded."`
}

func stopOf(r reconciler.Recorded) Stop {
	s, v := r.Stop, r.Stop.Verdict
	out := Stop{
		Place: placeOf(r.Key), TaskARN: s.TaskARN, Planned: v.Planned, Cause: string(v.Cause), Sidecar: v.Sidecar,
		Culprit: (*Culprit)(v.Culprit), Signatures: make([]Signature, 0, len(v.Signatures)), Confidence: string(v.Confidence),
		Evidence: filled(v.Evidence), StartedAt: moment(s.StartedAt), StoppedAt: moment(s.StoppedAt), LifetimeSeconds: s.Lifetime.Seconds(),
		TaskDefinition: s.TaskDefinition, Deployment: s.Deployment, Image: s.Image, ImageDigest: s.ImageDigest, Tail: filled(s.Tail),
	}
	for _, sig := range v.Signatures {
		out.Signatures = append(out.Signatures, signatureOf(sig))
	}
	return out
}

func signatureOf(s churn.Signature) Signature { return Signature(s) }

// Alarm is one alarm, wanted or on a watched service, and how it stands.
type Alarm struct {
	Place
	Name   string `json:"name" jsonschema_description:"CloudWatch's name."`
	Kind   string `json:"kind" jsonschema_description:"What it watches, as silent-churn."`
	State  string `json:"state" jsonschema_description:"CloudWatch's state, as OK or ALARM; empty while the alarm is missing."`
	Owned  bool   `json:"owned" jsonschema_description:"This controller made it, or would."`
	Status string `json:"status" jsonschema_description:"present, missing, drifted, blind or foreign."`
	Reason string `json:"reason" jsonschema_description:"Why this status."`
}

func alarmOf(a reconciler.AlarmReport) Alarm {
	return Alarm{Place: Place{a.Target, a.Cluster, a.Service}, Name: a.Name, Kind: string(a.Kind), State: a.State, Owned: a.Owned,
		Status: string(a.Status), Reason: a.Reason}
}

// TargetState is how well one target is seen.
type TargetState struct {
	Target        string     `json:"target" jsonschema_description:"Name of the configured target."`
	Ready         bool       `json:"ready" jsonschema_description:"There is a complete view younger than 3 × the effective resync."`
	Complete      bool       `json:"complete" jsonschema_description:"The last sweep was complete."`
	LastSweep     *time.Time `json:"lastSweep,omitempty" jsonschema_description:"When the last sweep began."`
	LastComplete  *time.Time `json:"lastComplete,omitempty" jsonschema_description:"When the last complete sweep began."`
	ResyncSeconds float64    `json:"resyncSeconds" jsonschema_description:"The effective interval between sweeps."`
}

func stateOf(t reconciler.TargetReport) TargetState {
	return TargetState{Target: t.Target, Ready: t.Ready, Complete: t.Complete, LastSweep: moment(t.LastSweep),
		LastComplete: moment(t.LastComplete), ResyncSeconds: t.Resync.Seconds()}
}

// Target is one target: how well it is seen, how much there is, and what stands in the way.
type Target struct {
	TargetState
	SweepSeconds       float64  `json:"sweepSeconds" jsonschema_description:"How long the last sweep took."`
	SweepCalls         int      `json:"sweepCalls" jsonschema_description:"API calls of the last sweep."`
	Clusters           int      `json:"clusters" jsonschema_description:"Clusters watched."`
	Services           int      `json:"services" jsonschema_description:"Services in view."`
	Tasks              int      `json:"tasks" jsonschema_description:"Tasks in view."`
	DefinitionsWaiting int      `json:"definitionsWaiting" jsonschema_description:"Task definitions still to be fetched, of all targets."`
	Troubles           []string `json:"troubles" jsonschema_description:"What the controller cannot see or say there, and the remedy."`
	Coverage           []Cover  `json:"coverage" jsonschema_description:"For each way in which services fail, how many of them have an alarm that tells of it and reaches somebody; empty before the alarms were read."`
	Unheard            []string `json:"unheard" jsonschema_description:"Open findings that reach nobody, and why."`
	Cost               *Cost    `json:"cost,omitempty" jsonschema_description:"What watching adds to the bill of a month; left out before the alarms were read."`
	Paused             *Word    `json:"paused,omitempty" jsonschema_description:"Who paused remediation there, or everywhere; left out: nobody."`
}

// Cover is how many services have an alarm for one failure.
type Cover struct {
	Failure  string `json:"failure" jsonschema_description:"As silent-churn, no-running-task or unhealthy-targets."`
	Services int    `json:"services" jsonschema_description:"Services that can fail so."`
	Covered  int    `json:"covered" jsonschema_description:"Of them, those with an alarm that tells."`
	Missing  int    `json:"missing" jsonschema_description:"Those without an alarm that sees it."`
	Unknown  int    `json:"unknown" jsonschema_description:"Those with one of which it cannot be told; the rest have one that is blind."`
}

// Cost is a month's price in USD by list prices. The bounds differ where AWS does not say what it bills.
type Cost struct {
	LowUSD     float64    `json:"lowUSD" jsonschema_description:"Low bound."`
	MonthlyUSD float64    `json:"monthlyUSD" jsonschema_description:"High bound."`
	Items      []CostItem `json:"items" jsonschema_description:"Its lines."`
	Assumes    []string   `json:"assumes" jsonschema_description:"What it rests on."`
}

// CostItem is one line of a cost.
type CostItem struct {
	What   string  `json:"what" jsonschema_description:"What is billed."`
	LowUSD float64 `json:"lowUSD" jsonschema_description:"Low bound."`
	USD    float64 `json:"usd" jsonschema_description:"High bound."`
	Extra  bool    `json:"extra,omitempty" jsonschema_description:"Billed only in accounts set up so, and not in the sum."`
}

func costOf(c *alarm.Cost) *Cost {
	if c == nil {
		return nil
	}
	out := &Cost{LowUSD: c.Low, MonthlyUSD: c.High, Items: []CostItem{}, Assumes: filled(c.Assumes)}
	for _, p := range c.Items {
		out.Items = append(out.Items, CostItem{p.What, p.Low, p.High, p.Extra})
	}
	return out
}

func coverageOf(all []alarm.Summary) []Cover {
	out := []Cover{}
	for _, s := range all {
		out = append(out, Cover{string(s.Failure), s.Services, s.Covered, s.Missing, s.Unsure})
	}
	return out
}

func targetOf(t reconciler.TargetReport, paused *Word) Target {
	return Target{TargetState: stateOf(t), SweepSeconds: t.Took.Seconds(), SweepCalls: t.Calls, Clusters: t.Clusters,
		Services: t.Services, Tasks: t.Tasks, DefinitionsWaiting: t.Waiting, Troubles: filled(t.Troubles),
		Coverage: coverageOf(t.Coverage), Unheard: filled(t.Unheard), Cost: costOf(t.Cost), Paused: paused}
}

// moment is a time for JSON, in UTC; nil, which is left out, for one that is not known.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// filled is a list that is not null in JSON.
func filled[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
