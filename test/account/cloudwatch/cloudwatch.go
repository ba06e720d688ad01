// Package cloudwatch is the CloudWatch of the simulated account: a state machine without goroutines, clock or HTTP. It
// keeps the metric data put into it, evaluates metric alarms and Metrics Insights alarms on that data at fixed instants,
// and answers the API's operations over decoded maps with the member names of the AWS API.
//
// An evaluation at an instant sees exactly the data put before that instant: every call first evaluates what is due up to
// its own time. So the states do not depend on how often Advance is called.
//
// Sources: the CloudWatch API reference (2010-08-01) and the user guide's pages on alarm evaluation, missing data
// (alarms-and-missing-data), alarm limits (alarm-limits) and Metrics Insights. Composite, log and PromQL alarms are kept and
// shown, never evaluated. Not simulated: metric math, anomaly detection, a warm-up that ends early, mute rules, roll-up of
// old data (data is kept at its own resolution for 15 days) and the delay before a new metric is listed.
package cloudwatch

import (
	"maps"
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// Service is the CloudWatch of one account and region. It is not safe for concurrent use.
type Service struct {
	// EvaluateEvery is the distance between two evaluations of an alarm; 0 means a minute, as AWS does. Alarms with
	// periods below a minute are evaluated at least every 10 seconds, alarms that look back more than a day hourly.
	EvaluateEvery time.Duration

	region, accountID string
	store             store
	alarms            map[string]*alarm
	kept              map[string]*alarm // those that are never evaluated
	transitions       []Transition
	history           []historyItem
	evaluated         time.Time // every instant up to here has been evaluated
}

// New makes an empty CloudWatch of a region and a 12-digit account id.
func New(region, accountID string) *Service {
	return &Service{region: region, accountID: accountID, store: newStore(), alarms: map[string]*alarm{}, kept: map[string]*alarm{}}
}

type operation func(s *Service, in wire.Input, now time.Time) (map[string]any, error)

// operations is never changed.
var operations = map[string]operation{
	"PutMetricData":             (*Service).putMetricData,
	"GetMetricData":             (*Service).getMetricData,
	"GetMetricStatistics":       (*Service).getMetricStatistics,
	"ListMetrics":               (*Service).listMetrics,
	"PutMetricAlarm":            (*Service).putMetricAlarm,
	"PutCompositeAlarm":         (*Service).putCompositeAlarm,
	"PutLogAlarm":               (*Service).putLogAlarm,
	"DeleteAlarms":              (*Service).deleteAlarms,
	"DescribeAlarms":            (*Service).describeAlarms,
	"DescribeAlarmsForMetric":   (*Service).describeAlarmsForMetric,
	"DescribeAlarmHistory":      (*Service).describeAlarmHistory,
	"DescribeAlarmContributors": (*Service).describeAlarmContributors,
	"SetAlarmState":             (*Service).setAlarmState,
	"EnableAlarmActions":        (*Service).enableAlarmActions,
	"DisableAlarmActions":       (*Service).disableAlarmActions,
	"TagResource":               (*Service).tagResource,
	"UntagResource":             (*Service).untagResource,
	"ListTagsForResource":       (*Service).listTagsForResource,
}

// Do runs one operation of the API at a time. The input is what the wire gives (wire.Input documents the types), the
// output has AWS's member names and is never nil without an error. Every error is a *wire.Error whose code is the name
// of AWS's error shape; an operation that is not simulated answers UnknownOperationException.
func (s *Service) Do(op string, in map[string]any, now time.Time) (map[string]any, error) {
	run, ok := operations[op]
	if !ok {
		return nil, wire.Bad("UnknownOperationException", "the simulated CloudWatch has no operation %q", op)
	}
	now = now.UTC()
	s.Advance(now)
	out, err := run(s, in, now)
	if err != nil {
		return nil, err
	}
	if out == nil {
		out = map[string]any{}
	}
	return out, nil
}

// Advance evaluates every alarm at each of its instants up to and including now, in the order of time. A time in the past
// does nothing.
func (s *Service) Advance(now time.Time) {
	now = now.UTC()
	sorted := slices.SortedFunc(maps.Values(s.alarms), byName)
	for len(sorted) > 0 {
		at := s.next(sorted)
		if at.After(now) {
			break
		}
		s.evaluated = at
		for _, a := range sorted {
			if every := s.interval(a); at.Truncate(every).Equal(at) && at.Sub(a.configured) >= a.warmUp {
				s.evaluate(a, at)
			}
		}
	}
	if now.After(s.evaluated) {
		s.evaluated = now
	}
}

// next is the first instant after the last evaluated one at which some alarm is due.
func (s *Service) next(alarms []*alarm) time.Time {
	var first time.Time
	for _, a := range alarms {
		every := s.interval(a)
		if at := s.evaluated.Truncate(every).Add(every); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// interval is how often an alarm is evaluated (user guide, alarm-evaluation: each minute; every 10 seconds for periods
// below a minute; hourly when it looks back more than a day).
func (s *Service) interval(a *alarm) time.Duration {
	every := s.EvaluateEvery
	if every <= 0 {
		every = time.Minute
	}
	switch {
	case a.rule.period < 60:
		return min(every, 10*time.Second)
	case a.rule.period*int64(a.rule.n) > daySeconds:
		return max(every, time.Hour)
	}
	return every
}
