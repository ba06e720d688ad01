package account

// Scenario describes a world: what runs in the account, how its containers live and die, and what people and AWS do to it
// over time.
type Scenario struct {
	Name string `yaml:"name"`
	// Why tells the story in a sentence or two.
	Why       string `yaml:"why"`
	Region    string `yaml:"region,omitempty"`    // us-east-1 where it is left out
	AccountID string `yaml:"accountId,omitempty"` // 111122223333 where it is left out
	// Seed makes every draw; equal scenarios with equal seeds give equal worlds.
	Seed uint64 `yaml:"seed,omitempty"`
	// History is how long the world has been going before the account is opened: its deaths, service events and log
	// streams are there to be found.
	History Span   `yaml:"history,omitempty"`
	Timing  Timing `yaml:"timing,omitempty"`
	// RestartCount says what Container Insights' metric of that name holds, which AWS does not document: the total of the task
	// so far, or the delta of the minute (default).
	RestartCount string    `yaml:"restartCount,omitempty"`
	Images       []Image   `yaml:"images,omitempty"`
	Clusters     []Cluster `yaml:"clusters"`
	Timeline     []Step    `yaml:"timeline,omitempty"`
}

// Image is what a tag means. One that is not declared means the same for ever, and ECR does not know it.
type Image struct {
	Name      string   `yaml:"name"`                // as containers write it, tag included; ECR's are ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG
	Digest    string   `yaml:"digest"`              // sha256:…; what a pull gets, and what ECS resolves the tag to
	Manifests []string `yaml:"manifests,omitempty"` // digests of the platforms' manifests, where it is an index
}

// Timing holds the delays of the account's machinery. A span that is left out takes the value that Fargate shows in the field.
type Timing struct {
	Schedule    Span `yaml:"schedule,omitempty"`    // from a need to the scheduler's next look: 1s..4s
	Provision   Span `yaml:"provision,omitempty"`   // PROVISIONING: 8s..15s
	Pull        Span `yaml:"pull,omitempty"`        // PENDING: 5s..15s
	Healthy     Span `yaml:"healthy,omitempty"`     // RUNNING until it counts as healthy without a health check: 40s
	Drain       Span `yaml:"drain,omitempty"`       // DEACTIVATING, behind a load balancer: 30s
	Terminate   Span `yaml:"terminate,omitempty"`   // SIGTERM until a container that obeys it is gone: 500ms..3s
	Deprovision Span `yaml:"deprovision,omitempty"` // DEPROVISIONING: 12s..25s
	Evaluate    Span `yaml:"evaluate,omitempty"`    // between two evaluations of an alarm: 1m
	Deregister  Span `yaml:"deregister,omitempty"`  // how long a deregistered revision can still be deployed: 0..10m
}

// Cluster is an ECS cluster.
type Cluster struct {
	Name              string    `yaml:"name"`
	ContainerInsights string    `yaml:"containerInsights,omitempty"` // disabled, enabled or enhanced
	Services          []Service `yaml:"services"`
}

// Service is a service of the REPLICA strategy under the ECS deployment controller.
type Service struct {
	Name             string         `yaml:"name"`
	Desired          int            `yaml:"desired"`
	Launch           string         `yaml:"launch,omitempty"`           // FARGATE (default) or EC2
	CapacityProvider string         `yaml:"capacityProvider,omitempty"` // such as FARGATE_SPOT; instead of launch
	TaskDefinition   TaskDefinition `yaml:"taskDefinition"`
	// Models says by container name how it lives; one without a model runs for ever and obeys SIGTERM.
	Models                map[string]Model `yaml:"models,omitempty"`
	Signals               []Signal         `yaml:"signals,omitempty"`
	MinimumHealthyPercent *int             `yaml:"minimumHealthyPercent,omitempty"` // 100
	MaximumPercent        *int             `yaml:"maximumPercent,omitempty"`        // 200
	CircuitBreaker        string           `yaml:"circuitBreaker,omitempty"`        // off (default), stop or rollback
	// BakeTime makes deployments blue/green: old and new tasks run for so long once the new ones are healthy.
	BakeTime     Span              `yaml:"bakeTime,omitempty"`
	LoadBalancer LoadBalancer      `yaml:"loadBalancer,omitempty"`
	Controller   string            `yaml:"controller,omitempty"` // ECS (default), CODE_DEPLOY, EXTERNAL
	CreatedBy    string            `yaml:"createdBy,omitempty"`  // an IAM ARN
	Tags         map[string]string `yaml:"tags,omitempty"`
	Stack        string            `yaml:"stack,omitempty"` // the CloudFormation stack that made it
}

// Signal is what each running task of an instrumented service tells Application Signals of one operation.
type Signal struct {
	When            map[string]string `yaml:"when,omitempty"` // as of a Case
	Service         string            `yaml:"service"`        // as Application Signals names it
	Environment     string            `yaml:"environment"`
	Operation       string            `yaml:"operation"`               // such as "GET /cart" or InternalOperation
	RemoteService   string            `yaml:"remoteService,omitempty"` // what it calls
	RemoteOperation string            `yaml:"remoteOperation,omitempty"`
	PerMinute       int               `yaml:"perMinute"`         // requests of one task
	Latency         float64           `yaml:"latency,omitempty"` // milliseconds of each
}

// LoadBalancer puts a service behind a target group.
type LoadBalancer struct {
	TargetGroup string `yaml:"targetGroup,omitempty"` // its name; none: no load balancer
	Container   string `yaml:"container,omitempty"`
	Port        int    `yaml:"port,omitempty"`
}

// TaskDefinition is the first revision of a service's family.
type TaskDefinition struct {
	Family string `yaml:"family"`
	// Containers are container definitions as ECS writes them, with two conveniences: environment may be a map, and a
	// container that has no logConfiguration logs by awslogs to group /ecs/<family> with prefix ecs (null: no logs).
	Containers []map[string]any  `yaml:"containers"`
	Tags       map[string]string `yaml:"tags,omitempty"`
	// With holds further members of RegisterTaskDefinition, such as cpu, memory and volumes.
	With map[string]any `yaml:"with,omitempty"`
	// RegisteredBy is the IAM ARN that shows as registeredBy.
	RegisteredBy string `yaml:"registeredBy,omitempty"`
}

// Model says how a container lives and dies.
type Model struct {
	// Cases are tried in order on each start; the first that matches the task's environment applies, none: it runs for ever.
	Cases   []Case  `yaml:"cases,omitempty"`
	OnStop  Ending  `yaml:"onStop,omitempty"`
	Start   Lines   `yaml:"start,omitempty"`   // log lines at every start
	Chatter Chatter `yaml:"chatter,omitempty"` // log lines now and then
}

// Lines are log lines, one string each or one text block.
type Lines []string

// Case is one way to die.
type Case struct {
	// When names environment variables and their values, looked up in all containers of the task's definition; an empty
	// value means not set. No names: always.
	When     map[string]string `yaml:"when,omitempty"`
	Lifetime Span              `yaml:"lifetime,omitempty"` // from its start; for death start: unused
	Death    Death             `yaml:"death,omitempty"`
	Exit     int               `yaml:"exit,omitempty"` // the exit code of deaths exit and oom (there 0 means 137)
	// Text is the container's reason, or with death start what ECS says about the task.
	Text string `yaml:"text,omitempty"`
	Log  Lines  `yaml:"log,omitempty"` // its last lines
}

// Death is how a container's life ends.
type Death string

// The deaths a case may name.
const (
	DeathExit   Death = "exit"   // the process ends; the default where a lifetime or exit code is given
	DeathOOM    Death = "oom"    // killed for its memory
	DeathELB    Death = "elb"    // stops answering the load balancer, so ECS stops the task
	DeathHealth Death = "health" // fails its container health check, so ECS stops the task
	DeathStart  Death = "start"  // the task never starts
)

// Ending is how a container takes SIGTERM.
type Ending struct {
	Exit  *int  `yaml:"exit,omitempty"`  // 143 where left out; 137: it ignores SIGTERM and is killed after its stopTimeout
	After Span  `yaml:"after,omitempty"` // timing.terminate where left out
	Log   Lines `yaml:"log,omitempty"`
}

// Chatter is a healthy container's log: each of the lines in turn, once every so often.
type Chatter struct {
	Every Span  `yaml:"every,omitempty"`
	Lines Lines `yaml:"lines,omitempty"`
}

// Step is something that happens to the account at a time.
type Step struct {
	At    Span   `yaml:"at"` // after the start; before it, within the history, with a minus
	Every Span   `yaml:"every,omitempty"`
	Times int    `yaml:"times,omitempty"` // how often with every; 0: for ever
	Do    Action `yaml:"do"`
	Why   string `yaml:"why"`

	Service   string                       `yaml:"service,omitempty"` // cluster/service, or service alone where unique
	Set       map[string]map[string]string `yaml:"set,omitempty"`     // deploy: container, name, value
	Image     map[string]string            `yaml:"image,omitempty"`   // deploy: container, image
	Push      []Image                      `yaml:"push,omitempty"`    // push: what tags mean from now on
	Desired   int                          `yaml:"desired,omitempty"` // scale
	Count     int                          `yaml:"count,omitempty"`   // of tasks: spot, maintenance, stop, elb, kill, host (1)
	Reason    string                       `yaml:"reason,omitempty"`  // stop: the operator's words; kill: the container's reason
	Container string                       `yaml:"container,omitempty"`
	Exit      int                          `yaml:"exit,omitempty"` // kill
	Log       Lines                        `yaml:"log,omitempty"`  // kill
	Model     Model                        `yaml:"model,omitempty"`
	Actions   []string                     `yaml:"actions,omitempty"` // deny, allow: IAM actions
	Ops       []string                     `yaml:"ops,omitempty"`     // fault: operations by their IAM names, also as patterns
	Kind      FaultKind                    `yaml:"kind,omitempty"`    // fault: what goes wrong with them
	For       Span                         `yaml:"for,omitempty"`     // fault: how long; left out: for ever
	Calls     int                          `yaml:"calls,omitempty"`   // fault: how many calls it strikes; 0: all
	By        Span                         `yaml:"by,omitempty"`      // fault: of kinds stale and skew
}

// Action is what a step does.
type Action string

// The actions of a timeline.
const (
	DoDeploy      Action = "deploy"      // registers the definition with set and image applied, and updates the service to it
	DoPush        Action = "push"        // pushes images: tags mean something else
	DoScale       Action = "scale"       // sets the desired count
	DoSpot        Action = "spot"        // AWS takes spot capacity back
	DoMaintenance Action = "maintenance" // Fargate task retirement
	DoHost        Action = "host"        // an EC2 host is terminated
	DoStop        Action = "stop"        // an operator stops tasks
	DoELB         Action = "elb"         // tasks fail the load balancer's health checks
	DoKill        Action = "kill"        // a container dies
	DoSetModel    Action = "set-model"   // a container lives by another model from now on
	DoDeny        Action = "deny"        // IAM denies actions
	DoAllow       Action = "allow"       // IAM allows them again
	DoFault       Action = "fault"       // answers go wrong
)

// UnmarshalYAML reads a list of lines, or a text block that is split into lines.
func (l *Lines) UnmarshalYAML(decode func(any) error) error {
	var list []string
	if err := decode(&list); err == nil {
		*l = list
		return nil
	}
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	*l = splitLines(text)
	return nil
}
