package alarm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metricsql"
)

// opaque is a log alarm, a PromQL alarm, or one of a kind that this version does not know. What its query tells of
// cannot be judged as an alarm on a metric can: so it never counts as covering a failure, and a service that it may
// watch never counts as uncovered. Only what shows that it watches something else takes a service out.
type opaque struct {
	have      *Have
	groups    []string // of a log alarm; none: its query names them
	selectors []selector
	broken    bool // the PromQL query cannot be read
}

func opaqueOf(h *Have) opaque {
	o := opaque{have: h, groups: h.Logs.groups()}
	if h.PromQL != "" {
		o.selectors, o.broken = selectorsOf(h.PromQL)
	}
	return o
}

// mayTell says why the alarm might tell of a service's failure; "" where it does not.
func (o opaque) mayTell(p Place, f Failure) string {
	switch {
	case o.have.Type == LogType && (len(o.groups) == 0 || slices.ContainsFunc(o.groups, func(g string) bool { return mayHold(g, p) })):
		return "possibly: it is a log alarm on " + o.where() + ", and what its query tells of is not known"
	case o.have.Unknown:
		return "possibly: this version does not know what an alarm of its kind watches"
	case o.broken:
		return "possibly: its PromQL query is not understood"
	case slices.ContainsFunc(o.selectors, func(s selector) bool { return s.mayRead(p) && s.mayTell(f) }):
		return "possibly: it is a PromQL alarm, and what its query tells of is not known"
	}
	return ""
}

// concern says which of the services the alarm names, or how many it may watch.
func (o opaque) concern(places []Place) (concern, bool) {
	var out concern
	for _, p := range places {
		if o.names(p) {
			return concern{cluster: p.Cluster, service: p.Service, churns: p.Churns}, true
		}
		if slices.ContainsFunc(Failures(), func(f Failure) bool { return o.mayTell(p, f) != "" }) {
			out.possibly++
		}
	}
	return out, out.possibly > 0
}

// names reports whether the query is for sure on the service.
func (o opaque) names(p Place) bool {
	return slices.ContainsFunc(o.groups, func(g string) bool { return slices.Contains(p.LogGroups, g) }) ||
		slices.ContainsFunc(o.selectors, func(s selector) bool { return s.names(p) })
}

// selector is one set of series that a PromQL query reads.
type selector struct {
	metric  string // "": any, or not named by equality
	filters []filter
}

// filter is a condition on a label; pattern is nil for one on equality.
type filter struct {
	label, value string
	pattern      *regexp.Regexp
	not          bool
}

// template is MetricsQL's own, which PromQL does not have: a few lines of it expand to more than there is memory for.
var template = regexp.MustCompile(`(?i)\bwith\s*\(`)

// selectorsOf are the sets that a query reads. The parser is of MetricsQL, which contains PromQL.
func selectorsOf(query string) (out []selector, broken bool) {
	if template.MatchString(query) {
		return nil, true
	}
	e, err := metricsql.Parse(query)
	if err != nil {
		return nil, true
	}
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		m, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			out = append(out, selectorOf(filters))
		}
	})
	return out, false
}

func selectorOf(filters []metricsql.LabelFilter) selector {
	s := selector{}
	for _, f := range filters {
		if f.Label == "__name__" {
			if !f.IsNegative && !f.IsRegexp {
				s.metric = lastPart(f.Value)
			}
			continue
		}
		is := filter{label: lastPart(f.Label), value: f.Value, not: f.IsNegative}
		if f.IsRegexp {
			pattern, err := regexp.Compile("^(?:" + f.Value + ")$")
			if err != nil {
				continue // what cannot be read leaves nothing out
			}
			is.pattern = pattern
		}
		s.filters = append(s.filters, is)
	}
	return s
}

// lastPart is a name without what stands before it: "@resource.ServiceName" is "ServiceName".
func lastPart(name string) string { return name[strings.LastIndexAny(name, "./:@")+1:] }

// elsewhere are dimensions of metrics that are of no ECS service. Source: the user guides' lists of metrics of each service.
var elsewhere = []string{"FunctionName", "DBInstanceIdentifier", "DBClusterIdentifier", "QueueName", "TableName", "BucketName", "TopicName",
	"ApiName", "ApiId", "AutoScalingGroupName", "StreamName", "CacheClusterId", "DistributionId",
	"StateMachineArn", "FileSystemId", "NatGatewayId", "VolumeId", "InstanceId"}

// mayRead reports whether the set may hold series of the service. A label is taken for what ECS's own metrics call so; one
// of OpenTelemetry (service.name) need not be the service's name.
func (s selector) mayRead(p Place) bool {
	for _, f := range s.filters {
		switch {
		case f.label == "ServiceName" && !f.matches(p.Service), f.label == "ClusterName" && !f.matches(p.Cluster):
			return false
		case slices.Contains(elsewhere, f.label) && !f.not && f.value != "":
			return false
		}
	}
	return true
}

// names reports whether the set is of the service by its name.
func (s selector) names(p Place) bool {
	return s.mayRead(p) && slices.ContainsFunc(s.filters, func(f filter) bool {
		return f.label == "ServiceName" && !f.not && f.value == p.Service
	})
}

// mayTell reports whether a metric of the set may tell of the failure. A metric that is known tells of what it is a signal
// of, and of nothing else.
func (s selector) mayTell(f Failure) bool {
	known := false
	for _, of := range metrics {
		_, there := of[s.metric]
		known = known || there
	}
	return !known || slices.ContainsFunc(signals, func(sig signal) bool { return sig.metric == s.metric && sig.failure == f })
}

// matches reports whether a label with the value passes the filter.
func (f filter) matches(value string) bool {
	if f.pattern != nil {
		return f.pattern.MatchString(value) != f.not
	}
	return (f.value == value) != f.not
}

// groups are the names of the log groups; none where the query's text names them.
func (q LogQuery) groups() []string {
	if sourceCommand.MatchString(q.Text) {
		return nil
	}
	var out []string
	for _, g := range q.Groups {
		if _, name, arn := strings.Cut(g, ":log-group:"); arn {
			g, _, _ = strings.Cut(name, ":")
		}
		out = append(out, g)
	}
	return out
}

// sourceCommand names log groups within a query (CloudWatch Logs user guide, "SOURCE").
var sourceCommand = regexp.MustCompile(`(?i)(^|\|)\s*source\s`)

func (o opaque) where() string {
	switch len(o.groups) {
	case 0:
		return "log groups that its query names"
	case 1:
		return "the log group " + o.groups[0]
	default:
		return fmt.Sprintf("the log group %s and %d more", o.groups[0], len(o.groups)-1)
	}
}

// ofOneCluster are beginnings of log groups of one cluster: Container Insights' data, and its lifecycle events.
var ofOneCluster = []string{"/aws/ecs/containerinsights/", "/aws/events/ecs/containerinsights/"}

// aboutECS are beginnings of AWS's own log groups that lines about any service may be in.
var aboutECS = []string{"/aws/ecs/", "/aws/events/", "/aws/application-signals/", "/aws/spans", "/aws/vendedlogs/"}

// mayHold reports whether a log group may hold lines about the service: its containers write there or may, or AWS does. Where
// the containers' groups are not known, only AWS's groups of other services are left out.
func mayHold(group string, p Place) bool {
	for _, begin := range ofOneCluster {
		if rest, ok := strings.CutPrefix(group, begin); ok {
			cluster, _, _ := strings.Cut(rest, "/")
			return cluster == p.Cluster
		}
	}
	switch {
	case slices.Contains(p.LogGroups, group):
		return true
	case strings.HasPrefix(group, "/aws/"):
		return slices.ContainsFunc(aboutECS, func(begin string) bool { return strings.HasPrefix(group, begin) })
	}
	return p.LogGroups == nil
}
