// Package churn says why a task stopped, who is to blame, and what a history of stops means.
//
// Everything here is pure: facts in, conclusions out. The verdict on one task comes from an ordered table of rules
// (rules.go), the first that matches decides; the culprit comes from the order of events and the exit codes (culprit.go);
// crash signatures in the last log lines come from a rule base (signatures.go); and Judge puts a service's observation
// and its history together. docs/verdicts.md shows the tables; a test keeps it true.
package churn

import (
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Cause is why a task stopped. Readers must accept causes they do not know.
type Cause string

// Causes. The first seven are planned: somebody or something meant the task to stop.
const (
	Deployment       Cause = "deployment"
	ScaleIn          Cause = "scale_in"
	OperatorStop     Cause = "operator_stop"
	HostDrain        Cause = "host_drain"
	SpotInterruption Cause = "spot_interruption"
	Maintenance      Cause = "maintenance"
	TaskScheduledEnd Cause = "task_scheduled_end" // a task that is no service's ended well by itself

	EssentialContainerExited Cause = "essential_container_exited"
	OOMKilled                Cause = "oom_killed"
	ELBHealthCheck           Cause = "elb_health_check"
	ContainerHealthCheck     Cause = "container_health_check"
	ImagePull                Cause = "image_pull"
	ResourceInit             Cause = "resource_init"
	Placement                Cause = "placement"
	CircuitBreaker           Cause = "circuit_breaker"

	UnknownCause Cause = "unknown" // counted as unplanned, with low confidence
)

// Confidence in a verdict. A low one is not recorded at once: the next complete look may know more.
type Confidence string

// Confidences.
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
)

// Culprit is the container whose end made the task stop.
type Culprit struct {
	Container string `json:"container"`
	ExitCode  *int   `json:"exitCode"` // nil: AWS gave none
}

// Signature is a known crash found in a container's last log lines.
type Signature struct {
	Container string `json:"container"`
	Name      string `json:"name"`
	Fatal     bool   `json:"fatal"` // the process died of it
	Line      string `json:"line"`  // the line that shows it, masked and bounded
}

// Verdict is the judgement on one stopped task; its JSON is CONTRACT's explain line.
type Verdict struct {
	Planned    bool        `json:"planned"`
	Cause      Cause       `json:"cause"`
	Culprit    *Culprit    `json:"culprit"` // nil: nobody, or it cannot be told
	Sidecar    bool        `json:"sidecar"` // the culprit is a known agent or proxy, not the application
	Signatures []Signature `json:"signatures"`
	Confidence Confidence  `json:"confidence"`
	Evidence   []string    `json:"evidence"` // first the rule that decided, then what it saw
}

// Input is all that one verdict may use. Only Task is needed; what is missing lowers the confidence, never fails.
type Input struct {
	Task       fleet.Task
	Service    *fleet.Service
	Definition *fleet.Definition
	Logs       map[string][]string // last lines by container, in the order of time; newest first is noticed
}

// Stop is one stopped task as it is recorded: once, by its ARN. Planned never changes after that; cause, culprit and
// signatures may be refined when logs arrive.
type Stop struct {
	TaskARN        string
	TaskDefinition string
	Deployment     string // the deployment that started it
	Told           bool   // its deployment was not through and it never came up: ECS says so itself, and it is no silent churn
	StartedAt      time.Time
	StoppingAt     time.Time     // zero: unknown
	StoppedAt      time.Time     // the best time AWS gave; that of the look where it gave none
	Lifetime       time.Duration // 0: never ran, or unknown
	Zone           string        // availability zone; "": not told
	Node           string        // id of the container instance; "": Fargate, or not told
	Image          string        // the culprit's
	ImageDigest    string
	Verdict        Verdict
	Tail           []string     // the culprit's last lines, masked and bounded
	Log            fleet.LogRef // where the tail was read; zero: nowhere
	LogsAt         LogState
	Sources        []Source // the logs that LogsWanted waits for; empty otherwise
}

// Source is one container whose last lines would tell more. It holds all that is needed to find them once the task
// definition is known, also after AWS has forgotten the task.
type Source struct {
	Container fleet.Container
	Ref       fleet.LogRef // zero until the task definition is known
}

// LogState says how far the evidence of a stop has got.
type LogState string

// States of a stop's log evidence.
const (
	LogsNone    LogState = ""        // none needed, or none to be had (the evidence says why)
	LogsWanted  LogState = "wanted"  // asked for
	LogsFetched LogState = "fetched" // read, and judged
)

// History is what is remembered of a service.
type History struct {
	Stops []Stop          // recorded ones, oldest first
	Since time.Time       // from when on stops of this service would have been seen
	Held  map[string]Held // stops by ARN that wait for the next complete look
	// Watched is since when stops have been seen without a hole, where that is later than Since: the controller was down,
	// or could not look, for longer than AWS shows stopped tasks. Zero: there was no hole.
	Watched time.Time
	Short   time.Time // as the last judgement had it

	Restarts Restarts
}

// Held is a stop of low confidence that is not recorded yet.
type Held struct {
	Since time.Time // the complete look that first showed it; zero: only partial ones have
	Stop  Stop      // as the latest look that showed it judged it
}

// Policy is the configured part of judging (configuration section "detect").
type Policy struct {
	Window         time.Duration
	Threshold      int
	RatePerTaskDay float64
	StormStops     int
	StormWithin    time.Duration
	ClearAfter     time.Duration // 0: auto, 2 × the 95th percentile of the lifetimes
	Logs           bool          // read the culprit's last lines
	LogLines       int
	TailLines      int        // how many of them are kept with a stop
	Locations      []Location // where logs are whose place the task definition does not tell; the first that matches wins
	Knowledge      *Knowledge // known sidecars and signatures
}

// Location is a place in CloudWatch Logs, for services that match. Group and Stream may hold {cluster}, {service}, {family},
// {container} and {task} (the task's id). Stream must hold {task}: lines of several tasks could not be told apart.
type Location struct {
	Match         fleet.Scope
	Group, Stream string
}

// Want is a log stream that the next judgement would like to have read.
type Want struct {
	TaskARN   string
	Container string
	Ref       fleet.LogRef
	From, To  time.Time // the lines of interest
}

// Judgement is what one look at a service and its history mean.
type Judgement struct {
	New     []Stop          // stops not yet recorded whose verdict is final, oldest first
	Refined []Stop          // recorded stops that evidence has completed
	Held    map[string]Held // stops that wait for the next complete look
	Wants   []Want
	Short   time.Time // since when fewer tasks run than are wanted, and no deployment goes on; zero: not now
	Claims  []finding.Claim

	Restarts  Restarts  // what is remembered of them after this look
	Restarted []Restart // those that were not counted before, oldest first
}
