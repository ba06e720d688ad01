package cloud

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
)

// whole fails for each field of v that is zero: a field added to fleet's types must be mapped, and expected here.
func whole(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch {
	case v.IsZero():
		t.Errorf("%s is not mapped", path)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			whole(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			whole(t, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func second(n int) time.Time { return time.Unix(int64(n), 0).UTC() }

func when(n int) *time.Time { return aws.Time(time.Unix(int64(n), 0)) }

func TestServiceMapping(t *testing.T) {
	got := serviceOf(types.Service{
		ServiceArn: aws.String("sa"), ServiceName: aws.String("sn"), ClusterArn: aws.String("ca"), Status: aws.String("ACTIVE"),
		SchedulingStrategy: "REPLICA", LaunchType: "FARGATE", TaskDefinition: aws.String("td"), DesiredCount: 3, RunningCount: 2, PendingCount: 1,
		CreatedAt: when(1), DeploymentController: &types.DeploymentController{Type: "A_NEW_ONE"},
		LoadBalancers: []types.LoadBalancer{{TargetGroupArn: aws.String("tg")}, {LoadBalancerName: aws.String("classic")}},
		Deployments: []types.Deployment{{
			Id: aws.String("ecs-svc/1"), Status: aws.String("PRIMARY"), TaskDefinition: aws.String("td1"), RolloutState: "IN_PROGRESS",
			RolloutStateReason: aws.String("rr"), DesiredCount: 6, RunningCount: 5, PendingCount: 4, FailedTasks: 7, CreatedAt: when(2), UpdatedAt: when(3),
		}},
	}, newNames())
	want := fleet.Service{
		ARN: "sa", Name: "sn", ClusterARN: "ca", Status: "ACTIVE", SchedulingStrategy: "REPLICA", LaunchType: "FARGATE", Controller: "A_NEW_ONE",
		TaskDefinition: "td", Desired: 3, Running: 2, Pending: 1, CreatedAt: second(1), TargetGroups: []string{"tg"},
		Deployments: []fleet.Deployment{{
			ID: "ecs-svc/1", Status: "PRIMARY", TaskDefinition: "td1", RolloutState: "IN_PROGRESS", RolloutReason: "rr",
			Desired: 6, Running: 5, Pending: 4, Failed: 7, CreatedAt: second(2), UpdatedAt: second(3),
		}},
	}
	whole(t, reflect.ValueOf(want), "Service")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Under CODE_DEPLOY and EXTERNAL the task sets are what deployments are under ECS: tasks carry their ids.
func TestTaskSetsAreDeployments(t *testing.T) {
	got := serviceOf(types.Service{
		Deployments: []types.Deployment{{Id: aws.String("ecs-svc/0")}},
		TaskSets: []types.TaskSet{{
			Id: aws.String("ecs-svc/1"), Status: aws.String("PRIMARY"), TaskDefinition: aws.String("td1"),
			ComputedDesiredCount: 6, RunningCount: 5, PendingCount: 4, CreatedAt: when(2), UpdatedAt: when(3),
		}},
	}, newNames())
	want := []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", TaskDefinition: "td1", Desired: 6, Running: 5, Pending: 4, CreatedAt: second(2), UpdatedAt: second(3)}}
	if diff := cmp.Diff(want, got.Deployments); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTaskMapping(t *testing.T) {
	got := taskOf(types.Task{
		TaskArn: aws.String("ta"), ClusterArn: aws.String("ca"), Group: aws.String("service:s"), StartedBy: aws.String("ecs-svc/1"),
		TaskDefinitionArn: aws.String("td"), LastStatus: aws.String("STOPPED"), DesiredStatus: aws.String("DS"), StopCode: "NewCode",
		StoppedReason: aws.String("sr"), LaunchType: "EC2", CapacityProviderName: aws.String("cp"), AvailabilityZone: aws.String("az"),
		Connectivity: "CONNECTED", HealthStatus: "UNHEALTHY", CreatedAt: when(1), StartedAt: when(2), StoppingAt: when(3), ExecutionStoppedAt: when(4),
		StoppedAt: when(5), Version: 6, ContainerInstanceArn: aws.String("arn:aws:ecs:r:a:container-instance/c/ci"), PullStartedAt: when(98), PullStoppedAt: when(99),
		Containers: []types.Container{{
			Name: aws.String("cn"), Image: aws.String("im"), ImageDigest: aws.String("di"), RuntimeId: aws.String("ri"), LastStatus: aws.String("ls"),
			HealthStatus: "UNKNOWN", ExitCode: aws.Int32(137), Reason: aws.String("re"),
		}},
	}, newNames())
	code := 137
	want := fleet.Task{
		ARN: "ta", ClusterARN: "ca", Group: "service:s", StartedBy: "ecs-svc/1", TaskDefinition: "td", LastStatus: "STOPPED", DesiredStatus: "DS",
		StopCode: "NewCode", StoppedReason: "sr", LaunchType: "EC2", CapacityProvider: "cp", AvailabilityZone: "az", Connectivity: "CONNECTED",
		Health: "UNHEALTHY", CreatedAt: second(1), StartedAt: second(2), StoppingAt: second(3), ExecutionStopped: second(4), StoppedAt: second(5), Version: 6, ContainerInstance: "ci",
		Containers: []fleet.Container{{
			Name: "cn", Image: "im", ImageDigest: "di", RuntimeID: "ri", LastStatus: "ls", Health: "UNKNOWN", ExitCode: &code, Reason: "re",
		}},
	}
	whole(t, reflect.ValueOf(want), "Task")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExitCodeZeroIsNotNone(t *testing.T) {
	n := newNames()
	if c := containerOf(types.Container{ExitCode: aws.Int32(0)}, n); c.ExitCode == nil || *c.ExitCode != 0 {
		t.Error("exit code 0 is lost")
	}
	if c := containerOf(types.Container{}, n); c.ExitCode != nil {
		t.Error("an exit code is made up")
	}
}

func TestDefinitionMapping(t *testing.T) {
	full := types.ContainerDefinition{
		Name: aws.String("app"), Image: aws.String("im"), Essential: aws.Bool(true), Memory: aws.Int32(512), MemoryReservation: aws.Int32(256),
		RestartPolicy: &types.ContainerRestartPolicy{Enabled: aws.Bool(true), RestartAttemptPeriod: aws.Int32(60)}, HealthCheck: &types.HealthCheck{Command: []string{"CMD", "true"}},
		LogConfiguration: &types.LogConfiguration{LogDriver: "awslogs", Options: map[string]string{"awslogs-group": "g", "awslogs-region": "r", "mode": "x", "splunk-token": "hunter2"}},
		DependsOn:        []types.ContainerDependency{{ContainerName: aws.String("init"), Condition: "SUCCESS"}},
		PortMappings:     []types.PortMapping{{ContainerPort: aws.Int32(8080)}, {}},
		Environment: []types.KeyValuePair{
			{Name: aws.String("OTEL_TRACES_SAMPLER"), Value: aws.String("xray")}, {Name: aws.String("PASSWORD"), Value: aws.String("hunter2")},
			{Name: aws.String("OTEL_EXPORTER_OTLP_ENDPOINT"), Value: aws.String("http://u:hunter2@host:4317")},
		},
		Secrets:          []types.Secret{{Name: aws.String("TOKEN"), ValueFrom: aws.String("arn:secret")}},
		EnvironmentFiles: []types.EnvironmentFile{{}, {}}, EntryPoint: []string{"sh", "-c", "PASSWORD=hunter2 app"},
	}
	got := definitionOf(types.TaskDefinition{
		TaskDefinitionArn: aws.String("arn"), Family: aws.String("fam"), Revision: 26, NetworkMode: "awsvpc", Memory: aws.String("1024"),
		RegisteredAt: when(1), RegisteredBy: aws.String("by"), ContainerDefinitions: []types.ContainerDefinition{full},
	}, fleet.NewAllowList())
	want := fleet.Definition{
		ARN: "arn", Family: "fam", Revision: 26, NetworkMode: "awsvpc", Memory: 1024, RegisteredAt: second(1), RegisteredBy: "by",
		Containers: []fleet.ContainerDefinition{{
			Name: "app", Image: "im", Essential: true, Restart: true, RestartPeriod: 60, HealthCheck: true, Memory: 512, MemoryReservation: 256, LogDriver: "awslogs",
			LogOptions: map[string]string{"awslogs-group": "g", "awslogs-region": "r"}, DependsOn: []fleet.Dependency{{Container: "init", Condition: "SUCCESS"}},
			Ports: []int{8080}, Env: []fleet.EnvVar{{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}, {Name: "PASSWORD"},
				{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Value: "http://***@host:4317", Kept: true, Masked: true}},
			Secrets: []string{"TOKEN"}, EnvFiles: 2, Command: true,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	kept := want
	kept.Containers[0].Env = kept.Containers[0].Env[2:] // the others lack a value, or stars in it
	kept.Partial, kept.Containers[0].Unseen = true, map[string]string{"image": "of templates alone"}
	whole(t, reflect.ValueOf(kept), "Definition")
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "hunter2") {
		t.Errorf("a secret is kept: %s", text)
	}
}

func TestDefinitionDefaults(t *testing.T) {
	for name, tc := range map[string]struct {
		in   types.ContainerDefinition
		want fleet.ContainerDefinition
	}{
		"nothing said":   {types.ContainerDefinition{}, fleet.ContainerDefinition{Essential: true}},
		"not essential":  {types.ContainerDefinition{Essential: aws.Bool(false)}, fleet.ContainerDefinition{}},
		"no restart":     {types.ContainerDefinition{RestartPolicy: &types.ContainerRestartPolicy{Enabled: aws.Bool(false)}}, fleet.ContainerDefinition{Essential: true}},
		"check off":      {types.ContainerDefinition{HealthCheck: &types.HealthCheck{Command: []string{"NONE"}}}, fleet.ContainerDefinition{Essential: true}},
		"command":        {types.ContainerDefinition{Command: []string{"run"}}, fleet.ContainerDefinition{Essential: true, Command: true}},
		"unknown driver": {types.ContainerDefinition{LogConfiguration: &types.LogConfiguration{LogDriver: "new"}}, fleet.ContainerDefinition{Essential: true, LogDriver: "new"}},
	} {
		if diff := cmp.Diff(tc.want, containerDefinitionOf(tc.in, fleet.NewAllowList())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNamesAreKeptOnce(t *testing.T) {
	n := newNames()
	a, b := strings.Clone("arn:aws:ecs"), strings.Clone("arn:aws:ecs")
	if x, y := n.of(&a), n.of(&b); x != y || reflect.ValueOf(&x).Elem().String() != "arn:aws:ecs" || len(n.seen) != 1 {
		t.Errorf("%q and %q, %d kept", x, y, len(n.seen))
	}
	if n.of(nil) != "" {
		t.Error("nil is not empty")
	}
}
