package conformance

import (
	"slices"
	"strings"
)

// difference is a known one: on this path, some calls of the operation get these two answers.
type difference struct {
	operation, path string
	ours, theirs    string // answer.kinds
	right           string // one of verdicts
	why             string // by which page of AWS, or shape of the SDK's model
}

// verdicts say who is right: us, them, both (AWS leaves it open, or the two worlds differ there by nature) or neither.
var verdicts = []string{"ours", "theirs", "both", "neither"}

// differences are all that are known.
func differences() []difference {
	return slices.Concat(ofIDs(), ofLists(), ofRefusals(), ofTasksAndServices(), ofAlarms(), ofWhatIsMissing())
}

// by makes rows of one reason.
func by(right, why string, rows ...[4]string) []difference {
	var out []difference
	for _, r := range rows {
		out = append(out, difference{r[0], r[1], r[2], r[3], right, why})
	}
	return out
}

// list writes ARNs as answers do.
func list(head string, names ...string) string {
	var out []string
	for _, n := range names {
		out = append(out, "arn:aws:ecs:us-east-1:111122223333:"+head+n)
	}
	return "[" + strings.Join(out, " ") + "]"
}

func ofIDs() []difference {
	const task = "arn:aws:ecs:us-east-1:111122223333:task/prod/"
	return slices.Concat(
		by("ours", "a task id is 32 hexadecimal digits since the long ARN format (ECS developer guide, \"Amazon Resource Names and IDs\"); MiniStack makes a UUID",
			[4]string{"ecs:ListTasks", "TaskArns", "[" + task + "<hex32>]", "[" + task + "<uuid>]"},
			[4]string{"ecs:DescribeTasks", "Tasks[].TaskArn", task + "<hex32>", task + "<uuid>"},
			[4]string{"logs:DescribeLogStreams", "LogStreams[].LogStreamName", "ecs/app/<hex32>", "ecs/app/<uuid>"}),
		by("ours", "a deployment's id is ecs-svc/ and 19 digits (CLI reference, describe-services, output); MiniStack writes 20 hexadecimal ones",
			[4]string{"ecs:DescribeServices", "Services[].Deployments[].Id", "ecs-svc/<digits>", "ecs-svc/<hex20>"}),
		by("ours", "a service's task is started by the deployment's id (API reference, type Task, startedBy); MiniStack writes the service's name",
			[4]string{"ecs:DescribeTasks", "Tasks[].StartedBy", "ecs-svc/<digits>", "web"},
			[4]string{"ecs:DescribeTasks", "Tasks[].StartedBy", "ecs-svc/<digits>", "spot"},
			[4]string{"ecs:DescribeTasks", "Tasks[].StartedBy", "ecs-svc/<digits>", "victim"}),
		by("ours", "on Fargate it is the task's id and ten digits (task metadata endpoint v4, DockerId); the model calls it text",
			[4]string{"ecs:DescribeTasks", "Tasks[].Containers[].RuntimeId", "<runtime>", "<hex8-3>"}),
		by("both", "each account has a caller of its own",
			[4]string{"sts:GetCallerIdentity", "Arn", "arn:aws:sts::111122223333:assumed-role/taskwarden/taskwarden", "arn:aws:iam::111122223333:root"},
			[4]string{"ecs:DescribeTaskDefinition", "TaskDefinition.RegisteredBy", "arn:aws:sts::111122223333:assumed-role/taskwarden/taskwarden", "arn:aws:iam::111122223333:root"},
			[4]string{"ecs:DescribeServices", "Services[].CreatedBy", "arn:aws:iam::111122223333:role/deploy", "arn:aws:iam::111122223333:root"},
			[4]string{"ecs:RegisterTaskDefinition", "TaskDefinition.RegisteredBy", "arn:aws:sts::111122223333:assumed-role/taskwarden/taskwarden", "arn:aws:iam::111122223333:root"},
			[4]string{"ecs:DescribeTaskDefinition", "TaskDefinition.RegisteredBy", "arn:aws:sts::111122223333:assumed-role/deploy/ci", "arn:aws:iam::111122223333:root"}),
	)
}

func ofLists() []difference {
	return slices.Concat(
		by("ours", "RecentlyActive takes PT3H alone (API reference, ListMetrics); MiniStack does not look at it",
			[4]string{"cloudwatch:ListMetrics", errorPath, "InvalidParameterValueException", absent}),
		by("ours", "a text that is no ARN is an InvalidParameter (API reference, GetTopicAttributes, Errors); MiniStack looks for a topic of the name",
			[4]string{"sns:GetTopicAttributes", errorPath, "InvalidParameter", "NotFound"}),
		by("ours", "maxResults bounds the page and nextToken follows (API reference, ListClusters); MiniStack lists all",
			[4]string{"ecs:ListClusters", "ClusterArns", list("cluster/", "empty", "prod"), list("cluster/", "empty", "prod", "wide")},
			[4]string{"ecs:ListClusters", "NextToken", "<secret>", absent}),
		by("ours", "10 a page unless maxResults says otherwise, and nextToken follows (API reference, ListServices); MiniStack lists all",
			[4]string{"ecs:ListServices", "ServiceArns", list("service/wide/", wide[:10]...), list("service/wide/", wide...)},
			[4]string{"ecs:ListServices", "ServiceArns", list("service/wide/", wide[:5]...), list("service/wide/", wide...)},
			[4]string{"ecs:ListServices", "NextToken", "<secret>", absent}),
		by("both", "ListMetrics promises no order",
			[4]string{"cloudwatch:ListMetrics", "Metrics[].Dimensions[].Value", "api | prod | web", "api | prod | web"}),
		by("ours", "MaxDatapoints bounds the page (API reference, GetMetricData); MiniStack answers all",
			[4]string{"cloudwatch:GetMetricData", "MetricDataResults[]", "1", "2"},
			[4]string{"cloudwatch:GetMetricData", "NextToken", "<secret>", absent}),
		by("ours", "DescribeLogStreams takes logGroupIdentifier, a name or an ARN (SDK model); MiniStack reads logGroupName alone",
			[4]string{"logs:DescribeLogStreams", errorPath, absent, "ResourceNotFoundException"}),
	)
}

// ofRefusals are calls that AWS refuses and MiniStack answers, or refuses by another name.
func ofRefusals() []difference {
	const lax = "; MiniStack answers"
	return slices.Concat(
		by("ours", "an unknown cluster is ClusterNotFoundException (API reference, errors of each)"+lax,
			[4]string{"ecs:ListServices", errorPath, "ClusterNotFoundException", absent},
			[4]string{"ecs:ListTasks", errorPath, "ClusterNotFoundException", absent},
			[4]string{"ecs:DescribeTasks", errorPath, "ClusterNotFoundException", absent},
			[4]string{"ecs:ListServiceDeployments", errorPath, "ClusterNotFoundException", absent},
			[4]string{"ecs:UpdateService", errorPath, "ClusterNotFoundException", "ServiceNotFoundException"}),
		by("ours", "a service cannot be pointed at a revision that is not there (API reference, UpdateService)"+lax,
			[4]string{"ecs:UpdateService", errorPath, "ClientException", absent}),
		by("ours", "a resource's id alone finds its stack (API reference, DescribeStackResources); MiniStack wants the stack's name",
			[4]string{"cloudformation:DescribeStackResources", errorPath, absent, "ValidationError"}),
		by("both", "without a network mode the default is bridge (API reference, RegisterTaskDefinition); whether the answer spells it out is not said",
			[4]string{"ecs:RegisterTaskDefinition", "TaskDefinition.NetworkMode", absent, "bridge"}),
		by("ours", "an unknown service is ServiceNotFoundException (API reference, errors of each)"+lax,
			[4]string{"ecs:ListTasks", errorPath, "ServiceNotFoundException", absent},
			[4]string{"ecs:ListServiceDeployments", errorPath, "ServiceNotFoundException", absent}),
		by("ours", "pages are of 1 to 100, batches of 1 to 10 services, 100 tasks or clusters, 20 deployments or revisions; enumerations and tokens are AWS's own (API reference of each)"+lax,
			[4]string{"ecs:ListClusters", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:ListTaskDefinitions", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:DescribeClusters", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:ListTasks", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:DescribeServices", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:DescribeTasks", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:DescribeServiceDeployments", errorPath, "InvalidParameterException", absent},
			[4]string{"ecs:DescribeServiceRevisions", errorPath, "InvalidParameterException", absent}),
		by("ours", "imageIds has at least one member (API reference, BatchGetImage)"+lax,
			[4]string{"ecr:BatchGetImage", errorPath, "InvalidParameterException", absent}),
		by("ours", "a secret's name must not be set as environment too, and a list of tags not be empty (seen on AWS: ClientException)"+lax,
			[4]string{"ecs:RegisterTaskDefinition", errorPath, "ClientException", absent}),
		by("ours", "limit is 1 to 10,000 lines (API reference, GetLogEvents)"+lax,
			[4]string{"logs:GetLogEvents", errorPath, "InvalidParameterException", absent}),
		by("ours", "a prefix cannot be ordered by LastEventTime (API reference, DescribeLogStreams)"+lax,
			[4]string{"logs:DescribeLogStreams", errorPath, "InvalidParameterException", absent}),
		by("ours", "at most 1,000 data a call, at most two weeks old, in a namespace (API reference, PutMetricData)"+lax,
			[4]string{"cloudwatch:PutMetricData", errorPath, "InvalidParameterValueException", absent},
			[4]string{"cloudwatch:PutMetricData", errorPath, "MissingRequiredParameterException", absent}),
		by("ours", "ids are unique within the call, and the start is before the end (API reference, GetMetricData)"+lax,
			[4]string{"cloudwatch:GetMetricData", errorPath, "ValidationError", absent}),
		by("ours", "the operator is an enumeration, and M is at most N (API reference, PutMetricAlarm)"+lax,
			[4]string{"cloudwatch:PutMetricAlarm", errorPath, "ValidationError", absent}),
		by("ours", "AlarmNames has at most 100 members (API reference, DescribeAlarms)"+lax,
			[4]string{"cloudwatch:DescribeAlarms", errorPath, "ValidationError", absent}),
		by("ours", "the API reference has the error ResourceNotFound for DeleteAlarms"+lax,
			[4]string{"cloudwatch:DeleteAlarms", errorPath, "ResourceNotFound", absent}),
		by("ours", "the tagging operations' error shape is ResourceNotFoundException (SDK model; ResourceNotFound is that of alarms and dashboards), and text that is no ARN an invalid parameter; the product takes both as not found",
			[4]string{"cloudwatch:ListTagsForResource", errorPath, "ResourceNotFoundException", "ResourceNotFound"},
			[4]string{"cloudwatch:TagResource", errorPath, "ResourceNotFoundException", "ResourceNotFound"},
			[4]string{"cloudwatch:ListTagsForResource", errorPath, "InvalidParameterValueException", "ResourceNotFound"}),
	)
}

func ofTasksAndServices() []difference {
	return slices.Concat(
		by("ours", "the reason names the deployment (CLI reference, describe-services, output)",
			[4]string{"ecs:DescribeServices", "Services[].Deployments[].RolloutStateReason", "ECS deployment ecs-svc/<digits> completed.", "ECS deployment completed."}),
		by("ours", "a Fargate task has no container instance (API reference, type Task, containerInstanceArn)",
			[4]string{"ecs:DescribeTasks", "Tasks[].ContainerInstanceArn", absent, "arn:aws:ecs:us-east-1:111122223333:container-instance/prod/<uuid>"}),
		by("ours", "a service that runs as it should has said so (ECS developer guide, service event messages); MiniStack writes no events",
			[4]string{"ecs:DescribeServices", "Services[].Events[]", "1", "0"}),
		by("ours", "a container that was pulled has its image's digest (API reference, type Container); MiniStack without a container engine pulls nothing",
			[4]string{"ecs:DescribeTasks", "Tasks[].Containers[].ImageDigest", "<digest>", absent}),
		by("both", "the version counts changes that AWS does not enumerate (API reference, type Task); MiniStack's tasks begin in RUNNING",
			[4]string{"ecs:DescribeTasks", "Tasks[].Version", "3", "1"},
			[4]string{"ecs:DescribeTasks", "Tasks[].Version", "6", "4"}),
	)
}

func ofAlarms() []difference {
	const (
		path   = "MetricAlarms[]."
		breach = "Threshold Crossed: no datapoints were received for 5 periods and 5 missing datapoints were treated as [Breaching]."
		fresh  = "Unchecked: Initial alarm creation"
	)
	return slices.Concat(
		by("ours", "Metrics of an alarm is read back as it was put (API reference, type MetricAlarm); MiniStack drops it",
			[4]string{"cloudwatch:DescribeAlarms", path + "Metrics[]", "0 | 1", "0"},
			[4]string{"cloudwatch:DescribeAlarms", path + "Metrics[]", "1", "0"}),
		by("ours", "an alarm on Metrics has no period or statistic of its own, one on a percentile no statistic (API reference, PutMetricAlarm); MiniStack fills in 60 and Average",
			[4]string{"cloudwatch:DescribeAlarms", path + "Period", "- | 60", "60"},
			[4]string{"cloudwatch:DescribeAlarms", path + "Period", absent, "60"},
			[4]string{"cloudwatch:DescribeAlarms", path + "Statistic", "- | Maximum", "Average | Maximum"},
			[4]string{"cloudwatch:DescribeAlarms", path + "Statistic", absent, "Average"}),
		by("ours", "an alarm is evaluated each minute, and missing data can breach (user guide, alarms and missing data); MiniStack evaluates when data is put, so it has no watch over what is silent",
			[4]string{"cloudwatch:DescribeAlarms", path + "StateValue", "ALARM", "INSUFFICIENT_DATA"},
			[4]string{"cloudwatch:DescribeAlarms", path + "StateValue", "ALARM | INSUFFICIENT_DATA", "INSUFFICIENT_DATA"},
			[4]string{"cloudwatch:DescribeAlarms", path + "StateReason", breach, fresh},
			[4]string{"cloudwatch:DescribeAlarms", path + "StateReason", breach + " | " + fresh, fresh}),
		by("theirs", "a composite alarm's rule is evaluated at once (API reference, PutCompositeAlarm); the simulated account keeps and shows composite alarms alone",
			[4]string{"cloudwatch:DescribeAlarms", "CompositeAlarms[].StateValue", "INSUFFICIENT_DATA", "OK"},
			[4]string{"cloudwatch:DescribeAlarms", "CompositeAlarms[].StateReason", fresh,
				alarmARN + "either was created and its alarm rule evaluates to OK"}),
		by("both", "left out, it acts as missing (API reference, PutMetricAlarm); whether it is then shown is not written, and the product reads both as missing",
			[4]string{"cloudwatch:DescribeAlarms", path + "TreatMissingData", "- | breaching | notBreaching", "breaching | missing | notBreaching"}),
		by("ours", "it is there from the alarm's creation on (SDK model, type MetricAlarm); MiniStack has only StateUpdatedTimestamp",
			[4]string{"cloudwatch:DescribeAlarms", path + "StateTransitionedTimestamp", "<time>", absent}),
		by("ours", "an alarm sees the metric of exactly its dimensions, by period (user guide, alarm evaluation); MiniStack mixes all services' data (7 is another's) over the last five minutes",
			[4]string{"cloudwatch:DescribeAlarms", path + "StateReason",
				"Threshold Crossed: 1 out of the last 5 datapoints [3.0 (<date>)] was greater than or equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition) and 4 missing datapoints were treated as [NonBreaching].",
				"Threshold Crossed: Maximum 7.0 GreaterThanOrEqualToThreshold 1.0"}),
	)
}

func ofWhatIsMissing() []difference {
	return by("ours", "MiniStack answers these three operations with empty lists always",
		[4]string{"ecs:ListServiceDeployments", "ServiceDeployments[]", "1", "0"},
		[4]string{"ecs:DescribeServiceDeployments", "ServiceDeployments[]", "1", "0"},
		[4]string{"ecs:DescribeServiceDeployments", "Failures[]", "1", "0"},
		[4]string{"ecs:DescribeServiceRevisions", "ServiceRevisions[]", "1", "0"},
		[4]string{"ecs:DescribeServiceRevisions", "Failures[]", "1", "0"})
}

// blind is a path, with all below it, on which the two never both have something to compare.
type blind struct{ operation, path, why string }

// covers tells whether the path is the blind one or below it.
func (b blind) covers(path string) bool {
	return path == b.path || strings.HasPrefix(path, b.path+".")
}

func uncompared() []blind {
	const (
		stub    = "an empty list at MiniStack always"
		unpaged = "MiniStack does not page here"
		calm    = "nothing is pending and nothing fails where nothing runs"
		silent  = "AWS gives MISSING without details"
	)
	return []blind{
		{"ecs:ListClusters", "NextToken", unpaged},
		{"ecs:ListServices", "NextToken", unpaged},
		{"cloudwatch:GetMetricData", "NextToken", unpaged},
		{"cloudwatch:ListMetrics", "NextToken", "500 a page, and the world has fewer"},
		{"sns:GetTopicAttributes", "Attributes.SubscriptionsPending", "nothing is pending"},
		{"ecs:DescribeServices", "Services[].LoadBalancers[]", "no service of the world is behind a load balancer"},
		{"ecs:ListServiceDeployments", "ServiceDeployments[]", stub},
		{"ecs:ListServiceDeployments", "NextToken", stub},
		{"ecs:DescribeServiceDeployments", "ServiceDeployments[]", stub},
		{"ecs:DescribeServiceDeployments", "Failures[]", stub},
		{"ecs:DescribeServiceRevisions", "ServiceRevisions[]", stub},
		{"ecs:DescribeServiceRevisions", "Failures[]", stub},
		{"ecs:DescribeServices", "Failures[].Detail", silent},
		{"ecs:DescribeTasks", "Failures[].Detail", silent},
		{"ecs:DescribeServices", "Services[].PendingCount", calm},
		{"ecs:DescribeServices", "Services[].Deployments[].PendingCount", calm},
		{"ecs:DescribeServices", "Services[].Deployments[].FailedTasks", calm},
		{"ecs:DescribeServices", "Services[].Events[]", "MiniStack writes no events"},
		{"ecs:DescribeServices", "Services[].DeploymentConfiguration.LifecycleHooks[]", "the simulated account has rolling deployments alone, which take no hooks"},
		{"ecs:DescribeServices", "Services[].TaskSets[]", "neither has a service that CodeDeploy or others deploy"},
		{"ecs:DescribeTasks", "Tasks[].ContainerInstanceArn", "the simulated account has Fargate alone"},
		{"ecs:DescribeServices", "Services[].ResourceManagementType", "neither has services in Express Mode"},
		{"ecs:DescribeTasks", "Tasks[].Containers[].ImageDigest", "MiniStack pulls nothing"},
		{"ecs:DescribeTasks", "Tasks[].Containers[].Reason", calm},
		{"cloudwatch:DescribeAlarms", "LogAlarms[]", "MiniStack has no log alarms"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].ActionConfiguration", "MiniStack drops it"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].EvaluateLowSampleCountPercentile", "MiniStack drops it"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].EvaluationState", "all data is seen, and no alarm is broken"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].WarmUpConfiguration", "MiniStack drops it"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].Metrics[]", "MiniStack drops it"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].ThresholdMetricId", "of anomaly detection, which the simulated account refuses"},
		{"cloudwatch:DescribeAlarms", "MetricAlarms[].StateTransitionedTimestamp", "MiniStack does not give it"},
	}
}
