package fleet

import (
	"strings"
	"time"
)

// Lifecycle statuses this product asks about; others are data.
const (
	StatusRunning = "RUNNING"
	StatusStopped = "STOPPED"
)

// Task is one ECS task as DescribeTasks or a task state change event told it. Times are zero where AWS gave none.
type Task struct {
	ARN              string
	ClusterARN       string
	Group            string // service:<name>, family:<family>, or what RunTask was given
	StartedBy        string // a service's task: the deployment id
	TaskDefinition   string // ARN
	LastStatus       string
	DesiredStatus    string
	StopCode         string
	StoppedReason    string
	LaunchType       string
	CapacityProvider string
	AvailabilityZone string
	// ContainerInstance is the id of the host's container instance; "" on Fargate.
	ContainerInstance string
	Connectivity      string
	Health            string
	CreatedAt         time.Time // entered PENDING
	StartedAt         time.Time // PENDING to RUNNING; zero: it never ran
	StoppingAt        time.Time
	ExecutionStopped  time.Time // an essential container's exit
	StoppedAt         time.Time
	Version           int64 // grows with each change; orders events of one task
	Containers        []Container
}

// Container is one container of a task. It tells neither when it started nor whether it is essential: that is in the
// task definition, and injected containers (GuardDuty, Service Connect) are not even there.
type Container struct {
	Name        string
	Image       string
	ImageDigest string
	RuntimeID   string
	LastStatus  string
	Health      string
	ExitCode    *int   // nil: never ran, still runs, unknown, or killed with its host
	Reason      string // at most 1024 characters of AWS's own text
}

// ID is the last part of the task's ARN.
func (t Task) ID() string { return NameOf(t.ARN) }

// ServiceName is the service that runs the task, or "" for a task that no service runs.
func (t Task) ServiceName() string {
	name, ok := strings.CutPrefix(t.Group, "service:")
	if !ok {
		return ""
	}
	return name
}

// Stopped tells whether the task has ended: only lastStatus says so. A spot warning, for one, arrives with desired
// status STOPPED while the task still runs (ECS guide, "Task state change events").
func (t Task) Stopped() bool { return t.LastStatus == StatusStopped }

// Ran tells whether the task ever reached RUNNING.
func (t Task) Ran() bool { return !t.StartedAt.IsZero() }

// EndedAt is when the task stopped, by the best of the times AWS gave, or zero.
func (t Task) EndedAt() time.Time {
	for _, at := range []time.Time{t.StoppedAt, t.ExecutionStopped, t.StoppingAt} {
		if !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}

// Lifetime is how long the task ran until something made it stop, or 0 where it never ran or AWS gave no times.
func (t Task) Lifetime() time.Duration {
	if t.StartedAt.IsZero() {
		return 0
	}
	for _, at := range []time.Time{t.ExecutionStopped, t.StoppingAt, t.StoppedAt} {
		if at.After(t.StartedAt) {
			return at.Sub(t.StartedAt)
		}
	}
	return 0
}

// Container is the container of that name, or false.
func (t Task) Container(name string) (Container, bool) {
	for _, c := range t.Containers {
		if c.Name == name {
			return c, true
		}
	}
	return Container{}, false
}
