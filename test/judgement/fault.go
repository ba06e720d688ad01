package judgement

import (
	"cmp"
	"slices"
	"time"
)

// fault is something wrong with a service: what it does to tasks, when it comes, and how it ends.
type fault struct {
	name      string  // for the figures
	share     float64 // of the services that can have it
	course    course
	cause     string // CONTRACT's word
	container string // whose fault it is; "": the service's as a whole
	exits     []int  // one is drawn for each death
	reason    string // the container's, where AWS gives one
	tail      []string
	never     bool                 // tasks never start
	lifetime  func() time.Duration // of a task, from its start
	every     time.Duration        // where lifetime is nil: mean time between deaths by chance, in the whole service
	from, to  time.Time            // to is zero: it lasts
	since     int                  // first revision that has it, of one that was shipped
	cured     int                  // first revision without it; 0: none yet
	on, over  bool
}

// course is how a fault comes and goes.
type course int

const (
	always  course = iota // it was there before the controller, and stays
	brief                 // it comes and goes by itself, within two hours: a dependency, a registry
	shipped               // a deployment brings it, and hours or days later another takes it away, or none does
)

// strikes tells whether a task of a revision suffers from the fault now.
func (f *fault) strikes(revision int) bool {
	return f.on && !f.over && revision >= f.since && (f.cured == 0 || revision < f.cured)
}

const noMemory = "OutOfMemoryError: Container killed due to memory usage"

// faultsOf draws what is wrong with a service in the time of the world. Most have nothing, or a crash now and then.
func (w World) faultsOf(s spec, d dice) []*fault {
	var out []*fault
	for _, f := range slices.Concat(s.applicationFaults(d), s.agentFaults(d)) {
		if !d.chance(f.share * cmp.Or(w.Sick, 1)) {
			continue
		}
		span := w.end().Sub(w.start())
		switch f.course {
		case always:
			f.from = epoch
		case brief:
			f.from = w.start().Add(d.between(0, span))
			f.to = f.from.Add(d.between(10*time.Minute, 2*time.Hour))
		case shipped:
			f.from = epoch.Add(d.between(0, span+w.start().Sub(epoch)))
			if d.chance(0.8) {
				f.to = f.from.Add(12*time.Hour + d.exponential(4*24*time.Hour))
			}
		}
		out = append(out, &f)
	}
	return out
}

// applicationFaults are the application's, whatever runs beside it.
func (s spec) applicationFaults(d dice) []fault {
	app := s.boxes[0].name
	how := func() crash { return applicationCrash(d) }
	wears := func(low, high time.Duration, shape float64) func() time.Duration {
		median := d.between(low, high)
		return func() time.Duration { return d.weibull(median, shape) }
	}
	exited := "essential_container_exited"
	out := []fault{
		how().of(fault{name: "application crashes", share: 0.05, course: shipped, cause: exited, container: app, lifetime: wears(20*time.Minute, 14*time.Hour, 1.2)}),
		how().of(fault{name: "application, now and then", share: 0.20, course: always, cause: exited, container: app, every: d.between(10*24*time.Hour, 40*24*time.Hour)}),
		how().of(fault{name: "application, near the limit", share: 0.03, course: always, cause: exited, container: app, every: s.each(0.03 + 0.4*d.Float64())}),
		how().of(fault{name: "application, storm", share: 0.04, course: brief, cause: exited, container: app, lifetime: func() time.Duration { return d.between(2*time.Second, 90*time.Second) }}),
		{name: "memory leak", share: 0.03, course: shipped, cause: "oom_killed", container: app, exits: []int{137}, reason: noMemory, lifetime: wears(3*time.Hour, 40*time.Hour, 4)},
		{name: "hangs, container health check", share: 0.015, course: shipped, cause: "container_health_check", container: app, lifetime: wears(30*time.Minute, 12*time.Hour, 1.3)},
		{name: "image cannot be pulled", share: 0.02, course: brief, cause: "image_pull", never: true},
	}
	if s.balanced {
		out = append(out, fault{name: "hangs, load balancer", share: 0.04, course: shipped, cause: "elb_health_check", container: app, lifetime: wears(30*time.Minute, 12*time.Hour, 1.3)})
	}
	if len(s.boxes) == 1 {
		runs := d.between(3*time.Minute, 3*time.Hour)
		out = append(out, fault{name: "a job run as a service", share: 0.05, course: always, cause: exited, container: app, exits: []int{0}, lifetime: func() time.Duration { return d.between(runs, runs*5/4) }})
	}
	return out
}

// agentFaults are those of one essential agent beside the application; the first is the incident's.
func (s spec) agentFaults(d dice) []fault {
	agent, ok := s.essentialAgent(d)
	if !ok {
		return nil
	}
	how := func() crash { return pick(d, agentCrashes...) }
	exited := "essential_container_exited"
	wear := d.between(30*time.Minute, 24*time.Hour)
	return []fault{
		agentCrashes[0].of(fault{name: "sidecar, every 6-7 h", share: 0.12, course: shipped, cause: exited, container: agent.name, lifetime: func() time.Duration { return d.between(6*time.Hour, 7*time.Hour) }}),
		how().of(fault{name: "sidecar crashes", share: 0.05, course: shipped, cause: exited, container: agent.name, lifetime: func() time.Duration { return d.weibull(wear, 1.5) }}),
		how().of(fault{name: "sidecar, once a month", share: 0.12, course: always, cause: exited, container: agent.name, every: 30 * 24 * time.Hour}),
		how().of(fault{name: "sidecar, storm", share: 0.03, course: brief, cause: exited, container: agent.name, lifetime: func() time.Duration { return d.between(20*time.Second, 4*time.Minute) }}),
	}
}

// each is the mean time between events of the whole service that come at a rate for each task and day.
func (s spec) each(perTaskDay float64) time.Duration {
	return time.Duration(float64(24*time.Hour) / perTaskDay / float64(s.size))
}

// essentialAgent draws one of the containers beside the application whose end ends the task.
func (s spec) essentialAgent(d dice) (box, bool) {
	var found []box
	for _, b := range s.boxes[1:] {
		if b.agent && b.essential {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return box{}, false
	}
	return pick(d, found...), true
}
