package test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

// person is somebody else who works on the same account.
func (w *world) person() *ecs.Client { return ecs.NewFromConfig(sdk(w.account)) }

// deregister makes a revision INACTIVE, as clean-up jobs and deploy tools do.
func (w *world) deregister(t *testing.T, revision string) {
	t.Helper()
	if _, err := w.person().DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &revision}); err != nil {
		t.Fatal(err)
	}
}

// tagged sets the owner's tag of a service.
func (w *world) tagged(t *testing.T, service, mode string) {
	t.Helper()
	arn := "arn:aws:ecs:" + w.account.Region() + ":111122223333:service/prod/" + service
	if _, err := w.person().TagResource(t.Context(), &ecs.TagResourceInput{ResourceArn: &arn, Tags: []types.Tag{{Key: aws.String(rollout.Tag), Value: &mode}}}); err != nil {
		t.Fatal(err)
	}
}

// runs gives the revision that a service is on, as family:revision.
func (w *world) runs(t *testing.T, service string) string {
	t.Helper()
	out, err := w.person().DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{service}})
	if err != nil {
		t.Fatal(err)
	}
	return fleet.NameOf(aws.ToString(out.Services[0].TaskDefinition))
}

// until waits until ok holds, and fails where it does not in time.
func until(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(15 * time.Second) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// soaks waits until the one rollout soaks.
func soaks(t *testing.T, c running) rollout.Rollout {
	t.Helper()
	until(t, 4*time.Hour, "the rollout soaks", func() bool {
		all := c.Rollouts(fleet.Key{})
		return len(all) > 0 && all[0].Phase == rollout.Soaking
	})
	return c.Rollouts(fleet.Key{})[0]
}

// oldest is the first rollout; later ones are refusals of the same fix for the revision that runs then.
func oldest(c running) rollout.Rollout {
	all := c.Rollouts(fleet.Key{})
	return all[len(all)-1]
}

// The base is deregistered while a harmful fix soaks: its content is registered once more and deployed, with few calls.
func TestABaseDeregisteredDuringTheSoakIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]time.Duration{"AWS refuses it at once": time.Nanosecond, "AWS still takes it for ten minutes": 10 * time.Minute} {
		s := harmful(t)
		s.Timing.Deregister = account.Exactly(grace)
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			base := w.document(t, "django:1")
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			soaks(t, c)
			w.deregister(t, "django:1")
			time.Sleep(24 * time.Hour)
			r := oldest(c)
			if r.Outcome != rollout.RolledBack || w.runs(t, "django") != "django:3" || !strings.Contains(r.Message, "django:3 runs, which has the content of django:1") {
				t.Errorf("%s: %s %s, %s runs: %s", name, r.Phase, r.Outcome, w.runs(t, "django"), r.Message)
			}
			for _, revision := range []string{"django:3", "django"} {
				if d := cmp.Diff(base["taskDefinition"], w.document(t, revision)["taskDefinition"], ignoreStatus); d != "" {
					t.Errorf("%s: %s: %s", name, revision, d)
				}
			}
			if n, m := w.account.CallCounts()["ecs:UpdateService"], len(w.writes("RegisterTaskDefinition")); n != 2 || m != 2 {
				t.Errorf("%s: %d UpdateService, %d RegisterTaskDefinition", name, n, m)
			}
		})
	}
}

// ignoreStatus leaves out whether a revision is ACTIVE, and since when it is not.
var ignoreStatus = cmp.FilterPath(func(p cmp.Path) bool {
	i, ok := p.Last().(cmp.MapIndex)
	return ok && (i.Key().String() == "status" || i.Key().String() == "deregisteredAt")
}, cmp.Ignore())

// A service on a revision that was deregistered, as CloudFormation leaves them, has no way back: nothing is registered.
func TestAnInactiveBaseIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		w.deregister(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(6 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Refused || r.Reason != rollout.ReasonInactive || !strings.Contains(r.Remedy, "deploy a revision that is ACTIVE") {
			t.Errorf("%s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		if n := len(w.writes("RegisterTaskDefinition")) + len(w.writes("UpdateService")); n != 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// The base is deregistered between the approval and the deployment: nothing is deployed from which there would be no way back.
func TestABaseDeregisteredBeforeTheDeploymentIsRefused(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		defer w.account.Gate(func(c account.Call) bool { return c.Op == "RegisterTaskDefinition" }, func(account.Call) account.Gate {
			w.deregister(t, "django:1")
			return account.Gate{}
		})()
		time.Sleep(6 * time.Hour)
		first := oldest(c)
		if first.Outcome != rollout.Failed || first.Reason != rollout.ReasonInactive || len(w.writes("UpdateService")) != 0 {
			t.Errorf("%s %s %s: %s; %d UpdateService", first.Phase, first.Outcome, first.Reason, first.Message, len(w.writes("UpdateService")))
		}
	})
}

// The old revision was sent back, and then everything is paused for five hours: the family is restored all the same.
func TestAPauseDoesNotLoseTheFamilysRestoration(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, harmful(t))
		base := w.document(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		until(t, 12*time.Hour, "sent back", func() bool { return len(w.writes("UpdateService")) == 2 })
		who := rollout.Order{By: "oncall", Reason: "stop everything"}
		if err := c.Pause(t.Context(), "", who); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Hour)
		if r := rollouts(t, c, 1)[0]; !r.Live() || r.Reason != rollout.ReasonPaused || r.WaitsSince.IsZero() {
			t.Errorf("while paused: %s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		if err := c.Resume(t.Context(), "", who); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Hour)
		if r := rollouts(t, c, 1)[0]; r.Outcome != rollout.RolledBack {
			t.Errorf("%s %s: %s", r.Phase, r.Outcome, r.Message)
		}
		w.isBack(t, base)
	})
}

// A pipeline registers a newer revision while a harmful fix soaks, and does not deploy it yet: it stays the newest.
func TestANewerRevisionOfSomebodyElseIsNotCovered(t *testing.T) {
	t.Parallel()
	for _, deregistered := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, harmful(t))
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			soaks(t, c)
			_, err := w.person().RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{Family: aws.String("django"),
				ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("django"), Image: aws.String("django:next")}}})
			if err != nil {
				t.Fatal(err)
			}
			want, runs, registered := "django:3", "django:1", 2
			if deregistered { // production comes first
				w.deregister(t, "django:1")
				want, runs, registered = "django:4", "django:4", 3
			}
			time.Sleep(24 * time.Hour)
			r := oldest(c)
			newest, err := w.person().ListTaskDefinitions(t.Context(), &ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String("django"), Sort: types.SortOrderDesc})
			if err != nil || fleet.NameOf(newest.TaskDefinitionArns[0]) != want || len(w.writes("RegisterTaskDefinition")) != registered {
				t.Errorf("newest %v, %d registered: %v", newest.TaskDefinitionArns, len(w.writes("RegisterTaskDefinition")), err)
			}
			if r.Outcome != rollout.RolledBack || w.runs(t, "django") != runs || !strings.Contains(r.Message, "django:3") {
				t.Errorf("%s %s, %s runs: %s", r.Phase, r.Outcome, w.runs(t, "django"), r.Message)
			}
		})
	}
}

// The owner's tag says off, or the operator switched remediation off, while a harmful fix soaks: nothing is sent by itself, the
// rollout keeps its place and says since when, and an approver's rollback is carried out.
func TestOffStopsWhatIsAutomaticAndNotAnApprover(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]func(*testing.T, *world, running) running{
		"tag": func(t *testing.T, w *world, c running) running { w.tagged(t, "django", "off"); return c },
		"mode": func(_ *testing.T, w *world, c running) running {
			c.stop()
			return w.run(w.remediate(rollout.Off, cure))
		},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, harmful(t))
			base := w.document(t, "django:1")
			c := w.run(w.remediate(rollout.Auto, cure))
			soaks(t, c)
			c = off(t, w, c)
			defer c.stop()
			time.Sleep(12 * time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Phase != rollout.RollingBack || !r.Live() || string(r.Reason) != name || r.WaitsSince.IsZero() || len(w.writes("UpdateService")) != 1 {
				t.Fatalf("%s off: %s %s %s: %s, %d UpdateService", name, r.Phase, r.Outcome, r.Reason, r.Message, len(w.writes("UpdateService")))
			}
			if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, rollout.Order{By: "oncall"}); !errors.Is(err, rollout.ErrConflict) {
				t.Errorf("%s off: approve: %v", name, err)
			}
			if _, err := c.RollBack(t.Context(), r.ID, rollout.Order{By: "oncall"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			if r := rollouts(t, c, 1)[0]; r.Outcome != rollout.RolledBack {
				t.Errorf("%s off: %s %s: %s", name, r.Phase, r.Outcome, r.Message)
			}
			w.isBack(t, base)
		})
	}
}

// A fix that was proven is taken back by an approver a day later, also under mode off; when somebody else's revision runs, the
// order is refused and changes nothing.
func TestAnApproverTakesAProvenFixBack(t *testing.T) {
	t.Parallel()
	for _, foreign := range []bool{false, true} {
		s := fixable(t)
		if foreign {
			s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(60 * time.Hour), Do: account.DoDeploy, Service: "django", Image: image, Why: "a release"})
		}
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			base := w.document(t, "django:1")
			c := w.run(w.remediate(rollout.Auto, cure))
			time.Sleep(2 * 24 * time.Hour)
			c.stop()
			c = w.run(w.remediate(rollout.Off, cure))
			defer c.stop()
			time.Sleep(24 * time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Outcome != rollout.Succeeded {
				t.Fatalf("%s %s: %s", r.Phase, r.Outcome, r.Message)
			}
			_, err := c.RollBack(t.Context(), r.ID, rollout.Order{By: "oncall", Reason: "latency"})
			if foreign != errors.Is(err, rollout.ErrConflict) || !foreign && err != nil {
				t.Fatalf("a release is out %t: %v", foreign, err)
			}
			time.Sleep(time.Hour)
			r = rollouts(t, c, 1)[0]
			audited := slices.ContainsFunc(append(c.Audit(r.Key()), c.Refusals(r.Key())...), func(e reconciler.AuditEntry) bool {
				return e.Action == "rollback" && e.By == "oncall" && e.Refused == foreign
			})
			switch {
			case !audited:
				t.Errorf("the order is not in the audit log: %v", c.Audit(r.Key())[0])
			case foreign && (r.Outcome != rollout.Succeeded || len(w.writes("UpdateService")) != 1):
				t.Errorf("%s %s: %s", r.Phase, r.Outcome, r.Message)
			case !foreign && r.Outcome != rollout.RolledBack:
				t.Errorf("%s %s: %s", r.Phase, r.Outcome, r.Message)
			case !foreign:
				w.isBack(t, base)
			}
		})
	}
}

// A blue/green deployment is rolled back by ECS while it bakes; where that is denied, the old revision is deployed.
func TestABlueGreenDeploymentIsRolledBack(t *testing.T) {
	t.Parallel()
	for _, denied := range []bool{false, true} {
		s := fixable(t)
		s.Clusters[0].Services[0].BakeTime = account.Exactly(time.Hour)
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			base := w.document(t, "django:1")
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			until(t, 4*time.Hour, "sent", func() bool { return len(w.writes("UpdateService")) == 1 })
			time.Sleep(10 * time.Minute)
			if denied {
				w.account.Deny("ecs:StopServiceDeployment")
			}
			r := rollouts(t, c, 1)[0]
			if _, err := c.RollBack(t.Context(), r.ID, rollout.Order{By: "oncall"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Hour)
			r = rollouts(t, c, 1)[0]
			if r.Outcome != rollout.RolledBack || w.runs(t, "django") != "django:1" {
				t.Errorf("denied %t: %s %s, %s runs: %s", denied, r.Phase, r.Outcome, w.runs(t, "django"), r.Message)
			}
			stopped, updated := len(w.writes("StopServiceDeployment")), len(w.writes("UpdateService"))
			if !denied && (stopped != 1 || updated != 1) || denied && (stopped != 0 || updated != 2) {
				t.Errorf("denied %t: %d StopServiceDeployment, %d UpdateService", denied, stopped, updated)
			}
			if d := cmp.Diff(base["taskDefinition"], w.document(t, "django")["taskDefinition"]); d != "" {
				t.Errorf("the family's newest revision: %s", d)
			}
		})
	}
}

// The fix's tasks never start, and no circuit breaker ends their deployment: one service has to find that out, not four.
func TestABrokenFixStaysWithTheCanary(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	broken := func(name string) account.Service {
		v := s.Clusters[0].Services[0]
		v.Name, v.TaskDefinition.Family, v.CircuitBreaker, v.LoadBalancer = name, name, "off", account.LoadBalancer{}
		m := v.Models["cwagent"]
		m.Cases = append(slices.Clone(m.Cases), account.Case{When: map[string]string{"OTEL_TRACES_SAMPLER": cure["OTEL_TRACES_SAMPLER"]},
			Death: account.DeathStart, Text: "CannotStartContainerError: bad sampler"})
		v.Models = map[string]account.Model{"cwagent": m}
		return v
	}
	s.Clusters[0].Services = []account.Service{broken("a"), broken("b"), broken("c"), broken("d")}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(24 * time.Hour)
		tried := map[any]bool{}
		for _, call := range w.writes("UpdateService") {
			tried[call.Input["service"]] = true
		}
		refused := 0
		for _, r := range c.Rollouts(fleet.Key{}) {
			if r.Reason == rollout.ReasonCanary {
				refused++
			}
		}
		if len(tried) != 1 || refused != 3 {
			t.Errorf("the fix was sent to %d services and refused for %d", len(tried), refused)
		}
	})
}
