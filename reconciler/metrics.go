package reconciler

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// metrics are what /metrics shows of the loop; names carry the prefix taskwarden_.
type metrics struct {
	sweeps      *prometheus.CounterVec // by target and result
	sweepTime   *prometheus.GaugeVec   // seconds the last sweep took
	sweepCalls  *prometheus.GaugeVec
	complete    *prometheus.GaugeVec // Unix time of the last complete sweep
	resync      *prometheus.GaugeVec // seconds between looks, the effective interval
	stops       *prometheus.CounterVec
	open        *prometheus.GaugeVec
	data        prometheus.Counter
	passSeconds prometheus.Histogram
	passErrors  prometheus.Counter
	rollouts    *prometheus.GaugeVec // by phase, or outcome once it ended
}

func newMetrics(r prometheus.Registerer) *metrics {
	vec := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "taskwarden", Name: name, Help: help}, labels)
	}
	counts := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "taskwarden", Name: name, Help: help}, labels)
	}
	m := &metrics{
		sweeps:     counts("sweeps_total", "Looks at a target, by whether they were complete.", "target", "result"),
		sweepTime:  vec("sweep_seconds", "How long the last look at a target took.", "target"),
		sweepCalls: vec("sweep_calls", "API calls of the last look at a target, retries included.", "target"),
		complete:   vec("sweep_last_complete_timestamp_seconds", "When the last complete look at a target began.", "target"),
		resync:     vec("resync_effective_seconds", "The interval between looks: the wished one, or what the budget allows.", "target"),
		stops:      counts("stops_recorded_total", "Stopped tasks recorded, by whether somebody planned it and why.", "planned", "cause"),
		open:       vec("findings_open", "Open findings.", "target", "type", "severity"),
		data:       prometheus.NewCounter(prometheus.CounterOpts{Namespace: "taskwarden", Name: "metric_data_put_total", Help: "Metric data accepted by CloudWatch."}),
		passSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "taskwarden", Name: "pass_seconds", Help: "How long passes take.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10)}),
		passErrors: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "taskwarden", Name: "pass_errors_total", Help: "Passes that failed and were queued again."}),
		rollouts:   vec("rollouts", "Rollouts that are kept, by their phase while they live, then by their outcome.", "state"),
	}
	if r != nil {
		r.MustRegister(m.sweeps, m.sweepTime, m.sweepCalls, m.complete, m.resync, m.stops, m.open, m.data, m.passSeconds, m.passErrors, m.rollouts)
	}
	return m
}

func (m *metrics) swept(target string, s fleet.Sweep, every time.Duration) {
	result := "complete"
	if !s.Complete {
		result = "partial"
	} else {
		m.complete.WithLabelValues(target).Set(float64(s.At.Unix()))
	}
	m.sweeps.WithLabelValues(target, result).Inc()
	m.sweepTime.WithLabelValues(target).Set(s.Took.Seconds())
	m.sweepCalls.WithLabelValues(target).Set(float64(s.Calls))
	m.resync.WithLabelValues(target).Set(every.Seconds())
}

func (m *metrics) rolledOut(all []rollout.Rollout) {
	m.rollouts.Reset()
	for _, r := range all {
		m.rollouts.WithLabelValues(stateOf(r)).Inc()
	}
}

func (m *metrics) stop(v churn.Verdict) {
	planned := "false"
	if v.Planned {
		planned = "true"
	}
	m.stops.WithLabelValues(planned, string(v.Cause)).Inc()
}

func (m *metrics) findings(target string, all []finding.Finding) {
	m.open.DeletePartialMatch(prometheus.Labels{"target": target})
	for _, f := range all {
		if f.Open() {
			m.open.WithLabelValues(target, f.Type, string(f.Severity)).Inc()
		}
	}
}
