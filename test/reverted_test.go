package test

import (
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

// A proven fix that the next pipeline run takes out is said and not fought over: no second rollout until a reset. When the
// values come back, so does the service.
func TestAProvenFixIsTakenOutAgain(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	deploy := func(at time.Duration, set map[string]string, why string) account.Step {
		return account.Step{At: account.Exactly(at), Do: account.DoDeploy, Service: "django", Set: map[string]map[string]string{"django": set}, Why: why}
	}
	s.Timeline = append(s.Timeline,
		deploy(30*time.Hour, map[string]string{"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost:2000"}, "a pipeline ships what its repository says"),
		deploy(45*time.Hour, cure, "the repository is corrected"))
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(29 * time.Hour)
		if r := rollouts(t, c, 1)[0]; r.Outcome != rollout.Succeeded {
			t.Fatalf("%s %s: %s %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		said := func(when string, want bool) {
			t.Helper()
			for _, typ := range []string{"FixReverted/", "RemediationHeld/"} {
				if got := open(c.Controller)["django"]; slices.Contains(got, typ) != want {
					t.Errorf("%s: open %v", when, got)
				}
			}
			if registered, updated := len(w.writes("RegisterTaskDefinition")), len(w.writes("UpdateService")); registered != 1 || updated != 1 {
				t.Errorf("%s: %d revisions and %d deployments of ours", when, registered, updated)
			}
		}
		said("in place", false)
		time.Sleep(15 * time.Hour)
		said("taken out", true)
		all := c.Rollouts(django)
		if r := all[0]; len(all) != 2 || r.Outcome != rollout.Refused || r.Reason != rollout.ReasonHeld {
			t.Errorf("%d rollouts, the newest %s %s: %s", len(all), r.Outcome, r.Reason, r.Message)
		}
		time.Sleep(3 * time.Hour)
		said("the values are back", false)
	})
}
