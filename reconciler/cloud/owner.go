package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"

	"taskwarden/reconciler/fleet"
)

// Stack is the name of the CloudFormation stack that made a resource, or "" where no stack did. The resource's own tags do
// not tell: CloudFormation puts none on ECS services (coverage-roadmap issues 2062 and 2063). An error means that nobody
// knows.
func (a *Account) Stack(ctx context.Context, arn string) (string, error) {
	out, err := call(ctx, a.cfn.DescribeStackResources, &cloudformation.DescribeStackResourcesInput{PhysicalResourceId: &arn})
	switch {
	case err == nil && len(out.StackResources) > 0:
		return aws.ToString(out.StackResources[0].StackName), nil
	case err == nil, unmanaged(err):
		return "", nil
	}
	return "", fmt.Errorf("ask for the stack of %s: %w", fleet.NameOf(arn), err)
}

// unmanaged tells CloudFormation's answer for what no stack made: "Stack for … does not exist".
func unmanaged(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist")
}
