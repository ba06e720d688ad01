package cloud

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/reconciler/fleet"
)

// Definition reads one task definition revision and reduces it with the AllowList. One that AWS no longer knows is
// fleet.ErrNotFound.
func (a *Account) Definition(ctx context.Context, arn string) (fleet.Definition, error) {
	out, err := call(ctx, a.ecs.DescribeTaskDefinition, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
	if err != nil {
		return fleet.Definition{}, fmt.Errorf("describe task definition %s: %w", fleet.NameOf(arn), err)
	}
	if out.TaskDefinition == nil {
		return fleet.Definition{}, fmt.Errorf("describe task definition %s: the answer holds none", fleet.NameOf(arn))
	}
	return definitionOf(*out.TaskDefinition, a.o.AllowList), nil
}

func definitionOf(d types.TaskDefinition, allow fleet.AllowList) fleet.Definition {
	memory, _ := strconv.Atoi(aws.ToString(d.Memory)) // AWS answers MiB; absent on EC2
	out := fleet.Definition{
		ARN:          aws.ToString(d.TaskDefinitionArn),
		Family:       aws.ToString(d.Family),
		Revision:     int(d.Revision),
		NetworkMode:  string(d.NetworkMode),
		Memory:       memory,
		RegisteredAt: at(d.RegisteredAt),
		RegisteredBy: aws.ToString(d.RegisteredBy),
		Containers:   make([]fleet.ContainerDefinition, 0, len(d.ContainerDefinitions)),
	}
	for _, c := range d.ContainerDefinitions {
		out.Containers = append(out.Containers, containerDefinitionOf(c, allow))
	}
	return out
}

func containerDefinitionOf(c types.ContainerDefinition, allow fleet.AllowList) fleet.ContainerDefinition {
	out := fleet.ContainerDefinition{
		Name:              aws.ToString(c.Name),
		Image:             aws.ToString(c.Image),
		Essential:         c.Essential == nil || *c.Essential,
		Restart:           c.RestartPolicy != nil && aws.ToBool(c.RestartPolicy.Enabled),
		RestartPeriod:     restartPeriod(c.RestartPolicy),
		HealthCheck:       checked(c.HealthCheck),
		Memory:            int(aws.ToInt32(c.Memory)),
		MemoryReservation: int(aws.ToInt32(c.MemoryReservation)),
		EnvFiles:          len(c.EnvironmentFiles),
		Command:           len(c.Command) > 0 || len(c.EntryPoint) > 0,
	}
	if l := c.LogConfiguration; l != nil {
		out.LogDriver, out.LogOptions = string(l.LogDriver), logOptionsOf(l.Options)
	}
	for _, d := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, fleet.Dependency{Container: aws.ToString(d.ContainerName), Condition: string(d.Condition)})
	}
	for _, p := range c.PortMappings {
		if p.ContainerPort != nil {
			out.Ports = append(out.Ports, int(*p.ContainerPort))
		}
	}
	for _, e := range c.Environment {
		out.Env = append(out.Env, allow.Reduce(aws.ToString(e.Name), aws.ToString(e.Value)))
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, aws.ToString(s.Name))
	}
	return out
}

func restartPeriod(p *types.ContainerRestartPolicy) int {
	if p == nil {
		return 0
	}
	return int(aws.ToInt32(p.RestartAttemptPeriod))
}

// checked tells whether a health check is defined: the command NONE switches off the image's own.
func checked(h *types.HealthCheck) bool {
	return h != nil && len(h.Command) > 0 && h.Command[0] != "NONE"
}

// logOptionsOf keeps the awslogs driver's options, which say where the lines are. Other drivers' options carry tokens
// (splunk-token) and are dropped.
func logOptionsOf(all map[string]string) map[string]string {
	var out map[string]string
	for k, v := range all {
		if strings.HasPrefix(k, "awslogs-") {
			if out == nil {
				out = map[string]string{}
			}
			out[k] = v
		}
	}
	return out
}
