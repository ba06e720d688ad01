package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// described is an answer of DescribeTaskDefinition with all that makes a registration hard.
const described = `{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:r:1:task-definition/web:7","family":"web","revision":7,"status":"ACTIVE",
 "registeredAt":1.7e9,"registeredBy":"arn:aws:iam::1:user/a","compatibilities":["FARGATE"],"requiresAttributes":[{"name":"x"}],
 "cpu":"256","novelty":{"deep":[1,2.50,null]},"volumes":[],
 "containerDefinitions":[
  {"name":"app","image":"a@sha256:00","cpu":0,"environment":[{"name":"Z","value":"s3cret"},{"name":"SAMPLER","value":"xray"}],"mountPoints":[]},
  {"name":"agent","image":"b","essential":false,"environment":[]}]},
 "tags":[{"key":"team","value":"web"},{"key":"aws:cloudformation:stack-name","value":"s"},{"key":"taskwarden:rollout","value":"old"}]}`

var newValues = map[string]map[string]string{"app": {"SAMPLER": "ratio", "SAMPLER_ARG": "0.01"}}

func TestRegistration(t *testing.T) {
	got, err := Registration([]byte(described), newValues, "r1")
	if err != nil {
		t.Fatal(err)
	}
	var is, want any
	if err := errors.Join(json.Unmarshal(got, &is), json.Unmarshal([]byte(`{"family":"web","cpu":"256","novelty":{"deep":[1,2.50,null]},"volumes":[],
 "containerDefinitions":[
  {"name":"app","image":"a@sha256:00","cpu":0,"environment":[{"name":"Z","value":"s3cret"},{"name":"SAMPLER","value":"ratio"},{"name":"SAMPLER_ARG","value":"0.01"}],"mountPoints":[]},
  {"name":"agent","image":"b","essential":false,"environment":[]}],
 "tags":[{"key":"team","value":"web"},{"key":"taskwarden:rollout","value":"r1"}]}`), &want)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, is); d != "" {
		t.Error(d)
	}
}

// What ECS makes of the registration is compared with what was sent: each row is one thing that came back otherwise. No value is ever
// told.
func TestMatchesNamesThePlace(t *testing.T) {
	document, err := Registration([]byte(described), newValues, "r1")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ old, new, place string }{
		"nothing":            {"", "", ""},
		"filled in as empty": {`"cpu":"256"`, `"cpu":"256","placementConstraints":[]`, ""},
		"another order": {`{"name":"Z","value":"s3cret"},{"name":"SAMPLER","value":"ratio"}`,
			`{"name":"SAMPLER","value":"ratio"},{"name":"Z","value":"s3cret"}`, ""},
		"another variable":       {"s3cret", "other", "containerDefinitions[app].environment[Z]"},
		"the policy's own value": {`"0.01"`, `"0.1"`, "containerDefinitions[app].environment[SAMPLER_ARG]"},
		"a lost field":           {`"novelty":{"deep":[1,2.50,null]},`, ``, "novelty.deep[0] novelty.deep[1] novelty.deep[2]"},
		"a new default":          {`"cpu":"256"`, `"cpu":"256","enableFaultInjection":false`, ""},
		"a new field":            {`"cpu":"256"`, `"cpu":"256","enableFaultInjection":true`, "enableFaultInjection"},
		"another new field":      {`"cpu":"256"`, `"cpu":"256","novel":{"mode":"on"}`, "novel.mode"},
		"an image":               {`"image":"b"`, `"image":"c"`, "containerDefinitions[agent].image"},
		"another spelling":       {"2.50", "2.5", ""},
		"a number as a text":     {`"256"`, `256`, ""},
		"a number":               {"2.50", "2.51", "novelty.deep[1]"},
		"a list for an object":   {`{"deep":[1,2.50,null]}`, `[1]`, "novelty"},
		"an object for a text":   {`"256"`, `{"a":1}`, "cpu"},
		"essential":              {`"essential":false,`, ``, "containerDefinitions[agent].essential"},
		"a tag":                  {`"web"},{"key":"taskwarden`, `"app"},{"key":"taskwarden`, "tags[team].value"},
		"another rollout's tag":  {`"r1"`, `"r2"`, "tags[taskwarden:rollout].value"},
	} {
		is := strings.Replace(string(document), tt.old, tt.new, 1)
		if tt.old != "" && is == string(document) {
			t.Errorf("%s: %q is not in the document", name, tt.old)
		}
		err := Matches(document, []byte(is))
		refusal, refused := errors.AsType[*Refusal](err)
		if refused != (tt.place != "") || refused && (refusal.Reason != ReasonField || !slices.Equal(refusal.Evidence,
			strings.Fields(tt.place))) {
			t.Errorf("%s: %v, want %q", name, err, tt.place)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s tells a value: %v", name, err)
		}
	}
}

// A document that was made wrongly is refused before it is sent, whatever made it.
func TestOnlyTheChangeIsSent(t *testing.T) {
	document, err := Registration([]byte(described), newValues, "r1")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ old, new, place string }{
		"nothing":       {"", "", ""},
		"another value": {`"0.01"`, `"0.1"`, "containerDefinitions[app].environment[SAMPLER_ARG]"},
		"a lost value":  {`,{"name":"SAMPLER_ARG","value":"0.01"}`, ``, "containerDefinitions[app].environment[SAMPLER_ARG]"},
		"a value twice": {`{"name":"SAMPLER_ARG","value":"0.01"}`,
			`{"name":"SAMPLER_ARG","value":"0.01"},{"name":"SAMPLER_ARG","value":"0.01"}`, "containerDefinitions[app].environment[SAMPLER_ARG]"},
		"more in the entry": {`{"name":"SAMPLER","value":"ratio"`, `{"name":"SAMPLER","value":"ratio","odd":1`,
			"containerDefinitions[app].environment[SAMPLER].odd"},
		"another variable":      {"s3cret", "***", "containerDefinitions[app].environment[Z]"},
		"no tag":                {`,{"key":"taskwarden:rollout","value":"r1"}`, ``, "tags[taskwarden:rollout]"},
		"another rollout's tag": {`"r1"`, `"r2"`, "tags[taskwarden:rollout]"},
	} {
		is := strings.Replace(string(document), tt.old, tt.new, 1)
		err := onlyTheChange([]byte(described), []byte(is), newValues, "r1")
		refusal, refused := errors.AsType[*Refusal](err)
		if refused != (tt.place != "") || refused && !slices.Equal(refusal.Evidence,
			[]string{tt.place}) || tt.old != "" && is == string(document) {
			t.Errorf("%s: %v, want %q", name, err, tt.place)
		}
	}
}

// What ECS would turn away is refused before anybody approves it.
func TestLimitsOfARegistration(t *testing.T) {
	tagged := func(n int, more string) []byte {
		var tags []string
		for i := range n {
			tags = append(tags, fmt.Sprintf(`{"key":"k%d","value":"v"}`, i))
		}
		return []byte(`{"taskDefinition":{"family":"f","containerDefinitions":[{"name":"app","environment":[]}]},"tags":[` + strings.Join(tags, ",") + more + `]}`)
	}
	sized := func(n int) []byte {
		base := `{"family":"f","containerDefinitions":[{"name":"app","environment":[{"name":"BIG","value":"%s"}]}]}`
		return fmt.Appendf(nil, base, strings.Repeat("x", n-len(base)+len("%s")))
	}
	change := len(`,{"name":"SAMPLER","value":"x"}`)
	for name, tt := range map[string]struct {
		base   []byte
		reason Reason
	}{
		"49 tags":                            {tagged(49, ""), ""},
		"50 tags":                            {tagged(50, ""), ReasonTags},
		"50 tags, of which one is AWS's own": {tagged(49, `,{"key":"aws:cloudformation:stack-name","value":"s"}`), ""},
		"50 tags with our own":               {tagged(49, `,{"key":"taskwarden:rollout","value":"old"}`), ""},
		"64 KiB with the change":             {sized(64<<10 - change), ""},
		"more than 64 KiB with the change":   {sized(64<<10 - change + 1), ReasonLarge},
		"64 KiB and white space":             {slices.Concat(sized(64<<10-change), []byte(strings.Repeat(" ", 1000))), ""},
	} {
		_, err := Registration(tt.base, map[string]map[string]string{"app": {"SAMPLER": "x"}}, "r1")
		refusal, refused := errors.AsType[*Refusal](err)
		if refused != (tt.reason != "") || refused && (refusal.Reason != tt.reason || refusal.Remedy == "") || !refused && err != nil {
			t.Errorf("%s: %v, want %q", name, err, tt.reason)
		}
	}
}

func TestRegistrationRefuses(t *testing.T) {
	for raw, want := range map[string]Reason{
		strings.Replace(described, `"image":"a@sha256:00"`, `"secrets":[{"name":"SAMPLER","valueFrom":"x"}]`, 1): ReasonSecrets,
		strings.Replace(described, `"image":"a@sha256:00"`, `"environmentFiles":[{"value":"arn:x"}]`, 1):         ReasonEnvFile,
		strings.Replace(described, `{"name":"Z","value":"s3cret"}`, `{"name":"SAMPLER","value":"s3cret"}`, 1):    ReasonDuplicate,
		strings.Replace(described, `"name":"app"`, `"name":"other"`, 1):                                          ReasonField,
		strings.Replace(described, `"family":"web"`, `"family":"web","containerDefinitions":[]`, 1):              ReasonField,
	} {
		_, err := Registration([]byte(raw), newValues, "r1")
		refusal, ok := errors.AsType[*Refusal](err)
		if !ok || refusal.Reason != want || refusal.Remedy == "" || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, raw := range []string{"", "[]", `{"containerDefinitions":3}`, `"s3cret"`} {
		if document, err := Registration([]byte(raw), nil, "r1"); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q became %s, %v", raw, document, err)
		}
	}
}

func TestSameContent(t *testing.T) {
	later := strings.NewReplacer(`"revision":7`, `"revision":9`, `"old"`, `"r1/restore"`, "1.7e9", "1.8e9").Replace(described)
	for is, want := range map[string]bool{later: true, strings.Replace(later, "xray", "ratio", 1): false, strings.Replace(later,
		`"value":"web"`, `"value":"app"`, 1): false} {
		if got, err := SameContent([]byte(described), []byte(is)); got != want || err != nil {
			t.Errorf("%t %v, want %t", got, err, want)
		}
	}
}

// Of any document, with fields that nobody has heard of, the registration is the document with the change, or a refusal.
func TestRegistrationIsLossless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anything := rapid.Custom(func(t *rapid.T) any { return drawn(t, 3) })
		definition := map[string]any{"family": "f", "revision": 1}
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			definition[rapid.StringMatching(`[a-zA-Z ":{}<é]{1,6}`).Draw(t, "key")] = anything.Draw(t, "value")
		}
		var containers []any
		for i := range rapid.IntRange(1, 3).Draw(t, "containers") {
			c := map[string]any{"name": fmt.Sprint("c", i), "odd": anything.Draw(t, "odd")}
			env := []any{}
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "SAMPLER", "D"}), 0, 4,
				rapid.ID[string]).Draw(t, "env") {
				env = append(env, map[string]any{"name": name, "value": rapid.String().Draw(t, "v"), "odd": anything.Draw(t, "o")})
			}
			if rapid.Bool().Draw(t, "has") {
				c["environment"] = env
			}
			containers = append(containers, c)
		}
		definition["containerDefinitions"] = containers
		raw, err := json.Marshal(map[string]any{"taskDefinition": definition, "tags": []any{map[string]any{"key": "k", "value": "v"}}})
		if err != nil {
			t.Fatal(err)
		}
		document, err := Registration(raw, map[string]map[string]string{"c0": {"SAMPLER": "x"}}, "r1")
		if err != nil {
			t.Fatal(err)
		}
		var is map[string]any
		if err := json.Unmarshal(document, &is); err != nil {
			t.Fatal(err)
		}
		var was map[string]any // as JSON spells it
		_ = json.Unmarshal(raw, &was)
		want := was["taskDefinition"].(map[string]any)
		delete(want, "revision")
		for _, key := range []string{"tags", "status"} {
			if _, odd := want[key]; odd {
				t.Skip("an invented member has a meaning")
			}
		}
		want["tags"] = []any{map[string]any{"key": "k", "value": "v"}, map[string]any{"key": RolloutTag, "value": "r1"}}
		c := want["containerDefinitions"].([]any)[0].(map[string]any)
		env, _ := c["environment"].([]any)
		i := slices.IndexFunc(env, func(e any) bool { return e.(map[string]any)["name"] == "SAMPLER" })
		if i < 0 {
			c["environment"] = append(env, map[string]any{"name": "SAMPLER", "value": "x"})
		} else {
			env[i].(map[string]any)["value"] = "x"
		}
		if d := cmp.Diff(want, is); d != "" {
			t.Fatal(d)
		}
	})
}

func drawn(t *rapid.T, deep int) any {
	switch n := rapid.IntRange(0, 6).Draw(t, "kind"); {
	case n == 0 && deep > 0:
		out := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			out[rapid.String().Draw(t, "k")] = drawn(t, deep-1)
		}
		return out
	case n == 1 && deep > 0:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			out = append(out, drawn(t, deep-1))
		}
		return out
	case n == 2:
		return rapid.Float64Range(-1e6, 1e6).Draw(t, "f")
	case n == 3:
		return rapid.Bool().Draw(t, "b")
	case n == 4:
		return nil
	}
	return rapid.String().Draw(t, "s")
}
