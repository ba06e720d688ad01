package export

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/itchyny/gojq"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
)

var update = flag.Bool("update", false, "write the golden exports")

const (
	sampler = "OTEL_TRACES_SAMPLER"
	arg     = "OTEL_TRACES_SAMPLER_ARG"
)

// planned is a rollout of prod/main/django with the given owner.
func planned(o rollout.Owner) rollout.Rollout {
	return rollout.Rollout{ID: "1c7e02a9b3d4", Outcome: rollout.Exported, Message: "the owner's tool applies it", Plan: rollout.Plan{
		Key: fleet.Key{Target: "prod", Cluster: "main", Service: "django"}, ServiceARN: "arn:aws:ecs:eu-west-1:111122223333:service/main/django",
		Policy: "otel-sampler", Base: "arn:aws:ecs:eu-west-1:111122223333:task-definition/django:7", Owner: o, Hash: "5f0c7e2b9a1d4c36",
		Set: map[string]map[string]string{"app": {sampler: "parentbased_traceidratio", arg: "0.01"}, "worker": {sampler: "parentbased_traceidratio", arg: "0.01"}},
		Changes: []otel.Change{{Container: "app", Name: sampler, Old: "xray", New: "parentbased_traceidratio", Existed: true},
			{Container: "app", Name: arg, Old: "endpoint=http://localhost:2000", New: "0.01", Existed: true}, {Container: "worker", Name: arg, New: "0.01"}},
		Why: []string{"SidecarCrash since 2026-11-22T13:00:00Z: the agent dies"}, Lost: []string{"a ratio of 0.01 keeps 1 % of new traces"}}}
}

func TestGoldenExports(t *testing.T) {
	others := []fleet.Key{{Target: "prod", Cluster: "main", Service: "api"}, {Target: "prod", Cluster: "main", Service: "cart"}}
	refused := planned(rollout.Owner{State: rollout.NoOwner, Evidence: []string{"the running revision was registered by arn:aws:iam::111122223333:user/ana"}})
	refused.Outcome, refused.Reason, refused.Message = rollout.Refused, rollout.ReasonController, "UpdateService cannot change the revision of a service that CODE_DEPLOY deploys"
	for name, tt := range map[string]struct {
		r      rollout.Rollout
		alike  []fleet.Key
		format Format
	}{
		"stack.yaml": {planned(rollout.Owner{State: rollout.Owned, Name: "CloudFormation stack shop", Evidence: []string{"CloudFormation lists the service as a resource of stack shop"}}), others, CloudFormation},
		"pipeline.tf": {planned(rollout.Owner{State: rollout.Owned, Name: "github-actions",
			Evidence: []string{"the running revision was registered by arn:aws:sts::111122223333:assumed-role/github-actions/run"}}), nil, Terraform},
		"unknown.jsonnet": {planned(rollout.Owner{State: rollout.UnknownOwner, Evidence: []string{"ECS does not tell who registered the revision"}}), others[:1], Ecspresso},
		"refused.json":    {refused, nil, JSON},
	} {
		got, err := Render(tt.r, tt.alike, tt.format)
		if err != nil {
			t.Fatal(err)
		}
		file := "testdata/" + name
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(got) {
			t.Errorf("%s changed (-update writes it):\n%s", name, got)
		}
	}
}

// entries are container to variable to value, as a format's own reader finds them in a snippet.
type entries = map[string]map[string]string

type listed struct {
	Name        string `json:"name" yaml:"Name"`
	Environment []struct {
		Name  string `json:"name" yaml:"Name"`
		Value string `json:"value" yaml:"Value"`
	} `json:"environment" yaml:"Environment"`
}

func entriesOf(containers []listed) entries {
	out := entries{}
	for _, c := range containers {
		out[c.Name] = map[string]string{}
		for _, v := range c.Environment {
			out[c.Name][v.Name] = v.Value
		}
	}
	return out
}

// readers are the formats' own.
var readers = map[Format]func([]byte) (entries, string, error){
	JSON: func(b []byte) (entries, string, error) {
		var d struct {
			Family     string
			Containers []listed
		}
		err := json.Unmarshal(b, &d)
		return entriesOf(d.Containers), d.Family, err
	},
	CloudFormation: func(b []byte) (entries, string, error) {
		var d struct {
			Resources struct {
				TaskDefinition struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Family               string   `yaml:"Family"`
						ContainerDefinitions []listed `yaml:"ContainerDefinitions"`
					} `yaml:"Properties"`
				} `yaml:"TaskDefinition"`
			} `yaml:"Resources"`
		}
		err := yaml.UnmarshalWithOptions(b, &d, yaml.Strict())
		return entriesOf(d.Resources.TaskDefinition.Properties.ContainerDefinitions), d.Resources.TaskDefinition.Properties.Family, err
	},
	Terraform: func(b []byte) (entries, string, error) {
		f, bad := hclsyntax.ParseConfig(b, "x.tf", hcl.InitialPos)
		if bad.HasErrors() {
			return nil, "", bad
		}
		body := f.Body.(*hclsyntax.Body)
		if len(body.Blocks) != 1 || body.Blocks[0].Type != "resource" || len(body.Blocks[0].Labels) != 2 || !hclsyntax.ValidIdentifier(body.Blocks[0].Labels[1]) {
			return nil, "", errors.New("not one resource with two labels")
		}
		var encoded []byte // not as a string of cty, which would join a combining mark with the letter of the escape before it
		jsonencode := function.New(&function.Spec{Params: []function.Parameter{{Type: cty.DynamicPseudoType}}, Type: function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (_ cty.Value, err error) {
				encoded, err = ctyjson.Marshal(args[0], args[0].Type())
				return cty.StringVal("encoded"), err
			}})
		ctx := &hcl.EvalContext{Functions: map[string]function.Function{"jsonencode": jsonencode}}
		values := map[string]string{}
		for name, a := range body.Blocks[0].Body.Attributes {
			v, bad := a.Expr.Value(ctx)
			if bad.HasErrors() {
				return nil, "", bad
			}
			values[name] = v.AsString()
		}
		var containers []listed
		err := json.Unmarshal(encoded, &containers)
		return entriesOf(containers), values["family"], err
	},
	Ecspresso: func(b []byte) (entries, string, error) { // jsonnet without its comments is JSON
		var lines []string
		for l := range strings.SplitSeq(string(b), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(l), "//") {
				lines = append(lines, l)
			}
		}
		var d struct{ ContainerDefinitions []listed }
		err := json.Unmarshal([]byte(strings.Join(lines, "\n")), &d)
		return entriesOf(d.ContainerDefinitions), "", err
	},
}

// Whatever the values, names and messages are: each format's own reader finds the policy's variables, and nothing else.
func TestEveryFormatIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nasty := rapid.OneOf(rapid.SampledFrom([]string{"", "${var.x}", "%{if}", `a"b\c`, "line\nbreak", "\u2028\u0085\u00a0", "'", "# no", "*/ //", "yes", "0.01", "é😀", "!Ref X", "{{x}}", `\(env)`, "\t"}), rapid.StringN(0, 12, -1))
		name := rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_-]{0,9}`)
		p := rollout.Plan{Key: fleet.Key{Target: "t", Cluster: "c", Service: name.Draw(t, "service")}, ServiceARN: nasty.Draw(t, "arn"), Policy: nasty.Draw(t, "policy"),
			Base: "arn:aws:ecs:r:1:task-definition/" + name.Draw(t, "family") + ":3", Why: []string{nasty.Draw(t, "why")},
			Owner: rollout.Owner{State: rollout.Owned, Name: nasty.Draw(t, "owner"), Evidence: []string{nasty.Draw(t, "evidence")}},
			Set:   rapid.MapOfN(name, rapid.MapOfN(name, nasty, 1, 3), 1, 3).Draw(t, "set")}
		for c, set := range p.Set {
			for v := range set {
				if rapid.Bool().Draw(t, "changes") {
					p.Changes = append(p.Changes, otel.Change{Container: c, Name: v, Old: nasty.Draw(t, "old"), Existed: rapid.Bool().Draw(t, "existed")})
				}
			}
		}
		r := rollout.Rollout{ID: "r", Plan: p, Reason: rollout.Reason(nasty.Draw(t, "reason")), Message: nasty.Draw(t, "message")}
		alike := []fleet.Key{{Target: "t", Cluster: "c", Service: nasty.Draw(t, "alike")}}
		for _, f := range Formats() {
			got, err := Render(r, alike, f)
			if err != nil {
				t.Fatal(err)
			}
			if again, _ := Render(r, alike, f); string(again) != string(got) {
				t.Fatalf("%s: other bytes the second time", f)
			}
			found, family, err := readers[f](got)
			if err != nil {
				t.Fatalf("%s: %v\n%s", f, err, got)
			}
			want := p.Set
			if f == Terraform { // which normalises every string (HCL, cty: Unicode NFC)
				want = normal(p.Set)
			}
			if d := cmp.Diff(want, found); d != "" {
				t.Fatalf("%s: %s\n%s", f, d, got)
			}
			if want := strings.TrimSuffix(fleet.NameOf(p.Base), ":3"); f != Ecspresso && family != want {
				t.Fatalf("%s: family %q, want %q", f, family, want)
			}
		}
	})
}

func normal(set entries) entries {
	out := entries{}
	for c, variables := range set {
		out[c] = map[string]string{}
		for name, value := range variables {
			out[c][name] = cty.NormalizeString(value)
		}
	}
	return out
}

// The jq program makes of a describe answer the registration that otel.Patch makes.
func TestTheCommandsMakeTheRegistration(t *testing.T) {
	const answer = `{"taskDefinition":{"taskDefinitionArn":"a","family":"django","revision":7,"status":"ACTIVE","registeredBy":"x","registeredAt":1.7e9,"compatibilities":["EC2"],
	  "requiresAttributes":[],"cpu":"256","novelty":{"kept":true},"containerDefinitions":[
	  {"name":"app","environment":[{"name":"SECRET","value":"never shown"},{"name":"OTEL_TRACES_SAMPLER","value":"xray"}]},{"name":"worker"},{"name":"other","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"xray"}]}]},
	  "tags":[{"key":"team","value":"web"},{"key":"aws:cloudformation:stack-name","value":"s"}]}`
	for _, value := range []string{"0.01", `a'b"c\(env)` + "\n$x"} {
		r := planned(rollout.Owner{})
		for c := range r.Plan.Set {
			r.Plan.Set[c] = map[string]string{sampler: "parentbased_traceidratio", arg: value}
		}
		want, _, err := otel.Patch([]byte(answer), r.Plan.Set)
		if err != nil {
			t.Fatal(err)
		}
		s := sheetOf(r, nil)
		program, err := gojq.Parse(s.program())
		if err != nil {
			t.Fatalf("%v\n%s", err, s.program())
		}
		var in any
		if err := json.Unmarshal([]byte(answer), &in); err != nil {
			t.Fatal(err)
		}
		got, ok := program.Run(in).Next()
		if err, bad := got.(error); bad || !ok {
			t.Fatalf("%v\n%s", err, s.program())
		}
		var wanted any
		if err := json.Unmarshal(want, &wanted); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sortedEnv(wanted), sortedEnv(got)); d != "" {
			t.Errorf("%s\n%s", d, s.program())
		}
	}
}

// sortedEnv makes a set of each container's environment.
func sortedEnv(v any) map[string]any {
	out := v.(map[string]any)
	for _, c := range out["containerDefinitions"].([]any) {
		c := c.(map[string]any)
		set := map[string]any{}
		list, _ := c["environment"].([]any)
		for _, e := range list {
			set[fmt.Sprint(e.(map[string]any)["name"])] = e
		}
		c["environment"] = set
	}
	return out
}

func TestShellWords(t *testing.T) {
	for in, want := range map[string]string{"main": "main", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "arn:aws:ecs:r:1:task-definition/a:1": "arn:aws:ecs:r:1:task-definition/a:1"} {
		if got := shell(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// A plan that stopped at a variable which must not be set is no whole change.
func TestAPartOfAChangeIsNotExported(t *testing.T) {
	for _, reason := range partial {
		r := planned(rollout.Owner{})
		r.Outcome, r.Reason, r.Message, r.Remedy = rollout.Refused, reason, "it arrives from a secret", "change the secret"
		if _, err := Render(r, nil, JSON); !errors.Is(err, rollout.ErrConflict) || !strings.Contains(err.Error(), "change the secret") {
			t.Errorf("%s: %v", reason, err)
		}
	}
	for _, reason := range []rollout.Reason{rollout.ReasonDrift, rollout.ReasonOwned, rollout.ReasonExpress, rollout.ReasonController} {
		r := planned(rollout.Owner{})
		r.Outcome, r.Reason = rollout.Refused, reason
		if _, err := Render(r, nil, JSON); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
	}
	if _, err := Render(rollout.Rollout{}, nil, JSON); !errors.Is(err, rollout.ErrConflict) {
		t.Errorf("nothing planned: %v", err)
	}
}

func TestNewest(t *testing.T) {
	of := func(id string, o rollout.Outcome) rollout.Rollout { return rollout.Rollout{ID: id, Outcome: o} }
	for want, all := range map[string][]rollout.Rollout{
		"": nil, "b": {of("b", rollout.Refused), of("a", rollout.Exported)}, "a": {of("b", rollout.Refused), of("a", "")},
	} {
		if r, ok := Newest(all); r.ID != want || ok != (want != "") {
			t.Errorf("%s: %+v %t", want, r, ok)
		}
	}
}

// Many services with one change are counted, and not all named.
func TestManyAlike(t *testing.T) {
	var alike []fleet.Key
	for i := range 250 {
		alike = append(alike, fleet.Key{Target: "prod", Cluster: "main", Service: fmt.Sprintf("s%03d", i)})
	}
	got, err := Render(planned(rollout.Owner{}), alike, CloudFormation)
	if err != nil || !strings.Contains(string(got), "for 250 other service(s) of an owner that is not known either") || !strings.HasSuffix(string(got), "#   prod/main/s099\n#   and 150 more\n") {
		t.Errorf("%v\n%s", err, got)
	}
}
