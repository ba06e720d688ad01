package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"taskwarden/test/account"
)

// overrides shorten the incident: containers live for seconds instead of hours, and tasks start quickly. A person made the
// service by hand and pinned its images, so nothing stands in the way of a fix.
var overrides = map[string]string{
	"pin":           "@sha256:" + strings.Repeat("ab", 32),
	"person":        "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUser_0123456789abcdef/alice",
	"crashLifetime": "6s..9s", "schedule": "100ms..300ms", "provision": "200ms..400ms", "pull": "200ms..400ms",
	"healthy": "1s", "drain": "200ms", "terminate": "100ms..200ms", "deprovision": "200ms..400ms",
}

// world is the simulated account behind a loopback listener, and what an SRE would look at with the AWS CLI.
type world struct {
	account *account.Account
	server  *http.Server
	url     string
	ecs     *ecs.Client
	cw      *cloudwatch.Client
}

func begin(scenario string, s *story) (*world, error) {
	sc, err := account.LoadScenario(scenario, overrides)
	if err != nil {
		return nil, err
	}
	a, err := account.New(sc, time.Now())
	if err != nil {
		return nil, err
	}
	a.SetTopic("arn:aws:sns:ap-northeast-1:111122223333:oncall", account.Topic{Confirmed: 1})
	a.CloudWatch().EvaluateEvery = 5 * time.Second // CloudWatch itself evaluates once a minute
	a.Narrate(func(e account.Event) {
		if e.Kind == "stop" || e.Kind == "alarm" {
			s.say("account", "%s %s", e.Service, e.Text)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &world{account: a, url: "http://" + listener.Addr().String(), server: &http.Server{Handler: a, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = w.server.Serve(listener) }() // ends with close
	cfg := aws.Config{Region: a.Region(), Credentials: credentials.NewStaticCredentialsProvider("demo", "demo", ""), HTTPClient: a.Transport(),
		BaseEndpoint: aws.String(w.url)}
	w.ecs, w.cw = ecs.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg)
	s.say("account", "simulated AWS account %s in %s: %s", "111122223333", a.Region(), strings.TrimSpace(strings.Split(sc.Why, ".")[0])+".")
	return w, nil
}

func (w *world) close() { _ = w.server.Close() }

// look checks in the account itself what should be seen there.
func (w *world) look(ctx context.Context, s *story) error {
	return errors.Join(w.lookAtService(ctx, s), w.lookAtGauges(ctx, s), w.lookAtAlarms(ctx, s), w.lookAtFix(ctx, s))
}

// lookAtFix compares what runs with what the incident ran, as DescribeTaskDefinition answers both.
func (w *world) lookAtFix(ctx context.Context, s *story) error {
	out, err := w.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"django"}})
	if err != nil || len(out.Services) != 1 {
		return fmt.Errorf("describe django: %w", err)
	}
	d := out.Services[0].Deployments
	if len(d) != 1 || d[0].RolloutState != "COMPLETED" || !strings.HasSuffix(aws.ToString(d[0].TaskDefinition), ":2") {
		return nil
	}
	before, err1 := w.document(ctx, "django:1")
	after, err2 := w.document(ctx, "django:2")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if changed := lineDiff(before, after); len(changed) == 2 {
		s.show("rolled", "django:2 runs, and differs from django:1 in %s", strings.Join(changed, " and "))
	}
	return nil
}

// document is a revision as JSON, without what every revision has of its own.
func (w *world) document(ctx context.Context, name string) ([]byte, error) {
	out, err := w.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name})
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", name, err)
	}
	d := out.TaskDefinition
	d.TaskDefinitionArn, d.Revision, d.RegisteredAt, d.RegisteredBy = nil, 0, nil, nil
	return json.MarshalIndent(d, "", " ")
}

// lineDiff lists the lines of after that stand where before has others; where the documents have not as many, that alone.
func lineDiff(before, after []byte) []string {
	was, is := strings.Split(string(before), "\n"), strings.Split(string(after), "\n")
	if len(was) != len(is) {
		return []string{"its length"}
	}
	var out []string
	for i := range was {
		if was[i] != is[i] {
			out = append(out, strings.Trim(is[i], " ,"))
		}
	}
	return out
}

func (w *world) lookAtService(ctx context.Context, s *story) error {
	crashed := 0
	for _, stop := range w.account.Stops() {
		if stop.Service == "django" && !stop.Planned {
			crashed++
		}
	}
	if crashed < 2 {
		return nil
	}
	out, err := w.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"django"}})
	if err != nil || len(out.Services) != 1 {
		return fmt.Errorf("describe django: %w", err)
	}
	d := out.Services[0].Deployments
	if len(d) == 1 && d[0].RolloutState == "COMPLETED" {
		s.show("silent", "%d deaths so far; deployment %s, %d tasks wanted, no failed task counted: nothing would tell", crashed, d[0].RolloutState, d[0].DesiredCount)
	}
	return nil
}

func (w *world) lookAtGauges(ctx context.Context, s *story) error {
	value := func(metric string, dims ...string) (float64, error) {
		var d []cwtypes.Dimension
		for i := 0; i+1 < len(dims); i += 2 {
			d = append(d, cwtypes.Dimension{Name: aws.String(dims[i]), Value: aws.String(dims[i+1])})
		}
		now := time.Now()
		out, err := w.cw.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String("TaskWarden"), MetricName: aws.String(metric), Dimensions: d, Period: aws.Int32(60),
			StartTime: aws.Time(now.Add(-10 * time.Minute)), EndTime: aws.Time(now.Add(time.Minute)), Statistics: []cwtypes.Statistic{cwtypes.StatisticMaximum},
		})
		if err != nil || len(out.Datapoints) == 0 {
			return 0, err
		}
		return aws.ToFloat64(out.Datapoints[0].Maximum), nil
	}
	churn, err1 := value("SilentChurn", "ClusterName", "prod", "ServiceName", "django")
	crash, err2 := value("SidecarCrash", "ClusterName", "prod", "ContainerName", "cwagent", "ServiceName", "django")
	beat, err3 := value("Heartbeat", "Controller", "taskwarden")
	if churn == 1 && crash == 1 {
		s.show("gauge", "TaskWarden/SilentChurn {prod, django} = 1, TaskWarden/SidecarCrash {prod, cwagent, django} = 1")
	}
	if beat == 1 && w.has(ctx, "taskwarden/taskwarden/default/controller-heartbeat") {
		s.show("heartbeat", "TaskWarden/Heartbeat {taskwarden} = 1, watched by taskwarden/taskwarden/default/controller-heartbeat")
	}
	return errors.Join(err1, err2, err3)
}

func (w *world) has(ctx context.Context, name string) bool {
	out, err := w.cw.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
	return err == nil && len(out.MetricAlarms) == 1
}

func (w *world) lookAtAlarms(ctx context.Context, s *story) error {
	const name = "taskwarden/taskwarden/default/silent-churn"
	out, err := w.cw.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
	if err != nil || len(out.MetricAlarms) != 1 {
		return err
	}
	a := out.MetricAlarms[0]
	tags, err := w.cw.ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: a.AlarmArn})
	if err != nil {
		return err
	}
	for _, tag := range tags.Tags {
		if aws.ToString(tag.Key) == "taskwarden:owner" && aws.ToString(tag.Value) == "taskwarden" {
			s.show("created", "%s: %s", name, aws.ToString(a.Metrics[0].Expression))
		}
	}
	if a.StateValue == cwtypes.StateValueAlarm {
		s.show("alarm", "%s: %s", name, aws.ToString(a.StateReason))
	}
	return nil
}
