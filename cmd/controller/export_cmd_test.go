package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"taskwarden/console"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

func TestExportFromTheKeyboard(t *testing.T) {
	f, env := operating(t)
	for i := range f.rollouts {
		f.rollouts[i].Plan.Set = map[string]map[string]string{"app": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}
	}
	for _, tc := range []struct {
		token, args string
		code        int
		out, says   string
	}{
		{"boss", "export main/web", 0, `"rollout": "a1b2c3d4e5f6"`, ""},
		{"boss", "export main/web --format cloudformation", 0, "Type: AWS::ECS::TaskDefinition", ""},
		{"boss", "export arn:aws:ecs:eu-west-1:1:service/main/api --format terraform", 0, "# Owner: CloudFormation stack shop", ""},
		{"boss", "export main/web --format ecspresso", 0, "containerDefinitions", ""},
		{"boss", "export main/web --format pulumi", 64, "", "use one of json, cloudformation, terraform, ecspresso"},
		{"boss", "export", 64, "", ""},
		{"boss", "export a//b", 64, "", "empty part"},
		{"boss", "export nope", 1, "", `no service "nope"`},
		{"viewer", "export main/web", 1, "", "the token's role is viewer"},
		{"", "export main/web", 1, "", "--token-file FILE or TASKWARDEN_TOKEN"},
	} {
		env[tokenEnv] = tc.token
		got := reading(t, env, strings.Fields(tc.args)...)
		if got.code != tc.code || !strings.Contains(got.out, tc.out) || !strings.Contains(got.errOut, tc.says) || (tc.out == "") != (got.out == "") {
			t.Errorf("%s by %q: %+v", tc.args, tc.token, got)
		}
	}
}

// Where one change of one owner serves many services, lists count them and a description names some.
func TestTheSameChangeReads(t *testing.T) {
	d := console.RolloutDetail{Rollout: console.Rollout{Outcome: string(rollout.Exported), SameChange: 22}, Owner: console.Owner{Name: "CloudFormation stack shop"}}
	for i := range 22 {
		d.Alike = append(d.Alike, fleet.Key{Target: "prod", Cluster: "main", Service: string(rune('a' + i))}.String())
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := describeRollout(&text, raw, false); err != nil || !strings.Contains(text.String(), "as 22 more of CloudFormation stack shop: prod/main/a, ") ||
		!strings.Contains(text.String(), "prod/main/t and 2 others\n") {
		t.Errorf("%v %s", err, text.String())
	}
	d.Outcome, d.Phase, d.Policy = "", string(rollout.Proposed), "otel-sampler"
	if raw, err = json.Marshal(d); err != nil {
		t.Fatal(err)
	}
	text.Reset()
	if err := describeRollout(&text, raw, false); err != nil || !strings.Contains(text.String(), "as 22 more of policy otel-sampler that wait too: prod/main/a, ") {
		t.Errorf("%v %s", err, text.String())
	}
	text.Reset()
	if err := tables["rollouts"](&text, []json.RawMessage{raw}, false); err != nil || !strings.Contains(text.String(), "proposed, as 22 more") {
		t.Errorf("%v %s", err, text.String())
	}
}
