package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

var (
	django = fleet.Key{Target: "prod", Cluster: "prod", Service: "django"}
	cure   = map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
)

// fixable is the incident as a fix may meet it: images pinned by digest, and a person who registered the service by hand. The
// history shows how its tasks die.
func fixable(t *testing.T) account.Scenario {
	t.Helper()
	s, err := account.LoadScenario("scenarios/incident.yaml", map[string]string{"history": "48h", "pin": "@sha256:" + strings.Repeat("ab", 32),
		"person": "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUser_0123456789abcdef/alice"})
	if err != nil {
		t.Fatal(err)
	}
	v := &s.Clusters[0].Services[0]
	v.Signals = nil // publishing them takes most of the time
	v.TaskDefinition.Tags = map[string]string{"team": "web"}
	return s
}

// remediate is a controller's options with remediation in a mode, and its account with what that mode allows.
func (w *world) remediate(mode rollout.Mode, set map[string]string) func(*reconciler.Options) {
	return func(o *reconciler.Options) {
		w.remember(o.Book)
		allow := fleet.NewAllowList()
		acct := cloud.New(sdk(w.account), cloud.Options{Target: "prod", Budgets: cloud.NewBudgets(1), AllowList: allow,
			Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Evidence: true, cloud.Metrics: true, cloud.Alarms: true,
				cloud.Remediate: mode == rollout.Approve || mode == rollout.Auto}})
		o.Home, o.Alarms, o.Metrics = acct, reconciler.Off, false // other tests are about those
		o.Targets = []reconciler.Target{{Name: "prod", Observer: acct, CloudWatch: acct, Deployer: acct}}
		o.Remediation = reconciler.Remediation{Ceiling: mode, Default: mode,
			Settings: rollout.Settings{MaxConcurrent: 1, MaxSoaking: 20, MaxPerDay: 10, Canary: 1, MinSoak: time.Hour, MaxSoak: 72 * time.Hour,
				PlanTTL: 24 * time.Hour, FleetSick: 0.2},
			Policies: []rollout.Policy{{Name: "otel-sampler", Env: map[string][]string{"OTEL_TRACES_SAMPLER": {"xray"}},
				When: []string{finding.SidecarCrash}, Set: set}},
		}
	}
}

// remember gives an empty book what a controller would know that had watched the account's history. A fix is rolled out where
// the lifetimes that are known can prove it.
func (w *world) remember(b *reconciler.Book) {
	w.t.Helper()
	stops, now := w.account.Stops(), time.Now()
	if len(b.Stops(fleet.Key{})) > 0 || len(stops) == 0 {
		return
	}
	if err := errors.Join(b.Begin(w.t.Context(), "prod", stops[0].At.Add(-stops[0].Ran)), b.Looked(w.t.Context(), "prod", now)); err != nil {
		w.t.Fatal(err)
	}
	known := map[fleet.Key][]churn.Stop{}
	for _, s := range stops {
		key := fleet.Key{Target: "prod", Cluster: s.Cluster, Service: s.Service}
		arn := s.TaskARN[:strings.Index(s.TaskARN, ":task/")] + ":task-definition/" + s.Definition
		known[key] = append(known[key], churn.Stop{TaskARN: s.TaskARN, TaskDefinition: arn, Deployment: s.Deployment, StartedAt: s.At.Add(-s.Ran), StoppedAt: s.At,
			Lifetime: s.Ran, Verdict: churn.Verdict{Planned: s.Planned, Cause: churn.Cause(s.Cause), Culprit: &churn.Culprit{Container: s.Culprit, ExitCode: s.ExitCode},
				Sidecar: s.Culprit == "cwagent", Confidence: churn.High}})
	}
	for key, all := range known {
		if _, err := b.Load(w.t.Context(), key); err != nil {
			w.t.Fatal(err)
		}
		if err := b.Record(w.t.Context(), reconciler.Decision{Key: key, At: now, New: all}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// writes gives the calls of one operation that the account carried out.
func (w *world) writes(op string) []account.Call {
	var out []account.Call
	for _, c := range w.account.Calls() {
		if c.Op == op && c.Code == "" {
			out = append(out, c)
		}
	}
	return out
}

// rollouts gives the service's rollouts, and fails where there are not as many.
func rollouts(t *testing.T, c running, n int) []rollout.Rollout {
	t.Helper()
	all := c.Rollouts(fleet.Key{})
	if len(all) != n {
		for _, r := range all {
			t.Logf("%s %s %s: %s %s", r.ID, r.Phase, r.Outcome, r.Reason, r.Message)
		}
		t.Fatalf("%d rollouts, want %d", len(all), n)
	}
	return all
}

// unplanned counts the unplanned stops of a service since a time, as the account knows it.
func (w *world) unplanned(service string, since time.Time) (n int) {
	for _, s := range w.account.Stops() {
		if s.Service == service && !s.Planned && s.At.After(since) {
			n++
		}
	}
	return n
}

// The incident, mode auto: one revision that differs in the two values alone, one deployment, and the deaths end.
func TestTheFixIsRolledOutAndProven(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	incident, err := account.LoadScenario("scenarios/incident.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Clusters[0].Services[0].Signals = incident.Clusters[0].Services[0].Signals
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		base := w.document(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(2 * 24 * time.Hour)

		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Succeeded || r.Soak.Table == nil || r.Soak.Table.Verdict != rollout.Effective || r.Soak.Table.Before.Deaths == 0 {
			t.Fatalf("%s %s: %s %s, table %+v", r.Phase, r.Outcome, r.Reason, r.Message, r.Soak.Table)
		}
		registered, updated := w.writes("RegisterTaskDefinition"), w.writes("UpdateService")
		if len(registered) != 1 || len(updated) != 1 {
			t.Fatalf("%d RegisterTaskDefinition, %d UpdateService", len(registered), len(updated))
		}
		if lost := strings.Join(r.Plan.Lost, "; "); !strings.Contains(lost, "about 31.") && !strings.Contains(lost, "about 32.") ||
			!strings.Contains(lost, " requests that are counted now, ") || !strings.Contains(lost, " of them InternalOperation") {
			t.Errorf("the plan says: %s", lost) // four tasks of 60 and 750 a minute; one may just be being replaced
		}
		if before, after := r.Soak.Table.Before, r.Soak.Table.After; before.Volume == nil || *before.Volume < 2500 || after.Volume == nil || *after.Volume != 0 {
			t.Errorf("InternalOperation a minute: %v before, %v after", before.Volume, after.Volume)
		}
		onlyTheValues(t, base, w.document(t, "django:2"), r.ID)
		want := map[string]any{"cluster": "prod", "service": r.Plan.ServiceARN, "taskDefinition": r.Revision}
		if d := cmp.Diff(want, updated[0].Input); d != "" {
			t.Errorf("UpdateService: %s", d)
		}
		if n := w.unplanned("django", r.Soak.From); n != 0 {
			t.Errorf("%d unplanned stops after the fix", n)
		}
		if got := open(c.Controller); len(got) != 0 {
			t.Errorf("still open: %v", got)
		}
		told(t, c, r, "propose", "proposed → approved", "register, try 1", "update, try 1", "rolling → soaking", "soaking → succeeded")
	})
}

// document is a revision as DescribeTaskDefinition answers it, without what only an answer has.
func (w *world) document(t *testing.T, name string) map[string]any {
	t.Helper()
	acct := cloud.New(sdk(w.account), cloud.Options{Allow: map[cloud.Class]bool{cloud.Read: true}})
	raw, err := acct.RawDefinition(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"taskDefinitionArn", "revision", "registeredAt", "registeredBy"} {
		delete(out["taskDefinition"].(map[string]any), key)
	}
	return out
}

// onlyTheValues changes the two values and the tag in the base by hand, and compares.
func onlyTheValues(t *testing.T, base, is map[string]any, id string) {
	t.Helper()
	changed := 0
	for _, c := range base["taskDefinition"].(map[string]any)["containerDefinitions"].([]any) {
		for _, e := range c.(map[string]any)["environment"].([]any) {
			entry := e.(map[string]any)
			if value, ok := cure[entry["name"].(string)]; ok {
				entry["value"] = value
				changed++
			}
		}
	}
	base["tags"] = append(base["tags"].([]any), map[string]any{"key": rollout.RolloutTag, "value": id})
	if d := cmp.Diff(base, is); d != "" || changed != 2 {
		t.Errorf("%d values; beside them: %s", changed, d)
	}
}

// told looks for texts in the audit log of a rollout, in this order.
func told(t *testing.T, c running, r rollout.Rollout, texts ...string) {
	t.Helper()
	var all []string
	for _, e := range c.Audit(r.Key()) {
		all = append([]string{e.Action + ": " + e.Text}, all...)
	}
	left := all
	for _, text := range texts {
		for len(left) > 0 && !strings.Contains(left[0], text) {
			left = left[1:]
		}
		if len(left) == 0 {
			t.Errorf("the audit log does not tell %q there:\n%s", text, strings.Join(all, "\n"))
			return
		}
	}
}

// Mode plan shows the plan and sends nothing, though every write is denied and would be seen.
func TestModePlanSendsNothing(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	s.Timeline = append(s.Timeline, account.Step{Do: account.DoDeny, Actions: []string{"ecs:RegisterTaskDefinition", "ecs:UpdateService"}, Why: "only looking"})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Show, cure))
		defer c.stop()
		time.Sleep(20 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Phase != rollout.Proposed || !r.Live() || r.Reason != rollout.ReasonMode || len(r.Plan.Changes) != 2 || r.Plan.Power == "" || r.Plan.Hash == "" {
			t.Errorf("%s %s %s: %s\n%+v", r.Phase, r.Outcome, r.Reason, r.Message, r.Plan)
		}
		for _, op := range []string{"ecs:RegisterTaskDefinition", "ecs:UpdateService"} {
			if n := w.account.CallCounts()[op]; n != 0 {
				t.Errorf("%d %s", n, op)
			}
		}
	})
}

// Mode off asks for nothing that only a fix needs.
func TestModeOffAsksNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		c := w.run(w.remediate(rollout.Off, cure))
		defer c.stop()
		time.Sleep(20 * time.Hour)
		rollouts(t, c, 0)
		for _, op := range []string{"cloudformation:DescribeStackResources", "ecs:ListTaskDefinitions", "ecs:DescribeServiceRevisions"} {
			if n := w.account.CallCounts()[op]; n != 0 {
				t.Errorf("%d %s", n, op)
			}
		}
		if len(open(c.Controller)) == 0 {
			t.Error("nothing was wrong: the test shows nothing")
		}
	})
}

// harmful is fixable where the cure kills the sidecar sooner than what it is to cure.
func harmful(t *testing.T) account.Scenario {
	s := fixable(t)
	m := s.Clusters[0].Services[0].Models["cwagent"]
	m.Cases = append(m.Cases, account.Case{When: map[string]string{"OTEL_TRACES_SAMPLER": cure["OTEL_TRACES_SAMPLER"]},
		Lifetime: account.Between(20*time.Minute, 30*time.Minute), Exit: 2, Log: account.Lines{"fatal error: concurrent map writes"}})
	s.Clusters[0].Services[0].Models["cwagent"] = m
	return s
}

// A fix that makes it worse is rolled back once, its content is no longer the family's newest, the service is held, and
// nothing is tried again in a day; a person's reset lets it be tried.
func TestAHarmfulFixIsTakenBackOnce(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, harmful(t))
		base := w.document(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		time.Sleep(12 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.RolledBack || r.Soak.Assessment.Verdict != rollout.Worse {
			t.Fatalf("%s %s: %s %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		w.isBack(t, base)
		c.stop()
		c = w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(24 * time.Hour)
		w.isBack(t, base)
		rollouts(t, c, 1)
		if got := open(c.Controller)["django"]; !slices.Contains(got, "RemediationHeld/") {
			t.Errorf("open: %v", got)
		}
		if err := c.Reset(t.Context(), django, rollout.Order{By: "oncall", Reason: "looked at it"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Minute)
		if n := len(w.writes("UpdateService")); n != 3 {
			t.Errorf("%d UpdateService after the reset", n)
		}
	})
}

// isBack tells that the base runs, was deployed once again, and that its content is the family's newest.
func (w *world) isBack(t *testing.T, base map[string]any) {
	t.Helper()
	updates := w.writes("UpdateService")
	if len(updates) != 2 || !strings.HasSuffix(updates[0].Input["taskDefinition"].(string), "django:2") || !strings.HasSuffix(updates[1].Input["taskDefinition"].(string), "django:1") {
		t.Errorf("UpdateService: %v", updates)
	}
	if n := len(w.writes("RegisterTaskDefinition")); n != 2 {
		t.Errorf("%d RegisterTaskDefinition", n)
	}
	newest := w.document(t, "django") // a bare family is its newest ACTIVE revision
	if d := cmp.Diff(base["taskDefinition"], newest["taskDefinition"]); d != "" {
		t.Errorf("the family's newest revision: %s", d)
	}
}

// An approval is for one plan: with another hash, for another rollout or twice it changes nothing, and each attempt is told.
func TestAnApprovalIsForOnePlan(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		c := w.run(w.remediate(rollout.Approve, cure))
		time.Sleep(time.Hour)
		r := rollouts(t, c, 1)[0]
		who := rollout.Order{By: "oncall", Reason: "seen", Ticket: "OPS-1"}
		for _, try := range []struct {
			id, hash string
			want     error
		}{{r.ID, "0123456789abcdef", rollout.ErrConflict}, {r.ID, "", rollout.ErrConflict}, {"nobody", r.Plan.Hash, rollout.ErrNotFound}} {
			if _, err := c.Approve(t.Context(), try.id, try.hash, who); !errors.Is(err, try.want) {
				t.Errorf("approve %s with %q: %v", try.id, try.hash, err)
			}
		}
		time.Sleep(time.Hour)
		if now := rollouts(t, c, 1)[0]; now.Phase != rollout.Proposed || len(w.writes("RegisterTaskDefinition")) != 0 {
			t.Fatalf("%s: %s", now.Phase, now.Message)
		}
		c.stop() // the word holds, whoever hears it
		c = w.run(w.remediate(rollout.Approve, cure))
		defer c.stop()
		if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, who); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, who); !errors.Is(err, rollout.ErrConflict) {
			t.Errorf("a second approval: %v", err)
		}
		time.Sleep(time.Hour)
		if now := rollouts(t, c, 1)[0]; now.Phase != rollout.Soaking || now.Approval == nil || now.Approval.Ticket != "OPS-1" {
			t.Errorf("%s %s: %s", now.Phase, now.Outcome, now.Message)
		}
		told(t, c, r, "approve: proposed → approved")
		refused := c.Refusals(fleet.Key{})
		if len(refused) != 4 || !strings.Contains(refused[3].Text, "approve rollout "+r.ID+": its plan hash is") {
			t.Errorf("refused: %+v", refused)
		}
		for _, e := range append(c.Audit(fleet.Key{}), refused...) {
			if e.Action == "approve" && (e.By != "oncall" || e.Ticket != "OPS-1" || e.At.IsZero()) {
				t.Errorf("%+v", e)
			}
		}
	})
}

// mortal is a Deployer whose process dies at one call: before it is sent, or after it was carried out.
type mortal struct {
	reconciler.Deployer
	calls  *atomic.Int64
	at     int64
	before bool
}

// step counts a call and tells whether the process is dead.
func (m mortal) step() (dies, dead bool) {
	n := m.calls.Add(1)
	return n == m.at, m.at > 0 && n > m.at || n == m.at && m.before
}

// mortally makes one call of it; the dead hear and send nothing.
func mortally[T any](ctx context.Context, m mortal, call func() (T, error)) (T, error) {
	dies, dead := m.step()
	if !dead {
		v, err := call()
		if !dies {
			return v, err
		}
	}
	<-ctx.Done()
	var none T
	return none, ctx.Err()
}

func (m mortal) Fresh(ctx context.Context, cluster, service string) (fleet.Fresh, error) {
	return mortally(ctx, m, func() (fleet.Fresh, error) { return m.Deployer.Fresh(ctx, cluster, service) })
}

func (m mortal) RawDefinition(ctx context.Context, arn string) ([]byte, error) {
	return mortally(ctx, m, func() ([]byte, error) { return m.Deployer.RawDefinition(ctx, arn) })
}

func (m mortal) NewestRevisions(ctx context.Context, family string) ([]string, error) {
	return mortally(ctx, m, func() ([]string, error) { return m.Deployer.NewestRevisions(ctx, family) })
}

func (m mortal) Register(ctx context.Context, document []byte) (string, error) {
	return mortally(ctx, m, func() (string, error) { return m.Deployer.Register(ctx, document) })
}

func (m mortal) Deploy(ctx context.Context, cluster, service, definition string) error {
	_, err := mortally(ctx, m, func() (struct{}, error) { return struct{}{}, m.Deployer.Deploy(ctx, cluster, service, definition) })
	return err
}

// Killed at any call, before or after it was carried out, a rollout comes to the same end: one revision, one deployment.
func TestARolloutSurvivesAnyDeath(t *testing.T) {
	t.Parallel()
	for n := int64(1); ; n++ {
		reached := false
		for _, before := range []bool{true, false} {
			bubble(t, func(t *testing.T) { reached = dieAt(t, n, before) || reached })
		}
		if !reached {
			if n < 12 {
				t.Errorf("a whole rollout takes %d calls only: the test shows less than it says", n-1)
			}
			return
		}
	}
}

// dieAt kills a controller at its nth call, starts another, and tells whether there was an nth call before the soak.
func dieAt(t *testing.T, n int64, before bool) (reached bool) {
	t.Helper()
	w := newWorld(t, fixable(t))
	calls := new(atomic.Int64)
	c := w.run(func(o *reconciler.Options) {
		w.remediate(rollout.Auto, cure)(o)
		o.Targets[0].Deployer = mortal{o.Targets[0].Deployer, calls, n, before}
	})
	time.Sleep(30 * time.Minute)
	c.stop()
	reached = calls.Load() >= n
	c = w.run(w.remediate(rollout.Auto, cure))
	defer c.stop()
	time.Sleep(time.Hour)
	r := rollouts(t, c, 1)[0]
	registered, updated := len(w.writes("RegisterTaskDefinition")), len(w.writes("UpdateService"))
	if r.Phase != rollout.Soaking || !r.Live() || registered != 1 || updated != 1 {
		t.Errorf("killed at call %d (before %t): %s %s %s; %d revisions, %d deployments", n, before, r.Phase, r.Outcome, r.Message, registered, updated)
	}
	return reached
}

// A pause stops every automatic write from the next pass on, rollbacks included, and holds across a restart; a person's
// rollback passes it.
func TestAPauseHolds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, harmful(t))
		who := rollout.Order{By: "oncall", Reason: "a sale is on"}
		c := w.run(w.remediate(rollout.Auto, cure))
		if err := c.Pause(t.Context(), "", who); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		c.stop()
		c = w.run(w.remediate(rollout.Auto, cure))
		time.Sleep(2 * time.Hour)
		if n := len(w.writes("RegisterTaskDefinition")); n != 0 {
			t.Fatalf("%d registered while paused", n)
		}
		if r := rollouts(t, c, 1)[0]; r.Reason != rollout.ReasonPaused || !strings.Contains(r.Message, "oncall") {
			t.Errorf("%s %s: %s %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		if err := c.Resume(t.Context(), "", who); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Hour); rollouts(t, c, 1)[0].Phase != rollout.Soaking; time.Sleep(time.Minute) {
			if time.Now().After(deadline) {
				t.Fatal("it did not begin after the pause")
			}
		}
		if err := c.Pause(t.Context(), "prod", who); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Phase != rollout.RollingBack || r.Reason != rollout.ReasonPaused || len(w.writes("UpdateService")) != 1 {
			t.Fatalf("worse and paused: %s %s %s, %d UpdateService", r.Phase, r.Outcome, r.Message, len(w.writes("UpdateService")))
		}
		c.stop()
		c = w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		if _, err := c.RollBack(t.Context(), r.ID, who); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if r := rollouts(t, c, 1)[0]; r.Outcome != rollout.RolledBack || len(w.writes("UpdateService")) != 2 {
			t.Errorf("a person's rollback: %s %s %s", r.Phase, r.Outcome, r.Message)
		}
	})
}

// What another tool owns, what nobody can tell the owner of, and what would start other images is not changed; the export that
// somebody applies is watched, and adopted with the verdict.
func TestWhatMustNotBeChanged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  func(*account.Scenario, *account.Service)
		outcome rollout.Outcome
		reason  rollout.Reason
		owner   rollout.Ownership
	}{
		"a stack's, without a tag": {func(_ *account.Scenario, v *account.Service) { v.Stack = "shop" }, rollout.Exported, "", rollout.Owned},
		"a pipeline's": {func(_ *account.Scenario, v *account.Service) {
			v.TaskDefinition.RegisteredBy = "arn:aws:sts::111122223333:assumed-role/github-actions/run"
		}, rollout.Exported, "", rollout.Owned},
		"the stack cannot be read": {func(s *account.Scenario, _ *account.Service) {
			s.Timeline = append(s.Timeline, account.Step{Do: account.DoDeny, Actions: []string{"cloudformation:DescribeStackResources"}, Why: "not allowed"})
		}, rollout.Exported, "", rollout.UnknownOwner},
		"an image by its tag": {func(_ *account.Scenario, v *account.Service) {
			v.TaskDefinition.Containers[0]["image"] = "public.ecr.aws/nginx/nginx:1.27"
		}, rollout.Refused, rollout.ReasonDrift, rollout.NoOwner},
		"a field nobody knows": {func(_ *account.Scenario, v *account.Service) { v.TaskDefinition.With["novelty"] = "x" }, rollout.Refused, rollout.ReasonField, rollout.NoOwner},
		"a shared family": {func(s *account.Scenario, _ *account.Service) {
			s.Clusters[0].Services[1].TaskDefinition.Family = "django"
		}, rollout.Refused, rollout.ReasonShared, rollout.NoOwner},
		"its owner's tag": {func(_ *account.Scenario, v *account.Service) { v.Tags[rollout.Tag] = "off" }, rollout.Refused, rollout.ReasonTag, rollout.NoOwner},
	} {
		s := fixable(t)
		tt.change(&s, &s.Clusters[0].Services[0])
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			c := w.run(w.remediate(rollout.Auto, cure))
			defer c.stop()
			time.Sleep(time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Outcome != tt.outcome || r.Reason != tt.reason || r.Plan.Owner.State != tt.owner || len(r.Plan.Owner.Evidence) == 0 {
				t.Errorf("%s: %s %s %s: %s; owner %+v", name, r.Phase, r.Outcome, r.Reason, r.Message, r.Plan.Owner)
			}
			if n := len(w.writes("RegisterTaskDefinition")) + len(w.writes("UpdateService")); n != 0 {
				t.Errorf("%s: %d writes", name, n)
			}
			if e := c.Audit(r.Key())[0]; e.Rollout != r.ID || e.Hash != r.Plan.Hash || e.Hash == "" || e.Reason != string(tt.reason) || !strings.Contains(e.Text, r.Message) {
				t.Errorf("%s: audited as %+v", name, e)
			}
		})
	}
}

func TestAnAppliedExportIsAdopted(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	s.Clusters[0].Services[0].Stack = "shop"
	s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(3 * time.Hour), Do: account.DoDeploy, Service: "django",
		Set: map[string]map[string]string{"django": cure}, Why: "the stack's owner applies the export"})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(2 * 24 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Adopted || !r.Foreign || r.Soak.Table == nil || r.Soak.Table.Verdict != rollout.Effective {
			t.Errorf("%s %s: %s", r.Phase, r.Outcome, r.Message)
		}
		if n := len(w.writes("RegisterTaskDefinition")) + len(w.writes("UpdateService")); n != 0 {
			t.Errorf("%d writes", n)
		}
	})
}

// Killed at any call on its way back, a rollout is taken back once all the same.
func TestARollbackSurvivesAnyDeath(t *testing.T) {
	t.Parallel()
	for n := int64(1); ; n++ {
		reached := false
		bubble(t, func(t *testing.T) { reached = dieGoingBack(t, n, false) })
		bubble(t, func(t *testing.T) { reached = dieGoingBack(t, n, true) || reached })
		if !reached {
			if n < 6 {
				t.Errorf("a rollback takes %d calls only: the test shows less than it says", n-1)
			}
			return
		}
	}
}

func dieGoingBack(t *testing.T, n int64, before bool) (reached bool) {
	t.Helper()
	w := newWorld(t, fixable(t))
	base := w.document(t, "django:1")
	c := w.run(w.remediate(rollout.Auto, cure))
	time.Sleep(30 * time.Minute)
	c.stop()
	calls := new(atomic.Int64)
	c = w.run(func(o *reconciler.Options) {
		w.remediate(rollout.Auto, cure)(o)
		o.Targets[0].Deployer = mortal{o.Targets[0].Deployer, calls, n, before}
	})
	if _, err := c.RollBack(t.Context(), rollouts(t, c, 1)[0].ID, rollout.Order{By: "oncall"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(30 * time.Minute)
	c.stop()
	reached = calls.Load() >= n
	c = w.run(w.remediate(rollout.Auto, cure))
	defer c.stop()
	time.Sleep(time.Hour)
	if r := rollouts(t, c, 1)[0]; r.Outcome != rollout.RolledBack {
		t.Errorf("killed at call %d (before %t): %s %s %s", n, before, r.Phase, r.Outcome, r.Message)
	}
	w.isBack(t, base)
	return reached
}

// ECS's own circuit breaker takes back a revision whose tasks do not start: recognised as such, not deployed over, and held.
func TestECSRollsTheFixBack(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	m := s.Clusters[0].Services[0].Models["cwagent"]
	m.Cases = append(m.Cases, account.Case{When: map[string]string{"OTEL_TRACES_SAMPLER": cure["OTEL_TRACES_SAMPLER"]},
		Death: account.DeathStart, Text: "CannotPullContainerError: pull image manifest has been retried"})
	s.Clusters[0].Services[0].Models["cwagent"] = m
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		base := w.document(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(6 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.RolledBack || !strings.Contains(r.Message, "rollback of ECS") && !strings.Contains(r.Message, "ECS rolled it back") || len(w.writes("UpdateService")) != 1 {
			t.Errorf("%s %s: %s, %d UpdateService", r.Phase, r.Outcome, r.Message, len(w.writes("UpdateService")))
		}
		if d := cmp.Diff(base["taskDefinition"], w.document(t, "django")["taskDefinition"]); d != "" {
			t.Errorf("the family's newest revision: %s", d)
		}
		if got := open(c.Controller)["django"]; !slices.Contains(got, "RemediationHeld/") {
			t.Errorf("open: %v", got)
		}
	})
}

// Somebody's deployment while the fix soaks: one that keeps the values goes on soaking, one that loses them ends it, opens
// FixReverted and holds the service. Neither is deployed over.
func TestSomebodyDeploysOverTheFix(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	image := map[string]string{"nginx": "public.ecr.aws/nginx/nginx:1.28@sha256:" + strings.Repeat("cd", 32)}
	s.Timeline = append(s.Timeline,
		account.Step{At: account.Exactly(2 * time.Hour), Do: account.DoDeploy, Service: "django", Image: image, Why: "a release, from the running revision"},
		account.Step{At: account.Exactly(4 * time.Hour), Do: account.DoDeploy, Service: "django", Why: "a release, from the old one",
			Set: map[string]map[string]string{"django": {"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost:2000"}}})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(3 * time.Hour)
		if r := rollouts(t, c, 1)[0]; r.Phase != rollout.Soaking || len(r.Carriers) != 1 {
			t.Errorf("after the first: %s %s: %s, carriers %v", r.Phase, r.Outcome, r.Message, r.Carriers)
		}
		time.Sleep(21 * time.Hour)
		all := c.Rollouts(django)
		first := all[len(all)-1]
		if first.Outcome != rollout.Superseded || len(w.writes("UpdateService")) != 1 {
			t.Errorf("after the second: %s %s: %s, %d UpdateService", first.Phase, first.Outcome, first.Message, len(w.writes("UpdateService")))
		}
		if got := open(c.Controller)["django"]; !slices.Contains(got, "FixReverted/") || !slices.Contains(got, "RemediationHeld/") {
			t.Errorf("open: %v", got)
		}
	})
}

// editing is an ECS that makes something else of a registration than was sent.
type editing struct{ reconciler.Deployer }

func (e editing) RawDefinition(ctx context.Context, arn string) ([]byte, error) {
	raw, err := e.Deployer.RawDefinition(ctx, arn)
	if strings.HasSuffix(arn, ":2") {
		raw = bytes.Replace(raw, []byte(`"4096"`), []byte(`"8192"`), 1)
	}
	return raw, err
}

// A revision that ECS describes otherwise than it was sent is not deployed, and does not stay the family's newest.
func TestAStrayedRegistrationIsNotDeployed(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		c := w.run(func(o *reconciler.Options) {
			w.remediate(rollout.Auto, cure)(o)
			o.Targets[0].Deployer = editing{o.Targets[0].Deployer}
		})
		defer c.stop()
		time.Sleep(24 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Failed || r.Reason != rollout.ReasonField || !strings.Contains(r.Message, "django:3 carries the old content") {
			t.Errorf("%s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		if n, m := len(w.writes("RegisterTaskDefinition")), len(w.writes("UpdateService")); n != 2 || m != 0 {
			t.Errorf("%d RegisterTaskDefinition, %d UpdateService", n, m)
		}
	})
}
