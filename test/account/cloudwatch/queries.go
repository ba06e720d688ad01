package cloudwatch

import (
	"regexp"
	"strings"

	"taskwarden/test/account/wire"
)

// maxQueries is the most queries of one GetMetricData call (API reference, GetMetricData).
const maxQueries = 500

// dataQuery is one MetricDataQuery, of GetMetricData or of an alarm: exactly one of a metric, a Metrics Insights query and
// the id of another query.
type dataQuery struct {
	id, label string
	period    int64
	returned  bool // ReturnData, true when left out
	metric    *metricStat
	insights  *Query
	ref       string
	text      string // of the expression
}

type metricStat struct {
	namespace, name string
	dims            []dimension
	stat            statistic
	unit            string
}

var (
	queryID  = regexp.MustCompile(`^[a-z][A-Za-z0-9_]{0,254}$`)
	selectOf = regexp.MustCompile(`(?i)^\s*SELECT\b`)
)

// readQueries reads a list of MetricDataQuery and resolves references between them.
func (s *Service) readQueries(list []wire.Input, alarm bool) ([]dataQuery, error) {
	member := "MetricDataQueries"
	if alarm {
		member = "Metrics"
	}
	byID := map[string]dataQuery{}
	out := make([]dataQuery, 0, len(list))
	for i, m := range list {
		q, err := s.readQuery(m, alarm)
		if err != nil {
			return nil, at(err, "%s.member.%d", member, i+1)
		}
		if _, twice := byID[q.id]; twice {
			return nil, invalid("The values for parameter id in %s are not unique: %q", member, q.id)
		}
		byID[q.id] = q
		out = append(out, q)
	}
	for i, q := range out {
		if q.ref == "" {
			continue
		}
		to, ok := byID[q.ref]
		if !ok || to.metric == nil {
			return nil, invalid("Query %s: the expression %q names no query with a metric", q.id, q.ref)
		}
		out[i].metric, out[i].period = to.metric, to.period
	}
	return out, nil
}

func (s *Service) readQuery(m wire.Input, alarm bool) (dataQuery, error) {
	q := dataQuery{
		id: m.String("Id"), label: m.String("Label"), text: m.String("Expression"),
		period: int64(m.Int("Period", 0)), returned: !m.Has("ReturnData") || m.Bool("ReturnData"),
	}
	if !queryID.MatchString(q.id) {
		return q, invalid("The value %q for parameter Id is invalid: it starts with a lowercase letter and has letters, digits and _", q.id)
	}
	if account := m.String("AccountId"); account != "" && account != s.accountID {
		return q, invalid("AccountId %s: this account is %s and no other is linked to it", account, s.accountID)
	}
	var err error
	switch {
	case m.Has("MetricStat") == (q.text != ""):
		return q, invalid("Query %s: exactly one of MetricStat and Expression must be given", q.id)
	case m.Has("MetricStat"):
		err = q.readMetric(m.Map("MetricStat"), alarm)
	case selectOf.MatchString(q.text):
		err = q.readInsights()
	case queryID.MatchString(q.text):
		q.ref = q.text
	default:
		err = invalid("Error in expression %q: metric math is not simulated", q.id)
	}
	return q, err
}

func (q *dataQuery) readMetric(m wire.Input, alarm bool) error {
	q.period = int64(m.Int("Period", 0))
	if !validPeriod(q.period, alarm) {
		return invalid("Query %s: MetricStat.Period %d is invalid: it must be 1, 5, 10, 20, 30 (10, 20, 30 for alarms) or a multiple of 60", q.id, q.period)
	}
	metric := m.Map("Metric")
	q.metric = &metricStat{namespace: metric.String("Namespace"), name: metric.String("MetricName"), unit: m.String("Unit")}
	if q.metric.namespace == "" || q.metric.name == "" {
		return invalid("Query %s: MetricStat.Metric needs Namespace and MetricName", q.id)
	}
	var err error
	if q.metric.dims, err = readDims(metric); err != nil {
		return err
	}
	q.metric.stat, err = parseStatistic(m.String("Stat"))
	return err
}

func (q *dataQuery) readInsights() error {
	if q.period <= 0 || q.period%60 != 0 {
		return invalid("Query %s: a Metrics Insights query needs a Period that is a multiple of 60, not %d", q.id, q.period)
	}
	parsed, err := ParseQuery(q.text)
	if err != nil {
		return invalid("Error in expression %q: %v", q.id, err)
	}
	q.insights = &parsed
	return nil
}

// out is the query as DescribeAlarms shows it.
func (q dataQuery) out(in wire.Input) map[string]any {
	m := map[string]any{"Id": q.id, "ReturnData": q.returned}
	for _, name := range []string{"Label", "Expression", "AccountId"} {
		if v := in.String(name); v != "" {
			m[name] = v
		}
	}
	if in.Has("Period") {
		m["Period"] = int64(in.Int("Period", 0))
	}
	if q.metric != nil && q.ref == "" {
		stat := map[string]any{
			"Metric": map[string]any{"Namespace": q.metric.namespace, "MetricName": q.metric.name, "Dimensions": dimsOut(q.metric.dims)},
			"Period": q.period, "Stat": q.metric.stat.name,
		}
		if q.metric.unit != "" {
			stat["Unit"] = q.metric.unit
		}
		m["MetricStat"] = stat
	}
	return m
}

// seriesLabel names a result: the query's label, else the values of GROUP BY or the name of the metric.
func (q dataQuery) seriesLabel(g group) string {
	var values []string
	for _, l := range g.labels {
		values = append(values, l.value)
	}
	name := strings.Join(values, " ")
	switch {
	case q.label != "" && name != "":
		return q.label + " " + name
	case q.label != "":
		return q.label
	case name != "":
		return name
	case q.metric != nil:
		return q.metric.name
	}
	return q.id
}
