package conformance

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

const (
	alarmARN = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:"
	topic    = "arn:aws:sns:us-east-1:111122223333:page"
)

var (
	allTypes = []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm, types.AlarmTypeLogAlarm}
	space    = aws.String("TaskWarden")
)

// heartbeat and onQuery are the two shapes of alarm that the product makes.
func heartbeat(name string) *cloudwatch.PutMetricAlarmInput {
	return &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, AlarmDescription: aws.String("the controller is gone"), ActionsEnabled: aws.Bool(false), AlarmActions: []string{topic}, OKActions: []string{topic}, InsufficientDataActions: []string{topic},
		ComparisonOperator: types.ComparisonOperatorLessThanThreshold, EvaluationPeriods: aws.Int32(5), DatapointsToAlarm: aws.Int32(4), Threshold: aws.Float64(1),
		TreatMissingData: aws.String("breaching"), Namespace: space, MetricName: aws.String("Heartbeat"), Period: aws.Int32(60), Statistic: types.StatisticMaximum,
		Dimensions: []types.Dimension{{Name: aws.String("Controller"), Value: aws.String("taskwarden")}},
	}
}

func onQuery(name string) *cloudwatch.PutMetricAlarmInput {
	return &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, ComparisonOperator: types.ComparisonOperatorGreaterThanOrEqualToThreshold, EvaluationPeriods: aws.Int32(10), DatapointsToAlarm: aws.Int32(1),
		Threshold: aws.Float64(1), TreatMissingData: aws.String("notBreaching"),
		Metrics: []types.MetricDataQuery{{Id: aws.String("q1"), Period: aws.Int32(60), ReturnData: aws.Bool(true), Expression: aws.String(
			`SELECT MAX(SilentChurn) FROM SCHEMA(TaskWarden, ClusterName, ServiceName) GROUP BY ClusterName, ServiceName ORDER BY MAX() DESC`)}},
	}
}

// percentile is an alarm as others make them.
func percentile(name string) *cloudwatch.PutMetricAlarmInput {
	in := heartbeat(name)
	in.Statistic, in.ExtendedStatistic, in.MetricName, in.DatapointsToAlarm, in.TreatMissingData = "", aws.String("p99"), aws.String("Latency"), nil, nil
	return in
}

// edited is an alarm of ours after a person changed what PutMetricAlarm takes beside our settings.
func edited(name string) *cloudwatch.PutMetricAlarmInput {
	in := heartbeat(name)
	in.Unit = types.StandardUnitCount
	return in
}

func composite(name string) *cloudwatch.PutCompositeAlarmInput {
	return &cloudwatch.PutCompositeAlarmInput{
		AlarmName: &name, AlarmRule: aws.String(`ALARM("heartbeat") OR ALARM("fleet")`), AlarmDescription: aws.String("either"), ActionsEnabled: aws.Bool(true),
		AlarmActions: []string{topic}, OKActions: []string{topic}, InsufficientDataActions: []string{topic},
	}
}

func alarms() []row {
	put := func(when string, in *cloudwatch.PutMetricAlarmInput) row {
		return row{"cloudwatch:PutMetricAlarm", when, func(t *testing.T, s *side) (any, error) { return s.cw.PutMetricAlarm(t.Context(), in) }}
	}
	describe := func(when string, in cloudwatch.DescribeAlarmsInput) row {
		in.AlarmTypes = allTypes
		return row{"cloudwatch:DescribeAlarms", when, func(t *testing.T, s *side) (any, error) { return s.cw.DescribeAlarms(t.Context(), &in) }}
	}
	tagged, ghost, blank := heartbeat("heartbeat"), heartbeat("ghost"), heartbeat("blank")
	tagged.Tags = []types.Tag{{Key: aws.String("taskwarden:owner"), Value: aws.String("taskwarden")}}
	ghost.DatapointsToAlarm = aws.Int32(6)
	blank.ComparisonOperator = "Above"
	return []row{
		put("on a metric, with tags", tagged), put("on a query", onQuery("fleet")), put("on a percentile", percentile("latency")),
		put("with a unit", edited("with-unit")),
		{"cloudwatch:PutCompositeAlarm", "on two others", func(t *testing.T, s *side) (any, error) {
			return s.cw.PutCompositeAlarm(t.Context(), composite("either"))
		}},
		describe("a composite one", cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"either"}}),
		describe("one with a unit", cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"with-unit"}}),
		{"cloudwatch:DescribeAlarms", "one whose missing data breaches", func(t *testing.T, s *side) (any, error) {
			return s.becomes(t, "heartbeat", types.StateValueAlarm, s.evaluates)
		}},
		describe("all", cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(100)}),
		describe("by name", cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"fleet"}}),
		describe("by prefix", cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String("heart")}),
		describe("an unknown name", cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"nope"}}),
		describe("a page of 2 of 5", cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(2)}),
		describe("a page of 101", cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(101)}),
		describe("101 names of at most 100", cloudwatch.DescribeAlarmsInput{AlarmNames: names(101)}),
		{"cloudwatch:DeleteAlarms", "an unknown name", func(t *testing.T, s *side) (any, error) {
			return s.cw.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"nope"}})
		}},
		{"cloudwatch:DeleteAlarms", "one that is there", func(t *testing.T, s *side) (any, error) {
			fatal(t, func() error { _, err := s.cw.PutMetricAlarm(t.Context(), heartbeat("short-lived")); return err }())
			return s.cw.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"short-lived"}})
		}},
		describe("one that was deleted", cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"short-lived"}}),
		put("6 of 5 datapoints", ghost), put("an unknown operator", blank),
	}
}

func alarmTags() []row {
	list := func(when, arn string) row {
		return row{"cloudwatch:ListTagsForResource", when, func(t *testing.T, s *side) (any, error) {
			return s.cw.ListTagsForResource(t.Context(), &cloudwatch.ListTagsForResourceInput{ResourceARN: &arn})
		}}
	}
	tag := func(when, arn string) row {
		return row{"cloudwatch:TagResource", when, func(t *testing.T, s *side) (any, error) {
			return s.cw.TagResource(t.Context(), &cloudwatch.TagResourceInput{ResourceARN: &arn, Tags: []types.Tag{{Key: aws.String("taskwarden:spec"), Value: aws.String("abc")}}})
		}}
	}
	return []row{
		list("as put with the alarm", alarmARN+"heartbeat"),
		list("of an alarm without any", alarmARN+"fleet"),
		tag("an alarm", alarmARN+"latency"),
		list("as put after the alarm", alarmARN+"latency"),
		list("of an unknown alarm", alarmARN+"nope"),
		tag("an unknown alarm", alarmARN+"nope"),
		list("of what is no ARN", "nope"),
	}
}

func topics() []row {
	get := func(when, arn string) row {
		return row{"sns:GetTopicAttributes", when, func(t *testing.T, s *side) (any, error) {
			return s.sns.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: &arn})
		}}
	}
	return []row{get("of a topic with a subscription", topic), get("of an unknown topic", topic+"-nope"), get("of what is no ARN", "nope")}
}

func metrics() []row {
	put := func(when string, in func(*side) *cloudwatch.PutMetricDataInput) row {
		return row{"cloudwatch:PutMetricData", when, func(t *testing.T, s *side) (any, error) { return s.cw.PutMetricData(t.Context(), in(s)) }}
	}
	get := func(when string, in func(*side) *cloudwatch.GetMetricDataInput) row {
		return row{"cloudwatch:GetMetricData", when, func(t *testing.T, s *side) (any, error) { return s.cw.GetMetricData(t.Context(), in(s)) }}
	}
	list := func(when string, in cloudwatch.ListMetricsInput) row {
		return row{"cloudwatch:ListMetrics", when, func(t *testing.T, s *side) (any, error) {
			in := in
			in.Namespace, in.MetricName = space, aws.String("SilentChurn")
			return s.cw.ListMetrics(t.Context(), &in)
		}}
	}
	named := func(pairs ...string) (out []types.DimensionFilter) {
		for i := 0; i < len(pairs); i += 2 {
			f := types.DimensionFilter{Name: &pairs[i]}
			if pairs[i+1] != "" {
				f.Value = &pairs[i+1]
			}
			out = append(out, f)
		}
		return out
	}
	watched := heartbeat("on-data")
	watched.MetricName, watched.Dimensions, watched.TreatMissingData = aws.String("SilentChurn"), of("web"), aws.String("notBreaching")
	watched.ComparisonOperator, watched.DatapointsToAlarm = types.ComparisonOperatorGreaterThanOrEqualToThreshold, aws.Int32(1)
	return []row{
		{"cloudwatch:PutMetricAlarm", "on data to come", func(t *testing.T, s *side) (any, error) { return s.cw.PutMetricAlarm(t.Context(), watched) }},
		put("two values of a minute", func(s *side) *cloudwatch.PutMetricDataInput {
			return data(churn("web", minute(s), 1), churn("web", minute(s), 3), churn("api", minute(s), 7))
		}),
		put("no namespace", like(cloudwatch.PutMetricDataInput{Namespace: aws.String(""), MetricData: []types.MetricDatum{churn("web", time.Now(), 1)}})),
		put("three weeks old", func(s *side) *cloudwatch.PutMetricDataInput {
			return data(churn("web", s.now.Add(-21*24*time.Hour), 1))
		}),
		put("1,001 of at most 1,000 data", func(s *side) *cloudwatch.PutMetricDataInput {
			return data(slices.Repeat([]types.MetricDatum{churn("web", minute(s), 1)}, 1001)...)
		}),
		get("the maximum of the minute", func(s *side) *cloudwatch.GetMetricDataInput { return maxima(minute(s), "web", "api") }),
		get("one value a page", func(s *side) *cloudwatch.GetMetricDataInput {
			in := maxima(minute(s), "web", "api")
			in.MaxDatapoints = aws.Int32(1)
			return in
		}),
		get("of a metric without data", func(s *side) *cloudwatch.GetMetricDataInput { return maxima(minute(s), "nope") }),
		get("of another minute", func(s *side) *cloudwatch.GetMetricDataInput { return maxima(minute(s).Add(-time.Hour), "web") }),
		get("two queries of one id", func(s *side) *cloudwatch.GetMetricDataInput {
			in := maxima(minute(s), "web", "api")
			in.MetricDataQueries[1].Id = in.MetricDataQueries[0].Id
			return in
		}),
		get("an end before the start", func(s *side) *cloudwatch.GetMetricDataInput {
			in := maxima(minute(s), "web")
			in.StartTime, in.EndTime = in.EndTime, in.StartTime
			return in
		}),
		list("active ones of any service", cloudwatch.ListMetricsInput{Dimensions: named("ServiceName", ""), RecentlyActive: types.RecentlyActivePt3h}),
		list("of one service", cloudwatch.ListMetricsInput{Dimensions: named("ServiceName", "api", "ClusterName", "prod"), RecentlyActive: types.RecentlyActivePt3h}),
		list("of a service without data", cloudwatch.ListMetricsInput{Dimensions: named("ServiceName", "nope")}),
		list("active in an unknown time", cloudwatch.ListMetricsInput{RecentlyActive: "PT4H"}),
		{"cloudwatch:DescribeAlarms", "on data put", func(t *testing.T, s *side) (any, error) {
			return s.becomes(t, "on-data", types.StateValueAlarm, true)
		}},
	}
}

// becomes describes an alarm, once it is in a state if one is to wait for that: what came of it is compared.
func (s *side) becomes(t *testing.T, name string, state types.StateValue, wait bool) (any, error) {
	in := &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}, AlarmTypes: allTypes}
	if wait {
		within(t, 5*time.Second, func() bool {
			out, err := s.cw.DescribeAlarms(t.Context(), in)
			return err == nil && len(out.MetricAlarms) == 1 && out.MetricAlarms[0].StateValue == state
		})
	}
	return s.cw.DescribeAlarms(t.Context(), in)
}

// minute is the last complete one before the run.
func minute(s *side) time.Time { return s.now.Truncate(time.Minute).Add(-time.Minute) }

func of(service string) []types.Dimension {
	return []types.Dimension{{Name: aws.String("ClusterName"), Value: prod}, {Name: aws.String("ServiceName"), Value: &service}}
}

func churn(service string, at time.Time, value float64) types.MetricDatum {
	return types.MetricDatum{MetricName: aws.String("SilentChurn"), Dimensions: of(service), Timestamp: &at, Value: &value, Unit: types.StandardUnitCount}
}

func data(d ...types.MetricDatum) *cloudwatch.PutMetricDataInput {
	return &cloudwatch.PutMetricDataInput{Namespace: space, MetricData: d}
}

// maxima asks for the maximum of a minute as the product does.
func maxima(from time.Time, services ...string) *cloudwatch.GetMetricDataInput {
	in := &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: aws.Time(from.Add(time.Minute))}
	for i, name := range services {
		in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{
			Id: aws.String("m" + string(rune('0'+i))), ReturnData: aws.Bool(true),
			MetricStat: &types.MetricStat{Period: aws.Int32(60), Stat: aws.String("Maximum"),
				Metric: &types.Metric{Namespace: space, MetricName: aws.String("SilentChurn"), Dimensions: of(name)}},
		})
	}
	return in
}
