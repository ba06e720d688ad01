package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/permission"
)

// policies are the statements of a role's inline policies together.
func (s stack) policies(role string) []permission.Statement {
	var out []permission.Statement
	for _, p := range into[[]struct{ PolicyDocument permission.Policy }](s.t, s.resource(role)["Policies"]) {
		if p.PolicyDocument.Version != "2012-10-17" {
			s.t.Errorf("%s: a policy of version %q", role, p.PolicyDocument.Version)
		}
		out = append(out, p.PolicyDocument.Statement...)
	}
	return out
}

func bySid(statements []permission.Statement) []permission.Statement {
	return slices.SortedFunc(slices.Values(statements), func(a, b permission.Statement) int { return strings.Compare(a.Sid, b.Sid) })
}

var memberScope = permission.Scope{LogGroups: []string{"/ecs/*"}, PassRoles: []string{"arn:aws:iam::111122223333:role/tasks/*"}, Clusters: []string{"prod"}}

func member(t *testing.T, mode string) stack {
	return load(t, "member.yaml", map[string]string{"Mode": mode, "OpsRoleArn": "arn:aws:iam::444455556666:role/taskwarden-controller-eu-west-1",
		"ExternalId": "correct-horse", "OrganizationId": "o-a1b2c3d4e5", "LogStreamArns": "arn:aws:logs:*:*:log-group:/ecs/*:log-stream:*",
		"PassRoleArns": "arn:aws:iam::111122223333:role/tasks/*", "ServiceArns": "arn:aws:ecs:*:*:service/prod/*,arn:aws:ecs:*:*:service-deployment/prod/*"})
}

// A member's role grants exactly what iam-policy prints for its mode and those before it: no action, resource or condition more
// or less.
func TestAMemberRoleIsThePrintedPolicy(t *testing.T) {
	var modes []permission.Mode
	for _, m := range []permission.Mode{permission.Observe, permission.Evidence, permission.Alarms, permission.Remediate} {
		modes = append(modes, m)
		s := member(t, string(m))
		if d := cmp.Diff(bySid(permission.Document(memberScope, modes...).Statement), bySid(s.policies("Role"))); d != "" {
			t.Errorf("%s (-printed +template):\n%s", m, d)
		}
		if b := s.broken(); len(b) > 0 {
			t.Errorf("%s: %v", m, b)
		}
	}
}

// Without names nothing is read or passed on, and remediate asks for them.
func TestAMemberNamesWhatMayBeTouched(t *testing.T) {
	s := load(t, "member.yaml", map[string]string{"Mode": "remediate", "OpsRoleArn": "arn:aws:iam::444455556666:role/x", "ExternalId": "correct-horse"})
	if len(s.broken()) != 2 {
		t.Errorf("rules: %v", s.broken())
	}
	for _, st := range s.policies("Role") {
		if st.Sid == "ReadLastLogLines" {
			t.Errorf("reads %v", st.Resource)
		}
	}
}

// The role is given to the ops account's role alone, with the external id, from within the organization.
func TestWhoMayTakeAMemberRole(t *testing.T) {
	trust := into[struct {
		Statement []struct {
			Effect, Action string
			Principal      map[string]string
			Condition      map[string]map[string]string
		}
	}](t, member(t, "observe").resource("Role")["AssumeRolePolicyDocument"]).Statement
	if len(trust) != 1 || trust[0].Action != "sts:AssumeRole" || trust[0].Principal["AWS"] != "arn:aws:iam::444455556666:role/taskwarden-controller-eu-west-1" {
		t.Fatalf("%+v", trust)
	}
	want := map[string]map[string]string{"StringEquals": {"sts:ExternalId": "correct-horse", "aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
	if d := cmp.Diff(want, trust[0].Condition); d != "" {
		t.Error(d)
	}
	alone := load(t, "member.yaml", map[string]string{"PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/bound"}).resource("Role")
	if alone["PermissionsBoundary"] != "arn:aws:iam::111122223333:policy/bound" || member(t, "observe").resource("Role")["PermissionsBoundary"] != nil {
		t.Errorf("boundary: %v", alone["PermissionsBoundary"])
	}
}

// storeActions are what store/dynamodb needs on its table.
var storeActions = []string{"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:DescribeContinuousBackups",
	"dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"}

// doorActions are what ECS Exec's agent needs (ECS developer guide, "ECS Exec permissions").
var doorActions = []string{"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"}

// The controller's own role holds the home part of the printed policy, its table, and the door where there is one.
func TestTheControllersRoleIsTheHomePolicy(t *testing.T) {
	for mode, last := range map[string]permission.Mode{"plan": permission.Observe, "ensure": permission.Alarms, "sync": permission.Alarms} {
		for _, access := range []string{"port-forward", "alb-oidc"} {
			s := load(t, "ops.yaml", map[string]string{"AlarmMode": mode, "Access": access, "OrganizationId": "o-a1b2c3d4e5"})
			want := permission.Home(permission.Scope{TargetRoles: []string{"arn:aws:iam::*:role/taskwarden-member"}}, permission.Observe, last).Statement
			want[0].Condition = map[string]map[string][]string{"StringEquals": {"aws:ResourceOrgID": {"o-a1b2c3d4e5"}}}
			want = append(want, permission.Statement{Sid: "KeepRecords", Effect: "Allow", Action: storeActions, Resource: []string{"<Table/Arn>"}})
			if access == "port-forward" {
				want = append(want, permission.Statement{Sid: "LetSessionsIn", Effect: "Allow", Action: doorActions, Resource: []string{"*"}})
			}
			if d := cmp.Diff(bySid(want), bySid(s.policies("TaskRole"))); d != "" {
				t.Errorf("%s %s (-wanted +template):\n%s", mode, access, d)
			}
		}
	}
}

// What starts the task may write its log, and pull and read only what is named.
func TestTheExecutionRoleIsMinimal(t *testing.T) {
	for name, tc := range map[string]struct {
		set  map[string]string
		want string
	}{
		"public image": {nil, "logs:CreateLogStream logs:PutLogEvents on <Log/Arn>"},
		"private image": {map[string]string{"EcrRepositoryArn": "arn:aws:ecr:eu-west-1:111122223333:repository/taskwarden"},
			"logs:CreateLogStream logs:PutLogEvents on <Log/Arn>; ecr:GetAuthorizationToken on *; " +
				"ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:GetDownloadUrlForLayer on arn:aws:ecr:eu-west-1:111122223333:repository/taskwarden"},
		"own configuration": {map[string]string{"ConfigParameterName": "/taskwarden/config"},
			"logs:CreateLogStream logs:PutLogEvents on <Log/Arn>; ssm:GetParameters on arn:aws:ssm:eu-west-1:111122223333:parameter/taskwarden/config"},
	} {
		var got []string
		for _, st := range load(t, "ops.yaml", tc.set).policies("ExecutionRole") {
			got = append(got, strings.Join(st.Action, " ")+" on "+strings.Join(st.Resource, " "))
		}
		if d := cmp.Diff(tc.want, strings.Join(got, "; ")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
