package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Origin is what may tell who owns a service, as the edge read it: of the service, and of the revision that runs.
type Origin struct {
	Stack          string            // the CloudFormation stack that made the service; "": none did
	Tags           map[string]string // of the service
	DefinitionTags map[string]string // of the revision
	CreatedBy      string            // ARN of who created the service; "": ECS does not tell
	RegisteredBy   string            // ARN of who registered the revision; "": ECS does not tell
	Unread         []string          // what could not be read, each with why
}

// OwnerOf says who owns a service's definition, by the first of these that tells:
//
//	owned    a stack made the service (its tags do not show that: coverage-roadmap issues 2062 and 2063)
//	owned    a tag of a tool: CloudFormation's, CDK's, Copilot's, Pulumi's, or one as managed-by that names a tool
//	owned    the revision was registered, or the service created, by a pipeline or a tool
//	unknown  something could not be read, or nobody can tell who the principal is
//	none     a person registered the revision, in a console or a shell, and nothing speaks for a tool
//
// A revision that a rollout registered says nothing of who owns the service; who created it does.
func OwnerOf(o Origin) Owner {
	if o.Stack != "" {
		return Owner{Owned, "CloudFormation stack " + o.Stack, []string{"CloudFormation lists the service as a resource of stack " + o.Stack}}
	}
	for _, of := range []struct {
		what string
		tags map[string]string
	}{{"service", o.Tags}, {"task definition", o.DefinitionTags}} {
		if tool, tag := toolOf(of.tags); tool != "" {
			return Owner{Owned, tool, []string{fmt.Sprintf("tag %s of the %s", tag, of.what)}}
		}
	}
	registeredBy := o.RegisteredBy
	if _, ours := o.DefinitionTags[RolloutTag]; ours {
		registeredBy = ""
	}
	var evidence, strange []string
	person := false
	for _, p := range []struct{ did, arn string }{{"the running revision was registered by ", registeredBy}, {"the service was created by ", o.CreatedBy}} {
		if p.arn == "" {
			continue
		}
		evidence = append(evidence, p.did+p.arn)
		switch principal(p.arn) {
		case Owned:
			return Owner{Owned, nameOfPrincipal(p.arn), []string{p.did + p.arn}}
		case NoOwner:
			person = true
		default:
			strange = append(strange, p.did+p.arn+", which may be a person or a pipeline")
		}
	}
	switch {
	case len(o.Unread) > 0:
		return Owner{State: UnknownOwner, Evidence: o.Unread}
	case len(strange) > 0:
		return Owner{State: UnknownOwner, Evidence: strange}
	case !person:
		return Owner{State: UnknownOwner, Evidence: []string{"ECS does not tell who registered the revision or created the service"}}
	}
	return Owner{State: NoOwner, Evidence: append(evidence, "no stack and no tag of a tool")}
}

// toolPrefixes begin the keys of tags that a tool puts on what it makes.
var toolPrefixes = []struct{ prefix, tool string }{
	{"aws:cloudformation:", "CloudFormation"}, {"aws:cdk", "CDK"}, {"cdk:", "CDK"}, {"aws-cdk:", "CDK"},
	{"copilot-", "Copilot"}, {"pulumi:", "Pulumi"}, {"terraform", "Terraform"}, {"hashicorp:", "Terraform"},
}

// managedKeys are the keys of tags by which people say which tool manages a thing, without case and separators.
var managedKeys = []string{"managedby", "createdby", "provisionedby", "deployedby", "provisioner", "iac", "createdwith", "managedwith"}

// tools are words in such a tag's value, or in a role's name, that mean a tool or a pipeline.
var tools = []string{
	"terraform", "opentofu", "tofu", "terragrunt", "pulumi", "cloudformation", "cfn", "cdk", "copilot", "ecspresso", "serverless",
	"crossplane", "atlantis", "spacelift", "codebuild", "codepipeline", "codedeploy", "github", "gitlab", "bitbucket", "jenkins",
	"circleci", "buildkite", "teamcity", "travis", "drone", "argocd", "harness", "octopus", "azuredevops", "pipeline", "deploy",
	"deployer", "deployment", "cicd", "ci", "cd", "actions", "runner", "automation",
}

// toolOf finds a tag that speaks for a tool.
func toolOf(tags map[string]string) (tool, tag string) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		low := strings.ToLower(key)
		for _, t := range toolPrefixes {
			if strings.HasPrefix(low, t.prefix) && !strings.EqualFold(tags[key], "false") {
				return t.tool, key
			}
		}
		if !slices.Contains(managedKeys, strings.NewReplacer("-", "", "_", "", ":", "", ".", "", " ", "").Replace(low)) {
			continue
		}
		if word := toolIn(tags[key]); word != "" {
			return word, key
		}
	}
	return "", ""
}

// toolIn is the first word of a text that means a tool or a pipeline, or "".
func toolIn(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !(r >= 'a' && r <= 'z') })
	for i, w := range words {
		switch {
		case slices.Contains(tools, w):
			return w
		case i > 0 && slices.Contains(tools, words[i-1]+w):
			return words[i-1] + w
		}
		for _, tool := range tools {
			if len(tool) > 4 && strings.Contains(w, tool) { // GitHubActionsRole is one word without case
				return tool
			}
		}
	}
	return ""
}

// principal tells a pipeline (Owned) from a person (NoOwner), by the ARN that ECS answers: IAM Identity Center's roles begin
// with AWSReservedSSO_ and are for people; so are IAM users and the root, unless their names say otherwise.
func principal(arn string) Ownership {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return UnknownOwner
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	role, _, _ := strings.Cut(name, "/")
	switch {
	case kind == "assumed-role" && strings.HasPrefix(role, "AWSReservedSSO_"), kind == "root":
		return NoOwner
	case toolIn(name) != "", strings.HasPrefix(role, "AWSServiceRole"):
		return Owned
	case kind == "user":
		return NoOwner
	}
	return UnknownOwner
}

func nameOfPrincipal(arn string) string {
	_, name, ok := strings.Cut(arn, "/")
	if !ok {
		return arn
	}
	role, _, _ := strings.Cut(name, "/")
	return role
}
