package rollout

import (
	"cmp"
	"time"
)

// stillTrue is how old facts may be when a write relies on them. The deployment follows the registration at once, unless a
// brake or a pause came between.
const stillTrue = 2 * time.Minute

// checked reports whether the plan's facts were found to hold a short time ago. Otherwise it has them found out anew. A question
// without an answer is asked again after a pause, and a rollout that has registered nothing keeps its place meanwhile.
func (m *machine) checked() bool {
	if !m.Checked.IsZero() && m.now.Sub(m.Checked) <= stillTrue {
		return true
	}
	switch a, heard := m.w.answer(Check, m.Since); {
	case !heard:
		m.steps = append(m.steps, Step{Call: Check, Key: m.Plan.Key})
	case a.Refusal != nil && m.Revision == "":
		m.end(Refused, a.Refusal.Reason, a.Refusal.Message, m.now)
	case a.Refusal != nil:
		m.conclude(Failed, a.Refusal.Reason, "registered, and not deployed: "+a.Refusal.Message)
	case a.Err != nil:
		m.hold(ReasonUnanswered, a.Err.Error())
		m.stay()
	default:
		m.Checked = a.At
		return true
	}
	return false
}

// Certain reports whether the refusal stands whatever AWS, CloudFormation or a registry would answer: nothing is asked then.
func (r *Refusal) Certain() bool {
	switch r.Reason {
	case ReasonController, ReasonSecrets, ReasonEnvFile, ReasonDuplicate, ReasonPair:
		return true
	}
	return false
}

// changedOwner refuses a plan for a service of which another tool, or an unknown one, was found to be the owner since.
func changedOwner(was, is Owner) *Refusal {
	switch {
	case is.State == was.State:
		return nil
	case is.State == Owned:
		return refuse(ReasonOwned, is.Evidence, "%s owns this service now; the plan was made when its owner was %s",
			cmp.Or(is.Name, "another tool"), was.State)
	case is.State == UnknownOwner:
		return refuse(ReasonOwnerUnknown, is.Evidence, "who owns this service cannot be told any more; the plan was made when its owner was %s",
			was.State)
	}
	return nil
}
