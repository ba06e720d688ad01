package fleet

import "time"

// Dimension is one name and value of a CloudWatch metric's identity.
type Dimension struct{ Name, Value string }

// Metric is one CloudWatch metric: exactly these dimensions, ordered by name, make its identity.
type Metric struct {
	Namespace  string
	Name       string
	Dimensions []Dimension
}

// Value is the value of the dimension of that name, or "".
func (m Metric) Value(dimension string) string {
	for _, d := range m.Dimensions {
		if d.Name == dimension {
			return d.Value
		}
	}
	return ""
}

// Query asks for one statistic of a metric, period by period.
type Query struct {
	Metric
	Statistic string        // CloudWatch's own: Maximum, SampleCount, …
	Period    time.Duration // 0: a minute
}

// Point is a statistic of one period.
type Point struct {
	At    time.Time // the period's beginning
	Value float64
}

// Metrics is what CloudWatch says of one service, read behind the looks: each part has its own age and wholeness.
type Metrics struct {
	Restarts RestartCounts
	Signals  SignalCounts
}

// Values of the cluster setting containerInsights (ClusterSetting in the ECS API reference). Only with enhanced are there
// metrics of one task and one container.
const (
	InsightsOff      = "disabled"
	InsightsStandard = "enabled"
	InsightsEnhanced = "enhanced"
)

// RestartCounts is Container Insights' RestartCount of a service's containers.
type RestartCounts struct {
	Seen               // At: the end of the time read; Complete: all of it was read, and the cluster has data
	From     time.Time // its beginning
	Insights string    // the cluster's setting; "": it could not be read
	Absent   time.Time // since when lists of metrics lack the service's containers; zero: not known to
	Highest  float64   // the service's highest value in that time, where the setting is enabled
	Series   []RestartSeries
	Missing  string // why it was not read
}

// RestartSeries is the metric of one container of one task: a datum each minute, its Maximum. One that is not among a
// service's series had no value above 0.
type RestartSeries struct {
	Container string
	Task      string // the task's id
	Points    []Point
}

// SignalCounts is how many requests Application Signals counted of a service: the SampleCount of its metric Latency.
type SignalCounts struct {
	Seen                  // At: the end of the time read; Complete: all of that time was read
	From        time.Time // its beginning
	Service     string    // as Application Signals names it
	Environment string
	Internal    []Point      // of the operation InternalOperation; a minute without a point had no request
	All         []Point      // of all operations; read only where Internal is of weight
	Remote      []RemoteCall // what InternalOperation calls, most first
	Absent      time.Time    // since when lists of metrics lack the service; zero: it was found
	Missing     string       // why it was not read
}

// RemoteCall is one dependency that an operation calls.
type RemoteCall struct {
	Service   string
	Operation string
	Count     float64 // in the time read
}
