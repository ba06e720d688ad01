package alarm

import (
	"time"

	"taskwarden/reconciler/finding"
)

// Metric names beside the gauges, which are named as their findings.
const (
	UnplannedStops  = "UnplannedStops"  // counter, by service
	SidecarCrashes  = "SidecarCrashes"  // counter, by container
	SidecarRestarts = "SidecarRestarts" // counter, by container
	HeartbeatName   = "Heartbeat"       // by controller
	SweepAge        = "SweepAge"        // seconds, by controller and target
)

// clearing is how long a gauge says 0 after its finding closed (CONTRACT section 5).
const clearing = 10 * time.Minute

// sentUnit is the unit of gauges and counters. An alarm that asks for another one never sees them.
const sentUnit = "Count"

// gauges are the finding types that put one, and whether it is per container.
var gauges = map[string]bool{
	finding.SilentChurn:       false,
	finding.SidecarCrash:      true,
	finding.SidecarRestarting: true,
	finding.SidecarDown:       true,
	finding.TelemetryFlood:    false,
}

// Gauges are the data that the findings put in the minute of now: 1 while a finding is open, 0 for ten minutes after it
// closed, and nothing otherwise, so that quiet services cost nothing.
func Gauges(findings []finding.Finding, now time.Time) []Datum {
	var out []Datum
	for _, f := range findings {
		perContainer, ok := gauges[f.Type]
		value, said := level(f, now)
		if !ok || !said || f.Key.Service == "" {
			continue
		}
		d := Datum{Metric: f.Type, Dimensions: ServiceDimensions(f.Key.Cluster, f.Key.Service), At: now.Truncate(time.Minute), Value: value, Unit: sentUnit}
		if perContainer {
			d.Dimensions = ContainerDimensions(f.Key.Cluster, f.Key.Service, f.Subject)
		}
		out = append(out, d)
	}
	return out
}

// Level reports whether a metric is a level, which lasts until it is said otherwise: a gauge or the heartbeat.
func Level(metric string) bool {
	_, gauge := gauges[metric]
	return gauge || metric == HeartbeatName
}

func level(f finding.Finding, now time.Time) (value float64, said bool) {
	if f.Open() {
		return 1, true
	}
	return 0, now.Sub(f.ClosedAt) < clearing
}

// ServiceDimensions are those of a service's metric.
func ServiceDimensions(cluster, service string) []Dimension {
	return []Dimension{{"ClusterName", cluster}, {"ServiceName", service}}
}

// ContainerDimensions are those of a container's metric, ordered by name.
func ContainerDimensions(cluster, service, container string) []Dimension {
	return []Dimension{{"ClusterName", cluster}, {"ContainerName", container}, {"ServiceName", service}}
}

// HeartbeatDatum says that the controller looks, and that all its looks are whole and young.
func HeartbeatDatum(controller string, now time.Time) Datum {
	return Datum{Metric: HeartbeatName, Dimensions: []Dimension{{"Controller", controller}}, At: now.Truncate(time.Minute), Value: 1, Unit: "Count"}
}

// SweepAgeDatum says how old a target's last complete sweep is.
func SweepAgeDatum(controller, target string, age time.Duration, now time.Time) Datum {
	return Datum{Metric: SweepAge, Dimensions: []Dimension{{"Controller", controller}, {"Target", target}},
		At: now.Truncate(time.Minute), Value: age.Seconds(), Unit: "Seconds"}
}
