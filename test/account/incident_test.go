package account_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func TestIncidentChurnsSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, c := open(t, load(t, "incident.yaml", nil))
		time.Sleep(7 * 24 * time.Hour)
		stopped := c.tasks(ctx, t, "prod", "django", "STOPPED").Tasks
		stops := a.Stops()
		// Four tasks that live six to seven hours each: 24/6.5 deaths a task and day.
		if n := len(stops); n < 4*7*24/7-8 || n > 4*7*24/6+4 {
			t.Errorf("%d stops in a week, want about %d", n, 4*7*24*2/13)
		}
		for _, s := range stops {
			if s.Planned || s.Cause != "essential_container_exited" || s.Culprit != "cwagent" || s.ExitCode == nil || *s.ExitCode != 2 || s.Service != "django" {
				t.Fatalf("stop is not the incident's: %+v", s)
			}
			if s.Ran > 7*time.Hour+time.Second {
				t.Errorf("ran %s, more than its lifetime", s.Ran)
			}
		}
		for _, task := range stopped {
			exits := map[string]int32{}
			for _, k := range task.Containers {
				exits[*k.Name] = *k.ExitCode
			}
			if task.StopCode != types.TaskStopCodeEssentialContainerExited || exits["cwagent"] != 2 || exits["nginx"] != 0 || exits["django"] != 0 || exits["init"] != 0 {
				t.Errorf("task %s: %s %v", *task.TaskArn, task.StopCode, exits)
			}
		}
		newest := stops[len(stops)-1]
		id := newest.TaskARN[strings.LastIndexByte(newest.TaskARN, '/')+1:]
		got, err := c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("/ecs/ecs-cwagent"), LogStreamName: aws.String("ecs/cwagent/" + id), Limit: aws.Int32(50)})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, e := range got.Events {
			found = found || *e.Message == "fatal error: concurrent map writes"
		}
		if !found {
			t.Errorf("the dying lines are not in the log: %d events", len(got.Events))
		}
		out, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"django", "nope"}})
		if err != nil || len(out.Services) != 1 || len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
			t.Fatalf("%v %+v", err, out)
		}
		for _, e := range out.Services[0].Events {
			if strings.Contains(*e.Message, "unable to consistently start") {
				t.Errorf("ECS told of the churn: %s", *e.Message)
			}
		}
	})
}

func TestIncidentEndsWithTheSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, c := open(t, load(t, "incident.yaml", nil))
		time.Sleep(24 * time.Hour)
		got, err := c.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("django")})
		if err != nil {
			t.Fatal(err)
		}
		d := got.TaskDefinition
		for i := range d.ContainerDefinitions {
			for j, e := range d.ContainerDefinitions[i].Environment {
				switch *e.Name {
				case "OTEL_TRACES_SAMPLER":
					d.ContainerDefinitions[i].Environment[j].Value = aws.String("parentbased_traceidratio")
				case "OTEL_TRACES_SAMPLER_ARG":
					d.ContainerDefinitions[i].Environment[j].Value = aws.String("0.01")
				}
			}
		}
		reg, err := c.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family: d.Family, ContainerDefinitions: d.ContainerDefinitions, Cpu: d.Cpu, Memory: d.Memory, NetworkMode: d.NetworkMode,
			Tags: []types.Tag{{Key: aws.String("taskwarden:rollout"), Value: aws.String("r1")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if reg.TaskDefinition.Revision != 2 || len(reg.Tags) != 1 {
			t.Fatalf("revision %d, tags %v", reg.TaskDefinition.Revision, reg.Tags)
		}
		if _, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("django"), TaskDefinition: reg.TaskDefinition.TaskDefinitionArn}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		out, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"django"}})
		if err != nil {
			t.Fatal(err)
		}
		s := out.Services[0]
		if len(s.Deployments) != 1 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted || s.RunningCount != 4 || *s.TaskDefinition != *reg.TaskDefinition.TaskDefinitionArn {
			t.Fatalf("after the rollout: running %d, deployments %+v", s.RunningCount, s.Deployments)
		}
		before := len(a.Stops())
		time.Sleep(3 * 24 * time.Hour)
		a.Advance(time.Now())
		if after := len(a.Stops()); after != before {
			t.Errorf("%d more stops with the corrected sampler: %+v", after-before, a.Stops()[after-1])
		}
	})
}
