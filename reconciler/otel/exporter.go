package otel

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"taskwarden/reconciler/fleet"
)

// endpoint is one address that a container sends to.
type endpoint struct {
	variable string
	value    string
	url      bool   // a URL belongs there; otherwise host:port, with or without tcp: or udp:
	protocol string // the variable that names the OTLP protocol, "" where it is HTTP in any case
}

const otlpProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL"

// endpointsOf lists the addresses that c's definition sets and that its settings do not switch off.
func endpointsOf(c fleet.ContainerDefinition) []endpoint {
	if disabled(c) || configFile(c) != "" {
		return nil
	}
	var out []endpoint
	add := func(name, protocol, exporter string) {
		s := Read(c, name)
		if s.Given() && !s.Ambiguous && (exporter == "" || exports(c, exporter)) {
			out = append(out, endpoint{variable: name, value: strings.TrimSpace(s.Value), url: true, protocol: protocol})
		}
	}
	add("OTEL_EXPORTER_OTLP_ENDPOINT", otlpProtocol, "")
	add("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_TRACES_EXPORTER")
	add("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_METRICS_EXPORTER")
	if enabled := Read(c, "OTEL_AWS_APPLICATION_SIGNALS_ENABLED"); !strings.EqualFold(enabled.Value, "false") {
		add("OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "")
	}
	if s := samplerOf(c); s.kind == "xray" && s.arg.Given() {
		if list, ok := pairs(s.arg.Value); ok && hasScheme(list["endpoint"]) { // without one it is sampler-arg-invalid's
			out = append(out, endpoint{variable: SamplerArg, value: list["endpoint"], url: true})
		}
	}
	if s := Read(c, "AWS_XRAY_DAEMON_ADDRESS"); s.Given() {
		for part := range strings.FieldsSeq(s.Value) { // "tcp:localhost:2000 udp:localhost:2000"
			part = strings.TrimPrefix(strings.TrimPrefix(part, "tcp:"), "udp:")
			out = append(out, endpoint{variable: s.Name, value: part})
		}
	}
	return out
}

// exporterUnreachable reports addresses that cannot work, each variable once.
func exporterUnreachable(l look, c fleet.ContainerDefinition) []hit {
	var out []hit
	done := map[string]bool{}
	for _, e := range endpointsOf(c) {
		h := l.unreachable(c, e)
		if h.message == "" || done[e.variable] {
			continue
		}
		done[e.variable] = true
		h.env = []string{e.variable}
		out = append(out, h)
	}
	return out
}

func (l look) unreachable(c fleet.ContainerDefinition, e endpoint) hit {
	address := e.value
	if e.url && !hasScheme(address) {
		return schemeless(c, e)
	}
	var path string
	if e.url {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return hit{message: quote(e.value) + " is no URL"}
		}
		address, path = u.Host, u.Path
	}
	host, port := split(address)
	if eksHost(host) {
		return hit{message: "the host " + host + " exists on EKS only; on ECS the agent of the same task is at localhost (awsvpc)"}
	}
	if local(host) && !l.sidecar(c) && slices.Contains(telemetryPorts, port) {
		if h := l.unserved(c, port); h.message != "" {
			return h
		}
	}
	if h := l.wrongProtocol(c, e, local(host), port); h.message != "" {
		return h
	}
	return wrongPath(c, e, port, path)
}

// protocolOf is the protocol that goes with an endpoint: the signal's, or the common one.
func protocolOf(c fleet.ContainerDefinition, e endpoint) Setting {
	if own := Read(c, e.protocol); !own.Blank() {
		return own
	}
	return Read(c, otlpProtocol)
}

// spoken is what the OTLP ports of the CloudWatch agent (4315, 4316) and of collectors (4317, 4318) speak: amazon-cloudwatch-agent,
// translator of application_signals; OTLP specification, "OTLP/gRPC default port" and "OTLP/HTTP default port".
var spoken = map[int]string{4315: "grpc", 4316: "http", 4317: "grpc", 4318: "http"}

// wrongProtocol finds a protocol that the port does not speak. It is proven where the CloudWatch agent, whose ports are
// fixed, is in the task; a collector's ports are its configuration's.
func (l look) wrongProtocol(c fleet.ContainerDefinition, e endpoint, local bool, port int) hit {
	protocol := protocolOf(c, e)
	if e.protocol == "" || spoken[port] == "" || !protocol.Given() || strings.HasPrefix(strings.TrimSpace(protocol.Value), spoken[port]) {
		return hit{}
	}
	proven := local && l.definition.NetworkMode == "awsvpc" && slices.ContainsFunc(l.definition.Containers, func(o fleet.ContainerDefinition) bool {
		a, _ := agentOf(o.Image)
		return a.Fixed != nil && slices.Contains(a.Ports, port)
	})
	return hit{weak: !proven, message: fmt.Sprintf("port %d speaks OTLP over %s, and %s is %s", port, map[string]string{"grpc": "gRPC", "http": "HTTP"}[spoken[port]], protocol.Name, protocol.Value)}
}

// wrongPath: over HTTP a signal's own endpoint is used as it is, and the common one gets the signal's path appended (OTLP
// exporter, "Endpoint URLs for OTLP/HTTP"). What a receiver makes of another path is its configuration's.
func wrongPath(c fleet.ContainerDefinition, e endpoint, port int, path string) hit {
	protocol := protocolOf(c, e)
	if e.protocol == "" || strings.HasPrefix(protocol.Value, "grpc") || !strings.HasPrefix(protocol.Value, "http") && spoken[port] != "http" {
		return hit{}
	}
	switch {
	case e.variable == "OTEL_EXPORTER_OTLP_ENDPOINT" && strings.HasSuffix(path, "/v1/traces"):
		return hit{weak: true, message: quote(e.value) + " gets /v1/traces appended once more: leave the path out here"}
	case e.variable != "OTEL_EXPORTER_OTLP_ENDPOINT" && strings.Trim(path, "/") == "":
		return hit{weak: true, message: quote(e.value) + " is used as it is, and receivers listen at /v1/traces and /v1/metrics: add the path"}
	}
	return hit{}
}

// schemeless: over HTTP the specification demands http:// or https:// (OTLP exporter, "Endpoint URLs"); over gRPC many
// clients take host:port, and which protocol an SDK uses unless told differs.
func schemeless(c fleet.ContainerDefinition, e endpoint) hit {
	protocol := protocolOf(c, e)
	switch {
	case strings.HasPrefix(protocol.Value, "http"):
		return hit{message: quote(e.value) + " has no http:// or https://, which OTLP over HTTP needs"}
	case protocol.Blank():
		return hit{weak: true, message: quote(e.value) + " has no http:// or https://; most SDKs send over HTTP unless told, and need it"}
	}
	return hit{}
}

// unserved judges a telemetry port on localhost. In awsvpc mode all containers of the task share it; in bridge mode each
// has its own (ECS developer guide, task-networking). In other modes, or where none is named, nobody can tell.
func (l look) unserved(c fleet.ContainerDefinition, port int) hit {
	if slices.Contains(c.Ports, port) || c.Unseen["portMappings"] != "" || l.definition.Partial {
		return hit{}
	}
	switch l.definition.NetworkMode {
	case "bridge":
		return hit{message: fmt.Sprintf("in bridge mode localhost is this container alone, and it does not declare port %d: an agent in another container is not there", port)}
	case "awsvpc":
	default:
		return hit{}
	}
	var others []string
	for _, o := range l.definition.Containers {
		if o.Name == c.Name || l.definition.Helper(o.Name) {
			continue
		}
		if l.mayServe(o, port) {
			return hit{}
		}
		others = append(others, o.Name)
	}
	if len(others) == 0 {
		return hit{message: fmt.Sprintf("port %d on localhost is a telemetry agent's, and no other container is in the task to serve it", port)}
	}
	return hit{weak: true, message: fmt.Sprintf("port %d on localhost is served only if the configuration of %s opens it", port, strings.Join(others, " or "))}
}

// mayServe tells whether a container serves the port, or may, for all that is known of it.
func (l look) mayServe(c fleet.ContainerDefinition, port int) bool {
	if c.Unseen["image"] != "" || c.Unseen["portMappings"] != "" || slices.Contains(c.Ports, port) {
		return true
	}
	agent, known := agentOf(c.Image)
	if known {
		return slices.Contains(agent.Ports, port)
	}
	return l.sidecar(c)
}

func hasScheme(value string) bool {
	lower := strings.ToLower(value)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// split is host and port, 0 where none is given.
func split(address string) (string, int) {
	i := strings.LastIndexByte(address, ':')
	port, err := strconv.Atoi(address[i+1:])
	host := address[:max(i, 0)]
	if i < 0 || err != nil || strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return strings.Trim(address, "[]"), 0
	}
	return strings.Trim(host, "[]"), port
}

func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// eksHost: the Kubernetes service of the agent, from the EKS half of the CloudWatch user guide's page
// application-signals-samplerate; it does not resolve on ECS.
func eksHost(host string) bool {
	return host == "cloudwatch-agent.amazon-cloudwatch" || strings.HasPrefix(host, "cloudwatch-agent.amazon-cloudwatch.svc")
}
