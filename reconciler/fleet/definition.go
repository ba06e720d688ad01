package fleet

import (
	"slices"
	"time"

	"taskwarden/reconciler/mask"
)

// RevisionActive is the status of a task definition revision that ECS deploys. INACTIVE ones (deregistered) and those in
// DELETE_IN_PROGRESS are described, run on where they run, and are not deployed any more.
const RevisionActive = "ACTIVE"

// Definition is a task definition revision reduced to what is judged. A revision never changes, so one fetched once is
// kept for ever (under the hash of the AllowList it was reduced with).
type Definition struct {
	ARN          string
	Family       string
	Revision     int
	NetworkMode  string
	Memory       int // MiB of the task; 0: not set
	RegisteredAt time.Time
	RegisteredBy string
	Containers   []ContainerDefinition
	Partial      bool // a template leaves containers open: there may be more than these. Never of what AWS answered
}

// ContainerDefinition is one container of a Definition.
type ContainerDefinition struct {
	Name              string
	Image             string
	Essential         bool // AWS's default is true
	Restart           bool // a restart policy is enabled
	RestartPeriod     int  // seconds that it must have run to be restarted; 0: AWS's default
	HealthCheck       bool
	Memory            int // MiB, hard limit; 0: not set
	MemoryReservation int
	LogDriver         string // "": none configured
	LogOptions        map[string]string
	DependsOn         []Dependency
	Ports             []int
	Env               []EnvVar
	Secrets           []string // names of variables that arrive from Secrets Manager or SSM
	EnvFiles          int      // environment files, whose variables nobody can see here
	Command           bool     // an own command or entry point, which may set variables as well
	// Unseen names what a template leaves open, with the reason: fields in the API's spelling ("image", "environment"), and
	// "environment.NAME" for one variable's value. nil for what AWS answered.
	Unseen map[string]string
}

// Dependency is one entry of a container's dependsOn.
type Dependency struct {
	Container string
	Condition string // START, COMPLETE, SUCCESS, HEALTHY
}

// EnvVar is one inline environment variable. Value is kept only where the AllowList names the variable, and without credentials.
type EnvVar struct {
	Name  string
	Value string
	Kept  bool // false: the value was dropped, and its being empty means nothing
	// Masked: the AllowList names the variable, and the mask took something out of the value, or all of it where Kept is false. A masked
	// value is for show: it is none that a policy names, and two that look the same may differ.
	Masked bool `json:",omitempty"`
}

// Shown is the value as it may be shown: stars where nothing of it was fit to be kept. ok is false where the value was dropped because
// the variable is not on the list.
func (e EnvVar) Shown() (value string, ok bool) {
	if e.Masked && !e.Kept {
		return mask.Stars, true
	}
	return e.Value, e.Kept
}

// Container is the container definition of that name, or false: injected containers have none.
func (d Definition) Container(name string) (ContainerDefinition, bool) {
	for _, c := range d.Containers {
		if c.Name == name {
			return c, true
		}
	}
	return ContainerDefinition{}, false
}

// LogGroups are the log groups that the containers write to; nil where that is not known, since some write through another
// driver.
func (d Definition) LogGroups() []string {
	out := []string{}
	for _, c := range d.Containers {
		switch group := c.LogOptions["awslogs-group"]; {
		case c.LogDriver == "":
		case c.LogDriver != "awslogs" || group == "":
			return nil
		case !slices.Contains(out, group):
			out = append(out, group)
		}
	}
	return out
}

// RestartAfter is how long the container must have run to be restarted: restartAttemptPeriod, 60 to 1800 seconds, 300 where
// it is left out (ContainerRestartPolicy in the ECS API reference). It is the shortest time between two restarts.
func (c ContainerDefinition) RestartAfter() time.Duration {
	if c.RestartPeriod == 0 {
		return 300 * time.Second
	}
	return time.Duration(c.RestartPeriod) * time.Second
}

// Setting is the value of the environment variable, as far as it was kept.
func (c ContainerDefinition) Setting(name string) (string, bool) {
	for _, e := range c.Env {
		if e.Name == name && e.Kept {
			return e.Value, true
		}
	}
	return "", false
}

// Helper tells whether another container waits for this one to complete: then its ending well is its purpose (the
// Application Signals recipe's "init").
func (d Definition) Helper(name string) bool {
	for _, c := range d.Containers {
		for _, dep := range c.DependsOn {
			if dep.Container == name && (dep.Condition == "SUCCESS" || dep.Condition == "COMPLETE") {
				return true
			}
		}
	}
	return false
}
