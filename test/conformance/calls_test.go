package conformance

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// row is one call that is made at both, with what is the same of it at both: its operation, its circumstances, its input.
type row struct {
	operation string // as in cloud.Operations: "ecs:ListTasks"
	when      string
	do        func(*testing.T, *side) (any, error)
}

// calls are made in this order at each side: some change the world for the ones behind them.
func calls() []row {
	var all []row
	for _, part := range [][]row{access(), clusters(), services(), tasks(), definitions(), history(), logs(), alarms(), alarmTags(), topics(), metrics(), rollout(), images(), stopped()} {
		all = append(all, part...)
	}
	return all
}

// like gives the same input to both sides.
func like[I any](in I) func(*side) *I { return func(*side) *I { c := in; return &c } }

var (
	prod = aws.String("prod")
	nope = aws.String("nope")
)

// names makes n names that nothing has.
func names(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("none-%03d", i))
	}
	return out
}

func access() []row {
	assume := func(when, role string) row {
		return row{"sts:AssumeRole", when, func(t *testing.T, s *side) (any, error) {
			return s.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("taskwarden"), ExternalId: aws.String("between-us")})
		}}
	}
	return []row{
		assume("of this account", "arn:aws:iam::111122223333:role/taskwarden"),
		assume("of another account, with a path", "arn:aws:iam::444455556666:role/ops/taskwarden"),
		assume("what is no ARN", "taskwarden-with-a-name-of-20"),
		{"sts:GetCallerIdentity", "of ambient credentials", func(t *testing.T, s *side) (any, error) {
			return s.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		}},
	}
}

func clusters() []row {
	list := func(when string, in ecs.ListClustersInput) row {
		return row{"ecs:ListClusters", when, func(t *testing.T, s *side) (any, error) { return s.ecs.ListClusters(t.Context(), &in) }}
	}
	describe := func(when string, in ecs.DescribeClustersInput) row {
		return row{"ecs:DescribeClusters", when, func(t *testing.T, s *side) (any, error) { return s.ecs.DescribeClusters(t.Context(), &in) }}
	}
	settings := []types.ClusterField{types.ClusterFieldSettings}
	return []row{
		describe("two with their settings and one that is missing", ecs.DescribeClustersInput{Clusters: []string{"prod", "empty", "nope"}, Include: settings}),
		describe("101 of at most 100", ecs.DescribeClustersInput{Clusters: names(101), Include: settings}),
		list("all", ecs.ListClustersInput{MaxResults: aws.Int32(100)}),
		list("a page of 2 of 3", ecs.ListClustersInput{MaxResults: aws.Int32(2)}),
		list("a page of 101", ecs.ListClustersInput{MaxResults: aws.Int32(101)}),
		list("a made-up token", ecs.ListClustersInput{NextToken: aws.String("?")}),
	}
}

func services() []row {
	list := func(when string, in ecs.ListServicesInput) row {
		return row{"ecs:ListServices", when, func(t *testing.T, s *side) (any, error) { return s.ecs.ListServices(t.Context(), &in) }}
	}
	describe := func(when string, in ecs.DescribeServicesInput) row {
		return row{"ecs:DescribeServices", when, func(t *testing.T, s *side) (any, error) { return s.ecs.DescribeServices(t.Context(), &in) }}
	}
	return []row{
		list("all of prod", ecs.ListServicesInput{Cluster: prod, MaxResults: aws.Int32(100)}),
		list("of an empty cluster", ecs.ListServicesInput{Cluster: aws.String("empty")}),
		list("12 by the default page", ecs.ListServicesInput{Cluster: aws.String("wide")}),
		list("a page of 5 of 12", ecs.ListServicesInput{Cluster: aws.String("wide"), MaxResults: aws.Int32(5)}),
		list("an unknown cluster", ecs.ListServicesInput{Cluster: nope}),
		describe("two and one that is missing", ecs.DescribeServicesInput{Cluster: prod, Services: []string{"web", "parked", "nope"}}),
		describe("one on a capacity provider, with its tags", ecs.DescribeServicesInput{Cluster: prod, Services: []string{"spot"}, Include: []types.ServiceField{"TAGS"}}),
		describe("by ARN", ecs.DescribeServicesInput{Cluster: prod, Services: []string{"arn:aws:ecs:us-east-1:111122223333:service/prod/victim"}}),
		describe("11 of at most 10", ecs.DescribeServicesInput{Cluster: prod, Services: names(11)}),
		describe("none", ecs.DescribeServicesInput{Cluster: prod, Services: []string{}}),
		describe("an unknown cluster", ecs.DescribeServicesInput{Cluster: nope, Services: []string{"web"}}),
	}
}

func tasks() []row {
	list := func(when string, in ecs.ListTasksInput) row {
		return row{"ecs:ListTasks", when, func(t *testing.T, s *side) (any, error) { return s.ecs.ListTasks(t.Context(), &in) }}
	}
	describe := func(when string, in func(*side) *ecs.DescribeTasksInput) row {
		return row{"ecs:DescribeTasks", when, func(t *testing.T, s *side) (any, error) { return s.ecs.DescribeTasks(t.Context(), in(s)) }}
	}
	return []row{
		list("running", ecs.ListTasksInput{Cluster: prod, DesiredStatus: types.DesiredStatusRunning, MaxResults: aws.Int32(100)}),
		list("stopped, where none has", ecs.ListTasksInput{Cluster: prod, DesiredStatus: types.DesiredStatusStopped}),
		list("a page of 2 of 4", ecs.ListTasksInput{Cluster: prod, MaxResults: aws.Int32(2)}),
		list("an unknown cluster", ecs.ListTasksInput{Cluster: nope}),
		list("an unknown service", ecs.ListTasksInput{Cluster: prod, ServiceName: nope}),
		list("an unknown status", ecs.ListTasksInput{Cluster: prod, DesiredStatus: "GONE"}),
		describe("one that runs and one that is missing", func(s *side) *ecs.DescribeTasksInput {
			return &ecs.DescribeTasksInput{Cluster: prod, Tasks: []string{s.task, "arn:aws:ecs:us-east-1:111122223333:task/prod/0123456789abcdef0123456789abcdef"}}
		}),
		describe("one on a capacity provider", func(s *side) *ecs.DescribeTasksInput {
			return &ecs.DescribeTasksInput{Cluster: prod, Tasks: []string{s.spot}}
		}),
		describe("by id", func(s *side) *ecs.DescribeTasksInput {
			return &ecs.DescribeTasksInput{Cluster: prod, Tasks: []string{last(s.task)}}
		}),
		describe("101 of at most 100", like(ecs.DescribeTasksInput{Cluster: prod, Tasks: names(101)})),
		describe("none", like(ecs.DescribeTasksInput{Cluster: prod, Tasks: []string{}})),
		describe("an unknown cluster", func(s *side) *ecs.DescribeTasksInput {
			return &ecs.DescribeTasksInput{Cluster: nope, Tasks: []string{s.task}}
		}),
	}
}

func history() []row {
	list := func(when string, in ecs.ListServiceDeploymentsInput) row {
		return row{"ecs:ListServiceDeployments", when, func(t *testing.T, s *side) (any, error) { return s.ecs.ListServiceDeployments(t.Context(), &in) }}
	}
	describe := func(when string, arns func(*side) []string) row {
		return row{"ecs:DescribeServiceDeployments", when, func(t *testing.T, s *side) (any, error) {
			return s.ecs.DescribeServiceDeployments(t.Context(), &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: arns(s)})
		}}
	}
	revisions := func(when string, arns func(*side) []string) row {
		return row{"ecs:DescribeServiceRevisions", when, func(t *testing.T, s *side) (any, error) {
			return s.ecs.DescribeServiceRevisions(t.Context(), &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: arns(s)})
		}}
	}
	return []row{
		list("of web", ecs.ListServiceDeploymentsInput{Cluster: prod, Service: aws.String("web"), MaxResults: aws.Int32(100)}),
		list("an unknown service", ecs.ListServiceDeploymentsInput{Cluster: prod, Service: nope}),
		list("an unknown cluster", ecs.ListServiceDeploymentsInput{Cluster: nope, Service: aws.String("web")}),
		describe("the one there is", func(s *side) []string { return []string{s.deployment} }),
		describe("one that is missing", func(s *side) []string { return []string{s.deployment[:len(s.deployment)-3] + "000"} }),
		describe("none", func(*side) []string { return []string{} }),
		revisions("the one there is", func(s *side) []string { return []string{s.revision} }),
		revisions("one that is missing", func(s *side) []string { return []string{s.revision[:len(s.revision)-3] + "000"} }),
		revisions("none", func(*side) []string { return []string{} }),
	}
}

// stopped is last: it changes the world.
func stopped() []row {
	return []row{
		{"ecs:StopTask", "by an operator", func(t *testing.T, s *side) (any, error) {
			out, err := s.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: prod, Task: &s.victim, Reason: aws.String("by hand")})
			if err == nil {
				s.settled(t.Context(), t, s.victim)
			}
			return out, err
		}},
		{"ecs:DescribeTasks", "one that an operator stopped", func(t *testing.T, s *side) (any, error) {
			return s.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: prod, Tasks: []string{s.victim}})
		}},
		{"ecs:ListTasks", "stopped, where one has", func(t *testing.T, s *side) (any, error) {
			return s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: prod, DesiredStatus: types.DesiredStatusStopped})
		}},
	}
}

func logs() []row {
	events := func(when string, in func(*side) *cloudwatchlogs.GetLogEventsInput) row {
		return row{"logs:GetLogEvents", when, func(t *testing.T, s *side) (any, error) {
			i := in(s)
			i.LogStreamName = aws.String(aws.ToString(i.LogStreamName) + last(s.task))
			return s.logs.GetLogEvents(t.Context(), i)
		}}
	}
	streams := func(when string, in func(*side) *cloudwatchlogs.DescribeLogStreamsInput) row {
		return row{"logs:DescribeLogStreams", when, func(t *testing.T, s *side) (any, error) { return s.logs.DescribeLogStreams(t.Context(), in(s)) }}
	}
	group, stream, arn := aws.String("/ecs/web"), aws.String("ecs/app/"), aws.String("arn:aws:logs:us-east-1:111122223333:log-group:/ecs/web")
	ofTask := func(s *side) *string { return aws.String("ecs/app/" + last(s.task)) }
	return []row{
		events("the newest two", like(cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, Limit: aws.Int32(2), StartFromHead: aws.Bool(false)})),
		events("from the head", like(cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true)})),
		events("by the group's ARN", like(cloudwatchlogs.GetLogEventsInput{LogGroupIdentifier: arn, LogStreamName: stream})),
		events("of a time without lines", func(s *side) *cloudwatchlogs.GetLogEventsInput {
			return &cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartTime: aws.Int64(s.now.UnixMilli() - 1000), EndTime: aws.Int64(s.now.UnixMilli())}
		}),
		events("an unknown group", like(cloudwatchlogs.GetLogEventsInput{LogGroupName: nope, LogStreamName: stream})),
		events("an unknown stream", like(cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: aws.String("ecs/nope/")})),
		events("10,001 of at most 10,000 lines", like(cloudwatchlogs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, Limit: aws.Int32(10_001)})),
		streams("of one task", func(s *side) *cloudwatchlogs.DescribeLogStreamsInput {
			return &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, LogStreamNamePrefix: ofTask(s), Limit: aws.Int32(5)}
		}),
		streams("by the group's ARN", func(s *side) *cloudwatchlogs.DescribeLogStreamsInput {
			return &cloudwatchlogs.DescribeLogStreamsInput{LogGroupIdentifier: arn, LogStreamNamePrefix: ofTask(s)}
		}),
		streams("an unknown stream", like(cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, LogStreamNamePrefix: nope})),
		streams("an unknown group", like(cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: nope})),
		streams("a prefix in the order of time", func(s *side) *cloudwatchlogs.DescribeLogStreamsInput {
			return &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: group, LogStreamNamePrefix: ofTask(s), OrderBy: "LastEventTime"}
		}),
	}
}
