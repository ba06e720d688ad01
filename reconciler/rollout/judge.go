package rollout

import (
	"fmt"
	"time"
)

const (
	// judgedOn is how long a rollout that succeeded is judged on (CONTRACT section 3).
	judgedOn = 14 * 24 * time.Hour
	// disproof is the least number of moments of death that takes a success away, and disproofShare the least share of those
	// that the old rate lets expect.
	disproof      = 2
	disproofShare = 0.5
)

// JudgedOn reports whether a success is still judged by the lifetimes of its tasks.
func (r Rollout) JudgedOn(now time.Time) bool {
	return r.Outcome == Succeeded && !r.Disproved && now.Sub(r.Since) < judgedOn
}

// Proven reports whether the rollout is a proof for others of its fix.
func (r Rollout) Proven() bool { return r.Outcome == Succeeded && !r.Disproved }

// judgeOn takes a success away where the culprit dies at the old rate after all.
func (m *machine) judgeOn() {
	o := m.w.Observation
	if !m.JudgedOn(m.now) || !o.Complete || o.Gone || !m.carries(o.Service.TaskDefinition) {
		return
	}
	moments, expected := m.Plan.baseline().comparison(m.w.Traffic).since(m.newLives(), m.Since)
	if moments < disproof || float64(moments) < disproofShare*expected {
		return
	}
	m.Disproved, m.Soak.Assessment.Ineffective = true, true
	m.Message = fmt.Sprintf("no longer a success: since %s the culprit died in %d separate moments, where %.1f were to be expected at the old rate. Before that: %s",
		stamp(m.Since), moments, expected, m.Message)
	m.audit("%s", m.Message)
}

// since counts the moments in which the culprit died after a time, and how many the old rate of the same hours lets expect.
func (c *comparison) since(lives []Life, from time.Time) (moments int, expected float64) {
	var later []Life
	for _, l := range lives {
		if !l.ended().After(from) {
			continue
		}
		if l.Start.Before(from) {
			l.Start, l.Age = from, l.ended().Sub(from)
		}
		later = append(later, l)
	}
	moments = markMoments(later, c.moment)
	exposed, scale := c.exposed(later), c.scale(later)
	for kind, d := range exposed {
		if h := c.hours[kind]; h.Time > 0 {
			expected += scale * float64(d) * float64(h.Moments) / float64(h.Time)
		}
	}
	return moments, expected
}

// rebase takes the lives up to the change as what the new ones are compared with: a plan may have waited for days.
func (m *machine) rebase(to time.Time) {
	o := m.w.Observation
	if !o.Complete || to.IsZero() || m.Plan.Before.Traffic != nil && m.w.Traffic == nil {
		return
	}
	if b := baseline(o, m.w.History, m.Plan.Base, m.Plan.blame(m.w.Losses), m.w.Brakes.Settings.Zone, m.w.Traffic, to); b.Deaths > 0 {
		m.Plan.compareWith(b)
	}
}

// littleHistory is why the lifetimes could not decide a rollout that starts now, or nil. In mode auto it waits for more:
// a change that cannot be proven is a person's decision.
func (m *machine) littleHistory() *Refusal {
	o := m.w.Observation
	b := m.Plan.baseline()
	if o.Complete && b.Traffic == nil { // a plan that goes by requests has them with it
		b = baseline(o, m.w.History, m.Plan.Base, m.Plan.blame(m.w.Losses), m.w.Brakes.Settings.Zone, m.w.Traffic, o.At)
	}
	f := b.comparison(nil).forecast(o.Service.Desired, m.Plan.Soak, m.now)
	if !f.at.IsZero() {
		return nil
	}
	return refuse(ReasonHistory, nil, "mode auto waits: %s", f.power(b, o.Service.Desired, m.Plan.Soak))
}
