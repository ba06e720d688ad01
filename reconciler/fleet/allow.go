package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/mask"
)

// AllowList says which environment variables' values may be kept. All others keep their names only: many people may read a task
// definition, and that is no reason to spread its values.
type AllowList struct {
	names []string
	// given are the values that policies name for a variable. The operator wrote them, so they are kept as they are.
	given map[string][]string
}

// builtin holds the settings of OpenTelemetry and Application Signals that are judged and that carry no credentials.
// OTEL_EXPORTER_OTLP_HEADERS and its like carry API keys and stay out; of OTEL_RESOURCE_ATTRIBUTES only what names a service is kept.
var builtin = []string{
	"AWS_XRAY_DAEMON_ADDRESS",
	"OTEL_AWS_APPLICATION_SIGNALS_ENABLED",
	"OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT",
	"OTEL_AWS_APPLICATION_SIGNALS_RUNTIME_ENABLED",
	"OTEL_AWS_APP_SIGNALS_ENABLED",
	"OTEL_EXPORTER_OTLP_ENDPOINT",
	"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
	"OTEL_EXPORTER_OTLP_PROTOCOL",
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
	"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
	"OTEL_LOGS_EXPORTER",
	"OTEL_METRICS_EXPORTER",
	"OTEL_PROPAGATORS",
	"OTEL_PYTHON_CONFIGURATOR",
	"OTEL_PYTHON_DISTRO",
	"OTEL_RESOURCE_ATTRIBUTES",
	"OTEL_SDK_DISABLED",
	"OTEL_SERVICE_NAME",
	"OTEL_TRACES_EXPORTER",
	"OTEL_TRACES_SAMPLER",
	"OTEL_TRACES_SAMPLER_ARG",
}

// NewAllowList is the built-in list and the variables that policies name.
func NewAllowList(more ...string) AllowList {
	names := append(slices.Clone(builtin), more...)
	slices.Sort(names)
	return AllowList{names: slices.Compact(names)}
}

// With is the list with values that a policy names for a variable: it compares with them.
func (a AllowList) With(name string, values ...string) AllowList {
	out := NewAllowList(append(slices.Clone(a.names), name)...)
	out.given = maps.Clone(a.given)
	if out.given == nil {
		out.given = map[string][]string{}
	}
	all := append(slices.Clone(out.given[name]), values...)
	slices.Sort(all)
	out.given[name] = slices.Compact(all)
	return out
}

// masked names the rules of the mask in Hash. A release that masks more counts it up, so that values which an earlier one kept are
// read again.
const masked = "mask 2"

// Hash names the list and the mask: definitions reduced under others are fetched again.
func (a AllowList) Hash() string {
	parts := append([]string{masked}, a.names...)
	for _, name := range slices.Sorted(maps.Keys(a.given)) {
		parts = append(append(parts, "="+name), a.given[name]...)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:4])
}

// Reduce keeps the value if the variable is on the list, without credentials. A value that the mask cannot read is not kept. Every
// value of an environment variable that taskwarden keeps comes from here.
func (a AllowList) Reduce(name, value string) EnvVar {
	if _, ok := slices.BinarySearch(a.names, name); !ok {
		return EnvVar{Name: name}
	}
	if slices.Contains(a.given[name], value) {
		return EnvVar{Name: name, Value: value, Kept: true}
	}
	if mask.Secret(name) {
		return EnvVar{Name: name, Masked: true}
	}
	if name == "OTEL_RESOURCE_ATTRIBUTES" {
		value = namingAttributes(value)
	}
	kept, ok := mask.Value(value)
	return EnvVar{Name: name, Value: kept, Kept: ok, Masked: kept != value}
}

// naming are the resource attributes that name a service's metrics; anything else in the list may be private.
var naming = []string{"aws.hostedin.environment", "deployment.environment", "deployment.environment.name", "service.name"}

func namingAttributes(value string) string {
	var kept []string
	for pair := range strings.SplitSeq(value, ",") {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains(naming, strings.TrimSpace(name)) {
			kept = append(kept, strings.TrimSpace(pair))
		}
	}
	return strings.Join(kept, ",")
}
