package config

// APIVersion names the version of the format.
type APIVersion string

// APIVersionV1 is the version this program reads.
const APIVersionV1 APIVersion = "taskwarden/v1"

// Values lists the versions this program reads.
func (APIVersion) Values() []string { return []string{string(APIVersionV1)} }

// Kind names what the document describes.
type Kind string

// KindControllerConfig is the only kind there is.
const KindControllerConfig Kind = "ControllerConfig"

// Values lists the kinds this program reads.
func (Kind) Values() []string { return []string{string(KindControllerConfig)} }

// Config is the whole configuration of one controller. A value that [Load]
// returned is complete: what was left out has its default, and every rule holds.
type Config struct {
	// Version of the format; required in every file that is not empty.
	APIVersion APIVersion `yaml:"apiVersion" required:"true"`
	// What the document is; required in every file that is not empty.
	Kind Kind `yaml:"kind" required:"true"`
	// Who this controller is. A change needs a restart.
	Controller Controller `yaml:"controller"`
	// IANA time zone for schedules, windows without their own, and plain dates. Default UTC.
	Timezone string `yaml:"timezone" format:"timezone"`
	// Accounts and regions to watch. None: the ambient account and region, named "default".
	Targets []Target `yaml:"targets"`
	// How ECS is read.
	Watch Watch `yaml:"watch"`
	// When task churn becomes a finding.
	Detect Detect `yaml:"detect"`
	// Which settings of a task definition are judged.
	Lint Lint `yaml:"lint"`
	// Custom metrics in CloudWatch.
	Metrics Metrics `yaml:"metrics"`
	// Alarms in CloudWatch.
	Alarms Alarms `yaml:"alarms"`
	// Rollout of environment fixes.
	Remediation Remediation `yaml:"remediation"`
	// When the slow jobs run.
	Schedules Schedules `yaml:"schedules"`
	// How long records are kept.
	Retention Retention `yaml:"retention"`
	// Where records are kept. A change needs a restart.
	Store Store `yaml:"store"`
	// The HTTP API, console and metrics endpoint. A change needs a restart.
	Server Server `yaml:"server"`
}

// Controller is the identity of a controller.
type Controller struct {
	// Owner id: written into the names and the taskwarden:owner tag of all that this controller creates. Replicas share it. Default taskwarden.
	ID string `yaml:"id" format:"name"`
}

// Target is one account and region to watch.
type Target struct {
	// Name of the target, unique, in addresses, metrics and alarm names.
	Name string `yaml:"name" format:"name" required:"true"`
	// AWS region, as ap-northeast-1.
	Region string `yaml:"region" format:"region" required:"true"`
	// IAM role to assume in the target's account. Left out: the ambient credentials.
	RoleARN string `yaml:"roleArn,omitempty" format:"roleArn"`
	// External id that the role's trust policy asks for. Never printed.
	ExternalID string `yaml:"externalId,omitempty" format:"externalId" secret:"true"`
	// Glob patterns of the cluster names to watch. Default all.
	Clusters []string `yaml:"clusters" format:"glob" nonempty:"true"`
	// Glob patterns of cluster names to leave alone; they win over clusters.
	ExcludeClusters []string `yaml:"excludeClusters" format:"glob"`
	// Glob patterns of the service names to watch. Default all.
	Services []string `yaml:"services" format:"glob" nonempty:"true"`
	// Glob patterns of service names to leave alone; they win over services.
	ExcludeServices []string `yaml:"excludeServices" format:"glob"`
	// What this target's alarms notify, in place of alarms.actions, because topics are regional. A list left out or empty is inherited.
	Actions Actions `yaml:"actions,omitempty"`
}

// Watch is how ECS is read.
type Watch struct {
	// Wished interval between two complete looks, at least 1s. The effective one is longer where the API budget asks for it. Default 5m.
	Resync Duration `yaml:"resync" min:"1s"`
	// Task events from EventBridge, which make stops visible at once.
	Events Events `yaml:"events,omitempty"`
	// Share of burst and refill of each documented ECS API bucket to use, per account and region, above 0 and at most 1. Default 0.25.
	APIBudget Share `yaml:"apiBudget"`
}

// Events is the queue that an EventBridge rule for ECS events feeds.
type Events struct {
	// URL of the SQS queue. Left out: events are off and polling alone is used.
	QueueURL string `yaml:"queueUrl,omitempty" format:"queueUrl"`
}

// Lint is which rules over task definitions are applied.
type Lint struct {
	// Rules by name, each on or off. A rule left out is on.
	Rules map[LintRule]Switch `yaml:"rules"`
}

// Metrics is the custom metrics in the CloudWatch namespace TaskWarden.
type Metrics struct {
	// Whether gauges, counters and the heartbeat are sent. Default true.
	Enabled bool `yaml:"enabled"`
}

// Schedules is when the slow jobs run, in cron syntax or as "@every 15m", in the configuration's time zone.
type Schedules struct {
	// Comparison of the alarms that exist with those that should. Default @every 15m.
	AlarmAudit string `yaml:"alarmAudit" format:"cron"`
	// The daily summary. Default 0 9 * * *.
	Report string `yaml:"report" format:"cron"`
}

// Retention is how long records are kept.
type Retention struct {
	// Stopped tasks and their verdicts, at least 1d. Default 90d.
	Stops Duration `yaml:"stops" min:"1d"`
	// The audit trail, at least 1d. Default 365d.
	Audit Duration `yaml:"audit" min:"1d"`
}

// Store is where records are kept.
type Store struct {
	// bolt: a file, for one controller. dynamodb: a table that replicas share. Default bolt.
	Type StoreType `yaml:"type"`
	// Directory of the bolt file, relative to the working directory. Default ./data.
	Path string `yaml:"path,omitempty"`
	// Name of the DynamoDB table.
	Table string `yaml:"table,omitempty" format:"table"`
}

// StoreType is the engine behind the store.
type StoreType string

// The engines.
const (
	StoreBolt     StoreType = "bolt"
	StoreDynamoDB StoreType = "dynamodb"
)

// Values lists the engines.
func (StoreType) Values() []string { return []string{string(StoreBolt), string(StoreDynamoDB)} }

// Server is the HTTP API, console and metrics endpoint.
type Server struct {
	// host:port to listen on. An address that other machines reach needs tokens. Default 127.0.0.1:8080.
	Address string `yaml:"address" format:"address"`
	// Who may use the API. None: reads from this machine need no token, and nobody may write.
	Tokens []Token `yaml:"tokens"`
}

// Token is one bearer token of the API, known by its hash only.
type Token struct {
	// Who holds it, unique, for the audit trail.
	Name string `yaml:"name,omitempty" format:"name"`
	// viewer: may read. approver: may also approve, reject, roll back, reset, pause and resume.
	Role Role `yaml:"role" required:"true"`
	// Date, or time in RFC 3339, from which the token is refused. Left out: never.
	Expires Moment `yaml:"expires,omitempty"`
	// SHA-256 of the token in 64 lowercase hex digits (printf %s "$TOKEN" | sha256sum). Never printed.
	SHA256 string `yaml:"sha256" format:"sha256" required:"true" secret:"true"`
}

// Role is what the holder of a token may do.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"
	RoleApprover Role = "approver"
)

// Values lists the roles.
func (Role) Values() []string { return []string{string(RoleViewer), string(RoleApprover)} }
