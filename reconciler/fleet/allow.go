package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

// AllowList says which environment variables' values may be kept. All others keep their names only: values in a task
// definition are readable to many, and are still nobody's to spread.
type AllowList struct{ names []string }

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
	return AllowList{slices.Compact(names)}
}

// Hash names the list: definitions reduced under another list are fetched again.
func (a AllowList) Hash() string {
	sum := sha256.Sum256([]byte(strings.Join(a.names, "\n")))
	return hex.EncodeToString(sum[:4])
}

// Reduce keeps the value if the variable is on the list, without a password in a URL.
func (a AllowList) Reduce(name, value string) EnvVar {
	if _, ok := slices.BinarySearch(a.names, name); !ok {
		return EnvVar{Name: name}
	}
	if name == "OTEL_RESOURCE_ATTRIBUTES" {
		value = namingAttributes(value)
	}
	return EnvVar{Name: name, Value: withoutUser(value), Kept: true}
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

func withoutUser(value string) string {
	if !strings.Contains(value, "@") {
		return value
	}
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return value
	}
	u.User = nil
	return u.String()
}
