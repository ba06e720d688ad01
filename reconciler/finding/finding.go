// Package finding holds what is concluded from the facts: claims made by one judgement, and the findings that grow from
// them over time.
//
// A claim says what one look shows. Merge turns claims into findings with a first and a last time seen, and closes a
// finding only on evidence: complete looks without the claim.
package finding

import (
	"cmp"
	"time"

	"taskwarden/reconciler/fleet"
)

// Types of findings (CONTRACT section 3).
const (
	SilentChurn       = "SilentChurn"
	SidecarCrash      = "SidecarCrash"
	SidecarRestarting = "SidecarRestarting"
	SidecarDown       = "SidecarDown"
	TelemetryFlood    = "TelemetryFlood"
	OTELMisconfigured = "OTELMisconfigured"
	Unobservable      = "Unobservable"
	AlarmMissing      = "AlarmMissing" // subject: the failure that no alarm tells
	AlarmDrifted      = "AlarmDrifted"
	AlarmBlind        = "AlarmBlind" // subject: the reason
	FixReverted       = "FixReverted"
	FixIneffective    = "FixIneffective"
	RemediationHeld   = "RemediationHeld"
)

// Status of a finding, spelled as Kubernetes conditions are.
type Status string

// Statuses: open, closed, and open as far as anybody can tell while the view is not whole.
const (
	True    Status = "True"
	False   Status = "False"
	Unknown Status = "Unknown"
)

// Severity orders findings; --fail-on compares with it.
type Severity string

// Severities, least first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Rank orders severities: 0 for none or an unknown one, 1 info, 2 warning, 3 critical.
func (s Severity) Rank() int {
	switch s {
	case Info:
		return 1
	case Warning:
		return 2
	case Critical:
		return 3
	}
	return 0
}

// Claim is what one judgement says of one subject.
type Claim struct {
	Type     string
	Subject  string // the container, for findings of a container; "" otherwise
	Severity Severity
	Reason   string // a stable code, CamelCase
	Message  string // one sentence for a person on call
	Evidence []string
	Since    time.Time // when it began by the evidence; zero: now
	Count    int       // how often it was seen happening; 0: 1
	// Keeps marks a claim too weak to open a finding and strong enough to keep an open one open: the gap between the
	// two is what stops findings from flapping.
	Keeps bool
	// Blind marks one that Keeps because what would show it cannot be read now, however whole the look was: after half an hour
	// an open finding becomes Unknown, with the words it had.
	Blind bool
	Detail
}

// Finding is one condition of one service (or of one target, where the key has no service).
type Finding struct {
	Key       fleet.Key
	Type      string
	Subject   string
	Status    Status
	Severity  Severity
	Reason    string
	Message   string
	Evidence  []string
	FirstSeen time.Time
	LastSeen  time.Time // the last look that showed it
	ClosedAt  time.Time // zero while open
	// Missed is the first complete look since LastSeen that did not show it; zero where there was none. It is not stored:
	// after a restart the looks are counted afresh.
	Missed time.Time `json:"-"`
	// Blind is the first look since LastSeen at which its evidence could not be read. It is not stored either.
	Blind time.Time `json:"-"`
	Count int
	Detail
}

// Open tells whether the finding stands: open, or unknown since it was open.
func (f Finding) Open() bool { return f.Status != False }

// Compare orders findings by key, type and subject, which together are their identity.
func (f Finding) Compare(o Finding) int {
	return cmp.Or(f.Key.Compare(o.Key), cmp.Compare(f.Type, o.Type), cmp.Compare(f.Subject, o.Subject))
}
