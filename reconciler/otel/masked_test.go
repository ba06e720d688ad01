package otel

import (
	"slices"
	"strings"
	"testing"

	"taskwarden/reconciler/fleet"
)

// linted are the problems of a container with these variables, as the allow-list keeps them, but for info.
func linted(env map[string]string) []Problem {
	allow := fleet.NewAllowList()
	c := fleet.ContainerDefinition{Name: "app", Image: "shop:1", Essential: true}
	for name, value := range env {
		c.Env = append(c.Env, allow.Reduce(name, value))
	}
	slices.SortFunc(c.Env, func(a, b fleet.EnvVar) int { return strings.Compare(a.Name, b.Name) })
	problems := Lint(fleet.Definition{NetworkMode: "awsvpc", Containers: []fleet.ContainerDefinition{c}}, Options{})
	return slices.DeleteFunc(problems, func(p Problem) bool { return p.Severity == "info" })
}

// What the mask leaves of a value is judged; of a value that it drops nothing is concluded; and no message holds a credential.
func TestAMaskedValueIsJudgedByWhatIsLeft(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		rule string
	}{
		"a mismatch is still seen": {map[string]string{Sampler: "traceidratio", SamplerArg: "endpoint=http://user:S3CR@host:2000"},
			"sampler-arg-mismatch"},
		"an argument without fault": {map[string]string{Sampler: "xray", SamplerArg: "endpoint=http://user:S3CR@host:2000"}, ""},
		"a dropped argument":        {map[string]string{Sampler: "traceidratio", SamplerArg: "user:S3CR"}, ""},
		"a dropped sampler":         {map[string]string{Sampler: "S3CR:S3CR", SamplerArg: "0.1"}, ""},
		"a host that is on EKS only": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://user:S3CR@cloudwatch-agent.amazon-cloudwatch:4316/v1/traces"},
			"exporter-endpoint-unreachable"},
		"a dropped endpoint": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://user:S3/CR@localhost:4316"}, ""},
	} {
		got := linted(tt.env)
		if len(got) > 1 || (len(got) == 1) != (tt.rule != "") || tt.rule != "" && got[0].Rule != tt.rule {
			t.Errorf("%s: %+v, want %q", name, got, tt.rule)
		}
		for _, p := range got {
			if strings.Contains(p.Message, "S3") {
				t.Errorf("%s: %s", name, p.Message)
			}
		}
	}
}

// Two entries whose masked values look the same may differ: which one counts is open.
func TestTwoMaskedEntriesAreAmbiguous(t *testing.T) {
	allow := fleet.NewAllowList()
	c := fleet.ContainerDefinition{Name: "app", Env: []fleet.EnvVar{allow.Reduce(SamplerArg, "endpoint=http://a:S3@host:1"),
		allow.Reduce(SamplerArg, "endpoint=http://a:CR@host:1")}}
	if s := Read(c, SamplerArg); !s.Ambiguous || !s.Masked || s.Value != "endpoint=http://***@host:1" {
		t.Errorf("%+v", s)
	}
}
