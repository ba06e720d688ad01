package churn

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"taskwarden/reconciler/regex"
)

// SignatureRule is a user's own crash signature.
type SignatureRule struct {
	Name    string
	Pattern string // RE2, searched in each line without its colours
	Fatal   bool   // the process dies of it
}

// Knowledge is what verdicts know of the world: which containers are agents and proxies, and users' own signatures. A nil
// Knowledge knows the built-in ones.
type Knowledge struct {
	sidecars   []string
	signatures []userSignature
}

type userSignature struct {
	name  string
	re    regex.Expression
	fatal bool
}

// NewKnowledge adds users' sidecar patterns (path.Match over the container's name, the image, and the image's repository
// with and without its registry) and signatures to the built-in ones. It fails on the first pattern that cannot be read.
func NewKnowledge(sidecars []string, signatures []SignatureRule) (*Knowledge, error) {
	k := &Knowledge{}
	for i, p := range sidecars {
		if _, err := path.Match(p, ""); err != nil {
			return nil, fmt.Errorf("sidecar pattern %d, %q: %w", i+1, p, err)
		}
		k.sidecars = append(k.sidecars, p)
	}
	for i, s := range signatures {
		if s.Name == "" {
			return nil, fmt.Errorf("signature %d has no name", i+1)
		}
		re, err := regexp.Compile(s.Pattern)
		if err != nil || s.Pattern == "" {
			return nil, fmt.Errorf("signature %q: pattern %q cannot be used: %w", s.Name, s.Pattern, orEmpty(err))
		}
		k.signatures = append(k.signatures, userSignature{s.Name, regex.Of(re), s.Fatal})
	}
	return k, nil
}

func orEmpty(err error) error {
	if err == nil {
		return fmt.Errorf("it is empty")
	}
	return err
}

// Known agents and proxies by repository, as a path suffix of the image without registry account, tag and digest. A single
// part must be the repository's last part as a whole, so that "fluent-bitter" or "my-envoy-admin" are none. Each is the
// image that its maker's ECS or Docker page names: the CloudWatch, X-Ray, GuardDuty and App Mesh user guides, the pages of
// AWS Distro for OpenTelemetry and aws-for-fluent-bit, and the vendors' installation pages for ECS and Fargate. Servers that
// applications talk to (nginx, HAProxy, Traefik, Redis, Vault, Prometheus, Zipkin) are none: they are part of the work.
var sidecarImages = words(`
	amazon-cloudwatch-agent cloudwatch-agent cwagent ecs-cwagent
	aws-otel-collector adot-collector opentelemetry-collector opentelemetry-collector-contrib opentelemetry-collector-k8s otelcol otelcol-contrib otel-collector
	splunk-otel-collector signalfx-agent
	aws-xray-daemon xray-daemon aws-for-fluent-bit aws-for-fluent-bit-init fluent-bit fluentd fluentd-kubernetes-daemonset
	aws-appmesh-envoy envoy envoy-distroless envoy-alpine aws-appmesh-proxy-route-manager ecs-service-connect-agent amazon-ecs-service-connect-agent
	datadog-agent datadog/agent datadoghq/agent datadog/dogstatsd datadoghq/dogstatsd aws-guardduty-agent-fargate aws-guardduty-agent
	newrelic/infrastructure newrelic/infrastructure-bundle newrelic/nri-ecs newrelic-infrastructure newrelic-infrastructure-bundle newrelic/newrelic-fluentbit-output
	dynatrace-oneagent oneagent dynatrace-activegate dynatrace-otel-collector
	splunk/universalforwarder universalforwarder splunk/fluentd-hec timberio/vector vector filebeat metricbeat heartbeat apm-server elastic-agent logstash-forwarder
	consul consul-ecs consul-dataplane consul-enterprise proxyv2 istio-proxy istio/pilot linkerd/proxy linkerd2-proxy
	grafana/agent grafana/alloy grafana-agent alloy promtail telegraf prom/statsd-exporter statsd-exporter prom/node-exporter node-exporter cadvisor
	amazon-ssm-agent cloudflared cloud-sql-proxy jaeger-agent zipkin-agent sumologic-collector honeycombio/refinery refinery instana-agent logdna/agent mezmo/agent
	appdynamics/machine-agent appdynamics/cluster-agent sysdig/agent sysdig/workload-agent falco falco-no-driver lacework/datacollector datacollector aqua-enforcer microenforcer
	prismacloud-defender twistlock/defender crowdstrike/falcon-sensor falcon-container tailscale ecs-exporter wavefront-proxy wavefront-collector
	vault-agent aws-secrets-manager-agent ecs-init nginx-prometheus-exporter aws-sigv4-proxy`)

// Known agents and proxies by container name, as a whole, in any letters and with any separators: XRayDaemon is xray-daemon.
// log_router is FireLens' own (Amazon ECS guide, "Send logs to an AWS service").
var sidecarNames = squeezed(`
	cwagent ecs-cwagent cw-agent cloudwatch-agent amazon-cloudwatch-agent cloudwatch
	aws-otel-collector adot adot-collector aws-otel aws-collector adot-sidecar otel otelcol otel-collector otelcollector otel-agent otel-sidecar
	opentelemetry-collector opentelemetry collector-sidecar
	xray xray-daemon aws-xray-daemon x-ray xray-sidecar log_router log-router logrouter log_route firelens firelens_log_router fluent-bit fluentbit fluent_bit fluentd
	aws-for-fluent-bit envoy envoy-proxy envoy-sidecar appmesh-envoy app-mesh-envoy ecs-service-connect service-connect
	datadog-agent datadog dd-agent dogstatsd datadog-sidecar newrelic newrelic-infra newrelic-agent newrelic-infrastructure
	oneagent dynatrace dynatrace-oneagent splunk splunk-forwarder splunk-otel-collector splunk-collector vector vector-agent filebeat metricbeat elastic-agent apm-server
	consul-client consul-agent consul-dataplane consul-ecs-control-plane sidecar-proxy mesh-gateway istio-proxy istio-proxy-agent linkerd-proxy
	grafana-agent alloy promtail telegraf statsd-exporter statsd node-exporter cadvisor ssm-agent amazon-ssm-agent aws-guardduty-agent
	jaeger-agent instana-agent wavefront-proxy wavefront-collector tailscale cloudflared falcon-sensor twistlock-defender vault-agent aws-sigv4-proxy sysdig-agent falco`)

// sidecarEndings are two-part names that stay an agent's with any word in front: prod-otel-collector, custom-fluent-bit.
var sidecarEndings = strings.Fields(`cloudwatch-agent otel-collector opentelemetry-collector adot-collector xray-daemon fluent-bit log-router
	datadog-agent dd-agent newrelic-infra grafana-agent elastic-agent jaeger-agent vault-agent consul-dataplane istio-proxy linkerd-proxy envoy-proxy envoy-sidecar`)

// Names that carry a generated ending (Amazon ECS guide, "Amazon ECS task state change events", shows the first).
var sidecarPrefixes = []string{"aws-guardduty-agent-", "ecs-service-connect-"}

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

// squeezed are words without their separators.
func squeezed(s string) map[string]bool { return words(separators.Replace(s)) }

var separators = strings.NewReplacer("-", "", "_", "", ".", "")

// namedAsSidecar compares the name without its separators, and without what only says that it is a container.
func namedAsSidecar(name string) bool {
	name = separators.Replace(name)
	return sidecarNames[name] || sidecarNames[strings.TrimSuffix(name, "container")] || sidecarNames[strings.TrimSuffix(name, "sidecar")]
}

// endsAsSidecar tells a name of several parts whose last two are an agent's.
func endsAsSidecar(name string) bool {
	name = strings.ReplaceAll(name, "_", "-")
	return slices.ContainsFunc(sidecarEndings, func(e string) bool { return strings.HasSuffix(name, "-"+e) })
}

// Sidecar tells whether the container is a known agent or proxy, by its name or its image; either may be "".
func (k *Knowledge) Sidecar(name, image string) bool {
	name, image = strings.ToLower(name), strings.ToLower(image)
	if namedAsSidecar(name) || endsAsSidecar(name) {
		return true
	}
	for _, p := range sidecarPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	repo := repository(image)
	parts := strings.Split(repo, "/")
	last := parts[len(parts)-1]
	if sidecarImages[last] || endsAsSidecar(last) || len(parts) > 1 && sidecarImages[parts[len(parts)-2]+"/"+last] {
		return true
	}
	if k == nil {
		return false
	}
	for _, p := range k.sidecars {
		for _, s := range []string{name, image, repo, last} {
			if ok, err := path.Match(strings.ToLower(p), s); ok && err == nil && s != "" {
				return true
			}
		}
	}
	return false
}

// repository is an image reference without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		image = image[:i]
	}
	return image
}
