package rollout

import (
	"time"

	"taskwarden/reconciler/fleet"
)

// soaking watches the new tasks until their lifetimes decide.
func (m *machine) soaking() {
	if m.Order != nil {
		m.conclude(RolledBack, "", "rolled back by "+m.Order.By)
		return
	}
	o := m.w.Observation
	if o.Complete && (o.Gone || !m.carries(o.Service.TaskDefinition)) && !m.replaced() {
		return
	}
	m.assess()
	since := m.now.Sub(m.Soak.From)
	enough := since >= m.Plan.Soak.Min && since >= m.Plan.Soak.Fixed && !o.Service.Deploying()
	switch a := m.Soak.Assessment; {
	case a.Verdict == Worse:
		m.decided(RolledBack, "it got worse. "+a.Message)
	case a.Verdict == Effective && enough:
		m.decided(Succeeded, "effective. "+a.Message)
	case !m.now.Before(m.Deadline):
		m.decided(Inconclusive, "undecided after "+human(m.Plan.Soak.Max)+"; the new revision stays in place. "+a.Message)
	default:
		m.Message = a.Message
	}
}

// decided ends the soak. What somebody else deployed is adopted with the verdict, whichever it is.
func (m *machine) decided(o Outcome, message string) {
	switch {
	case m.Foreign:
		m.end(Adopted, "", message, m.now)
	case o == RolledBack:
		m.conclude(o, "", message)
	default:
		m.end(o, "", message, m.now)
	}
}

// replaced looks into a service that no longer runs a revision with the values, by a fresh look: the sweep's may be older.
// It reports whether the soak goes on.
func (m *machine) replaced() bool {
	look, ok := m.w.lookSince(m.w.Observation.At, m.now)
	p, _ := look.Service.Primary()
	switch {
	case !ok:
		m.look()
	case look.Gone:
		m.end(Superseded, ReasonDeleted, "the service is gone", m.now)
	case m.carries(p.TaskDefinition):
		return true
	case p.TaskDefinition == m.Plan.Base && !m.Foreign:
		why, _ := m.wasRolledBack(look)
		m.conclude(RolledBack, "", why)
	default:
		m.foreign(look, p)
		return m.Live()
	}
	return false
}

// exported waits for somebody to apply the export, and then verifies it as if it were ours.
func (m *machine) exported() {
	o := m.w.Observation
	p, ok := o.Service.Primary()
	d, read := o.Definitions[p.TaskDefinition]
	if !o.Complete || o.Gone || !ok || !read || p.TaskDefinition == m.Plan.Base || o.Service.Deploying() || !m.Plan.Carries(d) {
		return
	}
	m.Outcome, m.Foreign, m.Revision = "", true, p.TaskDefinition
	m.rebase(p.CreatedAt)
	m.Soak.From, m.Soak.Tasks = m.now, p.Running
	m.enter(Soaking, m.now, m.Plan.Soak.Max)
	m.Message = fleet.NameOf(p.TaskDefinition) + " carries the exported values"
}

// assess judges the lifetimes, on a whole view only.
func (m *machine) assess() {
	o := m.w.Observation
	if !o.Complete || o.Gone {
		m.Soak.Assessment.Verdict = Undecided
		m.Soak.Assessment.Message = "the view of the service is not whole: nothing is concluded"
		return
	}
	t := Trial{Base: m.Plan.baseline(), New: m.newLives(), Traffic: m.w.Traffic, Missing: m.missing(), Spent: m.Soak.Spent}
	if !m.Soak.From.IsZero() {
		t.Elapsed = float64(m.now.Sub(m.Soak.From)) / float64(max(m.Plan.Soak.Max, 1))
	}
	m.Soak.Assessment = Verify(t)
	m.Soak.Spent = m.Soak.Assessment.Spent
	m.Soak.Table = tableOf(t, m.Soak.Assessment, m.w.Volumes)
}

// newLives are the lives of the tasks of all revisions that carry the values.
func (m *machine) newLives() []Life {
	return livesOf(m.w.Observation, m.w.History, m.Plan.blame(m.otherLosses()), time.Time{}, func(revision string, _ time.Time) bool { return m.carries(revision) })
}

// clocksDiffer is how far our clock may be behind AWS's, which dates the tasks: beyond that, AWS refuses each call.
const clocksDiffer = 5 * time.Minute

// missing is how many of the tasks that ran when the deployment was complete are neither seen running nor recorded as
// stopped: they may have died unseen, so nothing good may be concluded.
func (m *machine) missing() int {
	known, until := 0, m.Soak.From.Add(clocksDiffer)
	for _, s := range m.w.History.Stops {
		if m.carries(s.TaskDefinition) && !s.StartedAt.After(until) && s.Lifetime > 0 {
			known++
		}
	}
	for _, t := range m.w.Observation.Tasks {
		if m.carries(t.TaskDefinition) && t.LastStatus == fleet.StatusRunning && t.Ran() && !t.StartedAt.After(until) {
			known++
		}
	}
	return max(m.Soak.Tasks-known, 0)
}
