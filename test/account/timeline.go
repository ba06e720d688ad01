package account

import (
	"maps"
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// plan puts a step of the timeline down.
func (a *Account) plan(s Step) {
	at := a.start.Add(a.draw(s.At))
	left := max(s.Times, 1)
	var happen func()
	happen = func() {
		a.step(s)
		left--
		if s.Every != (Span{}) && (left > 0 || s.Times == 0) {
			a.after(s.Every, happen)
		}
	}
	a.agenda.put(at, happen)
}

// step does what a step of the timeline says.
func (a *Account) step(s Step) {
	v := a.address(s.Service)
	e := Event{Kind: "step", Text: string(s.Do) + ": " + s.Why}
	if v != nil {
		e.Cluster, e.Service = v.cluster.name, v.Name
	}
	a.emit(e)
	switch s.Do {
	case DoDeny:
		a.denied = append(slices.Clone(a.denied), s.Actions...)
	case DoAllow:
		a.denied = slices.DeleteFunc(slices.Clone(a.denied), func(d string) bool { return slices.Contains(s.Actions, d) })
	case DoFault:
		a.inject(s.fault(a.draw), a.now)
	case DoPush:
		maps.Copy(a.images, imagesByName(s.Push))
	case DoDeploy:
		v.roll(s)
	case DoScale:
		v.setDesired(s.Desired)
	case DoSetModel:
		v.remodel(s.Container, s.Model)
	default:
		for _, t := range v.pick(max(s.Count, 1)) {
			t.suffer(s)
		}
	}
}

// DeleteService deletes a service by name or cluster/name, as DeleteService with force: its tasks are stopped, lists no
// longer hold it, and describing it answers MISSING. It says whether there was one.
func (a *Account) DeleteService(address string) bool {
	a.mu.Lock()
	defer a.unlock()
	a.advance(time.Now())
	v := a.address(address)
	if v == nil {
		return false
	}
	v.setDesired(0)
	v.cluster.services = slices.DeleteFunc(slices.Clone(v.cluster.services), func(s *service) bool { return s == v })
	return true
}

// fault is what a step of the kind fault injects.
func (t Step) fault(draw func(Span) time.Duration) Fault {
	return Fault{Ops: t.Ops, Kind: t.Kind, For: draw(t.For), Calls: t.Calls, By: draw(t.By)}
}

// address finds the service of a step; validation has made sure that there is one.
func (a *Account) address(address string) *service {
	for _, c := range a.clusters {
		for _, s := range c.services {
			if address == s.Name || address == c.name+"/"+s.Name {
				return s
			}
		}
	}
	return nil
}

// pick draws running tasks.
func (s *service) pick(n int) []*task {
	var running []*task
	for _, t := range s.tasks {
		if t.wanted() && t.last == "RUNNING" {
			running = append(running, t)
		}
	}
	s.account.rng.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	return running[:min(n, len(running))]
}

// suffer has something happen to a task.
func (t *task) suffer(s Step) {
	switch s.Do {
	case DoSpot:
		t.stop(stopping{Code: "SpotInterruption", Text: "Your Spot Task was interrupted.", Cause: "spot_interruption", Planned: true})
	case DoMaintenance:
		t.stop(stopping{Code: "ServiceSchedulerInitiated", Text: "ECS is performing maintenance on the underlying infrastructure hosting the task", Cause: "maintenance", Planned: true})
	case DoHost:
		t.stop(stopping{Code: "TerminationNotice", Text: "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.", Cause: "host_drain", Planned: true})
	case DoStop:
		t.stop(operatorStop(s.Reason))
	case DoELB:
		t.failELB(t.service.LoadBalancer.Container)
	case DoKill:
		for _, c := range t.containers {
			if c.spec.name == s.Container {
				c.ended(s.Exit, s.Reason, s.Log)
			}
		}
	}
}

// roll registers the current definition with the step's changes and deploys it; without changes it forces a deployment.
func (s *service) roll(step Step) {
	def := s.primary().def
	if len(step.Set)+len(step.Image) > 0 {
		in := wire.Input(plain(def.doc).(map[string]any))
		if len(def.tags) > 0 {
			in["tags"] = def.tags
		}
		for _, c := range in.Maps("containerDefinitions") {
			change(c, step)
		}
		next, err := s.account.register(in, s.account.deployer())
		if err != nil { // ECS refuses it, as it would refuse a pipeline
			s.narrate("deployment", "refused: %v", err)
			return
		}
		def = next
	}
	s.deploy(def)
}

// change sets environment variables and the image of one container definition; an empty value removes the variable.
func change(c wire.Input, step Step) {
	name := c.String("name")
	if image := step.Image[name]; image != "" {
		c["image"] = image
	}
	set := step.Set[name]
	var env []any
	for _, e := range c.Maps("environment") {
		if _, changed := set[e.String("name")]; !changed {
			env = append(env, map[string]any(e))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if set[k] != "" {
			env = append(env, map[string]any{"name": k, "value": set[k]})
		}
	}
	c["environment"] = list(env)
}

// remodel has a container live by another model, running ones from now on.
func (s *service) remodel(container string, m Model) {
	s.Models = maps.Clone(s.Models)
	if s.Models == nil {
		s.Models = map[string]Model{}
	}
	s.Models[container] = m
	for _, t := range s.tasks {
		for _, c := range t.containers {
			if c.spec.name == container && c.last == "RUNNING" && t.wanted() {
				c.live()
			}
		}
	}
}
