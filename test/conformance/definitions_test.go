package conformance

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// checkout is a definition with everything in it that the product reads.
func checkout() *ecs.RegisterTaskDefinitionInput {
	app := types.ContainerDefinition{
		Name: aws.String("app"), Image: aws.String(image), Essential: aws.Bool(true), Memory: aws.Int32(512), MemoryReservation: aws.Int32(256),
		Command: []string{"serve", "--fast"}, EntryPoint: []string{"/bin/app"},
		PortMappings:     []types.PortMapping{{ContainerPort: aws.Int32(8080), Protocol: types.TransportProtocolTcp}},
		HealthCheck:      &types.HealthCheck{Command: []string{"CMD-SHELL", "curl -f localhost:8080"}, Interval: aws.Int32(30)},
		Environment:      []types.KeyValuePair{{Name: aws.String("OTEL_TRACES_SAMPLER"), Value: aws.String("xray")}, {Name: aws.String("STAGE"), Value: aws.String("")}},
		Secrets:          []types.Secret{{Name: aws.String("DB"), ValueFrom: aws.String("arn:aws:ssm:us-east-1:111122223333:parameter/db")}},
		EnvironmentFiles: []types.EnvironmentFile{{Type: types.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::settings/app.env")}},
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/ecs/checkout", "awslogs-region": region, "awslogs-stream-prefix": "ecs"}},
	}
	agent := types.ContainerDefinition{
		Name: aws.String("agent"), Image: aws.String(image), Essential: aws.Bool(false),
		RestartPolicy: &types.ContainerRestartPolicy{Enabled: aws.Bool(true), RestartAttemptPeriod: aws.Int32(60)},
		DependsOn:     []types.ContainerDependency{{ContainerName: aws.String("app"), Condition: types.ContainerConditionHealthy}},
	}
	return &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("checkout"), NetworkMode: types.NetworkModeAwsvpc, RequiresCompatibilities: []types.Compatibility{"FARGATE"},
		Cpu: aws.String("1024"), Memory: aws.String("2048"), ContainerDefinitions: []types.ContainerDefinition{app, agent},
	}
}

func definitions() []row {
	register := func(when string, change func(*ecs.RegisterTaskDefinitionInput)) row {
		in := checkout()
		change(in)
		return row{"ecs:RegisterTaskDefinition", when, func(t *testing.T, s *side) (any, error) { return s.ecs.RegisterTaskDefinition(t.Context(), in) }}
	}
	describe := func(when, name string) row {
		return row{"ecs:DescribeTaskDefinition", when, func(t *testing.T, s *side) (any, error) {
			return s.ecs.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name})
		}}
	}
	return []row{
		register("the first revision", func(*ecs.RegisterTaskDefinitionInput) {}),
		register("the second revision", func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions[0].Environment = nil }),
		describe("the first revision", "checkout:1"),
		describe("the newest of a family", "checkout"),
		describe("by ARN", "arn:aws:ecs:us-east-1:111122223333:task-definition/checkout:2"),
		describe("with what is left out", "web:1"),
		describe("an unknown family", "nope"),
		describe("an unknown revision", "checkout:99"),
		register("no containers", func(in *ecs.RegisterTaskDefinitionInput) { in.ContainerDefinitions = []types.ContainerDefinition{} }),
		register("a name both set and secret", func(in *ecs.RegisterTaskDefinitionInput) {
			in.ContainerDefinitions[0].Secrets[0].Name = aws.String("STAGE")
		}),
		register("no tags in a list of tags", func(in *ecs.RegisterTaskDefinitionInput) { in.Tags = []types.Tag{} }),
	}
}
