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
	var out []finding.Claim
	seen := map[string]bool{}
	claim := func(typ, reason string, r Rollout) {
		if !seen[typ] {
			seen[typ] = true
			out = append(out, finding.Claim{Type: typ, Severity: finding.Warning, Reason: reason, Since: r.Since,
				Message: "rollout " + r.ID + " of policy " + r.Plan.Policy + ": " + r.Message, Evidence: []string{"revision " + r.Revision}})
		}
	}
	var newest time.Time
	for _, r := range known {
		if !r.StartedAt.IsZero() && r.StartedAt.After(newest) {
			newest = r.StartedAt
		}
	}
	for _, r := range known {
		if r.Live() || !r.Since.After(reset) {
			continue
		}
		if r.holds() {
			claim(RemediationHeld, string(r.Outcome), r)
		}
		if r.Outcome == Superseded && r.Arrived && r.Ending == nil {
			claim(FixReverted, string(r.Outcome), r)
		}
		stays := r.Outcome == Inconclusive || r.Outcome == Adopted || r.Outcome == Superseded && r.Ending != nil
		bad := r.Soak.Assessment.Ineffective || r.Soak.Assessment.Verdict == Worse
		if stays && bad && r.StartedAt.Equal(newest) {
			claim(FixIneffective, string(r.Outcome), r)
		}
	}
	return out
}
