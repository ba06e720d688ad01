package cloud

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"taskwarden/reconciler/fleet"
)

// A task definition goes through here as the bytes that AWS sent: the SDK's structs drop every field that they do not
// know, and a registration made from them would lose it. Signing, budgets and faults stay the SDK's and the guard's.

// RawDefinition is DescribeTaskDefinition's whole answer for one revision, tags beside the definition, as AWS wrote it.
// It holds every environment value, so it is never kept, logged or shown. One that AWS no longer knows is
// fleet.ErrNotFound.
func (a *Account) RawDefinition(ctx context.Context, arn string) ([]byte, error) {
	var raw rawCall
	in := &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}}
	if _, err := a.ecs.DescribeTaskDefinition(ctx, in, raw.keep); err != nil {
		return nil, fmt.Errorf("describe task definition %s: %w", fleet.NameOf(arn), plain(err))
	}
	return raw.answer, nil
}

// Register sends a RegisterTaskDefinition input as it stands and gives the new revision's ARN. The call has no client
// token and is never repeated here: after an error the revision may be there, and whoever repeats it looks for its tag
// first (Amazon ECS API reference, "Ensuring idempotency").
func (a *Account) Register(ctx context.Context, document []byte) (arn string, err error) {
	raw := rawCall{request: document}
	// The SDK checks for the members it requires; what is sent is the document.
	in := &ecs.RegisterTaskDefinitionInput{Family: aws.String("-"), ContainerDefinitions: []types.ContainerDefinition{}}
	out, err := a.ecs.RegisterTaskDefinition(ctx, in, raw.keep)
	if err != nil {
		return "", fmt.Errorf("register task definition: %w", plain(err))
	}
	if out.TaskDefinition == nil || aws.ToString(out.TaskDefinition.TaskDefinitionArn) == "" {
		return "", fmt.Errorf("register task definition: the answer holds no ARN")
	}
	return *out.TaskDefinition.TaskDefinitionArn, nil
}

// Deploy points the service at one task definition revision, and at nothing else: members that are left out stay as they
// are (UpdateService). definition is a full ARN, since a bare family would mean its newest revision. The call has no
// client token and is never repeated here.
func (a *Account) Deploy(ctx context.Context, cluster, service, definition string) error {
	_, err := call(ctx, a.ecs.UpdateService, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &service, TaskDefinition: &definition})
	if err != nil {
		return fmt.Errorf("update service %s/%s: %w", cluster, service, err)
	}
	return nil
}

// StopDeployment has ECS roll back a service deployment that is under way, to the service revision before it
// (StopServiceDeployment with stopType ROLLBACK: AWS accepts no other). The call has no client token and is never repeated here.
func (a *Account) StopDeployment(ctx context.Context, arn string) error {
	_, err := call(ctx, a.ecs.StopServiceDeployment, &ecs.StopServiceDeploymentInput{
		ServiceDeploymentArn: &arn, StopType: types.StopServiceDeploymentStopTypeRollback,
	})
	if err != nil {
		return fmt.Errorf("stop service deployment %s: %w", fleet.NameOf(arn), err)
	}
	return nil
}

// Ordered marks the calls made with the context as ordered by an approver: those of the class Remediate are sent although
// the mode does not allow the class.
func (a *Account) Ordered(ctx context.Context) context.Context {
	return context.WithValue(ctx, orderedKey{}, true)
}

type orderedKey struct{}

func ordered(ctx context.Context) bool { is, _ := ctx.Value(orderedKey{}).(bool); return is }

// familyPage is how many of a family's newest revisions are looked at for a tag: one page, since what is looked for was
// registered minutes ago.
const familyPage = 20

// NewestRevisions are the ARNs of a family's newest ACTIVE revisions, newest first, at most a page of 20.
func (a *Account) NewestRevisions(ctx context.Context, family string) ([]string, error) {
	out, err := call(ctx, a.ecs.ListTaskDefinitions, &ecs.ListTaskDefinitionsInput{
		FamilyPrefix: &family, Status: types.TaskDefinitionStatusActive, Sort: types.SortOrderDesc, MaxResults: aws.Int32(familyPage),
	})
	if err != nil {
		return nil, fmt.Errorf("list revisions of %s: %w", family, err)
	}
	return out.TaskDefinitionArns, nil
}

// rawCall is the bytes of one call: what to send in place of the SDK's own serialisation, and what came back.
type rawCall struct {
	request []byte // nil: the SDK's
	answer  []byte
}

// keep is an option of one call.
func (r *rawCall) keep(o *ecs.Options) { o.Protocol = rawProtocol{o.Protocol, r} }

// rawProtocol is the SDK's protocol with the bodies taken out and put in.
type rawProtocol struct {
	smithyhttp.ClientProtocol
	call *rawCall
}

// SerializeRequest implements smithyhttp.ClientProtocol: the SDK's headers, and the bytes given instead of its body.
func (p rawProtocol) SerializeRequest(ctx context.Context, op *smithy.OperationSchema, in smithy.Serializable, req *smithyhttp.Request) error {
	if err := p.ClientProtocol.SerializeRequest(ctx, op, in, req); err != nil || p.call.request == nil {
		return err
	}
	with, err := req.SetStream(bytes.NewReader(p.call.request))
	if err != nil {
		return fmt.Errorf("replace the request's body: %w", err)
	}
	*req = *with
	return nil
}

// DeserializeResponse implements smithyhttp.ClientProtocol: the answer is kept, and read by the SDK as always.
func (p rawProtocol) DeserializeResponse(
	ctx context.Context, op *smithy.OperationSchema, known *smithy.TypeRegistry, resp *smithyhttp.Response, out smithy.Deserializable,
) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	p.call.answer = body
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return p.ClientProtocol.DeserializeResponse(ctx, op, known, resp, out)
}
