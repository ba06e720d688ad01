package test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/robfig/cron/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/store"
	"taskwarden/store/memory"
	"taskwarden/test/account"
)

// policy is the shipped configuration's way of judging.
func policy(t *testing.T) churn.Policy {
	t.Helper()
	k, err := churn.NewKnowledge(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return churn.Policy{Window: 24 * time.Hour, Threshold: 3, RatePerTaskDay: 0.1, StormStops: 3, StormWithin: 15 * time.Minute,
		Logs: true, LogLines: 100, TailLines: 20, Knowledge: k}
}

// world is a simulated account and what was there before a controller came.
type world struct {
	t       *testing.T
	account *account.Account
	store   store.Store
	cw      *cloudwatch.Client
	logs    *observer.ObservedLogs
}

// newWorld opens the account of a scenario and an empty store; inside a synctest bubble its time is the bubble's.
func newWorld(t *testing.T, s account.Scenario) *world {
	t.Helper()
	a, err := account.New(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	// In simulated time nothing but the disk would be waited for: real engines have the tests of the real binary.
	return &world{t: t, account: a, store: memory.New(time.Now), cw: cloudwatch.NewFromConfig(sdk(a))}
}

// sdk is the real SDK's configuration, with the account in the place of the network.
func sdk(a *account.Account) aws.Config {
	return aws.Config{Region: a.Region(), Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient: a.Transport(), BaseEndpoint: aws.String("http://account.invalid")}
}

// running is a controller at work in the calling bubble.
type running struct {
	*reconciler.Controller
	stop func()
}

// run starts a controller as the binary assembles it; change may alter its options. It must be stopped.
func (w *world) run(change func(*reconciler.Options)) running {
	w.t.Helper()
	book, err := reconciler.OpenBook(w.t.Context(), w.store, 90*24*time.Hour, true)
	if err != nil {
		w.t.Fatal(err)
	}
	core, logs := observer.New(zapcore.InfoLevel)
	w.logs = logs
	allow := fleet.NewAllowList()
	acct := cloud.New(sdk(w.account), cloud.Options{Target: "prod", Budgets: cloud.NewBudgets(1), AllowList: allow,
		Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Evidence: true, cloud.Metrics: true, cloud.Alarms: true}})
	o := reconciler.Options{
		ID: "taskwarden", Home: acct, Book: book, Policies: reconciler.Policies{Churn: policy(w.t)}, AllowHash: allow.Hash(),
		Targets: []reconciler.Target{{Name: "prod", Observer: acct, CloudWatch: acct}},
		Resync:  5 * time.Minute, Metrics: true, Alarms: reconciler.Ensure,
		AlarmAudit: cron.Every(15 * time.Minute), Report: cron.Every(24 * time.Hour), Log: zap.New(core),
	}
	if change != nil {
		change(&o)
	}
	c := reconciler.New(o)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return running{c, func() {
		w.t.Helper()
		cancel()
		began := time.Now()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			w.t.Errorf("the stop took %s", took)
		}
	}}
}

// maxima sums the maximum of each minute of a counter, which is how its readers count.
func (w *world) maxima(since time.Time, metric string, dims ...string) float64 {
	w.t.Helper()
	var d []cwtypes.Dimension
	for i := 0; i+1 < len(dims); i += 2 {
		d = append(d, cwtypes.Dimension{Name: aws.String(dims[i]), Value: aws.String(dims[i+1])})
	}
	in := &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(since.Add(-time.Hour).Truncate(time.Hour)), EndTime: aws.Time(time.Now().Add(time.Hour)),
		MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("m"), MetricStat: &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{Namespace: aws.String("TaskWarden"), MetricName: aws.String(metric), Dimensions: d},
			Period: aws.Int32(60), Stat: aws.String("Maximum"),
		}}},
	}
	sum := 0.0
	for p := cloudwatch.NewGetMetricDataPaginator(w.cw, in); p.HasMorePages(); {
		out, err := p.NextPage(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		for _, v := range out.MetricDataResults[0].Values {
			sum += v
		}
	}
	return sum
}

// open lists the open findings as type/subject by service, without those on alarms (alarms_test.go has these).
func open(c *reconciler.Controller) map[string][]string {
	out := map[string][]string{}
	for _, f := range c.Findings() {
		if f.Status == finding.True && !strings.HasPrefix(f.Type, "Alarm") {
			out[f.Key.Service] = append(out[f.Key.Service], f.Type+"/"+f.Subject)
		}
	}
	return out
}

// alarmsIn lists the alarms whose state is ALARM.
func (w *world) alarmsIn(state cwtypes.StateValue) []string {
	w.t.Helper()
	out, err := w.cw.DescribeAlarms(w.t.Context(), &cloudwatch.DescribeAlarmsInput{StateValue: state})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, a := range out.MetricAlarms {
		names = append(names, aws.ToString(a.AlarmName))
	}
	return names
}

// bubble runs a test in virtual time, which begins on a Monday at 08:00 UTC: lifetimes are compared by the hour of the week.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Date(2000, 1, 3, 8, 0, 0, 0, time.UTC).Sub(time.Now()))
		f(t)
	})
}
