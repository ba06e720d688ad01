package cloud

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/reconciler/fleet"
)

// Fresh looks at one service and its newest service deployment now, before an act on it: up to four calls. An error means
// that there is no look; what was read of it is not given. cluster and service are names or ARNs.
func (a *Account) Fresh(ctx context.Context, cluster, service string) (fleet.Fresh, error) {
	out := fleet.Fresh{At: time.Now()}
	place := fleet.NameOf(cluster) + "/" + fleet.NameOf(service)
	answer, err := call(ctx, a.ecs.DescribeServices, &ecs.DescribeServicesInput{
		Cluster: &cluster, Services: []string{service}, Include: []types.ServiceField{types.ServiceFieldTags},
	})
	switch {
	case err != nil:
		return fleet.Fresh{}, fmt.Errorf("look at %s: %w", place, err)
	case len(answer.Services) == 0:
		if err := unreadable("look at "+place, answer.Failures); err != nil {
			return fleet.Fresh{}, err
		}
		if len(answer.Failures) == 0 {
			return fleet.Fresh{}, fmt.Errorf("look at %s: AWS says nothing about it", place)
		}
		out.Gone = true
		return out, nil
	}
	s := answer.Services[0]
	out.Service, out.Gone = serviceOf(s, newNames()), aws.ToString(s.Status) != "ACTIVE"
	out.CreatedBy = aws.ToString(s.CreatedBy)
	out.Express = s.ResourceManagementType == types.ResourceManagementTypeEcs
	out.Tags, out.PauseHooks = tagsOf(s.Tags), pauses(s.DeploymentConfiguration)
	if deployer := out.Service.Controller; deployer != "" && deployer != "ECS" {
		return out, nil // ECS keeps no service deployments of it, and may refuse to list them (UnsupportedFeatureException)
	}
	if err := a.newestDeployment(ctx, cluster, service, &out); err != nil {
		return fleet.Fresh{}, fmt.Errorf("look at the deployment of %s: %w", place, err)
	}
	return out, nil
}

// newestDeployment reads the service deployment that was created last and what it brings.
func (a *Account) newestDeployment(ctx context.Context, cluster, service string, out *fleet.Fresh) error {
	list, err := call(ctx, a.ecs.ListServiceDeployments, &ecs.ListServiceDeploymentsInput{
		Cluster: &cluster, Service: &service, MaxResults: aws.Int32(deploymentPage), // the order is not documented
	})
	if err != nil {
		return err
	}
	var newest []fleet.ServiceDeployment
	for _, d := range list.ServiceDeployments {
		newest = append(newest, briefOf(d))
	}
	if len(newest) == 0 {
		return nil
	}
	described, err := a.DescribeDeployments(ctx, []string{newestFirst(newest)[0].ARN})
	if err != nil || len(described) == 0 {
		return err
	}
	out.Deployment = described[0]
	revisions, err := a.Revisions(ctx, []string{out.Deployment.Target})
	if err != nil || len(revisions) == 0 {
		return err
	}
	out.Brings, out.Images = revisions[0].TaskDefinition, revisions[0].Images
	return nil
}

func tagsOf(tags []types.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// pauses are the stages with a hook that waits for ContinueServiceDeployment, for up to 14 days (Amazon ECS guide,
// lifecycle hooks of service deployments).
func pauses(c *types.DeploymentConfiguration) []string {
	var out []string
	if c == nil {
		return nil
	}
	for _, h := range c.LifecycleHooks {
		if h.TargetType != types.DeploymentLifecycleHookTargetTypePause {
			continue
		}
		for _, stage := range h.LifecycleStages {
			out = append(out, string(stage))
		}
	}
	return out
}
