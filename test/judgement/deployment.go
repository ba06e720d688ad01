package judgement

import (
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/fleet"
)

// deployment is one entry of the service's deployments.
type deployment struct {
	id               string
	revision         int
	rollout, reason  string
	failed           int // tasks in a row that did not start
	created, updated time.Time
	good             bool // it completed
	back             bool // a roll-back by the circuit breaker
}

func (l *life) primary() *deployment { return l.deployments[0] }

func (l *life) newDeployment(revision int) *deployment {
	d := &deployment{id: fmt.Sprintf("ecs-svc/%019d", l.rng.Uint64N(1e18)), revision: revision, rollout: fleet.RolloutInProgress, created: l.now, updated: l.now}
	d.reason = "ECS deployment " + d.id + " in progress."
	l.deployments = append([]*deployment{d}, l.deployments...)
	l.begun = append(l.begun, l.now)
	l.backoff, l.notBefore = 0, time.Time{}
	l.touch()
	l.wake()
	return d
}

// deploy ships a new revision, which may bring faults and cures.
func (l *life) deploy() {
	l.revision++
	for _, f := range l.faults {
		if f.course != shipped {
			continue
		}
		switch {
		case !f.on && !l.now.Before(f.from):
			f.on, f.since = true, l.revision
		case f.on && f.cured == 0 && !f.to.IsZero() && !l.now.Before(f.to):
			f.cured = l.revision
		}
	}
	l.newDeployment(l.revision)
}

// deployBad ships a revision that cannot run, and the one that corrects it; the team notices within the hour.
func (l *life) deployBad() {
	bad := &fault{name: "bad release", cause: "image_pull", never: true, on: true}
	if l.rng.chance(0.6) {
		how := pick(l.rng, applicationCrashes[:4]...)
		*bad = how.of(fault{name: "bad release", cause: "essential_container_exited", container: l.boxes[0].name, on: true,
			lifetime: func() time.Duration { return l.rng.between(2*time.Second, 30*time.Second) }})
	}
	bad.since, bad.cured = l.revision+1, l.revision+2
	l.faults = append(l.faults, bad)
	l.deploy()
	l.after(l.rng.between(10*time.Minute, 90*time.Minute), l.deploy)
}

// notHealthy notes a task that failed before it was healthy, and lets the circuit breaker decide: at half of the desired
// count, at least 3 and at most 200 (Amazon ECS guide, Deployment circuit breaker).
func (l *life) notHealthy(t *task) {
	d := t.dep
	d.failed++
	if d != l.primary() || d.rollout != fleet.RolloutInProgress || l.breaker == "" || d.failed < min(max(3, (l.desired+1)/2), 200) {
		return
	}
	d.rollout, d.reason, d.updated = fleet.RolloutFailed, "ECS deployment circuit breaker: tasks failed to start.", l.now
	i := slices.IndexFunc(l.deployments, func(d *deployment) bool { return d.good })
	if l.breaker != "rollback" || i < 0 {
		return
	}
	good := l.deployments[i]
	l.deployments = slices.Delete(l.deployments, i, i+1)
	back := l.newDeployment(good.revision)
	back.back, back.reason = true, "ECS deployment circuit breaker: rolling back to deploymentId "+good.id+"."
	for _, t := range l.tasks { // a captured DescribeServices counts the good one's tasks as the new one's
		if t.dep == good {
			t.dep, t.shown = back, back.id
		}
	}
}

// reconcile is one look of ECS's scheduler: start what is wanted, stop what is not, end a deployment that has come about.
func (l *life) reconcile() {
	p := l.primary()
	l.scaleIn(p)
	own, others := l.of(p)
	stalled := p.rollout == fleet.RolloutFailed
	room := 2*l.desired - len(own) - len(others)
	if l.daemon {
		room = l.desired - len(own) - len(others)
	}
	if l.now.Before(l.notBefore) {
		room = 0
		l.agenda.at(l.notBefore, l.wake)
	}
	for range min(l.desired-len(own), room, 10) {
		if !stalled {
			l.begin(p)
		}
	}
	if len(own) < l.desired && !stalled {
		l.after(10*time.Second, l.wake)
	}
	if stalled {
		return
	}
	l.replace(own, others)
	healthy := count(own, func(t *task) bool { return t.healthy(l.now) })
	if p.rollout == fleet.RolloutInProgress && len(others) == 0 && healthy >= l.desired && healthy == len(own) {
		p.rollout, p.reason, p.updated, p.good = fleet.RolloutCompleted, "ECS deployment "+p.id+" completed.", l.now, true
		l.deployments = l.deployments[:1]
		l.touch()
	}
}

// of gives the wanted tasks of a deployment, and the other ones.
func (l *life) of(d *deployment) (own, others []*task) {
	return l.wanted(func(t *task) bool { return t.dep == d }), l.wanted(func(t *task) bool { return t.dep != d })
}

// scaleIn takes away what is more than wanted of the primary deployment.
func (l *life) scaleIn(p *deployment) {
	own, _ := l.of(p)
	l.rng.Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
	for _, t := range own[min(len(own), l.desired):] {
		t.truth = Stop{Cause: "scale_in", Planned: true}
		l.stop(t, scheduler, scalingText(t.shown))
	}
}

// replace stops tasks of deployments before this one, as many as healthy ones stand in for.
func (l *life) replace(own, others []*task) {
	healthy := count(own, func(t *task) bool { return t.healthy(l.now) })
	surplus := healthy + count(others, (*task).running) - l.desired
	if l.daemon && healthy == len(own) {
		surplus = 1
	}
	for _, t := range others {
		if t.dep.rollout != fleet.RolloutFailed && t.running() {
			if surplus <= 0 {
				continue
			}
			surplus--
		}
		t.truth = Stop{Cause: "deployment", Planned: true}
		if t.dep.rollout == fleet.RolloutFailed && l.primary().back {
			t.truth = Stop{Cause: "circuit_breaker", Excused: true, Fault: "bad release"}
		}
		l.stop(t, scheduler, scalingText(t.shown))
	}
}

func (l *life) wanted(of func(*task) bool) []*task {
	var out []*task
	for _, t := range l.tasks {
		if !t.stopping && of(t) {
			out = append(out, t)
		}
	}
	return out
}

func count(tasks []*task, is func(*task) bool) int {
	n := 0
	for _, t := range tasks {
		if is(t) {
			n++
		}
	}
	return n
}
