package account_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"taskwarden/test/account"
)

// chatty is a world of one task that says "a" and "b" in turn every minute.
func chatty() account.Scenario {
	return oneService(func(v *account.Service) {
		v.Desired = 1
		v.Models = map[string]account.Model{"web": {
			Start: account.Lines{"hello"}, Chatter: account.Chatter{Every: account.Exactly(time.Minute), Lines: account.Lines{"a", "b"}},
			OnStop: account.Ending{Log: account.Lines{"bye"}},
		}}
	})
}

func TestGetLogEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, c := open(t, chatty())
		stream := "ecs/web/" + id(*c.tasks(ctx, t, "prod", "web", "RUNNING").Tasks[0].TaskArn)
		group := aws.String("/ecs/web")
		read := func(in cloudwatchlogs.GetLogEventsInput) *cloudwatchlogs.GetLogEventsOutput {
			t.Helper()
			in.LogGroupName, in.LogStreamName = group, &stream
			out, err := c.logs.GetLogEvents(ctx, &in)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		start := time.Now()
		time.Sleep(30*time.Minute + time.Second)
		newest := read(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(3), StartTime: aws.Int64(start.UnixMilli())})
		if len(newest.Events) != 3 || time.Since(time.UnixMilli(*newest.Events[2].Timestamp)) > 2*time.Minute || *newest.Events[0].Timestamp >= *newest.Events[2].Timestamp {
			t.Fatalf("the newest page, oldest first: %+v", newest.Events)
		}
		again := read(cloudwatchlogs.GetLogEventsInput{NextToken: newest.NextForwardToken, StartTime: aws.Int64(start.UnixMilli())})
		if len(again.Events) != 0 || *again.NextForwardToken != *newest.NextForwardToken {
			t.Errorf("at the end the token comes back: %+v", again)
		}
		before := read(cloudwatchlogs.GetLogEventsInput{NextToken: newest.NextBackwardToken, Limit: aws.Int32(3), StartTime: aws.Int64(start.UnixMilli())})
		if len(before.Events) != 3 || *before.Events[2].Timestamp >= *newest.Events[0].Timestamp {
			t.Errorf("the page before: %+v", before.Events)
		}
		if all := read(cloudwatchlogs.GetLogEventsInput{StartFromHead: aws.Bool(true)}); *all.Events[0].Message != "hello" {
			t.Errorf("from the head: %s", *all.Events[0].Message)
		}
		if none := read(cloudwatchlogs.GetLogEventsInput{StartTime: aws.Int64(time.Now().Add(time.Hour).UnixMilli())}); len(none.Events) != 0 || none.NextForwardToken == nil {
			t.Errorf("an empty window: %+v", none)
		}
		stopAll(t, a, c)
		time.Sleep(time.Hour)
		if last := read(cloudwatchlogs.GetLogEventsInput{Limit: aws.Int32(1)}); *last.Events[0].Message != "bye" {
			t.Errorf("after its end it says %q", *last.Events[0].Message)
		}
	})
}

func TestLogStreamsAndFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, c := open(t, chatty())
		stopAll(t, a, c)
		time.Sleep(10 * time.Minute)
		group := aws.String("/ecs/web")
		out, err := c.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true)})
		if err != nil || len(out.LogStreams) != 2 || *out.LogStreams[0].LastEventTimestamp <= *out.LogStreams[1].LastEventTimestamp {
			t.Fatalf("%v %+v", err, out)
		}
		if _, err := c.logs.DescribeLogStreams(ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, OrderBy: types.OrderByLastEventTime, LogStreamNamePrefix: aws.String("ecs")}); code(err) != "InvalidParameterException" {
			t.Errorf("prefix with order by time: %v", err)
		}
		found, err := c.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("?hello ?bye")})
		if err != nil || len(found.Events) != 3 {
			t.Fatalf("%v: %d events", err, len(found.Events))
		}
		var all []string
		for p := cloudwatchlogs.NewFilterLogEventsPaginator(c.logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: group, LogStreamNames: []string{*out.LogStreams[0].LogStreamName}, Limit: aws.Int32(2)}); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				all = append(all, *e.Message)
			}
		}
		if got := strings.Join(all, ""); !strings.HasPrefix(got, "helloabab") {
			t.Errorf("paged: %s", got)
		}
		groups, err := c.logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/ecs/w")})
		if err != nil || len(groups.LogGroups) != 1 || !strings.HasSuffix(*groups.LogGroups[0].Arn, "log-group:/ecs/web:*") {
			t.Errorf("%v %+v", err, groups)
		}
		if got, err := c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupIdentifier: groups.LogGroups[0].LogGroupArn, LogStreamName: out.LogStreams[0].LogStreamName}); err != nil || len(got.Events) == 0 {
			t.Errorf("by ARN: %v", err)
		}
	})
}
