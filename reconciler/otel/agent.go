package otel

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// agent is a telemetry agent known by its image.
type agent struct {
	Name   string   // as its makers call it
	Images []string // ends of the repository's last part, without registry and tag
	Ports  []int    // what it serves in the recipes AWS and its makers publish
	Fixed  []repair // crashes and the version that ended them, newest first; those without one last
}

// repair is one crash of an agent and the first version without it. It is the one table of them: lint, findings and scans
// read it.
type repair struct {
	In    version // zero: not fixed yet
	Crash string
	Ref   string
	Shows string // what the log line of such a crash holds
	Frame string // what its trace names; "": not known
}

// version is major, minor, patch of an image tag such as 1.300058.0b1088.
type version [3]int

// oldest is the first version the agent's crash list speaks of: Application Signals came with the 1.3000xx line.
var oldest = version{1, 300000, 0}

// telemetryPorts belong to agents: X-Ray 2000 (translator of the CloudWatch agent: awsproxy), Application Signals 4315
// and 4316, OTLP 4317 and 4318.
var telemetryPorts = []int{2000, 4315, 4316, 4317, 4318}

// agents, with the crashes listed in the release notes, issues and pull requests of aws/amazon-cloudwatch-agent and
// aws-observability/aws-otel-collector.
var agents = []agent{
	{
		Name: "CloudWatch agent", Images: []string{"cloudwatch-agent"}, Ports: []int{2000, 4315, 4316},
		Fixed: []repair{
			{version{1, 300059, 0}, "concurrent map writes in the Application Signals metrics limiter", "PR #1758", "concurrent map writes", "cardinalitycontrol"},
			{version{1, 300057, 0}, "concurrent map writes in the logs output", "PR #1707", "concurrent map writes", "cloudwatchlogs.(*CloudWatchLogs).getDest"},
			{version{1, 300057, 0}, "panic in the Application Signals processor", "PR #1704", "panic:", "cases.Caser"},
			{version{1, 300052, 0}, "concurrent map read and map write in the entity store", "issue #1479, PR #1484", "concurrent map read and map write", "entitystore"},
			{version{1, 300051, 0}, "concurrent map writes in entity attributes", "PR #1434", "concurrent map writes", "entityattributes"},
			{version{}, "memory grows until the agent is killed", "issue #264", "OutOfMemory", ""},
		},
	},
	{Name: "X-Ray daemon", Images: []string{"aws-xray-daemon", "xray-daemon"}, Ports: []int{2000}},
	{
		Name: "AWS Distro for OpenTelemetry collector", Images: []string{"aws-otel-collector", "adot-collector"}, Ports: []int{2000, 4317, 4318},
		Fixed: []repair{{version{}, "concurrent map writes", "aws-observability/aws-otel-collector issue #3088", "concurrent map writes", ""}},
	},
	{Name: "OpenTelemetry collector", Images: []string{"opentelemetry-collector", "opentelemetry-collector-contrib", "otel-collector", "otelcol"}, Ports: []int{4317, 4318}},
}

// agentOf is the agent that image is, by the last part of its repository, so that mirrors are known too.
func agentOf(image string) (agent, bool) {
	repository, _ := reference(image)
	base := strings.ToLower(repository[strings.LastIndexByte(repository, '/')+1:])
	for _, a := range agents {
		if slices.ContainsFunc(a.Images, func(end string) bool { return strings.HasSuffix(base, end) }) {
			return a, true
		}
	}
	return agent{}, false
}

// reference splits an image reference into repository and tag, "" where it has none. A digest is dropped.
func reference(image string) (repository, tag string) {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
		return image[:i], image[i+1:]
	}
	return image, ""
}

var fullVersion = regexp.MustCompile(`^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[^\d.].*)?$`)

// versionOf reads the tag; false where it names no full version ("latest", "1", none).
func versionOf(image string) (version, bool) {
	_, tag := reference(image)
	m := fullVersion.FindStringSubmatch(tag)
	if m == nil {
		return version{}, false
	}
	var v version
	for i := range v {
		v[i], _ = strconv.Atoi(m[i+1])
	}
	return v, true
}

func (v version) before(o version) bool { return slices.Compare(v[:], o[:]) < 0 }

func (v version) String() string {
	parts := make([]string, 0, len(v))
	for _, n := range v {
		parts = append(parts, strconv.Itoa(n))
	}
	return strings.Join(parts, ".")
}

// missing lists the repairs that image's version does not have, newest first.
func (a agent) missing(image string) []repair {
	v, ok := versionOf(image)
	if !ok || v.before(oldest) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.Fixed), func(r repair) bool { return !v.before(r.In) })
}
