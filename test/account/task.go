package account

import (
	"slices"
	"time"
)

// task is one task of a service.
type task struct {
	id, arn    string
	service    *service
	deployment *deployment
	startedBy  string // the id of the deployment that started it
	def        *definition
	containers []*container

	last, desired string // lastStatus and desiredStatus
	version       int    // counts the changes that can be seen
	why           stopping
	zone, eni, ip string

	created, pullStarted, pullStopped, started time.Time
	stopping, executionStopped, stopped        time.Time
}

// stopping is why a task stops: what ECS says of it, and what is true.
type stopping struct {
	Code, Text string
	Cause      string // in taskwarden's words, such as "essential_container_exited"
	Culprit    string // the container to blame; empty: none
	Planned    bool
}

// launch starts a task of a deployment.
func (s *service) launch(d *deployment) *task {
	t := s.newTask(d)
	a := s.account
	t.created = a.now
	t.set("PROVISIONING")
	a.after(a.timing.Provision, func() { t.pull() })
	return t
}

// adopt makes a task that has been running for a while: since shortly after its deployment began, or, where a container's
// death ends the task, since somewhere within that container's life.
func (s *service) adopt(d *deployment) {
	a, t := s.account, s.newTask(d)
	age := a.now.Sub(d.created) - 25*time.Second
	lives := make([]time.Duration, len(t.containers))
	for i, c := range t.containers {
		life, ok := c.model().life(t.def.env)
		if !ok || life.Death == DeathStart {
			continue
		}
		lives[i] = a.draw(life.Lifetime)
		if c.endsTask(life) {
			age = min(age, a.draw(Between(0, lives[i])))
		}
	}
	t.started = a.now.Add(-age)
	t.created, t.pullStarted, t.pullStopped = t.started.Add(-23*time.Second), t.started.Add(-11*time.Second), t.started.Add(-time.Second)
	t.last, t.version = "RUNNING", 3
	for i, c := range t.containers {
		c.resume(lives[i], age)
	}
}

func (s *service) newTask(d *deployment) *task {
	a := s.account
	id := a.hex()
	t := &task{id: id, arn: a.arn("ecs", "task/"+s.cluster.name+"/"+id), service: s, deployment: d, startedBy: d.id, def: d.def, desired: "RUNNING"}
	n := a.rng.Uint32()
	t.zone = a.region + string("abc"[n%3])
	t.eni = "eni-0" + id[:16]
	t.ip = privateIP(n)
	for _, spec := range d.def.containers {
		t.containers = append(t.containers, t.newContainer(spec))
	}
	s.tasks = append(s.tasks, t)
	s.cluster.tasks[id] = t
	return t
}

// set changes the last status; every change counts the version up.
func (t *task) set(status string) {
	t.last = status
	t.version++
}

func (t *task) pull() {
	if !t.wanted() {
		return
	}
	a := t.service.account
	t.set("PENDING")
	t.pullStarted = a.now
	a.after(a.timing.Pull, t.run)
}

func (t *task) run() {
	if !t.wanted() {
		return
	}
	for _, c := range t.containers {
		if life, ok := c.model().life(t.def.env); ok && life.Death == DeathStart {
			t.failToStart(c, life)
			return
		}
	}
	a := t.service.account
	t.pullStopped, t.started = a.now.Add(-time.Second), a.now
	t.set("RUNNING")
	t.service.failures, t.deployment.failed = 0, 0
	for _, c := range t.containers {
		c.begin()
	}
	t.service.wake()
	a.after(a.timing.Healthy, t.service.reconcile)
}

func (t *task) failToStart(c *container, life Case) {
	why := stopping{Code: "TaskFailedToStart", Text: life.Text, Cause: startCause(life.Text)}
	if why.Cause == "image_pull" {
		why.Culprit, c.reason = c.spec.name, life.Text
	}
	t.stop(why)
	t.deployment.startFailed()
}

// wanted says that nobody has decided to stop the task.
func (t *task) wanted() bool { return t.desired == "RUNNING" }

// healthy says that the scheduler counts on the task: without a health check it must have run for a while
// (developer guide, deployment type ECS: 40 seconds).
func (t *task) healthy() bool {
	a := t.service.account
	return t.wanted() && t.last == "RUNNING" && !a.now.Before(t.started.Add(a.timing.Healthy.Min))
}

// stop decides to stop the task. A task that is stopping already keeps its first reason.
func (t *task) stop(why stopping) {
	if !t.wanted() {
		return
	}
	a := t.service.account
	if t.last == "RUNNING" {
		t.publishRestarts(a.now.Truncate(time.Minute)) // its last minute
	}
	t.desired, t.why, t.stopping = "STOPPED", why, a.now
	t.service.steady = false
	t.service.wake()
	switch {
	case t.started.IsZero():
		t.deprovision()
	case t.service.LoadBalancer.TargetGroup != "" && why.Code == "ServiceSchedulerInitiated":
		t.set("DEACTIVATING")
		a.after(a.timing.Drain, t.terminate)
	default:
		t.terminate()
	}
}

// terminate sends SIGTERM to the containers that still run. A task on spot capacity shows RUNNING until they are gone.
func (t *task) terminate() {
	if t.why.Code == "SpotInterruption" {
		t.version++
	} else {
		t.set("STOPPING")
	}
	for _, c := range t.containers {
		c.terminate()
	}
	t.containersGone()
}

// containersGone goes on once no container runs any more.
func (t *task) containersGone() {
	if t.wanted() || t.last == "DEPROVISIONING" || slices.ContainsFunc(t.containers, func(c *container) bool { return c.last == "RUNNING" }) {
		return
	}
	if t.executionStopped.IsZero() {
		t.executionStopped = t.service.account.now
	}
	t.deprovision()
}

func (t *task) deprovision() {
	a := t.service.account
	t.set("DEPROVISIONING")
	a.after(a.timing.Deprovision, t.gone)
}

// gone ends the task; it stays visible for a while.
func (t *task) gone() {
	s := t.service
	t.set("STOPPED")
	t.stopped = s.account.now
	for _, c := range t.containers {
		c.last = "STOPPED"
	}
	s.tasks = slices.DeleteFunc(s.tasks, func(o *task) bool { return o == t })
	s.account.recordStop(t)
	s.wake()
	s.account.after(Exactly(stoppedVisible), func() { delete(s.cluster.tasks, t.id) })
}
