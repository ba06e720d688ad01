package reconciler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"
	"go.uber.org/zap"
	"k8s.io/client-go/util/workqueue"

	"taskwarden/contain"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

const (
	workers = 4 // passes run at the same time; they wait for the store's disk, not for the processor

	// tick is when within a minute the targets' passes run: a little after it began, so that the last one's counters are closed.
	tick = 2 * time.Second
)

// Mode says what the alarm plan may do.
type Mode string

// Modes of alarms: nothing at all, plan only, put what is missing or drifted, and delete what is no longer wanted too.
const (
	Off    Mode = "off"
	Plan   Mode = "plan"
	Ensure Mode = "ensure"
	Sync   Mode = "sync"
)

// Options is all that a Controller needs; every field but Layout and Registry is required.
type Options struct {
	ID          string // owner id: the Controller dimension, and the owner of alarms
	Targets     []Target
	Home        CloudWatch // the controller's own account and region: heartbeat and sweep ages
	HomeActions alarm.Actions
	Book        *Book
	Policies    Policies
	AllowHash   string // of the allow-list that definitions are reduced with
	Resync      time.Duration
	Metrics     bool
	Alarms      Mode
	Layout      alarm.Layout // "": the fleet's
	AlarmAudit  cron.Schedule
	Report      cron.Schedule
	Log         *zap.Logger
	Registry    prometheus.Registerer // nil: metrics of the process are not shown
	Recorder    Recorder              // nil: nothing is recorded
	Config      string                // what a recording says of the configuration
	Remediation Remediation
}

// Controller is the running loop.
type Controller struct {
	o           Options
	view        *view
	book        *Book
	queue       workqueue.TypedRateLimitingInterface[fleet.Key]
	definitions *definitions
	evidence    *evidence
	troubles    *troubles
	panics      panics
	audits      *audits
	remediation *remediation
	metrics     *metrics
	resyncs     sync.Map // target -> time.Duration, the effective one
	gauges      sync.Map // target -> map[string]float64, what was said in this minute
	started     time.Time
	voices      voices
	firstBeat   time.Time // of the heartbeat put by this process; only the controller's own pass uses it
	now         func() time.Time
	decided     func(Decision) // nil: only the log is told
}

// New makes a Controller; Run starts it. Without metrics there is nothing that alarms could watch, so none are kept.
func New(o Options) *Controller { return newController(o, time.Now) }

func newController(o Options, now func() time.Time) *Controller {
	if !o.Metrics && o.Alarms != Off {
		o.Alarms = Off
		o.Log.Warn("metrics are disabled, so alarms would watch nothing: none are planned or kept")
	}
	c := &Controller{
		o: o, book: o.Book, view: newView(), troubles: newTroubles(), audits: newAudits(), metrics: newMetrics(o.Registry),
		started: now(), now: now, voices: voices{of: map[voice]bool{}},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[fleet.Key](time.Second, 5*time.Minute)),
	}
	c.definitions = newDefinitions(c)
	c.evidence = newEvidence(c)
	c.remediation = newRemediation(c)
	c.recordPorts()
	c.metrics.rolledOut(c.book.Rollouts(fleet.Key{}))
	return c
}

// Run works until ctx ends, then stops within the time that one call under way takes to notice. It returns nil, or why
// it could not begin.
func (c *Controller) Run(ctx context.Context) error {
	defer c.shutDown()
	for _, t := range c.o.Targets {
		if t.Deployer == nil && !c.remediation.off() {
			return fmt.Errorf("target %s has no Deployer, and remediation is %s: give it one, or switch remediation off", t.Name, c.o.Remediation.Ceiling)
		}
	}
	for _, t := range c.o.Targets {
		if err := c.book.Begin(ctx, t.Name, c.now()); err != nil {
			return err
		}
	}
	c.noteOverlaps()
	c.recordBegin()
	defer c.record(recording.Event{End: &recording.End{}})
	ctx, cancel := context.WithCancel(ctx)
	loops := c.startLoops(ctx)
	defer func() { // deferred, so that no loop outlives a panic here
		cancel()
		c.shutDown()
		_ = loops.Wait() // loops return no errors, and their panics were reported
	}()
	schedules := cron.New()
	schedules.Schedule(c.o.AlarmAudit, c.job("the alarm audit", c.audits.dueAll))
	schedules.Schedule(c.o.Report, c.job("the report", c.report))
	schedules.Schedule(cron.Every(time.Hour), c.job("the expiry of records", func() { c.expire(ctx) }))
	schedules.Start()
	<-ctx.Done()
	<-schedules.Stop().Done()
	return nil
}

// shutDown ends the queues, and with them the loops that work on them.
func (c *Controller) shutDown() {
	c.queue.ShutDown()
	c.definitions.queues.shutDown()
	c.evidence.queues.shutDown()
	c.audits.queues.shutDown()
	c.remediation.shutDown()
}

// startLoops starts everything that runs until ctx ends. A loop that panics is begun again.
func (c *Controller) startLoops(ctx context.Context) *contain.Group {
	loops := contain.NewGroup(0)
	keep := func(target, what string, loop func()) {
		if target != "" {
			what += " of " + target
		}
		loops.Keep(ctx, contain.Loop, what, func() error { loop(); return nil }, func(err error) { c.notePanic(target, what, err) })
	}
	for range workers {
		keep("", "passes", func() { c.passLoop(ctx) })
	}
	for _, t := range c.o.Targets {
		metrics := newReader(c, t)
		keep(t.Name, "sweeps", func() { c.sweepLoop(ctx, t) })
		keep(t.Name, "definitions", func() { c.definitions.loop(ctx, t) })
		keep(t.Name, "logs", func() { c.evidence.loop(ctx, t) })
		keep(t.Name, "metrics", func() { metrics.loop(ctx) })
		keep(t.Name, "alarms", func() { c.auditLoop(ctx, t.Name, t.CloudWatch, "AlarmsUnkept", "alarms cannot be read or kept") })
		for range visitors {
			keep(t.Name, "remediation", func() { c.remediation.visitLoop(ctx, t) })
		}
		for range surveyors {
			keep(t.Name, "surveys", func() { c.remediation.surveyLoop(ctx, t) })
		}
	}
	keep("", "the controller's own alarms", func() {
		c.auditLoop(ctx, homeAlarms, c.o.Home, "HomeAlarmsUnkept", "the alarms on the controller itself cannot be read or kept")
	})
	keep("", "ticks", func() { c.tickLoop(ctx) })
	return loops
}

// passLoop takes keys from the queue and runs the pass that each key stands for. Once ctx has ended it only empties the queue.
func (c *Controller) passLoop(ctx context.Context) {
	for {
		key, shutdown := c.queue.Get()
		if shutdown {
			return
		}
		c.runPass(ctx, key)
	}
}

// runPass runs one pass. An error or a panic puts the key back with a delay that grows.
func (c *Controller) runPass(ctx context.Context, key fleet.Key) {
	defer c.queue.Done(key)
	if ctx.Err() != nil {
		return
	}
	err := c.contain(contain.Pass, key.Target, key.String(), func() error { return c.pass(ctx, key) })
	switch {
	case err == nil:
		c.queue.Forget(key)
	case ctx.Err() == nil:
		c.metrics.passErrors.Inc()
		c.o.Log.Error("pass failed", zap.Stringer("key", key), zap.Int("try", c.queue.NumRequeues(key)+1), zap.Error(err))
		c.queue.AddRateLimited(key)
	}
}

func (c *Controller) pass(ctx context.Context, key fleet.Key) error {
	start := time.Now()
	defer func() { c.metrics.passSeconds.Observe(time.Since(start).Seconds()) }()
	switch {
	case key == fleet.Key{}:
		return c.homePass(ctx)
	case key.Service == "":
		return c.targetPass(ctx, key.Target)
	}
	return c.servicePass(ctx, key)
}

// servicePass judges one service from the view, records the decision, and asks for what the next pass wants.
func (c *Controller) servicePass(ctx context.Context, key fleet.Key) error {
	m, err := c.book.Load(ctx, key)
	if err != nil {
		return err
	}
	o := c.view.observe(key)
	o.Definitions = c.definitions.known(o, m.Findings)
	m.Learning = !c.view.learned(key)
	m.Alarms = c.sightOf(o, m.Findings)
	m.Hindered = c.remediation.claims(key, c.now())
	d := Decide(o, m, c.o.Policies, c.now())
	if err := c.book.Record(ctx, d); err != nil {
		return err
	}
	c.announce(d)
	c.view.dropLogs(key, judged(o.Logs, m, d))
	c.evidence.want(key, d.Wants)
	c.remediation.want(key, m, d.Findings)
	if len(d.Changes) > 0 {
		if c.o.Layout == alarm.ServiceLayout {
			c.audits.due(key.Target) // a container seen for the first time wants its alarm now
		}
		c.queue.Add(fleet.Key{Target: key.Target}) // the gauges say it at once
	}
	return nil
}

// judged are the logs that no stop waits for any more. One that came first is kept for the stop that still wants another's.
func judged(logs map[fleet.LogRef]fleet.Tail, m Memory, d Decision) map[fleet.LogRef]fleet.Tail {
	if len(logs) == 0 {
		return nil
	}
	out := maps.Clone(logs)
	for _, s := range m.After(d).History.Stops {
		for _, source := range s.Sources {
			delete(out, source.Ref)
		}
	}
	return out
}

// tickLoop queues the pass of each target and the controller's own pass once a minute.
func (c *Controller) tickLoop(ctx context.Context) {
	for {
		now := c.now()
		if !sleep(ctx, nextTick(now).Sub(now)) {
			return
		}
		c.tickAll()
	}
}

// nextTick is when the targets' passes run next.
func nextTick(now time.Time) time.Time { return now.Truncate(time.Minute).Add(time.Minute + tick) }

func (c *Controller) tickAll() {
	for _, t := range c.o.Targets {
		c.queue.Add(fleet.Key{Target: t.Name})
	}
	c.queue.Add(fleet.Key{})
}

// sweepLoop looks at one target again and again: at once, then at the wished interval or the one that the budget
// allows, whichever is longer, with a tenth of jitter so that targets do not march in step.
func (c *Controller) sweepLoop(ctx context.Context, t Target) {
	for ctx.Err() == nil {
		s := c.sweep(ctx, t)
		every := c.interval(t.Name, s)
		jitter := time.Duration(rand.Int64N(int64(every)/5+1)) - every/10
		if !sleep(ctx, max(every-s.Took, 0)+jitter) {
			return
		}
	}
}

// interval notes and returns the interval at which a target can be looked at.
func (c *Controller) interval(target string, s fleet.Sweep) time.Duration {
	every := max(c.o.Resync, s.Floor)
	c.resyncs.Store(target, every)
	c.metrics.swept(target, s, every)
	return every
}

// sweep takes one look at a target into the view and queues what has to be judged because of it. A look that panicked is an
// incomplete one: the target reads as neither healthy nor gone.
func (c *Controller) sweep(ctx context.Context, t Target) (s fleet.Sweep) {
	began := c.now()
	err := c.contain(contain.Sweep, t.Name, t.Name, func() error {
		s = t.Observer.Sweep(ctx, func(cl fleet.Cluster) { c.looked(t.Name, cl) })
		return s.Err
	})
	if contain.In(err) != nil {
		s.Complete = false
		s.Err = err
		if s.At.IsZero() { // the sweep itself panicked, so nothing is known of its price
			s.Seen, s.Floor, s.Took = fleet.Seen{At: began}, c.effective(t.Name), c.now().Sub(began)
		}
	}
	if ctx.Err() == nil {
		// A panic here leaves the view as it was, and the next look takes it on.
		_ = c.contain(contain.Intake, t.Name, "the sweep of "+t.Name, func() error { c.swept(ctx, t.Name, s); return nil })
	}
	return s
}

// looked takes in what a look showed of one cluster.
func (c *Controller) looked(target string, cl fleet.Cluster) {
	c.record(recording.Event{Look: &recording.Look{Target: target, Cluster: cl}})
	keys := c.view.update(target, cl)
	c.definitions.need(target, cl)
	c.enqueue(keys)
}

// swept takes in the end of a look.
func (c *Controller) swept(ctx context.Context, target string, s fleet.Sweep) {
	c.record(recording.Event{Sweep: &recording.Sweep{Target: target, Sweep: s}})
	_, before := c.view.sweep(target)
	c.enqueue(c.view.finish(target, s))
	if s.Complete {
		if err := c.book.Looked(ctx, target, s.At); err != nil && ctx.Err() == nil {
			c.o.Log.Error("a look was not noted", zap.Error(err))
		}
		c.enqueue(c.book.OpenKeys(target)) // a service that went while nobody looked still has findings to close
	}
	if s.Complete && before.At.IsZero() {
		c.audits.due(target) // nothing is acted on before the first complete view
		c.o.Log.Info("first complete view", zap.String("target", target), zap.Int("clusters", len(s.Clusters)),
			zap.Int("calls", s.Calls), zap.Duration("took", s.Took), zap.Duration("floor", s.Floor))
		c.queue.Add(fleet.Key{})
	}
	c.sweepTroubles(target, s)
	c.queue.Add(fleet.Key{Target: target})
}

func (c *Controller) enqueue(keys []fleet.Key) {
	for _, k := range keys {
		c.queue.Add(k)
	}
}

// effective is the interval at which a target is really looked at.
func (c *Controller) effective(target string) time.Duration {
	if every, ok := c.resyncs.Load(target); ok {
		return every.(time.Duration)
	}
	return c.o.Resync
}

func (c *Controller) target(name string) (Target, error) {
	for _, t := range c.o.Targets {
		if t.Name == name {
			return t, nil
		}
	}
	return Target{}, errors.New("no target named " + name)
}

// sleep waits, or returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
