package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"taskwarden/reconciler/fleet"
)

// What one call takes, and how far a history is followed.
const (
	deploymentPage    = 100
	deploymentPages   = 5  // 500 deployments in 90 days: older ones explain nothing that runs now
	deploymentsACall  = 20 // of DescribeServiceDeployments
	revisionsACall    = 20 // of DescribeServiceRevisions
	streamsOfOneTask  = 5  // a stream's name is the prefix of few others
	revisionIsMissing = "MISSING"
)

// Deployments lists the service's deployments created since then, newest first; ECS keeps 90 days of them. cluster and
// service are names or ARNs. An error means that the list may lack older ones; what was read comes with it.
func (a *Account) Deployments(ctx context.Context, cluster, service string, since time.Time) ([]fleet.ServiceDeployment, error) {
	place := cluster + "/" + fleet.NameOf(service)
	in := &ecs.ListServiceDeploymentsInput{
		Cluster: &cluster, Service: &service, MaxResults: aws.Int32(deploymentPage), CreatedAt: &types.CreatedAt{After: &since},
	}
	var out []fleet.ServiceDeployment
	for range deploymentPages {
		page, err := call(ctx, a.ecs.ListServiceDeployments, in) // the SDK has no paginator for it
		if err != nil {
			return newestFirst(out), fmt.Errorf("list deployments of %s: %w", place, err)
		}
		for _, d := range page.ServiceDeployments {
			out = append(out, briefOf(d))
		}
		if aws.ToString(page.NextToken) == "" {
			return newestFirst(out), nil
		}
		in.NextToken = page.NextToken
	}
	return newestFirst(out), fmt.Errorf("list deployments of %s: more than %d, the older ones were not read", place, len(out))
}

func newestFirst(d []fleet.ServiceDeployment) []fleet.ServiceDeployment {
	slices.SortStableFunc(d, func(x, y fleet.ServiceDeployment) int { return y.CreatedAt.Compare(x.CreatedAt) })
	return d
}

// DescribeDeployments reads deployments with the revisions that they replaced. One that ECS does not know any more is
// left out; that is an answer.
func (a *Account) DescribeDeployments(ctx context.Context, arns []string) ([]fleet.ServiceDeployment, error) {
	var out []fleet.ServiceDeployment
	for part := range slices.Chunk(arns, deploymentsACall) {
		answer, err := call(ctx, a.ecs.DescribeServiceDeployments, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: part})
		if err != nil {
			return out, fmt.Errorf("describe service deployments: %w", err)
		}
		for _, d := range answer.ServiceDeployments {
			out = append(out, serviceDeploymentOf(d))
		}
		if err := unreadable("describe service deployments", answer.Failures); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Revisions reads service revisions by ARN. One that ECS does not know (any more) is left out; that is an answer.
func (a *Account) Revisions(ctx context.Context, arns []string) ([]fleet.ServiceRevision, error) {
	var out []fleet.ServiceRevision
	for part := range slices.Chunk(arns, revisionsACall) {
		answer, err := call(ctx, a.ecs.DescribeServiceRevisions, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: part})
		if err != nil {
			return out, fmt.Errorf("describe service revisions: %w", err)
		}
		for _, r := range answer.ServiceRevisions {
			out = append(out, revisionOf(r))
		}
		if err := unreadable("describe service revisions", answer.Failures); err != nil {
			return out, err
		}
	}
	return out, nil
}

// unreadable is nil where each failure is a MISSING one.
func unreadable(what string, failures []types.Failure) error {
	for _, f := range failures {
		if reason := aws.ToString(f.Reason); reason != revisionIsMissing {
			return fmt.Errorf("%s: %s could not be read: %s %s", what, fleet.NameOf(aws.ToString(f.Arn)), reason, aws.ToString(f.Detail))
		}
	}
	return nil
}

// Stream tells when one log stream began and ended. No such group or stream is an answer: LogStream.Missing. A denied call
// gives both LogStream.Missing and the error.
func (a *Account) Stream(ctx context.Context, ref fleet.LogRef) (fleet.LogStream, error) {
	in := &cloudwatchlogs.DescribeLogStreamsInput{LogStreamNamePrefix: &ref.Stream, Limit: aws.Int32(streamsOfOneTask)}
	if strings.HasPrefix(ref.Group, "arn:") {
		in.LogGroupIdentifier = &ref.Group
	} else {
		in.LogGroupName = &ref.Group
	}
	place := ref.Group + " " + ref.Stream
	out, err := call(ctx, a.logsIn(ref.Region).DescribeLogStreams, in)
	if errors.Is(err, fleet.ErrNotFound) {
		return fleet.LogStream{Missing: "no log group " + ref.Group}, nil
	}
	if err != nil {
		err = fmt.Errorf("describe the log stream %s: %w", place, err)
		if errors.Is(err, fleet.ErrDenied) {
			return fleet.LogStream{Missing: err.Error()}, err
		}
		return fleet.LogStream{}, err
	}
	for _, s := range out.LogStreams { // ordered by name, so the exact one is the first
		if aws.ToString(s.LogStreamName) == ref.Stream {
			return fleet.LogStream{CreatedAt: milli(s.CreationTime), FirstEvent: milli(s.FirstEventTimestamp), LastEvent: milli(s.LastEventTimestamp)}, nil
		}
	}
	return fleet.LogStream{Missing: "no log stream " + place}, nil
}

func briefOf(d types.ServiceDeploymentBrief) fleet.ServiceDeployment {
	return fleet.ServiceDeployment{
		ARN: aws.ToString(d.ServiceDeploymentArn), Status: string(d.Status), StatusReason: aws.ToString(d.StatusReason),
		Target: aws.ToString(d.TargetServiceRevisionArn), CreatedAt: at(d.CreatedAt), StartedAt: at(d.StartedAt), FinishedAt: at(d.FinishedAt),
	}
}

func serviceDeploymentOf(d types.ServiceDeployment) fleet.ServiceDeployment {
	out := fleet.ServiceDeployment{
		ARN: aws.ToString(d.ServiceDeploymentArn), Status: string(d.Status), StatusReason: aws.ToString(d.StatusReason),
		Stage: string(d.LifecycleStage), CreatedAt: at(d.CreatedAt), StartedAt: at(d.StartedAt), FinishedAt: at(d.FinishedAt),
	}
	if d.TargetServiceRevision != nil {
		out.Target = aws.ToString(d.TargetServiceRevision.Arn)
	}
	for _, s := range d.SourceServiceRevisions {
		out.Sources = append(out.Sources, aws.ToString(s.Arn))
	}
	return out
}

func revisionOf(r types.ServiceRevision) fleet.ServiceRevision {
	out := fleet.ServiceRevision{ARN: aws.ToString(r.ServiceRevisionArn), TaskDefinition: aws.ToString(r.TaskDefinition), CreatedAt: at(r.CreatedAt)}
	for _, i := range r.ContainerImages {
		out.Images = append(out.Images, fleet.RevisionImage{
			Container: aws.ToString(i.ContainerName), Image: aws.ToString(i.Image), Digest: aws.ToString(i.ImageDigest),
		})
	}
	return out
}

func eventsOf(in []types.ServiceEvent) []fleet.ServiceEvent {
	out := make([]fleet.ServiceEvent, 0, len(in))
	for _, e := range in {
		out = append(out, fleet.ServiceEvent{At: at(e.CreatedAt), Message: aws.ToString(e.Message)})
	}
	return out
}

func milli(t *int64) time.Time {
	if t == nil || *t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(*t).UTC()
}
