package judgement

import (
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// die ends a running task for a fault.
func (l *life) die(t *task, f *fault) {
	t.truth = Stop{Cause: f.cause, Culprit: f.container, Fault: f.name, Sidecar: l.sidecar(f.container)}
	if !t.healthy(l.now) && l.balanced {
		l.notHealthy(t) // its health checks never passed, which is what a circuit breaker sees
	}
	switch f.cause {
	case "elb_health_check":
		l.stop(t, scheduler, l.elbText())
		return
	case "container_health_check":
		c := t.container(f.container)
		c.Health = "UNHEALTHY"
		l.stop(t, scheduler, "Task failed container health checks")
		return
	}
	c := t.container(f.container)
	c.ExitCode, c.Reason, c.LastStatus = code(pick(l.rng, f.exits...)), f.reason, fleet.StatusStopped
	if f.reason == "" && l.rng.chance(0.01) {
		c.ExitCode = nil // AWS lost it
	}
	t.ExecutionStopped = l.now
	l.tail(t, f)
	l.stop(t, "EssentialContainerExited", "Essential container in task exited")
}

// sidecar: an agent or proxy that is not alone in its task, what AWS injects left out.
func (s spec) sidecar(name string) bool {
	i := slices.IndexFunc(s.boxes, func(b box) bool { return b.name == name })
	return i >= 0 && s.boxes[i].agent && slices.ContainsFunc(s.boxes, func(b box) bool { return b.name != name && !b.injected })
}

// failStart ends a task that never ran.
func (l *life) failStart(t *task, f *fault) {
	if t.stopping {
		return
	}
	text := pick(l.rng, pulls...)
	t.truth = Stop{Cause: f.cause, Culprit: f.container, Fault: f.name, Excused: t.dep.rollout != fleet.RolloutCompleted}
	if text == pulls[2] {
		t.truth.Cause = "resource_init"
	}
	l.backoff++
	if l.backoff >= 3 { // service throttle logic: the delay grows up to 27 minutes while tasks do not start
		l.notBefore = l.now.Add(min(time.Minute<<min(l.backoff-3, 5), 27*time.Minute))
	}
	l.notHealthy(t)
	l.stop(t, "TaskFailedToStart", text)
}

// take stops a task for what happens to its host or capacity.
func (l *life) take(t *task, k killed) {
	if t.stopping {
		return
	}
	t.truth = Stop{Cause: k.cause, Planned: k.cause != "unknown"}
	if k.cause == "host_drain" && l.spot && slices.Contains(hostLosses, k) {
		t.truth.Cause = "spot_interruption" // the host was a Spot one
	}
	l.stop(t, k.code, k.text)
}

// stop begins a task's end: the containers are told, the stubborn are killed after the stop timeout, and then the task is
// STOPPED. What the truth holds must be set before.
func (l *life) stop(t *task, stopCode, text string) {
	ran := t.LastStatus == fleet.StatusRunning
	t.stopping, t.DesiredStatus, t.StoppingAt, t.Version = true, fleet.StatusStopped, l.now, t.Version+1
	t.LastStatus, t.StopCode, t.StoppedReason = "DEPROVISIONING", stopCode, text
	if l.prefixed && stopCode == scheduler {
		t.StoppedReason = "Service " + l.key.Service + ": " + text
	}
	wait := l.rng.between(300*time.Millisecond, 4*time.Second)
	for i, b := range l.boxes {
		c := &t.Containers[i]
		c.LastStatus = fleet.StatusStopped
		if !ran || c.ExitCode != nil || b.name == t.truth.Culprit && stopCode == "EssentialContainerExited" {
			continue
		}
		if c.ExitCode = code(b.onStop); b.onStop == 137 {
			wait = 30 * time.Second
		}
		if stopCode == "TerminationNotice" && l.ec2 || l.rng.chance(0.002) {
			c.ExitCode = nil // gone with its host, or lost
		}
	}
	l.touch()
	l.wake()
	l.after(wait+l.rng.between(10*time.Second, 40*time.Second), func() { l.stopped(t, wait) })
}

func (l *life) stopped(t *task, wait time.Duration) {
	if t.ExecutionStopped.IsZero() && t.Ran() {
		t.ExecutionStopped = t.StoppingAt.Add(wait)
	}
	t.LastStatus, t.StoppedAt, t.Version = fleet.StatusStopped, l.now, t.Version+1
	t.truth.ARN, t.truth.Code, t.truth.Died, t.truth.At = t.ARN, t.StopCode, t.StoppingAt, l.now
	if t.Ran() {
		t.truth.Lifetime = t.StoppingAt.Sub(t.StartedAt)
	}
	l.stops = append(l.stops, &t.truth)
	l.touch()
}

func (t *task) container(name string) *fleet.Container {
	i := slices.IndexFunc(t.Containers, func(c fleet.Container) bool { return c.Name == name })
	return &t.Containers[i]
}
