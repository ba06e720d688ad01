package account_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"taskwarden/test/account"
)

// clients are the real SDK's, connected to an account in process.
type clients struct {
	ecs  *ecs.Client
	logs *cloudwatchlogs.Client
	cw   *cloudwatch.Client
	sts  *sts.Client
	ecr  *ecr.Client
}

func connect(a *account.Account) clients { return connectAs(a, "AKIAEXAMPLE") }

func connectAs(a *account.Account, accessKey string) clients {
	cfg := aws.Config{
		Region:           a.Region(),
		Credentials:      credentials.NewStaticCredentialsProvider(accessKey, "secret", ""),
		BaseEndpoint:     aws.String("http://account.invalid"),
		HTTPClient:       a.Transport(),
		RetryMaxAttempts: 1,
	}
	return clients{ecs.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg), sts.NewFromConfig(cfg), ecr.NewFromConfig(cfg)}
}

// open makes the account of a scenario that starts now.
func open(t *testing.T, s account.Scenario) (*account.Account, clients) {
	t.Helper()
	a, err := account.New(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a, connect(a)
}

// load reads one of the shipped scenarios.
func load(t *testing.T, name string, overrides map[string]string) account.Scenario {
	t.Helper()
	s, err := account.LoadScenario("../scenarios/"+name, overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tasks describes the tasks of a service with a desired status.
func (c clients) tasks(ctx context.Context, t *testing.T, cluster, service, desired string) *ecs.DescribeTasksOutput {
	t.Helper()
	listed, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &cluster, ServiceName: &service, DesiredStatus: types.DesiredStatus(desired)})
	if err != nil {
		t.Fatal(err)
	}
	if len(listed.TaskArns) == 0 {
		return &ecs.DescribeTasksOutput{}
	}
	out, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: listed.TaskArns})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
