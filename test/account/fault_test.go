package account_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"taskwarden/test/account"
)

func inject(t *testing.T, a *account.Account, f account.Fault) *account.Injection {
	t.Helper()
	i, err := a.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Loud faults reach the caller as errors, in each of the three protocols, and end when they are ended.
func TestLoudFaults(t *testing.T) {
	for kind, want := range map[account.FaultKind]string{
		account.Fault500: "InternalFailure", account.Fault503: "ServiceUnavailable", account.FaultThrottle: "ThrottlingException",
		account.FaultDeny: "AccessDenied", account.FaultReset: "connection reset by peer", account.FaultCut: "connection cut",
		account.FaultTimeout: "deadline exceeded", account.FaultGarbage: "deserialization failed", account.FaultHalfBody: "deserialization failed",
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := open(t, account.Bulk(2, 4, 4))
				i := inject(t, a, account.Fault{Ops: []string{"ecs:ListClusters", "cloudwatch:DescribeAlarms", "sts:*"}, Kind: kind})
				calls := map[string]func(context.Context) error{
					"ecs": func(ctx context.Context) error {
						_, err := c.ecs.ListClusters(ctx, &ecs.ListClustersInput{})
						return err
					},
					"cloudwatch": func(ctx context.Context) error {
						_, err := c.cw.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
						return err
					},
					"sts": func(ctx context.Context) error {
						_, err := c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
						return err
					},
				}
				for name, call := range calls {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if err := call(ctx); err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v, want %q", name, err, want)
					}
					cancel()
				}
				if i.Hits() != len(calls) {
					t.Errorf("%d hits of %d calls", i.Hits(), len(calls))
				}
				if _, err := c.ecs.ListServices(t.Context(), &ecs.ListServicesInput{Cluster: aws.String("prod-000")}); err != nil {
					t.Errorf("another operation: %v", err)
				}
				i.End()
				for name, call := range calls {
					if err := call(t.Context()); err != nil {
						t.Errorf("%s after the end: %v", name, err)
					}
				}
			})
		})
	}
}

// Over a listener a reset and a cut break the connection.
func TestFaultsOverAListener(t *testing.T) {
	for _, kind := range []account.FaultKind{account.FaultReset, account.FaultCut, account.FaultHalfBody} {
		a, c := open(t, account.Bulk(1, 1, 1))
		server := httptest.NewServer(a)
		defer server.Close()
		inject(t, a, account.Fault{Ops: []string{"ecs:*"}, Kind: kind, Calls: 1})
		remote := ecs.New(ecs.Options{Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: c.ecs.Options().Credentials, HTTPClient: http.DefaultClient})
		if _, err := remote.ListClusters(t.Context(), &ecs.ListClustersInput{}); err == nil {
			t.Errorf("%s: an answer", kind)
		}
		if _, err := remote.ListClusters(t.Context(), &ecs.ListClustersInput{}); err != nil {
			t.Errorf("%s strikes twice: %v", kind, err)
		}
	}
}

// A fault ends by itself, after its time or its number of calls.
func TestFaultsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, account.Bulk(1, 1, 1))
		list := func() error { _, err := c.ecs.ListClusters(t.Context(), &ecs.ListClustersInput{}); return err }
		inject(t, a, account.Fault{Ops: []string{"ecs:List*"}, Kind: account.Fault500, For: time.Minute})
		if list() == nil {
			t.Error("no fault")
		}
		time.Sleep(time.Minute)
		if err := list(); err != nil {
			t.Error(err)
		}
		two := inject(t, a, account.Fault{Ops: []string{"ecs:ListClusters"}, Kind: account.FaultThrottle, Calls: 2})
		for n := range 3 {
			if err := list(); (err == nil) != (n == 2) {
				t.Errorf("call %d: %v", n, err)
			}
		}
		if two.Hits() != 2 {
			t.Errorf("%d hits", two.Hits())
		}
	})
}

// Silent faults answer 200, with something that is not true.
func TestSilentFaults(t *testing.T) {
	a, c := open(t, account.Bulk(1, 4, 4))
	ctx, cluster := t.Context(), aws.String("prod-000")
	services := func() (out []string, pages int) {
		for p := ecs.NewListServicesPaginator(c.ecs, &ecs.ListServicesInput{Cluster: cluster}); p.HasMorePages(); pages++ {
			page, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, page.ServiceArns...)
		}
		return out, pages
	}
	all, _ := services()
	describe := func() *ecs.DescribeServicesOutput {
		out, err := c.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: cluster, Services: all})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	during := func(kind account.FaultKind, check func()) {
		i := inject(t, a, account.Fault{Ops: []string{"ecs:ListServices", "ecs:DescribeServices"}, Kind: kind})
		check()
		if i.Hits() == 0 {
			t.Errorf("%s struck nothing", kind)
		}
		i.End()
	}
	for kind, want := range map[account.FaultKind][2]int{
		account.FaultEmpty: {0, 1}, account.FaultHalf: {2, 1}, account.FaultNoToken: {1, 1}, account.FaultRepeat: {16, 2},
	} {
		during(kind, func() {
			if got, pages := services(); len(got) != want[0] || pages != want[1] {
				t.Errorf("%s: %d services on %d pages, want %v", kind, len(got), pages, want)
			}
		})
	}
	for kind, reason := range map[account.FaultKind]string{account.FaultMissing: "MISSING", account.FaultFailure: "INTERNAL_FAILURE"} {
		during(kind, func() {
			if got := describe(); len(got.Services) != 0 || len(got.Failures) != 4 || *got.Failures[0].Reason != reason || *got.Failures[0].Arn != all[0] {
				t.Errorf("%s: %+v", kind, got)
			}
		})
	}
	during(account.FaultUnknown, func() {
		if got := describe(); len(got.Services) != 4 || got.Services[0].SchedulingStrategy != "FUTURE_VALUE" {
			t.Errorf("unknown: %+v", got)
		}
	})
	real := *describe().Services[0].CreatedAt
	during(account.FaultSkew, func() {
		if got := describe(); !got.Services[0].CreatedAt.Equal(real.Add(4 * time.Minute)) {
			t.Errorf("skew: %s, is %s", got.Services[0].CreatedAt, real)
		}
	})
}

// A stale answer is an earlier one, object by object, and no older than it may be.
func TestStaleAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, account.Bulk(1, 1, 1))
		time.Sleep(10 * time.Minute)
		inject(t, a, account.Fault{Ops: []string{"ecs:*Services"}, Kind: account.FaultStale, By: 5 * time.Minute})
		desired := func() int32 {
			out, err := c.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod-000"), Services: []string{"service-00000"}})
			if err != nil {
				t.Fatal(err)
			}
			return out.Services[0].DesiredCount
		}
		before := desired()
		if _, err := c.ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("prod-000"), Service: aws.String("service-00000"), DesiredCount: aws.Int32(7)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if got := desired(); got != before {
			t.Errorf("desired %d four minutes later, not stale", got)
		}
		time.Sleep(time.Minute)
		if got := desired(); got != 7 {
			t.Errorf("desired %d after five minutes", got)
		}
	})
}

// A scenario's timeline injects faults too, and its mistakes are named.
func TestFaultsInAScenario(t *testing.T) {
	const text = `
name: trouble
why: ListTasks fails for ten minutes
clusters: [{name: prod, services: [{name: web, desired: 1, taskDefinition: {family: web, containers: [{name: web, image: web:1}]}}]}]
timeline:
  - {at: 5m, do: fault, for: 10m, ops: ["ecs:ListTasks"], kind: KIND, why: an outage of one API}
`
	synctest.Test(t, func(t *testing.T) {
		s, err := account.ParseScenario([]byte(strings.Replace(text, "KIND", `"503"`, 1)), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, c := open(t, s)
		for minute := range 20 {
			_, err := c.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("prod")})
			if api, ok := err.(smithy.APIError); (err != nil) != (minute >= 5 && minute < 15) || ok && api.ErrorCode() != "ServiceUnavailable" {
				t.Errorf("minute %d: %v", minute, err)
			}
			time.Sleep(time.Minute)
		}
	})
	if _, err := account.ParseScenario([]byte(strings.Replace(text, "KIND", "flood", 1)), nil); err == nil || !strings.Contains(err.Error(), `kind "flood": use one of`) {
		t.Errorf("an unknown kind: %v", err)
	}
	for _, f := range []account.Fault{{Kind: account.Fault500}, {Kind: account.Fault500, Ops: []string{"ListTasks"}}, {Ops: []string{"ecs:*"}}} {
		a, _ := open(t, account.Bulk(1, 1, 1))
		if _, err := a.Inject(f); err == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
}
