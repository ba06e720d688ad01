package churn

import "testing"

func TestSidecar(t *testing.T) {
	user, err := NewKnowledge([]string{"corp-*", "registry.corp/team/mesh:*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, image string
		k           *Knowledge
		want        bool
	}{
		{"ecs-cwagent", "", nil, true},
		{"CWAgent", "", nil, true},
		{"x", "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:latest", nil, true},
		{"x", "111122223333.dkr.ecr.us-east-1.amazonaws.com/mirror/amazon/aws-otel-collector:v0.43@sha256:00", nil, true},
		{"x", "localhost:5000/fluent-bit", nil, true},
		{"x", "gcr.io/datadoghq/datadog/agent:7", nil, true},
		{"x", "team/agent:7", nil, false},
		{"fluent-bitter", "corp/fluent-bitter:1", nil, false},
		{"envoy-admin-ui", "corp/my-envoy:1", nil, false},
		{"aws-guardduty-agent-a1B2", "", nil, true},
		{"ecs-service-connect-x9", "", nil, true},
		{"nginx", "nginx:1", nil, false},
		{"", "", nil, false},
		{"XRayDaemon", "", nil, true},
		{"DatadogAgentContainer", "", nil, true},
		{"prod-otel-collector", "", nil, true},
		{"web_log_router", "", nil, true},
		{"x", "gcr.io/datadoghq/agent:7", nil, true},
		{"x", "111122223333.dkr.ecr.us-east-1.amazonaws.com/custom-fluent-bit:1", nil, true},
		{"x", "newrelic/infrastructure-bundle:3", nil, true},
		{"x", "quay.io/sysdig/workload-agent:5", nil, true},
		{"x", "cloudflare/cloudflared:2026.1", nil, true},
		{"sidecar", "corp/sidecar:1", nil, false},
		{"container", "", nil, false},
		{"app-container", "corp/app:1", nil, false},
		{"datadog-agent-api", "corp/datadog-agent-api:1", nil, false},
		{"traefik", "traefik:3", nil, false},
		{"haproxy", "haproxy:3", nil, false},
		{"vault", "hashicorp/vault:1", nil, false},
		{"prometheus", "prom/prometheus:3", nil, false},
		{"grafana", "grafana/grafana:11", nil, false},
		{"zipkin", "openzipkin/zipkin:3", nil, false},
		{"collector", "corp/collector:1", nil, false},
		{"vectors", "corp/vector-search:1", nil, false},
		{"agent", "corp/agents/agent:1", nil, false},
		{"call-agent", "corp/call-agent:1", nil, false},
		{"telegraf-bot", "corp/telegraf-bot:1", nil, false},
		{"corp-agent", "", user, true},
		{"x", "registry.corp/team/mesh:2", user, true},
		{"x", "registry.corp/team/web:2", user, false},
	} {
		if got := c.k.Sidecar(c.name, c.image); got != c.want {
			t.Errorf("Sidecar(%q, %q) = %v", c.name, c.image, got)
		}
	}
}

func TestNewKnowledgeRefuses(t *testing.T) {
	for _, c := range []struct {
		sidecars   []string
		signatures []SignatureRule
	}{
		{[]string{"["}, nil},
		{nil, []SignatureRule{{Name: "x", Pattern: "("}}},
		{nil, []SignatureRule{{Name: "x"}}},
		{nil, []SignatureRule{{Pattern: "x"}}},
	} {
		if _, err := NewKnowledge(c.sidecars, c.signatures); err == nil {
			t.Errorf("NewKnowledge(%q, %+v) took it", c.sidecars, c.signatures)
		}
	}
}
