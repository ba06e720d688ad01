package cloudwatch

import (
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// Limits of log alarms (API reference, PutLogAlarm and type ScheduledQueryConfiguration).
const (
	maxQueryResults = 100
	maxLogLines     = 50
	maxLogGroups    = 50
)

// putLogAlarm creates a log alarm or overwrites every setting of the one of that name. It is kept and shown; its query never
// runs, so that its state stays as it was created or set.
func (s *Service) putLogAlarm(in wire.Input, now time.Time) (map[string]any, error) {
	a, err := s.newAlarm(in, logAlarm, now)
	if err != nil {
		return nil, err
	}
	if err := a.readCondition(in); err != nil {
		return nil, err
	}
	if err := a.readWarmUp(in); err != nil {
		return nil, err
	}
	n, m, lines := in.Int("QueryResultsToEvaluate", 0), in.Int("QueryResultsToAlarm", 0), in.Int("ActionLogLineCount", 0)
	query := in.Map("ScheduledQueryConfiguration")
	switch {
	case n < 1 || n > maxQueryResults:
		return nil, invalid("QueryResultsToEvaluate must be between 1 and %d, not %d.", maxQueryResults, n)
	case m < 1 || m > n:
		return nil, invalid("QueryResultsToAlarm must be between 1 and QueryResultsToEvaluate (%d), not %d.", n, m)
	case lines < 0 || lines > maxLogLines:
		return nil, invalid("ActionLogLineCount must be between 0 and %d, not %d.", maxLogLines, lines)
	case lines > 0 && in.String("ActionLogLineRoleArn") == "":
		return nil, invalid("ActionLogLineRoleArn is required with ActionLogLineCount.")
	case slices.ContainsFunc(queryMembers, func(member string) bool { return !query.Has(member) }):
		return nil, invalid("ScheduledQueryConfiguration needs each of %v.", queryMembers)
	case len(query.Strings("LogGroupIdentifiers")) > maxLogGroups:
		return nil, invalid("LogGroupIdentifiers must have at most %d elements.", maxLogGroups)
	}
	a.keep(in, "QueryResultsToEvaluate", "QueryResultsToAlarm", "ActionLogLineCount", "ActionLogLineRoleArn", "ScheduledQueryConfiguration")
	s.place(a, false)
	return nil, nil
}

var queryMembers = []string{"AggregationExpression", "QueryString", "ScheduleConfiguration", "ScheduledQueryRoleARN"}

// notWithPromQL are the members that EvaluationCriteria excludes (API reference, PutMetricAlarm).
var notWithPromQL = slices.Concat(singleMetric, []string{"Metrics", "Threshold", "ComparisonOperator", "ThresholdMetricId",
	"EvaluationPeriods", "DatapointsToAlarm"})

// readPromQL reads an alarm on a PromQL query, which may be any text here: it is never evaluated.
func (a *alarm) readPromQL(in wire.Input) error {
	for _, name := range notWithPromQL {
		if in.Has(name) {
			return invalid("%s must not be given together with EvaluationCriteria.", name)
		}
	}
	query := in.Map("EvaluationCriteria").Map("PromQLCriteria").String("Query")
	interval := in.Int("EvaluationInterval", 0)
	switch {
	case query == "":
		return invalid("EvaluationCriteria.PromQLCriteria.Query is required.")
	case !validPeriod(int64(interval), true) || interval > hourSeconds:
		return invalid("EvaluationInterval must be 10, 20, 30 or a multiple of 60 up to %d, not %d.", hourSeconds, interval)
	}
	a.keep(in, "EvaluationCriteria", "EvaluationInterval")
	return nil
}
