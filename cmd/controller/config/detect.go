package config

// Detect is when task churn becomes a finding.
type Detect struct {
	// The time over which unplanned stops are counted, at least 1s. Default 24h.
	Window Duration `yaml:"window" min:"1s"`
	// Unplanned stops in the window that open a finding, at least 1. Default 3.
	Threshold int `yaml:"threshold" min:"1"`
	// Unplanned stops per task and day that the lower 95 % bound of the observed rate must exceed, at least 0. Default 0.1.
	RatePerTaskDay float64 `yaml:"ratePerTaskDay" min:"0"`
	// What makes a finding critical at once.
	Storm Storm `yaml:"storm"`
	// Time without a death after which a finding clears, at least 1s. Default auto: twice the 95th percentile of the lifetimes.
	ClearAfter Auto `yaml:"clearAfter" min:"1s"`
	// Other thresholds for some services; the first that matches wins.
	Overrides []Override `yaml:"overrides"`
	// More glob patterns of container names or images that are sidecars, beside the built-in list.
	Sidecars []string `yaml:"sidecars" format:"glob"`
	// More log lines to recognise, beside the built-in list.
	Signatures []Signature `yaml:"signatures"`
	// Reading of a dead container's last log lines.
	Logs Logs `yaml:"logs"`
}

// Storm is a burst of unplanned stops.
type Storm struct {
	// Unplanned stops, at least 1. Default 3.
	Stops int `yaml:"stops" min:"1"`
	// The time they fall into, at least 1s. Default 15m.
	Within Duration `yaml:"within" min:"1s"`
}

// Match selects services. A list left out or empty selects all.
type Match struct {
	// Glob patterns of cluster names.
	Clusters []string `yaml:"clusters" format:"glob"`
	// Glob patterns of service names.
	Services []string `yaml:"services" format:"glob"`
}

// Override is another threshold for some services.
type Override struct {
	// The services.
	Match Match `yaml:"match"`
	// Their threshold in place of detect.threshold, at least 1.
	Threshold int `yaml:"threshold" min:"1" required:"true"`
}

// Signature is a log line that tells why a process died.
type Signature struct {
	// Name shown in verdicts, unique, other than a built-in one.
	Name string `yaml:"name" format:"name" required:"true"`
	// Regular expression in RE2 syntax that the line matches.
	Pattern string `yaml:"pattern" format:"regexp" required:"true"`
	// Whether the process dies of it. Default false: a hint only.
	Fatal bool `yaml:"fatal"`
}

// Logs is the reading of a dead container's last log lines.
type Logs struct {
	// Whether log lines are read at all. Default true.
	Enabled bool `yaml:"enabled"`
	// Last lines to read for each container, 1 to 10000 (what one GetLogEvents call returns at most). Default 100.
	Lines int `yaml:"lines" min:"1" max:"10000"`
	// Where logs are whose place the task definition does not tell; the first that matches wins.
	Locations []Location `yaml:"locations"`
}

// Location is a place in CloudWatch Logs. Group and stream may hold {cluster}, {service}, {family}, {container} and {task} (the task id).
type Location struct {
	// The services whose logs are there.
	Match Match `yaml:"match"`
	// Name of the log group.
	Group string `yaml:"group" format:"logGroup" required:"true"`
	// Name of the log stream, which holds {task}. Left out (not in this version): every stream of the group whose name holds the task id.
	Stream string `yaml:"stream,omitempty" format:"logStream"`
}

// Switch is on or off.
type Switch string

// The positions.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// Values lists the positions.
func (Switch) Values() []string { return []string{string(On), string(Off)} }

// LintRule names a rule over task definitions.
type LintRule string

// Values lists the rules, in the order of their documentation.
func (LintRule) Values() []string {
	return []string{
		"sampler-xray", "sampler-always-on", "sampler-missing", "sampler-not-parentbased",
		"sampler-arg-invalid", "sampler-arg-mismatch", "sampler-unknown",
		"exporter-endpoint-unreachable", "env-name-conflict",
		"sidecar-essential", "sidecar-no-restart-policy", "sidecar-no-health-check",
		"sidecar-no-memory-limit", "sidecar-no-logs", "sidecar-known-bad-version",
	}
}

// FindingType names a kind of finding.
type FindingType string

// Values lists the kinds of findings.
func (FindingType) Values() []string {
	return []string{
		"SilentChurn", "SidecarCrash", "SidecarRestarting", "SidecarDown", "TelemetryFlood",
		"OTELMisconfigured", "AlarmMissing", "AlarmDrifted", "AlarmBlind",
		"FixReverted", "FixIneffective", "RemediationHeld", "Unobservable",
	}
}
