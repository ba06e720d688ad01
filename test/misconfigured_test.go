package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/test/account"
)

// A deployment changes the sampler and forgets the argument of the old one: every trace is sampled from then on, and no
// task dies of it. The finding names the pair and the fix, and closes with the deployment that sets both.
func TestALeftoverArgumentIsFoundWhileItRuns(t *testing.T) {
	t.Parallel()
	scenario, err := account.ParseScenario([]byte(`
name: leftover
seed: 3
clusters:
  - name: prod
    services:
      - name: shop
        desired: 2
        taskDefinition:
          family: shop
          containers:
            - {name: app, image: "111122223333.dkr.ecr.ap-northeast-1.amazonaws.com/shop:19", environment: {OTEL_TRACES_SAMPLER: xray, OTEL_TRACES_SAMPLER_ARG: "endpoint=http://localhost:2000", DB_PASSWORD: hunter2}}
            - {name: cwagent, image: "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300071.0b1", essential: false}
timeline:
  - {at: 1h, do: deploy, service: shop, set: {app: {OTEL_TRACES_SAMPLER: parentbased_traceidratio}}, why: half a change}
  - {at: 3h, do: deploy, service: shop, set: {app: {OTEL_TRACES_SAMPLER_ARG: "0.01"}}, why: the other half}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		c := newWorld(t, scenario).run(nil)
		defer c.stop()
		found := func() []finding.Finding {
			return slices.DeleteFunc(c.Findings(), func(f finding.Finding) bool { return f.Type != finding.OTELMisconfigured })
		}
		time.Sleep(55 * time.Minute)
		if got := found(); len(got) != 0 {
			t.Fatalf("under AWS's own recipe: %+v", got)
		}
		time.Sleep(35 * time.Minute)
		got := found()
		if len(got) != 1 || got[0].Status != finding.True || got[0].Key.Service != "shop" || got[0].Reason != "SamplerArgMismatch" || got[0].Severity != finding.Warning {
			t.Fatalf("with the leftover: %+v", got)
		}
		text := strings.Join(append(got[0].Evidence, got[0].Message), "\n")
		for _, want := range []string{"shop:2 container app", "endpoint=http://localhost:2000", "fix: OTEL_TRACES_SAMPLER=parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG=0.01"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		if strings.Contains(text, "hunter2") {
			t.Error("a value off the allow-list is shown")
		}
		time.Sleep(2 * time.Hour)
		if got := found(); len(got) != 1 || got[0].Status != finding.False {
			t.Errorf("after the other half: %+v", got)
		}
	})
}
