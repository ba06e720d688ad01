package alarm

import (
	"slices"
	"strings"
)

// Failure is one way in which a service fails, and which an alarm ought to tell. Those that a gauge tells are named as
// their alarm's kind.
type Failure string

// Failures, in the order in which they are listed.
const (
	ChurnFailure   Failure = "silent-churn"
	CrashFailure   Failure = "sidecar-crash"
	RestartFailure Failure = "sidecar-restart"
	DownFailure    Failure = "sidecar-down"
	FloodFailure   Failure = "telemetry-flood"
	NoTask         Failure = "no-running-task"
	UnhealthyHosts Failure = "unhealthy-targets"
	FailedDeploy   Failure = "failed-deployment"
)

// Failures are all of them.
func Failures() []Failure {
	return []Failure{ChurnFailure, CrashFailure, RestartFailure, DownFailure, FloodFailure, NoTask, UnhealthyHosts, FailedDeploy}
}

// reason is the failure as a finding's code: SilentChurn.
func (f Failure) reason() string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(f), "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// Remedy is what gives a failure an alarm.
func (f Failure) Remedy() string {
	switch f {
	case NoTask:
		return "alarm on ECS/ContainerInsights RunningTaskCount below 1 whose missing data breach"
	case UnhealthyHosts:
		return "alarm on UnHealthyHostCount of each target group"
	case FailedDeploy:
		return "no metric tells it: an EventBridge rule on SERVICE_DEPLOYMENT_FAILED does, and rules are not read"
	}
	return "alarms.mode ensure puts the alarm " + string(f)
}

// What a signal's value does when the failure happens.
const (
	rises = true
	falls = false
)

// signal is a metric that says something of a failure.
type signal struct {
	failure    Failure
	namespace  string
	metric     string
	dimensions []string // ordered; the exact set
	rises      bool     // otherwise it falls
	quiet      float64  // its value while all is well: one that breaches already then tells nothing
	failed     float64  // its value when the failure happens; for counts, after enough of them
	doubt      string   // why it may miss the failure; "": it does not
}

// Namespaces of AWS's own metrics that concern a service.
const (
	ecsSpace      = "AWS/ECS"
	insightsSpace = "ECS/ContainerInsights"
	albSpace      = "AWS/ApplicationELB"
	nlbSpace      = "AWS/NetworkELB"
)

var (
	byService   = []string{"ClusterName", "ServiceName"}
	byContainer = []string{"ClusterName", "ContainerName", "ServiceName"}
	byGroup     = []string{"LoadBalancer", "TargetGroup"}
)

// many is a count that any sensible threshold is below.
const many = 1e9

// signals are all metrics that tell of a failure, or seem to. Sources: CONTRACT section 5 for our own; CloudWatch user
// guide, "Amazon ECS Container Insights (enhanced) metrics"; ELB user guides, "CloudWatch metrics".
var signals = []signal{
	{ChurnFailure, Namespace, "SilentChurn", byService, rises, 0, 1, ""},
	{ChurnFailure, Namespace, "UnplannedStops", byService, rises, 0, many, ""},
	{ChurnFailure, insightsSpace, "RunningTaskCount", byService, falls, many, 0, "a task that is replaced within a period may not show in RunningTaskCount"},
	{CrashFailure, Namespace, "SidecarCrash", byContainer, rises, 0, 1, ""},
	{CrashFailure, Namespace, "SidecarCrashes", byContainer, rises, 0, many, ""},
	{RestartFailure, Namespace, "SidecarRestarting", byContainer, rises, 0, 1, ""},
	{RestartFailure, Namespace, "SidecarRestarts", byContainer, rises, 0, many, ""},
	{RestartFailure, insightsSpace, "RestartCount", byService, rises, 0, many, ""},
	{RestartFailure, insightsSpace, "RestartCount", byContainer, rises, 0, many, ""},
	{DownFailure, Namespace, "SidecarDown", byContainer, rises, 0, 1, ""},
	{DownFailure, insightsSpace, "UnHealthyContainerHealthStatus", byContainer, rises, 0, many, "it is sent only for containers with a health check"},
	{FloodFailure, Namespace, "TelemetryFlood", byService, rises, 0, 1, ""},
	{NoTask, insightsSpace, "RunningTaskCount", byService, falls, many, 0, ""},
	{UnhealthyHosts, albSpace, "UnHealthyHostCount", byGroup, rises, 0, many, ""},
	{UnhealthyHosts, albSpace, "HealthyHostCount", byGroup, falls, many, 0, "it tells only of the last healthy targets"},
	{UnhealthyHosts, nlbSpace, "UnHealthyHostCount", byGroup, rises, 0, many, ""},
	{UnhealthyHosts, nlbSpace, "HealthyHostCount", byGroup, falls, many, 0, "it tells only of the last healthy targets"},
	{FailedDeploy, insightsSpace, "DeploymentCount", byService, rises, 1, many, "DeploymentCount tells that a deployment lasts, not that it failed"},
}

// Place is one service, with what its alarms are known by.
type Place struct {
	Cluster, Service string
	TargetGroups     []string          // "targetgroup/name/id", as the dimension TargetGroup has it
	LogGroups        []string          // that its containers write to; nil: not known
	Seen             map[Kind][]string // by kind, the containers with a finding; "" for a kind that is of the whole service
	Churns           bool              // a finding of it is open that a gauge tells
}

// applies reports whether the service can fail so at all.
func (p Place) applies(f Failure) bool { return f != UnhealthyHosts || len(p.TargetGroups) > 0 }

// series are the metrics of a signal at a place. A container that nothing was seen of has the value "": any.
func (s signal) series(p Place) []Series {
	of := func(dims ...Dimension) Series { return Series{s.namespace, s.metric, dims} }
	cluster, service := Dimension{"ClusterName", p.Cluster}, Dimension{"ServiceName", p.Service}
	switch {
	case slices.Equal(s.dimensions, byService):
		return []Series{of(cluster, service)}
	case slices.Equal(s.dimensions, byContainer):
		containers := p.Seen[Kind(s.failure)]
		if len(containers) == 0 {
			containers = []string{""}
		}
		var out []Series
		for _, c := range containers {
			out = append(out, of(cluster, Dimension{"ContainerName", c}, service))
		}
		return out
	}
	var out []Series
	for _, g := range p.TargetGroups {
		out = append(out, of(Dimension{"LoadBalancer", ""}, Dimension{"TargetGroup", g}))
	}
	return out
}
