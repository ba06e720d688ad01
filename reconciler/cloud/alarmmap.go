package cloud

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"taskwarden/reconciler/alarm"
)

// missingDefault is what CloudWatch does with missing data where an alarm does not say (PutMetricAlarm).
const missingDefault = "missing"

// alarmInput is the whole of the wanted state, with what of people's a repair keeps: what is left out of PutMetricAlarm goes
// back to its default. TestEachSettingHasAnOwner has each member of the call.
func alarmInput(s alarm.Spec) *cloudwatch.PutMetricAlarmInput {
	in := &cloudwatch.PutMetricAlarmInput{
		AlarmName:          &s.Name,
		AlarmDescription:   &s.Description,
		ActionsEnabled:     aws.Bool(!s.ActionsDisabled),
		AlarmActions:       s.AlarmActions,
		OKActions:          s.OKActions,
		ComparisonOperator: types.ComparisonOperator(s.Comparison),
		EvaluationPeriods:  aws.Int32(int32(s.EvaluationPeriods)),
		DatapointsToAlarm:  aws.Int32(int32(cmp.Or(s.Datapoints, s.EvaluationPeriods))),
		Threshold:          &s.Threshold,
		TreatMissingData:   aws.String(cmp.Or(s.Missing, missingDefault)),

		InsufficientDataActions: s.InsufficientActions,
		ActionConfiguration:     actionConfiguration(s.TagsSent),
	}
	period := aws.Int32(int32(s.Period))
	if s.Query != "" {
		query := types.MetricDataQuery{Id: aws.String("q1"), Expression: &s.Query, Period: period, ReturnData: aws.Bool(true)}
		if s.Label != "" {
			query.Label = &s.Label
		}
		in.Metrics = []types.MetricDataQuery{query}
		return in
	}
	in.Namespace, in.MetricName, in.Period = aws.String(alarm.Namespace), &s.Metric, period
	in.Statistic, in.Dimensions = types.Statistic(s.Statistic), dimensionList(s.Dimensions)
	return in
}

// haveOf reads back what alarmInput writes, for anybody's alarm. A percentile stands in Statistic as CloudWatch spells
// it. Alarms of another shape keep what they have in common with ours and are Foreign.
func haveOf(m types.MetricAlarm) alarm.Have {
	h := alarm.Have{
		Spec: alarm.Spec{
			Name:              aws.ToString(m.AlarmName),
			Description:       aws.ToString(m.AlarmDescription),
			Metric:            aws.ToString(m.MetricName),
			Dimensions:        dimensionsOf(m.Dimensions),
			Statistic:         cmp.Or(string(m.Statistic), aws.ToString(m.ExtendedStatistic)),
			Period:            int(aws.ToInt32(m.Period)),
			EvaluationPeriods: int(aws.ToInt32(m.EvaluationPeriods)),
			Datapoints:        int(cmp.Or(aws.ToInt32(m.DatapointsToAlarm), aws.ToInt32(m.EvaluationPeriods))),
			Comparison:        string(m.ComparisonOperator),
			Threshold:         aws.ToFloat64(m.Threshold),
			Missing:           cmp.Or(aws.ToString(m.TreatMissingData), missingDefault),
			AlarmActions:      m.AlarmActions,
			OKActions:         m.OKActions,
			ActionsDisabled:   disabled(m.ActionsEnabled),

			InsufficientActions: m.InsufficientDataActions,
			TagsSent:            tagsSent(m.ActionConfiguration),
		},
		ARN:         aws.ToString(m.AlarmArn),
		Namespace:   aws.ToString(m.Namespace),
		State:       string(m.StateValue),
		StateReason: aws.ToString(m.StateReason),
		StateSince:  at(m.StateTransitionedTimestamp),
		Evaluation:  string(m.EvaluationState),
		Settings:    settingsOf(m),
	}
	if h.StateSince.IsZero() {
		h.StateSince = at(m.StateUpdatedTimestamp)
	}
	switch query, ok := insights(m); {
	case ok:
		h.Query, h.Period, h.Label = aws.ToString(query.Expression), int(aws.ToInt32(query.Period)), aws.ToString(query.Label)
	case h.Metric == "" && len(m.Metrics) == 0: // EvaluationCriteria, or what comes after them
		h.Foreign, h.PromQL = true, promQLOf(m.EvaluationCriteria)
		h.Unknown = h.PromQL == ""
	case h.Metric == "" || m.ThresholdMetricId != nil || len(m.Metrics) > 0:
		h.Foreign = true
		for _, q := range m.Metrics {
			h.Math = append(h.Math, termOf(q))
		}
	}
	return h
}

func termOf(q types.MetricDataQuery) alarm.Term {
	t := alarm.Term{ID: aws.ToString(q.Id), Expression: aws.ToString(q.Expression), Returned: q.ReturnData == nil || *q.ReturnData}
	if q.MetricStat != nil {
		t.Statistic = aws.ToString(q.MetricStat.Stat)
		if m := q.MetricStat.Metric; m != nil {
			t.Series = alarm.Series{Namespace: aws.ToString(m.Namespace), Metric: aws.ToString(m.MetricName), Dimensions: dimensionsOf(m.Dimensions)}
		}
	}
	return t
}

// insights is the alarm's one Metrics Insights query, or false where it is anything else.
func insights(m types.MetricAlarm) (types.MetricDataQuery, bool) {
	if len(m.Metrics) != 1 || m.ThresholdMetricId != nil {
		return types.MetricDataQuery{}, false
	}
	q := m.Metrics[0]
	words := strings.Fields(aws.ToString(q.Expression))
	ours := len(words) > 0 && strings.EqualFold(words[0], "SELECT") &&
		q.MetricStat == nil && q.AccountId == nil && (q.ReturnData == nil || *q.ReturnData)
	return q, ours
}

// promQLOf is the query of a PromQL alarm; "" for criteria of a kind that the SDK does not know.
func promQLOf(c types.EvaluationCriteria) string {
	if p, ok := c.(*types.EvaluationCriteriaMemberPromQLCriteria); ok {
		return aws.ToString(p.Value.Query)
	}
	return ""
}

// settingsOf are the alarm's settings that ours never have.
func settingsOf(m types.MetricAlarm) (out []alarm.Setting) {
	if m.Unit != "" {
		out = append(out, alarm.Setting{Name: alarm.UnitSetting, Value: string(m.Unit)})
	}
	if w, ok := m.EvaluationWindow.(*types.EvaluationWindowMemberWallClockWindow); ok { // the default is a sliding one
		out = append(out, alarm.Setting{Name: alarm.WindowSetting, Value: "by the clock of " + cmp.Or(aws.ToString(w.Value.Timezone), "UTC")})
	}
	if w := m.WarmUpConfiguration; w != nil {
		minutes := aws.ToInt32(w.WarmUpPeriodDurationInMinutes)
		out = append(out, alarm.Setting{Name: alarm.WarmUpSetting, Value: fmt.Sprintf("%d minutes", minutes)})
	}
	if p := aws.ToString(m.EvaluateLowSampleCountPercentile); p != "" && p != "evaluate" { // the default
		out = append(out, alarm.Setting{Name: alarm.LowSamplesSetting, Value: p})
	}
	return out
}

func tagsSent(c *types.ActionConfiguration) *alarm.TagsSent {
	if c == nil || c.AlarmTagsPropagation == nil {
		return nil
	}
	p := c.AlarmTagsPropagation
	return &alarm.TagsSent{Enabled: aws.ToBool(p.Enabled), Include: p.IncludedTagKeys, Except: p.ExcludedTagKeys}
}

func actionConfiguration(t *alarm.TagsSent) *types.ActionConfiguration {
	if t == nil {
		return nil
	}
	return &types.ActionConfiguration{AlarmTagsPropagation: &types.AlarmTagsPropagation{
		Enabled: &t.Enabled, IncludedTagKeys: t.Include, ExcludedTagKeys: t.Except,
	}}
}

// logAlarmOf reads a log alarm. Its M of N are results of its query.
func logAlarmOf(l types.LogAlarm) alarm.Have {
	h := alarm.Have{
		Spec: alarm.Spec{
			Name:                aws.ToString(l.AlarmName),
			Description:         aws.ToString(l.AlarmDescription),
			EvaluationPeriods:   int(aws.ToInt32(l.QueryResultsToEvaluate)),
			Datapoints:          int(aws.ToInt32(l.QueryResultsToAlarm)),
			Comparison:          string(l.ComparisonOperator),
			Threshold:           aws.ToFloat64(l.Threshold),
			Missing:             cmp.Or(aws.ToString(l.TreatMissingData), missingDefault),
			AlarmActions:        l.AlarmActions,
			OKActions:           l.OKActions,
			InsufficientActions: l.InsufficientDataActions,
			ActionsDisabled:     disabled(l.ActionsEnabled),
		},
		ARN:         aws.ToString(l.AlarmArn),
		Type:        alarm.LogType,
		State:       string(l.StateValue),
		StateReason: aws.ToString(l.StateReason),
		StateSince:  at(l.StateTransitionedTimestamp),
		Evaluation:  string(l.EvaluationState),
		Foreign:     true,
	}
	if q := l.ScheduledQueryConfiguration; q != nil {
		h.Logs = alarm.LogQuery{Text: aws.ToString(q.QueryString), Groups: q.LogGroupIdentifiers}
	}
	return h
}

func compositeOf(c types.CompositeAlarm) alarm.Have {
	return alarm.Have{
		Spec: alarm.Spec{
			Name:            aws.ToString(c.AlarmName),
			Description:     aws.ToString(c.AlarmDescription),
			AlarmActions:    c.AlarmActions,
			OKActions:       c.OKActions,
			ActionsDisabled: disabled(c.ActionsEnabled),

			InsufficientActions: c.InsufficientDataActions,
		},
		ARN:         aws.ToString(c.AlarmArn),
		Type:        alarm.CompositeType,
		State:       string(c.StateValue),
		StateReason: aws.ToString(c.StateReason),
		StateSince:  at(c.StateTransitionedTimestamp),
		Rule:        aws.ToString(c.AlarmRule),
		Foreign:     true,
	}
}

func dimensionList(in []alarm.Dimension) []types.Dimension {
	var out []types.Dimension
	for _, d := range in {
		out = append(out, types.Dimension{Name: aws.String(d.Name), Value: aws.String(d.Value)})
	}
	return out
}

// dimensionsOf orders by name: CloudWatch gives them in any order.
func dimensionsOf(in []types.Dimension) []alarm.Dimension {
	var out []alarm.Dimension
	for _, d := range in {
		out = append(out, alarm.Dimension{Name: aws.ToString(d.Name), Value: aws.ToString(d.Value)})
	}
	sortDimensions(out)
	return out
}

func sortDimensions(d []alarm.Dimension) {
	slices.SortFunc(d, func(x, y alarm.Dimension) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Value, y.Value))
	})
}

// disabled reads ActionsEnabled, whose default is true.
func disabled(enabled *bool) bool { return enabled != nil && !*enabled }
