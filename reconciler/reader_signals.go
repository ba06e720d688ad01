package reconciler

import (
	"cmp"
	"context"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// Of Application Signals one metric of a service is read, the requests of InternalOperation, and the others (all operations,
// what the loop calls) only where those are of weight.

const (
	signalsNamespace = "ApplicationSignals"
	latency          = "Latency" // whose SampleCount is the number of requests
	requests         = "SampleCount"
	// lookUpEvery is how often a service without InternalOperation is looked up by its name.
	lookUpEvery = 6 * time.Hour
	// dependencies is how many of a service's dependency metrics are read.
	dependencies = 20
)

// signalLists are what lists of Application Signals' metrics showed, by its service names. A name once shown is kept for a
// day: a list that lacks it may not be whole, and a quiet operation is not listed.
type signalLists struct {
	at     time.Time
	loops  map[string]loops
	plain  map[string]time.Time // found without InternalOperation, and when
	absent map[string]time.Time // not found, and since when
}

// loops are the metrics of one service's InternalOperation.
type loops struct {
	at           time.Time
	environments []string
	remote       []fleet.Metric // its dependencies
}

func newSignalLists() signalLists {
	return signalLists{loops: map[string]loops{}, plain: map[string]time.Time{}, absent: map[string]time.Time{}}
}

func (r *reader) readSignals(ctx context.Context, services []*subject, end time.Time) {
	if len(services) == 0 {
		r.untroubled("SignalsUnlisted", "SignalsUnreadable")
		return
	}
	now := r.c.now()
	err := r.listLoops(ctx, now)
	for _, s := range services {
		if err == nil {
			err = r.lookUp(ctx, s.signals.Service, now)
		}
	}
	r.c.outcome(r.t.Name, "SignalsUnlisted", "the metrics of Application Signals cannot be listed, so floods of telemetry stay unseen", err)
	err = r.countSignals(ctx, services, window{end.Add(-churn.MetricsEvery), end})
	r.c.outcome(r.t.Name, "SignalsUnreadable", "the metrics of Application Signals cannot be read, so floods of telemetry stay unseen", err)
	for _, s := range services {
		if err != nil {
			s.read.Signals.Missing = err.Error()
		}
	}
}

func (r *reader) listLoops(ctx context.Context, now time.Time) error {
	if now.Sub(r.found.at) < listEvery {
		return nil
	}
	metrics, err := r.t.Observer.Metrics(ctx, metricOf(signalsNamespace, latency, "Operation", churn.InternalOperation))
	if err != nil {
		return err
	}
	r.found.at = now
	fresh := map[string]loops{}
	for _, m := range metrics {
		name, environment := m.Value("Service"), m.Value("Environment")
		l := fresh[name]
		switch remote := m.Value("RemoteService") != "" && m.Value("RemoteOperation") != ""; {
		case environment == "" || len(m.Dimensions) != 3 && !(remote && len(m.Dimensions) == 5):
			continue // other sets of dimensions count the same requests again
		case remote:
			l.remote = append(l.remote, m)
		default:
			l.environments = append(l.environments, environment)
		}
		l.at = now
		fresh[name] = l
	}
	for name, l := range fresh {
		r.found.loops[name] = l
	}
	for name, l := range r.found.loops {
		if now.Sub(l.at) >= furthest {
			delete(r.found.loops, name)
		}
	}
	return nil
}

// lookUp finds out whether CloudWatch has any metric of a service without InternalOperation.
func (r *reader) lookUp(ctx context.Context, name string, now time.Time) error {
	if _, loops := r.found.loops[name]; loops {
		delete(r.found.absent, name)
		return nil
	}
	if now.Sub(r.found.plain[name]) < lookUpEvery {
		return nil
	}
	var metrics []fleet.Metric
	if name != "" {
		var err error
		if metrics, err = r.t.Observer.Metrics(ctx, metricOf(signalsNamespace, latency, "Service", name)); err != nil {
			return err
		}
	}
	if len(metrics) > 0 {
		r.found.plain[name] = now
		delete(r.found.absent, name)
	} else if _, known := r.found.absent[name]; !known {
		r.found.absent[name] = now
	}
	return nil
}

// countSignals reads all services, or gives an error and changes none.
func (r *reader) countSignals(ctx context.Context, services []*subject, w window) error {
	counts := make([]fleet.SignalCounts, len(services))
	var internal, more []ask
	for i, s := range services {
		is := &counts[i]
		*is = r.signalsOf(s.signals, w)
		if _, looping := r.found.loops[is.Service]; looping && is.Complete {
			internal = append(internal, ask{signalMetric(*is, "Operation", churn.InternalOperation), func(p []fleet.Point) { is.Internal = p }})
		}
	}
	if err := r.ask(ctx, w, requests, internal); err != nil {
		return err
	}
	for i, s := range services {
		is := &counts[i]
		if len(is.Internal) == 0 || !churn.FloodWorth(r.c.view.observe(s.key), is.Internal) {
			continue
		}
		more = append(more, ask{signalMetric(*is), func(p []fleet.Point) { is.All = p }})
		for _, m := range r.found.loops[is.Service].calls(is.Environment) {
			more = append(more, ask{m, func(p []fleet.Point) {
				is.Remote = append(is.Remote, fleet.RemoteCall{Service: m.Value("RemoteService"), Operation: m.Value("RemoteOperation"), Count: churn.SumOf(p)})
			}})
		}
	}
	if err := r.ask(ctx, w, requests, more); err != nil {
		return err
	}
	for i, s := range services {
		slices.SortStableFunc(counts[i].Remote, func(x, y fleet.RemoteCall) int { return cmp.Compare(y.Count, x.Count) })
		s.read.Signals = counts[i]
	}
	return nil
}

// signalsOf is a service's reading before its metrics are read: complete where its name is known to CloudWatch.
func (r *reader) signalsOf(name churn.SignalName, w window) fleet.SignalCounts {
	l, looping := r.found.loops[name.Service]
	_, plain := r.found.plain[name.Service]
	is := fleet.SignalCounts{Seen: fleet.Seen{At: w.end}, From: w.from, Service: name.Service, Absent: r.found.absent[name.Service]}
	if is.Environment = name.Environment(l.environments); looping && is.Environment == "" && is.Absent.IsZero() {
		is.Absent = l.at // it is some other environment's service of that name
	}
	is.Complete = is.Absent.IsZero() && (looping || plain)
	return is
}

func signalMetric(is fleet.SignalCounts, more ...string) fleet.Metric {
	return metricOf(signalsNamespace, latency, append([]string{"Environment", is.Environment, "Service", is.Service}, more...)...)
}

// calls are the dependency metrics of one environment, as many as are read.
func (l loops) calls(environment string) []fleet.Metric {
	all := slices.DeleteFunc(slices.Clone(l.remote), func(m fleet.Metric) bool { return m.Value("Environment") != environment })
	return all[:min(len(all), dependencies)]
}
