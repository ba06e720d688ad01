package conformance

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"taskwarden/reconciler/cloud"
	"taskwarden/test/account"
	"taskwarden/test/peer"
)

const (
	region    = "us-east-1"
	accountID = "111122223333"
	provider  = "FARGATE_SPOT"
	stack     = "made-by-a-stack"
	image     = "public.ecr.aws/docker/library/busybox:1.37"
)

// side is one of the two, through the real SDK.
type side struct {
	cfg  aws.Config
	ecs  *ecs.Client
	logs *cloudwatchlogs.Client
	cw   *cloudwatch.Client
	sns  *sns.Client
	sts  *sts.Client
	cfn  *cloudformation.Client
	ecr  *ecr.Client

	now        time.Time // of the run; both sides share it
	task       string    // a running task of web
	spot       string    // the one on a capacity provider
	victim     string    // the one that an operator stops
	deployment string    // of web, and the revision it deployed
	revision   string
	evaluates  bool // alarms by the clock, and not only when data is put
}

// connect uses the product's own transport, which is not cut under an answer (cloud.Load), and repeats nothing: a second
// CreateService or RegisterTaskDefinition would make another world.
func connect(t *testing.T, url string, now time.Time) *side {
	t.Helper()
	cfg, err := cloud.Load(t.Context(), "test", region, "")
	fatal(t, err)
	cfg.BaseEndpoint, cfg.RetryMaxAttempts = &url, 1
	cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIATESTTESTTESTTEST", "secret", "")
	return &side{cfg: cfg, ecs: ecs.NewFromConfig(cfg), logs: cloudwatchlogs.NewFromConfig(cfg), cw: cloudwatch.NewFromConfig(cfg), sns: sns.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg), cfn: cloudformation.NewFromConfig(cfg), ecr: ecr.NewFromConfig(cfg), now: now}
}

// The small world that both hold: cluster prod with web (2 tasks of two containers, which log), victim (1 task), spot (1 task on
// a capacity provider) and parked (none); cluster wide with 12 services that want no task; cluster empty.
var (
	containers = []string{"app", "agent"}
	lines      = []string{"first line", "second line", "third line"}
	desired    = map[string]int32{"web": 2, "victim": 1, "spot": 1, "parked": 0}
	wide       = []string{"s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12"}
)

// ours opens the simulated account with that world, its machinery quick and its logs written a minute ago.
func ours(t *testing.T, now time.Time) *side {
	t.Helper()
	a, err := account.New(scenario(), now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	s := connect(t, server.URL, now)
	a.SetTopic(topic, account.Topic{Confirmed: 1})
	s.evaluates = true
	s.find(t)
	return s
}

func scenario() account.Scenario {
	quick := account.Exactly(20 * time.Millisecond)
	service := func(name string, n int) account.Service {
		v := account.Service{Name: name, Desired: n, TaskDefinition: account.TaskDefinition{Family: name}, Models: map[string]account.Model{}}
		for _, c := range containers {
			v.TaskDefinition.Containers = append(v.TaskDefinition.Containers, map[string]any{"name": c, "image": image})
			stops := 0
			v.Models[c] = account.Model{Start: lines, OnStop: account.Ending{Exit: &stops}}
		}
		if name == "spot" {
			v.CapacityProvider, v.Tags = provider, map[string]string{"team": "web"}
		}
		return v
	}
	prod, many := account.Cluster{Name: "prod"}, account.Cluster{Name: "wide"}
	for _, name := range slices.Sorted(maps.Keys(desired)) {
		prod.Services = append(prod.Services, service(name, int(desired[name])))
	}
	for _, name := range wide {
		many.Services = append(many.Services, service(name, 0))
	}
	many.Services[0].Stack = stack
	return account.Scenario{
		Name: "conformance", Why: "a small world that both sides hold", Region: region, AccountID: accountID, Seed: 7, History: account.Exactly(time.Minute),
		Timing:   account.Timing{Schedule: quick, Provision: quick, Pull: quick, Healthy: quick, Drain: quick, Terminate: quick, Deprovision: quick, Evaluate: account.Exactly(time.Second)},
		Clusters: []account.Cluster{prod, many, {Name: "empty"}},
		Images:   []account.Image{{Name: accountID + ".dkr.ecr." + region + ".amazonaws.com/" + repository + ":prod", Digest: digestOf(manifest), Manifests: []string{platform}}},
	}
}

// theirs makes the same world through the API.
func theirs(t *testing.T, now time.Time) *side {
	t.Helper()
	s := connect(t, peer.MiniStack(t, accountID, region), now)
	for _, c := range []string{"prod", "wide", "empty"} {
		must(t)(s.ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: &c}))
	}
	for name, n := range desired {
		s.create(t, "prod", name, n)
	}
	for _, name := range wide[1:] {
		s.create(t, "wide", name, 0)
	}
	s.stack(t, "wide", wide[0])
	must(t)(s.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String(repository)}))
	must(t)(s.ecr.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String(repository), ImageTag: aws.String("prod"), ImageManifest: aws.String(manifest)}))
	must(t)(s.sns.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(topic[strings.LastIndexByte(topic, ':')+1:])}))
	must(t)(s.sns.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String(topic), Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + region + ":" + accountID + ":page")}))
	s.find(t)
	s.write(t, "/ecs/web", "ecs/app/"+last(s.task))
	return s
}

// must fails the test on an error of a call that makes the world.
func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stack has CloudFormation make a service that wants no task.
func (s *side) stack(t *testing.T, cluster, name string) {
	t.Helper()
	s.register(t, name)
	template := fmt.Sprintf(`{"Resources": {"Service": {"Type": "AWS::ECS::Service", "Properties": {"Cluster": %q, "ServiceName": %q,
		"TaskDefinition": %[2]q, "DesiredCount": 0, "LaunchType": "FARGATE",
		"NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-0a1b2c3d4e5f60718"]}}}}}}`, cluster, name)
	must(t)(s.cfn.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String(stack), TemplateBody: &template}))
	if !within(t, 10*time.Second, func() bool {
		out, err := s.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: &cluster, Services: []string{name}})
		return err == nil && len(out.Services) == 1
	}) {
		t.Fatal("the stack makes no service")
	}
}

func (s *side) create(t *testing.T, cluster, name string, n int32) {
	t.Helper()
	s.register(t, name)
	in := &ecs.CreateServiceInput{
		Cluster: &cluster, ServiceName: &name, TaskDefinition: &name, DesiredCount: &n, LaunchType: types.LaunchTypeFargate,
		NetworkConfiguration: &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-0a1b2c3d4e5f60718"}}},
	}
	if name == "spot" {
		in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("web")}}
		in.LaunchType, in.CapacityProviderStrategy = "", []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String(provider), Weight: 1}}
	}
	must(t)(s.ecs.CreateService(t.Context(), in))
}

func (s *side) register(t *testing.T, name string) {
	t.Helper()
	def := &ecs.RegisterTaskDefinitionInput{
		Family: &name, NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{"FARGATE"}, Cpu: aws.String("1024"), Memory: aws.String("2048"),
	}
	for _, c := range containers {
		def.ContainerDefinitions = append(def.ContainerDefinitions, types.ContainerDefinition{Name: aws.String(c), Image: aws.String(image),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/ecs/" + name, "awslogs-region": region, "awslogs-stream-prefix": "ecs"}}})
	}
	must(t)(s.ecs.RegisterTaskDefinition(t.Context(), def))
}

func (s *side) write(t *testing.T, group, stream string) {
	t.Helper()
	must(t)(s.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}))
	for _, name := range []string{stream, "ecs/agent/" + last(s.task)} {
		must(t)(s.logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &name}))
		in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &name}
		for i, l := range lines {
			in.LogEvents = append(in.LogEvents, logtypes.InputLogEvent{Message: aws.String(l), Timestamp: aws.Int64(s.now.Add(-time.Minute).UnixMilli() + int64(i))})
		}
		must(t)(s.logs.PutLogEvents(t.Context(), in))
	}
}

// find learns the names that a side has given: of tasks, and of web's deployment where the side tells it.
func (s *side) find(t *testing.T) {
	t.Helper()
	s.task, s.spot, s.victim = s.taskOf(t, "web"), s.taskOf(t, "spot"), s.taskOf(t, "victim")
	id := "1234567890123456789"
	if out, err := s.ecs.ListServiceDeployments(t.Context(), &ecs.ListServiceDeploymentsInput{Cluster: aws.String("prod"), Service: aws.String("web")}); err == nil && len(out.ServiceDeployments) > 0 {
		id = last(aws.ToString(out.ServiceDeployments[0].ServiceDeploymentArn))
	}
	s.deployment, s.revision = "arn:aws:ecs:"+region+":"+accountID+":service-deployment/prod/web/"+id, "arn:aws:ecs:"+region+":"+accountID+":service-revision/prod/web/"+id
}

func (s *side) taskOf(t *testing.T, service string) string {
	t.Helper()
	out, err := s.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("prod"), ServiceName: &service})
	if err != nil || len(out.TaskArns) != int(desired[service]) {
		t.Fatalf("tasks of %s: %v, %v", service, out, err)
	}
	return out.TaskArns[0]
}

func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// settled waits until a task has stopped.
func (s *side) settled(ctx context.Context, t *testing.T, task string) {
	t.Helper()
	if !within(t, 10*time.Second, func() bool {
		out, err := s.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: aws.String("prod"), Tasks: []string{task}})
		return err == nil && len(out.Tasks) == 1 && aws.ToString(out.Tasks[0].LastStatus) == "STOPPED"
	}) {
		t.Fatalf("%s does not stop", task)
	}
}
