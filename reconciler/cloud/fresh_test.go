package cloud

import (
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func TestFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 1, 1))
		a := watching(w, Options{})
		look := func() fleet.Fresh {
			t.Helper()
			f, err := a.Fresh(t.Context(), "prod-000", "service-00000")
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		before := look()
		if before.Gone || before.Express || before.Deployment.Status != "SUCCESSFUL" || before.Brings != before.Service.TaskDefinition || len(before.Images) == 0 {
			t.Errorf("%+v", before)
		}
		next, err := a.Register(t.Context(), []byte(`{"family":"service-00000","containerDefinitions":[{"name":"app","image":"app:2"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Deploy(t.Context(), "prod-000", "service-00000", next); err != nil {
			t.Fatal(err)
		}
		during := look()
		if during.Deployment.Status != "IN_PROGRESS" || during.Brings != next || !during.Service.Deploying() || during.Deployment.ARN == before.Deployment.ARN {
			t.Errorf("%+v", during)
		}
		time.Sleep(time.Hour)
		if after := look(); after.Deployment.Status != "SUCCESSFUL" || after.Brings != next || after.Service.Deploying() {
			t.Errorf("%+v", after)
		}
		if gone, err := a.Fresh(t.Context(), "prod-000", "nobody"); err != nil || !gone.Gone {
			t.Errorf("%+v, %v", gone, err)
		}
	})
}

// Whatever part of a look fails, there is no look.
func TestFreshIsWholeOrNone(t *testing.T) {
	for _, op := range []string{"DescribeServices", "ListServiceDeployments", "DescribeServiceDeployments", "DescribeServiceRevisions"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 1, 1))
				a := watching(w, Options{})
				defer fails(w, isOp(op), outage())()
				if f, err := a.Fresh(t.Context(), "prod-000", "service-00000"); err == nil || f.Service.ARN != "" {
					t.Errorf("%+v, %v", f, err)
				}
			})
		})
	}
}

// Of a service that another controller deploys ECS keeps no service deployments: they are not asked for, since ECS may refuse to
// list them.
func TestFreshOfAnotherController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := account.Bulk(1, 1, 1)
		s.Clusters[0].Services[0].Controller = "CODE_DEPLOY"
		w := world(t, s)
		defer fails(w, isOp("ListServiceDeployments"), wire.Bad("UnsupportedFeatureException", "not of this controller"))()
		f, err := watching(w, Options{}).Fresh(t.Context(), "prod-000", "service-00000")
		if err != nil || f.Service.Controller != "CODE_DEPLOY" || f.Gone {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

func TestPauseHooks(t *testing.T) {
	c := canned{
		"DescribeServices": {`{"services":[{"serviceArn":"arn:aws:ecs:us-east-1:111122223333:service/c/s","serviceName":"s","status":"ACTIVE","resourceManagementType":"ECS",
			"tags":[{"key":"taskwarden:remediation","value":"off"}],
			"deploymentConfiguration":{"lifecycleHooks":[{"targetType":"AWS_LAMBDA","lifecycleStages":["PRE_SCALE_UP"]},{"targetType":"PAUSE","lifecycleStages":["POST_SCALE_UP"]}]}}]}`},
		"ListServiceDeployments": {`{"serviceDeployments":[]}`},
	}
	f, err := New(baseConfig(c), Options{Allow: everything(), Budgets: NewBudgets(1)}).Fresh(t.Context(), "c", "s")
	if err != nil || !f.Express || len(f.PauseHooks) != 1 || f.PauseHooks[0] != "POST_SCALE_UP" || f.Tags["taskwarden:remediation"] != "off" || f.Deployment.ARN != "" {
		t.Errorf("%+v, %v", f, err)
	}
}
