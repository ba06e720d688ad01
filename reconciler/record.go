package reconciler

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/recording"
)

// Recorder keeps what reaches a controller, for a Replay. It never fails and never waits for long.
type Recorder interface {
	// Begin tells that a controller begins. snapshot gives what is known when it is called: memories, one Start,
	// definitions. It may be called again from within any Record.
	Begin(snapshot func() iter.Seq[recording.Event])
	Record(recording.Event)
}

// record hands an event to the recorder, if there is one. No lock may be held: a recorder may ask for a snapshot.
func (c *Controller) record(e recording.Event) {
	if c.o.Recorder != nil {
		e.At = c.now()
		c.o.Recorder.Record(e)
	}
}

func (c *Controller) recordBegin() {
	if c.o.Recorder != nil {
		c.o.Recorder.Begin(c.snapshot)
	}
}

// snapshot is what a replay that begins now has to know.
func (c *Controller) snapshot() iter.Seq[recording.Event] {
	return func(yield func(recording.Event) bool) {
		now := c.now()
		for _, m := range c.book.all() {
			if len(m.Findings)+len(m.History.Stops) == 0 && m.History.Restarts.Until.IsZero() {
				continue
			}
			if !yield(recording.Event{At: now, Memory: &recording.Memory{Key: m.Key, Findings: m.Findings, Stops: m.History.Stops, Restarts: m.History.Restarts}}) {
				return
			}
		}
		start := recording.Start{Config: c.o.Config, Listed: c.o.Alarms != Off, Applied: c.book.Applied()}
		for _, t := range c.o.Targets {
			w := c.book.watched(t.Name)
			start.Targets = append(start.Targets, recording.StartTarget{Name: t.Name, First: w.FirstStart, Looked: w.Looked, Watched: w.Watched})
		}
		if !yield(recording.Event{At: now, Start: &start}) {
			return
		}
		for _, d := range c.definitions.all() {
			d.Target = c.o.Targets[0].Name // any will do: definitions are known by their ARN
			if !yield(recording.Event{At: now, Definition: &d}) {
				return
			}
		}
	}
}

// recordPorts puts the recorder between the controller and its CloudWatch ports.
func (c *Controller) recordPorts() {
	if c.o.Recorder == nil {
		return
	}
	c.o.Targets = slices.Clone(c.o.Targets)
	for i := range c.o.Targets {
		t := &c.o.Targets[i]
		t.CloudWatch = &recorded{CloudWatch: t.CloudWatch, c: c, target: t.Name}
	}
	c.o.Home = &recorded{CloudWatch: c.o.Home, c: c, target: homeAlarms}
}

// recorded is a CloudWatch whose turns are recorded: whether data are taken.
type recorded struct {
	CloudWatch
	c      *Controller
	target string

	mu      sync.Mutex
	refused bool
}

// PutData sends data, and records when that begins or ceases to fail.
func (r *recorded) PutData(ctx context.Context, data []alarm.Datum) error {
	err := r.CloudWatch.PutData(ctx, data)
	r.mu.Lock()
	turned := ctx.Err() == nil && r.refused != (err != nil)
	if turned {
		r.refused = err != nil
	}
	r.mu.Unlock()
	if turned {
		r.c.record(recording.Event{Put: &recording.Put{Target: r.target, Err: err}})
	}
	return err
}

// all gives the definitions known, by ARN.
func (d *definitions) all() []recording.Definition {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]recording.Definition, 0, len(d.byARN))
	for _, arn := range slices.Sorted(maps.Keys(d.byARN)) {
		out = append(out, recording.Definition{ARN: arn, Definition: d.byARN[arn]})
	}
	return out
}
