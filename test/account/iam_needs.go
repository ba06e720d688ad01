package account

import (
	"cmp"
	"strings"

	"taskwarden/test/account/wire"
)

// needs are the permissions of a call, as the Service Authorization Reference has them: each action on the resource types
// it takes, or on "*".
func (a *Account) needs(req wire.Request) []need {
	action := req.Service + ":" + req.Op
	var out []need
	for _, resource := range a.resources(req) {
		out = append(out, need{action: action, resource: resource, context: a.context(req)})
	}
	return append(out, a.besides(req)...)
}

// besides are permissions that AWS asks for beside the operation's own: for tags given at creation, and for the roles that
// are passed on (ECS developer guide, "Grant permission to tag resources on creation"; PutMetricAlarm, Tags; IAM user guide,
// "Granting a user permissions to pass a role to an AWS service").
func (a *Account) besides(req wire.Request) []need {
	var out []need
	switch req.Op {
	case "RegisterTaskDefinition":
		if len(req.Input.List("tags")) > 0 {
			out = append(out, need{action: "ecs:TagResource", resource: a.arn("ecs", "task-definition/"+req.Input.String("family")+":*"),
				context: map[string]string{"ecs:CreateAction": req.Op}})
		}
		for _, member := range []string{"executionRoleArn", "taskRoleArn"} {
			if role := req.Input.String(member); role != "" {
				out = append(out, need{action: "iam:PassRole", resource: role, context: map[string]string{"iam:PassedToService": "ecs-tasks.amazonaws.com"}})
			}
		}
	case "PutMetricAlarm":
		if len(req.Input.List("Tags")) > 0 {
			out = append(out, need{action: "cloudwatch:TagResource", resource: a.arn("cloudwatch", "alarm:"+req.Input.String("AlarmName"))})
		}
	}
	return out
}

// context is what the call says to conditions.
func (a *Account) context(req wire.Request) map[string]string {
	if req.Op == "PutMetricData" {
		return map[string]string{"cloudwatch:namespace": req.Input.String("Namespace")}
	}
	return nil
}

// resources is what IAM says the action is on: "*" where it takes none, or where the call names none.
func (a *Account) resources(req wire.Request) []string {
	if find := on[req.Service+":"+req.Op]; find != nil {
		if out := find(a, req.Input); len(out) > 0 {
			return out
		}
	}
	return []string{"*"}
}

// on finds the resources of those actions that take some.
var on = map[string]func(*Account, wire.Input) []string{
	"ecs:DescribeClusters": func(a *Account, in wire.Input) []string {
		return arnsOf(in.Strings("clusters"), func(c string) string { return a.arn("ecs", "cluster/"+last(c)) })
	},
	"ecs:DescribeServices":           within("service", "services"),
	"ecs:DescribeTasks":              within("task", "tasks"),
	"ecs:UpdateService":              within("service", "service"),
	"ecs:ListServiceDeployments":     within("service", "service"),
	"ecs:DescribeServiceDeployments": func(_ *Account, in wire.Input) []string { return in.Strings("serviceDeploymentArns") },
	"ecs:StopServiceDeployment":      named("serviceDeploymentArn"),
	"ecs:DescribeServiceRevisions":   func(_ *Account, in wire.Input) []string { return in.Strings("serviceRevisionArns") },
	"ecr:BatchGetImage": func(a *Account, in wire.Input) []string {
		return []string{"arn:aws:ecr:" + a.called + ":" + cmp.Or(in.String("registryId"), a.accountID) + ":repository/" + in.String("repositoryName")}
	},
	"sns:GetTopicAttributes":         named("TopicArn"),
	"sts:AssumeRole":                 named("RoleArn"),
	"cloudwatch:TagResource":         named("ResourceARN"),
	"cloudwatch:ListTagsForResource": named("ResourceARN"),
	"cloudwatch:PutMetricAlarm":      alarmsNamed("AlarmName"),
	"cloudwatch:DeleteAlarms":        alarmsNamed("AlarmNames"),
	"logs:DescribeLogStreams":        streamsOf,
	"logs:FilterLogEvents":           streamsOf,
	"logs:GetLogEvents": func(a *Account, in wire.Input) []string {
		return []string{a.arn("logs", "log-group:"+in.String("logGroupName")+":log-stream:"+in.String("logStreamName"))}
	},
}

// values reads a member that is a string or a list of them.
func values(in wire.Input, member string) []string {
	if one := in.String(member); one != "" {
		return []string{one}
	}
	return in.Strings(member)
}

func arnsOf(in []string, f func(string) string) []string {
	var out []string
	for _, s := range in {
		out = append(out, f(s))
	}
	return out
}

// within are ECS resources below a cluster, given by name, id or ARN.
func within(kind, member string) func(*Account, wire.Input) []string {
	return func(a *Account, in wire.Input) []string {
		return arnsOf(values(in, member), func(name string) string {
			if strings.HasPrefix(name, "arn:") {
				return name
			}
			return a.arn("ecs", kind+"/"+last(in.String("cluster"))+"/"+name)
		})
	}
}

func named(member string) func(*Account, wire.Input) []string {
	return func(_ *Account, in wire.Input) []string { return values(in, member) }
}

func alarmsNamed(member string) func(*Account, wire.Input) []string {
	return func(a *Account, in wire.Input) []string {
		return arnsOf(values(in, member), func(name string) string { return a.arn("cloudwatch", "alarm:"+name) })
	}
}

func streamsOf(a *Account, in wire.Input) []string {
	return []string{a.arn("logs", "log-group:"+in.String("logGroupName")+":*")}
}
