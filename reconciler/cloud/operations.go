package cloud

// Class groups calls by what the user must have switched on for them to be sent.
type Class string

// Classes, from the harmless to the risky.
const (
	Access    Class = "access"    // getting credentials; always allowed, to the STS client alone
	Read      Class = "read"      // looking at clusters, services, tasks, definitions, metrics, alarms, and what they watch and notify
	Evidence  Class = "evidence"  // reading the log lines of dead containers
	Metrics   Class = "metrics"   // putting this product's own metrics
	Alarms    Class = "alarms"    // making, tagging and deleting alarms
	Remediate Class = "remediate" // registering task definitions and changing services
)

// Operation is one row of the table of all calls that the product can make.
type Operation struct {
	Service string // the SDK's module name, and IAM's prefix where the two agree: ecs, cloudwatch, cloudformation, ecr, logs, sns, sts
	Name    string // the API's operation
	Action  string // the IAM action it needs
	Bucket  string // whose tokens it takes; Buckets has the rates
	Class   Class
	Retry   bool // a repeat changes nothing, so the SDK may retry it
}

// String is how faults and metrics name the operation: "ecs:ListTasks".
func (o Operation) String() string { return o.Service + ":" + o.Name }

// Bucket is one token bucket that AWS keeps for each account and region, or a rate we hold ourselves to.
type Bucket struct {
	Name   string
	Burst  float64 // tokens when full
	Refill float64 // tokens a second
	Shared bool    // AWS's own documented numbers, of which only the share watch.apiBudget is taken
}

// Operations is the table. A test holds it against the calls that the SDK clients receive.
//
// PutMetricData, RegisterTaskDefinition, UpdateService and StopServiceDeployment have no client token: a repeat is a second
// datum, revision, deployment or end of one, so the SDK must not retry them.
func Operations() []Operation {
	return []Operation{
		{"sts", "AssumeRole", "sts:AssumeRole", "sts", Access, true},
		{"sts", "GetCallerIdentity", "sts:GetCallerIdentity", "sts", Access, true},
		{"ecs", "ListClusters", "ecs:ListClusters", "ecs-cluster-read", Read, true},
		{"ecs", "DescribeClusters", "ecs:DescribeClusters", "ecs-cluster-read", Read, true},
		{"ecs", "ListServices", "ecs:ListServices", "ecs-service-read", Read, true},
		{"ecs", "DescribeServices", "ecs:DescribeServices", "ecs-service-read", Read, true},
		{"ecs", "ListTasks", "ecs:ListTasks", "ecs-resource-read", Read, true},
		{"ecs", "DescribeTasks", "ecs:DescribeTasks", "ecs-resource-read", Read, true},
		{"ecs", "DescribeTaskDefinition", "ecs:DescribeTaskDefinition", "ecs-definition-read", Read, true},
		{"ecs", "ListTaskDefinitions", "ecs:ListTaskDefinitions", "ecs-definition-read", Read, true},
		{"ecs", "ListServiceDeployments", "ecs:ListServiceDeployments", "ecs-deployment-read", Read, true},
		{"ecs", "DescribeServiceDeployments", "ecs:DescribeServiceDeployments", "ecs-deployment-read", Read, true},
		{"ecs", "DescribeServiceRevisions", "ecs:DescribeServiceRevisions", "ecs-revision-read", Read, true},
		{"ecs", "RegisterTaskDefinition", "ecs:RegisterTaskDefinition", "ecs-definition-write", Remediate, false},
		{"ecs", "UpdateService", "ecs:UpdateService", "ecs-service-write", Remediate, false},
		{"ecs", "StopServiceDeployment", "ecs:StopServiceDeployment", "ecs-deployment-write", Remediate, false},
		{"cloudformation", "DescribeStackResources", "cloudformation:DescribeStackResources", "stacks-read", Read, true},
		{"ecr", "BatchGetImage", "ecr:BatchGetImage", "images-read", Read, true},
		{"logs", "DescribeLogStreams", "logs:DescribeLogStreams", "logs-describe", Evidence, true},
		{"logs", "GetLogEvents", "logs:GetLogEvents", "logs-get", Evidence, true},
		{"cloudwatch", "DescribeAlarms", "cloudwatch:DescribeAlarms", "alarms-read", Read, true},
		{"cloudwatch", "ListTagsForResource", "cloudwatch:ListTagsForResource", "alarm-tags-read", Read, true},
		{"cloudwatch", "ListMetrics", "cloudwatch:ListMetrics", "metrics-list", Read, true},
		{"sns", "GetTopicAttributes", "sns:GetTopicAttributes", "topics-read", Read, true},
		{"cloudwatch", "PutMetricAlarm", "cloudwatch:PutMetricAlarm", "alarms-write", Alarms, true},
		{"cloudwatch", "TagResource", "cloudwatch:TagResource", "alarm-tags-write", Alarms, true},
		{"cloudwatch", "DeleteAlarms", "cloudwatch:DeleteAlarms", "alarms-write", Alarms, true},
		{"cloudwatch", "PutMetricData", "cloudwatch:PutMetricData", "metrics-write", Metrics, false},
		{"cloudwatch", "GetMetricData", "cloudwatch:GetMetricData", "metrics-read", Read, true},
	}
}

// Buckets are the rates. The ECS rows are the categories of "Request throttling for the Amazon ECS API": all actions of
// a category share one bucket, and consoles, deploy tools and ECS's own scheduler drain it too. The others are rates of
// ours, well inside the quotas of CloudWatch (PutMetricAlarm and DeleteAlarms 3/s each, DescribeAlarms 9/s which ECS
// itself uses to watch deployment alarms, ListTagsForResource 10/s, TagResource 20/s, ListMetrics 25/s, PutMetricData and
// GetMetricData 500/s), of StopServiceDeployment, whose bucket is not published, of CloudWatch Logs (GetLogEvents 10/s in the slowest regions, DescribeLogStreams 25/s), of SNS
// (GetTopicAttributes 30/s), of ECR (BatchGetImage 2,000/s, which every pull needs), of CloudFormation, whose rates are not
// published and which deployments need, and of STS.
func Buckets() []Bucket {
	return []Bucket{
		{"ecs-cluster-read", 50, 20, true},
		{"ecs-service-read", 100, 20, true},
		{"ecs-resource-read", 100, 20, true},
		{"ecs-definition-read", 50, 20, true},
		{"ecs-deployment-read", 50, 20, true},
		{"ecs-revision-read", 50, 20, true},
		{"ecs-definition-write", 20, 1, true},
		{"ecs-service-write", 50, 5, true},
		{"ecs-deployment-write", 5, 1, false},
		{"logs-describe", 10, 10, false},
		{"logs-get", 5, 5, false},
		{"alarms-read", 2, 2, false},
		{"alarm-tags-read", 5, 5, false},
		{"alarms-write", 1, 1, false},
		{"alarm-tags-write", 5, 5, false},
		{"metrics-write", 20, 20, false},
		{"metrics-read", 10, 10, false},
		{"stacks-read", 2, 2, false},
		{"images-read", 5, 5, false},
		{"metrics-list", 5, 5, false},
		{"topics-read", 5, 5, false},
		{"sts", 5, 5, false},
	}
}

func operationOf(service, name string) (Operation, bool) {
	for _, o := range Operations() {
		if o.Service == service && o.Name == name {
			return o, true
		}
	}
	return Operation{Service: service, Name: name}, false
}

func bucketOf(name string) Bucket {
	for _, b := range Buckets() {
		if b.Name == name {
			return b
		}
	}
	return Bucket{Name: name, Burst: 1, Refill: 1} // a row without a bucket is slow, never unlimited; a test finds it
}
