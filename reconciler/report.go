package reconciler

import (
	"cmp"
	"slices"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// What follows is what the API shows of a running controller. Everything is answered from memory.

// ServiceReport is one service as last judged.
type ServiceReport struct {
	fleet.Observation
	Findings []finding.Finding // open ones
	Reason   string
	Message  string
	Stops    int // unplanned stops in the detection window
}

// Services lists the services in view, in order, without their tasks.
func (c *Controller) Services() []ServiceReport {
	seen := c.view.overview()
	out := make([]ServiceReport, 0, len(seen))
	for _, o := range seen {
		out = append(out, c.reportOn(o))
	}
	return out
}

// Service gives one service in view, with its tasks.
func (c *Controller) Service(key fleet.Key) (ServiceReport, bool) {
	if !c.view.has(key) {
		return ServiceReport{}, false
	}
	return c.reportOn(c.view.observe(key)), true
}

func (c *Controller) reportOn(o fleet.Observation) ServiceReport {
	m := c.book.peek(o.Key)
	r := ServiceReport{Observation: o}
	r.Reason, r.Message = explain(o, m.Findings)
	for _, f := range m.Findings {
		if f.Open() {
			r.Findings = append(r.Findings, f)
		}
	}
	from := c.now().Add(-c.o.Policies.Churn.Window)
	for _, s := range m.History.Stops {
		if !s.Verdict.Planned && s.StoppedAt.After(from) {
			r.Stops++
		}
	}
	return r
}

// Findings lists all findings, open and closed, in order.
func (c *Controller) Findings() []finding.Finding { return c.book.Findings("") }

// Stops lists recorded stops within a scope, newest first.
func (c *Controller) Stops(scope fleet.Key) []Recorded { return c.book.Stops(scope) }

// AlarmReport is one alarm, wanted or on a watched service, with what is to be done about it.
type AlarmReport struct {
	Target string // "" for the controller's own account
	alarm.Row
}

// Alarms lists the alarms as the last looks at them found and planned them.
func (c *Controller) Alarms() []AlarmReport {
	c.audits.mu.Lock()
	defer c.audits.mu.Unlock()
	var out []AlarmReport
	for target, a := range c.audits.last {
		for _, r := range a.rows {
			out = append(out, AlarmReport{target, r})
		}
	}
	slices.SortFunc(out, func(a, b AlarmReport) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// TargetReport is how well one target is seen.
type TargetReport struct {
	Target       string
	Ready        bool // a complete view younger than 3 × the effective resync
	Complete     bool // the last sweep was complete
	LastSweep    time.Time
	LastComplete time.Time
	Resync       time.Duration // the effective one
	Took         time.Duration
	Calls        int
	Clusters     int
	Services     int
	Tasks        int
	Definitions  int // known, of all targets
	Waiting      int // definitions still to be fetched
	Troubles     []string
	Coverage     []alarm.Summary // nil before the first look at the alarms
	Cost         *alarm.Cost     // the first target's includes the controller's own; nil before the first look
	Unheard      []string        // open findings that reach nobody, with why
}

// Targets lists the targets in the configured order.
func (c *Controller) Targets() []TargetReport {
	now := c.now()
	var out []TargetReport
	for _, t := range c.o.Targets {
		last, whole := c.view.sweep(t.Name)
		r := TargetReport{Target: t.Name, Complete: last.Complete, LastSweep: last.At, LastComplete: whole.At,
			Resync: c.effective(t.Name), Took: last.Took, Calls: last.Calls, Clusters: len(whole.Clusters)}
		r.Ready = !whole.At.IsZero() && now.Sub(whole.At) < 3*r.Resync
		r.Services, r.Tasks = c.view.count(t.Name)
		r.Definitions, r.Waiting = c.definitions.count()
		for reason, tr := range c.troubles.of(t.Name) {
			r.Troubles = append(r.Troubles, reason+": "+tr.message)
		}
		slices.Sort(r.Troubles)
		c.reportAlarms(&r)
		out = append(out, r)
	}
	return out
}

// reportAlarms adds what the last look at a target's alarms found.
func (c *Controller) reportAlarms(r *TargetReport) {
	for _, f := range c.book.Findings(r.Target) {
		if h := c.HearingOf(f); h.Why != "" {
			r.Unheard = append(r.Unheard, f.Key.String()+" "+f.Type+": "+h.Why)
		}
	}
	a := c.audits.of(r.Target)
	if a.index == nil {
		return
	}
	r.Coverage = a.coverage
	cost := a.cost
	if home := c.audits.of(homeAlarms); r.Target == c.o.Targets[0].Name && home.index != nil {
		cost = cost.Plus(home.cost)
	}
	r.Cost = &cost
}
