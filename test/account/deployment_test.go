package account_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/test/account"
)

func (c clients) service(ctx context.Context, t *testing.T, cluster, name string) types.Service {
	t.Helper()
	out, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}, Include: []types.ServiceField{types.ServiceFieldTags}})
	if err != nil || len(out.Services) != 1 {
		t.Fatal(err, out)
	}
	return out.Services[0]
}

// revise registers the family's newest revision again with another value of a variable and gives its ARN.
func (c clients) revise(ctx context.Context, t *testing.T, family, name, value string) *string {
	t.Helper()
	got, err := c.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &family})
	if err != nil {
		t.Fatal(err)
	}
	containers := got.TaskDefinition.ContainerDefinitions
	containers[0].Environment = []types.KeyValuePair{{Name: &name, Value: &value}}
	out, err := c.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: &family, ContainerDefinitions: containers})
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskDefinition.TaskDefinitionArn
}

// oneService is a world of one service "web" in cluster "prod".
func oneService(change func(*account.Service)) account.Scenario {
	v := account.Service{Name: "web", Desired: 3, TaskDefinition: account.TaskDefinition{Family: "web", Containers: []map[string]any{
		{"name": "web", "environment": map[string]any{"MODE": "good"}}}}}
	if change != nil {
		change(&v)
	}
	return account.Scenario{Name: "one", Seed: 1, Clusters: []account.Cluster{{Name: "prod", Services: []account.Service{v}}}}
}

func TestDeploymentRolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, c := open(t, oneService(nil))
		was := c.service(ctx, t, "prod", "web").Deployments[0]
		arn := c.revise(ctx, t, "web", "MODE", "better")
		begun := time.Now()
		if _, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("web"), TaskDefinition: arn}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(35 * time.Second)
		s := c.service(ctx, t, "prod", "web")
		if len(s.Deployments) != 2 || *s.Deployments[0].Status != "PRIMARY" || s.Deployments[0].RolloutState != types.DeploymentRolloutStateInProgress ||
			*s.Deployments[0].TaskDefinition != *arn || *s.Deployments[1].Status != "ACTIVE" || *s.Deployments[1].Id != *was.Id {
			t.Fatalf("under way: %+v", s.Deployments)
		}
		for s = c.service(ctx, t, "prod", "web"); len(s.Deployments) > 1; s = c.service(ctx, t, "prod", "web") {
			if time.Sleep(time.Second); time.Since(begun) > 10*time.Minute {
				t.Fatalf("never completes: %+v", s.Deployments)
			}
		}
		if d := s.Deployments[0]; d.RolloutState != types.DeploymentRolloutStateCompleted || *d.RolloutStateReason != "ECS deployment "+*d.Id+" completed." || d.RunningCount != 3 {
			t.Errorf("completed: %+v", d)
		}
		time.Sleep(time.Minute)
		var firstNew time.Time
		for _, task := range c.tasks(ctx, t, "prod", "web", "RUNNING").Tasks {
			if firstNew.IsZero() || task.StartedAt.Before(firstNew) {
				firstNew = *task.StartedAt
			}
		}
		for _, task := range c.tasks(ctx, t, "prod", "web", "STOPPED").Tasks {
			if early := firstNew.Add(40 * time.Second).Sub(*task.StoppingAt); early > 0 {
				t.Errorf("an old task was stopped %s before the first new one had been healthy for 40 s", early)
			}
			if task.StopCode != types.TaskStopCodeServiceSchedulerInitiated || *task.StoppedReason != "Scaling activity initiated by (deployment "+*was.Id+")" || *task.StartedBy != *was.Id {
				t.Errorf("stopped %s %q started by %s", task.StopCode, *task.StoppedReason, *task.StartedBy)
			}
		}
		for _, stop := range a.Stops() {
			if stop.Cause != "deployment" || !stop.Planned || stop.Definition != "web:1" {
				t.Errorf("truth: %+v", stop)
			}
		}
		if len(a.Stops()) != 3 {
			t.Errorf("%d stops", len(a.Stops()))
		}
		checkHistory(ctx, t, c, 2)
	})
}

func checkHistory(ctx context.Context, t *testing.T, c clients, want int) {
	t.Helper()
	list, err := c.ecs.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{Cluster: aws.String("prod"), Service: aws.String("web")})
	if err != nil || len(list.ServiceDeployments) != want {
		t.Fatal(err, list)
	}
	newest := list.ServiceDeployments[0]
	got, err := c.ecs.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{*newest.ServiceDeploymentArn}})
	if err != nil || len(got.ServiceDeployments) != 1 || got.ServiceDeployments[0].Status != types.ServiceDeploymentStatusSuccessful || got.ServiceDeployments[0].FinishedAt == nil {
		t.Fatal(err, got)
	}
	revision, err := c.ecs.DescribeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{*newest.TargetServiceRevisionArn, *newest.TargetServiceRevisionArn + "0"}})
	if err != nil || len(revision.ServiceRevisions) != 1 || !strings.HasSuffix(*revision.ServiceRevisions[0].TaskDefinition, "web:2") || len(revision.Failures) != 1 {
		t.Fatal(err, revision)
	}
}

func TestSameRevisionIsNoDeployment(t *testing.T) {
	_, c := open(t, oneService(nil))
	ctx := t.Context()
	arn := c.service(ctx, t, "prod", "web").TaskDefinition
	for force, want := range map[bool]int{false: 1, true: 2} {
		_, c = open(t, oneService(nil))
		out, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("web"), TaskDefinition: arn, ForceNewDeployment: force})
		if err != nil || len(out.Service.Deployments) != want {
			t.Errorf("force %v: %v, %d deployments", force, err, len(out.Service.Deployments))
		}
	}
	_, c = open(t, oneService(func(s *account.Service) { s.Controller = "CODE_DEPLOY" }))
	if _, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("web"), TaskDefinition: arn}); code(err) != "InvalidParameterException" {
		t.Errorf("CODE_DEPLOY: %v", err)
	}
}

func TestCircuitBreaker(t *testing.T) {
	broken := map[string]account.Model{"web": {Cases: []account.Case{{When: map[string]string{"MODE": "broken"}, Death: account.DeathStart, Text: "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref"}}}}
	for _, breaker := range []string{"rollback", "stop", "off"} {
		t.Run(breaker, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				a, c := open(t, oneService(func(s *account.Service) { s.CircuitBreaker, s.Models = breaker, broken }))
				arn := c.revise(ctx, t, "web", "MODE", "broken")
				if _, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("web"), TaskDefinition: arn}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Minute)
				s := c.service(ctx, t, "prod", "web")
				first := s.Deployments[0]
				switch breaker {
				case "rollback":
					if len(s.Deployments) != 1 || *s.TaskDefinition == *arn || first.RolloutState != types.DeploymentRolloutStateCompleted {
						t.Errorf("%+v", s.Deployments)
					}
				case "stop":
					if *first.TaskDefinition != *arn || first.RolloutState != types.DeploymentRolloutStateFailed || *first.RolloutStateReason != "ECS deployment circuit breaker: tasks failed to start." {
						t.Errorf("%+v", first)
					}
				case "off":
					if first.RolloutState != types.DeploymentRolloutStateInProgress || first.FailedTasks < 3 {
						t.Errorf("%+v", first)
					}
					if n := len(a.Stops()); n > 60 {
						t.Errorf("%d failed starts in half an hour: they are not throttled", n)
					}
				}
				if s.RunningCount != 3 {
					t.Errorf("%d of 3 running", s.RunningCount)
				}
				for _, stop := range a.Stops() {
					if stop.Cause == "circuit_breaker" && !stop.Planned && stop.Definition == "web:2" {
						continue // it was still PENDING when the circuit breaker decided
					}
					if stop.Code != "TaskFailedToStart" || stop.Cause != "image_pull" || stop.Culprit != "web" || stop.Planned || stop.Ran != 0 {
						t.Errorf("truth: %+v", stop)
					}
				}
				for _, task := range c.tasks(ctx, t, "prod", "web", "STOPPED").Tasks {
					if task.StartedAt != nil || task.Containers[0].ExitCode != nil {
						t.Errorf("%s was started: %s", *task.TaskArn, *task.StoppedReason)
					}
				}
			})
		})
	}
}

// TestWaysToStop: what ECS shows of each way, and what is true.
func TestWaysToStop(t *testing.T) {
	model := func(c account.Case) map[string]account.Model {
		c.Lifetime = account.Exactly(10 * time.Minute)
		return map[string]account.Model{"web": {Cases: []account.Case{c}}}
	}
	tests := map[string]struct {
		models     map[string]account.Model
		step       account.Step
		code, text string
		exit       int32
		cause      string
		culprit    string
		planned    bool
	}{
		"exit":        {models: model(account.Case{Exit: 1}), code: "EssentialContainerExited", text: "Essential container in task exited", exit: 1, cause: "essential_container_exited", culprit: "web"},
		"oom":         {models: model(account.Case{Death: account.DeathOOM}), code: "EssentialContainerExited", text: "Essential container in task exited", exit: 137, cause: "oom_killed", culprit: "web"},
		"elb":         {models: model(account.Case{Death: account.DeathELB}), code: "ServiceSchedulerInitiated", text: "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/web/0123456789abcdef)", exit: 143, cause: "elb_health_check", culprit: "web"},
		"health":      {models: model(account.Case{Death: account.DeathHealth}), code: "ServiceSchedulerInitiated", text: "Task failed container health checks", exit: 143, cause: "container_health_check", culprit: "web"},
		"spot":        {step: account.Step{Do: account.DoSpot}, code: "SpotInterruption", text: "Your Spot Task was interrupted.", exit: 143, cause: "spot_interruption", planned: true},
		"maintenance": {step: account.Step{Do: account.DoMaintenance}, code: "ServiceSchedulerInitiated", text: "ECS is performing maintenance on the underlying infrastructure hosting the task", exit: 143, cause: "maintenance", planned: true},
		"host":        {step: account.Step{Do: account.DoHost}, code: "TerminationNotice", text: "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.", exit: 143, cause: "host_drain", planned: true},
		"stop":        {step: account.Step{Do: account.DoStop}, code: "UserInitiated", text: "Task stopped by user", exit: 143, cause: "operator_stop", planned: true},
		"kill":        {step: account.Step{Do: account.DoKill, Container: "web", Exit: 139}, code: "EssentialContainerExited", text: "Essential container in task exited", exit: 139, cause: "essential_container_exited", culprit: "web"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := oneService(func(v *account.Service) { v.Desired, v.Models = 1, test.models })
				if test.step.Do != "" {
					test.step.At, test.step.Service = account.Exactly(time.Minute), "web"
					s.Timeline = []account.Step{test.step}
				}
				a, c := open(t, s)
				for len(a.Stops()) == 0 {
					time.Sleep(time.Second)
					a.Advance(time.Now())
				}
				got := c.tasks(t.Context(), t, "prod", "web", "STOPPED").Tasks[0]
				if string(got.StopCode) != test.code || *got.StoppedReason != test.text || *got.Containers[0].ExitCode != test.exit || got.StoppedAt == nil || got.StoppingAt == nil || got.ExecutionStoppedAt == nil {
					t.Errorf("shown: %s %q exit %d", got.StopCode, *got.StoppedReason, *got.Containers[0].ExitCode)
				}
				if oom := got.Containers[0].Reason != nil; oom != (name == "oom") {
					t.Errorf("container reason %v", got.Containers[0].Reason)
				}
				if truth := a.Stops()[0]; truth.Cause != test.cause || truth.Culprit != test.culprit || truth.Planned != test.planned {
					t.Errorf("truth: %+v", truth)
				}
			})
		})
	}
}

func TestScaleInAndOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		a, c := open(t, oneService(nil))
		for _, n := range []int32{5, 1, 0, 2} {
			if _, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("web"), DesiredCount: &n}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			if s := c.service(ctx, t, "prod", "web"); s.RunningCount != n || len(s.Deployments) != 1 || !strings.HasSuffix(*s.Events[0].Message, "has reached a steady state.") {
				t.Errorf("scaled to %d: %d running, %s", n, s.RunningCount, *s.Events[0].Message)
			}
		}
		for _, stop := range a.Stops() {
			if stop.Cause != "scale_in" || stop.Text != "Scaling activity initiated by (deployment "+stop.Deployment+")" {
				t.Errorf("truth: %+v", stop)
			}
		}
		if len(a.Stops()) != 5 {
			t.Errorf("%d stops", len(a.Stops()))
		}
	})
}
