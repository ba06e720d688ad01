package rollout

import (
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Claims says what a service's rollouts mean for its findings: known are those of the service, reset its last reset.
//
//	RemediationHeld  the last try failed, or a deployed fix was taken out; until a reset
//	FixReverted      a deployed fix was taken out by somebody's deployment; until a reset, or until the values run again
//	FixIneffective   the fix stays in place, and deaths go on as before or got worse; until a reset or the next rollout
func Claims(known []Rollout, reset time.Time, o fleet.Observation) []finding.Claim {
	var out []finding.Claim
	seen := map[string]bool{}
	say := func(r Rollout, typ, reason, message string, keeps bool) {
		if !seen[typ] {
			seen[typ] = true
			out = append(out, finding.Claim{Type: typ, Severity: finding.Warning, Reason: reason, Since: r.Since, Keeps: keeps,
				Message: "rollout " + r.ID + " of policy " + r.Plan.Policy + ": " + message, Evidence: []string{"revision " + r.Revision}})
		}
	}
	newest := newestStart(known)
	for _, r := range known {
		if r.Live() || !r.Since.After(reset) {
			continue
		}
		for _, typ := range r.means(r.StartedAt.Equal(newest)) {
			say(r, typ, string(r.Outcome), r.Message, false)
		}
	}
	for _, r := range inPlace(known, reset) {
		if lost, read := r.lost(o); lost {
			message := takenOut(o)
			say(r, finding.FixReverted, "TakenOut", message, !read)
			say(r, finding.RemediationHeld, "TakenOut", message, !read)
		}
	}
	return out
}

func newestStart(known []Rollout) (at time.Time) {
	for _, r := range known {
		if r.StartedAt.After(at) {
			at = r.StartedAt
		}
	}
	return at
}

// means lists the types of findings that an ended rollout is a reason for.
func (r Rollout) means(newest bool) []string {
	var out []string
	if r.holds() {
		out = append(out, finding.RemediationHeld)
	}
	// A superseded rollout with an ending was on its way back when it met somebody's revision: the fix is still in there.
	if r.Outcome == Superseded && r.Arrived && r.Ending == nil {
		out = append(out, finding.FixReverted)
	}
	stays := r.Disproved && r.Outcome == Succeeded || r.Outcome == Inconclusive || r.Outcome == Adopted || r.Outcome == Superseded && r.Ending != nil
	bad := r.Soak.Assessment.Ineffective || r.Soak.Assessment.Verdict == Worse
	if stays && bad && newest {
		out = append(out, finding.FixIneffective)
	}
	return out
}

// inPlace lists the rollouts that ended with their fix in production since the reset, the newest of each policy.
func inPlace(known []Rollout, reset time.Time) []Rollout {
	newest := map[string]Rollout{}
	for _, r := range known {
		if was, ok := newest[r.Plan.Policy]; r.Revision != "" && (!ok || r.CreatedAt.After(was.CreatedAt)) {
			newest[r.Plan.Policy] = r
		}
	}
	var out []Rollout
	for _, r := range newest {
		if slices.Contains([]Outcome{Succeeded, Inconclusive, Adopted}, r.Outcome) && r.Since.After(reset) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Rollout) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out
}

// lost tells whether the service no longer runs the values of a fix that was in place. Until its revision is read that is only
// possible: read is false then.
func (r Rollout) lost(o fleet.Observation) (lost, read bool) {
	runs := o.Service.TaskDefinition
	if o.Gone || runs == "" || r.carries(runs) {
		return false, true
	}
	d, read := o.Definitions[runs]
	return !read || !r.Plan.Carries(d), read
}

func takenOut(o fleet.Observation) string {
	return fmt.Sprintf("somebody deployed %s, which does not carry the values of the fix", fleet.NameOf(o.Service.TaskDefinition))
}
