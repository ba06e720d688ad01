// Package recording keeps what a controller saw, so that the same judging can be run over it again: what each look brought,
// definitions and log lines as they arrived, and what stood in the way, each with its time.
//
// A recording is gzip'ed JSON, one line each. It holds no more than the controller itself keeps: values of environment
// variables on the allow-list only, log lines and AWS's texts masked, account ids replaced (veil.go). What did not change
// since the look before is not written again. docs/replay.md says what is inside.
package recording

import (
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Format is the version of the format that this program writes, and the only one that it reads.
const Format = 1

// Header is the first line of a recording.
type Header struct {
	Format  int    `json:"format"`
	Version string `json:"version"` // of the program that made it
}

// Event is one thing that reached the controller. Exactly one of the pointers is set.
type Event struct {
	At         time.Time // when it reached the controller
	Header     *Header   // a recording begins: nothing before it is known any more
	Start      *Start
	Memory     *Memory
	Look       *Look
	Sweep      *Sweep
	Definition *Definition
	Tail       *Tail
	Metrics    *Metrics
	Alarms     *Alarms
	Put        *Put
	End        *End
}

// Start is a controller's beginning. A reload of the configuration is one too: it starts the next controller.
type Start struct {
	Config  string                   `json:"config"` // YAML, fit to be shown (config.Shared)
	Targets []StartTarget            `json:"targets"`
	Listed  bool                     `json:"listed"`            // alarms were read, so each listing follows as an event
	Applied map[string]alarm.Applied `json:"applied,omitempty"` // by alarm name, what was last written
}

// StartTarget is a watched target.
type StartTarget struct {
	Name  string    `json:"name"`
	First time.Time `json:"first"` // when it was first watched, ever
	// Looked is its last complete look, and Watched since when stops have been seen without a hole; zero: as never noted.
	Looked  time.Time `json:"looked,omitzero"`
	Watched time.Time `json:"watched,omitzero"`
}

// Memory is what was remembered of one key when the recording began.
type Memory struct {
	Key      fleet.Key
	Findings []finding.Finding
	Stops    []churn.Stop // oldest first
	Restarts churn.Restarts
}

// Look is what one look showed of one cluster. Of a partial one a Reader gives only what was new.
type Look struct {
	Target  string
	Cluster fleet.Cluster
}

// Sweep is the end of a look at a target.
type Sweep struct {
	Target string
	Sweep  fleet.Sweep
}

// Definition is the answer to a question for a task definition.
type Definition struct {
	Target     string
	ARN        string
	Definition fleet.Definition
	Err        error
	Tries      int // how often it had failed before
}

// Tail is the answer to a question for log lines.
type Tail struct {
	Service fleet.Key
	Ref     fleet.LogRef
	Tail    fleet.Tail
	Err     error
	Tries   int
}

// Metrics is one reading of what CloudWatch says of a target's services. It replaces the one before.
type Metrics struct {
	Target string
	Read   map[fleet.Key]fleet.Metrics
}

// Alarms is what one look at a target's alarms read; Target is empty for the controller's own account.
type Alarms struct {
	Target string
	Looked time.Time // when the look began
	Have   []alarm.Have
	Facts  alarm.Facts // what was known of their data and topics then
	Err    error       // of the listing: then there is nothing else
}

// Put tells that putting metrics began to fail, or that it works again.
type Put struct {
	Target string
	Err    error // nil: it works
}

// End is a controller's orderly end.
type End struct{}
