package account

import (
	"fmt"
	"slices"
	"time"
)

// container is one container of a task.
type container struct {
	task      *task
	spec      *spec
	arn       string
	runtimeID string
	digest    string // of its image
	last      string // lastStatus
	exit      *int
	reason    string
	unhealthy bool
	began     time.Time // its last start
	epoch     int       // counts starts and changes of model, so that an older life's end does not apply
	log       *stream
	restarted int // by its restart policy
	published int // of those, in Container Insights
}

func (t *task) newContainer(s *spec) *container {
	a := t.service.account
	c := &container{task: t, spec: s, last: "PENDING", digest: t.deployment.digests[s.image], runtimeID: fmt.Sprintf("%s-%010d", t.id, a.rng.Uint32())}
	c.arn = a.arn("ecs", "container/"+t.service.cluster.name+"/"+t.id+"/"+a.uuid())
	return c
}

func (c *container) model() Model { return c.task.service.Models[c.spec.name] }

// begin starts the container, for the first time or again.
func (c *container) begin() {
	c.last, c.began = "RUNNING", c.task.service.account.now
	c.openLog(c.model())
	c.live()
}

// live draws how long the container lives from now on by its model.
func (c *container) live() {
	c.epoch++
	if life, ok := c.model().life(c.task.def.env); ok && life.Death != DeathStart {
		c.dieAfter(c.task.service.account.draw(life.Lifetime), life)
	}
}

// dieAfter puts the container's death down, unless it starts again or gets another model before.
func (c *container) dieAfter(left time.Duration, life Case) {
	epoch := c.epoch
	c.task.service.account.after(Exactly(left), func() {
		if c.epoch == epoch {
			c.die(life)
		}
	})
}

// resume finds the container of an adopted task at an age, of a life of which the length is drawn already.
func (c *container) resume(length, age time.Duration) {
	a := c.task.service.account
	c.last, c.began = "RUNNING", c.task.started
	c.openLog(c.model())
	life, ok := c.model().life(c.task.def.env)
	switch {
	case !ok || life.Death == DeathStart:
	case length > age:
		c.dieAfter(length-age, life)
	case c.spec.restart && length > 0:
		c.began = a.now.Add(-age % length)
		c.restarted = int(age / length)
		c.published = c.restarted
		c.dieAfter(length-age%length, life)
	default: // such as an init container: it has been done for long
		c.stop(life.Exit, life.Text)
		c.log.close(c.began.Add(length))
	}
}

// endsTask says whether the container's death by this case ends its task.
func (c *container) endsTask(life Case) bool {
	return c.spec.essential && !c.spec.restart || life.Death == DeathELB || life.Death == DeathHealth
}

// die ends the container's life as its case says.
func (c *container) die(life Case) {
	t := c.task
	if c.last != "RUNNING" || !t.wanted() {
		return
	}
	switch life.Death {
	case DeathELB:
		c.log.write(t.service.account.now, life.Log)
		t.failELB(c.spec.name)
	case DeathHealth:
		c.log.write(t.service.account.now, life.Log)
		c.unhealthy = true
		t.version++
		t.stop(stopping{Code: "ServiceSchedulerInitiated", Text: "Task failed container health checks", Cause: "container_health_check", Culprit: c.spec.name})
	case DeathOOM:
		exit := 137
		if life.Exit != 0 {
			exit = life.Exit
		}
		c.ended(exit, "OutOfMemoryError: Container killed due to memory usage", life.Log)
	default:
		c.ended(life.Exit, life.Text, life.Log)
	}
}

// ended is the container's own end: restarted by its policy, the end of the task where it is essential, or else seen only in
// the container's status while the task runs on.
func (c *container) ended(exit int, reason string, log Lines) {
	t := c.task
	a := t.service.account
	if c.last != "RUNNING" {
		return
	}
	c.log.write(a.now, log)
	if c.restarts(exit) {
		a.recordRestart(c, exit)
		c.begin()
		return
	}
	c.stop(exit, reason)
	if !c.spec.essential || !t.wanted() {
		t.version++
		t.service.narrate("container", "container %s of task %s ended with exit code %d; the task runs on", c.spec.name, t.id, exit)
		return
	}
	why := stopping{Code: "EssentialContainerExited", Text: "Essential container in task exited", Cause: "essential_container_exited", Culprit: c.spec.name}
	if reason != "" && exit != 0 && isOOM(reason) {
		why.Cause = "oom_killed"
	}
	t.executionStopped = a.now
	t.stop(why)
}

func isOOM(reason string) bool {
	return len(reason) >= 16 && reason[:16] == "OutOfMemoryError"
}

// restarts says whether the container's restart policy starts it again: only once it has run for the policy's period, and
// then nothing of it can be seen from outside (the agent publishes no state for it).
func (c *container) restarts(exit int) bool {
	a := c.task.service.account
	return c.spec.restart && c.task.wanted() && a.now.Sub(c.began) >= c.spec.restartAfter && !slices.Contains(c.spec.ignoredExits, exit)
}

func (c *container) stop(exit int, reason string) {
	c.last, c.exit = "STOPPED", &exit
	if reason != "" {
		c.reason = reason
	}
	c.epoch++
	c.log.close(c.task.service.account.now)
}

// terminate is SIGTERM: the container obeys after a moment, or is killed when its stopTimeout is over.
func (c *container) terminate() {
	if c.last != "RUNNING" {
		return
	}
	a, m := c.task.service.account, c.model()
	exit, after := 143, a.timing.Terminate
	if m.OnStop.After != (Span{}) {
		after = m.OnStop.After
	}
	if m.OnStop.Exit != nil {
		exit = *m.OnStop.Exit
	}
	if exit == 137 {
		after = Exactly(c.spec.stopTimeout)
	}
	c.epoch++
	a.after(after, func() {
		if c.last != "RUNNING" {
			return
		}
		c.log.write(a.now, m.OnStop.Log)
		c.stop(exit, "")
		c.task.containersGone()
	})
}

// failELB stops a task that does not answer its load balancer any more.
func (t *task) failELB(container string) {
	s := t.service
	lb := s.targetGroup()
	s.say("(port %d) is unhealthy in (target-group %s) due to (reason Request timed out).", max(s.LoadBalancer.Port, 80), lb)
	t.stop(stopping{Code: "ServiceSchedulerInitiated", Text: "Task failed ELB health checks in (target-group " + lb + ")", Cause: "elb_health_check", Culprit: container})
}

// targetGroup is the ARN of the service's target group.
func (s *service) targetGroup() string {
	name := s.LoadBalancer.TargetGroup
	if name == "" {
		name = s.Name
	}
	return s.account.arn("elasticloadbalancing", "targetgroup/"+name+"/0123456789abcdef")
}

func privateIP(n uint32) string { return fmt.Sprintf("10.0.%d.%d", n>>8&0xff, n>>16&0xff) }
