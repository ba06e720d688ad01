package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// rolling deploys the new revision, once, and watches until its deployment is complete. It is judged by the revision that
// ECS steers to and by the service deployment's status: a stable service may be one that was rolled back.
func (m *machine) rolling() {
	a, _, hopeless := m.settle(Update)
	m.wake(m.deployIn())
	switch {
	case hopeless && a.Refusal != nil:
		m.conclude(Failed, a.Refusal.Reason, "registered, and not deployed: "+a.Refusal.Message)
		return
	case hopeless:
		m.fail("UpdateService: " + a.Err.Error())
		return
	case m.Order != nil:
		m.conclude(RolledBack, "", "rolled back by "+m.Order.By)
		return
	case !m.now.Before(m.Deadline):
		m.giveUp("the deployment was not complete in time")
		return
	}
	look, ok := m.w.lookSince(m.Since, m.now)
	p, _ := look.Service.Primary()
	switch {
	case !ok:
		m.look()
	case look.Gone:
		m.conclude(Superseded, ReasonDeleted, "the service is gone")
	case p.TaskDefinition == m.Revision:
		m.arrived(look, p)
	case p.TaskDefinition == m.Plan.Base:
		m.stillOnBase(look)
	default:
		m.foreign(look, p)
	}
}

// stillOnBase sends the update, waits for the one that was sent to show, or recognises that ECS took it back.
func (m *machine) stillOnBase(look Look) {
	if why, back := m.wasRolledBack(look); back {
		m.conclude(RolledBack, "", why)
		return
	}
	if m.pending(Update) && (look.At.Sub(m.Intent.At) < showsLate || look.inFlight()) {
		m.look()
		return
	}
	if m.pending(Update) {
		m.unheard("UpdateService had no answer, and the old revision still runs")
	}
	m.onBase(Step{Call: Update, Service: m.Plan.ServiceARN, Revision: m.Revision})
}

// wasRolledBack reports whether the new revision was deployed and the old one is back, and by whom. ECS may leave the reason of
// an earlier rollback on a deployment for weeks, so only one that was created since our UpdateService counts.
func (m *machine) wasRolledBack(look Look) (why string, back bool) {
	d := look.Deployment
	p, _ := look.Service.Primary()
	since := !m.Wrote.IsZero() && !p.CreatedAt.Before(m.Wrote.Add(-showsLate)) // the two clocks may differ by some seconds
	switch ours := d.Target == m.Revision; {
	case since && strings.Contains(p.RolloutReason, "rolling back"): // ECS's own words, also where the way back is listed as a deployment of its own
		return "ECS rolled it back: " + p.RolloutReason, true
	case ours && strings.HasPrefix(d.Status, "ROLLBACK"):
		return "ECS rolled it back: " + cmp.Or(d.Reason, d.Status), true
	case ours && !d.underWay():
		return "its deployment is over (" + d.Status + ") and the old revision runs", true
	case m.Arrived, d.Target == m.Plan.Base && !m.Wrote.IsZero() && d.Started.After(m.Wrote):
		return "the old revision is back, by a rollback of ECS or by somebody's deployment", true
	}
	return "", false
}

// arrived reads a deployment of the new revision.
func (m *machine) arrived(look Look, p fleet.Deployment) {
	if !m.Arrived {
		m.rebase(m.Wrote)
	}
	m.Arrived, m.Intent = true, nil
	d := look.Deployment
	if d.Target != m.Revision {
		d = Deployment{} // not listed yet
	}
	if look.staged() {
		m.Deadline = m.Since.Add(stageIn)
	}
	m.assess()
	switch {
	case m.Soak.Assessment.Verdict == Worse:
		m.conclude(RolledBack, "", m.Soak.Assessment.Message)
	case d.Status == "SUCCESSFUL", d.Status == "" && p.RolloutState == fleet.RolloutCompleted:
		m.Soak.From, m.Soak.Tasks = m.now, p.Running
		m.enter(Soaking, m.now, m.Plan.Soak.Max)
		m.Message = fmt.Sprintf("deployed; %s", m.Plan.Power)
	case strings.HasPrefix(d.Status, "ROLLBACK") && d.underWay():
		m.Message = "ECS rolls it back: " + cmp.Or(d.Reason, d.Status)
		m.look()
	case d.Status == "STOPPED", d.Status == "ROLLBACK_FAILED", p.RolloutState == fleet.RolloutFailed:
		m.conclude(RolledBack, "", "the deployment failed: "+cmp.Or(d.Reason, cmp.Or(p.RolloutReason, d.Status)))
	case d.Status == "AWAITING_ACTION":
		m.Message = "the deployment waits for somebody's answer to a lifecycle hook; without one it is rolled back at " + stamp(m.Deadline)
		m.look()
	default:
		m.Message = fmt.Sprintf("%d of %d tasks run, %d pending, %d failed to start", p.Running, p.Desired, p.Pending, p.Failed)
		m.look()
	}
}

// foreign reads a deployment of a revision that is neither the old nor the new one: somebody else's, never touched.
func (m *machine) foreign(look Look, p fleet.Deployment) {
	name := fleet.NameOf(p.TaskDefinition)
	switch {
	case !look.Carries:
		m.end(Superseded, "", "somebody deployed "+name+", which does not carry the values", m.now)
	case look.inFlight():
		m.Message = "somebody deploys " + name + ", which carries the values too"
		m.look()
	default:
		m.Carriers = append(m.Carriers, p.TaskDefinition)
		if m.Phase != Soaking {
			m.Soak.From, m.Soak.Tasks = m.now, p.Running
			m.enter(Soaking, m.now, m.Plan.Soak.Max)
		}
		m.Message = "somebody deployed " + name + ", which carries the values too: the soak goes on with its tasks"
	}
}

// carries reports whether the revision is ours or a later one that carries the values.
func (r Rollout) carries(revision string) bool {
	return revision == r.Revision && revision != "" || slices.Contains(r.Carriers, revision)
}
