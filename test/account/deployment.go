package account

import (
	"slices"
	"time"
)

// deployment is one entry of a service's deployments; the same one also shows as a service deployment.
type deployment struct {
	id               string // ecs-svc/<19 digits>
	service          *service
	def              *definition
	rollout, reason  string // rolloutState and rolloutStateReason
	status           string // of the service deployment
	statusReason     string
	rollback         string // the id of the deployment that this one undoes
	created, updated time.Time
	finished         time.Time
	stage            string            // lifecycle stage of a blue/green deployment
	bakes            time.Time         // until when both revisions run
	stopped          bool              // by StopServiceDeployment
	failed           int               // consecutive tasks that did not start
	digests          map[string]string // by image, as ECS resolved them for all its tasks
}

func (s *service) newDeployment(def *definition) *deployment {
	a := s.account
	d := &deployment{id: "ecs-svc/" + a.digits(), service: s, def: def, rollout: "IN_PROGRESS", status: "IN_PROGRESS",
		created: a.now, updated: a.now, digests: a.resolve(def)}
	d.reason = "ECS deployment " + d.id + " in progress."
	return d
}

func (d *deployment) complete() {
	d.rollout, d.reason = "COMPLETED", "ECS deployment "+d.id+" completed."
	d.status = "SUCCESSFUL"
}

// deploy starts a rolling deployment to a revision. One that is under way is stopped by it.
func (s *service) deploy(def *definition) *deployment {
	a := s.account
	if was := s.primary(); was.rollout == "IN_PROGRESS" {
		was.status, was.finished = "STOPPED", a.now
		was.statusReason = "Service deployment stopped because of a new service deployment"
	}
	d := s.newDeployment(def)
	if s.BakeTime != (Span{}) {
		d.stage = "SCALE_UP"
	}
	s.deployments = append([]*deployment{d}, s.deployments...)
	s.history = append(s.history, d)
	s.steady, s.failures, s.notBefore = false, 0, time.Time{}
	s.narrate("deployment", "%s of %s:%d begins", d.id, def.family, def.revision)
	s.wake()
	return d
}

// finish ends the deployment under way once all its tasks are healthy and no other task is wanted.
func (s *service) finish() {
	a, d := s.account, s.primary()
	if d.rollout != "IN_PROGRESS" {
		return
	}
	healthy := s.count(func(t *task) bool { return t.deployment == d && t.healthy() })
	others := s.count(func(t *task) bool { return t.deployment != d && t.wanted() })
	if healthy == s.Desired {
		d.bake()
	}
	if healthy != s.Desired || others > 0 {
		return
	}
	d.complete()
	d.stage, d.updated, d.finished = "", a.now, a.now
	for _, old := range s.deployments[1:] {
		if old.id == d.rollback {
			old.status, old.finished = "ROLLBACK_SUCCESSFUL", a.now
		}
	}
	s.deployments = s.deployments[:1]
	s.say("(deployment %s) deployment completed.", d.id)
	s.narrate("deployment", "%s of %s:%d completed", d.id, d.def.family, d.def.revision)
}

// bake keeps both revisions for the bake time once the new one is healthy, and then lets the old one go.
func (d *deployment) bake() {
	s := d.service
	switch a := s.account; {
	case d.stage == "SCALE_UP":
		d.stage, d.bakes = "BAKE_TIME", a.now.Add(a.draw(s.BakeTime))
		a.agenda.put(d.bakes, s.reconcile)
	case d.stage == "BAKE_TIME" && !a.now.Before(d.bakes):
		d.stage = "CLEAN_UP"
		s.replaceOld()
	}
}

// startFailed notes a task of a deployment that never reached RUNNING, and lets the circuit breaker decide.
func (d *deployment) startFailed() {
	s := d.service
	s.throttle()
	if d.rollout != "IN_PROGRESS" {
		return
	}
	d.failed++
	// The default threshold: half of the desired count, at least 3, at most 200 (developer guide, deployment circuit breaker).
	threshold := min(max(3, (s.Desired+1)/2), 200)
	if d.failed < threshold || s.CircuitBreaker == "" || s.CircuitBreaker == "off" || d != s.primary() {
		return
	}
	d.rollout, d.reason = "FAILED", "ECS deployment circuit breaker: tasks failed to start."
	d.updated = s.account.now
	s.say("(deployment %s) deployment failed: tasks failed to start.", d.id)
	s.narrate("deployment", "%s of %s:%d failed: circuit breaker", d.id, d.def.family, d.def.revision)
	good := s.lastCompleted()
	if s.CircuitBreaker != "rollback" || good == nil || d.rollback != "" {
		d.status, d.statusReason, d.finished = "STOPPED", d.reason, s.account.now
		return
	}
	d.status, d.statusReason = "ROLLBACK_IN_PROGRESS", d.reason
	s.rollBack(d, good, "ECS deployment circuit breaker: rolling back to deploymentId "+good.id+".")
}

// rollBack deploys the revision of a good deployment again. The good one's tasks that still run become the new one's: a
// captured DescribeServices shows them counted there, and the good one gone.
func (s *service) rollBack(failed, good *deployment, why string) {
	back := s.deploy(good.def)
	back.rollback, back.digests = failed.id, good.digests
	back.reason, back.stage = why, ""
	for _, t := range s.tasks {
		if t.deployment == good {
			t.deployment = back
		}
	}
	s.deployments = slices.DeleteFunc(s.deployments, func(d *deployment) bool { return d == good })
	s.say("(deployment %s) rolling back to (deployment %s).", failed.id, good.id)
}

// lastCompleted is the newest deployment that succeeded; nil: there is none.
func (s *service) lastCompleted() *deployment {
	for i := len(s.history) - 1; i >= 0; i-- {
		if s.history[i].rollout == "COMPLETED" {
			return s.history[i]
		}
	}
	return nil
}

// throttle slows starts down while tasks fail before RUNNING, and only then: this is why other churn is silent
// (developer guide, service throttle logic: the delay grows up to 27 minutes).
func (s *service) throttle() {
	s.failures++
	if s.failures < 3 {
		return
	}
	delay := min(time.Minute<<min(s.failures-3, 5), 27*time.Minute)
	s.notBefore = s.account.now.Add(delay)
	s.say("is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.")
}
