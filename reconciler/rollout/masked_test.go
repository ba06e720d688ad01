package rollout

import (
	"strings"
	"testing"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// A credential in the value that a policy replaces does not stop the fix: the plan shows stars, and the value is another than the
// policy's for certain.
func TestAMaskedValueIsChanged(t *testing.T) {
	for value, shown := range map[string]string{
		"endpoint=http://user:hunter2@host:2000": "endpoint=http://***@host:2000",
		"user:hunter2":                           "***",
	} {
		s := newScene()
		s.app().Env[1] = fleet.NewAllowList().Reduce(otel.SamplerArg, value)
		plan, refusal, ok := Make(s.Subject, s.policy, s.brakes.Settings, s.now)
		if !ok || refusal != nil || len(plan.Changes) != 2 || plan.Changes[1].Old != shown || !plan.Changes[1].Existed {
			t.Errorf("%q: %v %v, changes %+v", value, ok, refusal, plan.Changes)
		}
		if plan.Carries(s.Definitions[plan.Base]) {
			t.Errorf("%q counts as the policy's value", value)
		}
	}
}

// A policy's own value is compared as it is, also where the mask could not read it; any other such value is another one.
func TestAPolicysOwnValueIsKept(t *testing.T) {
	own := `{"level":"debug"}`
	allow := fleet.NewAllowList().With("APP_CONFIG", own)
	policy := Policy{Name: "p", Set: map[string]string{"APP_CONFIG": own}, Env: map[string][]string{"APP_CONFIG": {own}}}
	d := fleet.Definition{Containers: []fleet.ContainerDefinition{{Name: "app", Env: []fleet.EnvVar{allow.Reduce("APP_CONFIG", own)}}}}
	plan := Plan{Set: map[string]map[string]string{"app": policy.Set}}
	if !plan.Carries(d) || policy.passes(d.Containers[0]) != "" {
		t.Errorf("%+v is not the policy's value", d)
	}
	d.Containers[0].Env[0] = allow.Reduce("APP_CONFIG", `{"level":"info"}`)
	if why := policy.passes(d.Containers[0]); plan.Carries(d) || !strings.Contains(why, "another value") {
		t.Errorf("%+v is taken for the policy's value: %s", d, why)
	}
}
