package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
)

// namesPerCall is how many alarms one DescribeAlarms call takes by name (DescribeAlarms, AlarmNames).
const namesPerCall = 100

// alarmDescriber describes alarms of all types; CloudWatch's default is metric alarms alone. A name is unique over all types.
type alarmDescriber struct{ account *Account }

// DescribeAlarms implements cloudwatch.DescribeAlarmsAPIClient. Where CloudWatch does not know log alarms yet, as in a
// partition that gets them later, there are none, and it is asked for the others. Each new list asks for them again.
func (d alarmDescriber) DescribeAlarms(
	ctx context.Context, in *cloudwatch.DescribeAlarmsInput, options ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	a, asked := d.account, *in
	asked.AlarmTypes = []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}
	newList := in.NextToken == nil && len(in.AlarmNames) == 0
	if a.noLogs.Load() && !newList {
		return a.cw.DescribeAlarms(ctx, &asked, options...)
	}
	all := asked
	all.AlarmTypes = append(all.AlarmTypes, types.AlarmTypeLogAlarm)
	out, err := a.cw.DescribeAlarms(ctx, &all, options...)
	refused := refusesTypes(err)
	if err == nil || refused {
		a.noLogs.Store(refused)
	}
	if refused {
		return a.cw.DescribeAlarms(ctx, &asked, options...)
	}
	return out, err
}

// refusesTypes reports whether an error is about AlarmTypes.
func refusesTypes(err error) bool {
	f, ok := errors.AsType[*fleet.Fault](err)
	return ok && strings.HasPrefix(f.Code, "Validation") && strings.Contains(strings.ToLower(f.Error()), "alarmtypes")
}

// Alarms lists all alarms of the account and region, of every type, each once, in the order CloudWatch gives them. Tags
// are read (one call each) for those that tagged picks; nil picks none. An error means that the list is not whole, and
// there is then none: a list that lacks an alarm which the last one had, and which answers when asked for, is one.
func (a *Account) Alarms(ctx context.Context, tagged func(name string) bool) ([]alarm.Have, error) {
	var out []alarm.Have
	seen := map[string]bool{}
	pages := cloudwatch.NewDescribeAlarmsPaginator(alarmDescriber{a}, &cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(100)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe alarms: %w", plain(err))
		}
		for _, h := range havesOf(page) {
			if !seen[h.Name] {
				seen[h.Name] = true
				out = append(out, h)
			}
		}
	}
	if err := a.allListed(ctx, seen); err != nil {
		return nil, err
	}
	for i := range out {
		if tagged == nil || !tagged(out[i].Name) {
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

func havesOf(page *cloudwatch.DescribeAlarmsOutput) []alarm.Have {
	var out []alarm.Have
	for _, m := range page.MetricAlarms {
		out = append(out, haveOf(m))
	}
	for _, c := range page.CompositeAlarms {
		out = append(out, compositeOf(c))
	}
	for _, l := range page.LogAlarms {
		out = append(out, logAlarmOf(l))
	}
	return out
}

// allListed asks by name for the alarms that the last list had and this one lacks. In a steady state there are none, and
// it costs no call.
func (a *Account) allListed(ctx context.Context, seen map[string]bool) error {
	a.mu.Lock()
	var lacking []string
	for name := range a.alarms {
		if !seen[name] {
			lacking = append(lacking, name)
		}
	}
	a.mu.Unlock()
	slices.Sort(lacking)
	for part := range slices.Chunk(lacking, namesPerCall) {
		there, err := a.named(ctx, part...)
		if err != nil {
			return fmt.Errorf("ask for the alarms that the list lacks: %w", err)
		}
		if len(there) > 0 {
			return unlisted(there[0].Name, len(lacking))
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alarms = seen
	return nil
}

// named are the alarms of these names, of whatever type.
func (a *Account) named(ctx context.Context, names ...string) ([]alarm.Have, error) {
	out, err := call(ctx, alarmDescriber{a}.DescribeAlarms, &cloudwatch.DescribeAlarmsInput{AlarmNames: names, MaxRecords: aws.Int32(100)})
	if err != nil {
		return nil, err
	}
	return havesOf(out), nil
}

func unlisted(name string, of int) error {
	return &fleet.Fault{Operation: "cloudwatch:DescribeAlarms", Action: "cloudwatch:DescribeAlarms", Class: fleet.ErrConflict,
		Err: fmt.Errorf("the list of alarms was not whole: of %d that it lacks, as %s, some answer when asked for", of, name)}
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

// PutAlarm makes the alarm, or overwrites all settings of the one with that name, which was as it was read. CloudWatch takes
// the tags only when it makes the alarm; for one that exists give none, and use TagAlarm. PutMetricAlarm has no condition,
// so the name is asked for first. With tags there must be no alarm: a listing that was not whole may have left out
// another one. With was there must be that alarm, unchanged: the spec keeps what people had edited when it was read, and
// would undo what they edited since. Otherwise it gives fleet.ErrConflict, and nothing is written.
func (a *Account) PutAlarm(ctx context.Context, spec alarm.Spec, was *alarm.Have, tags map[string]string) error {
	if was != nil {
		if err := a.unchanged(ctx, *was); err != nil {
			return err
		}
	}
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
	there, err := a.named(ctx, name)
	switch {
	case err != nil:
		return fmt.Errorf("make sure that there is no alarm %s yet: %w", name, err)
	case len(there) > 0:
		return unlisted(name, 1)
	}
	return nil
}

// unchanged is nil where an alarm is configured as it was read.
func (a *Account) unchanged(ctx context.Context, was alarm.Have) error {
	there, err := a.named(ctx, was.Name)
	if err != nil {
		return fmt.Errorf("make sure that the alarm %s is as it was read: %w", was.Name, err)
	}
	if len(there) == 1 && reflect.DeepEqual(settled(there[0]), settled(was)) {
		return nil
	}
	return &fleet.Fault{Operation: "cloudwatch:PutMetricAlarm", Action: "cloudwatch:PutMetricAlarm", Class: fleet.ErrConflict,
		Err: fmt.Errorf("the alarm %s is not written: it was changed since it was read", was.Name)}
}

// settled is an alarm's configuration, without what changes by itself and without its tags.
func settled(h alarm.Have) alarm.Have {
	h.State, h.StateReason, h.StateSince, h.Evaluation, h.Tags = "", "", time.Time{}, "", nil
	return h
}

// DeleteAlarm deletes the alarm where its owner tag, asked for at this moment, is the owner; otherwise it gives
// fleet.ErrConflict, and nothing is deleted. One that is not there (any more) is no error.
func (a *Account) DeleteAlarm(ctx context.Context, name, arn, owner string) error {
	tags, err := a.tags(ctx, arn)
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("make sure whose the alarm %s is: %w", name, err)
	case owner == "" || tags[alarm.OwnerTag] != owner:
		return &fleet.Fault{Operation: "cloudwatch:DeleteAlarms", Action: "cloudwatch:DeleteAlarms", Class: fleet.ErrConflict,
			Err: fmt.Errorf("the alarm %s is not deleted: its tag %s is %q, not %q", name, alarm.OwnerTag, tags[alarm.OwnerTag], owner)}
	}
	_, err = call(ctx, a.cw.DeleteAlarms, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{name}})
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return fmt.Errorf("delete the alarm %s: %w", name, err)
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
