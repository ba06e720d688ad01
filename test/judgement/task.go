package judgement

import (
	"fmt"
	"time"

	"taskwarden/reconciler/fleet"
)

// Stop is the truth about one stopped task.
type Stop struct {
	ARN      string
	Code     string    // what AWS says, for the naive rules
	Died     time.Time // when its end began
	At       time.Time // stoppedAt
	Seen     time.Time // the look that first showed it; zero: none did, and nobody can know of it
	Lifetime time.Duration
	Cause    string // CONTRACT's word
	Planned  bool
	// Excused is an unplanned stop that a deployment explains and ECS reports: what a rollback takes away, and what does not
	// start while its deployment is not through. Churn is made of the others.
	Excused bool
	Culprit string
	Sidecar bool
	Fault   string // the fault's name; "" for what was planned
}

// task is one task as it lives. The embedded one is what AWS shows.
type task struct {
	fleet.Task
	dep      *deployment
	revision int
	shown    string // the deployment that texts name
	stopping bool
	truth    Stop
}

func (t *task) running() bool { return t.LastStatus == fleet.StatusRunning && !t.stopping }

// settles is how long a task runs until ECS counts it as healthy without a health check.
const settles = 40 * time.Second

func (t *task) healthy(now time.Time) bool { return t.running() && now.Sub(t.StartedAt) >= settles }

const arns = "arn:aws:ecs:us-east-1:111122223333:"

// begin starts a task of a deployment: it provisions, pulls and runs, or a fault keeps it from that.
func (l *life) begin(dep *deployment) {
	l.born++
	id := fmt.Sprintf("%08x%08x%016x", l.index, l.born, l.rng.Uint64())
	t := &task{dep: dep, revision: dep.revision, shown: dep.id}
	t.Task = fleet.Task{
		ARN: arns + "task/" + l.key.Cluster + "/" + id, ClusterARN: arns + "cluster/" + l.key.Cluster, Group: "service:" + l.key.Service,
		StartedBy: dep.id, TaskDefinition: l.definitionARN(dep.revision), LastStatus: "PROVISIONING", DesiredStatus: fleet.StatusRunning,
		LaunchType: "FARGATE", CapacityProvider: "FARGATE", AvailabilityZone: pick(l.rng, zones...), CreatedAt: l.now, Version: 1,
	}
	switch {
	case l.ec2 && l.spot:
		t.LaunchType, t.CapacityProvider = "EC2", "asg-spot"
	case l.ec2:
		t.LaunchType, t.CapacityProvider = "EC2", "asg"
	case l.spot:
		t.CapacityProvider = "FARGATE_SPOT"
	}
	for i, b := range l.boxes {
		t.Containers = append(t.Containers, fleet.Container{Name: b.name, Image: b.image, RuntimeID: fmt.Sprintf("%s-%010d", id, i+1), LastStatus: "PENDING"})
	}
	l.tasks = append(l.tasks, t)
	l.touch()
	for _, f := range l.faults {
		if f.never && f.strikes(t.revision) {
			l.after(l.rng.between(20*time.Second, 2*time.Minute), func() { l.failStart(t, f) })
			return
		}
	}
	l.after(l.rng.between(25*time.Second, 75*time.Second), func() { l.started(t) })
}

func (l *life) started(t *task) {
	if t.stopping {
		return
	}
	t.LastStatus, t.StartedAt, t.Version = fleet.StatusRunning, l.now, t.Version+1
	for i, b := range l.boxes {
		c := &t.Containers[i]
		c.LastStatus = fleet.StatusRunning
		if b.helper {
			c.LastStatus, c.ExitCode = fleet.StatusStopped, code(0)
		}
	}
	t.dep.failed = 0
	l.backoff, l.notBefore = 0, time.Time{}
	l.touch()
	for _, f := range l.faults {
		l.expose(t, f)
	}
	l.after(settles, l.wake)
}

// expose lets a fault strike a running task, now or as long after as its lifetimes say.
func (l *life) expose(t *task, f *fault) {
	if f.lifetime == nil || !f.strikes(t.revision) {
		return
	}
	l.after(f.lifetime(), func() {
		if t.running() && f.strikes(t.revision) {
			l.die(t, f)
		}
	})
}

func code(n int) *int { return &n }
