// Package alarm says which CloudWatch alarms and data a target ought to have, and what to do about those it has.
//
// Alarms watch gauges: a finding that is open puts a 1 each minute, so an alarm's state follows a stored conclusion and
// not the arithmetic of a metric (docs/decisions.md). Everything here is pure; package cloud makes the calls.
package alarm

import (
	"strings"
	"time"
)

// Namespace of everything this product puts.
const Namespace = "TaskWarden"

// Tags on the alarms it creates (CONTRACT section 1).
const (
	OwnerTag = "taskwarden:owner" // the controller id
	SpecTag  = "taskwarden:spec"  // Spec.Hash of the wanted state
)

// Kind is one sort of alarm; the name's last fixed part.
type Kind string

// Kinds whose gauges exist.
const (
	SilentChurn    Kind = "silent-churn"
	SidecarCrash   Kind = "sidecar-crash"
	SidecarRestart Kind = "sidecar-restart"
	SidecarDown    Kind = "sidecar-down"
	TelemetryFlood Kind = "telemetry-flood"
	TargetBlind    Kind = "target-blind"
	Heartbeat      Kind = "controller-heartbeat"
)

// Dimension of a metric.
type Dimension struct{ Name, Value string }

// Datum is one value for one metric, dimensions and time.
type Datum struct {
	Metric     string
	Dimensions []Dimension // ordered by name
	At         time.Time
	Value      float64
	Unit       string // CloudWatch's StandardUnit: Count, None, Seconds
}

// Series is one metric: a namespace, a name, and dimensions ordered by name.
type Series struct {
	Namespace, Metric string
	Dimensions        []Dimension
}

// String is the series as CloudWatch's console writes it.
func (s Series) String() string {
	if len(s.Dimensions) == 0 {
		return s.Namespace + " " + s.Metric
	}
	dims := make([]string, len(s.Dimensions))
	for i, d := range s.Dimensions {
		dims[i] = d.Name + "=" + d.Value
	}
	return s.Namespace + " " + s.Metric + " {" + strings.Join(dims, ", ") + "}"
}

// Spec is a wanted alarm, in CloudWatch's own nouns. Either Metric or Query is set.
//
// Its last fields are never wanted. People own them (docs/alarms.md has who owns which setting), and a repair, which has to
// send the whole alarm, sends them as they are.
type Spec struct {
	Name              string
	Kind              Kind
	Cluster, Service  string // whose it is; "" for one that serves a whole target, or a cluster
	Description       string
	Metric            string // of Namespace, with Dimensions and Statistic
	Dimensions        []Dimension
	Statistic         string
	Query             string // Metrics Insights
	Period            int    // seconds
	EvaluationPeriods int
	Datapoints        int // M of N
	Comparison        string
	Threshold         float64
	Missing           string // TreatMissingData
	AlarmActions      []string
	OKActions         []string

	InsufficientActions []string // for INSUFFICIENT_DATA
	ActionsDisabled     bool
	Label               string // of the query
	TagsSent            *TagsSent
}

// TagsSent says which of the alarm's tags its notifications carry.
type TagsSent struct {
	Enabled         bool
	Include, Except []string // at most one of them is set; neither: all tags
}

// Type is one of CloudWatch's types of alarms. A name is unique over all of them.
type Type string

// Types.
const (
	MetricType    Type = "" // PromQL alarms are of this type too
	CompositeType Type = "composite"
	LogType       Type = "log"
)

// LogQuery is what a log alarm runs.
type LogQuery struct {
	Text   string   // CloudWatch Logs Insights
	Groups []string // names or ARNs of log groups; none: the text names them
}

// Setting is a setting of an alarm that this product never makes, and that changes when the alarm fires.
type Setting struct{ Name, Value string }

// Names of settings.
const (
	UnitSetting       = "unit"
	WindowSetting     = "evaluation window"
	WarmUpSetting     = "warm-up"
	LowSamplesSetting = "low-sample percentile"
)

// EvaluationError is the state of an alarm's evaluation when its own settings keep it from being evaluated, as a role that
// may not run the query (CloudWatch API, EvaluationState).
const EvaluationError = "EVALUATION_ERROR"

// Have is an alarm as DescribeAlarms answered it.
type Have struct {
	Spec        // Kind, Cluster and Service are not known to CloudWatch and stay empty
	ARN         string
	Type        Type
	Namespace   string // of Metric
	State       string // OK, ALARM, INSUFFICIENT_DATA
	StateReason string
	StateSince  time.Time
	Evaluation  string            // "", PARTIAL_DATA, EVALUATION_FAILURE (it passes) or EvaluationError
	Tags        map[string]string // nil: not read; CloudWatch tells them apart from alarms
	Settings    []Setting         // that ours never have
	Foreign     bool              // of a shape this product never makes: another type, PromQL, metric math, anomaly detection
	Math        []Term            // of a metric math alarm
	Rule        string            // of a composite alarm
	PromQL      string            // of a PromQL alarm
	Unknown     bool              // what it watches is said in a way that this version does not know
	Logs        LogQuery          // of a log alarm
}

// shape names what sort of alarm it is, for messages.
func (h Have) shape() string {
	switch {
	case h.Type != MetricType:
		return string(h.Type) + " alarm"
	case h.PromQL != "":
		return "PromQL alarm"
	case h.Foreign: // Unknown too
		return "metric alarm of a shape that this product never makes"
	}
	return "metric alarm"
}

// opaque reports whether what the alarm watches cannot be judged as a metric can.
func (h Have) opaque() bool { return h.Type == LogType || h.PromQL != "" || h.Unknown }

// setting is the value of a setting that ours never have; "" where the alarm does not have it either.
func (h Have) setting(name string) string {
	for _, s := range h.Settings {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}

// Term is one entry of a metric math alarm: a metric, or an expression over other entries.
type Term struct {
	ID         string
	Series     Series // zero for an expression
	Statistic  string
	Expression string
	Returned   bool // it is what the threshold is held against
}

// series is the one metric that the alarm watches; false where it watches anything else.
func (h Have) series() (Series, bool) {
	return Series{h.Namespace, h.Metric, h.Dimensions}, h.Metric != ""
}

// breaches reports whether a value is beyond the threshold. known is false for comparisons with a band.
func (h Have) breaches(v float64) (is, known bool) {
	switch h.Comparison {
	case "GreaterThanOrEqualToThreshold":
		return v >= h.Threshold, true
	case "GreaterThanThreshold":
		return v > h.Threshold, true
	case "LessThanThreshold":
		return v < h.Threshold, true
	case "LessThanOrEqualToThreshold":
		return v <= h.Threshold, true
	}
	return false, false
}
