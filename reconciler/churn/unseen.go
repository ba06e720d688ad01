package churn

import (
	"fmt"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Reasons of Unobservable that concern one service. They are its subjects too, as those of a target are.
const (
	restartsUnseen = "RestartsUnseen"
	signalsUnseen  = "SignalsUnseen"
)

// listedAfter is how long lists may lack a new metric before that means something: it takes up to 15 minutes to be listed
// (PutMetricData in the CloudWatch API reference).
const listedAfter = 45 * time.Minute

func unseen(reason, message string, evidence ...string) []finding.Claim {
	return []finding.Claim{{Type: finding.Unobservable, Subject: reason, Severity: finding.Info, Reason: reason, Message: message, Evidence: evidence}}
}

// restartsUnseen claims that restarts under a restart policy show nowhere: a task whose container is restarted goes on, with
// no event, no status and no exit code of it.
func (c court) restartsUnseen(names []string) []finding.Claim {
	is := c.o.Metrics.Restarts
	if len(names) == 0 || is.At.IsZero() {
		return nil
	}
	head := fmt.Sprintf("container(s) %s have a restart policy, and nobody can see it restart them: ", Mask(strings.Join(names, ", ")))
	switch {
	case is.Insights == fleet.InsightsEnhanced && c.lacks(is.Absent):
		return unseen(restartsUnseen, head+"Container Insights is enhanced on the cluster, and has no RestartCount of them",
			"what would change it: on EC2, container agent 1.86.0 or newer; on Fargate, tasks started after enhanced was set",
			insteadOfRestarts)
	case is.Insights == fleet.InsightsEnhanced || is.Insights == "" && !c.lacks(is.Absent):
		return nil
	case is.Insights == fleet.InsightsStandard:
		return unseen(restartsUnseen, head+"Container Insights counts restarts of this cluster by service alone (setting enabled, not enhanced)",
			fmt.Sprintf("highest RestartCount of the service from %s to %s: %s", clockOf(is.From), clockOf(is.At), number(is.Highest)),
			enableEnhanced(c.o.Key.Cluster), insteadOfRestarts)
	case is.Insights == "":
		return unseen(restartsUnseen, head+"the cluster's setting cannot be read, and CloudWatch has no RestartCount of them",
			enableEnhanced(c.o.Key.Cluster), insteadOfRestarts)
	}
	return unseen(restartsUnseen, head+"Container Insights is "+Mask(is.Insights)+" on the cluster",
		enableEnhanced(c.o.Key.Cluster), "cheaper: the setting enabled counts restarts by service, without the container", insteadOfRestarts)
}

// signalsAbsent claims that Application Signals is switched on and counts nothing of the service.
func signalsAbsent(is fleet.SignalCounts) []finding.Claim {
	sought := "no service.name is set where it can be seen"
	if is.Service != "" {
		sought = "looked for the service " + Mask(is.Service)
	}
	return unseen(signalsUnseen, "Application Signals is enabled in the task definition, and CloudWatch has no InternalOperation or other operation of the service: "+
		"either nothing arrives, or the names differ", sought,
		"what would change it: service.name in OTEL_RESOURCE_ATTRIBUTES, or OTEL_SERVICE_NAME; what the agent's log says of its exporter")
}

// lacks tells whether lists have lacked something for long enough, and the service has run for as long.
func (c court) lacks(since time.Time) bool {
	if since.IsZero() || c.now.Sub(since) < listedAfter {
		return false
	}
	for _, t := range c.o.Tasks {
		if t.LastStatus == fleet.StatusRunning && !t.StartedAt.IsZero() && c.o.At.Sub(t.StartedAt) >= listedAfter {
			return true
		}
	}
	return false
}

func clockOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// enableEnhanced has the price of docs/metrics.md.
func enableEnhanced(cluster string) string {
	return "to see them: aws ecs update-cluster-settings --cluster " + cluster + " --settings name=containerInsights,value=enhanced" +
		" (about $0.07 a metric and month; a task of one service has been billed as 157 metrics, about $11 a month)"
}

const insteadOfRestarts = "without it: the container's start line comes again in its log stream; or take the policy away, so that its end stops the task (essential) or shows as SidecarDown (not essential)"
