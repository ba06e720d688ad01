package otel

import (
	"slices"
	"strings"
	"testing"

	"taskwarden/reconciler/fleet"
)

// labels are what a container's sampler variables come down to, and the rules that say so; "ok" is none of them.
var labels = map[string][]string{
	"xray": {"sampler-xray"}, "always_on": {"sampler-always-on"}, "missing": {"sampler-missing"},
	"bad_arg": {"sampler-arg-invalid", "sampler-arg-mismatch", "sampler-unknown"}, "ok": nil,
}

// labelled are settings with what a person who knows the SDKs says of them, written down before any rule saw them. Where
// the variables alone cannot decide, several labels are right. S and A stand for the sampler's variable and its argument's.
var labelled = []struct{ env, want string }{
	{"S=xray|A=endpoint=http://localhost:2000,polling_interval=60", "xray"},
	{"S=xray|A=polling_interval=60", "xray"},
	{"S=xray|A=", "xray"},
	{"S=xray|A=endpoint=localhost:2000", "bad_arg,xray"},
	{"S=xray|A=0.05", "xray,bad_arg"},
	{"S=XRAY", "bad_arg,xray"},
	{"S= xray", "bad_arg,xray"},
	{"S=xray\n", "bad_arg,xray"},
	{`S="xray"`, "bad_arg"},
	{"S=xray|S=xray", "xray"},
	{"OTEL_PROPAGATORS=xray|OTEL_PYTHON_ID_GENERATOR=xray|S=parentbased_always_on", "always_on"},
	{"JAVA_TOOL_OPTIONS= -javaagent:/a.jar|OTEL_AWS_APPLICATION_SIGNALS_ENABLED=true|S=xray", "xray"},
	{"JAVA_TOOL_OPTIONS= -javaagent:/a.jar|OTEL_AWS_APPLICATION_SIGNALS_ENABLED=true", "missing,xray"},
	{"OTEL_SDK_DISABLED=TRUE|S=xray", "xray"},
	{"S=always_on", "always_on"},
	{"S=parentbased_always_on", "always_on"},
	{"S=parentbased_always_on|A=0.1", "always_on,bad_arg"},
	{"S=Always_On", "always_on,bad_arg"},
	{"S=parentbased_traceidratio|A=1.0", "always_on"},
	{"S=parentbased_traceidratio|A=1", "always_on"},
	{"S=traceidratio|A=1.00000", "always_on"},
	{"S=traceidratio|A=1e0", "always_on"},
	{"S=always_off", "ok"},
	{"S=parentbased_always_off", "ok"},
	{"S=always_off|A=endpoint=http://localhost:2000", "ok,bad_arg"},
	{"S=traceidratio|A=0.5", "ok"},
	{"S=parentbased_traceidratio|A=1e-2", "ok"},
	{"S=parentbased_traceidratio|A=1E-3", "ok"},
	{"S=parentbased_traceidratio|A=.05", "ok"},
	{"S=parentbased_traceidratio|A=+0.1", "ok"},
	{"S=parentbased_traceidratio|A=0", "ok"},
	{"S=parentbased_traceidratio|A=0.0", "ok"},
	{"S=parentbased_traceidratio|A=\t0.1\n", "ok"},
	{"S=parentbased_traceidratio|A=0.0000000000001", "ok"},
	{"NODE_OPTIONS=--require /a.js|S=parentbased_traceidratio|A=0.1", "ok"},
	{"OTEL_PYTHON_DISTRO=aws_distro|S=parentbased_traceidratio|A=0.1", "ok"},
	{"CORECLR_ENABLE_PROFILING=1|S=ParentBased_TraceIdRatio|A=0.1", "ok"},
	{"JAVA_TOOL_OPTIONS= -javaagent:/a.jar|S=ParentBased_TraceIdRatio|A=0.1", "bad_arg"},
	{"S=traceidratio|A=5.", "bad_arg"},
	{"S=traceidratio|A=1.5", "bad_arg"},
	{"S=traceidratio|A=100", "bad_arg"},
	{"S=traceidratio|A=-0.1", "bad_arg"},
	{"S=traceidratio|A=10%", "bad_arg"},
	{"S=traceidratio|A=10 %", "bad_arg"},
	{"S=traceidratio|A=50 percent", "bad_arg"},
	{"S=traceidratio|A=0,1", "bad_arg"},
	{"S=traceidratio|A=0.01,", "bad_arg"},
	{"S=traceidratio|A=ratio=0.1", "bad_arg"},
	{"S=traceidratio|A=1/100", "bad_arg"},
	{"S=traceidratio|A=ten", "bad_arg"},
	{"S=traceidratio|A=NaN", "bad_arg"},
	{"S=traceidratio|A=Infinity", "bad_arg"},
	{"S=traceidratio|A=0.1 # one in ten", "bad_arg"},
	{`S=traceidratio|A="0.1"`, "bad_arg"},
	{"S=traceidratio|A=0.1f", "bad_arg"},
	{"S=traceidratio|A=0x1p-4", "bad_arg,ok"},
	{"S=traceidratio|A=null", "bad_arg"},
	{"S=traceidratio|A=true", "bad_arg"},
	{"S=traceidratio|A=${SAMPLE_RATE}", "bad_arg"},
	{"S=traceidratio|A=٠.١", "bad_arg"},
	{"S=traceidratio|A=http://localhost:2000", "bad_arg"},
	{"S=parentbased_traceidratio|A=endpoint=http://localhost:2000", "bad_arg"},
	{"S=parentbased_traceidratio|A=   ", "bad_arg,always_on"},
	{"S=parentbased_traceidratio", "bad_arg,always_on"},
	{"S=jaeger_remote|A=endpoint=http://j:14250,pollingIntervalMs=5000,initialSamplingRate=0.25", "ok"},
	{"S=parentbased_jaeger_remote|A=endpoint=http://j:14250", "ok"},
	{"S=parentbased_jaeger_remote", "ok"},
	{"S=jaeger_remote|A=0.25", "bad_arg"},
	{"S=jaeger_remote|A=endpoint=http://j:14250,initialSamplingRate=25", "bad_arg"},
	{"S=jaeger_remote|A=endpoint=http://j:14250,pollingIntervalMs=5s", "bad_arg"},
	{"S=off", "bad_arg"},
	{"S=on", "bad_arg"},
	{"S=none", "bad_arg"},
	{"S=ratio|A=0.1", "bad_arg"},
	{"S=0.1", "bad_arg"},
	{"S=probability|A=0.1", "bad_arg"},
	{"S=parentbased|A=0.1", "bad_arg"},
	{"S=parentbased_xray", "bad_arg"},
	{"S=traceidratiobased|A=0.1", "bad_arg"},
	{"S=parentbased_traceid_ratio|A=0.1", "bad_arg"},
	{"S=rate_limiting|A=5", "bad_arg"},
	{"S=microsoft.fixed_percentage|A=0.1", "bad_arg,ok"},
	{"S=experimental_composite_parentbased_traceidratio|A=0.1", "bad_arg,ok"},
	{"S=off|OTEL_TRACES_EXPORTER=none", "bad_arg"},
	{"S=parentbased_traceidratio|A=0.1|OTEL_TRACES_EXPORTER=none", "ok"},
	{"", "missing"},
	{"LOG_LEVEL=info", "missing"},
	{"OTEL_SERVICE_NAME=x", "missing"},
	{"S=|OTEL_SERVICE_NAME=x", "missing"},
	{"S=  |A=0.1", "missing,bad_arg"},
	{"A=0.1", "missing,bad_arg"},
	{"OTEL_TRACES_EXPORTER=none", "missing,ok"},
	{"OTEL_SDK_DISABLED=1", "missing"},
	{"OTEL_SDK_DISABLED=true", "ok"},
	{"OTEL_EXPERIMENTAL_CONFIG_FILE=/otel.yaml", "ok"},
	{"S=xray|A=endpoint=http://localhost:2000|S=parentbased_traceidratio|A=0.1", "ok,xray"},
}

func TestLabelled(t *testing.T) {
	for _, tt := range labelled {
		var env []string
		for e := range strings.SplitSeq(tt.env, "|") {
			switch e = strings.Trim(e, "\r"); {
			case strings.HasPrefix(e, "S="):
				e = Sampler + e[1:]
			case strings.HasPrefix(e, "A="):
				e = SamplerArg + e[1:]
			}
			if e != "" {
				env = append(env, e)
			}
		}
		d := fleet.Definition{Containers: []fleet.ContainerDefinition{{Name: "app", Image: "app:1", Essential: true, Env: variables(env...)}}}
		var got []string
		for _, p := range Lint(d, Options{}) {
			for _, rules := range labels {
				if slices.Contains(rules, p.Rule) {
					got = append(got, p.Rule)
				}
			}
		}
		right := func(label string) bool {
			if label == "ok" {
				return len(got) == 0
			}
			return slices.ContainsFunc(got, func(id string) bool { return slices.Contains(labels[label], id) })
		}
		if !slices.ContainsFunc(strings.Split(tt.want, ","), right) {
			t.Errorf("%q: want %s, got %v", tt.env, tt.want, got)
		}
	}
}
