package otel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

func parse(t testing.TB, raw string) fleet.Definition {
	t.Helper()
	d, err := fleet.ParseDefinition([]byte(raw), fleet.NewAllowList())
	if err != nil {
		t.Fatalf("parse %s: %v", raw, err)
	}
	return d
}

// define is a definition with one container "app" of these variables.
func define(t testing.TB, env ...string) fleet.Definition {
	t.Helper()
	return fleet.Definition{Containers: []fleet.ContainerDefinition{{Name: "app", Image: "shop:1", Essential: true, Env: variables(env...)}}}
}

func variables(env ...string) []fleet.EnvVar {
	var out []fleet.EnvVar
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		out = append(out, fleet.EnvVar{Name: name, Value: value, Kept: true})
	}
	return out
}

func ids(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Rule+" "+string(p.Severity))
	}
	return out
}

func TestRuleExamples(t *testing.T) {
	for _, r := range Rules() {
		t.Run(r.ID, func(t *testing.T) {
			has := func(raw string) []Problem {
				return slices.DeleteFunc(Lint(parse(t, raw), Options{}), func(p Problem) bool { return p.Rule != r.ID })
			}
			failing := has(r.Fails)
			if len(failing) != 1 || failing[0].Severity != r.Severity {
				t.Errorf("failing example: got %+v, want one problem of severity %s", failing, r.Severity)
			}
			if passing := has(r.Passes); len(passing) != 0 {
				t.Errorf("passing example: got %+v", passing)
			}
			off := Options{Rules: map[string]finding.Severity{r.ID: Off}}
			for _, p := range Lint(parse(t, r.Fails), off) {
				if p.Rule == r.ID {
					t.Error("reported while it is off")
				}
			}
			if r.Means == "" || r.Why == "" {
				t.Error("undocumented")
			}
		})
	}
}

func TestSampler(t *testing.T) {
	const name, arg = "OTEL_TRACES_SAMPLER=", "OTEL_TRACES_SAMPLER_ARG="
	for _, tt := range []struct {
		env  []string
		want []string
	}{
		{[]string{name + "xray"}, []string{"sampler-xray info"}},
		{[]string{name + "xray", arg + "endpoint=http://localhost:2000,polling_interval=60"}, []string{"sampler-xray info"}},
		{[]string{name + "xray", arg + "0.05"}, []string{"sampler-xray info", "sampler-arg-mismatch info"}},
		{[]string{name + "xray", arg + "endpoint=localhost:2000"}, []string{"sampler-xray info", "sampler-arg-invalid warning"}},
		{[]string{name + "xray", arg + "polling_interval=5"}, []string{"sampler-xray info", "sampler-arg-invalid warning"}},
		{[]string{name + "xray", arg + "http://localhost:2000"}, []string{"sampler-xray info", "sampler-arg-invalid warning"}},
		{[]string{name + "xray", arg + "endpoint=http://localhost:2000,novel=1"}, []string{"sampler-xray info", "sampler-arg-invalid info"}},
		{[]string{name + "always_on"}, []string{"sampler-always-on info"}},
		{[]string{name + "parentbased_always_on", arg + "1"}, []string{"sampler-always-on info"}},
		{[]string{name + "parentbased_always_on", arg + "0.1"}, []string{"sampler-always-on info", "sampler-arg-mismatch warning"}},
		{[]string{name + "always_off"}, nil},
		{[]string{name + "parentbased_always_off", arg + "0"}, nil},
		{[]string{name + "always_off", arg + "0.1"}, []string{"sampler-arg-mismatch info"}},
		{[]string{name + "parentbased_traceidratio", arg + "0"}, nil},
		{[]string{name + "parentbased_traceidratio", arg + " 0.05 "}, nil},
		{[]string{name + "parentbased_traceidratio", arg + "1e-2"}, nil},
		{[]string{name + "parentbased_traceidratio", arg + "1"}, []string{"sampler-always-on info"}},
		{[]string{name + "traceidratio", arg + "0.5"}, []string{"sampler-not-parentbased info"}},
		{[]string{name + "parentbased_traceidratio"}, []string{"sampler-always-on info", "sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg}, []string{"sampler-always-on info", "sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "5%"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "0,05"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "NaN"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "-0.1"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "0x1p-3"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "+Inf"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_traceidratio", arg + "endpoint=http://localhost:2000"}, []string{"sampler-arg-mismatch warning"}},
		{[]string{name + "jaeger_remote", arg + "endpoint=http://j:14250,pollingIntervalMs=5000,initialSamplingRate=0.25"}, []string{"sampler-not-parentbased info"}},
		{[]string{name + "parentbased_jaeger_remote", arg + "initialSamplingRate=25"}, []string{"sampler-arg-invalid warning"}},
		{[]string{name + "parentbased_jaeger_remote", arg + "0.25"}, []string{"sampler-arg-mismatch warning"}},
		{[]string{name + "XRAY"}, []string{"sampler-xray info", "sampler-unknown warning"}},
		{[]string{name + "TraceIdRatio", arg + "0.1"}, []string{"sampler-not-parentbased info", "sampler-unknown info"}},
		{[]string{"NODE_OPTIONS=x", name + "Always_Off"}, []string{"sampler-unknown warning"}},
		{[]string{"OTEL_PYTHON_DISTRO=x", name + " Always_Off"}, nil},
		{[]string{"CORECLR_PROFILER=x", "JAVA_TOOL_OPTIONS=x", name + "Always_Off"}, []string{"sampler-unknown info"}}, // two languages: none
		{[]string{"JAVA_TOOL_OPTIONS=x", name + "xray", arg + "0.05"}, []string{"sampler-xray info", "sampler-arg-mismatch warning"}},
		{[]string{"JAVA_TOOL_OPTIONS=x", name + "xray", arg + "endpoint=http://localhost:2000,"}, []string{"sampler-xray info"}},
		{[]string{"JAVA_TOOL_OPTIONS=x", "OTEL_AWS_APPLICATION_SIGNALS_ENABLED=true", arg + "0.1"}, []string{"sampler-missing info", "sampler-arg-mismatch warning"}},
		{[]string{"JAVA_TOOL_OPTIONS=x", "OTEL_AWS_APPLICATION_SIGNALS_ENABLED=true", arg + "endpoint=http://localhost:2000"}, []string{"sampler-missing info"}},
		{[]string{name + "off", "OTEL_TRACES_EXPORTER=none"}, []string{"sampler-unknown info"}},
		{[]string{name + "off", "OTEL_TRACES_EXPORTER=none", "JAVA_TOOL_OPTIONS=x"}, []string{"sampler-unknown warning"}},
		{[]string{name + "off", "OTEL_SDK_DISABLED=True"}, []string{"sampler-unknown info"}},
		{[]string{name + "off", "OTEL_CONFIG_FILE=/x"}, []string{"sampler-unknown info"}},
		{[]string{name + "off"}, []string{"sampler-unknown warning"}},
		{[]string{name + "microsoft.rate_limited", arg + "5"}, []string{"sampler-unknown info"}},
		{[]string{"OTEL_SERVICE_NAME=x", name}, []string{"sampler-missing info"}},
		{[]string{arg + "0.1"}, []string{"sampler-missing info", "sampler-arg-mismatch info"}},
		{[]string{arg + "1.0"}, []string{"sampler-missing info"}},
		{[]string{"LOG_LEVEL=info"}, []string{"sampler-missing info"}},
		{[]string{"OTEL_SERVICE_NAME=x", "OTEL_SDK_DISABLED=true"}, nil},
		{[]string{name + "xray", name + "always_off"}, []string{"env-name-conflict warning"}},
		{[]string{name + "always_off", name + "xray"}, []string{"sampler-xray info", "env-name-conflict warning"}},
	} {
		t.Run(strings.Join(tt.env, " "), func(t *testing.T) {
			got := Lint(define(t, tt.env...), Options{})
			if diff := cmp.Diff(tt.want, ids(got)); diff != "" {
				t.Errorf("-want +got:\n%s%+v", diff, got)
			}
		})
	}
}

// Every fix sets both variables, and a container with the fix applied has no sampler problem that carries a fix.
func TestFixCures(t *testing.T) {
	for _, env := range [][]string{
		{"OTEL_TRACES_SAMPLER=xray"},
		{"OTEL_TRACES_SAMPLER=always_on", "OTEL_TRACES_SAMPLER_ARG=0.2"},
		{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.2"},
		{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=20"},
		{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=endpoint=x"},
		{"OTEL_TRACES_SAMPLER=parentbased_traceidratio"},
		{"OTEL_TRACES_SAMPLER_ARG=0.2"},
	} {
		fix := Fixes(Lint(define(t, env...), Options{}))["app"]
		if fix[Sampler] != "parentbased_traceidratio" || fix[SamplerArg] == "" || len(fix) != 2 {
			t.Errorf("%v: fix %v does not set both variables", env, fix)
		}
		for _, p := range Lint(define(t, Sampler+"="+fix[Sampler], SamplerArg+"="+fix[SamplerArg]), Options{}) {
			t.Errorf("%v: fixed, and still %+v", env, p)
		}
	}
}

// A ratio that is written wrongly is mended to what it means, and to the default where that cannot be told.
func TestFixKeepsWhatIsMeant(t *testing.T) {
	for value, want := range map[string]string{
		"5%": "0.05", "5 %": "0.05", "50 percent": "0.5", "0,05": "0.05", "ratio=0.2": "0.2", "10": defaultRatio, `"0.2"`: "0.2", "2.5%": "0.025",
		"100": defaultRatio, "100%": defaultRatio, "ten": defaultRatio, "-1": defaultRatio, "1,000,5": defaultRatio, "": defaultRatio,
		"${RATE}": defaultRatio, "endpoint=http://localhost:2000": defaultRatio,
	} {
		fix := Fixes(Lint(define(t, Sampler+"=parentbased_traceidratio", SamplerArg+"="+value), Options{}))["app"]
		if fix[SamplerArg] != want {
			t.Errorf("%q: got %q, want %q", value, fix[SamplerArg], want)
		}
	}
}

func TestFixesPreferTheSevere(t *testing.T) {
	got := Fixes([]Problem{
		{Container: "a", Severity: finding.Info, Fix: map[string]string{SamplerArg: "0.5"}},
		{Container: "a", Severity: finding.Warning, Fix: map[string]string{SamplerArg: "0.01"}},
		{Container: "b", Severity: finding.Warning},
	})
	if diff := cmp.Diff(map[string]map[string]string{"a": {SamplerArg: "0.01"}}, got); diff != "" {
		t.Error(diff)
	}
}

// What cannot be seen is neither missing nor fixed, and is listed as a gap.
func TestUnseen(t *testing.T) {
	for name, c := range map[string]fleet.ContainerDefinition{
		"secret":     {Secrets: []string{Sampler, SamplerArg}},
		"file":       {EnvFiles: 1, Env: variables("OTEL_SERVICE_NAME=x")},
		"not kept":   {Env: []fleet.EnvVar{{Name: Sampler}, {Name: SamplerArg}}},
		"arg secret": {Env: variables(Sampler + "=parentbased_traceidratio"), Secrets: []string{SamplerArg}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Name, c.Image, c.Essential = "app", "shop:1", true
			d := fleet.Definition{Containers: []fleet.ContainerDefinition{c}}
			if got := Lint(d, Options{}); len(got) != 0 {
				t.Errorf("concluded from nothing: %+v", got)
			}
			if len(Gaps(d, Options{})) == 0 {
				t.Error("no gap is named")
			}
		})
	}
	d := define(t, Sampler+"=xray")
	d.Containers[0].EnvFiles = 1
	if got := Lint(d, Options{}); len(got) != 1 || got[0].Fix != nil || !strings.Contains(got[0].Held, "environment file") {
		t.Errorf("an inline xray beside an environment file: want one problem without a fix, got %+v", got)
	}
}

func TestMissingContainers(t *testing.T) {
	sidecar := Options{Sidecar: func(name, _ string) bool { return name == "agent" }, Rules: onlyRule("sampler-missing")}
	for _, tt := range []struct{ name, raw, want string }{
		{"the instrumented one alone", `[{"name":"web","image":"i"},{"name":"app","image":"i","environment":[{"name":"OTEL_SERVICE_NAME","value":"x"}]}]`, "app"},
		{"the first essential own one", `[{"name":"agent","image":"i","environment":[{"name":"OTEL_X","value":"x"}]},{"name":"job","image":"i","essential":false},{"name":"app","image":"i"},{"name":"b","image":"i"}]`, "app"},
		{"a lone agent", `[{"name":"agent","image":"i","environment":[]}]`, "agent"},
		{"never the init helper", `[{"name":"init","image":"i","essential":false},{"name":"app","image":"i","dependsOn":[{"containerName":"init","condition":"SUCCESS"}]}]`, "app"},
		{"no container", `[]`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range Lint(parse(t, `{"containerDefinitions":`+tt.raw+`}`), sidecar) {
				got = append(got, p.Container)
			}
			if strings.Join(got, ",") != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func onlyRule(id string) map[string]finding.Severity {
	out := map[string]finding.Severity{}
	for _, r := range Rules() {
		if r.ID != id {
			out[r.ID] = Off
		}
	}
	return out
}

func TestExporter(t *testing.T) {
	const agentImage = `public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300071.0b1`
	for _, tt := range []struct {
		name, mode, env, others string
		want                    string // severity, "" for none
	}{
		{"eks host", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://cloudwatch-agent.amazon-cloudwatch:4316", "", "warning"},
		{"eks host of the sampler", "", "OTEL_TRACES_SAMPLER=xray OTEL_TRACES_SAMPLER_ARG=endpoint=http://cloudwatch-agent.amazon-cloudwatch:2000", "", "warning"},
		{"a host that only looks like it", "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://cloudwatch-agent.amazon-cloudwatch.example.com:4316", "", ""},
		{"no scheme over http", "", "OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "", "warning"},
		{"no scheme over grpc", "", "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "", ""},
		{"no scheme, protocol unknown", "", "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317", "", "info"},
		{"broken url", "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://[::1", "", "warning"},
		{"alone in awsvpc", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317", "", "warning"},
		{"alone, loopback address", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317", "", "warning"},
		{"alone, xray daemon", "awsvpc", "AWS_XRAY_DAEMON_ADDRESS=tcp:localhost:2000/udp", "", ""},
		{"alone, xray daemon address", "awsvpc", "AWS_XRAY_DAEMON_ADDRESS=localhost:2000", "", "warning"},
		{"network mode not named", "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317", "", ""},
		{"host mode", "host", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317", "", ""},
		{"a port of the application's own kind", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:9999", "", ""},
		{"the agent serves it", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4316", `{"name":"a","image":"` + agentImage + `"}`, ""},
		{"the agent may be configured to", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", `{"name":"a","image":"` + agentImage + `"}`, "info"},
		{"another container declares it", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", `{"name":"a","image":"own","portMappings":[{"containerPort":4318}]}`, ""},
		{"another container may", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318", `{"name":"a","image":"own"}`, "info"},
		{"bridge splits localhost", "bridge", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4316", `{"name":"a","image":"` + agentImage + `"}`, "warning"},
		{"gRPC port of the agent over HTTP", "awsvpc", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4315 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", `{"name":"a","image":"` + agentImage + `"}`, "warning"},
		{"a collector's gRPC port over HTTP", "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4317 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "", "info"},
		{"a signal's endpoint without its path", "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4318", "", "info"},
		{"the common endpoint with a path", "", "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318/v1/traces", "", "info"},
		{"gRPC needs no path", "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://collector:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "", ""},
		{"application signals off", "", "OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT=http://cloudwatch-agent.amazon-cloudwatch:4316/v1/metrics OTEL_AWS_APPLICATION_SIGNALS_ENABLED=false", "", ""},
		{"exporter is off", "awsvpc", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4316 OTEL_TRACES_EXPORTER=none", "", ""},
		{"sdk is off", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4316 OTEL_SDK_DISABLED=true", "", ""},
		{"elsewhere", "awsvpc", "OTEL_EXPORTER_OTLP_ENDPOINT=https://otlp.example.com", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := define(t, strings.Fields(tt.env)...)
			d.NetworkMode = tt.mode
			d.Containers = append(d.Containers, parse(t, `{"containerDefinitions":[`+tt.others+`]}`).Containers...)
			var got []string
			for _, p := range Lint(d, Options{Rules: onlyRule("exporter-endpoint-unreachable")}) {
				got = append(got, string(p.Severity))
			}
			if strings.Join(got, ",") != tt.want {
				t.Errorf("got %v, want %q", got, tt.want)
			}
		})
	}
}

func TestKnownBadVersion(t *testing.T) {
	for image, want := range map[string]string{
		"amazon/cloudwatch-agent:1.300058.0b1088":                             "1.300059.0",
		"mirror.example.com:5000/x/cloudwatch-agent:1.300049.1b929":           "1.300051.0",
		"amazon/cloudwatch-agent:1.300059.0b1207":                             "",
		"amazon/cloudwatch-agent:1.247358.0b252413":                           "", // before Application Signals
		"amazon/cloudwatch-agent:latest":                                      "",
		"amazon/cloudwatch-agent":                                             "",
		"amazon/cloudwatch-agent:1.300058":                                    "",
		"amazon/cloudwatch-agent:1.300058.0b1@sha256:00":                      "1.300059.0",
		"mirror.example.com:5000/cloudwatch-agent":                            "",
		"public.ecr.aws/aws-observability/aws-otel-collector:v0.30.0":         "",
		"mirror.example.com/cloudwatch-agent-operator:1.300010.0":             "",
		"mirror.example.com/amazon-cloudwatch-agent:1.300056.9999999999999b1": "",
	} {
		var got string
		for _, p := range Lint(fleet.Definition{Containers: []fleet.ContainerDefinition{{Name: "a", Image: image}}}, Options{Rules: onlyRule("sidecar-known-bad-version")}) {
			got = p.Message
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want mention of %q", image, got, want)
		}
	}
	if gaps := Gaps(parse(t, `{"containerDefinitions":[{"name":"a","image":"amazon/cloudwatch-agent:latest"}]}`), Options{}); len(gaps) != 1 {
		t.Errorf("a moving tag is a gap: %+v", gaps)
	}
}

// An agent that is a service of its own takes nobody down, and a helper is meant to end.
func TestSidecarAlone(t *testing.T) {
	got := ids(Lint(parse(t, `{"containerDefinitions":[{"name":"a","image":"amazon/cloudwatch-agent:1.300071.0b1"}]}`),
		Options{Rules: map[string]finding.Severity{"sampler-missing": Off}}))
	if diff := cmp.Diff([]string{"sidecar-no-health-check info", "sidecar-no-logs info"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSeverity(t *testing.T) {
	d := define(t, "OTEL_TRACES_SAMPLER=xray", "OTEL_TRACES_SAMPLER_ARG=0.5")
	for _, tt := range []struct {
		options Options
		want    []string
	}{
		{Options{}, []string{"sampler-xray info", "sampler-arg-mismatch info"}},
		{Options{Crash: true}, []string{"sampler-xray warning", "sampler-arg-mismatch info"}},
		{Options{Crash: true, Rules: map[string]finding.Severity{"sampler-xray": finding.Critical}}, []string{"sampler-xray critical", "sampler-arg-mismatch info"}},
		{Options{Rules: map[string]finding.Severity{"sampler-arg-mismatch": finding.Critical}}, []string{"sampler-xray info", "sampler-arg-mismatch info"}},
	} {
		if diff := cmp.Diff(tt.want, ids(Lint(d, tt.options))); diff != "" {
			t.Errorf("%+v: %s", tt.options, diff)
		}
	}
}

func TestParseRules(t *testing.T) {
	got, err := ParseRules(map[string]string{"sampler-missing": "off", "sampler-xray": "critical", "sampler-unknown": "on"})
	if diff := cmp.Diff(map[string]finding.Severity{"sampler-missing": Off, "sampler-xray": finding.Critical}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for in, want := range map[string]string{"sampler-mising=off": "sampler-missing", "sampler-xray=loud": "off, on, info"} {
		id, severity, _ := strings.Cut(in, "=")
		if _, err := ParseRules(map[string]string{id: severity}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want mention of %q", in, err, want)
		}
	}
}

// The JSON names are the contract's; env is never null, an absent fix is.
func TestProblemJSON(t *testing.T) {
	p := Lint(parse(t, bareSidecar), Options{Rules: onlyRule("sidecar-essential")})
	raw, err := json.Marshal(p)
	if err != nil || !strings.HasPrefix(string(raw), `[{"container":"ecs-cwagent","rule":"sidecar-essential","severity":"info","env":[],"message":"`) ||
		!strings.HasSuffix(string(raw), `","fix":null}]`) {
		t.Errorf("%v %s", err, raw)
	}
}

// A message never shows a value that the allow-list drops, nor a password in a kept one.
func TestNoSecretInMessages(t *testing.T) {
	raw := `{"networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"i","environment":[
	 {"name":"PASSWORD","value":"hunter2"},{"name":"PASSWORD","value":"hunter3"},{"name":"OTEL_EXPORTER_OTLP_HEADERS","value":"api-key=hunter2"},
	 {"name":"OTEL_TRACES_SAMPLER","value":"traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"endpoint=http://u:hunter2@localhost:2000"},
	 {"name":"OTEL_EXPORTER_OTLP_ENDPOINT","value":"http://u:hunter2@[::1"}]}]}`
	if text := fmt.Sprintf("%+v", Lint(parse(t, raw), Options{})); strings.Contains(text, "hunter") {
		t.Error(text)
	}
}

// FuzzLint: no value panics; every problem is of a known rule and severity, on one line; a fix that is applied leaves
// nothing that asks for a fix.
func FuzzLint(f *testing.F) {
	f.Add("xray", "endpoint=http://localhost:2000,polling_interval=x", "localhost:4318")
	f.Add("parentbased_traceidratio", "1e309", "http://[::1]:4317/%zz")
	f.Add("jaeger_remote", "=,==", "tcp:localhost:2000")
	f.Fuzz(func(t *testing.T, name, arg, address string) {
		d := fleet.Definition{NetworkMode: "awsvpc", Containers: []fleet.ContainerDefinition{{Name: "app", Image: arg, Env: []fleet.EnvVar{
			{Name: Sampler, Value: name, Kept: true}, {Name: SamplerArg, Value: arg, Kept: true},
			{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Value: address, Kept: true}, {Name: "AWS_XRAY_DAEMON_ADDRESS", Value: address, Kept: true},
		}}}}
		problems := Lint(d, Options{})
		for _, p := range problems {
			if _, ok := ruleOf(p.Rule); !ok || p.Severity.Rank() == 0 || p.Message == "" || strings.ContainsAny(p.Message, "\r\n") || len(p.Env) == 0 && !strings.HasPrefix(p.Rule, "sidecar-") {
				t.Fatalf("%+v", p)
			}
		}
		fix := Fixes(problems)["app"]
		for i, e := range d.Containers[0].Env {
			if value, ok := fix[e.Name]; ok {
				d.Containers[0].Env[i].Value = value
			}
		}
		if rest := Fixes(Lint(d, Options{})); fix != nil && len(rest) > 0 {
			t.Fatalf("%v does not cure %q %q: %v", fix, name, arg, rest)
		}
	})
}
