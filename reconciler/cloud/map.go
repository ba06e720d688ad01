package cloud

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/reconciler/fleet"
)

// The SDK's shapes in, fleet's out: what is judged is kept, all else is dropped with the page. Enum values pass as they
// are. A test fills every field of the SDK's types and looks for it in fleet's.

func serviceOf(s types.Service, n *names) fleet.Service {
	out := fleet.Service{
		ARN:                own(s.ServiceArn),
		Name:               n.of(s.ServiceName),
		ClusterARN:         n.of(s.ClusterArn),
		Status:             n.of(s.Status),
		SchedulingStrategy: n.keep(string(s.SchedulingStrategy)),
		LaunchType:         n.keep(string(s.LaunchType)),
		TaskDefinition:     n.of(s.TaskDefinition),
		Desired:            int(s.DesiredCount),
		Running:            int(s.RunningCount),
		Pending:            int(s.PendingCount),
		CreatedAt:          at(s.CreatedAt),
		Deployments:        make([]fleet.Deployment, 0, len(s.Deployments)),
	}
	if s.DeploymentController != nil {
		out.Controller = n.keep(string(s.DeploymentController.Type))
	}
	for _, d := range s.Deployments {
		out.Deployments = append(out.Deployments, deploymentOf(d, n))
	}
	if len(s.TaskSets) > 0 {
		out.Deployments = out.Deployments[:0]
		for _, t := range s.TaskSets {
			out.Deployments = append(out.Deployments, taskSetOf(t, n))
		}
	}
	return out
}

func taskSetOf(t types.TaskSet, n *names) fleet.Deployment {
	return fleet.Deployment{
		ID:             n.of(t.Id),
		Status:         n.of(t.Status),
		TaskDefinition: n.of(t.TaskDefinition),
		Desired:        int(t.ComputedDesiredCount),
		Running:        int(t.RunningCount),
		Pending:        int(t.PendingCount),
		CreatedAt:      at(t.CreatedAt),
		UpdatedAt:      at(t.UpdatedAt),
	}
}

func deploymentOf(d types.Deployment, n *names) fleet.Deployment {
	return fleet.Deployment{
		ID:             n.of(d.Id),
		Status:         n.of(d.Status),
		TaskDefinition: n.of(d.TaskDefinition),
		RolloutState:   n.keep(string(d.RolloutState)),
		RolloutReason:  n.of(d.RolloutStateReason),
		Desired:        int(d.DesiredCount),
		Running:        int(d.RunningCount),
		Pending:        int(d.PendingCount),
		Failed:         int(d.FailedTasks),
		CreatedAt:      at(d.CreatedAt),
		UpdatedAt:      at(d.UpdatedAt),
	}
}

func taskOf(t types.Task, n *names) fleet.Task {
	out := fleet.Task{
		ARN:               own(t.TaskArn),
		ClusterARN:        n.of(t.ClusterArn),
		Group:             n.of(t.Group),
		StartedBy:         n.of(t.StartedBy),
		TaskDefinition:    n.of(t.TaskDefinitionArn),
		LastStatus:        n.of(t.LastStatus),
		DesiredStatus:     n.of(t.DesiredStatus),
		StopCode:          n.keep(string(t.StopCode)),
		StoppedReason:     n.of(t.StoppedReason),
		LaunchType:        n.keep(string(t.LaunchType)),
		CapacityProvider:  n.of(t.CapacityProviderName),
		AvailabilityZone:  n.of(t.AvailabilityZone),
		ContainerInstance: n.keep(fleet.NameOf(own(t.ContainerInstanceArn))),
		Connectivity:      n.keep(string(t.Connectivity)),
		Health:            n.keep(string(t.HealthStatus)),
		CreatedAt:         at(t.CreatedAt),
		StartedAt:         at(t.StartedAt),
		StoppingAt:        at(t.StoppingAt),
		ExecutionStopped:  at(t.ExecutionStoppedAt),
		StoppedAt:         at(t.StoppedAt),
		Version:           t.Version,
		Containers:        make([]fleet.Container, 0, len(t.Containers)),
	}
	for _, c := range t.Containers {
		out.Containers = append(out.Containers, containerOf(c, n))
	}
	return out
}

func containerOf(c types.Container, n *names) fleet.Container {
	out := fleet.Container{
		Name:        n.of(c.Name),
		Image:       n.of(c.Image),
		ImageDigest: n.of(c.ImageDigest),
		RuntimeID:   own(c.RuntimeId),
		LastStatus:  n.of(c.LastStatus),
		Health:      n.keep(string(c.HealthStatus)),
		Reason:      n.of(c.Reason),
	}
	if c.ExitCode != nil {
		code := int(*c.ExitCode)
		out.ExitCode = &code
	}
	return out
}

func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
