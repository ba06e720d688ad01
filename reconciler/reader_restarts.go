package reconciler

import (
	"context"
	"maps"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// Restarts are read from the top down, and only where something is not 0: one metric a cluster, then one for each container
// with a restart policy, then one for each of its tasks. Where nothing restarts that is one metric a cluster. The last step
// is what makes the count exact: in sums over tasks a total falls whenever a task ends (docs/metrics.md has the prices of
// other ways).

const (
	insightsNamespace = "ECS/ContainerInsights"
	restartCount      = "RestartCount"
)

// settings are the clusters' containerInsights, asked for once an hour.
type settings struct {
	at time.Time
	of map[string]string
}

// lists say which services' containers CloudWatch has the metric of, asked for once an hour.
type lists struct {
	at     time.Time
	absent map[fleet.Key]time.Time // since when lists lack all containers of a service
}

func (r *reader) readRestarts(ctx context.Context, services []*subject, end time.Time) {
	if len(services) == 0 {
		r.untroubled("SettingsUnreadable", "MetricsUnlisted", "RestartsUnreadable")
		return
	}
	r.askSettings(ctx, services)
	r.listRestarts(ctx, services)
	w := window{from: r.restartsFrom(services, end), end: end}
	err := r.descend(ctx, services, w)
	r.c.outcome(r.t.Name, "RestartsUnreadable", "restarts under restart policies cannot be read from Container Insights, so nobody sees them", err)
	for _, s := range services {
		if err != nil {
			s.read.Restarts.Missing = err.Error()
		}
	}
}

func (r *reader) askSettings(ctx context.Context, services []*subject) {
	clusters := clustersOf(services)
	now := r.c.now()
	news := slices.ContainsFunc(clusters, func(c string) bool { _, known := r.insights.of[c]; return !known })
	if now.Sub(r.insights.at) >= listEvery || news {
		of, err := r.t.Observer.Insights(ctx, clusters)
		r.c.outcome(r.t.Name, "SettingsUnreadable", "the clusters' settings cannot be read, so whether restarts are counted shows only in the metrics", err)
		if err == nil {
			r.insights = settings{now, of}
		}
	}
}

func clustersOf(services []*subject) []string {
	names := map[string]bool{}
	for _, s := range services {
		names[s.key.Cluster] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// perContainer tells whether the cluster has metrics of one container, as far as is known.
func (r *reader) perContainer(cluster string) bool {
	is := r.insights.of[cluster]
	return is == "" || is == fleet.InsightsEnhanced
}

// listRestarts notes which services no list of metrics shows. A list that lacks one is asked for again at the next reading.
func (r *reader) listRestarts(ctx context.Context, services []*subject) {
	now := r.c.now()
	if now.Sub(r.listed.at) < listEvery && len(r.listed.absent) == 0 {
		return
	}
	shown := map[[2]string]bool{}
	for _, cluster := range clustersOf(services) {
		if !r.perContainer(cluster) {
			continue
		}
		metrics, err := r.t.Observer.Metrics(ctx, metricOf(insightsNamespace, restartCount, "ClusterName", cluster, "ServiceName", "", "ContainerName", ""))
		r.c.outcome(r.t.Name, "MetricsUnlisted", "metrics cannot be listed, so what CloudWatch lacks stays unnoticed", err)
		if err != nil {
			return
		}
		for _, m := range metrics {
			shown[[2]string{cluster, m.Value("ServiceName")}] = true
		}
	}
	absent := map[fleet.Key]time.Time{}
	for _, s := range services {
		key := s.key
		if !r.perContainer(key.Cluster) || shown[[2]string{key.Cluster, key.Service}] {
			continue
		}
		absent[key] = now
		if since, ok := r.listed.absent[key]; ok {
			absent[key] = since
		}
	}
	r.listed = lists{now, absent}
}

// restartsFrom is up to where the restarts of all services are counted that had data; one without must not make the others'
// readings longer and longer.
func (r *reader) restartsFrom(services []*subject, end time.Time) time.Time {
	from := end.Add(-churn.MetricsEvery)
	for _, s := range services {
		key := s.key
		until := r.c.book.peek(key).History.Restarts.Until
		_, absent := r.listed.absent[key]
		counts := r.perContainer(key.Cluster) && !absent && !r.silent[key.Cluster]
		if counts && !until.IsZero() && until.Before(from) {
			from = until
		}
	}
	if oldest := end.Add(-furthest); from.Before(oldest) {
		return oldest
	}
	return from
}

// descent is what one reading finds of one service.
type descent struct {
	*subject
	counts fleet.RestartCounts
	deeper map[string]bool // containers whose tasks are to be read
}

// descend reads all services, or gives an error and changes none.
func (r *reader) descend(ctx context.Context, services []*subject, w window) error {
	r.silent = map[string]bool{}
	restless := map[string]bool{}
	var clusters, containers, tasks []ask
	for _, c := range clustersOf(services) {
		if r.insights.of[c] != fleet.InsightsOff {
			clusters = append(clusters, ask{metricOf(insightsNamespace, restartCount, "ClusterName", c), func(p []fleet.Point) {
				r.silent[c], restless[c] = len(p) == 0, highest(p) > 0
			}})
		}
	}
	if err := r.ask(ctx, w, "Maximum", clusters); err != nil {
		return err
	}
	var all []*descent
	for _, s := range services {
		d := &descent{subject: s, deeper: map[string]bool{}}
		d.counts = fleet.RestartCounts{Seen: fleet.Seen{At: w.end, Complete: !r.silent[s.key.Cluster]}, From: w.from, Insights: r.insights.of[s.key.Cluster], Absent: r.listed.absent[s.key]}
		all = append(all, d)
		switch {
		case !restless[s.key.Cluster]:
		case r.perContainer(s.key.Cluster):
			containers = append(containers, d.ofContainers()...)
		default:
			containers = append(containers, ask{d.metric(), func(p []fleet.Point) { d.counts.Highest = highest(p) }})
		}
	}
	if err := r.ask(ctx, w, "Maximum", containers); err != nil {
		return err
	}
	for _, d := range all {
		if r.perContainer(d.key.Cluster) {
			tasks = append(tasks, d.ofTasks(r.c.view, r.c.book.peek(d.key).History.Restarts, w.from)...)
		}
	}
	if err := r.ask(ctx, w, "Maximum", tasks); err != nil {
		return err
	}
	for _, d := range all {
		d.read.Restarts = d.counts
	}
	return nil
}

func (d *descent) metric(more ...string) fleet.Metric {
	return metricOf(insightsNamespace, restartCount, append([]string{"ClusterName", d.key.Cluster, "ServiceName", d.key.Service}, more...)...)
}

func (d *descent) ofContainers() []ask {
	var out []ask
	for _, name := range d.restarting {
		out = append(out, ask{d.metric("ContainerName", name), func(p []fleet.Point) { d.deeper[name] = highest(p) > 0 }})
	}
	return out
}

// ofTasks asks for the tasks of containers that had restarts, and for those tasks whose last value may yet show what the
// metric means.
func (d *descent) ofTasks(v *view, r churn.Restarts, from time.Time) []ask {
	unshown := len(r.Values) > 0 && r.Means == churn.Unshown
	if !unshown && !slices.ContainsFunc(d.restarting, func(name string) bool { return d.deeper[name] }) {
		return nil
	}
	var out []ask
	tasks := v.observe(d.key).Tasks
	for _, name := range d.restarting {
		for _, t := range tasks {
			_, had := r.Values[t.ID()+"/"+name]
			if !t.Ran() || t.Stopped() && t.EndedAt().Before(from) || !d.deeper[name] && !(had && r.Means == churn.Unshown) {
				continue
			}
			out = append(out, ask{d.metric("ContainerName", name, "TaskId", t.ID()), func(p []fleet.Point) {
				d.counts.Series = append(d.counts.Series, fleet.RestartSeries{Container: name, Task: t.ID(), Points: p})
			}})
		}
	}
	return out
}
