package reconciler

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"taskwarden/contain"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
	"taskwarden/store"
	"taskwarden/store/memory"
)

// Replay runs a recording through the controller's own code: the same view, passes, book, gauges and alarm plans, on a
// clock that is a value. It looks at nothing and sends nothing; what CloudWatch would have been told is kept by a stand-in.
// One goroutine does everything in the order of the recording, so the same events give the same moments.
//
// A pass runs at the time of the event that asked for it. The controller's own passes ran some milliseconds later.
type Replay struct {
	// Options gives what a controller runs on, for a Start of the recording: ID, Policies, Resync, Metrics, Alarms,
	// AlarmAudit, Home's and the targets' Actions, for the targets that it names. Ports, Book and Log are the replay's own.
	Options func(recording.Start) (Options, error)
	// Each is told each moment, in order.
	Each func(Moment) error

	now      time.Time
	store    store.Store
	c        *Controller
	tick     time.Time // the next one
	audit    time.Time // the next one
	accounts map[string]*standIn
	found    map[fleet.Key][]finding.Finding // as last said
	plans    map[[2]string]alarm.Row         // by target and alarm, as last said
	replan   bool                            // alarms were listed since
	listed   bool                            // the recorded controller looked at alarms
	summary  Summary
	failed   error // of Each
}

// Run replays events to their end. A recording that is cut is replayed as far as it goes, which the summary tells.
func (r *Replay) Run(ctx context.Context, events iter.Seq2[recording.Event, error]) (Summary, error) {
	for e, err := range events {
		switch {
		case errors.Is(err, recording.ErrCut):
			r.summary.Cut = err.Error()
			continue
		case err != nil:
			return r.summary, err
		}
		if err := r.take(ctx, e); err != nil {
			return r.summary, err
		}
	}
	if r.c == nil {
		return r.summary, errors.New("the recording ends before a controller began: there is nothing to replay")
	}
	r.end()
	return r.summary, nil
}

// take lives through the time until an event, takes it in, and does what follows from it.
func (r *Replay) take(ctx context.Context, e recording.Event) error {
	if r.c != nil && e.Header == nil {
		if err := r.until(ctx, e.At); err != nil {
			return err
		}
	}
	r.now = e.At
	switch {
	case e.Header != nil:
		return r.fresh(*e.Header)
	case e.Memory != nil:
		return r.remember(ctx, *e.Memory)
	case e.Start != nil:
		return r.start(ctx, *e.Start)
	case r.c == nil:
		return errors.New("the recording has an event before a controller began: lines are missing")
	}
	if err := r.apply(ctx, e); err != nil {
		return err
	}
	return r.settle(ctx)
}

// apply hands an event to the part of the controller that it reached.
func (r *Replay) apply(ctx context.Context, e recording.Event) error {
	c := r.c
	switch {
	case e.Look != nil:
		c.looked(e.Look.Target, e.Look.Cluster)
	case e.Sweep != nil:
		r.summary.looked(e.Sweep.Sweep)
		c.interval(e.Sweep.Target, e.Sweep.Sweep)
		c.swept(ctx, e.Sweep.Target, e.Sweep.Sweep)
	case e.Definition != nil:
		c.definitions.answered(*e.Definition)
	case e.Tail != nil:
		c.evidence.answered(*e.Tail)
	case e.Metrics != nil:
		c.measured(e.Metrics.Target, e.Metrics.Read)
	case e.Alarms != nil:
		r.account(e.Alarms.Target).listing(e.Alarms)
		return r.look(ctx, e.Alarms.Target, e.Alarms.Facts, e.Alarms.Looked)
	case e.Put != nil:
		r.account(e.Put.Target).refusal = e.Put.Err
	}
	return nil
}

// until runs the passes that time alone asks for: those of each minute, and the alarms' audit.
func (r *Replay) until(ctx context.Context, at time.Time) error {
	for {
		next := earlier(r.tick, r.audit)
		if !next.Before(at) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
		r.now = next
		if next.Equal(r.audit) {
			r.audit = r.c.o.AlarmAudit.Next(next)
			r.c.audits.dueAll()
		}
		tick := next.Equal(r.tick)
		if tick {
			r.tick = nextTick(next)
			r.c.tickAll()
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
		if tick {
			r.silent()
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle runs passes until nothing is queued, and says what is new. A pass that fails ends the replay: nothing that could
// pass by itself stands in its way.
func (r *Replay) settle(ctx context.Context) error {
	for more := true; more; {
		for r.c.queue.Len() > 0 {
			key, _ := r.c.queue.Get()
			err := contain.Do(contain.Pass, key.String(), func() error { return r.c.pass(ctx, key) })
			r.c.queue.Done(key)
			if err := errors.Join(err, r.failed); err != nil {
				return err
			}
		}
		var err error
		if more, err = r.lookUnlisted(ctx); err != nil {
			return err
		}
	}
	r.planned()
	return r.failed
}

// fresh begins with an empty memory: a recording says by itself what was remembered.
func (r *Replay) fresh(h recording.Header) error {
	r.stop()
	r.store = memory.New(func() time.Time { return r.now })
	r.plans, r.accounts = map[[2]string]alarm.Row{}, nil
	r.say(Moment{Recording: &h})
	return r.failed
}

// remember puts into the store what a controller had put into its own.
func (r *Replay) remember(ctx context.Context, m recording.Memory) error {
	book := &Book{retention: forever}
	var writes []store.Write
	for _, s := range m.Stops {
		it, err := book.stopItem(m.Key, s)
		if err != nil {
			return err
		}
		writes = append(writes, store.Write{Item: it})
	}
	it, err := encode(kindMemory, m.Key.String(), memoryBody{Findings: m.Findings, Restarts: m.Restarts})
	if err != nil {
		return err
	}
	return r.write(ctx, append(writes, store.Write{Item: it})...)
}

// forever is longer than any recording: how long its stops are kept was decided when it was made.
const forever = 100 * 365 * 24 * time.Hour

func (r *Replay) write(ctx context.Context, writes ...store.Write) error {
	for _, w := range writes {
		if err := r.store.Commit(ctx, w); err != nil {
			return fmt.Errorf("take in what was remembered: %w", err)
		}
	}
	return nil
}

// start begins a controller on what is remembered.
func (r *Replay) start(ctx context.Context, s recording.Start) error {
	r.stop()
	o, err := r.Options(s)
	if err != nil {
		return err
	}
	for _, t := range s.Targets {
		it, err := encode(kindTarget, t.Name, targetBody{FirstStart: t.First, Looked: t.Looked, Watched: t.Watched})
		if err != nil {
			return err
		}
		if err := r.write(ctx, store.Write{Item: it}); err != nil {
			return err
		}
	}
	for name, was := range s.Applied {
		it, err := encode(kindAlarm, name, applied{Hash: was.Hash, Own: was.Own, At: r.now})
		if err != nil {
			return err
		}
		if err := r.write(ctx, store.Write{Item: it}); err != nil {
			return err
		}
	}
	return r.begin(ctx, s, o)
}
