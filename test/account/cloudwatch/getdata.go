package cloudwatch

import (
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

const (
	// maxDatapoints is what one GetMetricData call returns at most (API reference, GetMetricData, MaxDatapoints).
	maxDatapoints = 100_800
	// maxStatistics is what one GetMetricStatistics call returns at most (API reference, GetMetricStatistics).
	maxStatistics = 1440
)

// result is one time series that GetMetricData answers.
type result struct {
	id, label string
	times     []time.Time
	values    []float64
	partial   bool // the query found more series than it may return
}

// span is a half-open time range in seconds, its start included.
type span struct{ from, to int64 }

func readSpan(in wire.Input) (span, error) {
	start, ok := in.Time("StartTime")
	if !ok {
		return span{}, missing("StartTime")
	}
	end, ok := in.Time("EndTime")
	if !ok {
		return span{}, missing("EndTime")
	}
	if !start.Before(end) {
		return span{}, invalid("The parameter StartTime must be less than the parameter EndTime.")
	}
	to := end.Unix()
	if end.Nanosecond() > 0 {
		to++ // a point in the second that EndTime cuts is before it
	}
	return span{start.Unix(), to}, nil
}

// getMetricData answers stored data by period. Periods lie on multiples of their length since 1970; the one that contains
// StartTime is the first, none starts at or after EndTime.
func (s *Service) getMetricData(in wire.Input, _ time.Time) (map[string]any, error) {
	list := in.Maps("MetricDataQueries")
	if len(list) == 0 || len(list) > maxQueries {
		return nil, invalid("MetricDataQueries must have 1 to %d elements, not %d.", maxQueries, len(list))
	}
	within, err := readSpan(in)
	if err != nil {
		return nil, err
	}
	queries, err := s.readQueries(list, false)
	if err != nil {
		return nil, err
	}
	results, err := s.runAll(queries, within)
	if err != nil {
		return nil, err
	}
	newestFirst, err := descending(in)
	if err != nil {
		return nil, err
	}
	if newestFirst {
		for _, r := range results {
			slices.Reverse(r.times)
			slices.Reverse(r.values)
		}
	}
	return pageOfData(in, results)
}

// runAll reads the queries that return data, in their order.
func (s *Service) runAll(queries []dataQuery, within span) ([]result, error) {
	var results []result
	insights := 0
	for _, q := range queries {
		if q.insights != nil {
			insights++
		}
		if q.returned {
			results = append(results, s.run(q, within)...)
		}
	}
	if insights > 1 {
		return nil, invalid("Only one Metrics Insights query is allowed in a call, not %d.", insights)
	}
	return results, nil
}

// run reads one query, oldest point first. A metric without data gives an empty result, a Metrics Insights query none.
func (s *Service) run(q dataQuery, within span) []result {
	if q.insights == nil {
		r := result{id: q.id, label: q.seriesLabel(group{})}
		if sr := s.store.find(q.metric.namespace, q.metric.name, q.metric.dims); sr != nil {
			r.read(q.metric.stat, q.metric.unit, q.period, within, group{members: []*series{sr}})
		}
		return []result{r}
	}
	found, partial := q.insights.groups(s.store, floor(within.from, q.period), within.to)
	out := make([]result, len(found))
	for i, g := range found {
		out[i] = result{id: q.id, label: q.seriesLabel(g), partial: partial}
		out[i].read(statistic{name: functions[q.insights.Function]}, "", q.period, within, g)
	}
	return out
}

func (r *result) read(stat statistic, unit string, period int64, within span, g group) {
	for _, from := range starts(g, period, within) {
		if v, ok := stat.of(unit, g.between(from, min(from+period, within.to))...); ok {
			r.times = append(r.times, time.Unix(from, 0).UTC())
			r.values = append(r.values, v)
		}
	}
}

// starts lists the periods in which the group has points, so that a long range of little data stays cheap.
func starts(g group, period int64, within span) []int64 {
	var list []int64
	for _, part := range g.between(floor(within.from, period), within.to) {
		for _, p := range part {
			if from := floor(p.at, period); len(list) == 0 || list[len(list)-1] != from {
				list = append(list, from)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// pageOfData cuts MaxDatapoints points out of the results, starting where the token says. A result that goes on in the
// next page is PartialData; one without points is in the first page.
func pageOfData(in wire.Input, results []result) (map[string]any, error) {
	size := in.Int("MaxDatapoints", maxDatapoints)
	if size < 1 || size > maxDatapoints {
		return nil, invalid("MaxDatapoints must be between 1 and %d, not %d.", maxDatapoints, size)
	}
	skip, err := offset(in.String("NextToken"))
	if err != nil {
		return nil, err
	}
	out, next, seen := []any{}, "", 0
	for _, r := range results {
		from := min(max(skip-seen, 0), len(r.times))
		to := min(max(skip+size-seen, 0), len(r.times))
		seen += len(r.times)
		if from < to || len(r.times) == 0 && skip == 0 {
			out = append(out, r.out(from, to))
		}
	}
	if seen > skip+size {
		next = offsetToken(skip + size)
	}
	return setNext(map[string]any{"MetricDataResults": out, "Messages": []any{}}, next), nil
}

func (r result) out(from, to int) map[string]any {
	times, values := make([]any, 0, to-from), make([]any, 0, to-from)
	for i := from; i < to; i++ {
		times, values = append(times, r.times[i]), append(values, r.values[i])
	}
	status := "Complete"
	if r.partial || to < len(r.times) {
		status = "PartialData"
	}
	return map[string]any{"Id": r.id, "Label": r.label, "Timestamps": times, "Values": values, "StatusCode": status}
}

// getMetricStatistics answers the data of one metric, oldest first.
func (s *Service) getMetricStatistics(in wire.Input, _ time.Time) (map[string]any, error) {
	within, err := readSpan(in)
	if err != nil {
		return nil, err
	}
	period, name, namespace := int64(in.Int("Period", 0)), in.String("MetricName"), in.String("Namespace")
	switch {
	case name == "":
		return nil, missing("MetricName")
	case namespace == "":
		return nil, missing("Namespace")
	case !validPeriod(period, false):
		return nil, badValue("Period must be 1, 5, 10, 20, 30 or a multiple of 60, not %d.", period)
	case (within.to-floor(within.from, period)+period-1)/period > maxStatistics:
		return nil, badCombination("You have requested more than %d datapoints; shorten the time range or lengthen the period.", maxStatistics)
	}
	dims, err := readDims(in)
	if err != nil {
		return nil, err
	}
	stats, err := readStatistics(in)
	if err != nil {
		return nil, err
	}
	points := []any{}
	if sr := s.store.find(namespace, name, dims); sr != nil {
		points = summarise(sr, stats, in.String("Unit"), period, within)
	}
	return map[string]any{"Label": name, "Datapoints": points}, nil
}

func readStatistics(in wire.Input) ([]statistic, error) {
	names := append(in.Strings("Statistics"), in.Strings("ExtendedStatistics")...)
	if len(names) == 0 {
		return nil, wire.Bad("InvalidParameterCombinationException", "At least one of Statistics and ExtendedStatistics must be given.")
	}
	stats := make([]statistic, len(names))
	for i, n := range names {
		var err error
		if stats[i], err = parseStatistic(n); err != nil {
			return nil, badValue("%v", err)
		}
	}
	return stats, nil
}

func summarise(sr *series, stats []statistic, unit string, period int64, within span) []any {
	out := []any{}
	for _, from := range starts(group{members: []*series{sr}}, period, within) {
		points := sr.between(from, min(from+period, within.to))
		m := map[string]any{"Timestamp": time.Unix(from, 0).UTC(), "Unit": points[0].unit}
		extended := map[string]any{}
		found := false
		for _, st := range stats {
			v, ok := st.of(unit, points)
			switch found = found || ok; {
			case ok && st.percentileWanted():
				extended[st.name] = v
			case ok:
				m[st.name] = v
			}
		}
		if len(extended) > 0 {
			m["ExtendedStatistics"] = extended
		}
		if unit != "" {
			m["Unit"] = unit
		}
		if found {
			out = append(out, m)
		}
	}
	return out
}
