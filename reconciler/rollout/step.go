package rollout

import (
	"errors"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Call is what a step asks for.
type Call string

// Calls. Fresh, FindByTag and Check only look.
const (
	Fresh     Call = "fresh"       // look at the service and its service deployment now
	FindByTag Call = "find_by_tag" // find the revision of the family that carries Step.Tag
	Register  Call = "register"    // register Base with Set in it, tagged; compared before and after
	Update    Call = "update"      // UpdateService with cluster, service and Revision, nothing else
	Check     Call = "check"       // find out the plan's facts anew, hold them against the plan, and then look at the service
	// Restore registers Base's content again where the family's newest ACTIVE revision is one that this rollout registered and
	// has other content.
	Restore Call = "restore"
	// Reregister gives an ACTIVE revision with Base's content: Base itself, one that has it, or its content registered again.
	Reregister Call = "reregister"
	// Stop has ECS roll back the service deployment that is under way (StopServiceDeployment with stopType ROLLBACK).
	Stop   Call = "stop_deployment"
	Record Call = "record" // append Text to the audit log
)

// Step is one thing to be done, in order, after the rollout was committed. SDK retries are off for every call that writes.
type Step struct {
	Call     Call
	Key      fleet.Key
	Base     string                       // Register, Restore, Reregister, FindByTag: ARN of the revision whose raw document or family is meant
	Set      map[string]map[string]string // Register
	Tag      string                       // Register, FindByTag, Restore, Reregister: value of RolloutTag
	Service  string                       // Update: the service's ARN
	Revision string                       // Update: the full ARN
	Stops    string                       // Stop: ARN of the service deployment
	Text     string                       // Record
}

// Answer is what became of the last intent's call or of a FindByTag. No answer at all (the process died) means that nobody
// knows.
type Answer struct {
	Call     Call
	At       time.Time
	Revision string // Register, Restore, Reregister: the ARN that was registered, or one that has the content; FindByTag: what was found, "" for nothing
	// Foreign is the family's newest revision where this rollout did not register it: Restore left it alone; Reregister had to
	// register after it.
	Foreign string
	Refusal *Refusal // the edge's facts or comparison forbid it (unknown_field, image_drift, …): nothing was sent; with Revision: that is what came of it
	Err     error    // of a class of package fleet, or of none: then the call may have been carried out
}

// nothingDone reports whether the answer says for certain that the call changed nothing.
func (a Answer) nothingDone() bool { return a.refused() || a.hopeless() }

// refused reports whether AWS turned the call away for now, or whether it was not even sent: the same call may succeed later.
func (a Answer) refused() bool {
	return errors.Is(a.Err, fleet.ErrThrottled) || errors.Is(a.Err, fleet.ErrConflict) || errors.Is(a.Err, fleet.ErrUnsent)
}

// hopeless reports whether the same call would fail again.
func (a Answer) hopeless() bool { return fleet.Permanent(a.Err) }

// Look is a fresh, whole look at one service. One that failed is no Look.
type Look struct {
	At         time.Time
	Gone       bool // MISSING, or no longer ACTIVE: an answer, not an error
	Service    fleet.Service
	Deployment Deployment // the newest service deployment; zero where there is none
	Carries    bool       // the primary deployment's revision has the plan's values; asked where it is neither Base nor Revision
}

// Deployment is a service deployment of ECS (DescribeServiceDeployments).
type Deployment struct {
	ARN     string
	Status  string // PENDING, IN_PROGRESS, STOP_REQUESTED, ROLLBACK_REQUESTED, ROLLBACK_IN_PROGRESS, SUCCESSFUL, STOPPED, ROLLBACK_SUCCESSFUL, ROLLBACK_FAILED, AWAITING_ACTION
	Reason  string
	Target  string // task definition ARN it brings
	Stage   string // lifecycle stage of a blue/green, linear or canary deployment
	Started time.Time
}

// World is all that Advance may use beside the rollout.
type World struct {
	Observation fleet.Observation // the sweep's; for tasks while soaking
	History     churn.History
	Findings    []finding.Finding
	Look        *Look    // the newest fresh look, or nil
	Unanswered  string   // why the plan's facts are not known now, since the last questions had no answer; "": they had
	Answers     []Answer // since the last Advance, oldest first
	Volumes     Volumes
	Losses      []Loss   // of all services, since before the change
	Traffic     *Traffic // since before the change; nil: not read
	Brakes      Brakes
}

// answer is the newest answer to a call that was made at or after since.
func (w World) answer(c Call, since time.Time) (Answer, bool) {
	for i := len(w.Answers) - 1; i >= 0; i-- {
		if a := w.Answers[i]; a.Call == c && !a.At.Before(since) {
			return a, true
		}
	}
	return Answer{}, false
}

// lookSince is the fresh look if it began at or after since and is not older than Freshness.
func (w World) lookSince(since, now time.Time) (Look, bool) {
	if w.Look == nil || w.Look.At.Before(since) || now.Sub(w.Look.At) > Freshness {
		return Look{}, false
	}
	return *w.Look, true
}
