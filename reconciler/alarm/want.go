package alarm

import (
	"fmt"
	"time"

	"taskwarden/reconciler/finding"
)

// Actions are the topics an alarm tells.
type Actions struct{ Alarm, OK []string }

// okMeans ends each description: CloudWatch's OK is no proof of health.
const okMeans = "OK may also mean that the controller stopped: see the controller-heartbeat alarm."

// runbook is where each rule id is explained.
const runbook = "Run-book: docs/runbooks.md#"

// Fleet is the fleet layout's alarms of one target, in the target's account: one multi-series alarm for each gauge. A
// series joins when its service's gauge speaks and leaves when it falls silent, so services need no alarm of their own.
//
// One datapoint of ten breaches: the gauge's first 1 raises the alarm within a period, and a minute that is lost (a
// restart of the controller, a late put) does not clear it. The finding's closing clears it within ten minutes.
func Fleet(owner, target string, a Actions) []Spec {
	return []Spec{
		gaugeAlarm(owner, target, SilentChurn, finding.SilentChurn, "ClusterName, ServiceName", a,
			"Tasks of a service stop and nobody planned it, while the service looks healthy."),
		gaugeAlarm(owner, target, SidecarCrash, finding.SidecarCrash, "ClusterName, ContainerName, ServiceName", a,
			"A sidecar's end stopped tasks of a service."),
		gaugeAlarm(owner, target, SidecarRestart, finding.SidecarRestarting, "ClusterName, ContainerName, ServiceName", a,
			"A restart policy brings a container back again and again, which no ECS API and no event shows."),
		gaugeAlarm(owner, target, TelemetryFlood, finding.TelemetryFlood, "ClusterName, ServiceName", a,
			"A service's own loop floods its telemetry."),
		gaugeAlarm(owner, target, SidecarDown, finding.SidecarDown, "ClusterName, ContainerName, ServiceName", a,
			"A sidecar is dead inside running tasks: what it did (telemetry, logs, proxying) is silently not done."),
	}
}

func gaugeAlarm(owner, target string, kind Kind, gauge, dims string, a Actions, what string) Spec {
	return Spec{
		Name: Name(owner, target, kind), Kind: kind,
		Description: fmt.Sprintf("%s Rule: %s. %s%s. %s", what, kind, runbook, kind, okMeans),
		Query: fmt.Sprintf(`SELECT MAX(%[1]s) FROM SCHEMA("%[2]s", %[3]s) GROUP BY %[3]s ORDER BY MAX() DESC`,
			gauge, Namespace, dims),
		Period: 60, EvaluationPeriods: 10, Datapoints: 1,
		Comparison: "GreaterThanOrEqualToThreshold", Threshold: 1, Missing: "notBreaching",
		AlarmActions: a.Alarm, OKActions: a.OK,
	}
}

// Own is the controller's alarms on itself, in its own account and region: the heartbeat, and each target's sweep age.
// resync is the configured wish; a target is blind when three looks in a row, and at least a quarter of an hour, failed.
func Own(owner string, targets []string, resync time.Duration, a Actions) []Spec {
	out := []Spec{{
		Name: Name(owner, "default", Heartbeat), Kind: Heartbeat,
		Description: fmt.Sprintf("The controller stopped, or cannot see all its targets. Rule: %s. %s%s.", Heartbeat, runbook, Heartbeat),
		Metric:      HeartbeatName, Dimensions: []Dimension{{"Controller", owner}}, Statistic: "Maximum",
		Period: 60, EvaluationPeriods: 5, Datapoints: 5, // before a fleet alarm's OK by silence, which takes ten
		Comparison: "LessThanThreshold", Threshold: 1, Missing: "breaching",
		AlarmActions: a.Alarm, OKActions: a.OK,
	}}
	for _, target := range targets {
		out = append(out, Spec{
			Name: Name(owner, target, TargetBlind), Kind: TargetBlind,
			Description: fmt.Sprintf("No complete look at the target %s for too long: nothing said about it is current. Rule: %s. %s%s. %s",
				target, TargetBlind, runbook, TargetBlind, okMeans),
			Metric: SweepAge, Dimensions: []Dimension{{"Controller", owner}, {"Target", target}}, Statistic: "Minimum",
			Period: 60, EvaluationPeriods: 3, Datapoints: 3,
			Comparison: "GreaterThanOrEqualToThreshold", Threshold: max(3*resync, 15*time.Minute).Seconds(), Missing: "notBreaching",
			AlarmActions: a.Alarm, OKActions: a.OK,
		})
	}
	return out
}
