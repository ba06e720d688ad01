package test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

// What stands at the edges of a fix: writes that AWS turns away, questions that nothing answers, and other people's deployments
// that come while a question is open.

var tester = rollout.Order{By: "oncall", Reason: "a test"}

// soon waits in steps of a second until ok holds, and fails where it does not in time.
func soon(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// theRollout is the newest rollout of django; it waits for one.
func theRollout(t *testing.T, c running) rollout.Rollout {
	t.Helper()
	soon(t, 5*time.Hour, "a rollout", func() bool { return len(c.Rollouts(django)) > 0 })
	return c.Rollouts(django)[0]
}

// phase waits until the newest rollout of django is in a phase.
func (w *world) phase(t *testing.T, c running, within time.Duration, p rollout.Phase) rollout.Rollout {
	t.Helper()
	soon(t, within, string(p), func() bool { return theRollout(t, c).Phase == p })
	return theRollout(t, c)
}

// revisionOf is the revision that a service uses now, as family:revision.
func (w *world) revisionOf(t *testing.T, service string) string {
	t.Helper()
	out, err := ecs.NewFromConfig(sdk(w.account)).DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{service}})
	if err != nil {
		t.Fatal(err)
	}
	return fleet.NameOf(aws.ToString(out.Services[0].TaskDefinition))
}

// turnsAway has the account answer calls of an operation with an error until it is told to stop.
func (w *world) turnsAway(op string, e *wire.Error) (stop func()) {
	return w.account.Gate(func(c account.Call) bool { return c.Op == op }, func(account.Call) account.Gate { return account.Gate{Err: e} })
}

// sent are the times of the calls of one operation, whatever became of them.
func (w *world) sent(op string) (at []time.Time) {
	for _, c := range w.account.Calls() {
		if c.Op == op {
			at = append(at, c.At)
		}
	}
	return at
}

func held(c running) bool { return slices.Contains(open(c.Controller)["django"], "RemediationHeld/") }

var throttled = wire.Bad("ThrottlingException", "Rate exceeded")

// Writes that AWS turns away for half an hour are waited for, with pauses that grow from a quarter of a minute on, and the fix
// is rolled out as if nothing had been.
func TestAWriteThatIsTurnedAwayIsSentAgainLater(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		op   string
		err  *wire.Error
		span time.Duration
	}{
		"deployments throttled":       {"UpdateService", throttled, 30 * time.Minute},
		"registrations throttled":     {"RegisterTaskDefinition", throttled, 10 * time.Minute},
		"registrations meet":          {"RegisterTaskDefinition", wire.Bad("ClientException", "Too many concurrent attempts to create a new revision of the specified family."), 10 * time.Minute},
		"deployments pile up":         {"UpdateService", wire.Bad("InvalidParameterException", "5 active deployments exist, unable to create new deployment."), 30 * time.Minute},
		"another update is under way": {"UpdateService", wire.Bad("ConflictException", "The service is being updated."), 30 * time.Minute},
		"ECS is down":                 {"UpdateService", &wire.Error{Code: "ServiceUnavailable", Status: 503, Message: "try later"}, 30 * time.Minute},
	} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, fixable(t))
			stop := w.turnsAway(tt.op, tt.err)
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			soon(t, 5*time.Hour, "the first call", func() bool { return len(w.sent(tt.op)) > 0 })
			time.Sleep(tt.span - time.Second)
			r := theRollout(t, c)
			if r.Reason != rollout.ReasonTurnedAway || !strings.Contains(r.Message, "next try") || held(c) {
				t.Errorf("%s, meanwhile: %s %s %s: %s", name, r.Phase, r.Outcome, r.Reason, r.Message)
			}
			stop()
			w.phase(t, c, 30*time.Minute, rollout.Soaking)
			at := w.sent(tt.op)
			pause := time.Duration(0)
			for i := 1; i < len(at); i++ {
				if d := at[i].Sub(at[i-1]); d < 15*time.Second || d > 7*time.Minute || d < pause*6/10 {
					t.Errorf("%s: try %d came %s after the one before, that one %s", name, i+1, d, pause)
				} else {
					pause = d
				}
			}
			if n := len(at); n < 4 || n > 40 || at[1].Sub(at[0]) > 2*time.Minute {
				t.Errorf("%s: %d tries: %v", name, n, at)
			}
			if len(c.Rollouts(fleet.Key{})) != 1 || len(w.writes("RegisterTaskDefinition")) != 1 || len(w.writes("UpdateService")) != 1 {
				t.Errorf("%s: %d rollouts, %d revisions, %d deployments", name, len(c.Rollouts(fleet.Key{})), len(w.writes("RegisterTaskDefinition")), len(w.writes("UpdateService")))
			}
		})
	}
}

// What AWS turns away until the phase's deadline fails, and says why. The service is not held, since nothing was done to it: the
// family's newest revision has the old content, and the plan is made again a day later, or at once after a reset.
func TestWhatIsTurnedAwayToTheEndHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"RegisterTaskDefinition", "UpdateService"} {
		bubble(t, func(t *testing.T) {
			w := newWorld(t, fixable(t))
			base := w.document(t, "django:1")
			stop := w.turnsAway(op, throttled)
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			soon(t, 5*time.Hour, "an end", func() bool { return theRollout(t, c).Outcome == rollout.Failed })
			r := theRollout(t, c)
			if r.Outcome != rollout.Failed || r.Reason != rollout.ReasonTurnedAway || !strings.Contains(r.Message, "ThrottlingException") || r.Remedy == "" {
				t.Errorf("%s: %s %s: %s", op, r.Outcome, r.Reason, r.Message)
			}
			time.Sleep(time.Hour)
			if held(c) || len(c.Rollouts(django)) != 1 {
				t.Errorf("%s: open %v, %d rollouts", op, open(c.Controller)["django"], len(c.Rollouts(django)))
			}
			newest := w.document(t, "django")
			if a, b := fmt.Sprint(base["taskDefinition"]), fmt.Sprint(newest["taskDefinition"]); a != b {
				t.Errorf("%s: the family's newest revision is %s", op, b)
			}
			stop()
			if err := c.Reset(t.Context(), django, tester); err != nil {
				t.Fatal(err)
			}
			w.phase(t, c, time.Hour, rollout.Soaking)
		})
	}
}

// A way back that AWS turns away is sent again at least once a minute.
func TestAWayBackThatIsTurnedAwayIsSentAgainSoon(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		r := w.phase(t, c, 5*time.Hour, rollout.Soaking)
		stop := w.turnsAway("UpdateService", throttled)
		if _, err := c.RollBack(t.Context(), r.ID, tester); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Minute)
		tries := w.sent("UpdateService")[1:]
		for i := 1; i < len(tries); i++ {
			if d := tries[i].Sub(tries[i-1]); d < 15*time.Second || d > 75*time.Second {
				t.Errorf("try %d came after %s", i+1, d)
			}
		}
		if len(tries) < 25 {
			t.Errorf("%d tries in half an hour", len(tries))
		}
		stop()
		soon(t, 20*time.Minute, "rolled back", func() bool { return theRollout(t, c).Outcome == rollout.RolledBack })
		if got := w.revisionOf(t, "django"); got != "django:1" {
			t.Errorf("%s runs", got)
		}
	})
}

// An approval outlives an outage of what must be asked: the rollout stays approved, says what it waits for, and starts when the
// questions are answered. The same plan never needs a second yes.
func TestAnApprovalOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		op    string
		kind  account.FaultKind
		image bool
	}{
		"CloudFormation answers 503":       {"cloudformation:DescribeStackResources", account.Fault503, false},
		"CloudFormation gives no answer":   {"cloudformation:DescribeStackResources", account.FaultTimeout, false},
		"task definitions answer 500":      {"ecs:DescribeTaskDefinition", account.Fault500, false},
		"deployments cannot be listed":     {"ecs:ListServiceDeployments", account.Fault503, false},
		"services cannot be described":     {"ecs:DescribeServices", account.Fault503, false},
		"the registry answers 500":         {"ecr:BatchGetImage", account.Fault500, true},
		"the registry gives no answer":     {"ecr:BatchGetImage", account.FaultTimeout, true},
		"the registry's connection breaks": {"ecr:BatchGetImage", account.FaultReset, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLibrary()
			s := fixable(t)
			if tt.image {
				s = tagged(t, l)
			}
			bubble(t, func(t *testing.T) { w := newWorld(t, s); w.outage(t, l, tt.op, tt.kind) })
		})
	}
}

func (w *world) outage(t *testing.T, l library, op string, kind account.FaultKind) {
	c := w.run(w.asking(rollout.Approve, l))
	defer c.stop()
	r := w.phase(t, c, 5*time.Hour, rollout.Proposed)
	if err := c.Pause(t.Context(), "", tester); err != nil {
		t.Fatal(err)
	}
	i, err := w.account.Inject(account.Fault{Ops: []string{op}, Kind: kind, For: 50 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, tester); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Minute)
	if err := c.Resume(t.Context(), "", tester); err != nil {
		t.Fatal(err)
	}
	time.Sleep(15 * time.Minute)
	is := c.Rollouts(fleet.Key{})
	if len(is) != 1 || !is[0].Live() || is[0].Approval == nil || is[0].Plan.Owner.State != rollout.NoOwner || len(w.writes("RegisterTaskDefinition")) > 0 {
		t.Fatalf("amid the outage: %d rollouts, %s %s %s: %s, owner %+v", len(is), is[0].Phase, is[0].Outcome, is[0].Reason, is[0].Message, is[0].Plan.Owner)
	}
	if i.Hits() == 0 {
		t.Error("nothing was asked: the test shows nothing")
	}
	i.End()
	if is := w.phase(t, c, 30*time.Minute, rollout.Soaking); is.ID != r.ID || is.Approval == nil || is.Approval.By != "oncall" {
		t.Errorf("%s %s: %+v", is.ID, is.Phase, is.Approval)
	}
}

// Without any answer since the start nothing is planned, exported or refused: the service's own condition says why, by its
// address. The target's does not, and other services are planned.
func TestWhatWasNeverAnsweredIsNotConcluded(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	other := s.Clusters[0].Services[0]
	other.Name, other.TaskDefinition.Family = "shop", "shop"
	s.Clusters[0].Services = append(s.Clusters[0].Services, other)
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		down := w.account.Gate(func(c account.Call) bool {
			return c.Op == "DescribeStackResources" && strings.HasSuffix(fmt.Sprint(c.Input["PhysicalResourceId"]), "/django")
		}, func(account.Call) account.Gate {
			return account.Gate{Err: &wire.Error{Code: "ServiceUnavailable", Status: 503, Message: "try later"}}
		})
		c := w.run(w.remediate(rollout.Show, cure))
		defer c.stop()
		time.Sleep(8 * time.Hour) // a task of each service dies
		if n := len(c.Rollouts(django)); n != 0 {
			t.Errorf("%d rollouts of what nobody knows the owner of: %+v", n, c.Rollouts(django)[0])
		}
		shop := django
		shop.Service = "shop"
		if n := len(c.Rollouts(shop)); n != 1 {
			t.Errorf("%d rollouts of another service; open: %v", n, open(c.Controller))
		}
		stuck := func() (of []fleet.Key) {
			for _, f := range c.Findings() {
				if f.Reason == "RemediationStuck" && f.Open() {
					of = append(of, f.Key)
					if f.Type != finding.Unobservable || !strings.Contains(f.Message, "prod/prod/django") || !strings.Contains(strings.Join(f.Evidence, " "), "503") &&
						!strings.Contains(strings.Join(f.Evidence, " "), "ServiceUnavailable") {
						t.Errorf("%+v", f)
					}
				}
			}
			return of
		}
		if got := stuck(); len(got) != 1 || got[0] != django {
			t.Errorf("stuck: %v", got)
		}
		down()
		time.Sleep(20 * time.Minute)
		if n := len(c.Rollouts(django)); n != 1 || len(stuck()) != 0 {
			t.Errorf("answered: %d rollouts, stuck: %v", n, stuck())
		}
	})
}

// A denied action is an answer: the owner is unknown, and the plan is exported.
func TestADenialIsAnAnswer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		w.account.Deny("cloudformation:DescribeStackResources")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Exported || r.Plan.Owner.State != rollout.UnknownOwner || !strings.Contains(strings.Join(r.Plan.Owner.Evidence, " "), "cloudformation:DescribeStackResources") {
			t.Errorf("%s %s: %+v", r.Outcome, r.Message, r.Plan.Owner)
		}
	})
}

// A service of CODE_DEPLOY or EXTERNAL is refused before anything is asked of AWS, which may refuse to answer.
func TestAServiceOfAnotherControllerIsRefusedUnasked(t *testing.T) {
	t.Parallel()
	for _, controller := range []string{"CODE_DEPLOY", "EXTERNAL"} {
		s := fixable(t)
		s.Clusters[0].Services[0].Controller = controller
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			asked := 0
			questions := []string{"ListServiceDeployments", "DescribeStackResources", "BatchGetImage"}
			defer w.account.Gate(func(c account.Call) bool { return slices.Contains(questions, c.Op) }, func(account.Call) account.Gate {
				asked++
				return account.Gate{Err: wire.Bad("UnsupportedFeatureException", "The service's deployment controller does not support service deployments.")}
			})()
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			time.Sleep(2 * time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Outcome != rollout.Refused || r.Reason != rollout.ReasonController || len(r.Plan.Changes) != 2 || asked != 0 {
				t.Errorf("%s: %s %s: %s; %d questions", controller, r.Outcome, r.Reason, r.Message, asked)
			}
			for _, f := range c.Findings() {
				if f.Reason == "RemediationStuck" {
					t.Errorf("%s: %+v", controller, f)
				}
			}
		})
	}
}

// slow is a registry that answers about our images, after something that a test does meanwhile.
type slow struct {
	reconciler.Registry
	meanwhile func(image string) error
}

func (s slow) Resolve(ctx context.Context, image, known string) (string, error) {
	if err := s.meanwhile(image); err != nil {
		return "", err
	}
	return known, nil
}

// deploys is what a person does at a moment: a new revision with another image, and its deployment.
func (w *world) deploys(t *testing.T) {
	t.Helper()
	client := ecs.NewFromConfig(sdk(w.account))
	out, err := client.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: aws.String("django:1")})
	if err != nil {
		t.Error(err)
		return
	}
	d := out.TaskDefinition
	d.ContainerDefinitions[0].Image = aws.String("public.ecr.aws/nginx/nginx:hotfix@sha256:" + strings.Repeat("ef", 32))
	registered, err := client.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{Family: d.Family, ContainerDefinitions: d.ContainerDefinitions,
		Cpu: d.Cpu, Memory: d.Memory, Tags: []ecstypes.Tag{{Key: aws.String("hotfix"), Value: aws.String("yes")}}})
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := client.UpdateService(t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: aws.String("django"),
		TaskDefinition: registered.TaskDefinition.TaskDefinitionArn}); err != nil {
		t.Error(err)
	}
}

// While a registry takes its time, a person deploys a hotfix, or pauses remediation. Nothing of ours is
// sent after that: neither a registration, nor a deployment that a pause had held up since the registration.
func TestWhatHappensDuringAQuestionIsSeen(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(*testing.T, *world, running){
		"a hotfix": func(t *testing.T, w *world, _ running) { w.deploys(t) },
		"a pause":  func(t *testing.T, _ *world, c running) { _ = c.Pause(t.Context(), "", tester) },
	} {
		for _, before := range []string{"RegisterTaskDefinition", "UpdateService"} {
			t.Run(name+" before "+before, func(t *testing.T) {
				t.Parallel()
				s := fixable(t)
				s.Clusters[0].Services[0].TaskDefinition.Containers[0]["image"] = "public.ecr.aws/nginx/nginx:1.27"
				bubble(t, func(t *testing.T) { newWorld(t, s).duringAQuestion(t, before, meanwhile) })
			})
		}
	}
}

func (w *world) duringAQuestion(t *testing.T, before string, meanwhile func(*testing.T, *world, running)) {
	var c running
	armed, happened := false, time.Time{}
	base := w.remediate(rollout.Approve, cure)
	c = w.run(func(o *reconciler.Options) {
		base(o)
		o.Targets[0].Registry = slow{meanwhile: func(string) error {
			time.Sleep(8 * time.Second)
			if armed && happened.IsZero() {
				happened = time.Now()
				meanwhile(t, w, c)
			}
			time.Sleep(7 * time.Second)
			return nil
		}}
	})
	defer func() { c.stop() }()
	r := w.phase(t, c, 5*time.Hour, rollout.Proposed)
	if before == "UpdateService" {
		paused := false
		defer w.account.Gate(func(c account.Call) bool { return c.Op == "RegisterTaskDefinition" && !paused }, func(account.Call) account.Gate {
			paused = true
			if err := c.Pause(t.Context(), "", tester); err != nil {
				t.Error(err)
			}
			return account.Gate{}
		})()
		if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, tester); err != nil {
			t.Fatal(err)
		}
		soon(t, time.Hour, "the registration", func() bool { return len(w.writes("RegisterTaskDefinition")) > 0 })
		time.Sleep(5 * time.Minute)
		armed = true
		if err := c.Resume(t.Context(), "", tester); err != nil {
			t.Fatal(err)
		}
	} else {
		time.Sleep(time.Minute) // no survey for the plan is under way
		armed = true
		if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, tester); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Minute)
	if happened.IsZero() {
		t.Fatal("nothing was asked before the write")
	}
	for _, call := range w.writes(before) {
		tagged := strings.Contains(fmt.Sprint(call.Input["tags"]), r.ID+"]") || strings.Contains(fmt.Sprint(call.Input["taskDefinition"]), "django:2") && before == "UpdateService"
		if tagged && call.At.After(happened) {
			t.Errorf("%s was sent %s after it: %v", call.Op, call.At.Sub(happened), call.Input)
		}
	}
	if is := c.Rollouts(django)[0]; is.ID == r.ID && is.Phase == rollout.Soaking {
		t.Errorf("%s %s: %s", is.Phase, is.Outcome, is.Message)
	}
}

// silent is a registry that never answers.
type silent struct{}

func (silent) Resolve(ctx context.Context, image, _ string) (string, error) {
	select {
	case <-time.After(20 * time.Second):
		return "", errors.New("no answer from " + image)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// A rollback does not wait for the surveys of others: 200 services want a plan, and each has four images of a registry that never
// answers.
func TestARollbackNeverWaitsForSurveys(t *testing.T) {
	t.Parallel()
	s := harmful(t)
	first := s.Clusters[0].Services[0]
	for i := range 200 {
		v := first
		v.Name, v.Desired, v.Models = fmt.Sprintf("shop%d", i), 1, maps.Clone(first.Models)
		m := v.Models["cwagent"]
		m.Cases = []account.Case{m.Cases[0]}
		m.Cases[0].Lifetime = account.Between(50*time.Minute, 60*time.Minute)
		v.Models["cwagent"] = m
		v.TaskDefinition.Family = v.Name
		v.TaskDefinition.Containers = nil
		for n, c := range first.TaskDefinition.Containers {
			c = maps.Clone(c)
			c["image"] = fmt.Sprintf("silent.example/%s-%d:1", v.Name, n)
			v.TaskDefinition.Containers = append(v.TaskDefinition.Containers, c)
		}
		s.Clusters[0].Services = append(s.Clusters[0].Services, v)
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		base := w.remediate(rollout.Approve, cure)
		c := w.run(func(o *reconciler.Options) {
			base(o)
			o.Remediation.Settings.FleetSick = 1
			o.Targets[0].Registry = silent{}
		})
		defer c.stop()
		time.Sleep(2 * time.Hour)
		sick := 0
		for _, types := range open(c.Controller) {
			if slices.Contains(types, "SidecarCrash/cwagent") {
				sick++
			}
		}
		if sick < 200 {
			t.Fatalf("%d services are sick: the test shows less than it says", sick)
		}
		if _, err := c.Approve(t.Context(), theRollout(t, c).ID, theRollout(t, c).Plan.Hash, tester); err != nil {
			t.Fatal(err)
		}
		w.phase(t, c, time.Hour, rollout.Soaking)
		var worse time.Time
		soon(t, 12*time.Hour, "the verdict", func() bool { worse = time.Now(); return theRollout(t, c).Phase == rollout.RollingBack })
		soon(t, time.Hour, "the way back", func() bool { return len(w.writes("UpdateService")) == 2 })
		if d := time.Since(worse); d > time.Minute {
			t.Errorf("the way back began %s after the verdict", d)
		}
		var deaths []time.Time
		for _, stop := range w.account.Stops() {
			if stop.Service == "django" && !stop.Planned && stop.At.After(theRollout(t, c).Soak.From) {
				deaths = append(deaths, stop.At)
			}
		}
		if len(deaths) < 2 {
			t.Fatalf("%d deaths: the test shows nothing", len(deaths))
		}
		if d := w.writes("UpdateService")[1].At.Sub(deaths[len(deaths)-1]); d > 12*time.Minute {
			t.Errorf("the way back began %s after the last of %d deaths", d, len(deaths))
		}
	})
}
