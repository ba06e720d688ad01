package rollout

import (
	"time"

	"taskwarden/reconciler/fleet"
)

// Mode is how far a fix may go by itself; each allows more than the one before (configuration remediation.mode).
type Mode string

// Modes.
const (
	Off     Mode = "off"
	Show    Mode = "plan"
	Approve Mode = "approve"
	Auto    Mode = "auto"
)

func (m Mode) rank() int {
	switch m {
	case Show:
		return 1
	case Approve:
		return 2
	case Auto:
		return 3
	}
	return 0
}

// Tag is the tag by which the owner of a service sets its mode, never above the ceiling.
const Tag = "taskwarden:remediation"

// RolloutTag is the tag on every task definition that a rollout registers; its value is the rollout's id.
const RolloutTag = "taskwarden:rollout"

// ModeOf is the mode of one service and what set it: its tag, the default, or the ceiling. An unknown tag value is off: its
// owner meant to say something, and nobody knows what.
func ModeOf(ceiling, standard Mode, tag string) (Mode, Reason) {
	mode, by := standard, ReasonMode
	if mode == "" {
		mode = ceiling
	}
	if tag != "" {
		mode, by = Mode(tag), ReasonTag
		if mode.rank() == 0 {
			return Off, by
		}
	}
	if mode.rank() >= ceiling.rank() {
		return ceiling, ReasonMode
	}
	return mode, by
}

// Policy is one fix: where it applies, what it waits for and what it sets.
type Policy struct {
	Name    string
	Match   fleet.Scope
	Env     map[string][]string // variables that a container must have, each with one of the values
	When    []string            // types of findings that must all be open
	Set     map[string]string
	OnOwner map[Ownership]Handling
}

// Ownership is whether another tool owns a service's definition.
type Ownership string

// Ownerships. What cannot be read is unknown, never none.
const (
	NoOwner      Ownership = "none"
	UnknownOwner Ownership = "unknown"
	Owned        Ownership = "owned"
)

// Owner is what is known of it. How it is found out is the edge's business.
type Owner struct {
	State    Ownership `json:"state"`
	Name     string    `json:"name,omitempty"` // the stack, the pipeline's role, …
	Evidence []string  `json:"evidence,omitempty"`
}

// Handling is what is done with a fix by its owner's state.
type Handling string

// Handlings.
const (
	Apply  Handling = "apply"
	Export Handling = "export"
	Refuse Handling = "refuse"
)

// Settings are the configured limits (section remediation).
type Settings struct {
	MaxConcurrent int
	MaxSoaking    int
	MaxPerDay     int
	Canary        int
	Soak          time.Duration // 0: auto
	MinSoak       time.Duration
	MaxSoak       time.Duration
	PlanTTL       time.Duration
	FleetSick     float64
	Windows       []Window       // none: any time
	Zone          *time.Location // of the working week; nil: UTC
	Freezes       []Freeze
}

// longest is how long a soak lasts at most.
func (s Settings) longest() time.Duration {
	if s.Soak > 0 {
		return s.Soak
	}
	return s.MaxSoak
}
