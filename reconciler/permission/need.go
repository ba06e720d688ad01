package permission

import (
	"slices"

	"taskwarden/reconciler/cloud"
)

// Need is one IAM action.
type Need struct {
	Action    string // IAM's name
	Operation string // the call of the operation table that needs it
	Modes     []Mode // that need it of their own; what observe needs, all but scan need
	Home      bool   // needed in the controller's own account too, where no service may be: heartbeat and the alarms on it
	Why       string
	Without   string // what is lost
	statement string // the Sid of the statement that grants it
}

// In says whether a mode needs the action.
func (n Need) In(m Mode) bool {
	return slices.Contains(n.Modes, m) || m != Scan && slices.Contains(n.Modes, Observe)
}

var (
	looking   = []Mode{Scan, Observe}
	history   = []Mode{Scan, Remediate}
	observe   = []Mode{Observe}
	alarms    = []Mode{Alarms}
	remediate = []Mode{Remediate}
)

// rows are the needs, by operation; a row whose Action is set is one that AWS asks for beside the operation's own.
var rows = []Need{
	{Operation: "ecs:ListClusters", Modes: looking, statement: "FindServicesAndTasks",
		Why: "to find the clusters", Without: "nothing is seen: `Unobservable`, the target is blind"},
	{Operation: "ecs:ListServices", Modes: looking, statement: "FindServicesAndTasks",
		Why: "to find the services of a cluster", Without: "the view is partial: nothing new is concluded, `Unobservable`"},
	{Operation: "ecs:ListTasks", Modes: looking, statement: "FindServicesAndTasks",
		Why: "to find running and stopped tasks", Without: "the view is partial: nothing new is concluded, `Unobservable`"},
	{Operation: "ecs:DescribeTaskDefinition", Modes: looking, statement: "FindServicesAndTasks",
		Why: "which containers are essential, their images and OTEL settings; also the document that a fix starts from", Without: "no culprit of certainty, no lint, no fix"},
	{Operation: "ecs:DescribeServices", Modes: looking, statement: "SeeServicesAndTasks",
		Why: "desired and running counts, deployments, events, tags", Without: "the view is partial: nothing new is concluded, `Unobservable`"},
	{Operation: "ecs:DescribeTasks", Modes: looking, statement: "SeeServicesAndTasks",
		Why: "why a task stopped, exit codes", Without: "the view is partial: nothing new is concluded, `Unobservable`"},
	{Operation: "ecs:DescribeClusters", Modes: observe, statement: "SeeClusters",
		Why: "whether Container Insights shows restarts there", Without: "restarts under a restart policy stay unseen: `Unobservable`"},
	{Operation: "ecs:ListServiceDeployments", Modes: history, statement: "SeeServiceHistory",
		Why: "deployments of 90 days (scan); whether one is in flight before a fix is sent", Without: "scan's reach is shorter; no fix is sent"},
	{Operation: "ecs:DescribeServiceDeployments", Modes: history, statement: "SeeServiceHistory",
		Why: "what a deployment replaced, and how it ended", Without: "scan cannot say what changed; a rollout cannot tell how its deployment ended"},
	{Operation: "ecs:DescribeServiceRevisions", Modes: history, statement: "SeeServiceHistory",
		Why: "which revision and image digests a deployment brought", Without: "scan cannot say what changed; a fix is refused, since a digest might move"},
	{Operation: "cloudwatch:DescribeAlarms", Modes: looking, Home: true, statement: "SeeAlarmsAndMetrics",
		Why: "which alarms there are, and whether they can fire", Without: "no plan of alarms and no coverage"},
	{Operation: "cloudwatch:ListMetrics", Modes: observe, Home: true, statement: "SeeAlarmsAndMetrics",
		Why: "whether an alarm's metric has data; which series tell restarts and floods", Without: "blind alarms, restarts and floods stay unseen"},
	{Operation: "cloudwatch:GetMetricData", Modes: observe, statement: "SeeAlarmsAndMetrics",
		Why: "restarts and floods, minute by minute; reading a counter back after a crash", Without: "restarts and floods stay unseen; a counter in doubt is sent again"},
	{Operation: "cloudwatch:ListTagsForResource", Modes: observe, Home: true, statement: "SeeWhoseAlarmsTheyAre",
		Why: "whose an alarm of the product's name is", Without: "no plan of alarms: what is not known to be its own is not touched"},
	{Operation: "sns:GetTopicAttributes", Modes: looking, Home: true, statement: "SeeWhomAlarmsReach",
		Why: "whether an alarm's topic exists and has subscribers", Without: "whether an alarm reaches anybody is not known"},
	{Operation: "cloudwatch:PutMetricData", Modes: observe, Home: true, statement: "PutOwnMetrics",
		Why: "gauges, counters, heartbeat, in the namespace TaskWarden alone", Without: "no metrics, so alarms see nothing; `Unobservable`; `metrics.enabled: false` is the way to want that"},
	{Operation: "logs:GetLogEvents", Modes: []Mode{Scan, Evidence}, statement: "ReadLastLogLines",
		Why: "the last lines of a dead container, which name the crash", Without: "verdicts rest on exit codes: no signature"},
	{Operation: "logs:DescribeLogStreams", Modes: []Mode{Scan}, statement: "DateLogStreams",
		Why: "how long a task that is no longer shown had lived", Without: "lifetimes of dead tasks are unknown: scan's reach is shorter"},
	{Operation: "cloudwatch:PutMetricAlarm", Modes: alarms, Home: true, statement: "KeepOwnAlarms",
		Why: "makes and repairs the alarms that were planned", Without: "alarms stay planned: `AlarmMissing`, `AlarmDrifted`"},
	{Operation: "cloudwatch:TagResource", Modes: alarms, Home: true, statement: "KeepOwnAlarms",
		Why: "the owner's tag, without which no alarm is repaired or deleted; PutMetricAlarm with tags needs it too", Without: "no alarm is made or repaired"},
	{Operation: "cloudwatch:DeleteAlarms", Modes: alarms, Home: true, statement: "KeepOwnAlarms",
		Why: "mode sync: deletes its own alarms that nothing needs any more", Without: "they stay; mode ensure never needs it"},
	{Operation: "cloudformation:DescribeStackResources", Modes: remediate, statement: "FindOwnersAndRevisions",
		Why: "whether a stack made the service, whose next update would undo a fix", Without: "the owner is unknown: the fix is exported or refused (`owner_unknown`)"},
	{Operation: "ecs:ListTaskDefinitions", Modes: remediate, statement: "FindOwnersAndRevisions",
		Why: "to find a revision of its own after an interrupted registration, and the family's newest after a rollback", Without: "after a rollback the bad content stays the family's newest; an interrupted registration is not found"},
	{Operation: "ecr:BatchGetImage", Modes: remediate, statement: "SeeWhatTagsMean",
		Why: "whether an image's tag still means what runs, so that a fix changes no image", Without: "a fix of a service with images of ECR by tag is refused (`image_drift`)"},
	{Operation: "ecs:RegisterTaskDefinition", Modes: remediate, statement: "RegisterTheFix",
		Why: "the corrected revision", Without: "no fix is rolled out"},
	{Operation: "ecs:RegisterTaskDefinition", Action: "ecs:TagResource", Modes: remediate, statement: "TagTheFix",
		Why: "the revision's tags, `taskwarden:rollout` among them, while it is registered", Without: "the registration is refused where the account setting tagResourceAuthorization is on"},
	{Operation: "ecs:RegisterTaskDefinition", Action: "iam:PassRole", Modes: remediate, statement: "PassTaskRolesToEcs",
		Why: "the revision carries the roles that its base has", Without: "a definition with roles cannot be registered"},
	{Operation: "ecs:UpdateService", Modes: remediate, statement: "DeployTheFix",
		Why: "deploys the corrected revision, or the one before", Without: "what was registered is not deployed"},
	{Operation: "ecs:StopServiceDeployment", Modes: remediate, statement: "DeployTheFix",
		Why:     "has ECS roll back a blue/green, linear or canary deployment of a fix that is still under way",
		Without: "UpdateService to the old revision takes its place, of which AWS says that it stops the deployment that is under way"},
}

// Needs lists every action, rows of the operation table that are not described here included.
func Needs() []Need { return needs(rows, cloud.Operations()) }

func needs(rows []Need, operations []cloud.Operation) []Need {
	var out []Need
	for _, n := range rows {
		i := slices.IndexFunc(operations, func(o cloud.Operation) bool { return o.String() == n.Operation })
		if i < 0 {
			continue // no longer called; a test finds it
		}
		if n.Action == "" {
			n.Action = operations[i].Action
		}
		out = append(out, n)
	}
	for _, o := range operations {
		known := slices.ContainsFunc(rows, func(n Need) bool { return n.Operation == o.String() })
		if !known && o.Class != cloud.Access {
			out = append(out, Need{Action: o.Action, Operation: o.String(), Modes: []Mode{byClass[o.Class]}, statement: anything})
		}
	}
	return out
}

// byClass is the mode that a row without a description here belongs to.
var byClass = map[cloud.Class]Mode{cloud.Read: Observe, cloud.Metrics: Observe, cloud.Evidence: Evidence, cloud.Alarms: Alarms, cloud.Remediate: Remediate}

// For lists the needs of modes together.
func For(modes ...Mode) []Need {
	return slices.DeleteFunc(Needs(), func(n Need) bool { return !slices.ContainsFunc(modes, n.In) })
}
