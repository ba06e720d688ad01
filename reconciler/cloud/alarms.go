package cloud

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
)

// Alarms lists all metric and composite alarms of the account and region, in the order CloudWatch gives them. Tags are
// read (one call each) for those whose name begins with prefix. An error means that the list is not whole, and there is
// then none.
func (a *Account) Alarms(ctx context.Context, prefix string) ([]alarm.Have, error) {
	var out []alarm.Have
	pages := cloudwatch.NewDescribeAlarmsPaginator(a.cw, &cloudwatch.DescribeAlarmsInput{
		AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}, // default: metric alone
		MaxRecords: aws.Int32(100),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe alarms: %w", plain(err))
		}
		for _, m := range page.MetricAlarms {
			out = append(out, haveOf(m))
		}
		for _, c := range page.CompositeAlarms {
			out = append(out, compositeOf(c))
		}
	}
	for i := range out {
		if !strings.HasPrefix(out[i].Name, prefix) {
			continue
		}
		tags, err := a.tags(ctx, out[i].ARN)
		if err != nil {
			return nil, fmt.Errorf("read the tags of the alarm %s: %w", out[i].Name, err)
		}
		out[i].Tags = tags
	}
	return out, nil
}

func (a *Account) tags(ctx context.Context, arn string) (map[string]string, error) {
	out, err := call(ctx, a.cw.ListTagsForResource, &cloudwatch.ListTagsForResourceInput{ResourceARN: &arn})
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string, len(out.Tags))
	for _, t := range out.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return tags, nil
}

// PutAlarm makes the alarm, or overwrites all settings of the one with that name. CloudWatch takes the tags only when
// it makes the alarm; for one that exists give none, and use TagAlarm. With tags it therefore makes sure, by asking for
// that one name, that there is none yet: PutMetricAlarm itself would overwrite somebody's alarm that a listing which was
// not whole had left out. One that is there gives fleet.ErrConflict, and nothing is written.
func (a *Account) PutAlarm(ctx context.Context, spec alarm.Spec, tags map[string]string) error {
	if len(tags) > 0 {
		if err := a.absent(ctx, spec.Name); err != nil {
			return err
		}
	}
	in := alarmInput(spec)
	in.Tags = tagList(tags)
	if _, err := call(ctx, a.cw.PutMetricAlarm, in); err != nil {
		return fmt.Errorf("put the alarm %s: %w", spec.Name, err)
	}
	return nil
}

// absent is nil where no alarm has the name.
func (a *Account) absent(ctx context.Context, name string) error {
	out, err := call(ctx, a.cw.DescribeAlarms, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
	})
	if err != nil {
		return fmt.Errorf("make sure that there is no alarm %s yet: %w", name, err)
	}
	if len(out.MetricAlarms)+len(out.CompositeAlarms) > 0 {
		return &fleet.Fault{Operation: "cloudwatch:DescribeAlarms", Action: "cloudwatch:DescribeAlarms", Class: fleet.ErrConflict,
			Err: fmt.Errorf("the list of alarms was not whole: it lacks %s, which answers when asked for", name)}
	}
	return nil
}

// TagAlarm sets tags of an alarm that exists; others stay.
func (a *Account) TagAlarm(ctx context.Context, arn string, tags map[string]string) error {
	_, err := call(ctx, a.cw.TagResource, &cloudwatch.TagResourceInput{ResourceARN: &arn, Tags: tagList(tags)})
	if err != nil {
		return fmt.Errorf("tag the alarm %s: %w", arn, err)
	}
	return nil
}

func tagList(tags map[string]string) []types.Tag {
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}
