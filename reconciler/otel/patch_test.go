package otel

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

type settings = map[string]map[string]string

func TestPatch(t *testing.T) {
	set := settings{"app": {"A": "1", "B": `"<&>` + "\u00e9"}}
	for _, tt := range []struct {
		name, in, want string
		changes        []Change
	}{
		{
			"a describe response loses what only an answer has, and keeps everything else byte by byte",
			`{"taskDefinition": {"taskDefinitionArn":"arn","status":"ACTIVE", "family": "shop","revision":7,"cpu":"256",
  "containerDefinitions": [ {"zeta":1.0,"name":"app","environment":[ {"name":"A","value":"0","note":1e2}, {"value":"keep\u0041","name":"X"} ],"future":{"b":12345678901234567890,"a":null}} , {"name":"b","cpu":0}],
  "requiresAttributes":[{"name":"x"}],"registeredAt":1.7e9,"volumes":[],"compatibilities":["EC2"]},
 "tags": [{"key":"aws:x","value":"1"}, {"key":"team","value":"a"}], "ResponseMetadata":{}}`,
			`{"family": "shop","cpu":"256",
  "containerDefinitions": [ {"zeta":1.0,"name":"app","environment":[ {"name":"A","value":"1","note":1e2}, {"value":"keep\u0041","name":"X"}, {"name":"B","value":"\"<&>é"} ],"future":{"b":12345678901234567890,"a":null}} , {"name":"b","cpu":0}],"volumes":[],"tags":[{"key":"team","value":"a"}]}`,
			[]Change{{"app", "A", "0", "1", true}, {"app", "B", "", set["app"]["B"], false}},
		},
		{
			"registration input keeps its tags in place",
			`{"tags":[{"key":"team","value":"a"},{"key":"aws:x","value":"1"}],"containerDefinitions":[{"name":"app"}]}`,
			`{"tags":[{"key":"team","value":"a"}],"containerDefinitions":[{"name":"app","environment":[{"name":"A","value":"1"},{"name":"B","value":"\"<&>é"}]}]}`,
			[]Change{{"app", "A", "", "1", false}, {"app", "B", "", set["app"]["B"], false}},
		},
		{
			"empty tags are left out, a null environment and a missing value are filled",
			`{"containerDefinitions":[{"environment":[{"name":"A"},{"name":"B","value":null}],"name":"app"},{"name":"c","environment":null}],"tags":[{"key":"aws:x","value":"1"}]}`,
			`{"containerDefinitions":[{"environment":[{"name":"A","value":"1"},{"name":"B","value":"\"<&>é"}],"name":"app"},{"name":"c","environment":null}]}`,
			[]Change{{"app", "A", "", "1", true}, {"app", "B", "", set["app"]["B"], true}},
		},
		{
			"new lines in a list stay in the list's form",
			"{\n  \"containerDefinitions\": [\n    {\n      \"name\": \"app\",\n      \"environment\": [\n        {\"name\": \"X\", \"value\": \"\"}\n      ]\n    }\n  ],\n  \"revision\": 3\n}\n",
			"{\n  \"containerDefinitions\": [\n    {\n      \"name\": \"app\",\n      \"environment\": [\n        {\"name\": \"X\", \"value\": \"\"},\n        {\"name\":\"A\",\"value\":\"1\"},\n        {\"name\":\"B\",\"value\":\"\\\"<&>é\"}\n      ]\n    }\n  ]\n}\n",
			[]Change{{"app", "A", "", "1", false}, {"app", "B", "", set["app"]["B"], false}},
		},
		{
			"what is right already is no change, however it is spelled",
			`{"containerDefinitions":[{"name":"\u0061pp","environment":[{"name":"A","value":"\u0031"},{"name":"B","value":"\"\u003c&>\u00e9"}]}]}`,
			`{"containerDefinitions":[{"name":"\u0061pp","environment":[{"name":"A","value":"\u0031"},{"name":"B","value":"\"\u003c&>\u00e9"}]}]}`,
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, changes, err := Patch([]byte(tt.in), set)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(out)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.changes, changes); diff != "" {
				t.Errorf("changes -want +got:\n%s", diff)
			}
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	set := settings{"app": {"A": "1"}}
	for _, tt := range []struct {
		reason RefusalReason
		in     string
		set    settings
	}{
		{NoContainer, `{"containerDefinitions":[{"name":"web"}]}`, set},
		{SameContainer, `{"containerDefinitions":[{"name":"app"},{"name":"app"}]}`, set},
		{DuplicateName, `{"containerDefinitions":[{"name":"app","environment":[{"name":"A","value":"1"},{"name":"A","value":"1"}]}]}`, set},
		{NameInSecrets, `{"containerDefinitions":[{"name":"app","secrets":[{"name":"A","valueFrom":"x"}]}]}`, set},
		{NameInSecrets, `{"containerDefinitions":[{"name":"app","environment":[{"name":"A","value":"0"}],"secrets":[{"name":"\u0041","valueFrom":"x"}]}]}`, set},
		{NameInFile, `{"containerDefinitions":[{"name":"app","environmentFiles":[{"type":"s3","value":"x"}]}]}`, set},
		{DuplicateKey, `{"containerDefinitions":[],"containerDefinitions":[{"name":"app"}]}`, set},
		{DuplicateKey, `{"containerDefinitions":[{"name":"web","\u006eame":"app"}]}`, set},
		{DuplicateKey, `{"containerDefinitions":[{"name":"app","environment":[],"environment":[]}]}`, set},
		{DuplicateKey, `{"containerDefinitions":[{"name":"app","environment":[{"name":"A","value":"1","value":"2"}]}]}`, set},
		{DuplicateKey, `{"taskDefinition":{"containerDefinitions":[{"name":"app"}],"tags":[]},"tags":[]}`, set},
		{Malformed, `{"containerDefinitions":{}}`, set},
		{Malformed, `[]`, set},
		{Malformed, `{"containerDefinitions":[{"name":"app","environment":{}}]}`, set},
		{Malformed, `{"containerDefinitions":[{"name":"app","environment":[{"name":"A","value":1}]}]}`, set},
		{Malformed, `{"containerDefinitions":[{"name":"app"}],"tags":{}}`, set},
		{Malformed, `{"containerDefinitions":[{"name":"app"}]}`, settings{"app": {"": "x"}}},
		{Malformed, `{"containerDefinitions":[{"name":"app"}]}`, settings{"app": {"A=B": "x"}}},
	} {
		out, changes, err := Patch([]byte(tt.in), tt.set)
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || refusal.Reason != tt.reason || out != nil || changes != nil {
			t.Errorf("%s: got %v %q, want %s", tt.in, err, out, tt.reason)
		}
	}
	// An inline variable already wins over environment files, so changing it shadows nothing new.
	if _, _, err := Patch([]byte(`{"containerDefinitions":[{"name":"app","environment":[{"name":"A","value":"0"}],"environmentFiles":[{"value":"x"}]}]}`), set); err != nil {
		t.Error(err)
	}
	if _, _, err := Patch([]byte(`{"containerDefinitions":[`), set); err == nil {
		t.Error("half a document was patched")
	}
}

func TestDiff(t *testing.T) {
	const base = `{"family":"f","cpu":1,"requiresCompatibilities":["EC2","FARGATE"],"containerDefinitions":[
	 {"name":"a","command":["x","y"],"environment":[{"name":"A","value":"secret"},{"name":"B","value":"2"}],"novel":{"deep":[1,{"k":1}]}},{"name":"b"}]}`
	for _, tt := range []struct {
		name, out string
		want      []Difference
	}{
		{"another spelling and order", `{"taskDefinition":{"containerDefinitions":[{"name":"b"},
		 {"novel":{"deep":[1.0e0,{"k":10e-1}]},"environment":[{"name":"B","value":"2"},{"value":"\u0073ecret","name":"A"}],"command":["x","y"],"name":"a"}],
		 "requiresCompatibilities":["FARGATE","EC2"],"cpu":1.0,"family":"f","status":"ACTIVE"},"tags":[{"key":"aws:x","value":"y"}]}`, nil},
		{"variables", strings.NewReplacer(`"secret"`, `"other"`, `,{"name":"B","value":"2"}`, `,{"name":"C","value":"2"}`).Replace(base), []Difference{
			{"containerDefinitions[a].environment[A]", Changed, "a", "A"},
			{"containerDefinitions[a].environment[B]", Removed, "a", "B"},
			{"containerDefinitions[a].environment[C]", Added, "a", "C"},
		}},
		{"a variable twice", strings.Replace(base, `{"name":"A","value":"secret"}`, `{"name":"A","value":"secret"},{"name":"A","value":"secret"}`, 1), []Difference{
			{"containerDefinitions[a].environment[A]", Added, "a", "A"},
		}},
		{"deep in an unknown field", strings.Replace(base, `{"k":1}`, `{"k":2,"l":7,"m":0}`, 1), []Difference{
			{"containerDefinitions[a].novel.deep[1].k", Changed, "a", ""},
			{"containerDefinitions[a].novel.deep[1].l", Added, "a", ""},
		}},
		{"order of a command, a container, a number, a kind", strings.NewReplacer(`["x","y"]`, `["y","x"]`, `,{"name":"b"}`, ``, `"cpu":1`, `"cpu":1.0000000000000000001`, `"f"`, `null`).Replace(base), []Difference{
			{"family", Changed, "", ""},
			{"cpu", Changed, "", ""},
			{"containerDefinitions[a].command[0]", Changed, "a", ""},
			{"containerDefinitions[a].command[1]", Changed, "a", ""},
			{"containerDefinitions[b]", Removed, "b", ""},
		}},
		{"tags", strings.Replace(base, `{"family"`, `{"tags":[{"key":"k","value":"v"}],"family"`, 1), []Difference{{"tags[k]", Added, "", ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Diff([]byte(base), []byte(tt.out))
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v -want +got:\n%s", err, diff)
			}
		})
	}
	if _, err := Diff([]byte(base), []byte(`{`)); err == nil {
		t.Error("half a document was compared")
	}
}

func TestNumber(t *testing.T) {
	for a, b := range map[string]string{"1": "1.0", "-0": "0", "1e2": "100", "0.10": "1E-1", "12345678901234567890": "1234567890123456789e1", "0e999999999999": "0e999999999999"} {
		if number(a) != number(b) {
			t.Errorf("%s is %s: got %s and %s", a, b, number(a), number(b))
		}
	}
	for a, b := range map[string]string{"1": "10", "12345678901234567890": "12345678901234567891", "1e999999999999": "1e999999999998", "-1": "1"} {
		if number(a) == number(b) {
			t.Errorf("%s is not %s", a, b)
		}
	}
}

// FuzzPatch: whatever comes in, nothing panics, and what comes out is JSON that differs from the input in the variable
// alone and needs no second patch.
func FuzzPatch(f *testing.F) {
	for _, r := range Rules() {
		f.Add([]byte(r.Fails), "xray")
	}
	f.Add([]byte(`{"taskDefinition":{"status":1,"containerDefinitions":[{"name":"app","environment":null,"x":1.0}]},"tags":[{"key":"aws:a"},{"key":"b"}]}`), "\"")
	f.Add([]byte(` {"tags":null,"containerDefinitions":[{"name":"app","environment":[{"name":"OTEL_TRACES_SAMPLER"}]}],"revision":1}`), "")
	f.Fuzz(func(t *testing.T, raw []byte, value string) {
		set := settings{"app": {Sampler: value}}
		out, changes, err := Patch(raw, set)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("no JSON: %s", out)
		}
		again, more, err := Patch(out, set)
		if err != nil || len(more) != 0 || !bytes.Equal(bytes.TrimSpace(again), bytes.TrimSpace(out)) {
			t.Fatalf("a second patch: %v %v\n%s\n%s", err, more, out, again)
		}
		found, err := Diff(raw, out)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			if d.Container != "app" || d.Variable != Sampler || len(changes) != 1 {
				t.Fatalf("%+v is no change of the policy: %s", d, out)
			}
		}
	})
}

// What an answer has and registration does not take is what the SDK's two shapes say.
func TestOutputOnly(t *testing.T) {
	input := reflect.TypeFor[ecs.RegisterTaskDefinitionInput]()
	var want []string
	for f := range reflect.TypeFor[types.TaskDefinition]().Fields() {
		if _, both := input.FieldByName(f.Name); f.IsExported() && !both {
			want = append(want, strings.ToLower(f.Name[:1])+f.Name[1:])
		}
	}
	got := slices.Clone(outputOnly)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
