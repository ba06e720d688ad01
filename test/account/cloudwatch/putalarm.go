package cloudwatch

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"taskwarden/test/account/wire"
)

// Limits of PutMetricAlarm (API reference, PutMetricAlarm; user guide, cloudwatch-limits and alarm-limits).
const (
	maxDescription    = 1024
	maxActions        = 5
	maxARN            = 1024
	maxAlarmMetrics   = 20
	maxInsightsAlarms = 200
	hourSeconds       = 60 * 60
)

// unsimulated settings would silently change what an alarm does, so they are refused.
var unsimulated = []string{"ThresholdMetricId"}

// putMetricAlarm creates an alarm or overwrites every setting of the one of that name, which keeps its state and its tags.
func (s *Service) putMetricAlarm(in wire.Input, now time.Time) (map[string]any, error) {
	a, err := s.newAlarm(in, metricAlarm, now)
	if err != nil {
		return nil, err
	}
	promQL := in.Has("EvaluationCriteria")
	if promQL {
		err = a.readPromQL(in)
	} else {
		err = s.readAlarm(a, in)
	}
	if err != nil {
		return nil, err
	}
	if a.rule.query != nil && s.insightsAlarmsBut(a.name) >= maxInsightsAlarms {
		return nil, wire.Bad("LimitExceededFault", "You have reached the limit of %d alarms on Metrics Insights queries.", maxInsightsAlarms)
	}
	done := "created"
	if old := s.named(a.name); old != nil {
		done = "updated"
		if a.multiSeries() {
			a.contributors = old.contributors
		}
	} else if promQL {
		a.state = stateOK // user guide, alarm-promql
	}
	s.remember(historyItem{at: now, alarm: a.name, kind: "ConfigurationUpdate", summary: `Alarm "` + a.name + `" ` + done})
	s.place(a, !promQL)
	return nil, nil
}

func (s *Service) insightsAlarmsBut(name string) int {
	n := 0
	for _, a := range s.alarms {
		if a.rule.query != nil && a.name != name {
			n++
		}
	}
	return n
}

// readAlarm reads an alarm on a metric or on Metrics queries.
func (s *Service) readAlarm(a *alarm, in wire.Input) error {
	for _, setting := range unsimulated {
		if in.Has(setting) {
			return invalid("%s is not simulated", setting)
		}
	}
	if in.Has("EvaluationInterval") {
		return invalid("EvaluationInterval is for alarms with EvaluationCriteria.")
	}
	watched := func(in wire.Input) error { return s.readWatched(a, in) }
	for _, read := range []func(wire.Input) error{a.readCondition, watched, a.readPeriods, a.readWarmUp} {
		if err := read(in); err != nil {
			return err
		}
	}
	return nil
}

// readWarmUp reads how long the alarm waits. It always waits the whole time here.
func (a *alarm) readWarmUp(in wire.Input) error {
	if !in.Has("WarmUpConfiguration") {
		return nil
	}
	minutes := in.Map("WarmUpConfiguration").Int("WarmUpPeriodDurationInMinutes", 0)
	if minutes < 1 {
		return invalid("WarmUpPeriodDurationInMinutes is required and must be at least 1.")
	}
	a.warmUp = time.Duration(minutes) * time.Minute
	a.keep(in, "WarmUpConfiguration")
	return nil
}

func checkAlarmName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return invalid("The parameter AlarmName is required.")
	case n > maxNameLength:
		return invalid("AlarmName must have at most %d characters, not %d.", maxNameLength, n)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid("AlarmName %q must be UTF-8 without ASCII control characters.", name)
	}
	return nil
}

func (a *alarm) readActions(in wire.Input) error {
	if text := in.String("AlarmDescription"); utf8.RuneCountInString(text) > maxDescription {
		return invalid("AlarmDescription must have at most %d characters.", maxDescription)
	}
	a.keep(in, "AlarmDescription", "ActionConfiguration")
	a.actions = map[string][]string{}
	for member, state := range map[string]string{"OKActions": stateOK, "AlarmActions": stateAlarm, "InsufficientDataActions": stateInsufficient} {
		arns := in.Strings(member)
		if len(arns) > maxActions {
			return invalid("%s must have at most %d elements, not %d.", member, maxActions, len(arns))
		}
		list := []any{}
		for _, arn := range arns {
			if !strings.HasPrefix(arn, "arn:") || len(arn) > maxARN {
				return invalid("%s: invalid ARN syntax: %q", member, arn)
			}
			list = append(list, arn)
		}
		a.actions[state], a.settings[member] = arns, list
	}
	return nil
}

// readCondition reads what the data is compared with.
func (a *alarm) readCondition(in wire.Input) error {
	threshold, ok := float(in, "Threshold")
	operator, treat := in.String("ComparisonOperator"), in.String("TreatMissingData")
	switch {
	case comparisons[operator] == "":
		return invalid("ComparisonOperator %q is not one of the four that compare with a threshold (anomaly detection is not simulated)", operator)
	case !ok || !finite(threshold):
		return invalid("The parameter Threshold is required and must be a number.")
	case !slices.Contains([]string{"", treatMissing, treatIgnore, treatBreaching, treatNotBreaching}, treat):
		return invalid("Option %s must be one of: [breaching, notBreaching, ignore, missing], not %q", "TreatMissingData", treat)
	}
	a.rule.operator, a.rule.threshold, a.rule.treat = operator, threshold, treat
	if treat == "" {
		a.rule.treat = treatMissing
	}
	a.settings["ComparisonOperator"], a.settings["Threshold"] = operator, threshold
	a.keep(in, "TreatMissingData")
	return a.readWindow(in)
}

// readWindow reads the union EvaluationWindow: sliding (the default) or aligned to the clock, in UTC only.
func (a *alarm) readWindow(in wire.Input) error {
	window := in.Map("EvaluationWindow")
	a.rule.wallClock = window.Has("WallClockWindow")
	if zone := window.Map("WallClockWindow").String("Timezone"); zone != "" && zone != "UTC" {
		return invalid("EvaluationWindow.WallClockWindow.Timezone %q is not simulated; only UTC is", zone)
	}
	a.keep(in, "EvaluationWindow")
	return nil
}

// readPeriods reads how many periods of which length are evaluated; the period of a Metrics alarm is that of its query.
func (a *alarm) readPeriods(in wire.Input) error {
	r := &a.rule
	r.n = in.Int("EvaluationPeriods", 0)
	r.m = in.Int("DatapointsToAlarm", r.n)
	total, longest := r.period*int64(r.n), int64(7*daySeconds)
	if r.period < hourSeconds {
		longest = daySeconds
	}
	switch {
	case r.n < 1:
		return invalid("EvaluationPeriods must be at least 1, not %d.", r.n)
	case r.m < 1 || r.m > r.n:
		return invalid("DatapointsToAlarm must be between 1 and EvaluationPeriods (%d), not %d.", r.n, r.m)
	case total > longest:
		return invalid("Metrics cannot be checked across more than %s (EvaluationPeriods * Period must be <= %d, not %d).",
			time.Duration(longest)*time.Second, longest, total)
	}
	a.settings["EvaluationPeriods"] = int64(r.n)
	if in.Has("DatapointsToAlarm") {
		a.settings["DatapointsToAlarm"] = int64(r.m)
	}
	return nil
}

// keep copies settings that were given as they are.
func (a *alarm) keep(in wire.Input, names ...string) {
	for _, name := range names {
		if in.Has(name) {
			a.settings[name] = in[name]
		}
	}
}
