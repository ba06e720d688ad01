package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"taskwarden"
	"taskwarden/cmd/controller/config"
)

// result is what a command line left behind.
type result struct {
	code        int
	out, errOut string
}

// command runs a command line in process. env holds the environment, stdin the input.
func command(t *testing.T, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &app{
		stdin: strings.NewReader(stdin), stdout: &out, stderr: &errOut,
		env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	code := run(t.Context(), args, a)
	return result{code, out.String(), errOut.String()}
}

const (
	good = "apiVersion: taskwarden/v1\nkind: ControllerConfig\ntargets: [{name: prod, region: eu-west-1}]\n"
	bad  = "apiVersion: taskwarden/v1\nkind: ControllerConfig\ndetect:\n  treshold: 3\n  window: 0s\n"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConfigCheck(t *testing.T) {
	goodFile, badFile := write(t, good), write(t, bad)
	problems := func(name string) string {
		return name + ":4:3: unknown field \"treshold\" in detect: did you mean \"threshold\"?\n" +
			name + ":5:11: detect.window: 0s is too little: write at least 1s\n"
	}
	ok := func(name string) string {
		return "OK: " + name + ": controller taskwarden, 1 target, alarms plan, remediation off\n"
	}
	for name, tc := range map[string]struct {
		env   map[string]string
		stdin string
		args  []string
		want  result
	}{
		"file":                  {args: []string{goodFile}, want: result{0, ok(goodFile), ""}},
		"flag":                  {args: []string{"--config", goodFile}, want: result{0, ok(goodFile), ""}},
		"stdin":                 {stdin: good, args: []string{"-"}, want: result{0, ok("stdin"), ""}},
		"environment":           {env: map[string]string{configEnv: good}, want: result{0, ok(configEnv), ""}},
		"shipped":               {want: result{0, "OK: config.yaml (shipped): controller taskwarden, the ambient account and region, alarms plan, remediation off\n", ""}},
		"empty environment":     {env: map[string]string{configEnv: ""}, want: result{0, "OK: config.yaml (shipped): controller taskwarden, the ambient account and region, alarms plan, remediation off\n", ""}},
		"bad file":              {args: []string{badFile}, want: result{78, "", problems(badFile)}},
		"bad stdin":             {stdin: bad, args: []string{"-"}, want: result{78, "", problems("stdin")}},
		"bad environment":       {env: map[string]string{configEnv: bad}, want: result{78, "", problems(configEnv)}},
		"file over environment": {env: map[string]string{configEnv: bad}, args: []string{goodFile}, want: result{0, ok(goodFile), ""}},
		"no file":               {args: []string{"/nonexistent"}, want: result{78, "", "taskwarden: read the configuration: open /nonexistent: no such file or directory\n"}},
		"two files":             {args: []string{goodFile, "--config", badFile}, want: result{64, "", "taskwarden: both a FILE and --config: give one\nSee 'taskwarden config check --help'.\n"}},
		"a warning": {stdin: good + "remediation: {mode: auto, default: plan}\n", args: []string{"-"},
			want: result{0, strings.Replace(ok("stdin"), "remediation off", "remediation auto", 1), "stdin:4:36: warning: remediation.default: plan, though remediation.mode is auto: only a service whose tag taskwarden:remediation raises it can be approved or changed: write auto, or tag the services\n"}},
		"as JSON": {args: []string{goodFile, "-o", "jsonl"}, want: result{0, `{"source":"` + goodFile + `","ok":true,"controller":"taskwarden","targets":1,"alarms":"plan","remediation":"off","policies":0,"tokens":0}` + "\n", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			got := command(t, tc.env, tc.stdin, append([]string{"config", "check"}, tc.args...)...)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigPrint(t *testing.T) {
	text := good + "server: {tokens: [{name: oncall, role: viewer, sha256: " + strings.Repeat("a", 64) + "}]}\n"
	got := command(t, nil, text, "config", "print", "--config", "-")
	if got.code != 0 || strings.Contains(got.out, "aaaa") || !strings.Contains(got.out, "sha256:") {
		t.Errorf("exit %d\n%s%s", got.code, got.out, got.errOut)
	}
	want, err := config.Load("c", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	printed, err := config.Load("c", []byte(strings.Replace(got.out, `"***"`, strings.Repeat("a", 64), 1)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, printed); diff != "" {
		t.Errorf("what is printed differs (-in force +printed):\n%s", diff)
	}
	asJSON := command(t, nil, text, "config", "print", "--config", "-", "-o", "json")
	var doc struct {
		Watch   struct{ Resync string }
		Targets []struct{ Clusters []string }
	}
	if err := json.Unmarshal([]byte(asJSON.out), &doc); err != nil || doc.Watch.Resync != "5m" || len(doc.Targets) != 1 || doc.Targets[0].Clusters[0] != "*" {
		t.Errorf("JSON: %v %+v\n%s", err, doc, asJSON.out)
	}
	if got := command(t, nil, bad, "config", "print", "--config", "-"); got.code != exitConfig || got.out != "" {
		t.Errorf("a bad configuration: exit %d, printed %q", got.code, got.out)
	}
}

func TestConfigInitIsTheShippedFile(t *testing.T) {
	got := command(t, map[string]string{configEnv: bad}, "", "config", "init")
	if got.code != 0 || got.out != string(taskwarden.DefaultConfig) {
		t.Errorf("exit %d\n%s", got.code, got.errOut)
	}
	if check := command(t, nil, got.out, "config", "check", "-"); check.code != 0 {
		t.Errorf("the starter is refused: %s", check.errOut)
	}
}

func TestConfigSchema(t *testing.T) {
	got := command(t, nil, "", "config", "schema")
	want, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if got.code != 0 || got.out != string(want) || !json.Valid([]byte(got.out)) {
		t.Errorf("exit %d\n%s", got.code, got.errOut)
	}
}

func TestVersion(t *testing.T) {
	got := command(t, nil, "", "version")
	if got.code != 0 || !strings.HasPrefix(got.out, "taskwarden ") || !strings.Contains(got.out, runtime.Version()) {
		t.Errorf("%+v", got)
	}
	for _, format := range []string{"json", "jsonl", "yaml"} {
		got := command(t, nil, "", "version", "-o", format)
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(got.out), &doc); err != nil || doc["goVersion"] != runtime.Version() || doc["version"] == "" {
			t.Errorf("-o %s: %v %+v", format, err, got)
		}
	}
}

func TestCurrentBuild(t *testing.T) {
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"}}}
	info.Main.Version = "v1.2.3"
	if b := currentBuild(info); b.Version != "v1.2.3" || b.Commit != "abc" || !b.Modified || !strings.HasPrefix(b.String(), "taskwarden v1.2.3 (abc, modified) go") {
		t.Errorf("%s", b)
	}
	if b := currentBuild(nil); b.Version != "dev" || b.Commit != "" {
		t.Errorf("%s", b)
	}
	info.Main.Version = "(devel)"
	if b := currentBuild(info); b.Version != "dev" {
		t.Errorf("%s", b)
	}
}

func TestWrongUsage(t *testing.T) {
	for args, want := range map[string]string{
		"conifg":                   `unknown command "conifg" for "taskwarden", did you mean "config"?`,
		"config chek":              `unknown command "chek" for "taskwarden config", did you mean "check"?`,
		"help nope":                `unknown command "nope" for "taskwarden"`,
		"help config nope":         `unknown command "nope" for "taskwarden config"`,
		"version --nope":           "unknown flag: --nope",
		"version x":                `unknown command "x" for "taskwarden version"`,
		"config check a b":         "accepts at most 1 arg(s), received 2",
		"config print --config":    "flag needs an argument: --config",
		"version -o xml":           `--output: "xml" is not one of table, wide, json, jsonl, yaml`,
		"version --log-level loud": `--log-level: "loud" is not one of debug, info, warn, error`,
		"version --log-format x":   `--log-format: "x" is not one of console, json`,
	} {
		got := command(t, nil, "", strings.Fields(args)...)
		if got.code != exitUsage || got.out != "" || strings.Count(got.errOut, want) != 1 || !strings.Contains(got.errOut, "--help'") {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestHelpOfEveryVerb(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if got := command(t, nil, "", args...); got.code != 0 || !strings.Contains(got.out, "Usage:") || got.errOut != "" {
			t.Errorf("%v: %+v", args, got)
		}
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRootCmd(newApp()))
	for _, args := range [][]string{{}, {"config"}, {"help"}, {"help", "config"}} {
		if got := command(t, nil, "", args...); got.code != 0 || !strings.Contains(got.out, "Available Commands:") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		output   string
		terminal bool
		want     string
	}{{"", true, "table"}, {"", false, "json"}, {"yaml", true, "yaml"}, {"wide", false, "wide"}} {
		if got := (&app{output: tc.output, terminal: tc.terminal}).format("json"); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// A verb's own error is never taken for wrong usage, whatever it is.
func TestExitCodes(t *testing.T) {
	_, configErr := config.Load("c", []byte("- a"))
	for name, tc := range map[string]struct {
		err  error
		code int
		out  string
	}{
		"fine":          {nil, exitOK, ""},
		"failed":        {errors.New("no"), exitFailed, "taskwarden: no\n"},
		"findings":      {&exitError{exitFindings, nil}, exitFindings, ""},
		"incomplete":    {&exitError{exitIncomplete, errors.New("target prod: denied")}, exitIncomplete, "taskwarden: target prod: denied\n"},
		"usage":         {usageError("bad %s", "x"), exitUsage, "taskwarden: bad x\nSee 'taskwarden verb --help'.\n"},
		"configuration": {configErr, exitConfig, configErr.Error() + "\n"},
		"cancelled":     {context.Canceled, exitFailed, "taskwarden: context canceled\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var errOut bytes.Buffer
			root := &cobra.Command{Use: "taskwarden", SilenceErrors: true, SilenceUsage: true}
			root.AddCommand(&cobra.Command{Use: "verb", RunE: func(*cobra.Command, []string) error { return tc.err }})
			root.SetArgs([]string{"verb"})
			markVerbs(root)
			if code := execute(t.Context(), root, &errOut); code != tc.code || errOut.String() != tc.out {
				t.Errorf("exit %d, %q; want %d, %q", code, errOut.String(), tc.code, tc.out)
			}
		})
	}
}
