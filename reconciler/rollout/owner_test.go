package rollout

import (
	"strings"
	"testing"
)

// Each row is one service as the edge may find it. Whatever cannot be read is unknown, never none.
func TestOwnerOf(t *testing.T) {
	const (
		account = "arn:aws:sts::123456789012:assumed-role/"
		person  = account + "AWSReservedSSO_AdministratorAccess_0123456789abcdef/alice@example.com"
		user    = "arn:aws:iam::123456789012:user/alice"
	)
	tags := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	for name, tt := range map[string]struct {
		o     Origin
		state Ownership
		who   string
	}{
		"nothing is told":                   {Origin{}, UnknownOwner, ""},
		"a person in the console":           {Origin{RegisteredBy: person, CreatedBy: person, Tags: tags("team", "web")}, NoOwner, ""},
		"an IAM user":                       {Origin{RegisteredBy: user}, NoOwner, ""},
		"the root":                          {Origin{RegisteredBy: "arn:aws:iam::123456789012:root"}, NoOwner, ""},
		"a stack":                           {Origin{Stack: "shop", RegisteredBy: user}, Owned, "CloudFormation stack shop"},
		"the stack cannot be read":          {Origin{RegisteredBy: person, Unread: []string{"the stack: denied"}}, UnknownOwner, ""},
		"unread, but a tag tells":           {Origin{Tags: tags("pulumi:project", "x"), Unread: []string{"the stack: denied"}}, Owned, "Pulumi"},
		"Terraform's own word":              {Origin{RegisteredBy: user, Tags: tags("Terraform", "true")}, Owned, "Terraform"},
		"Terraform denied":                  {Origin{RegisteredBy: user, Tags: tags("terraform", "false")}, NoOwner, ""},
		"managed-by":                        {Origin{RegisteredBy: user, Tags: tags("managed-by", "terraform")}, Owned, "terraform"},
		"ManagedBy in a sentence":           {Origin{RegisteredBy: user, Tags: tags("ManagedBy", "our CDK app")}, Owned, "cdk"},
		"managed by a team":                 {Origin{RegisteredBy: user, Tags: tags("managed_by", "team payments")}, NoOwner, ""},
		"Copilot":                           {Origin{RegisteredBy: user, Tags: tags("copilot-application", "shop")}, Owned, "Copilot"},
		"CDK on the definition":             {Origin{RegisteredBy: user, DefinitionTags: tags("aws:cdk:path", "shop/web")}, Owned, "CDK"},
		"CloudFormation's tag":              {Origin{RegisteredBy: user, Tags: tags("aws:cloudformation:stack-name", "shop")}, Owned, "CloudFormation"},
		"a pipeline's role":                 {Origin{RegisteredBy: account + "GitHubActionsRole/run-1", CreatedBy: person}, Owned, "GitHubActionsRole"},
		"a role named deploy":               {Origin{RegisteredBy: account + "prod-deploy/ci"}, Owned, "prod-deploy"},
		"CodeBuild":                         {Origin{RegisteredBy: account + "codebuild-shop-service-role/AWSCodeBuild-1"}, Owned, "codebuild-shop-service-role"},
		"a pipeline's user":                 {Origin{RegisteredBy: "arn:aws:iam::123456789012:user/circle-ci"}, Owned, "circle-ci"},
		"a user whose name holds the words": {Origin{RegisteredBy: "arn:aws:iam::123456789012:user/lucid"}, NoOwner, ""},
		"a pipeline's service":              {Origin{RegisteredBy: person, CreatedBy: "arn:aws:iam::123456789012:role/deploy"}, Owned, "deploy"},
		"a role nobody knows":               {Origin{RegisteredBy: account + "platform/i-0123"}, UnknownOwner, ""},
		"a person over a strange role":      {Origin{RegisteredBy: person, CreatedBy: "arn:aws:iam::123456789012:role/platform"}, UnknownOwner, ""},
		"no ARN":                            {Origin{RegisteredBy: "somebody"}, UnknownOwner, ""},
		"our own revision": {Origin{RegisteredBy: account + "taskwarden/taskwarden", CreatedBy: person,
			DefinitionTags: tags(RolloutTag, "1")}, NoOwner, ""},
		"our own revision of a pipeline's service": {Origin{RegisteredBy: account + "taskwarden/taskwarden",
			CreatedBy: account + "jenkins/1", DefinitionTags: tags(RolloutTag, "1")}, Owned, "jenkins"},
	} {
		got := OwnerOf(tt.o)
		if got.State != tt.state || got.Name != tt.who || len(got.Evidence) == 0 {
			t.Errorf("%s: %+v, want %s %q with evidence", name, got, tt.state, tt.who)
		}
		if tt.state == UnknownOwner && len(tt.o.Unread) > 0 && !strings.Contains(got.Evidence[0], "denied") {
			t.Errorf("%s: the evidence %q does not say what is missing", name, got.Evidence)
		}
	}
}
