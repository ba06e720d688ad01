package account

import (
	"slices"
	"time"
)

// What AWS itself publishes each minute: Container Insights' RestartCount, and the metrics that instrumented containers send to
// Application Signals. A minute's data are there when the minute is over.

const (
	insightsNamespace = "ECS/ContainerInsights"
	signalsNamespace  = "ApplicationSignals"
)

// publishes tells whether the scenario's world has anything to publish; where it has not, no time is spent on it.
func (s Scenario) publishes() bool {
	return slices.ContainsFunc(s.Clusters, func(c Cluster) bool {
		return c.ContainerInsights != "" && c.ContainerInsights != "disabled" || slices.ContainsFunc(c.Services, func(v Service) bool { return len(v.Signals) > 0 })
	})
}

// publish puts the minute's data and comes again when the next one is over.
func (a *Account) publish() {
	minute := a.now.Truncate(time.Minute).Add(-time.Minute)
	for _, c := range a.clusters {
		for _, s := range c.services {
			for _, t := range s.tasks {
				if t.wanted() && t.last == "RUNNING" {
					t.publishRestarts(minute)
					t.publishSignals(minute)
				}
			}
		}
	}
	a.agenda.put(a.now.Truncate(time.Minute).Add(time.Minute), a.publish)
}

// publishRestarts puts RestartCount of each container with a restart policy, in the sets of dimensions of the cluster's setting
// (CloudWatch guide, "Amazon ECS Container Insights metrics", and those with enhanced observability).
func (t *task) publishRestarts(minute time.Time) {
	s := t.service
	c := s.cluster
	for _, box := range t.containers {
		if !box.spec.restart || c.insights == "disabled" {
			continue
		}
		value := float64(box.restarted)
		if s.account.eachMinute {
			value = float64(box.restarted - box.published)
		}
		box.published = box.restarted
		family := t.def.family
		for _, dims := range restartDimensions(c.insights) {
			all := map[string]string{"ClusterName": c.name, "ServiceName": s.Name, "TaskDefinitionFamily": family, "TaskId": t.id, "ContainerName": box.spec.name}
			named := map[string]string{}
			for _, name := range dims {
				named[name] = all[name]
			}
			s.account.metrics.Publish(insightsNamespace, "RestartCount", named, minute, "Count", value, 1)
		}
	}
}

func restartDimensions(insights string) [][]string {
	out := [][]string{{"ClusterName"}, {"ClusterName", "ServiceName"}, {"ClusterName", "TaskDefinitionFamily"}}
	if insights != "enhanced" {
		return out
	}
	for _, by := range []string{"ServiceName", "TaskDefinitionFamily"} {
		out = append(out, []string{"ClusterName", by, "TaskId"}, []string{"ClusterName", by, "ContainerName"}, []string{"ClusterName", by, "TaskId", "ContainerName"})
	}
	return out
}

// publishSignals puts Latency, whose SampleCount is the number of requests, by operation, by service, and by dependency.
func (t *task) publishSignals(minute time.Time) {
	s := t.service
	for _, g := range s.Signals {
		if !(Case{When: g.When}).matches(t.def.env) || g.PerMinute <= 0 {
			continue
		}
		name := map[string]string{"Environment": g.Environment, "Service": g.Service}
		put := func(more map[string]string) {
			for k, v := range name {
				more[k] = v
			}
			s.account.metrics.Publish(signalsNamespace, "Latency", more, minute, "Milliseconds", g.Latency, float64(g.PerMinute))
		}
		put(map[string]string{})
		put(map[string]string{"Operation": g.Operation})
		if g.RemoteService != "" {
			put(map[string]string{"Operation": g.Operation, "RemoteService": g.RemoteService, "RemoteOperation": g.RemoteOperation})
			put(map[string]string{"RemoteService": g.RemoteService})
		}
	}
}
