package cloudwatch

import (
	"slices"

	"taskwarden/test/account/wire"
)

// single-metric members exclude Metrics and the other way round.
var singleMetric = []string{"MetricName", "Namespace", "Dimensions", "Statistic", "ExtendedStatistic", "Period", "Unit"}

// readWatched reads what an alarm watches: one metric, or what its Metrics queries return.
func (s *Service) readWatched(a *alarm, in wire.Input) error {
	queries := in.Maps("Metrics")
	if len(queries) == 0 {
		return a.readSingle(in)
	}
	for _, name := range singleMetric {
		if in.Has(name) && (name != "Dimensions" || len(in.List(name)) > 0) {
			return invalid("%s must not be given together with Metrics.", name)
		}
	}
	if len(queries) > maxAlarmMetrics {
		return invalid("Metrics must have at most %d elements, not %d.", maxAlarmMetrics, len(queries))
	}
	return s.readMetrics(a, queries)
}

func (a *alarm) readSingle(in wire.Input) error {
	a.metricName, a.namespace = in.String("MetricName"), in.String("Namespace")
	stat, extended := in.String("Statistic"), in.String("ExtendedStatistic")
	switch {
	case a.metricName == "" || a.namespace == "":
		return invalid("MetricName and Namespace are required without Metrics.")
	case (stat == "") == (extended == ""):
		return invalid("Exactly one of Statistic and ExtendedStatistic must be given.")
	case stat != "" && !slices.Contains(simpleStatistics, stat):
		return invalid("Statistic %q must be one of %v.", stat, simpleStatistics)
	case slices.Contains(simpleStatistics, extended):
		return invalid("%q belongs in Statistic, not in ExtendedStatistic.", extended)
	}
	var err error
	if a.rule.stat, err = parseStatistic(stat + extended); err != nil {
		return err
	}
	a.rule.period = int64(in.Int("Period", 0))
	if !validPeriod(a.rule.period, true) {
		return invalid("Period must be 10, 20, 30 or a multiple of 60, not %d.", a.rule.period)
	}
	a.rule.unit = in.String("Unit")
	if a.rule.unit != "" && !slices.Contains(units, a.rule.unit) {
		return invalid("Unit %q is not a standard unit.", a.rule.unit)
	}
	if a.on, err = readDims(in); err != nil {
		return err
	}
	a.rule.metric = seriesKey(a.namespace, a.metricName, a.on)
	a.keep(in, "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Unit", "EvaluateLowSampleCountPercentile")
	a.settings["Period"], a.settings["Dimensions"] = a.rule.period, dimsOut(a.on)
	return nil
}

// readMetrics reads the queries of an alarm, of which exactly one is returned: a metric or a Metrics Insights query.
func (s *Service) readMetrics(a *alarm, list []wire.Input) error {
	queries, err := s.readQueries(list, true)
	if err != nil {
		return err
	}
	var watched []dataQuery
	shown := make([]any, len(queries))
	for i, q := range queries {
		shown[i] = q.out(list[i])
		if q.returned {
			watched = append(watched, q)
		}
	}
	if len(watched) != 1 {
		return invalid("Exactly one element of Metrics must return data, not %d.", len(watched))
	}
	q := watched[0]
	a.settings["Metrics"], a.rule.period = shown, q.period
	if q.insights == nil {
		a.rule.stat, a.rule.unit = q.metric.stat, q.metric.unit
		a.rule.metric = seriesKey(q.metric.namespace, q.metric.name, q.metric.dims)
		return nil
	}
	if len(q.insights.GroupBy) > 0 && q.insights.OrderBy == "" {
		return invalid("Query %s: an alarm on several time series needs GROUP BY and ORDER BY.", q.id)
	}
	a.rule.query, a.rule.stat = q.insights, statistic{name: functions[q.insights.Function]}
	return nil
}
