package deploy

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/cloud"
	"taskwarden/store/memory"
	"taskwarden/test/account"
)

// The template's alarm on the heartbeat counts as present, so that there are not two; one that could reach nobody does not.
func TestTheTemplatesHeartbeatAlarmCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		subscribed int
		want       string
	}{"somebody is subscribed": {1, "present"}, "nobody is": {0, "missing"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got, reason := heartbeatRow(t, tc.subscribed); got != tc.want {
					t.Errorf("%s: %s", got, reason)
				}
			})
		})
	}
}

// heartbeatRow is what a controller says of the heartbeat's alarm an hour after the template's was made.
func heartbeatRow(t *testing.T, subscribed int) (status, reason string) {
	t.Helper()
	a, err := account.New(account.Bulk(1, 1, 1), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	sdk := aws.Config{Region: a.Region(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""), HTTPClient: a.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
	const topic = "arn:aws:sns:us-east-1:111122223333:taskwarden"
	a.SetTopic(topic, account.Topic{Confirmed: subscribed})
	in := into[cloudwatch.PutMetricAlarmInput](t, numbers(load(t, "ops.yaml", nil).resource("Heartbeat")))
	in.AlarmActions, in.OKActions = []string{topic}, []string{topic}
	if _, err := cloudwatch.NewFromConfig(sdk).PutMetricAlarm(t.Context(), &in); err != nil {
		t.Fatal(err)
	}
	c := controller(t, sdk)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	time.Sleep(time.Hour)
	for _, row := range c.Alarms() {
		if row.Kind == alarm.Heartbeat && strings.HasPrefix(row.Name, "taskwarden/") {
			return string(row.Status), row.Reason
		}
	}
	t.Fatal("no row for the heartbeat's alarm")
	return "", ""
}

// numbers makes JSON numbers of what CloudFormation takes as text.
func numbers(in map[string]any) map[string]any {
	for _, key := range []string{"Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold"} {
		in[key] = map[string]float64{"60": 60, "5": 5, "1": 1}[in[key].(string)]
	}
	return in
}

// controller plans alarms and writes none.
func controller(t *testing.T, sdk aws.Config) *reconciler.Controller {
	t.Helper()
	book, err := reconciler.OpenBook(t.Context(), memory.New(time.Now), 90*24*time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	k, err := churn.NewKnowledge(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	acct := cloud.New(sdk, cloud.Options{Target: "own", Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Metrics: true}})
	return reconciler.New(reconciler.Options{ID: "taskwarden", Home: acct, Book: book, Metrics: true, Alarms: reconciler.Plan, Resync: 5 * time.Minute,
		Targets:    []reconciler.Target{{Name: "own", Observer: acct, CloudWatch: acct}},
		Policies:   reconciler.Policies{Churn: churn.Policy{Window: 24 * time.Hour, Threshold: 3, RatePerTaskDay: 0.1, StormStops: 3, StormWithin: 15 * time.Minute, Knowledge: k}},
		AlarmAudit: cron.Every(15 * time.Minute), Report: cron.Every(24 * time.Hour), Log: zap.NewNop()})
}
