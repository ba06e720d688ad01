package permission

import (
	"cmp"
	"slices"
	"strings"
)

// Policy is an IAM policy document.
type Policy struct {
	Version   string
	Statement []Statement
}

// Statement is one of its statements.
type Statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty" yaml:",omitempty"` // operator, key, values
}

// Scope narrows a policy. The zero Scope grants each action on all that IAM lets it be granted on.
type Scope struct {
	Partition   string   // aws, aws-cn, aws-us-gov; "": aws
	Clusters    []string // names or patterns with *, whose services may be changed; none: all
	LogGroups   []string // names or patterns with *, whose lines may be read; none: all
	PassRoles   []string // ARNs or patterns of task and execution roles that a fix may carry; none: all
	TargetRoles []string // ARNs or patterns of the roles of targets to be assumed; none: none may be
}

// anything is the statement of actions without a description.
const anything = "CallOtherOperations"

// taskService is who may be given the roles of a task (IAM user guide, "Granting a user permissions to pass a role").
const taskService = "ecs-tasks.amazonaws.com"

// grant is on what a statement's actions are allowed: the resource types are those of the Service Authorization Reference.
// An action that takes none, or of which AWS's own pages disagree (RegisterTaskDefinition), is granted on "*".
type grant struct {
	sid       string
	resources func(Scope) []string
	condition map[string]map[string][]string
}

var grants = []grant{
	{sid: "AssumeTargetRoles", resources: func(s Scope) []string { return s.TargetRoles }},
	{sid: "FindServicesAndTasks", resources: all},
	{sid: "SeeServicesAndTasks", resources: arns("ecs:*:*:service/*", "ecs:*:*:task/*")},
	{sid: "SeeClusters", resources: arns("ecs:*:*:cluster/*")},
	{sid: "SeeServiceHistory", resources: arns("ecs:*:*:service/*", "ecs:*:*:service-deployment/*", "ecs:*:*:service-revision/*")},
	{sid: "SeeAlarmsAndMetrics", resources: all},
	{sid: "SeeWhoseAlarmsTheyAre", resources: arns("cloudwatch:*:*:alarm:taskwarden/*")},
	{sid: "SeeWhomAlarmsReach", resources: arns("sns:*:*:*")},
	{sid: "PutOwnMetrics", resources: all, condition: map[string]map[string][]string{"StringEquals": {"cloudwatch:namespace": {"TaskWarden"}}}},
	{sid: "ReadLastLogLines", resources: logGroups(":log-stream:*")},
	{sid: "DateLogStreams", resources: logGroups(":*")},
	{sid: "KeepOwnAlarms", resources: arns("cloudwatch:*:*:alarm:taskwarden/*")},
	{sid: "FindOwnersAndRevisions", resources: all}, // DescribeStackResources is asked by a service's ARN, not a stack's
	{sid: "SeeWhatTagsMean", resources: arns("ecr:*:*:repository/*")},
	{sid: "RegisterTheFix", resources: all},
	{sid: "TagTheFix", resources: arns("ecs:*:*:task-definition/*"), condition: map[string]map[string][]string{"StringEquals": {"ecs:CreateAction": {"RegisterTaskDefinition"}}}},
	{sid: "PassTaskRolesToEcs", resources: passRoles, condition: map[string]map[string][]string{"StringEquals": {"iam:PassedToService": {taskService}}}},
	{sid: "DeployTheFix", resources: inClusters("service", "service-deployment")},
	{sid: anything, resources: all},
}

func all(Scope) []string { return []string{"*"} }

func arns(parts ...string) func(Scope) []string {
	return func(s Scope) []string {
		var out []string
		for _, p := range parts {
			out = append(out, s.arn(p))
		}
		return out
	}
}

func (s Scope) arn(rest string) string { return "arn:" + cmp.Or(s.Partition, "aws") + ":" + rest }

func logGroups(suffix string) func(Scope) []string {
	return func(s Scope) []string {
		var out []string
		for _, g := range orAll(s.LogGroups) {
			out = append(out, s.arn("logs:*:*:log-group:"+g+suffix))
		}
		return out
	}
}

// inClusters are the ECS resources of some kinds below the scope's clusters. An old ARN of a service has no cluster in it, and is
// granted with all clusters alone.
func inClusters(kinds ...string) func(Scope) []string {
	return func(s Scope) []string {
		var out []string
		for _, kind := range kinds {
			if len(s.Clusters) == 0 {
				out = append(out, s.arn("ecs:*:*:"+kind+"/*"))
			}
			for _, c := range s.Clusters {
				out = append(out, s.arn("ecs:*:*:"+kind+"/"+c+"/*"))
			}
		}
		return out
	}
}

func passRoles(s Scope) []string {
	if len(s.PassRoles) == 0 {
		return []string{s.arn("iam::*:role/*")}
	}
	return s.PassRoles
}

func orAll(patterns []string) []string {
	if len(patterns) == 0 {
		return []string{"*"}
	}
	return patterns
}

// Document is the least that the modes need, together, in one policy.
func Document(s Scope, modes ...Mode) Policy { return document(s, For(modes...)) }

// Home is the least that a controller needs in its own account, when it watches others through roles: the heartbeat, the
// alarms on it, and those roles.
func Home(s Scope, modes ...Mode) Policy {
	return document(s, slices.DeleteFunc(For(modes...), func(n Need) bool { return !n.Home }))
}

func document(s Scope, needs []Need) Policy {
	p := Policy{Version: "2012-10-17"}
	for _, g := range grants {
		var actions []string
		for _, n := range needs {
			if n.statement == g.sid {
				actions = append(actions, n.Action)
			}
		}
		if g.sid == "AssumeTargetRoles" && len(s.TargetRoles) > 0 {
			actions = []string{"sts:AssumeRole"}
		}
		if slices.Sort(actions); len(actions) > 0 {
			p.Statement = append(p.Statement, Statement{Sid: g.sid, Effect: "Allow", Action: slices.Compact(actions), Resource: g.resources(s), Condition: g.condition})
		}
	}
	return p
}

// Actions lists the policy's actions, sorted.
func (p Policy) Actions() []string {
	var out []string
	for _, s := range p.Statement {
		out = append(out, s.Action...)
	}
	slices.SortFunc(out, strings.Compare)
	return slices.Compact(out)
}

// Without is the policy less one action; a statement that is then empty goes too.
func (p Policy) Without(action string) Policy {
	out := Policy{Version: p.Version}
	for _, s := range p.Statement {
		s.Action = slices.DeleteFunc(slices.Clone(s.Action), func(a string) bool { return a == action })
		if len(s.Action) > 0 {
			out.Statement = append(out.Statement, s)
		}
	}
	return out
}
