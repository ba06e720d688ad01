// Package alarm says which CloudWatch alarms and data a target ought to have, and what to do about those it has.
//
// Alarms watch gauges: a finding that is open puts a 1 each minute, so an alarm's state follows a stored conclusion and
// not the arithmetic of a metric (docs/decisions.md). Everything here is pure; package cloud makes the calls.
package alarm

import "time"

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
	out := s.Namespace + " " + s.Metric
	for i, d := range s.Dimensions {
		out += cond(i == 0, " {", ", ") + d.Name + "=" + d.Value
	}
	return out + cond(len(s.Dimensions) > 0, "}", "")
}

func cond(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// Spec is a wanted alarm, in CloudWatch's own nouns. Either Metric or Query is set.
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
	ActionsDisabled   bool // never wanted; a person's choice that a repair keeps
}

// Have is an alarm as DescribeAlarms answered it.
type Have struct {
	Spec                // Kind, Cluster and Service are not known to CloudWatch and stay empty
	ARN                 string
	Namespace           string // of Metric
	State               string // OK, ALARM, INSUFFICIENT_DATA
	StateReason         string
	StateSince          time.Time
	Tags                map[string]string // nil: not read; CloudWatch tells them apart from alarms
	Foreign             bool              // of a shape this product never makes (composite, metric math, anomaly detection)
	Math                []Term            // of a metric math alarm
	Rule                string            // of a composite alarm
	InsufficientActions []string
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

// breaches tells whether a value is beyond the threshold. known is false for comparisons with a band.
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
