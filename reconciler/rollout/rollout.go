package rollout

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// Phase is where a rollout stands.
type Phase string

// Phases (CONTRACT section 3).
const (
	Proposed    Phase = "proposed"
	Approved    Phase = "approved"
	Registering Phase = "registering"
	Rolling     Phase = "rolling"
	Soaking     Phase = "soaking"
	RollingBack Phase = "rolling_back"
)

// Outcome is how a rollout ended; "" while it lives.
type Outcome string

// Outcomes.
const (
	Succeeded    Outcome = "succeeded"
	RolledBack   Outcome = "rolled_back"
	Failed       Outcome = "failed"
	Inconclusive Outcome = "inconclusive"
	Superseded   Outcome = "superseded"
	Rejected     Outcome = "rejected"
	Expired      Outcome = "expired"
	Refused      Outcome = "refused"
	Exported     Outcome = "exported"
	Adopted      Outcome = "adopted"
)

// Rollout is one plan on its way, as it is stored. It is committed before its steps are taken.
type Rollout struct {
	ID       string    `json:"id"`
	Plan     Plan      `json:"plan"`
	Phase    Phase     `json:"phase"`
	Since    time.Time `json:"since"`    // when the phase began
	Deadline time.Time `json:"deadline"` // when it ends by itself
	Outcome  Outcome   `json:"outcome,omitempty"`
	Reason   Reason    `json:"reason,omitempty"` // of the outcome, or of what it waits for
	Message  string    `json:"message,omitempty"`
	Remedy   string    `json:"remedy,omitempty"`
	// WaitsSince is when the guard named by Reason first held this phase up; zero: nothing holds it up.
	WaitsSince time.Time `json:"waitsSince,omitzero"`

	CreatedAt time.Time `json:"createdAt"`
	Canary    bool      `json:"canary,omitempty"` // of its policy's first wave; fixed when it starts
	Approval  *Order    `json:"approval,omitempty"`
	Order     *Order    `json:"order,omitempty"` // an approver's rollback, which no pause, tag or mode stops
	StartedAt time.Time `json:"startedAt,omitzero"`

	Wrote   time.Time `json:"wrote,omitzero"`    // when an UpdateService was last intended that was not turned away
	Arrived bool      `json:"arrived,omitempty"` // a look has shown the service on Revision

	Checked time.Time `json:"checked,omitzero"` // when the plan's facts were last found out anew, and held
	Pause   *Pause    `json:"pause,omitempty"`  // nothing is sent or asked before it is over
	// Untouched is set where a rollout failed and nothing was done to the service: its end holds nothing.
	Untouched bool `json:"untouched,omitempty"`

	Intent   *Intent  `json:"intent,omitempty"`
	Revision string   `json:"newRevision,omitempty"` // what was registered
	Carriers []string `json:"carriers,omitempty"`    // later revisions of others that carry the values
	Foreign  bool     `json:"foreign,omitempty"`     // somebody else applied the export: watched, never rolled back

	Ending    *Conclusion `json:"ending,omitempty"`    // while rolling back: how it will end
	Former    *Conclusion `json:"former,omitempty"`    // the end that it had before an approver ordered its rollback
	Disproved bool        `json:"disproved,omitempty"` // it succeeded, and later the culprit died as before
	Soak      Progress    `json:"progress,omitzero"`
}

// Order is a person's word.
type Order struct {
	By, Reason, Ticket string
	At                 time.Time
}

// Intent is a call that may have been sent. It is written before the call, and goes when an answer says what became of it or
// a look has shown it.
type Intent struct {
	Call    Call      `json:"call"`
	At      time.Time `json:"at"`
	Tries   int       `json:"tries"`             // calls sent for this purpose, this one included
	Looked  time.Time `json:"looked,omitzero"`   // the first look after it that did not find what it would have made
	Refused bool      `json:"refused,omitempty"` // the answer was that nothing was done: it may be repeated
	Before  time.Time `json:"before,omitzero"`   // Wrote as it was before this call
}

// Conclusion is the outcome that a rollback works towards.
type Conclusion struct {
	Outcome  Outcome `json:"outcome"`
	Reason   Reason  `json:"reason,omitempty"`
	Message  string  `json:"message"`
	Restored bool    `json:"restored,omitempty"` // the old revision runs again, and nothing else is under way

	// To is the ACTIVE revision with the base's content that is deployed instead of the base; "": the base itself.
	To string `json:"to,omitempty"`
	// Seeks is set while such a revision must be found or registered, because AWS does not deploy the one that was asked for.
	Seeks bool `json:"seeks,omitempty"`
	// Refusals counts the answers of AWS, one after the other, that the way back will not be carried out as asked.
	Refusals int    `json:"refusals,omitempty"`
	Refused  string `json:"refused,omitempty"` // the last of these answers
	// NoStop is set once StopServiceDeployment did not help: UpdateService takes its place.
	NoStop bool `json:"noStop,omitempty"`
	// Covered is the revision of somebody else that was the family's newest when To had to be registered.
	Covered string `json:"covered,omitempty"`
}

// Progress is what a soak has found so far.
type Progress struct {
	From       time.Time  `json:"from,omitzero"`   // when the new revision's deployment was complete
	Tasks      int        `json:"tasks,omitempty"` // how many it had then
	Spent      float64    `json:"spent,omitempty"` // of the chance that looks may use up
	Assessment Assessment `json:"assessment,omitzero"`
	Table      *Table     `json:"table,omitempty"`
}

// idOf names a rollout by its plan and its birth.
func idOf(p Plan, at time.Time) string {
	sum := sha256.Sum256([]byte(p.Key.String() + "\n" + p.Hash + "\n" + at.UTC().Format(time.RFC3339Nano)))
	return hex.EncodeToString(sum[:6])
}

// clone shares nothing that changes with r.
func (r Rollout) clone() Rollout {
	if r.Intent != nil {
		i := *r.Intent
		r.Intent = &i
	}
	if r.Ending != nil {
		e := *r.Ending
		r.Ending = &e
	}
	r.Carriers = slices.Clone(r.Carriers)
	return r
}

// Live reports whether the rollout is still on its way.
func (r Rollout) Live() bool { return r.Outcome == "" }

// Key is the service it concerns.
func (r Rollout) Key() fleet.Key { return r.Plan.Key }

// acting reports whether it is between its first write and its soak, or on its way back.
func (r Rollout) acting() bool {
	return r.Live() && (r.Phase == Registering || r.Phase == Rolling || r.Phase == RollingBack)
}

// enter begins a phase.
func (r *Rollout) enter(p Phase, now time.Time, lasts time.Duration) {
	r.Phase, r.Since, r.Deadline = p, now, now.Add(lasts)
	r.Reason, r.Message, r.Remedy, r.Intent, r.Pause, r.WaitsSince = "", "", "", nil, nil, time.Time{}
}

// end closes the rollout.
func (r *Rollout) end(o Outcome, reason Reason, message string, now time.Time) {
	r.Untouched = r.untouched(o)
	r.Outcome, r.Reason, r.Message, r.Remedy, r.Since = o, reason, message, remedies[reason], now
	r.Intent, r.Pause, r.WaitsSince = nil, nil, time.Time{}
}

// wait says why nothing is done now, and keeps since when that is so.
func (m *machine) wait(why *Refusal) {
	if m.WaitsSince.IsZero() || m.Reason != why.Reason {
		m.WaitsSince = m.now
	}
	m.Reason, m.Message, m.Remedy = why.Reason, why.Message, why.Remedy
}
