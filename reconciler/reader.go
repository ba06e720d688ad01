package reconciler

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"taskwarden/contain"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

const (
	// dataSettle is how old a minute must be to be read: Container Insights and Application Signals publish each minute,
	// some minutes late.
	dataSettle = 5 * time.Minute
	// listEvery is how often settings and lists of metrics are asked for.
	listEvery = time.Hour
	// furthest is how far back one reading reaches after a time without any.
	furthest = 24 * time.Hour
	// unhurried is how long the first reading waits for task definitions that are still being fetched.
	unhurried = 10 * time.Minute
)

// reader reads what CloudWatch says of one target's services, behind the passes, at a pace of its own: metrics are billed by
// the number that is asked for, and only services whose task definition makes them need any.
type reader struct {
	c    *Controller
	t    Target
	last time.Time // when the last reading began

	insights settings
	silent   map[string]bool // clusters without a datum of restarts at the last reading
	listed   lists
	found    signalLists
}

func newReader(c *Controller, t Target) *reader {
	return &reader{c: c, t: t, listed: lists{absent: map[fleet.Key]time.Time{}}, found: newSignalLists()}
}

// loop reads whenever it is due.
func (r *reader) loop(ctx context.Context) {
	for sleep(ctx, time.Minute) {
		if now := r.c.now(); r.due(now) {
			r.last = now
			if r.c.contain(contain.Metrics, r.t.Name, r.t.Name, func() error { r.read(ctx, now); return nil }) != nil {
				r.last = time.Time{} // it panicked: again in a minute
			}
		}
	}
}

func (r *reader) due(now time.Time) bool {
	_, whole := r.c.view.sweep(r.t.Name)
	if whole.At.IsZero() {
		return false
	}
	if r.last.IsZero() {
		_, waiting := r.c.definitions.count()
		return waiting == 0 || now.Sub(whole.At) >= unhurried || now.Sub(r.c.started) >= unhurried
	}
	return now.Sub(r.last) >= churn.MetricsEvery
}

// subject is a service that needs metrics, with what was read of it before.
type subject struct {
	key        fleet.Key
	restarting []string // containers with a restart policy
	signals    churn.SignalName
	instrument bool // Application Signals is enabled
	read       fleet.Metrics
}

// subjects are the services that need any, in order.
func (r *reader) subjects() []*subject {
	var out []*subject
	for key, arn := range r.c.view.running(r.t.Name) {
		if d, ok := r.c.definitions.of(arn); !ok || !needsMetrics(d) {
			continue
		}
		o := r.c.view.observe(key) // not kept: all services' tasks at once, unpacked, would be many times the view
		o.Definitions = r.c.definitions.known(o, nil)
		s := &subject{key: key, read: o.Metrics}
		s.restarting, _ = churn.Restartable(o)
		s.signals, s.instrument, _ = churn.SignalsOf(o)
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y *subject) int { return x.key.Compare(y.key) })
	return out
}

// needsMetrics spares the tasks of all other services from being looked through.
func needsMetrics(d fleet.Definition) bool {
	o := fleet.Observation{Service: fleet.Service{TaskDefinition: d.ARN}, Definitions: map[string]fleet.Definition{d.ARN: d}}
	names, _ := churn.Restartable(o)
	_, uses, _ := churn.SignalsOf(o)
	return len(names) > 0 || uses
}

// read takes one reading. What cannot be read is a trouble that names the missing action, and leaves what was read before:
// that grows old, and then says nothing any more.
func (r *reader) read(ctx context.Context, now time.Time) {
	all := r.subjects()
	end := now.Add(-dataSettle).Truncate(time.Minute)
	r.readRestarts(ctx, slices.DeleteFunc(slices.Clone(all), func(s *subject) bool { return len(s.restarting) == 0 }), end)
	r.readSignals(ctx, slices.DeleteFunc(slices.Clone(all), func(s *subject) bool { return !s.instrument }), end)
	if ctx.Err() != nil {
		return
	}
	read := map[fleet.Key]fleet.Metrics{}
	for _, s := range all {
		read[s.key] = s.read
	}
	r.c.measured(r.t.Name, read)
}

// measured takes in one reading.
func (c *Controller) measured(target string, read map[fleet.Key]fleet.Metrics) {
	c.record(recording.Event{Metrics: &recording.Metrics{Target: target, Read: read}})
	c.view.setMetrics(target, read)
	c.enqueue(slices.SortedFunc(maps.Keys(read), fleet.Key.Compare))
}

// window is the time that one reading is of.
type window struct{ from, end time.Time }

// ask is one query with what takes its answer.
type ask struct {
	metric fleet.Metric
	take   func([]fleet.Point)
}

// ask makes all queries; nothing is taken unless all were answered.
func (r *reader) ask(ctx context.Context, w window, statistic string, asks []ask) error {
	if len(asks) == 0 {
		return nil
	}
	queries := make([]fleet.Query, len(asks))
	for i, a := range asks {
		queries[i] = fleet.Query{Metric: a.metric, Statistic: statistic}
	}
	series, err := r.t.Observer.Series(ctx, queries, w.from, w.end)
	if err != nil {
		return err
	}
	for i, a := range asks {
		a.take(series[i])
	}
	return nil
}

// untroubled ends the troubles of what nobody needs any more.
func (r *reader) untroubled(reasons ...string) {
	for _, reason := range reasons {
		r.c.settled(r.t.Name, reason)
	}
}

// highest is the highest value of all series.
func highest(series ...[]fleet.Point) float64 {
	top := 0.0
	for _, points := range series {
		for _, p := range points {
			top = max(top, p.Value)
		}
	}
	return top
}

// metricOf names a metric by pairs of dimension name and value, in the order of the names.
func metricOf(namespace, name string, pairs ...string) fleet.Metric {
	m := fleet.Metric{Namespace: namespace, Name: name}
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Dimensions = append(m.Dimensions, fleet.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	slices.SortFunc(m.Dimensions, func(x, y fleet.Dimension) int { return cmp.Compare(x.Name, y.Name) })
	return m
}
