package test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

// retelling is an ECS that describes the new revision in other words of the same meaning: named lists in another order, a number in
// another spelling, and the default of a field that is new.
type retelling struct{ reconciler.Deployer }

func (d retelling) RawDefinition(ctx context.Context, arn string) ([]byte, error) {
	raw, err := d.Deployer.RawDefinition(ctx, arn)
	if err != nil || !strings.HasSuffix(arn, ":2") {
		return raw, err
	}
	var answer map[string]any
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, err
	}
	definition := answer["taskDefinition"].(map[string]any)
	definition["enableFaultInjection"] = false
	reverse(definition["requiresCompatibilities"])
	for _, c := range definition["containerDefinitions"].([]any) {
		container := c.(map[string]any)
		container["versionConsistency"], container["systemControls"] = "", []any{}
		for _, list := range []string{"environment", "secrets", "dependsOn"} {
			reverse(container[list])
		}
		if _, set := container["cpu"]; !set {
			container["cpu"] = 0
		}
	}
	reverse(definition["containerDefinitions"])
	reverse(answer["tags"])
	raw, err = json.Marshal(answer)
	return []byte(strings.Replace(string(raw), `"memory":512,`, `"memory":512.0,`, 1)), err
}

func reverse(list any) {
	all, _ := list.([]any)
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
}

// A revision that means what was sent is deployed, whatever words ECS describes it in.
func TestARegistrationInOtherWordsIsDeployed(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	s.Clusters[0].Services[0].TaskDefinition.Containers[0]["secrets"] = []any{
		map[string]any{"name": "DB", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/a"}, map[string]any{"name": "API",
			"valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/b"}}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(func(o *reconciler.Options) {
			w.remediate(rollout.Auto, cure)(o)
			o.Targets[0].Deployer = retelling{o.Targets[0].Deployer}
		})
		defer c.stop()
		time.Sleep(2 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Phase != rollout.Soaking || len(w.writes("UpdateService")) != 1 || len(w.writes("RegisterTaskDefinition")) != 1 {
			t.Errorf("%s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
	})
}

// What ECS would turn away after an approval is refused with the plan.
func TestLimitsAreRefusedWithThePlan(t *testing.T) {
	t.Parallel()
	for reason, change := range map[rollout.Reason]func(*account.Service){
		rollout.ReasonTags: func(v *account.Service) {
			v.TaskDefinition.Tags = map[string]string{}
			for i := range 50 {
				v.TaskDefinition.Tags[fmt.Sprint("k", i)] = "v"
			}
		},
		rollout.ReasonLarge: func(v *account.Service) {
			v.TaskDefinition.Containers[0]["dockerLabels"] = map[string]any{"big": strings.Repeat("x", 64<<10)}
		},
	} {
		s := fixable(t)
		change(&s.Clusters[0].Services[0])
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			c := w.run(w.remediate(rollout.Approve, cure))
			defer c.stop()
			time.Sleep(time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Outcome != rollout.Refused || r.Reason != reason || r.Remedy == "" {
				t.Errorf("%s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
			}
			if n := len(w.writes("RegisterTaskDefinition")); n != 0 {
				t.Errorf("%d RegisterTaskDefinition", n)
			}
		})
	}
}
