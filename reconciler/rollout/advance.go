package rollout

import (
	"cmp"
	"fmt"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	Freshness  = 30 * time.Second // how old a look may be that a write relies on
	showsLate  = 60 * time.Second // what ECS did may show so late; nothing is repeated earlier (DESIGN 5.9)
	registerIn = 30 * time.Minute
	// rollIn and stageIn bound a deployment: a rolling one, and one with lifecycle stages, each of which may last 24 h
	// (Amazon ECS guide, "Amazon ECS blue/green deployments").
	rollIn  = 3 * time.Hour
	stageIn = 26 * time.Hour
	// asleep is how far a deadline may lie in the past before it means that no controller looked: one that works looks each 15 s.
	asleep = 15 * time.Minute
)

// machine is one Advance: the rollout as it becomes, and the steps that come of it.
type machine struct {
	Rollout
	w     World
	now   time.Time
	steps []Step
}

// Advance takes a rollout one step on. It is total and deterministic. The caller commits the rollout, then takes the steps
// in their order, then gives the answers to the next Advance of this rollout; steps of a rollout that could not be committed
// are not taken. Called again without answers it never repeats a write: it looks what became of it.
//
// Starts are decided by looking at Brakes.Known: let no two rollouts advance out of Approved at the same time.
func Advance(r Rollout, w World, now time.Time) (Rollout, []Step) {
	m := &machine{Rollout: r.clone(), w: w, now: now}
	for _, a := range w.Answers {
		m.hear(a)
	}
	switch {
	case r.Outcome == Exported:
		m.exported()
	case !m.Live():
		m.judgeOn()
	case m.Phase == Proposed:
		m.proposed()
	case m.Phase == Approved:
		m.approved()
	case m.Phase == Registering:
		m.registering()
	case m.Phase == Rolling:
		m.rolling()
	case m.Phase == Soaking:
		m.soaking()
	case m.Phase == RollingBack:
		m.rollingBack()
	}
	if m.Phase != r.Phase || m.Outcome != r.Outcome {
		m.audit("%s → %s: %s", state(r), state(m.Rollout), m.Message)
	}
	return m.Rollout, m.steps
}

func state(r Rollout) string {
	if r.Outcome != "" {
		return string(r.Outcome)
	}
	return string(r.Phase)
}

// audit says something in the audit log; it comes before the step that it speaks of.
func (m *machine) audit(format string, args ...any) {
	text := fmt.Sprintf("rollout %s, plan %s, %s: ", m.ID, m.Plan.Hash, m.Plan.Key) + fmt.Sprintf(format, args...)
	m.steps = append(m.steps, Step{Call: Record, Key: m.Plan.Key, Text: text})
}

// hear records what an answer to a call says; a look's failure is told by there being no look.
func (m *machine) hear(a Answer) {
	if a.Call == Fresh || a.Call == Record || a.Call == Check && a.Refusal == nil && a.Err == nil {
		return
	}
	switch {
	case a.Refusal != nil:
		m.audit("%s refused: %s", a.Call, a.Refusal)
	case a.Err != nil:
		m.audit("%s failed: %v", a.Call, a.Err)
	default:
		m.audit("%s answered %s", a.Call, cmp.Or(fleet.NameOf(a.Revision), "ok"))
	}
}

func (m *machine) look() { m.steps = append(m.steps, Step{Call: Fresh, Key: m.Plan.Key}) }

// send intends a call and sends it, unless the pause after the last try lasts. The phase's deadline ends the tries.
func (m *machine) send(s Step) {
	if m.pausing() {
		return
	}
	n := 1
	if m.Intent != nil && m.Intent.Call == s.Call {
		n = m.Intent.Tries + 1
	}
	m.Intent = &Intent{Call: s.Call, At: m.now, Tries: n, Before: m.Wrote}
	if s.Call == Update {
		m.Wrote = m.now
	}
	m.Reason, m.Message, m.Remedy, m.WaitsSince = "", fmt.Sprintf("%s sent", s.Call), "", time.Time{}
	s.Key = m.Plan.Key
	m.audit("%s, try %d, of %s", s.Call, n, fleet.NameOf(cmp.Or(s.Revision, s.Base, s.Stops)))
	m.steps = append(m.steps, s)
}

// deployIn is how long the deployment that the last look showed may take.
func (m *machine) deployIn() time.Duration {
	if m.w.Look != nil && m.w.Look.staged() {
		return stageIn
	}
	return rollIn
}

// wake gives a phase its time again where no controller looked for a while: what happened meanwhile is looked at first.
func (m *machine) wake(lasts time.Duration) {
	if m.now.Sub(m.Deadline) > asleep {
		m.Deadline = m.now.Add(lasts)
	}
}

// pending reports whether a call of this kind may have been sent and its result is not known.
func (m *machine) pending(c Call) bool {
	return m.Intent != nil && m.Intent.Call == c && !m.Intent.Refused
}

// settle reads the answer to the pending call: ok if it was carried out, hopeless if the same call would fail again. If the answer
// says that nothing was done, the intent may be sent again after a pause. Without an answer, or with one that leaves that open, it
// stays pending.
func (m *machine) settle(c Call) (a Answer, ok, hopeless bool) {
	if !m.pending(c) {
		return a, false, false
	}
	a, heard := m.w.answer(c, m.Intent.At)
	switch {
	case !heard:
	case a.Refusal != nil, a.hopeless():
		m.undone()
		return a, false, true
	case a.Err == nil:
		m.Pause = nil
		return a, true, false
	case a.nothingDone():
		m.turnedAway(a.Err)
	}
	return a, false, false
}

// proposed waits for approval. In mode auto the policy's owner has given it.
func (m *machine) proposed() {
	switch {
	case m.moved():
	case !m.now.Before(m.Deadline):
		m.end(Expired, "", "nobody approved it in time; a new plan is made if it is still wanted", m.now)
	case m.w.Brakes.Mode == Auto:
		if why := m.littleHistory(); why != nil {
			m.wait(why)
			return
		}
		m.Approval = &Order{By: "mode auto", At: m.now}
		m.enter(Approved, m.now, m.w.Brakes.Settings.PlanTTL)
		m.Message = "approved by mode auto"
	case m.w.Brakes.Mode == Approve:
		m.Message = "waits for: taskwarden approve " + m.ID + " --hash " + m.Plan.Hash
	default:
		m.wait(refuse(m.w.Brakes.modeReason(), nil, "the service's mode is %s: the plan is shown", m.w.Brakes.Mode))
	}
}

// moved ends a rollout that has not begun if the service no longer runs the revision that its plan is for.
func (m *machine) moved() bool {
	o := m.w.Observation
	switch {
	case !o.Complete:
		return false
	case o.Gone:
		m.end(Superseded, ReasonDeleted, "the service is gone", m.now)
	case o.Service.TaskDefinition != m.Plan.Base:
		m.end(Superseded, "", "the service runs "+fleet.NameOf(o.Service.TaskDefinition)+" now; a plan is for one revision", m.now)
	default:
		return false
	}
	return true
}

// approved waits for brakes and for its turn. This is the only way to a first write.
func (m *machine) approved() {
	switch {
	case m.moved():
		return
	case !m.now.Before(m.Deadline):
		m.end(Expired, m.Reason, "it could not start in time: "+m.Message, m.now)
		return
	}
	if why := m.w.Brakes.admit(m.Rollout, m.w.Observation, m.now); why != nil {
		m.wait(why)
		return
	}
	canary, why := m.w.Brakes.turn(m.Rollout, m.now)
	if why != nil {
		m.wait(why)
		return
	}
	if m.w.Unanswered != "" {
		m.wait(refuse(ReasonUnanswered, nil, "%s", m.w.Unanswered))
		return
	}
	m.Canary, m.StartedAt = canary, m.now
	m.enter(Registering, m.now, registerIn)
	m.Message = "its turn"
	m.look()
}
