package account

import (
	"cmp"

	"taskwarden/test/account/wire"
)

// describeStackResources tells which stack made a service, by the stack's name or the service's ARN. AWS refuses what no stack made, and so tells the two apart (API
// reference, DescribeStackResources: "ValidationError … if you specify … a resource that is not part of a stack").
func describeStackResources(a *Account, in wire.Input) (map[string]any, error) {
	physical, stack := in.String("PhysicalResourceId"), in.String("StackName")
	for _, c := range a.clusters {
		for _, s := range c.services {
			if s.Stack != "" && (s.arn == physical || s.Stack == stack) {
				return map[string]any{"StackResources": []any{map[string]any{
					"StackName": s.Stack, "StackId": a.arn("cloudformation", "stack/"+s.Stack+"/00000000-0000-4000-a000-000000000001"),
					"LogicalResourceId": "Service", "PhysicalResourceId": s.arn, "ResourceType": "AWS::ECS::Service",
					"ResourceStatus": "CREATE_COMPLETE", "Timestamp": s.created,
				}}}, nil
			}
		}
	}
	return nil, wire.Bad("ValidationError", "Stack for %s does not exist", cmp.Or(physical, stack))
}
