package rollout

import "taskwarden/reconciler/fleet"

// registering makes the new revision, once.
func (m *machine) registering() {
	a, ok, hopeless := m.settle(Register)
	switch {
	case ok:
		m.registered(a.Revision)
		return
	case hopeless && a.Refusal != nil && a.Revision != "":
		m.strayed(a)
		return
	case hopeless && a.Refusal != nil:
		m.end(Refused, a.Refusal.Reason, a.Refusal.Message, m.now)
		return
	case hopeless:
		m.end(Failed, "", a.Err.Error(), m.now)
		return
	}
	if m.pending(Register) && m.findByTag() {
		return
	}
	switch {
	case m.Order != nil:
		m.conclude(RolledBack, "", "rolled back by "+m.Order.By+" before it was deployed")
	case !m.now.Before(m.Deadline):
		m.giveUp("there is no new revision in time")
	case m.pending(Register):
	default:
		m.onBase(Step{Call: Register, Base: m.Plan.Base, Set: m.Plan.Set, Tag: m.ID})
	}
}

// findByTag looks for the revision of a Register that nobody knows of. Two looks that find nothing, a minute apart, allow
// another one. found tells that the rollout went on with what was found.
func (m *machine) findByTag() (found bool) {
	if a, ok := m.w.answer(FindByTag, m.Intent.At); ok && a.Err == nil {
		switch {
		case a.Refusal != nil:
			m.strayed(a)
			return true
		case a.Revision != "":
			m.registered(a.Revision)
			return true
		case m.Intent.Looked.IsZero():
			m.Intent.Looked = a.At
		case a.At.Sub(m.Intent.Looked) >= showsLate:
			m.unheard("RegisterTaskDefinition had no answer, and no revision carries the tag of this rollout")
			return false
		}
	}
	m.steps = append(m.steps, Step{Call: FindByTag, Key: m.Plan.Key, Base: m.Plan.Base, Tag: m.ID})
	return false
}

// strayed takes back a revision that is not what was asked for: registered, never deployed.
func (m *machine) strayed(a Answer) {
	m.Revision = a.Revision
	m.conclude(Failed, a.Refusal.Reason, fleet.NameOf(a.Revision)+" is not what was registered: "+a.Refusal.Message)
}

func (m *machine) registered(revision string) {
	m.Revision = revision
	m.enter(Rolling, m.now, rollIn)
	m.Message = "registered " + fleet.NameOf(revision)
	m.look()
}

// onBase sends a write that needs the base running and nothing in flight, by a look made in this phase.
func (m *machine) onBase(s Step) {
	if why := m.w.Brakes.admit(m.Rollout, m.w.Observation, m.now); why != nil {
		m.wait(why)
		m.stay()
		return
	}
	if m.pausing() {
		return
	}
	look, ok := m.w.lookSince(m.Since, m.now)
	if !ok {
		m.look()
		return
	}
	p, _ := look.Service.Primary()
	switch {
	case look.Gone:
		m.conclude(Superseded, ReasonDeleted, "the service is gone")
	case p.TaskDefinition != m.Plan.Base:
		m.conclude(Superseded, "", "the service runs "+fleet.NameOf(p.TaskDefinition)+" now")
	case look.inFlight():
		m.wait(refuse(ReasonDeploying, nil, "a deployment of this service is under way"))
		m.look()
	case p.RolloutState == fleet.RolloutFailed:
		m.fail("the last deployment of " + fleet.NameOf(p.TaskDefinition) + " failed: there is no good revision to come back to")
	case m.checked():
		m.send(s)
	}
}

// Settled reports whether the service runs that revision and no deployment of it is under way.
func (l Look) Settled(revision string) bool {
	p, ok := l.Service.Primary()
	return ok && !l.Gone && p.TaskDefinition == revision && !l.inFlight()
}

// inFlight reports whether any deployment is under way, by the service's list or by its newest service deployment.
func (l Look) inFlight() bool { return l.Service.Deploying() || l.Deployment.underWay() }

func (d Deployment) underWay() bool {
	switch d.Status {
	case "", "SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED":
		return false
	}
	return true // statuses that nobody knows yet are not taken for an end
}

// fail ends the rollout as failed, after taking back what was done.
func (m *machine) fail(why string) { m.conclude(Failed, "", why) }

// conclude ends the rollout, by way of RollingBack where something may have been registered.
func (m *machine) conclude(o Outcome, reason Reason, message string) {
	unsure := m.Intent != nil && m.Intent.Call == Register && !m.Intent.Refused
	if m.Revision == "" && !unsure || o == Superseded {
		m.end(o, reason, message, m.now)
		return
	}
	m.Ending = &Conclusion{Outcome: o, Reason: reason, Message: message}
	m.enter(RollingBack, m.now, m.deployIn())
	m.Message = message
	m.look()
}

// staged reports whether the newest deployment has lifecycle stages: blue/green, linear or canary.
func (l Look) staged() bool { return l.Deployment.Stage != "" }
