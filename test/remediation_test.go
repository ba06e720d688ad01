package test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler"
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
	s, err := account.LoadScenario("scenarios/incident.yaml", map[string]string{"history": "48h"})
	if err != nil {
		t.Fatal(err)
	}
	const person = "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUser_0123456789abcdef/alice"
	v := &s.Clusters[0].Services[0]
	v.CreatedBy, v.TaskDefinition.RegisteredBy = person, person
	v.TaskDefinition.Tags = map[string]string{"team": "web"}
	for _, c := range v.TaskDefinition.Containers {
		c["image"] = c["image"].(string) + "@sha256:" + strings.Repeat("ab", 32)
	}
	return s
}

// remediate is a controller's options with remediation in a mode, and its account with what that mode allows.
func (w *world) remediate(mode rollout.Mode, set map[string]string) func(*reconciler.Options) {
	return func(o *reconciler.Options) {
		allow := fleet.NewAllowList()
		acct := cloud.New(sdk(w.account), cloud.Options{Target: "prod", Budgets: cloud.NewBudgets(1), AllowList: allow,
			Allow: map[cloud.Class]bool{cloud.Read: true, cloud.Evidence: true, cloud.Metrics: true, cloud.Alarms: true,
				cloud.Remediate: mode == rollout.Approve || mode == rollout.Auto}})
		o.Home = acct
		o.Targets = []reconciler.Target{{Name: "prod", Observer: acct, CloudWatch: acct, Deployer: acct}}
		o.Remediation = reconciler.Remediation{Ceiling: mode, Default: mode,
			Settings: rollout.Settings{MaxConcurrent: 1, MaxSoaking: 20, MaxPerDay: 10, Canary: 1, MinSoak: time.Hour, MaxSoak: 72 * time.Hour,
				PlanTTL: 24 * time.Hour, FleetSick: 0.2},
			Policies: []rollout.Policy{{Name: "otel-sampler", Env: map[string][]string{"OTEL_TRACES_SAMPLER": {"xray"}},
				When: []string{finding.SidecarCrash}, Set: set}},
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
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		base := w.document(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(3 * 24 * time.Hour)

		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Succeeded || r.Soak.Table == nil || r.Soak.Table.Verdict != rollout.Effective || r.Soak.Table.Before.Deaths == 0 {
			t.Fatalf("%s %s: %s %s, table %+v", r.Phase, r.Outcome, r.Reason, r.Message, r.Soak.Table)
		}
		registered, updated := w.writes("RegisterTaskDefinition"), w.writes("UpdateService")
		if len(registered) != 1 || len(updated) != 1 {
			t.Fatalf("%d RegisterTaskDefinition, %d UpdateService", len(registered), len(updated))
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
