package finding

import "time"

// Detail is what a claim, and the finding that grows from it, knows beyond its message: all of it may be absent, and
// findings stored by earlier versions have none.
type Detail struct {
	Cause     *Cause     `json:",omitempty"` // nil: nobody is to blame, or it cannot be told
	Cures     []Cure     `json:",omitempty"` // in the order in which to try them
	Rate      *Rate      `json:",omitempty"`
	Lifetimes *Lifetimes `json:",omitempty"`
	Traits    []Trait    `json:",omitempty"` // where the tasks that died ran, beside those that live
	// Last is the newest event that the claim rests on; zero for a level, which has no events. A closed finding opens again
	// only on a newer one.
	Last time.Time `json:",omitzero"`
	// ClearsAt is when the finding will be over if nothing more happens, as far as can be said now; zero: not by time.
	ClearsAt time.Time `json:",omitzero"`
}

// Cause is who did it, and what is known of it. Its JSON is the API's.
type Cause struct {
	Container      string    `json:"container,omitempty" jsonschema_description:"The container to blame; left out: it cannot be told."`
	Sidecar        bool      `json:"sidecar" jsonschema_description:"It is a known agent or proxy, not the application."`
	Agent          string    `json:"agent,omitempty" jsonschema_description:"What agent it is, by its image."`
	StopCause      string    `json:"stopCause,omitempty" jsonschema_description:"Why its tasks stopped, as the stops have it."`
	ExitCode       *int      `json:"exitCode,omitempty" jsonschema_description:"Its newest exit code; left out: AWS gave none."`
	Signature      string    `json:"signature,omitempty" jsonschema_description:"The known crash that its log ends in."`
	Line           string    `json:"line,omitempty" jsonschema_description:"The log line that shows it, masked and bounded."`
	Tail           []string  `json:"tail,omitempty" jsonschema_description:"The last lines kept of that log, masked and bounded."`
	LogGroup       string    `json:"logGroup,omitempty" jsonschema_description:"Where that line was read."`
	LogStream      string    `json:"logStream,omitempty" jsonschema_description:"Where that line was read."`
	Image          string    `json:"image,omitempty" jsonschema_description:"Its image with the tag, as the task that died ran it."`
	ImageDigest    string    `json:"imageDigest,omitempty" jsonschema_description:"Digest of that image: a tag may have moved since."`
	Version        string    `json:"version,omitempty" jsonschema_description:"The agent's version by the tag; left out: the tag names none."`
	TaskDefinition string    `json:"taskDefinition,omitempty" jsonschema_description:"ARN of the task definition that ran."`
	Explains       int       `json:"explains,omitempty" jsonschema_description:"So many of the deaths have this cause."`
	Of             int       `json:"of,omitempty" jsonschema_description:"Of so many deaths."`
	Defects        []Defect  `json:"defects,omitempty" jsonschema_description:"Known defects of that version that may be the crash, likeliest first."`
	Settings       []Setting `json:"settings,omitempty" jsonschema_description:"Settings of the task definition that ran which bear on it."`
	Unseen         []string  `json:"unseen,omitempty" jsonschema_description:"What could not be looked at, and why."`
}

// Defect is a crash that an agent's makers know of.
type Defect struct {
	Crash   string `json:"crash" jsonschema_description:"What happens."`
	Ref     string `json:"ref" jsonschema_description:"The makers' issue or pull request."`
	FixedIn string `json:"fixedIn,omitempty" jsonschema_description:"The first version without it; left out: none yet."`
	Match   string `json:"match" jsonschema:"enum=trace,enum=signature,enum=version" jsonschema_description:"What speaks for it. trace: the log names the code. signature: the log ends in such a crash. version: the version has it, and the log does not tell."`
}

// Setting is one thing that a task definition sets, and what a rule says of it.
type Setting struct {
	Container string   `json:"container" jsonschema_description:"Container name."`
	Rule      string   `json:"rule" jsonschema_description:"The rule of lint."`
	Env       []string `json:"env,omitempty" jsonschema_description:"The variables concerned, as NAME=value, or NAME alone where the value is not kept."`
	Message   string   `json:"message" jsonschema_description:"What it means."`
}

// Cure is something that may help. Nothing of it was measured here.
type Cure struct {
	Kind      string            `json:"kind" jsonschema_description:"upgrade, restart_policy, sampling_rule, sampler_settings."`
	Container string            `json:"container" jsonschema_description:"Whose image, policy or settings to change."`
	Text      string            `json:"text" jsonschema_description:"What to do, and what it may bring."`
	Set       map[string]string `json:"set,omitempty" jsonschema_description:"Variables to set together."`
	NotCured  string            `json:"notCured" jsonschema_description:"What it will not cure."`
}

// Kinds of cures, in the order in which to try them: the one that removes the fault, the one that contains it, and the
// ones that make it rarer (a central rule before a deployment).
const (
	Upgrade         = "upgrade"
	RestartPolicy   = "restart_policy"
	SamplingRule    = "sampling_rule"
	SamplerSettings = "sampler_settings"
)

// Rate is how often a task died unplanned, a task and day, with exact bounds of 95 % confidence each.
type Rate struct {
	PerTaskDay float64   `json:"perTaskDay" jsonschema_description:"The observed rate."`
	Low        float64   `json:"low" jsonschema_description:"Lower bound."`
	High       float64   `json:"high" jsonschema_description:"Upper bound."`
	Deaths     int       `json:"deaths" jsonschema_description:"Unplanned stops counted."`
	TaskDays   float64   `json:"taskDays" jsonschema_description:"How long tasks ran in that time, all together."`
	From       time.Time `json:"from" jsonschema_description:"Since when they were counted."`
}

// Lifetimes is how long after their start tasks die, in seconds; tasks that live or were stopped on purpose count as not
// dead yet.
type Lifetimes struct {
	P10    float64 `json:"p10Seconds" jsonschema_description:"A tenth has died by then."`
	P50    float64 `json:"p50Seconds" jsonschema_description:"Half has."`
	P90    float64 `json:"p90Seconds" jsonschema_description:"Nine tenths have: with p10 the middle 80 %."`
	P95    float64 `json:"p95Seconds" jsonschema_description:"The finding clears after twice that without a death."`
	Deaths int     `json:"deaths" jsonschema_description:"Tasks that died."`
	Alive  int     `json:"alive" jsonschema_description:"Tasks that lived on or were stopped on purpose."`
}

// Trait counts the tasks that share one property.
type Trait struct {
	Name   string `json:"name" jsonschema_description:"zone, node, revision, version or sampler."`
	Value  string `json:"value" jsonschema_description:"As ap-northeast-1a."`
	Deaths int    `json:"deaths" jsonschema_description:"Tasks with it that died."`
	Alive  int    `json:"alive" jsonschema_description:"Tasks with it that run."`
}
