package otel

import (
	"slices"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Rule is one row of the table: what it means, why it is there, and an example of each side, which the tests run. An
// example is a whole task definition in RegisterTaskDefinition's spelling.
type Rule struct {
	ID       string
	Severity finding.Severity
	Raised   bool   // to warning while a sidecar crash of the family is open
	Means    string // one line
	Why      string // with its source
	Fails    string
	Passes   string
	check    func(look, fleet.ContainerDefinition) []hit
}

// Rules is the table in its documented order, which is the order of a container's problems.
func Rules() []Rule { return slices.Clone(rules) }

func ruleOf(id string) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

const goodSampler = `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"parentbased_traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"0.01"}]}]}`

const goodSidecar = `{"networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"shop:1"},
 {"name":"ecs-cwagent","image":"public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300071.0b1","essential":false,"memory":256,
  "restartPolicy":{"enabled":true},"healthCheck":{"command":["CMD","/health"]},"logConfiguration":{"logDriver":"awslogs"}}]}`

const bareSidecar = `{"containerDefinitions":[{"name":"app","image":"shop:1"},
 {"name":"ecs-cwagent","image":"public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300058.0b1088","memoryReservation":50}]}`

var rules = []Rule{
	{
		ID: "sampler-xray", Severity: finding.Info, Raised: true, check: samplerXRay,
		Means:  "sampling depends on the agent beside the application",
		Why:    "AWS's own recipe sets it (CloudWatch user guide, application-signals-ecs-sidecar); it was the setting of the task churn this program began with",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"xray"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"endpoint=http://localhost:2000"}]}]}`,
		Passes: goodSampler,
	},
	{
		ID: "sampler-always-on", Severity: finding.Info, Raised: true, check: samplerAlwaysOn,
		Means:  "every trace that begins here is exported: always_on, or a ratio of 1",
		Why:    "the agent's load and X-Ray's bill grow with it; some designs want it",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"parentbased_traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"1.0"}]}]}`,
		Passes: goodSampler,
	},
	{
		ID: "sampler-missing", Severity: finding.Info, Raised: true, check: samplerMissing,
		Means:  "an instrumented container, or the service's own one where none shows instrumentation, sets no sampler",
		Why:    "OpenTelemetry's default is parentbased_always_on (specification, SDK environment variables), ADOT Java's with Application Signals is xray (AwsApplicationSignalsCustomizerProvider); what the image sets is not visible",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_SERVICE_NAME","value":"shop"}]}]}`,
		Passes: `{"containerDefinitions":[{"name":"app","image":"shop:1","secrets":[{"name":"OTEL_TRACES_SAMPLER","valueFrom":"arn:aws:ssm:eu-west-1:111122223333:parameter/s"}]}]}`,
	},
	{
		ID: "sampler-not-parentbased", Severity: finding.Info, Raised: true, check: samplerNotParentBased,
		Means:  "the sampler ignores the caller's decision",
		Why:    "each service then decides anew and traces come out in pieces (specification, trace SDK, ParentBased)",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"0.5"}]}]}`,
		Passes: goodSampler,
	},
	{
		ID: "sampler-arg-invalid", Severity: finding.Warning, check: samplerArgInvalid,
		Means:  "the sampler's argument cannot be read: no number in [0, 1], a percentage, a comma, quotes, a broken list, or none where one is needed",
		Why:    "SDKs ignore it and sample everything (specification: an invalid value is treated as unset, and an unset ratio is 1.0); Java's SDK does not start (opentelemetry-java, DefaultConfigProperties)",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"10"}]}]}`,
		Passes: goodSampler,
	},
	{
		ID: "sampler-arg-mismatch", Severity: finding.Warning, check: samplerArgMismatch,
		Means:  "the argument belongs to another sampler",
		Why:    "a leftover endpoint=… under a ratio sampler means 100 % (the JavaScript distribution logs \"invalid, defaulting to 1\"), and no telemetry at all with Java's SDK; info where the leftover does no harm",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"parentbased_traceidratio"},{"name":"OTEL_TRACES_SAMPLER_ARG","value":"endpoint=http://localhost:2000"}]}]}`,
		Passes: goodSampler,
	},
	{
		ID: "sampler-unknown", Severity: finding.Warning, check: samplerUnknown,
		Means:  "no sampler of the specification or of the AWS distributions has this name",
		Why:    "an SDK that does not know the name keeps its default, which samples everything, and Java's does not start (TracerProviderConfiguration); info for a vendor's dotted or an experimental name, and for a spelling that some SDKs forgive",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"off"}]}]}`,
		Passes: `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"always_off"}]}]}`,
	},
	{
		ID: "exporter-endpoint-unreachable", Severity: finding.Warning, check: exporterUnreachable,
		Means:  "telemetry is sent where nobody can listen: no scheme, a host of EKS only, a telemetry port on localhost without an agent, a port that speaks another protocol",
		Why:    "OTLP exporter specification; CloudWatch user guide, application-signals-samplerate (EKS host); ECS developer guide, task-networking. Info where it is likely and not proven",
		Fails:  `{"networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT","value":"http://localhost:4316/v1/traces"}]}]}`,
		Passes: `{"networkMode":"awsvpc","containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT","value":"http://localhost:4316/v1/traces"}]},{"name":"ecs-cwagent","image":"public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300071.0b1"}]}`,
	},
	{
		ID: "env-name-conflict", Severity: finding.Warning, check: nameConflict,
		Means:  "a variable is set twice with different values, or both inline and as a secret",
		Why:    "which one the process gets is not documented; info where the values are not kept and may be equal",
		Fails:  `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_SERVICE_NAME","value":"a"},{"name":"OTEL_SERVICE_NAME","value":"b"}]}]}`,
		Passes: `{"containerDefinitions":[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_SERVICE_NAME","value":"a"},{"name":"OTEL_SERVICE_NAME","value":"a"}]}]}`,
	},
	{
		ID: "sidecar-essential", Severity: finding.Info, check: sidecarEssential,
		Means: "a crash of the sidecar stops the whole task",
		Why:   "AWS's sample sets essential to true (CloudWatch user guide, application-signals-ecs-sidecar): an agent's bug becomes task churn",
		Fails: bareSidecar, Passes: goodSidecar,
	},
	{
		ID: "sidecar-no-restart-policy", Severity: finding.Info, check: sidecarNoRestart,
		Means: "nothing starts the sidecar again inside its task",
		Why:   "ECS developer guide, container-restart-policy",
		Fails: bareSidecar, Passes: goodSidecar,
	},
	{
		ID: "sidecar-no-health-check", Severity: finding.Info, check: sidecarNoHealthCheck,
		Means: "a hanging sidecar looks like a healthy one",
		Why:   "ECS developer guide, healthcheck",
		Fails: bareSidecar, Passes: goodSidecar,
	},
	{
		ID: "sidecar-no-memory-limit", Severity: finding.Info, check: sidecarNoMemory,
		Means: "a leak of the sidecar takes the service's memory",
		Why:   "aws/amazon-cloudwatch-agent issue #264 (open): the agent's memory grows until it is killed",
		Fails: bareSidecar, Passes: goodSidecar,
	},
	{
		ID: "sidecar-no-logs", Severity: finding.Info, check: sidecarNoLogs,
		Means: "nothing says why the sidecar died",
		Why:   "the last log lines are the evidence for a crash; ECS keeps an exit code at most",
		Fails: bareSidecar, Passes: goodSidecar,
	},
	{
		ID: "sidecar-known-bad-version", Severity: finding.Warning, check: sidecarBadVersion,
		Means: "the image's tag names a version with crashes that a later one fixed; a moving tag is a gap, not a problem",
		Why:   "release notes and pull requests of aws/amazon-cloudwatch-agent; 1.300059.0 fixed the concurrent map writes",
		Fails: bareSidecar, Passes: goodSidecar,
	},
}
