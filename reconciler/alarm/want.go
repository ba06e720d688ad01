package alarm

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
)

// Actions are the topics an alarm tells.
type Actions struct{ Alarm, OK []string }

// okMeans ends each description: CloudWatch's OK is no proof of health.
const okMeans = "OK may also mean that the controller stopped: see the controller-heartbeat alarm."

// runbook is where each rule id is explained.
const runbook = "Run-book: docs/runbooks.md#"

// Layout is how services share alarms.
type Layout string

// Layouts (CONTRACT section 4, alarms.layout).
const (
	FleetLayout   Layout = "fleet"   // one multi-series alarm for each kind and target
	ServiceLayout Layout = "service" // one alarm for each kind and service, a container's kinds where one was seen
)

// gaugeAlarm is a kind of alarm that watches a gauge.
type gaugeAlarm struct {
	kind  Kind
	gauge string // the metric, named as its finding
	what  string // the first sentence of the description
}

// gaugeAlarms are all of them, in the order in which they are put.
var gaugeAlarms = []gaugeAlarm{
	{SilentChurn, finding.SilentChurn, "Tasks of a service stop and nobody planned it, while the service looks healthy."},
	{SidecarCrash, finding.SidecarCrash, "A sidecar's end stopped tasks of a service."},
	{SidecarRestart, finding.SidecarRestarting, "A restart policy brings a container back again and again, which no ECS API and no event shows."},
	{TelemetryFlood, finding.TelemetryFlood, "A service's own loop floods its telemetry."},
	{SidecarDown, finding.SidecarDown, "A sidecar is dead inside running tasks: what it did (telemetry, logs, proxying) is silently not done."},
}

const (
	// splitAt is how many open series of a kind one fleet alarm watches at most: a query returns 500 (user guide,
	// "alarm-limits"), and the next look at them is minutes away. unsplitAt is when the clusters share one again.
	splitAt   = 400
	unsplitAt = 200
)

// Demand is what the wanted alarms of a target depend on.
type Demand struct {
	Owner, Target string
	Actions       Actions
	Layout        Layout
	Places        []Place                 // the services watched, in order
	Open          map[Kind]map[string]int // open series by cluster
	Split         map[Kind][]string       // clusters that have a fleet alarm of their own now
}

// Want is the alarms of one target, in the target's account.
//
// In the fleet layout a series joins when its service's gauge speaks and leaves when it falls silent, so services need no
// alarm of their own. One datapoint of ten breaches: the gauge's first 1 raises the alarm within a period, and a minute
// that is lost (a restart of the controller, a late put) does not clear it. The finding's closing clears it within ten
// minutes.
func Want(d Demand) []Spec {
	var out []Spec
	for _, g := range gaugeAlarms {
		if d.Layout == ServiceLayout {
			out = append(out, d.perService(g)...)
		} else {
			out = append(out, d.fleet(g)...)
		}
	}
	return out
}

// Fleet is the fleet layout's alarms of a target with few open series.
func Fleet(owner, target string, a Actions) []Spec {
	return Want(Demand{Owner: owner, Target: target, Actions: a, Layout: FleetLayout})
}

func (d Demand) perService(g gaugeAlarm) (out []Spec) {
	for _, p := range d.Places {
		if !gauges[g.gauge] {
			if _, seen := p.Seen[g.kind]; seen || g.kind == SilentChurn {
				out = append(out, d.onSeries(g, p, ServiceDimensions(p.Cluster, p.Service)))
			}
			continue
		}
		for _, c := range p.Seen[g.kind] {
			out = append(out, d.onSeries(g, p, ContainerDimensions(p.Cluster, p.Service, c), c))
		}
	}
	return out
}

// onSeries is one service's alarm on its gauge. A container's name follows the service's.
func (d Demand) onSeries(g gaugeAlarm, p Place, dims []Dimension, container ...string) Spec {
	s := d.spec(g, append([]string{p.Cluster, p.Service}, container...)...)
	s.Cluster, s.Service = p.Cluster, p.Service
	s.Metric, s.Dimensions, s.Statistic = g.gauge, dims, "Maximum"
	return s
}

// fleet is one alarm for a kind. Where it would watch too many open series, the clusters with most of them get their own,
// until the rest is few enough.
func (d Demand) fleet(g gaugeAlarm) []Spec {
	names := byService
	if gauges[g.gauge] {
		names = byContainer
	}
	dims := strings.Join(names, ", ")
	query := func(where string) string {
		return fmt.Sprintf(`SELECT MAX(%[1]s) FROM SCHEMA("%[2]s", %[3]s)%[4]s GROUP BY %[3]s ORDER BY MAX() DESC`, g.gauge, Namespace, dims, where)
	}
	rest := d.spec(g)
	var out []Spec
	var but []string
	for _, c := range d.apart(g.kind) {
		value := "'" + strings.ReplaceAll(c, "'", "''") + "'"
		s := d.spec(g, c)
		s.Cluster, s.Query = c, query(" WHERE ClusterName = "+value)
		out, but = append(out, s), append(but, "ClusterName != "+value)
	}
	where := ""
	if len(but) > 0 {
		where = " WHERE " + strings.Join(but, " AND ")
	}
	rest.Query = query(where)
	return append([]Spec{rest}, out...)
}

// apart are the clusters that get an alarm of their own, in order: the largest, until the rest has fewer series than one
// alarm may watch. What is split stays so until it is few: an alarm that comes and goes would be written each time.
func (d Demand) apart(k Kind) []string {
	open, total := d.Open[k], 0
	for _, n := range open {
		total += n
	}
	var out []string
	if total >= unsplitAt {
		out = slices.Clone(d.Split[k])
	}
	for _, c := range out {
		total -= open[c]
	}
	largest := slices.SortedFunc(maps.Keys(open), func(a, b string) int { return cmp.Or(open[b]-open[a], cmp.Compare(a, b)) })
	for _, c := range largest {
		if total < splitAt {
			break
		}
		if !slices.Contains(out, c) {
			out, total = append(out, c), total-open[c]
		}
	}
	slices.Sort(out)
	return out
}

func (d Demand) spec(g gaugeAlarm, more ...string) Spec {
	return Spec{
		Name: Name(d.Owner, d.Target, g.kind, more...), Kind: g.kind,
		Description: fmt.Sprintf("%s Rule: %s. %s%s. %s", g.what, g.kind, runbook, g.kind, okMeans),
		Period:      60, EvaluationPeriods: 10, Datapoints: 1,
		Comparison: "GreaterThanOrEqualToThreshold", Threshold: 1, Missing: "notBreaching",
		AlarmActions: d.Actions.Alarm, OKActions: d.Actions.OK,
	}
}

// SplitNow are the clusters that have a fleet alarm of their own among those there are.
func SplitNow(have []Have, owner, target string) map[Kind][]string {
	out := map[Kind][]string{}
	for _, h := range have {
		rest, ok := strings.CutPrefix(h.Name, Prefix(owner)+url.PathEscape(target)+"/")
		kind, cluster, split := strings.Cut(rest, "/")
		if !ok || !split || h.Query == "" {
			continue
		}
		if name, err := url.PathUnescape(cluster); err == nil {
			out[Kind(kind)] = append(out[Kind(kind)], name)
		}
	}
	return out
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
