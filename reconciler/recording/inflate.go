package recording

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// reader turns lines into events again.
type reader struct {
	n        int // of the line last read
	begun    bool
	version  string
	last     time.Time
	targets  []string // of the last Start
	clusters map[fleet.Key]*clusterState
	stops    []churn.Stop // wait for their memory
	services []fleet.Service
	tasks    []fleet.Task  // wait for their look
	readings []readingLine // wait for their end
	listings map[string]*ordered[alarm.Have]
	facts    map[string]alarm.Facts // by target, of the last listing
	alarms   []alarm.Have           // wait for their listing
}

// pending tells whether lines wait for the one that ends them.
func (r *reader) pending() bool {
	return len(r.stops)+len(r.services)+len(r.tasks)+len(r.readings)+len(r.alarms) > 0
}

// take takes in one line, and gives the event that it completes.
func (r *reader) take(l line) (e Event, whole bool, err error) {
	if n := l.kinds(); n != 1 {
		return e, false, fmt.Errorf("it says %d things instead of one", n)
	}
	switch {
	case l.Stop != nil:
		r.stops = append(r.stops, *l.Stop)
		return e, false, nil
	case l.Service != nil:
		r.services = append(r.services, *l.Service)
		return e, false, nil
	case l.Task != nil:
		r.tasks = append(r.tasks, *l.Task)
		return e, false, nil
	case l.Reading != nil:
		r.readings = append(r.readings, *l.Reading)
		return e, false, nil
	case l.Alarm != nil:
		r.alarms = append(r.alarms, *l.Alarm)
		return e, false, nil
	}
	if err := r.clock(l); err != nil {
		return e, false, err
	}
	if e, err = r.event(l); err != nil {
		return e, false, err
	}
	if r.pending() {
		return e, false, errors.New("services, tasks, readings, alarms or stops are followed by another thing than what they belong to")
	}
	return e, true, nil
}

// kinds counts what a line says.
func (l line) kinds() int {
	n := 0
	for _, is := range []bool{l.Header != nil, l.Start != nil, l.Stop != nil, l.Memory != nil, l.Service != nil, l.Task != nil, l.Look != nil,
		l.Sweep != nil, l.Definition != nil, l.Tail != nil, l.Reading != nil, l.Metrics != nil, l.Alarm != nil, l.Alarms != nil, l.Put != nil, l.End != nil} {
		if is {
			n++
		}
	}
	return n
}

// clock holds times to run forwards, and not by leaps: each minute between two events is lived through.
func (r *reader) clock(l line) error {
	switch {
	case l.At.IsZero():
		return errors.New("it has no time")
	case l.Header != nil: // a recording of its own
	case l.At.Before(r.last):
		return fmt.Errorf("its time %s is before %s, that of the line before", l.At.Format(time.RFC3339Nano), r.last.Format(time.RFC3339Nano))
	case l.At.Sub(r.last) > maxGap:
		return fmt.Errorf("its time %s is more than %d days after the line before", l.At.Format(time.RFC3339), int(maxGap.Hours()/24))
	}
	r.last = l.At
	return nil
}

func (r *reader) event(l line) (Event, error) {
	e := Event{At: l.At, Header: l.Header, Start: l.Start, End: l.End}
	switch {
	case l.Header != nil && l.Header.Format != Format:
		return e, fmt.Errorf("a recording of format %d follows one of format %d: replay them one by one", l.Header.Format, Format)
	case l.Header != nil:
		r.begun, r.version, r.targets, r.clusters, r.listings, r.facts = true, l.Header.Version, nil, nil, nil, nil
		return e, nil
	case l.Start != nil:
		return e, r.start(*l.Start)
	case l.Memory != nil:
		e.Memory = &Memory{Key: l.Memory.Key, Findings: l.Memory.Findings, Stops: r.stops}
		if l.Memory.Restarts != nil {
			e.Memory.Restarts = *l.Memory.Restarts
		}
		r.stops = nil
		return e, nil
	case l.End != nil:
		return e, nil
	}
	target, err := r.answer(l, &e)
	home := target == "" && (l.Alarms != nil || l.Put != nil) // the controller's own account
	if err == nil && (len(r.targets) == 0 || !home && !slices.Contains(r.targets, target)) {
		err = fmt.Errorf("it is about the target %q, which no start before it names", target)
	}
	return e, err
}

// answer fills in what was seen or answered of a target.
func (r *reader) answer(l line, e *Event) (target string, err error) {
	switch {
	case l.Look != nil:
		target, e.Look = l.Look.Target, r.look(l.Look)
		if e.Look == nil {
			err = errGone
		}
	case l.Sweep != nil:
		target, e.Sweep = l.Sweep.Target, r.sweep(l.Sweep)
	case l.Definition != nil:
		d := l.Definition
		target, e.Definition = d.Target, &Definition{Target: d.Target, ARN: d.ARN, Err: d.Fault.err(), Tries: d.Tries}
		switch {
		case d.Definition != nil:
			e.Definition.Definition = *d.Definition
		case d.Fault == nil:
			err = errors.New("it holds neither a task definition nor why there is none")
		}
	case l.Tail != nil:
		t := l.Tail
		target, e.Tail = t.Service.Target, &Tail{t.Service, t.Ref, fleet.Tail{Lines: t.Lines, Missing: t.Missing}, t.Fault.err(), t.Tries}
	case l.Metrics != nil:
		target, e.Metrics = l.Metrics.Target, &Metrics{l.Metrics.Target, map[fleet.Key]fleet.Metrics{}}
		for _, reading := range r.readings {
			e.Metrics.Read[reading.Key] = reading.Metrics
		}
		r.readings = nil
	case l.Alarms != nil:
		target, e.Alarms = l.Alarms.Target, r.listing(l.Alarms)
		if e.Alarms == nil {
			err = errGone
		}
	case l.Put != nil:
		target, e.Put = l.Put.Target, &Put{l.Put.Target, l.Put.Fault.err()}
	}
	return target, err
}

// errGone is lines that contradict each other.
var errGone = errors.New("it says that something is gone that was never there: lines are missing")

// listing gives all the alarms of a target; nil where the lines contradict each other.
func (r *reader) listing(l *alarmsLine) *Alarms {
	if r.listings == nil {
		r.listings = map[string]*ordered[alarm.Have]{}
	}
	if r.listings[l.Target] == nil {
		r.listings[l.Target] = &ordered[alarm.Have]{}
	}
	all := r.listings[l.Target]
	for _, h := range r.alarms {
		all.set(h.Name, h)
	}
	r.alarms = nil
	if !all.drop(l.Gone) {
		return nil
	}
	if l.Facts != nil {
		if r.facts == nil {
			r.facts = map[string]alarm.Facts{}
		}
		r.facts[l.Target] = *l.Facts
	}
	out := &Alarms{Target: l.Target, Looked: l.Looked, Err: l.Fault.err()}
	if out.Err == nil {
		out.Have, out.Facts = all.all(), r.facts[l.Target]
	}
	return out
}

// start begins a controller, whose view is empty.
func (r *reader) start(s Start) error {
	r.clusters, r.listings, r.facts, r.targets = map[fleet.Key]*clusterState{}, nil, nil, nil
	for _, t := range s.Targets {
		if t.Name == "" || slices.Contains(r.targets, t.Name) {
			return fmt.Errorf("the target name %q is empty or there twice", t.Name)
		}
		r.targets = append(r.targets, t.Name)
	}
	if len(s.Targets) == 0 {
		return errors.New("a start without a target")
	}
	return nil
}

// look gives the cluster as the look showed it: all of it after a complete one, and what was new after a partial one.
// It is nil where the lines contradict each other.
func (r *reader) look(l *lookLine) *Look {
	if r.clusters == nil {
		r.clusters = map[fleet.Key]*clusterState{} // there was no start, which is said later
	}
	key := fleet.Key{Target: l.Target, Cluster: l.Cluster}
	c := r.clusters[key]
	if c == nil {
		c = &clusterState{}
		r.clusters[key] = c
	}
	for _, s := range r.services {
		c.services.set(s.Name, s)
	}
	for _, t := range r.tasks {
		c.tasks.set(t.ID(), t)
	}
	out := &Look{Target: l.Target, Cluster: fleet.Cluster{ARN: l.ARN, Name: l.Cluster, Seen: fleet.Seen{At: l.Seen, Complete: l.Complete},
		Err: l.Fault.err(), Services: r.services, Tasks: r.tasks}}
	r.services, r.tasks = nil, nil
	if l.Complete {
		there := c.services.drop(l.GoneServices)
		if !c.tasks.drop(l.GoneTasks) || !there {
			return nil
		}
		out.Cluster.Services, out.Cluster.Tasks = c.services.all(), c.tasks.all()
	}
	return out
}

func (r *reader) sweep(l *sweepLine) *Sweep {
	if l.Complete {
		for key := range r.clusters {
			if key.Target == l.Target && !slices.Contains(l.Clusters, key.Cluster) {
				delete(r.clusters, key)
			}
		}
	}
	return &Sweep{l.Target, fleet.Sweep{Seen: fleet.Seen{At: l.Seen, Complete: l.Complete}, Clusters: l.Clusters, Calls: l.Calls,
		Took: l.Took, Floor: l.Floor, Err: l.Fault.err()}}
}
