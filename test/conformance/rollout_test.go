package conformance

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// rollout is what a corrected task definition takes: a revision, its family's list, and a service pointed at it. It comes
// late, since it changes the world.
func rollout() []row {
	register := func(when string, in ecs.RegisterTaskDefinitionInput) row {
		return row{"ecs:RegisterTaskDefinition", when, func(t *testing.T, s *side) (any, error) {
			return s.ecs.RegisterTaskDefinition(t.Context(), &in)
		}}
	}
	list := func(when string, in ecs.ListTaskDefinitionsInput) row {
		return row{"ecs:ListTaskDefinitions", when, func(t *testing.T, s *side) (any, error) { return s.ecs.ListTaskDefinitions(t.Context(), &in) }}
	}
	update := func(when string, in ecs.UpdateServiceInput) row {
		return row{"ecs:UpdateService", when, func(t *testing.T, s *side) (any, error) { return s.ecs.UpdateService(t.Context(), &in) }}
	}
	made := func(when string, in cloudformation.DescribeStackResourcesInput) row {
		return row{"cloudformation:DescribeStackResources", when, func(t *testing.T, s *side) (any, error) {
			return s.cfn.DescribeStackResources(t.Context(), &in)
		}}
	}
	service := func(name string) *string {
		return aws.String("arn:aws:ecs:us-east-1:111122223333:service/wide/" + name)
	}
	containers := []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String(image)}}
	return []row{
		made("of a stack", cloudformation.DescribeStackResourcesInput{StackName: aws.String(stack)}),
		made("of a service that a stack made", cloudformation.DescribeStackResourcesInput{PhysicalResourceId: service(wide[0])}),
		made("of a service that no stack made", cloudformation.DescribeStackResourcesInput{PhysicalResourceId: service(wide[1])}),
		register("the next revision of a family", ecs.RegisterTaskDefinitionInput{Family: aws.String("parked"), ContainerDefinitions: containers}),
		register("no containers", ecs.RegisterTaskDefinitionInput{Family: aws.String("parked"), ContainerDefinitions: []types.ContainerDefinition{}}),
		list("newest first", ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String("parked"), Status: "ACTIVE", Sort: "DESC", MaxResults: aws.Int32(20)}),
		list("of an unknown family", ecs.ListTaskDefinitionsInput{FamilyPrefix: nope, Status: "ACTIVE", Sort: "DESC"}),
		list("a page of 101", ecs.ListTaskDefinitionsInput{MaxResults: aws.Int32(101)}),
		update("to that revision", ecs.UpdateServiceInput{Cluster: prod, Service: aws.String("parked"), TaskDefinition: aws.String("parked:2")}),
		update("to an unknown revision", ecs.UpdateServiceInput{Cluster: prod, Service: aws.String("parked"), TaskDefinition: aws.String("parked:99")}),
		update("of an unknown service", ecs.UpdateServiceInput{Cluster: prod, Service: nope, TaskDefinition: aws.String("parked:2")}),
		update("of an unknown cluster", ecs.UpdateServiceInput{Cluster: nope, Service: aws.String("parked"), TaskDefinition: aws.String("parked:2")}),
	}
}
