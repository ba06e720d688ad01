package cloudwatch

import (
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/test/account/wire"
)

// maxNames is the most alarm names one call takes (API reference, DescribeAlarms, DeleteAlarms and others).
const maxNames = 100

// describeAlarms lists alarms by name, the types in one order. Without AlarmTypes only metric alarms are returned.
func (s *Service) describeAlarms(in wire.Input, _ time.Time) (map[string]any, error) {
	if err := checkFilters(in); err != nil {
		return nil, err
	}
	size, err := pageSize(in, 50, 100)
	if err != nil {
		return nil, err
	}
	types := in.Strings("AlarmTypes")
	if len(types) == 0 {
		types = []string{metricAlarm}
	}
	found := append(matching(s.alarms, in), matching(s.kept, in)...)
	found = slices.DeleteFunc(found, func(a *alarm) bool { return !slices.Contains(types, a.kind) })
	slices.SortFunc(found, byName)
	page, next, err := pageAfter(found, func(a *alarm) string { return a.name }, in.String("NextToken"), size)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, kind := range alarmTypes {
		out[kind+"s"] = alarmsOut(slices.DeleteFunc(slices.Clone(page), func(a *alarm) bool { return a.kind != kind }))
	}
	return setNext(out, next), nil
}

func checkFilters(in wire.Input) error {
	names := in.Strings("AlarmNames")
	switch {
	case len(names) > maxNames:
		return invalid("AlarmNames must have at most %d elements, not %d.", maxNames, len(names))
	case len(names) > 0 && in.String("AlarmNamePrefix") != "":
		return badCombination("AlarmNames and AlarmNamePrefix must not be given together.")
	case in.Has("ChildrenOfAlarmName") || in.Has("ParentsOfAlarmName"):
		return invalid("ChildrenOfAlarmName and ParentsOfAlarmName are not simulated.")
	}
	for _, t := range in.Strings("AlarmTypes") {
		if !slices.Contains(alarmTypes, t) {
			return invalid("AlarmTypes: %q is not one of %v.", t, alarmTypes)
		}
	}
	return checkState(in.String("StateValue"), true)
}

var alarmTypes = []string{compositeAlarm, metricAlarm, logAlarm}

func checkState(state string, optional bool) error {
	if state == "" && optional || slices.Contains([]string{stateOK, stateAlarm, stateInsufficient}, state) {
		return nil
	}
	return invalid("StateValue must be OK, ALARM or INSUFFICIENT_DATA, not %q.", state)
}

func matching(alarms map[string]*alarm, in wire.Input) []*alarm {
	names, prefix, state, action := in.Strings("AlarmNames"), in.String("AlarmNamePrefix"), in.String("StateValue"), in.String("ActionPrefix")
	var found []*alarm
	for _, a := range slices.SortedFunc(maps.Values(alarms), byName) {
		named := len(names) == 0 || slices.Contains(names, a.name)
		if named && strings.HasPrefix(a.name, prefix) && listed(state, a.state) && a.hasAction(action) {
			found = append(found, a)
		}
	}
	return found
}

func (a *alarm) hasAction(prefix string) bool {
	if prefix == "" {
		return true
	}
	for _, arns := range a.actions {
		if slices.ContainsFunc(arns, func(arn string) bool { return strings.HasPrefix(arn, prefix) }) {
			return true
		}
	}
	return false
}

func alarmsOut(list []*alarm) []any {
	out := make([]any, len(list))
	for i, a := range list {
		out[i] = a.out()
	}
	return out
}

// describeAlarmsForMetric lists the single-metric alarms on exactly one metric; alarms with Metrics are not found.
func (s *Service) describeAlarmsForMetric(in wire.Input, _ time.Time) (map[string]any, error) {
	name, namespace := in.String("MetricName"), in.String("Namespace")
	switch {
	case name == "":
		return nil, missing("MetricName")
	case namespace == "":
		return nil, missing("Namespace")
	}
	dims, err := readDims(in)
	if err != nil {
		return nil, err
	}
	key := seriesKey(namespace, name, dims)
	stat := in.String("Statistic") + in.String("ExtendedStatistic")
	period := int64(in.Int("Period", 0))
	var found []*alarm
	for _, a := range slices.SortedFunc(maps.Values(s.alarms), byName) {
		if a.metricName != "" && a.rule.metric == key && listed(stat, a.rule.stat.name) &&
			(period == 0 || period == a.rule.period) && listed(in.String("Unit"), a.rule.unit) {
			found = append(found, a)
		}
	}
	return map[string]any{"MetricAlarms": alarmsOut(found)}, nil
}

// describeAlarmContributors lists the contributors in ALARM of a multi-series alarm, at most 100.
func (s *Service) describeAlarmContributors(in wire.Input, _ time.Time) (map[string]any, error) {
	name := in.String("AlarmName")
	a := s.alarms[name]
	switch {
	case a == nil:
		return nil, noResource("The alarm %q does not exist.", name)
	case in.String("NextToken") != "":
		return nil, badToken(in.String("NextToken")) // everything is in the first page
	}
	list := a.alarming()
	list = list[:min(len(list), maxContributors)]
	out := make([]any, len(list))
	for i, c := range list {
		attributes := map[string]any{}
		for k, v := range c.attributes {
			attributes[k] = v
		}
		out[i] = map[string]any{"ContributorId": c.id, "ContributorAttributes": attributes, "StateReason": c.reason, "StateTransitionedTimestamp": c.since}
	}
	return map[string]any{"AlarmContributors": out}, nil
}
