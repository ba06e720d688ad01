package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const header = "apiVersion: taskwarden/v1\nkind: ControllerConfig\n"

// Each testdata/bad/*.yaml has every problem line it must give in *.problems.
func TestLoadReportsEveryProblemWithItsPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d bad configurations (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load("config.yaml", text)
			if err == nil {
				t.Fatal("no problem was found")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".problems"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestShippedFileHoldsTheDefaults(t *testing.T) {
	got, err := Load("config.yaml", taskwarden.DefaultConfig)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("config.yaml (-Default +file):\n%s", diff)
	}
}

// An example has no space or more than one after the "#"; prose has one.
var exampleLine = regexp.MustCompile(`^( *)#(\S.*|  .*)$`)

// uncommented is the shipped file with its examples in force, each in place of
// the empty value above it.
func uncommented(t *testing.T) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(string(taskwarden.DefaultConfig)) {
		line = strings.TrimRight(line, "\n")
		if m := exampleLine.FindStringSubmatch(line); m != nil {
			line = m[1] + m[2]
			key, _, _ := strings.Cut(line, ":")
			if above := out[len(out)-1]; above == key+": []" || above == key+": {}" {
				out = out[:len(out)-1]
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n") + "\n"
}

func TestShippedExamplesAreValid(t *testing.T) {
	text := uncommented(t)
	_, err := Load("config.yaml", []byte(text))
	problems, _ := errors.AsType[Errors](err)
	var fields []string
	for _, p := range problems {
		if !strings.Contains(p.Message, "not available in this version") {
			t.Errorf("%s", p)
		}
		fields = append(fields, p.Field)
	}
	if diff := cmp.Diff([]string{"watch.events.queueUrl"}, fields); diff != "" {
		t.Errorf("refused as missing (-want +got):\n%s", diff)
	}
	c, err := Load("config.yaml", []byte(strings.ReplaceAll(text, "  queueUrl:", "  # queueUrl:")))
	if err != nil {
		t.Fatal(err)
	}
	r := c.Remediation
	if len(c.Targets) != 1 || len(c.Detect.Overrides) != 1 || len(c.Detect.Signatures) != 1 || len(c.Detect.Logs.Locations) != 1 ||
		len(c.Detect.Sidecars) != 1 || c.Lint.Rules["sampler-missing"] != Off || len(c.Alarms.Actions.OK) != 1 || len(r.Windows) != 1 ||
		len(r.Freezes) != 1 || len(r.Policies) != 1 || len(c.Server.Tokens) != 1 || c.Store.Table == "" {
		t.Errorf("an example was not taken:\n%+v", c)
	}
	if got := r.Policies[0].Set["OTEL_TRACES_SAMPLER_ARG"]; got != "0.01" {
		t.Errorf("sampler argument = %q", got)
	}
}

// testdata/contract.yaml is the example of the product's contract with its
// ellipses filled in: every name in it is fixed.
func TestLoadTakesTheContractsExample(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load("c", text)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Remediation
	if c.Targets[0].ExcludeClusters[0] != "batch-*" || c.Detect.Overrides[0].Threshold != 1 || c.Lint.Rules["sampler-missing"] != Off ||
		r.Default != RemediationPlan || r.Windows[0].Timezone != "Asia/Tokyo" || r.Freezes[0].To.String() != "2027-01-05" ||
		r.Policies[0].When.All[0] != "SidecarCrash" || c.Server.Tokens[1].Role != RoleApprover {
		t.Errorf("%+v", c)
	}
}

var fieldLine = regexp.MustCompile(`^( *(?:- )?)([a-z][A-Za-z0-9]*)(:.*)$`)

// A slip of one letter in any field is found on its line, with the name meant;
// what else is reported follows from the field's absence.
func TestLoadFindsASlipInAnyField(t *testing.T) {
	lines := strings.Split(strings.ReplaceAll(uncommented(t), "queueUrl:", "#queueUrl:"), "\n")
	tried := 0
	for i, line := range lines {
		m := fieldLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		tried++
		slipped := slices.Clone(lines)
		slipped[i] = m[1] + m[2][:1] + "x" + m[2][1:] + m[3]
		_, err := Load("c", []byte(strings.Join(slipped, "\n")))
		problems, _ := errors.AsType[Errors](err)
		found := slices.ContainsFunc(problems, func(p Problem) bool {
			return p.Line == i+1 && p.Column == len(m[1])+1 && strings.HasPrefix(p.Message, "unknown field") && p.Hint == "did you mean \""+m[2]+"\"?"
		})
		others := slices.DeleteFunc(slices.Clone(problems), func(p Problem) bool {
			return p.Line == i+1 || strings.HasSuffix(p.Message, " is missing") || strings.HasSuffix(p.Message, "means nothing without roleArn") ||
				strings.HasPrefix(p.Message, "detect.logs.locations[0].stream: searching the group")
		})
		// Two-letter names are too short to be guessed.
		if !found && len(m[2]) > 2 || len(others) > 0 {
			t.Errorf("line %d, %s: %v", i+1, slipped[i], err)
		}
	}
	if tried < 80 {
		t.Errorf("only %d fields were tried", tried)
	}
}

func TestLoadDefaults(t *testing.T) {
	ceiling := Default()
	ceiling.Remediation.Default = RemediationOff
	changed := ceiling
	changed.Timezone = "Asia/Tokyo"
	changed.Remediation.Windows = []Window{{Cron: "0 10 * * MON-THU", Duration: Duration(4 * time.Hour), Timezone: "Asia/Tokyo"}}
	changed.Targets = []Target{{Name: "a", Region: "eu-west-1", Clusters: []string{"*"}, Services: []string{"web-*"}}}
	changed.Remediation.Policies = []Policy{{Name: "p", Set: map[string]string{"A": ""}, OnOwner: OnOwner{OwnerApply, OwnerRefuse, OwnerExport}}}
	for name, tc := range map[string]struct {
		text string
		want Config
	}{
		"empty":            {"", Default()},
		"comments only":    {"# nothing\n", Default()},
		"document marker":  {"---\n", Default()},
		"header only":      {header, ceiling},
		"byte order mark":  {"\ufeff" + header, ceiling},
		"carriage returns": {strings.ReplaceAll(header, "\n", "\r\n"), ceiling},
		"directive":        {"%YAML 1.2\n---\n" + header + "...\n", ceiling},
		"nulls":            {header + "targets:\ndetect: ~\nserver: {tokens: }\n", ceiling},
		"bare off":         {header + "alarms: {mode: plan}\nremediation: {mode: off}\n", ceiling},
		"quoted off":       {header + "remediation: {mode: 'off'}\n", ceiling},
		"entries have defaults of their own": {header + `timezone: Asia/Tokyo
targets: [{name: a, region: eu-west-1, services: ["web-*"]}]
remediation:
  windows: [{cron: "0 10 * * MON-THU", duration: 4h}]
  policies: [{name: p, set: {A: ""}, onOwner: {unknown: refuse}}]
`, changed},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Load("c", []byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadKeepsTheDefaultOfOtherModes(t *testing.T) {
	c, err := Load("c", []byte(header+"alarms: {mode: off}\nlint: {rules: {sampler-xray: off, sampler-missing: on}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Alarms.Mode != AlarmsOff || c.Lint.Rules["sampler-xray"] != Off || c.Lint.Rules["sampler-missing"] != On {
		t.Errorf("bare off and on were not read as texts: %+v %+v", c.Alarms, c.Lint)
	}
}

func TestLoadFollowsAnchorsAndMerges(t *testing.T) {
	c, err := Load("c", []byte(header+`targets:
  - &base
    name: a
    region: eu-west-1
    clusters: &c [x]
  - <<: *base
    name: b
    region: eu-west-2
    services: *c
  - <<: [{region: us-east-1}, *base]
    name: !!str 3
alarms:
  actions: {alarm: &t ["arn:aws:sns:eu-west-1:123456789012:t"], ok: *t}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{
		{Name: "a", Region: "eu-west-1", Clusters: []string{"x"}, Services: []string{"*"}},
		{Name: "b", Region: "eu-west-2", Clusters: []string{"x"}, Services: []string{"x"}},
		{Name: "3", Region: "us-east-1", Clusters: []string{"x"}, Services: []string{"*"}},
	}
	if diff := cmp.Diff(want, c.Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	if len(c.Alarms.Actions.OK) != 1 {
		t.Errorf("actions = %+v", c.Alarms.Actions)
	}
}

func TestLoadSurvivesHostileTexts(t *testing.T) {
	repeat := func(s string) string { return strings.Repeat(s, 100_000/len(s)) }
	list := "[" + strings.Repeat("x,", 2000) + "]"
	for name, text := range map[string]string{
		"too large":  strings.Repeat("#", maxSize+1),
		"brackets":   repeat("["),
		"braces":     repeat("{a: "),
		"dashes":     repeat("- "),
		"questions":  repeat("? "),
		"anchors":    "a: " + repeat("&a "),
		"tags":       "a: " + repeat("!a "),
		"colons":     repeat("a: "),
		"loop":       header + "targets: &t [*t]\n",
		"merge loop": header + "detect: &d {<<: *d}\n",
		"bomb":       header + "detect: {sidecars: &s " + list + "}\ntargets: [" + strings.Repeat("{name: a, clusters: *s}, ", 200) + "]\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load("c", []byte(text))
			checkPlaces(t, err, text)
			if err == nil {
				t.Error("no problem was found")
			}
		})
	}
}

func TestLoadBoundsTheNumberOfProblems(t *testing.T) {
	_, err := Load("c", []byte(header+"detect: {sidecars: ["+strings.Repeat(`"",`, maxProblems+10)+"]}\n"))
	problems, _ := errors.AsType[Errors](err)
	if len(problems) != maxProblems {
		t.Errorf("%d problems", len(problems))
	}
}

func TestServerAddress(t *testing.T) {
	token := "tokens: [{role: viewer, sha256: " + strings.Repeat("a", 64) + "}]"
	for address, local := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:0": true, "[::1]:8080": true, "localhost:8080": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:8080": false, ":8080": false, "[::]:8080": false, "10.0.0.1:80": false, "controller.internal:80": false,
	} {
		text := header + "server: {address: \"" + address + "\""
		if _, err := Load("c", []byte(text+"}")); (err == nil) != local {
			t.Errorf("%s without tokens: %v", address, err)
		}
		if _, err := Load("c", []byte(text+", "+token+"}")); err != nil {
			t.Errorf("%s with a token: %v", address, err)
		}
	}
}

func TestProblemsNeverRepeatSecrets(t *testing.T) {
	_, err := Load("c", []byte(header+`targets: [{name: a, region: eu-west-1, roleArn: "arn:aws:iam::123456789012:role/x", externalId: "s3cret!"}]
watch: {events: {queueUrl: "https://u:s3cret@h/q"}}
server: {tokens: [{role: viewer, sha256: s3cret}, {role: viewer, sha256: [s3cret]}]}
remediation: {policies: [{name: p, set: {OTEL_X: [s3cret]}, match: {env: {A: s3cret, B: [[s3cret]]}}}]}
`))
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("problems: %v", err)
	}
}

func checkPlaces(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil {
		return
	}
	problems, ok := err.(Errors)
	if !ok || len(problems) == 0 {
		t.Fatalf("error is %T: %v", err, err)
	}
	lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
	for _, p := range problems {
		if p.File != "c" || p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
			t.Errorf("no place: %+v (%d lines)", p, lines)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(string(taskwarden.DefaultConfig))
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(header + "targets: &t [*t]\ndetect: {<<: *t, storm: !!map {}}\n")
	f.Add(header + "schedules: {report: \"CRON_TZ= * * * * *\"}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load("c", []byte(text))
		checkPlaces(t, err, text)
		if err != nil {
			return
		}
		printed, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Load("c", printed)
		if err != nil {
			t.Fatalf("the effective configuration is refused: %v\n%s", err, printed)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("changed by printing (-was +is):\n%s", diff)
		}
	})
}
