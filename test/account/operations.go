package account

import (
	"slices"

	"taskwarden/test/account/wire"
)

// operations is every call that the account answers, by service; CloudWatch's are in its own package. It is never changed.
var operations = map[string]map[string]operation{
	"ecs": {
		"ListClusters":               listClusters,
		"DescribeClusters":           describeClusters,
		"ListServices":               listServices,
		"DescribeServices":           describeServices,
		"ListTasks":                  listTasks,
		"DescribeTasks":              describeTasks,
		"ListTaskDefinitions":        listTaskDefinitions,
		"DescribeTaskDefinition":     describeTaskDefinition,
		"ListServiceDeployments":     listServiceDeployments,
		"DescribeServiceDeployments": describeServiceDeployments,
		"DescribeServiceRevisions":   describeServiceRevisions,
		"ListTagsForResource":        listTags,
		"TagResource":                tagService,
		"RegisterTaskDefinition":     registerTaskDefinition,
		"DeregisterTaskDefinition":   deregisterTaskDefinition,
		"DeleteTaskDefinitions":      deleteTaskDefinitions,
		"UpdateService":              updateService,
		"StopServiceDeployment":      stopServiceDeployment,
		"StopTask":                   stopTask,
	},
	"logs": {
		"DescribeLogGroups":  describeLogGroups,
		"DescribeLogStreams": describeLogStreams,
		"GetLogEvents":       getLogEvents,
		"FilterLogEvents":    filterLogEvents,
	},
	"ecr": {
		"BatchGetImage": batchGetImage,
	},
	"cloudformation": {
		"DescribeStackResources": describeStackResources,
	},
	"sns": {
		"GetTopicAttributes": getTopicAttributes,
	},
	"sts": {
		"GetCallerIdentity": getCallerIdentity,
		"AssumeRole":        assumeRole,
	},
}

// batch reads a list of names of a describe call and refuses none and too many.
func batch(in wire.Input, member, title string, most int) ([]string, error) {
	names := in.Strings(member)
	if len(names) == 0 {
		return nil, wire.Bad("InvalidParameterException", "%s cannot be empty.", title)
	}
	if len(names) > most {
		return nil, wire.Bad("InvalidParameterException", "%s cannot have more than %d elements", title, most)
	}
	return names, nil
}

// missing is an entry of failures[] for something that does not exist (any more).
func missing(arn string) map[string]any { return map[string]any{"arn": arn, "reason": "MISSING"} }

// including says whether a describe call asks for a section, such as TAGS.
func including(in wire.Input, section string) bool {
	return slices.Contains(in.Strings("include"), section)
}
