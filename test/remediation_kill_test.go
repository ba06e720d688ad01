package test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/test/account"
)

const fixing = `watch: {resync: 1s, apiBudget: 1.0}
alarms: {mode: "off"}
remediation:
  mode: auto
  default: auto
  minSoak: 5s
  maxSoak: 10m
  policies:
    - name: otel-sampler
      match: {env: {OTEL_TRACES_SAMPLER: [xray]}}
      when: {all: [SidecarCrash]}
      set: {OTEL_TRACES_SAMPLER: parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG: "0.01"}
`

// The real binary, killed by SIGKILL at a write of a rollout or while it soaks and started again, registers the fix once, deploys
// it once, and comes to an end. (In process every step is the last one once: reconciler/rollout, TestKilledAtEveryCall.)
func TestARolloutSurvivesKills(t *testing.T) {
	t.Parallel()
	for name, wait := range rolloutKillPoints() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rollsOutThroughKill(t, wait)
		})
	}
}

func rolloutKillPoints() map[string]func(*testing.T, *account.Account, *process) {
	at := func(op string, gate account.Gate) func(*testing.T, *account.Account, *process) {
		return func(t *testing.T, a *account.Account, _ *process) {
			reached := make(chan struct{}, 1)
			remove := a.Gate(func(c account.Call) bool { return c.Op == op }, func(account.Call) account.Gate {
				select {
				case reached <- struct{}{}:
				default:
				}
				return gate
			})
			defer remove()
			await(t, op+" was sent", reached)
		}
	}
	never := make(chan struct{}) // the caller is dead before this ends
	return map[string]func(*testing.T, *account.Account, *process){
		"RegisterTaskDefinition sent, and not carried out":    at("RegisterTaskDefinition", account.Gate{Hold: never}),
		"RegisterTaskDefinition carried out, and nobody told": at("RegisterTaskDefinition", account.Gate{Cut: true}),
		"UpdateService sent, and not carried out":             at("UpdateService", account.Gate{Hold: never}),
		"UpdateService carried out, and nobody told":          at("UpdateService", account.Gate{Cut: true}),
		"while it soaks": func(t *testing.T, _ *account.Account, p *process) {
			eventually(t, "the fix soaks", 2*time.Minute, func() bool { return only(p)["phase"] == "soaking" })
		},
	}
}

// only is the one rollout there is, or nothing.
func only(p *process) map[string]any {
	if all := p.items("/api/v1/rollouts"); len(all) == 1 {
		return all[0]
	}
	return nil
}

func rollsOutThroughKill(t *testing.T, wait func(*testing.T, *account.Account, *process)) {
	binary(t) // built before the account's time begins
	overrides := maps.Clone(short)
	overrides["pin"], overrides["person"] = "@sha256:"+strings.Repeat("ab", 32), "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUser_0123456789abcdef/alice"
	s := incident(t, overrides)
	s.Clusters[0].Services = s.Clusters[0].Services[:1]
	a, url := serve(t, s)
	dir := t.TempDir()
	p := launch(t, url, a.Region(), dir, fixing)
	wait(t, a, p)
	p.kill()
	p = launch(t, url, a.Region(), dir, fixing)
	eventually(t, "the rollout comes to an end", 6*time.Minute, func() bool { o, ok := only(p)["outcome"].(string); return ok && o != "" })
	if r := only(p); r["outcome"] != "succeeded" {
		t.Errorf("ended as %v", r)
	}
	for _, op := range []string{"RegisterTaskDefinition", "UpdateService"} {
		done := slices.DeleteFunc(a.Calls(), func(c account.Call) bool { return c.Op != op || c.Code != "" && !c.Cut })
		if len(done) != 1 {
			t.Errorf("%s was carried out %d times: %v", op, len(done), done)
		}
	}
	p.terminate()
}
