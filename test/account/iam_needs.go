package account

import (
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

// resources is what IAM says the action is on: "*" where it takes none.
func (a *Account) resources(req wire.Request) []string {
	in := req.Input
	cluster := last(in.String("cluster"))
	within := func(kind string, names ...string) []string {
		var out []string
		for _, n := range names {
			if !strings.HasPrefix(n, "arn:") {
				n = a.arn("ecs", kind+"/"+cluster+"/"+n)
			}
			out = append(out, n)
		}
		return out
	}
	switch req.Op {
	case "DescribeClusters":
		var out []string
		for _, c := range in.Strings("clusters") {
			out = append(out, a.arn("ecs", "cluster/"+last(c)))
		}
		return orAny(out)
	case "DescribeServices":
		return orAny(within("service", in.Strings("services")...))
	case "DescribeTasks":
		return orAny(within("task", in.Strings("tasks")...))
	case "UpdateService", "ListServiceDeployments":
		return within("service", in.String("service"))
	case "DescribeServiceDeployments":
		return orAny(in.Strings("serviceDeploymentArns"))
	case "DescribeServiceRevisions":
		return orAny(in.Strings("serviceRevisionArns"))
	case "GetTopicAttributes":
		return []string{in.String("TopicArn")}
	case "PutMetricAlarm":
		return []string{a.arn("cloudwatch", "alarm:"+in.String("AlarmName"))}
	case "DeleteAlarms":
		var out []string
		for _, name := range in.Strings("AlarmNames") {
			out = append(out, a.arn("cloudwatch", "alarm:"+name))
		}
		return orAny(out)
	case "TagResource", "ListTagsForResource":
		if req.Service == "cloudwatch" {
			return []string{in.String("ResourceARN")}
		}
	case "GetLogEvents":
		return []string{a.arn("logs", "log-group:"+in.String("logGroupName")+":log-stream:"+in.String("logStreamName"))}
	case "DescribeLogStreams", "FilterLogEvents":
		return []string{a.arn("logs", "log-group:"+in.String("logGroupName")+":*")}
	case "AssumeRole":
		return []string{in.String("RoleArn")}
	}
	return []string{"*"}
}

func orAny(resources []string) []string {
	if len(resources) == 0 {
		return []string{"*"}
	}
	return resources
}
