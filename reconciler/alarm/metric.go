package alarm

import (
	"cmp"
	"slices"
	"strings"
)

// metric is what is known of a metric that alarms on services are made of.
type metric struct {
	dimensions [][]string // the sets it is sent with, each ordered; nil: not known
	bad        direction
	percent    bool // of something that has a limit
	stops      bool // no data while the service has no running task
	sparse     bool // sent only when something happens: no data proves nothing
}

// direction is on which side of a metric the trouble is.
type direction int8

const (
	neither direction = iota
	high
	low
)

var (
	ofCluster  = []string{"ClusterName"}
	ofZone     = []string{"AvailabilityZone", "LoadBalancer", "TargetGroup"}
	usage      = metric{bad: high, percent: true, stops: true}
	clusterUse = metric{bad: high, percent: true, dimensions: [][]string{ofCluster}}
	serviceUse = metric{bad: high, percent: true, stops: true, dimensions: [][]string{ofCluster, byService}}
	perService = metric{stops: true, dimensions: [][]string{byService}}
	hosts      = [][]string{byGroup, ofZone}
	gauge      = metric{bad: high, sparse: true}
)

// metrics are AWS's that concern a service, and our own, by namespace. Sources: ECS developer guide, "available-metrics"
// ("if a service has no running tasks, no metrics will be reported"); CloudWatch user guide, "Container-Insights-metrics-ECS",
// "Container-Insights-enhanced-observability-metrics-ECS" and "Best_Practice_Recommended_Alarms_AWS_Services"; ELB user
// guides, "load-balancer-cloudwatch-metrics"; CONTRACT section 5.
var metrics = map[string]map[string]metric{
	ecsSpace: {
		"CPUUtilization": serviceUse, "MemoryUtilization": serviceUse, "CPUReservation": clusterUse, "MemoryReservation": clusterUse,
		"EBSFilesystemUtilization": usage, "HTTPCode_Target_5XX_Count": {bad: high, sparse: true}, "TargetResponseTime": {bad: high, sparse: true},
	},
	insightsSpace: {
		"RunningTaskCount": {bad: low, stops: true, dimensions: [][]string{byService}},
		"DesiredTaskCount": perService, "PendingTaskCount": perService, "DeploymentCount": perService,
		"RestartCount": {bad: high, sparse: true}, "UnHealthyContainerHealthStatus": {bad: high, sparse: true},
		"TaskCpuUtilization": usage, "TaskMemoryUtilization": usage, "TaskEphemeralStorageUtilization": usage, "TaskEBSFilesystemUtilization": usage,
		"ContainerCpuUtilization": usage, "ContainerCPUUtilization": usage, "ContainerMemoryUtilization": usage,
	},
	albSpace: {"HealthyHostCount": {bad: low, stops: true, dimensions: hosts}, "UnHealthyHostCount": {bad: high, dimensions: hosts}},
	nlbSpace: {"HealthyHostCount": {bad: low, stops: true, dimensions: hosts}, "UnHealthyHostCount": {bad: high, dimensions: hosts}},
	Namespace: {
		"SilentChurn": gauge, "SidecarCrash": gauge, "SidecarRestarting": gauge, "SidecarDown": gauge, "TelemetryFlood": gauge,
		"UnplannedStops": gauge, "SidecarCrashes": gauge, "SidecarRestarts": gauge,
		HeartbeatName: {bad: low, stops: true, dimensions: [][]string{{"Controller"}}},
		SweepAge:      {bad: high, dimensions: [][]string{{"Controller", "Target"}}},
	},
}

// names are the dimensions' names, ordered.
func (s Series) names() []string {
	out := make([]string, len(s.Dimensions))
	for i, d := range s.Dimensions {
		out[i] = d.Name
	}
	slices.Sort(out)
	return out
}

// value is a dimension's; "" where the series has none of the name.
func (s Series) value(name string) string {
	for _, d := range s.Dimensions {
		if d.Name == name {
			return d.Value
		}
	}
	return ""
}

// misplaced says what is wrong with a series that can have no data by what is known of its metric; reason is "" where
// nothing is.
func (s Series) misplaced() (reason, why string) {
	space, ours := metrics[s.Namespace]
	if !ours {
		return "", ""
	}
	m, known := space[s.Metric]
	if !known {
		for _, other := range []string{ecsSpace, insightsSpace, albSpace, Namespace} {
			if _, there := metrics[other][s.Metric]; there {
				return WrongNamespace, s.Metric + " is a metric of " + other + ", not of " + s.Namespace
			}
		}
		return "", ""
	}
	has := func(set []string) bool { return slices.Equal(set, s.names()) }
	if m.dimensions == nil || slices.ContainsFunc(m.dimensions, has) {
		return "", ""
	}
	var sets []string
	for _, set := range m.dimensions {
		sets = append(sets, strings.Join(set, ", "))
	}
	return WrongDimensions, s.Namespace + " " + s.Metric + " is sent with " + strings.Join(sets, ", or with ") + ", not with " +
		cmp.Or(strings.Join(s.names(), ", "), "none")
}
