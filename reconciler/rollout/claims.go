package rollout

import (
	"time"

	"taskwarden/reconciler/finding"
)

// Types of findings about fixes (CONTRACT section 3).
const (
	FixReverted     = "FixReverted"
	FixIneffective  = "FixIneffective"
	RemediationHeld = "RemediationHeld"
)

// Claims says what a service's rollouts mean for its findings: known are those of the service, reset its last reset.
//
//	RemediationHeld  the last try failed; until a reset
//	FixReverted      a deployed fix was taken out by somebody's deployment; until a reset
//	FixIneffective   the fix stays in place, and deaths go on as before or got worse; until a reset or the next rollout
func Claims(known []Rollout, reset time.Time) []finding.Claim {
	var newest time.Time
	for _, r := range known {
		if r.StartedAt.After(newest) {
			newest = r.StartedAt
		}
	}
	var out []finding.Claim
	seen := map[string]bool{}
	for _, r := range known {
		if r.Live() || !r.Since.After(reset) {
			continue
		}
		for _, typ := range r.means(r.StartedAt.Equal(newest)) {
			if !seen[typ] {
				seen[typ] = true
				out = append(out, finding.Claim{Type: typ, Severity: finding.Warning, Reason: string(r.Outcome), Since: r.Since,
					Message: "rollout " + r.ID + " of policy " + r.Plan.Policy + ": " + r.Message, Evidence: []string{"revision " + r.Revision}})
			}
		}
	}
	return out
}

// means lists the types of findings that an ended rollout is a reason for.
func (r Rollout) means(newest bool) []string {
	var out []string
	if r.holds() {
		out = append(out, RemediationHeld)
	}
	// A superseded rollout with an ending was on its way back when it met somebody's revision: the fix is still in there.
	if r.Outcome == Superseded && r.Arrived && r.Ending == nil {
		out = append(out, FixReverted)
	}
	stays := r.Outcome == Inconclusive || r.Outcome == Adopted || r.Outcome == Superseded && r.Ending != nil
	bad := r.Soak.Assessment.Ineffective || r.Soak.Assessment.Verdict == Worse
	if stays && bad && newest {
		out = append(out, FixIneffective)
	}
	return out
}
