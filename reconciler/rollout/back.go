package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"taskwarden/reconciler/fleet"
)

// rollingBack brings the old content back, then makes it the family's newest, and ends as Ending says. Windows, freezes and
// caps do not hold it up.
func (m *machine) rollingBack() {
	m.keepPlace()
	a, ok, hopeless := m.settle(Restore)
	switch {
	case m.Ending.Restored && ok:
		m.finish(family(a))
	case m.Ending.Restored && (hopeless || !m.now.Before(m.Deadline)):
		m.finish("the old revision runs, but the family's newest revision is still " +
			cmp.Or(fleet.NameOf(m.Revision), "unknown") + ": pipelines that copy the newest would ship it again")
	case !m.now.Before(m.Deadline):
		m.end(Failed, m.Ending.Reason, "the old revision could not be brought back in time: "+cmp.Or(m.Ending.Refused, m.Message)+" ("+m.Ending.Message+")", m.now)
	case m.Ending.Restored:
		m.restore()
	default:
		m.bringBack()
	}
}

// finish ends the rollout as Ending says, with what became of the family's newest revision.
func (m *machine) finish(newest string) {
	message := m.Ending.Message
	if m.Ending.To != "" && m.Ending.To != m.Plan.Base {
		message += fmt.Sprintf("; %s runs, which has the content of %s", fleet.NameOf(m.Ending.To), fleet.NameOf(m.Plan.Base))
	}
	if m.Ending.Covered != "" {
		message += fmt.Sprintf("; it had to be registered after somebody's %s, which was the family's newest revision: register that content again if it is still wanted",
			fleet.NameOf(m.Ending.Covered))
	}
	m.end(m.Ending.Outcome, m.Ending.Reason, message+"; "+newest, m.now)
}

// family says what Restore found or made the family's newest revision.
func family(a Answer) string {
	if a.Foreign != "" {
		return fmt.Sprintf("the family's newest revision is %s, which this rollout did not register: it was left as it is", fleet.NameOf(a.Foreign))
	}
	return cmp.Or(fleet.NameOf(a.Revision), "the newest revision") + " carries the old content"
}

// keepPlace moves the deadline while a pause, a tag or a mode holds the way back up, and after a time in which no controller
// looked. It moves in steps, since each change of a rollout is written.
func (m *machine) keepPlace() {
	lasts := m.deployIn()
	if m.w.Brakes.mayWrite(m.Rollout) != nil && m.Deadline.Sub(m.now) < lasts-asleep {
		m.Deadline = m.now.Add(lasts)
	}
	m.wake(lasts)
}

// bringBack deploys the old content unless it runs already.
func (m *machine) bringBack() {
	m.hearBack()
	look, ok := m.w.lookSince(m.Since, m.now)
	p, _ := look.Service.Primary()
	old := p.TaskDefinition == m.Plan.Base || p.TaskDefinition != "" && p.TaskDefinition == m.Ending.To
	switch {
	case !ok:
		m.look()
	case look.Gone:
		m.end(Superseded, ReasonDeleted, "the service is gone ("+m.Ending.Message+")", m.now)
	case old && (look.inFlight() || look.At.Sub(m.Wrote) < showsLate):
		m.look() // not there yet, or an update to the new revision may still show
	case old && p.RolloutState == fleet.RolloutFailed:
		m.end(Failed, m.Ending.Reason, "the deployment of the old revision failed: "+p.RolloutReason+" ("+m.Ending.Message+")", m.now)
	case old:
		m.Ending.Restored, m.Intent = true, nil
		m.restore()
	case p.TaskDefinition != m.Revision:
		m.leave(p.TaskDefinition)
	case strings.HasPrefix(look.Deployment.Status, "ROLLBACK") && look.Deployment.underWay(),
		m.pending(Update) && look.At.Sub(m.Intent.At) < showsLate,
		m.pending(Stop) && look.At.Sub(m.Intent.At) < showsLate:
		m.look() // ECS is at it, or ours was sent
	default:
		m.back(look)
	}
}

// hearBack takes in what became of the last call of the way back.
func (m *machine) hearBack() {
	if a, _, hopeless := m.settle(Update); hopeless {
		m.Intent.Refused = true // it is tried until the deadline: leaving production on a bad revision is worse than asking again
		m.refused(a, "UpdateService")
		m.Ending.Seeks = a.Refusal != nil || errors.Is(a.Err, fleet.ErrTerminal) || errors.Is(a.Err, fleet.ErrNotFound)
	}
	switch a, ok, hopeless := m.settle(Reregister); {
	case ok:
		if a.Revision != cmp.Or(m.Ending.To, m.Plan.Base) {
			m.Ending.Refusals = 0 // AWS was not asked for this one yet
		} else {
			m.Ending.Refusals = max(m.Ending.Refusals, 1)
		}
		m.Ending.To, m.Ending.Seeks, m.Ending.Covered, m.Intent = a.Revision, false, cmp.Or(a.Foreign, m.Ending.Covered), nil
	case hopeless:
		m.Intent.Refused = true
		m.refused(a, "registering the old content again")
	}
	if a, _, hopeless := m.settle(Stop); hopeless {
		m.refused(a, "StopServiceDeployment")
		m.Ending.NoStop, m.Ending.Refusals, m.Intent = true, 0, nil
	}
}

// refused notes that the call will not be carried out as it was asked.
func (m *machine) refused(a Answer, what string) {
	if a.Refusal != nil {
		m.Message = what + ": " + a.Refusal.Message
		return // nothing was sent: what is missing can be asked for at once
	}
	m.Message = what + ": " + a.Err.Error()
	m.Ending.Refused = m.Message
	m.Ending.Refusals++
}

// leave ends a way back at a revision that is neither ours nor the old one. A rollout that had ended before the rollback was
// ordered keeps that end where nothing was sent since.
func (m *machine) leave(runs string) {
	if m.Former != nil && m.Order != nil && !m.Wrote.After(m.Order.At) {
		m.end(m.Former.Outcome, m.Former.Reason, fmt.Sprintf("%s; the rollback that %s ordered was not carried out: %s runs, which is not this rollout's",
			m.Former.Message, m.Order.By, fleet.NameOf(runs)), m.now)
		m.Former, m.Ending = nil, nil
		return
	}
	m.end(Superseded, "", "somebody deployed "+fleet.NameOf(runs)+", which is left alone ("+m.Ending.Message+")", m.now)
}

// back sends the next call of the way back, unless it is held up or the last one was sent too lately.
func (m *machine) back(look Look) {
	if why := m.w.Brakes.mayWrite(m.Rollout); why != nil {
		m.waitBack(why)
		return
	}
	next := Step{Call: Update, Service: m.Plan.ServiceARN, Revision: cmp.Or(m.Ending.To, m.Plan.Base)}
	switch {
	case m.stops(look):
		next = Step{Call: Stop, Stops: look.Deployment.ARN}
	case m.Ending.Seeks:
		next = Step{Call: Reregister, Base: m.Plan.Base, Tag: m.ID + "/restore"}
	}
	if m.soon(next.Call) {
		return
	}
	m.send(next)
}

// soon reports whether a call must wait: a minute after the last one of its kind, and twice as long after each that AWS
// refused, up to 16 minutes.
func (m *machine) soon(next Call) bool {
	wait := showsLate << min(m.Ending.Refusals, 4)
	if m.Intent != nil {
		return m.Intent.Call == next && m.now.Sub(m.Intent.At) < wait
	}
	return next == Update && m.Ending.Refusals > 0 && m.now.Sub(m.Wrote) < wait
}

// stops reports whether ECS is to end the deployment itself, which it offers for those with stages. Where it does not begin to
// within two minutes, or refuses, the old content is deployed instead.
func (m *machine) stops(look Look) bool {
	d := look.Deployment
	if m.pending(Stop) && m.now.Sub(m.Intent.At) >= showsLate {
		m.Ending.NoStop = true
	}
	return !m.Ending.NoStop && look.staged() && d.Target == m.Revision && d.underWay()
}

// restore makes the old content the family's newest ACTIVE revision where the newest is ours: the call itself looks first, so
// that a repetition after a minute finds what an earlier one made.
func (m *machine) restore() {
	if m.pending(Restore) && m.now.Sub(m.Intent.At) < showsLate {
		return
	}
	if why := m.w.Brakes.mayWrite(m.Rollout); why != nil {
		m.waitBack(why)
		return
	}
	m.send(Step{Call: Restore, Base: cmp.Or(m.Ending.To, m.Plan.Base), Tag: m.ID + "/restore"})
}

// waitBack says what holds the way back up, since when, and how it goes on.
func (m *machine) waitBack(why *Refusal) {
	m.wait(why)
	m.Message = fmt.Sprintf("%s; taking it back waits since %s: %s", m.Ending.Message, stamp(m.WaitsSince), why.Message)
	m.Remedy = why.Remedy + "; or have it taken back now: taskwarden rollback " + m.ID
}
