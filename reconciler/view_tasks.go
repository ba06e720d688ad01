package reconciler

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// taskSet is the tasks of one service, kept small: nearly all that AWS tells about a task is the same for the other tasks
// of its deployment, so that is kept once, and of each task what is its own, in some 60 bytes. Nothing is lost: all gives back
// what pack took in. A stopped task, or one with a dead container, is like no other and has a shape to itself: it is kept whole.
// The zero value has no tasks. A taskSet never changes, so it is read without a lock.
type taskSet struct {
	shapes []fleet.Task // what tasks have in common: what a record holds is blank here
	names  []string     // of zones and container instances
	raw    []byte       // the records, one after another, see appendTask
	count  int
}

// shapesCompared bounds the shapes that a task is compared with, so that a service whose tasks are all different costs
// memory, but no time that grows with the square of their number.
const shapesCompared = 8

func pack(tasks []fleet.Task) taskSet {
	s := taskSet{count: len(tasks)}
	var raw []byte
	var scratch []fleet.Container
	names := map[string]uint64{}
	for _, t := range tasks {
		scratch = append(scratch[:0], t.Containers...) // shapeOf copies it where the shape is new
		t.Containers = scratch
		raw = s.appendTask(raw, t, names)
	}
	s.raw, s.shapes, s.names = bytes.Clone(raw), slices.Clip(s.shapes), slices.Clip(s.names)
	return s
}

// appendTask appends a record: what is the task's own, and the index of its shape. t.Containers are written to. names has the
// indices of s.names.
func (s *taskSet) appendTask(raw []byte, t fleet.Task, names map[string]uint64) []byte {
	id := t.ID()
	raw = appendTime(appendTime(raw, t.CreatedAt), t.StartedAt)
	raw = binary.AppendVarint(raw, t.Version)
	for _, name := range []string{t.AvailabilityZone, t.ContainerInstance} {
		i, known := names[name]
		if !known {
			i = uint64(len(s.names))
			names[name], s.names = i, append(s.names, strings.Clone(name))
		}
		raw = binary.AppendUvarint(raw, i)
	}
	raw = appendID(raw, id, "")
	own := make([]byte, 0, 64)
	for i := range t.Containers {
		own = appendID(own, t.Containers[i].RuntimeID, id)
		t.Containers[i].RuntimeID = ""
	}
	t.ARN = strings.TrimSuffix(t.ARN, id)
	t.CreatedAt, t.StartedAt, t.Version, t.AvailabilityZone, t.ContainerInstance = time.Time{}, time.Time{}, 0, "", ""
	return append(binary.AppendUvarint(raw, uint64(s.shapeOf(t))), own...)
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

func (s taskSet) len() int { return s.count }

// all gives the tasks in the order in which they were packed. They share nothing that is written with the set.
func (s taskSet) all() []fleet.Task {
	out := make([]fleet.Task, 0, s.count)
	r := taskRecord(s.raw)
	for range s.count {
		created, started, version := r.time(), r.time(), r.varint()
		zone, node, id := s.names[r.uvarint()], s.names[r.uvarint()], r.id("")
		t := s.shapes[r.uvarint()]
		t.ARN += id
		t.CreatedAt, t.StartedAt, t.Version, t.AvailabilityZone, t.ContainerInstance = created, started, version, zone, node
		t.Containers = slices.Clone(t.Containers)
		for i := range t.Containers {
			t.Containers[i].RuntimeID = r.id(id)
		}
		out = append(out, t)
	}
	return out
}
