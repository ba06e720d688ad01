package otel

import (
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// language is one language's OpenTelemetry SDK: how a container shows that it runs it, and what that SDK does with
// settings that it cannot use.
type language struct {
	Name string
	// Signs are names of variables, or beginnings of names with a star at the end. Their values are not looked at: they
	// carry paths, and sometimes secrets.
	Signs []string
	// Folds tells whether the SDK ignores a sampler name's case; Trims, whether it ignores white space around it.
	Folds, Trims bool
	// BadRatio, NoRatio and BadName are the rest of a sentence: what follows from a ratio that is none, from none at all,
	// and from a sampler that the SDK does not know.
	BadRatio, NoRatio, BadName string
	// Fatal: what the SDK cannot read stops the SDK, so that it is an error even where nothing is exported.
	Fatal bool
}

// languages are told apart by the variables of AWS's recipe (CloudWatch user guide, application-signals-ecs-sidecar) and of
// the runtimes. What each does is read from its source:
//
//   - Java: opentelemetry-java, TracerProviderConfiguration.configureSampler and DefaultConfigProperties, which throw on a
//     value that they cannot read; TraceIdRatioBasedSampler.create, which throws outside [0, 1]. ADOT Java with Application
//     Signals puts endpoint=http://localhost:2000 where the argument is unset, and xray where the sampler is
//     (AwsApplicationSignalsCustomizerProvider.customizeProperties).
//   - JavaScript: aws-otel-js-instrumentation, buildSamplerFromEnv and getSamplerProbabilityFromEnv.
//   - Python: opentelemetry-python, sdk/trace/sampling.py _get_from_env_or_default and sdk/_configuration _import_sampler.
//   - .NET: opentelemetry-dotnet, TracerProviderSdk.GetSampler.
var languages = []language{
	{
		Name: "Java", Signs: []string{"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "OTEL_JAVAAGENT_*"}, Fatal: true,
		BadRatio: "the Java SDK then does not start, and nothing is traced",
		NoRatio:  "the Java SDK takes 1.0, everything; with Application Signals ADOT Java puts endpoint=http://localhost:2000 in its place, and then the SDK does not start",
		BadName:  "the Java SDK does not start with it, and nothing is traced",
	},
	{
		Name: "JavaScript", Signs: []string{"NODE_OPTIONS", "OTEL_NODE_*"},
		BadRatio: "the JavaScript SDK logs that it is invalid and takes 1: everything is sampled",
		NoRatio:  "the JavaScript SDK logs that it is blank and takes 1: everything is sampled",
		BadName:  "the JavaScript SDK logs that it is invalid and samples everything, whatever callers decided",
	},
	{
		Name: "Python", Signs: []string{"OTEL_PYTHON_*", "OTEL_AWS_PYTHON_*", "PYTHONPATH"}, Folds: true, Trims: true,
		BadRatio: "the Python SDK takes 1.0, everything, for what is no number, and fails on one outside [0, 1]",
		NoRatio:  "the Python SDK takes 1.0: everything is sampled",
		BadName:  "the Python SDK warns and keeps its default, which samples everything",
	},
	{
		Name: ".NET", Signs: []string{"CORECLR_*", "OTEL_DOTNET_AUTO_*", "DOTNET_STARTUP_HOOKS", "DOTNET_ADDITIONAL_DEPS", "DOTNET_SHARED_STORE", "ASPNETCORE_*"}, Folds: true,
		BadRatio: "the .NET SDK takes 1.0 for what is no number, and refuses one outside [0, 1]",
		NoRatio:  "the .NET SDK takes 1.0: everything is sampled",
		BadName:  "the .NET SDK keeps its default, which samples everything",
	},
}

// anyLanguage is what the specification asks of all ("SDK environment variables").
var anyLanguage = language{
	BadRatio: "SDKs then take 1.0, everything, and Java's does not start",
	NoRatio:  "SDKs take 1.0, everything, and ADOT Java with Application Signals puts endpoint=http://localhost:2000 in its place",
	BadName:  "an SDK that does not know it warns and keeps its default, which samples everything; Java's does not start",
}

// languageOf is the language that c shows; anyLanguage where it shows none, or several.
func languageOf(c fleet.ContainerDefinition) language {
	found := anyLanguage
	for i := range languages {
		if !languages[i].shown(c) {
			continue
		}
		if found.Name != "" {
			return anyLanguage
		}
		found = languages[i]
	}
	return found
}

func (l *language) shown(c fleet.ContainerDefinition) bool {
	is := func(name string) bool {
		return slices.ContainsFunc(l.Signs, func(sign string) bool {
			head, starred := strings.CutSuffix(sign, "*")
			return name == sign || starred && strings.HasPrefix(name, head)
		})
	}
	return slices.ContainsFunc(c.Env, func(e fleet.EnvVar) bool { return is(e.Name) }) || slices.ContainsFunc(c.Secrets, is)
}
