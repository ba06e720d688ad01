package account_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"taskwarden/test/account"
)

// code is the AWS error code of an error, or its text where it has none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestPages(t *testing.T) {
	_, c := open(t, account.Bulk(2, 250, 700))
	ctx := t.Context()
	clusters, err := c.ecs.ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil || len(clusters.ClusterArns) != 2 {
		t.Fatal(err, clusters)
	}
	cluster := clusters.ClusterArns[0]
	first, err := c.ecs.ListServices(ctx, &ecs.ListServicesInput{Cluster: &cluster})
	if err != nil || len(first.ServiceArns) != 10 || first.NextToken == nil {
		t.Fatalf("the default page has %d services: %v", len(first.ServiceArns), err)
	}
	var services []string
	for p := ecs.NewListServicesPaginator(c.ecs, &ecs.ListServicesInput{Cluster: &cluster, MaxResults: aws.Int32(100)}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, out.ServiceArns...)
	}
	slices.Sort(services)
	if n := len(slices.Compact(slices.Clone(services))); n != 125 || n != len(services) {
		t.Errorf("%d services, %d of them different", len(services), n)
	}
	tasks := 0
	for p := ecs.NewListTasksPaginator(c.ecs, &ecs.ListTasksInput{Cluster: &cluster}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: out.TaskArns, Include: []types.TaskField{types.TaskFieldTags}})
		if err != nil || len(got.Failures) > 0 || len(got.Tasks) != len(out.TaskArns) {
			t.Fatal(err, len(got.Tasks), got.Failures)
		}
		if len(got.Tasks[0].Tags) != 1 || len(got.Tasks[0].Containers) != 3 || got.Tasks[0].StartedAt == nil {
			t.Errorf("task %+v", got.Tasks[0])
		}
		tasks += len(got.Tasks)
	}
	if tasks != 350 {
		t.Errorf("%d tasks, want 350", tasks)
	}
}

// TestRefusals: each bad call gets the error that AWS gives.
func TestRefusals(t *testing.T) {
	_, c := open(t, account.Bulk(1, 20, 20))
	ctx, cluster := t.Context(), aws.String("prod-000")
	many := slices.Repeat([]string{"x"}, 101)
	calls := map[string]func() error{
		"ClusterNotFoundException": func() error {
			_, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String("nope")})
			return err
		},
		"ServiceNotFoundException": func() error {
			_, err := c.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: cluster, Service: aws.String("nope")})
			return err
		},
		"InvalidParameterException 11 services": func() error {
			_, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: cluster, Services: many[:11]})
			return err
		},
		"InvalidParameterException 101 tasks": func() error {
			_, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: cluster, Tasks: many})
			return err
		},
		"InvalidParameterException page of 101": func() error {
			_, err := c.ecs.ListServices(ctx, &ecs.ListServicesInput{Cluster: cluster, MaxResults: aws.Int32(101)})
			return err
		},
		"InvalidParameterException token": func() error {
			_, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: cluster, NextToken: aws.String("?")})
			return err
		},
		"ClientException unknown definition": func() error {
			_, err := c.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("nope:3")})
			return err
		},
		"ClientException tags": func() error {
			_, err := c.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: aws.String("f"), Tags: []types.Tag{},
				ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a"), Image: aws.String("b")}}})
			return err
		},
		"ClientException name in secrets": func() error {
			_, err := c.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: aws.String("f"),
				ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a"), Image: aws.String("b"),
					Environment: []types.KeyValuePair{{Name: aws.String("X"), Value: aws.String("1")}}, Secrets: []types.Secret{{Name: aws.String("X"), ValueFrom: aws.String("arn")}}}}})
			return err
		},
		"ResourceNotFoundException": func() error {
			_, err := c.logs.GetLogEvents(ctx, &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("nope"), LogStreamName: aws.String("x")})
			return err
		},
		"UnknownOperationException": func() error {
			_, err := c.ecs.ListTaskDefinitionFamilies(ctx, &ecs.ListTaskDefinitionFamiliesInput{})
			return err
		},
	}
	for name, call := range calls {
		want, _, _ := cutWord(name)
		if got := code(call()); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func cutWord(s string) (first, rest string, found bool) {
	for i := range s {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func TestMissingIsAnAnswer(t *testing.T) {
	_, c := open(t, account.Bulk(2, 20, 20))
	ctx := t.Context()
	other, err := c.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: aws.String("prod-001")})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: aws.String("prod-000"), Tasks: other.TaskArns[:1]})
	if err != nil || len(tasks.Tasks) != 0 || len(tasks.Failures) != 1 || *tasks.Failures[0].Reason != "MISSING" {
		t.Errorf("a task of another cluster: %v %+v", err, tasks)
	}
	clusters, err := c.ecs.DescribeClusters(ctx, &ecs.DescribeClustersInput{Clusters: []string{"prod-000", "nope"}, Include: []types.ClusterField{types.ClusterFieldSettings}})
	if err != nil || len(clusters.Clusters) != 1 || len(clusters.Failures) != 1 || *clusters.Clusters[0].Settings[0].Value != "disabled" {
		t.Errorf("%v %+v", err, clusters)
	}
}

func TestTaskDefinitionReferences(t *testing.T) {
	_, c := open(t, load(t, "incident.yaml", nil))
	ctx := t.Context()
	for _, ref := range []string{"django", "django:1", "arn:aws:ecs:ap-northeast-1:111122223333:task-definition/django:1"} {
		out, err := c.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &ref, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}})
		if err != nil {
			t.Fatal(err)
		}
		d := out.TaskDefinition
		if d.Revision != 1 || *d.Cpu != "2048" || len(d.ContainerDefinitions) != 4 || d.RegisteredAt == nil || len(d.ContainerDefinitions[1].Environment) != 15 {
			t.Errorf("%s: %+v", ref, d)
		}
	}
	for i := range 11 {
		if _, err := c.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{Family: aws.String("django"),
			ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a"), Image: aws.String(fmt.Sprint("b:", i))}}}); err != nil {
			t.Fatal(err)
		}
	}
	var arns []string
	for p := ecs.NewListTaskDefinitionsPaginator(c.ecs, &ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String("django"), Sort: types.SortOrderDesc, MaxResults: aws.Int32(5)}); p.HasMorePages(); {
		out, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, out.TaskDefinitionArns...)
	}
	if len(arns) != 12 || arns[0] != "arn:aws:ecs:ap-northeast-1:111122223333:task-definition/django:12" {
		t.Errorf("newest first: %v", arns)
	}
	if _, err := c.ecs.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arns[0]}); err != nil {
		t.Fatal(err)
	}
	if out, err := c.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("django")}); err != nil || out.TaskDefinition.Revision != 11 {
		t.Errorf("a bare family is its newest ACTIVE revision: %v %+v", err, out)
	}
}

func TestStoppedTasksShowForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, account.Bulk(1, 1, 2))
		ctx, cluster := t.Context(), aws.String("prod-000")
		running := c.tasks(ctx, t, "prod-000", "service-00000", "RUNNING").Tasks
		victim := *running[0].TaskArn
		if _, err := c.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: cluster, Task: &victim, Reason: aws.String("OPS-1")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if got := c.tasks(ctx, t, "prod-000", "service-00000", "RUNNING").Tasks; len(got) != 2 {
			t.Errorf("%d tasks two minutes after one was stopped", len(got))
		}
		got := c.tasks(ctx, t, "prod-000", "service-00000", "STOPPED").Tasks
		if len(got) != 1 || got[0].StopCode != types.TaskStopCodeUserInitiated || *got[0].StoppedReason != "OPS-1" || *got[0].Containers[0].ExitCode != 143 {
			t.Fatalf("stopped: %+v", got)
		}
		time.Sleep(time.Until(got[0].StoppedAt.Add(time.Hour - time.Second)))
		if got := c.tasks(ctx, t, "prod-000", "service-00000", "STOPPED").Tasks; len(got) != 1 {
			t.Errorf("gone before its hour is over")
		}
		time.Sleep(2 * time.Second)
		out, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: cluster, Tasks: []string{victim}})
		if err != nil || len(out.Failures) != 1 || len(c.tasks(ctx, t, "prod-000", "service-00000", "STOPPED").Tasks) != 0 {
			t.Errorf("still there after its hour: %v %+v", err, out)
		}
		if s := a.Stops(); len(s) != 1 || s[0].Cause != "operator_stop" || !s[0].Planned {
			t.Errorf("truth: %+v", s)
		}
	})
}

// TestCloudWatchOverTheWire: the SDK's CBOR, its gzip bodies and its timestamps arrive, and an alarm fires with time.
func TestCloudWatchOverTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, account.Bulk(1, 1, 1))
		ctx := t.Context()
		var told []account.Event
		a.Narrate(func(e account.Event) { told = append(told, e) })
		if _, err := c.cw.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
			AlarmName: aws.String("churn"), Namespace: aws.String("TaskWarden"), MetricName: aws.String("SilentChurn"), Statistic: cwtypes.StatisticMaximum,
			Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
			TreatMissingData: aws.String("notBreaching"),
		}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := c.cw.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("TaskWarden"),
				MetricData: []cwtypes.MetricDatum{{MetricName: aws.String("SilentChurn"), Value: aws.Float64(1), Timestamp: aws.Time(time.Now())}}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		out, err := c.cw.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
		if err != nil || len(out.MetricAlarms) != 1 || out.MetricAlarms[0].StateValue != cwtypes.StateValueAlarm {
			t.Fatalf("%v %+v", err, out)
		}
		if out.MetricAlarms[0].StateUpdatedTimestamp.Year() != time.Now().Year() {
			t.Errorf("timestamp %v", out.MetricAlarms[0].StateUpdatedTimestamp)
		}
		if !slices.ContainsFunc(told, func(e account.Event) bool { return e.Kind == "alarm" }) {
			t.Errorf("no alarm was narrated: %+v", told)
		}
		if _, err := c.cw.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{MaxRecords: aws.Int32(101)}); err == nil {
			t.Error("101 records a page were accepted")
		}
	})
}

func TestIdentity(t *testing.T) {
	a, c := open(t, account.Bulk(1, 1, 1))
	who, err := c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Account != "111122223333" {
		t.Fatal(err, who)
	}
	role, err := c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/reader"), RoleSessionName: aws.String("tw"), DurationSeconds: aws.Int32(900)})
	if err != nil || *role.AssumedRoleUser.Arn != "arn:aws:sts::111122223333:assumed-role/reader/tw" || time.Until(*role.Credentials.Expiration) > 16*time.Minute {
		t.Fatal(err, role)
	}
	session := connectAs(a, *role.Credentials.AccessKeyId)
	if who, err := session.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil || *who.Arn != *role.AssumedRoleUser.Arn {
		t.Errorf("as the role: %v %+v", err, who)
	}
	calls := a.Calls()
	if calls[2].Caller != *role.AssumedRoleUser.Arn || calls[0].Caller == calls[2].Caller {
		t.Errorf("callers %q, %q", calls[0].Caller, calls[2].Caller)
	}
	if len(calls) != 3 || calls[1].Action() != "sts:AssumeRole" || calls[1].Input["RoleSessionName"] != "tw" || calls[1].Region != "us-east-1" || calls[1].AccessKey != "AKIAEXAMPLE" {
		t.Errorf("calls %+v", calls)
	}
}

// ECR answers for what was declared, and a push moves the tag for deployments from then on alone.
func TestImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/platform/app:2026-11-20.3"
		s := account.Bulk(1, 1, 1)
		s.Images = []account.Image{{Name: image, Digest: "sha256:01", Manifests: []string{"sha256:0a"}}}
		s.Timeline = []account.Step{
			{At: account.Exactly(time.Hour), Do: account.DoPush, Why: "CI", Push: []account.Image{{Name: image, Digest: "sha256:02"}}},
			{At: account.Exactly(2 * time.Hour), Do: account.DoDeploy, Service: "service-00000", Why: "a new start"},
		}
		a, c := open(t, s)
		for _, want := range []struct{ tag, runs string }{{"sha256:01", "sha256:01"}, {"sha256:02", "sha256:01"}, {"sha256:02", "sha256:02"}} {
			a.Advance(time.Now())
			out, err := c.ecr.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: aws.String("platform/app"),
				ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: aws.String("2026-11-20.3")}, {ImageTag: aws.String("nope")}}})
			if err != nil || len(out.Images) != 1 || aws.ToString(out.Images[0].ImageId.ImageDigest) != want.tag ||
				len(out.Failures) != 1 || out.Failures[0].FailureCode != ecrtypes.ImageFailureCodeImageNotFound {
				t.Fatalf("%+v %v", out, err)
			}
			for _, task := range c.tasks(t.Context(), t, "prod-000", "service-00000", "RUNNING").Tasks {
				for _, is := range task.Containers {
					if aws.ToString(is.Image) == image && aws.ToString(is.ImageDigest) != want.runs {
						t.Errorf("%s runs, want %s", aws.ToString(is.ImageDigest), want.runs)
					}
				}
			}
			time.Sleep(time.Hour + 10*time.Minute)
		}
	})
}
