package account

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// reconcile is the service scheduler's look at one service: it stops what is too much, starts what is missing and notes
// what has come to an end.
func (s *service) reconcile() {
	s.replaceOld()
	s.scaleIn()
	s.startMissing()
	s.finish()
	s.noteSteady()
}

// limits are the bounds of a rolling update: at least the first many healthy tasks, at most the second many that exist
// (minimumHealthyPercent rounds up, maximumPercent rounds down).
func (s *service) limits() (least, most int) {
	return (s.Desired*s.minHealthy + 99) / 100, s.Desired * s.maximum / 100
}

// replaceOld stops tasks of older deployments as far as the minimum of healthy tasks allows.
func (s *service) replaceOld() {
	p := s.primary()
	if p.stalled() {
		return
	}
	both := p.stage == "SCALE_UP" || p.stage == "BAKE_TIME" // what was completed last runs on beside the new revision
	least, _ := s.limits()
	healthy := s.count((*task).healthy)
	var stopped []*task
	for _, t := range slices.Clone(s.tasks) {
		if t.deployment == p || !t.wanted() || both && t.deployment.rollout == "COMPLETED" {
			continue
		}
		if t.healthy() {
			if healthy <= least && s.Desired > 0 {
				continue
			}
			healthy--
		}
		t.stop(t.deployment.replaced())
		stopped = append(stopped, t)
	}
	s.sayTasks("has stopped %d running tasks:", stopped)
}

// replaced is why a deployment's tasks stop when another takes over. The text names the task's own deployment.
func (d *deployment) replaced() stopping {
	why := stopping{Code: "ServiceSchedulerInitiated", Text: "Scaling activity initiated by (deployment " + d.id + ")", Cause: "deployment", Planned: true}
	if d.rollout == "FAILED" && !d.stopped {
		why.Cause, why.Planned = "circuit_breaker", false
	}
	return why
}

// scaleIn stops what the current deployment has too many of, pending tasks first, then the newest.
func (s *service) scaleIn() {
	surplus := s.count(func(t *task) bool { return t.deployment == s.primary() && t.wanted() }) - s.Desired
	var stopped []*task
	for _, running := range []bool{false, true} {
		for _, t := range slices.Backward(slices.Clone(s.tasks)) {
			if surplus <= 0 {
				break
			}
			if t.deployment != s.primary() || !t.wanted() || t.last == "RUNNING" != running {
				continue
			}
			t.stop(stopping{Code: "ServiceSchedulerInitiated", Cause: "scale_in", Planned: true,
				Text: "Scaling activity initiated by (deployment " + t.deployment.id + ")"})
			stopped = append(stopped, t)
			surplus--
		}
	}
	s.sayTasks("has stopped %d running tasks:", stopped)
}

// startMissing starts tasks up to the desired count as far as the maximum allows.
func (s *service) startMissing() {
	a := s.account
	from := s.source()
	missing := s.Desired - s.count(func(t *task) bool { return t.deployment == from && t.wanted() })
	if from != s.primary() { // a failed deployment that nothing rolls back: the old one keeps the service up
		missing = s.Desired - s.count((*task).wanted)
	}
	_, most := s.limits()
	missing = min(missing, most-len(s.tasks))
	if missing <= 0 {
		return
	}
	if a.now.Before(s.notBefore) {
		a.agenda.put(s.notBefore, s.reconcile)
		return
	}
	var started []*task
	for range missing {
		started = append(started, s.launch(from))
	}
	s.steady = false
	s.sayTasks("has started %d tasks:", started)
}

// stalled says that the circuit breaker ended the deployment and nothing takes its place.
func (d *deployment) stalled() bool { return d.rollout == "FAILED" }

// source is the deployment that new tasks come from.
func (s *service) source() *deployment {
	for _, d := range s.deployments {
		if !d.stalled() {
			return d
		}
	}
	return s.primary()
}

// noteSteady says once that the service has what it wants.
func (s *service) noteSteady() {
	running := s.count(func(t *task) bool { return t.wanted() && t.last == "RUNNING" })
	if len(s.deployments) > 1 || s.primary().rollout != "COMPLETED" || running != s.Desired || s.count((*task).wanted) != s.Desired {
		s.steady = false
		return
	}
	if !s.steady {
		s.steady = true
		s.say("has reached a steady state.")
	}
}

// sayTasks adds a service event about tasks, as ECS lists them: "(task a) (task b).".
func (s *service) sayTasks(format string, tasks []*task) {
	if len(tasks) == 0 {
		return
	}
	var names []string
	for _, t := range tasks {
		names = append(names, "(task "+t.id+")")
	}
	s.say("%s %s.", fmt.Sprintf(format, len(tasks)), strings.Join(names, " "))
}

// setDesired changes the desired count.
func (s *service) setDesired(n int) {
	if n == s.Desired {
		return
	}
	s.Desired, s.steady = n, false
	s.narrate("scale", "desired count is now %d", n)
	s.wake()
}

// stoppedVisible is how long a stopped task can be listed and described (API reference, DescribeTasks: "at least one hour").
const stoppedVisible = time.Hour
