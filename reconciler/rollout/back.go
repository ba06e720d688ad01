package rollout

import (
	"strings"

	"taskwarden/reconciler/fleet"
)

// rollingBack brings the old revision back, then makes its content the family's newest, and ends as Ending says. Windows,
// freezes and caps do not hold it up.
func (m *machine) rollingBack() {
	a, ok, hopeless := m.settle(Restore)
	switch {
	case m.Ending.Restored && ok:
		m.end(m.Ending.Outcome, m.Ending.Reason, m.Ending.Message+"; "+or(fleet.NameOf(a.Revision), "the newest revision")+" carries the old content", m.now)
	case m.Ending.Restored && (hopeless || !m.now.Before(m.Deadline)):
		m.end(m.Ending.Outcome, m.Ending.Reason, m.Ending.Message+"; the old revision runs, but the family's newest revision is still "+
			or(fleet.NameOf(m.Revision), "unknown")+": pipelines that copy the newest would ship it again", m.now)
	case !m.now.Before(m.Deadline):
		m.end(Failed, m.Ending.Reason, "the old revision could not be brought back in time: "+m.Message+" ("+m.Ending.Message+")", m.now)
	case m.Ending.Restored:
		m.restore()
	default:
		m.bringBack()
	}
}

// bringBack deploys the old revision unless it runs already.
func (m *machine) bringBack() {
	a, _, hopeless := m.settle(Update)
	if hopeless {
		m.turnedAway(a.Err) // it is tried until the deadline: leaving production on a bad revision is worse than asking again
	}
	look, ok := m.w.lookSince(m.Since, m.now)
	p, _ := look.Service.Primary()
	switch {
	case !ok:
		m.look()
	case look.Gone:
		m.end(Superseded, "", "the service is gone ("+m.Ending.Message+")", m.now)
	case p.TaskDefinition == m.Plan.Base && (look.inFlight() || look.At.Sub(m.Wrote) < showsLate):
		m.look() // not there yet, or an update to the new revision may still show
	case p.TaskDefinition == m.Plan.Base && p.RolloutState == fleet.RolloutFailed:
		m.end(Failed, m.Ending.Reason, "the deployment of the old revision failed: "+p.RolloutReason+" ("+m.Ending.Message+")", m.now)
	case p.TaskDefinition == m.Plan.Base:
		m.Ending.Restored, m.Intent = true, nil
		m.restore()
	case p.TaskDefinition != m.Revision:
		m.end(Superseded, "", "somebody deployed "+fleet.NameOf(p.TaskDefinition)+", which is left alone ("+m.Ending.Message+")", m.now)
	case strings.HasPrefix(look.Deployment.Status, "ROLLBACK") && look.Deployment.underWay(),
		m.pending(Update) && look.At.Sub(m.Intent.At) < showsLate:
		m.look() // ECS is at it, or ours was sent
	default:
		m.back()
	}
}

func (m *machine) back() {
	if why := m.w.Brakes.mayWrite(m.Rollout); why != nil {
		m.wait(why)
		if why.Reason == ReasonPaused {
			m.Deadline = m.now.Add(rollIn) // whoever paused it may still want it back
		}
		return
	}
	m.send(Step{Call: Update, Service: m.Plan.ServiceARN, Revision: m.Plan.Base})
}

// restore makes the old content the family's newest ACTIVE revision: the call itself looks first, so that a repetition after
// a minute finds what an earlier one made.
func (m *machine) restore() {
	if m.pending(Restore) && m.now.Sub(m.Intent.At) < showsLate {
		return
	}
	if why := m.w.Brakes.mayWrite(m.Rollout); why != nil {
		m.wait(why)
		return
	}
	m.send(Step{Call: Restore, Base: m.Plan.Base, Tag: m.ID + "/restore"})
}
