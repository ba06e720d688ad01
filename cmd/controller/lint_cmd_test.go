package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler/otel"
)

// lint runs the verb in process.
func lint(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &app{
		stdin: strings.NewReader(stdin), stdout: &out, stderr: &errOut,
		env: func(string) (string, bool) { return "", false },
	}
	root := &cobra.Command{SilenceErrors: true, SilenceUsage: true}
	a.addFlags(root)
	root.AddCommand(newLintCmd(a))
	markVerbs(root)
	root.SetArgs(append([]string{"lint"}, args...))
	code := execute(t.Context(), root, &errOut)
	return result{code, out.String(), errOut.String()}
}

const (
	xrayDefinition = `{"taskDefinition":{"family":"shop","revision":3,"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"xray"},{"name":"PASSWORD","value":"hunter2"}],"novel":1.0}]},"tags":[]}`
	badArgument    = `{"family":"pay","containerDefinitions":[{"name":"app","image":"pay:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"10"}]}]}`
)

func rulesOf(t *testing.T, jsonl string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(jsonl) {
		var p struct{ Family, Rule string }
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, p.Family+":"+p.Rule)
	}
	return out
}

func TestLint(t *testing.T) {
	got := lint(t, xrayDefinition, "-o", "jsonl", "-")
	if diff := cmp.Diff([]string{":sampler-xray"}, rulesOf(t, got.out)); got.code != exitOK || diff != "" {
		t.Errorf("%+v\n%s", got, diff)
	}
	if strings.Contains(got.out+got.errOut, "hunter2") {
		t.Error("a value off the allow-list is shown")
	}
	for severity, code := range map[string]int{"info": exitFindings, "warning": exitOK, "loud": exitUsage} {
		if got := lint(t, xrayDefinition, "--fail-on", severity); got.code != code {
			t.Errorf("--fail-on %s: %+v, want exit %d", severity, got, code)
		}
	}
}

// Several documents, in lines or not, are told apart by their family; a broken one costs only itself.
func TestLintDocuments(t *testing.T) {
	want := []string{"shop:sampler-xray", "pay:sampler-not-parentbased", "pay:sampler-arg-invalid"}
	for name, in := range map[string]string{
		"lines":          xrayDefinition + "\n" + badArgument + "\n",
		"without breaks": xrayDefinition + " " + badArgument,
	} {
		if got := lint(t, in); got.code != exitOK || cmp.Diff(want, rulesOf(t, got.out)) != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for in, place := range map[string]string{
		xrayDefinition + "\n{\"family\":,}\n" + badArgument:                     "line 2, column 11: not JSON",
		xrayDefinition + "\n\n  {\"family\":\"f\"}\n" + badArgument:             "no containerDefinitions in it",
		xrayDefinition + "\n[1]\n" + badArgument:                                "line 2, column 1: a JSON array",
		xrayDefinition + "\n" + badArgument + "\n{\"containerDefinitions\":\n":  "line 4, column 1: not JSON: unexpected end",
		"\ufeff" + xrayDefinition + "\n" + badArgument + "\n" + `{"family": 1}`: "no containerDefinitions in it",
	} {
		got := lint(t, in)
		if got.code != exitFailed || !strings.Contains(got.errOut, place) || cmp.Diff(want, rulesOf(t, got.out)) != "" {
			t.Errorf("want %q in %+v", place, got)
		}
	}
	if got := lint(t, " \n"); got.code != exitFailed || !strings.Contains(got.errOut, "an empty document") {
		t.Errorf("%+v", got)
	}
	if got := lint(t, "", "/does/not/exist"); got.code != exitFailed {
		t.Errorf("%+v", got)
	}
}

// What --fix prints is registration input without the problem, in the form that came in.
func TestLintFix(t *testing.T) {
	got := lint(t, xrayDefinition, "--fix", "--fail-on", "info")
	want := `{"family":"shop","containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"parentbased_traceidratio"},{"name":"PASSWORD","value":"hunter2"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"0.01"}],"novel":1.0}]}` + "\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != exitFindings || !strings.Contains(got.errOut, "sampler-xray") {
		t.Errorf("%+v\n%s", got, diff)
	}
	if again := lint(t, got.out); again.code != exitOK || again.out != "" {
		t.Errorf("the fixed definition: %+v", again)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(xrayDefinition), "", "    "); err != nil {
		t.Fatal(err)
	}
	got = lint(t, indented.String(), "--fix")
	if !strings.HasPrefix(got.out, "{\n    \"family\": \"shop\",\n    \"containerDefinitions\": [\n        {\n") || !strings.HasSuffix(got.out, "\n}\n") {
		t.Error(got.out)
	}
	twice := strings.Replace(badArgument, `"family"`, `"containerDefinitions":[],"family"`, 1)
	if got := lint(t, twice, "--fix"); got.code != exitFailed || got.out != "" || !strings.Contains(got.errOut, "twice") {
		t.Errorf("%+v", got)
	}
}

func TestLintFormats(t *testing.T) {
	for format, want := range map[string]string{
		"json":  `"items": [`,
		"yaml":  "items:\n- container: app",
		"table": "SEVERITY  CONTAINER  RULE",
		"wide":  "OTEL_TRACES_SAMPLER=parentbased_traceidratio,OTEL_TRACES_SAMPLER_ARG=0.01",
	} {
		if got := lint(t, badArgument, "-o", format); got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("%s: want %q in %+v", format, want, got)
		}
	}
	clean := `{"containerDefinitions":[]}`
	for format, want := range map[string]string{"json": `"items": []`, "table": "no problems\n", "jsonl": ""} {
		if got := lint(t, clean, "-o", format); got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("%s: want %q in %+v", format, want, got)
		}
	}
}

func TestLintRulesFromConfig(t *testing.T) {
	file := write(t, good+"lint: {rules: {sampler-xray: off}}\n")
	if got := lint(t, xrayDefinition, "--config", file); got.code != exitOK || got.out != "" {
		t.Errorf("%+v", got)
	}
	if got := lint(t, "", "--config", "-"); got.code != exitUsage {
		t.Errorf("%+v", got)
	}
	// The configuration knows exactly the rules there are, in their order.
	var ids []string
	for _, r := range otel.Rules() {
		ids = append(ids, r.ID)
	}
	if diff := cmp.Diff(ids, config.LintRule("").Values()); diff != "" {
		t.Error(diff)
	}
}

func TestLintSaysWhatItCannotSee(t *testing.T) {
	raw := `{"containerDefinitions":[{"name":"app","image":"i","secrets":[{"name":"OTEL_TRACES_SAMPLER","valueFrom":"x"}]}]}`
	got := lint(t, raw)
	if got.code != exitOK || got.out != "" || !strings.Contains(got.errOut, "app OTEL_TRACES_SAMPLER: its value arrives from a secret: not judged") {
		t.Errorf("%+v", got)
	}
}

// No input makes lint panic, and every failure has a place in the input.
func FuzzLintDocuments(f *testing.F) {
	f.Add([]byte(xrayDefinition + "\n{\n" + badArgument))
	f.Add([]byte("[]{}\n{"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		at := 0
		for d := range documents(raw) {
			if d.offset != at || len(d.raw) == 0 && len(raw) > 0 {
				t.Fatalf("document at %d with %d bytes, expected at %d", d.offset, len(d.raw), at)
			}
			at += len(d.raw)
		}
		if rest := bytes.TrimSpace(raw[at:]); len(rest) > 0 {
			t.Fatalf("left over: %q", rest)
		}
	})
}
