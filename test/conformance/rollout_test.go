package conformance

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	containers := []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String(image)}}
	return []row{
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
