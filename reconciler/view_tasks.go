package reconciler

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// taskSet is the tasks of one service, kept small: nearly all that AWS tells about a task is the same for the other tasks
// of its deployment, so that is kept once, and of each task what is its own. Nothing is lost: all gives back what pack
// took in. A stopped task, or one with a dead container, is like no other and has a shape to itself: it is kept whole.
// The zero value has no tasks. A taskSet never changes, so it is read without a lock.
type taskSet struct {
	shapes  []fleet.Task // what tasks have in common: what a record holds is blank here
	records []taskRecord
}

// taskRecord is what is a task's own.
type taskRecord struct {
	own       string // the end of its ARN and its containers' runtime ids, joined by ownSep
	zone      string
	node      string
	createdAt time.Time
	startedAt time.Time
	version   int64
	shape     int // index into taskSet.shapes
}

// Neither is in any id of AWS's; a text that has one all the same stays in the shape.
const (
	ownSep = "\x00"
	ownID  = "\x01" // stands for the task's id, with which runtime ids begin on Fargate
)

// shapesCompared bounds the shapes that a task is compared with, so that a service whose tasks are all different costs
// memory, but no time that grows with the square of their number.
const shapesCompared = 8

func pack(tasks []fleet.Task) taskSet {
	s := taskSet{records: make([]taskRecord, 0, len(tasks))}
	var scratch []fleet.Container
	for _, t := range tasks {
		r := taskRecord{zone: t.AvailabilityZone, node: t.ContainerInstance, createdAt: t.CreatedAt, startedAt: t.StartedAt, version: t.Version}
		t.AvailabilityZone, t.ContainerInstance, t.CreatedAt, t.StartedAt, t.Version = "", "", time.Time{}, time.Time{}, 0
		scratch = append(scratch[:0], t.Containers...) // shapeOf copies it where the shape is new
		t.Containers = scratch
		r.own = takeOwn(&t)
		r.shape = s.shapeOf(t)
		s.records = append(s.records, r)
	}
	s.shapes = slices.Clip(s.shapes)
	return s
}

// takeOwn moves the texts that are a task's own out of it.
func takeOwn(t *fleet.Task) string {
	var own []string
	id := t.ID()
	if strings.ContainsAny(id, ownSep+ownID) {
		id = ""
	}
	own, t.ARN = append(own, id), strings.TrimSuffix(t.ARN, id)
	for i := range t.Containers {
		runtime := t.Containers[i].RuntimeID
		if strings.ContainsAny(runtime, ownSep+ownID) {
			own = append(own, "")
			continue
		}
		if rest, ok := strings.CutPrefix(runtime, id); ok && id != "" {
			runtime = ownID + rest
		}
		own, t.Containers[i].RuntimeID = append(own, runtime), ""
	}
	return strings.Join(own, ownSep)
}

// giveOwn puts them back.
func giveOwn(t *fleet.Task, own string) {
	id, rest, _ := strings.Cut(own, ownSep)
	t.ARN += id
	for i := range t.Containers {
		var part string
		part, rest, _ = strings.Cut(rest, ownSep)
		if tail, ok := strings.CutPrefix(part, ownID); ok {
			part = id + tail
		}
		t.Containers[i].RuntimeID += part
	}
}

// shapeOf is the index of the shape that equals t; a new one if none of the latest does.
func (s *taskSet) shapeOf(t fleet.Task) int {
	for i := len(s.shapes) - 1; i >= max(0, len(s.shapes)-shapesCompared); i-- {
		if reflect.DeepEqual(s.shapes[i], t) {
			return i
		}
	}
	t.ARN, t.Containers = strings.Clone(t.ARN), slices.Clone(t.Containers) // lets go of the task's own ARN
	s.shapes = append(s.shapes, t)
	return len(s.shapes) - 1
}

func (s taskSet) len() int { return len(s.records) }

// all gives the tasks in the order in which they were packed. They share nothing that is written with the set.
func (s taskSet) all() []fleet.Task {
	out := make([]fleet.Task, 0, len(s.records))
	for _, r := range s.records {
		t := s.shapes[r.shape]
		t.AvailabilityZone, t.ContainerInstance, t.CreatedAt, t.StartedAt, t.Version = r.zone, r.node, r.createdAt, r.startedAt, r.version
		t.Containers = slices.Clone(t.Containers)
		giveOwn(&t, r.own)
		out = append(out, t)
	}
	return out
}
