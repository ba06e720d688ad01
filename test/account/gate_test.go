package account_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func action(name string) func(account.Call) bool {
	return func(c account.Call) bool { return c.Action() == name }
}

func TestDeny(t *testing.T) {
	a, c := open(t, account.Bulk(1, 1, 1))
	a.Deny("ecs:List*", "sts:GetCallerIdentity")
	_, err := c.ecs.ListClusters(t.Context(), &ecs.ListClustersInput{})
	if code(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "is not authorized to perform: ecs:ListClusters on resource: * because no identity-based policy allows the ecs:ListClusters action") {
		t.Errorf("got %v", err)
	}
	if _, err := c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "AccessDenied" {
		t.Errorf("sts: %v", err)
	}
	if _, err := c.ecs.DescribeClusters(t.Context(), &ecs.DescribeClustersInput{}); err != nil {
		t.Errorf("an action that is not denied: %v", err)
	}
	a.Allow("ecs:List*")
	if _, err := c.ecs.ListClusters(t.Context(), &ecs.ListClustersInput{}); err != nil {
		t.Errorf("allowed again: %v", err)
	}
	if n := a.CallCounts()["ecs:ListClusters"]; n != 2 {
		t.Errorf("%d calls counted", n)
	}
	if got := a.Calls()[0].Code; got != "AccessDeniedException" {
		t.Errorf("recorded as %q", got)
	}
}

func TestGateHoldsAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, account.Bulk(1, 1, 1))
		release := make(chan struct{})
		remove := a.Gate(action("ecs:ListClusters"), func(account.Call) account.Gate { return account.Gate{Hold: release} })
		done := make(chan error, 1)
		go func() { _, err := c.ecs.ListClusters(t.Context(), &ecs.ListClustersInput{}); done <- err }()
		synctest.Wait()
		if n := len(a.Calls()); n != 0 {
			t.Errorf("%d calls applied while held", n)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		remove()

		hold := make(chan struct{})
		remove = a.Gate(action("ecs:ListClusters"), func(account.Call) account.Gate { return account.Gate{Hold: hold} })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := c.ecs.ListClusters(ctx, &ecs.ListClustersInput{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a held call that times out: %v", err)
		}
		remove()

		a.Gate(action("ecs:ListClusters"), func(account.Call) account.Gate {
			return account.Gate{Err: wire.Bad("ThrottlingException", "Rate exceeded")}
		})
		if _, err := c.ecs.ListClusters(t.Context(), &ecs.ListClustersInput{}); code(err) != "ThrottlingException" {
			t.Errorf("got %v", err)
		}
	})
}

// TestCutIsAppliedWithoutReply: over a listener and in process, the caller of a cut call knows nothing and the account has done it.
func TestCutIsAppliedWithoutReply(t *testing.T) {
	a, c := open(t, account.Bulk(1, 1, 1))
	server := httptest.NewUnstartedServer(a)
	server.Start()
	defer server.Close()
	a.Gate(action("ecs:RegisterTaskDefinition"), func(account.Call) account.Gate { return account.Gate{Cut: true} })
	in := &ecs.RegisterTaskDefinitionInput{Family: aws.String("cut"), ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("a"), Image: aws.String("b")}}}
	remote := ecs.New(ecs.Options{Region: "us-east-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1, Credentials: c.ecs.Options().Credentials, HTTPClient: http.DefaultClient})
	for _, client := range []*ecs.Client{c.ecs, remote} {
		if _, err := client.RegisterTaskDefinition(t.Context(), in); err == nil {
			t.Error("a reply came through")
		}
	}
	out, err := remote.ListTaskDefinitions(t.Context(), &ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String("cut")})
	if err != nil || len(out.TaskDefinitionArns) != 2 {
		t.Errorf("%v %+v", err, out)
	}
	if calls := a.Calls(); !calls[0].Cut {
		t.Errorf("not recorded as cut: %+v", calls[0])
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, account.Bulk(1, 1, 1))
		refused := func(calls int) (n int) {
			for range calls {
				if _, err := c.ecs.ListServices(t.Context(), &ecs.ListServicesInput{Cluster: aws.String("prod-000")}); code(err) == "ThrottlingException" {
					n++
				} else if err != nil {
					t.Fatal(err)
				}
			}
			return n
		}
		if n := refused(150); n != 0 {
			t.Errorf("%d refused without limits", n)
		}
		a.Throttle()
		if n := refused(130); n != 30 {
			t.Errorf("%d of 130 at once refused, the burst is 100", n)
		}
		time.Sleep(time.Second)
		if n := refused(30); n != 10 {
			t.Errorf("%d of 30 refused after a second, 20 come back in it", n)
		}
		if _, err := c.ecs.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String("prod-000")}); err != nil {
			t.Errorf("another bucket: %v", err)
		}
	})
}
