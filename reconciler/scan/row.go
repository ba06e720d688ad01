package scan

import (
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/otel"
)

// Statuses of a service. There is no "healthy": a scan sees too little for that.
const (
	Churning = "churning" // a finding of churn would be open
	Stops    = "stops"    // tasks ended unplanned or were replaced, fewer than make a finding
	Quiet    = "quiet"    // none was, for at least as long as detect.window
	Unknown  = "unknown"  // none was seen, and the history seen is too short or has holes
)

// Service is what a scan says of one service: one line of jsonl, one item of the document (docs/scan.md).
type Service struct {
	Target         string         `json:"target"`
	Cluster        string         `json:"cluster"`
	Service        string         `json:"service"`
	Status         string         `json:"status"`
	Reason         string         `json:"reason"` // the status in one sentence
	TaskDefinition string         `json:"taskDefinition"`
	Desired        int            `json:"desired"`
	Running        int            `json:"running"`
	Deaths         int            `json:"deaths"`      // unplanned ends seen in the history
	NamedDeaths    int            `json:"namedDeaths"` // of them, those whose task is known by id
	PlannedStops   int            `json:"plannedStops"`
	Rate           *Rate          `json:"rate"`
	Lifetimes      *Lifetimes     `json:"lifetimes"`
	LastDeath      *time.Time     `json:"lastDeath"`
	Onset          *Onset         `json:"onset"`
	Culprit        *Culprit       `json:"culprit"`
	Settings       []otel.Problem `json:"settings"`
	Proof          Proof          `json:"proof"`
	Cures          []finding.Cure `json:"cures"`
	Owner          string         `json:"owner"` // who registered the running revision, as ECS says; "": not told
	Findings       []Finding      `json:"findings"`
	Alarms         []Told         `json:"alarms"`
	SeenSince      *time.Time     `json:"seenSince"` // since when an unplanned end would have been seen; null: never
	Sources        []Reach        `json:"sources"`
	Gaps           []Gap          `json:"gaps"`
	cause          cause
}

// Reach says what one source told and how far back it went.
type Reach struct {
	Source Source     `json:"source"`
	Since  *time.Time `json:"since"` // null: it told nothing
	Told   string     `json:"told"`
}

// Culprit is who ended the tasks, by the deaths whose evidence could be read.
type Culprit struct {
	Container string `json:"container"`
	Sidecar   bool   `json:"sidecar"`
	Signature string `json:"signature"` // "": no known crash in its last lines
	Line      string `json:"line"`
	Image     string `json:"image"`
	ExitCode  *int   `json:"exitCode"`
	Shown     int    `json:"shown"`    // deaths that show it
	Examined  int    `json:"examined"` // deaths whose logs or exit codes were read
}

// Onset is when the present run of deaths began, and with what.
type Onset struct {
	Began      string     `json:"began"` // with_deployment, without_deployment, before_history
	FirstDeath time.Time  `json:"firstDeath"`
	Revision   string     `json:"revision"`   // task definition in force then, family:revision; "": unknown
	Deployed   *time.Time `json:"deployed"`   // when its deployment began
	Before     string     `json:"before"`     // task definition before it; "": unknown
	Changes    []Change   `json:"changes"`    // between the two; empty where nothing that is kept differs
	Registered string     `json:"registered"` // who registered the revision
}

// Proof is what the running tasks alone show.
type Proof struct {
	DeploymentEnded *time.Time `json:"deploymentEnded"` // the last one; null: not known, or under way
	Younger         int        `json:"younger"`         // running tasks much younger than that: they replaced others
	Oldest          *time.Time `json:"oldest"`          // startedAt of the running tasks
	Youngest        *time.Time `json:"youngest"`
}

// Finding is what a running controller would have open, in CONTRACT's words.
type Finding struct {
	Type      string           `json:"type"`
	Subject   string           `json:"container,omitempty"`
	Status    finding.Status   `json:"status"`
	Severity  finding.Severity `json:"severity"`
	Reason    string           `json:"reason"`
	Message   string           `json:"message"`
	Evidence  []string         `json:"evidence"`
	FirstSeen time.Time        `json:"firstSeen"`
	LastSeen  time.Time        `json:"lastSeen"` // the look
	Count     int              `json:"count"`
}

// cause is what makes services one group; the zero cause is no cause that is known.
type cause struct{ culprit, signature, image string }

// stopOf is a death as a controller would have recorded it. A lifetime that was only paired is left out where others are
// exact.
func (d death) stopOf(service string, exact bool) churn.Stop {
	s := churn.Stop{TaskARN: d.task, TaskDefinition: d.definition, StartedAt: d.born, StoppedAt: d.died, Image: d.image, Verdict: d.verdict}
	if d.task == "" {
		s.TaskARN = "(a task of " + service + " that no event names)"
	}
	if !d.born.IsZero() && d.died.After(d.born) && (d.exact || !exact) {
		s.Lifetime = d.died.Sub(d.born)
	}
	return s
}
