package otel

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

const agentRepository = "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:"

func TestDefects(t *testing.T) {
	for _, c := range []struct {
		name  string
		cause finding.Cause
		want  []string // reference and what speaks for it
	}{
		{"the trace names it", finding.Cause{Image: agentRepository + "1.300049.1b929", Line: "fatal error: concurrent map writes", Tail: []string{"awsapplicationsignals/internal/cardinalitycontrol.(*topKMetrics).Push"}}, []string{"PR #1758 trace"}},
		{"the line alone", finding.Cause{Image: agentRepository + "1.300049.1b929", Line: "fatal error: concurrent map writes"}, []string{"PR #1758 signature", "PR #1707 signature", "PR #1434 signature"}},
		{"another line", finding.Cause{Image: agentRepository + "1.300049.1b929", Line: "fatal error: concurrent map read and map write"}, []string{"issue #1479, PR #1484 signature"}},
		{"no line", finding.Cause{Image: agentRepository + "1.300058.0b1088"}, []string{"PR #1758 version"}},
		{"a crash nobody knows", finding.Cause{Image: agentRepository + "1.300058.0b1088", Line: "panic: close of closed channel"}, nil},
		{"fixed", finding.Cause{Image: agentRepository + "1.300059.0b1207", Line: "fatal error: concurrent map writes"}, nil},
		{"a moving tag", finding.Cause{Image: agentRepository + "latest", Line: "fatal error: concurrent map writes"}, nil},
		{"not fixed yet, any version", finding.Cause{Image: agentRepository + "latest", StopCause: "oom_killed"}, []string{"issue #264 signature"}},
		{"another agent's open issue", finding.Cause{Image: "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3", Line: "fatal error: concurrent map writes"}, []string{"aws-observability/aws-otel-collector issue #3088 signature"}},
	} {
		c.cause.Container, c.cause.Sidecar = "agent", true
		got, _ := Advise(c.cause, nil, Options{})
		var refs []string
		for _, d := range got.Defects {
			refs = append(refs, d.Ref+" "+d.Match)
			if strings.Contains(d.Ref, "issue #264") != (d.FixedIn == "") && !strings.Contains(d.Ref, "3088") {
				t.Errorf("%s: %s fixed in %q", c.name, d.Ref, d.FixedIn)
			}
		}
		if d := cmp.Diff(c.want, refs); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}

func TestAdvise(t *testing.T) {
	d := fleet.Definition{Containers: []fleet.ContainerDefinition{
		{Name: "app", Essential: true, Image: "shop:1", Env: []fleet.EnvVar{{Name: Sampler, Value: "xray", Kept: true}, {Name: SamplerArg, Value: "endpoint=http://localhost:2000", Kept: true}}},
		{Name: "agent", Essential: true, Image: agentRepository + "1.300058.0b1088"}, {Name: "envoy", Essential: true, Image: "envoyproxy/envoy:v1.30.0"}}}
	kinds := func(cures []finding.Cure) (out []string) {
		for _, c := range cures {
			out = append(out, c.Kind)
			if c.NotCured == "" || strings.Contains(c.Text, "will ") {
				t.Errorf("a cure promises nothing, and says what it leaves: %+v", c)
			}
		}
		return out
	}
	agent := finding.Cause{Container: "agent", Sidecar: true, Image: d.Containers[1].Image}
	cause, cures := Advise(agent, &d, Options{})
	if got := kinds(cures); !slices.Equal(got, []string{finding.Upgrade, finding.RestartPolicy, finding.SamplingRule, finding.SamplerSettings}) {
		t.Errorf("cures %q", got)
	}
	if cures[3].Set[Sampler] != "parentbased_traceidratio" || cures[3].Set[SamplerArg] != "0.01" {
		t.Errorf("set %v", cures[3].Set)
	}
	i := slices.IndexFunc(cause.Settings, func(s finding.Setting) bool { return s.Rule == "sampler-xray" })
	if cause.Agent != "CloudWatch agent" || cause.Version != "1.300058.0" || i < 0 || !slices.Equal(cause.Settings[i].Env, []string{Sampler + "=xray", SamplerArg + "=endpoint=http://localhost:2000"}) {
		t.Errorf("cause %+v", cause)
	}
	// A proxy takes no traces: sampling has nothing to do with its crash.
	if _, cures := Advise(finding.Cause{Container: "envoy", Sidecar: true, Image: d.Containers[2].Image}, &d, Options{}); !slices.Equal(kinds(cures), []string{finding.RestartPolicy}) {
		t.Errorf("a proxy's cures %+v", cures)
	}
	// An application's crash is its own.
	app := finding.Cause{Container: "app", Image: "shop:1"}
	if cause, cures := Advise(app, &d, Options{}); cmp.Diff(app, cause) != "" || cures != nil {
		t.Errorf("an application: %+v %+v", cause, cures)
	}
	if cause, cures := Advise(agent, nil, Options{}); len(cause.Unseen) != 1 || !slices.Equal(kinds(cures), []string{finding.Upgrade}) {
		t.Errorf("without the definition: %+v %+v", cause, cures)
	}
}
