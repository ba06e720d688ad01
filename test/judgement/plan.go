package judgement

import (
	"slices"
	"time"
)

// plan puts down what happens to the service: its team's work, its platform's, and its faults.
func (l *life) plan() {
	day := 24 * time.Hour
	l.every(l.deployEvery, func() {
		if l.rng.chance(0.04) {
			l.deployBad()
		} else {
			l.deploy()
		}
	})
	switch {
	case l.swing > 0:
		for hour := range 24 {
			l.daily(hour, l.follow)
		}
	case l.nights:
		l.daily(20, func() { l.scale(0) })
		l.daily(7, func() { l.scale(l.size) })
	}
	l.every(20*day, func() { l.operator(1) })
	if l.bot {
		l.daily(3, func() { l.operator(l.desired) })
	}
	l.platform(day)
	for _, f := range l.faults {
		l.bring(f)
	}
	l.every(60*day, func() { l.some(1, time.Minute, func(t *task) { l.take(t, pick(l.rng, unheard...)) }) })
	if at, zone, struck := l.world.zoneLoss(l.index / clusterSize); struck {
		l.agenda.at(at, func() { l.loseZone(zone) })
	}
}

// platform is what AWS and the hosts do.
func (l *life) platform(day time.Duration) {
	if l.spot {
		l.every(day, func() { l.some(1+l.rng.IntN(2), time.Minute, func(t *task) { l.take(t, pick(l.rng, spotStops...)) }) })
		l.every(10*day, func() { l.some(l.desired/2+1, 10*time.Minute, func(t *task) { l.take(t, spotStops[0]) }) })
	}
	if l.ec2 {
		l.every(14*day, func() { l.some(l.desired, 2*time.Hour, func(t *task) { l.take(t, drains[0]) }) })
		l.every(20*day, func() { l.some(1+l.desired/4, time.Second, func(t *task) { l.take(t, pick(l.rng, hostLosses...)) }) })
		return
	}
	l.every(20*day, func() { // all tasks older than a day are retired within a window
		l.some(l.desired, time.Hour, func(t *task) {
			if l.now.Sub(t.CreatedAt) > day {
				l.take(t, retirements[0])
			}
		})
	})
	l.every(60*day, func() { l.some(1, time.Second, func(t *task) { l.take(t, unhealthyHosts[0]) }) })
}

// bring has a fault come and go.
func (l *life) bring(f *fault) {
	if f.course == shipped {
		l.agenda.at(f.from, l.deploy)
		if !f.to.IsZero() {
			l.agenda.at(f.to, l.deploy)
		}
		return
	}
	l.agenda.at(f.from, func() {
		f.on = true
		for _, t := range l.tasks {
			if t.running() {
				l.expose(t, f)
			}
		}
	})
	if !f.to.IsZero() {
		l.agenda.at(f.to, func() { f.over = true })
	}
	if f.lifetime == nil && !f.never {
		l.every(f.every, func() {
			l.some(1, time.Second, func(t *task) {
				if f.strikes(t.revision) {
					l.die(t, f)
				}
			})
		})
	}
}

// some has something happen to n running tasks by chance, spread over a time; n is cut to those there are.
func (l *life) some(n int, over time.Duration, do func(*task)) {
	tasks := l.wanted((*task).running)
	l.rng.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
	for _, t := range tasks[:min(n, len(tasks))] {
		l.after(l.rng.between(0, over), func() {
			if t.running() {
				do(t)
			}
		})
	}
}

// operator stops tasks, with whatever words.
func (l *life) operator(n int) {
	words := pick(l.rng, operators...)
	l.some(n, 10*time.Minute, func(t *task) {
		t.truth = Stop{Cause: "operator_stop", Planned: true}
		l.stop(t, "UserInitiated", words)
	})
}

// loseZone takes a zone: hosts go with their tasks; on Fargate ECS or the load balancer finds the tasks unhealthy.
func (l *life) loseZone(zone string) {
	for _, t := range slices.Clone(l.tasks) {
		switch {
		case !t.running() || t.AvailabilityZone != zone:
		case l.ec2:
			l.take(t, hostLosses[0])
		case l.balanced:
			t.truth = Stop{Cause: "elb_health_check", Culprit: l.boxes[0].name, Fault: "zone lost"}
			l.stop(t, scheduler, l.elbText())
		default:
			l.take(t, unhealthyHosts[0])
		}
	}
}
