package churn

import (
	"regexp"
	"strings"

	"taskwarden/reconciler/fleet"
)

// rule is one row of the table that decides why a task stopped.
type rule struct {
	id      string
	source  string // where the text or the code is documented or was seen
	example string // a task's own words that the rule is for
	match   func(f facts) (ruling, bool)
}

// ruling is what a matching rule says.
type ruling struct {
	cause      Cause
	confidence Confidence
	why        string
}

// facts are a task's words in the form that rules read.
type facts struct {
	Input
	code    string // lower case; "" where AWS gave none
	text    string // lower case, without a leading "Service <name>: " or stop code
	reasons string // the containers' own reasons, lower case, one a line
}

const (
	docErrors  = "Amazon ECS guide, Stopped tasks error messages"
	docCodes   = "Amazon ECS API reference, Task.stopCode"
	docRetire  = "Amazon ECS guide, Task retirement and maintenance for AWS Fargate"
	docSpot    = "Amazon ECS guide, Fargate capacity providers"
	docDrain   = "Amazon ECS guide, Container instance draining"
	docReasons = "Amazon ECS guide, API failure reasons"
	docBreaker = "Amazon ECS guide, Deployment circuit breaker"
	seenEvents = "task state change events as published by many users"
)

var servicePrefix = regexp.MustCompile(`^(?:\(service [^)]{1,255}\)|service [^:]{1,255}:)\s+`)

// codePrefix is a stop code in front of the text, as consoles and scripts write the two together.
var codePrefix = regexp.MustCompile(`^(taskfailedtostart|essentialcontainerexited|userinitiated|serviceschedulerinitiated|spotinterruption|terminationnotice|infrastructurehealth)(?:: ?|$)`)

func factsOf(in Input) facts {
	f := facts{Input: in, code: strings.ToLower(strings.TrimSpace(in.Task.StopCode))}
	f.text = servicePrefix.ReplaceAllString(strings.ToLower(strings.Join(strings.Fields(in.Task.StoppedReason), " ")), "")
	if m := codePrefix.FindStringSubmatch(f.text); m != nil {
		f.text = f.text[len(m[0]):]
		if f.code == "" {
			f.code = m[1]
		}
	}
	for _, c := range in.Task.Containers {
		if c.Reason != "" {
			f.reasons += strings.ToLower(c.Reason) + "\n"
		}
	}
	return f
}

// byText matches the stopped reason alone.
func byText(cause Cause, expr, why string) func(facts) (ruling, bool) {
	re := re(expr)
	return func(f facts) (ruling, bool) { return ruling{cause, High, why}, re.Match(f.text, f.text) }
}

// byScheduler matches the stopped reason; where the service scheduler itself stopped the task, one word of it is enough:
// the text is ECS's own then, however it may be worded next year. Names in it are the user's, and a failed check is one.
func byScheduler(cause Cause, expr, word, why string) func(facts) (ruling, bool) {
	re, one := re(expr), re(word)
	return func(f facts) (ruling, bool) {
		own := f.code == "serviceschedulerinitiated" && !strings.Contains(f.text, "health")
		return ruling{cause, High, why}, re.Match(f.text, f.text) || own && one.MatchString(names.ReplaceAllString(f.text, ""))
	}
}

// names are the parts of a reason where users' own words stand: ARNs, and what is in brackets or quotes.
var names = regexp.MustCompile(`\barn:\S+|\([^)]*\)|'[^']*'|"[^"]*"`)

// byWords matches the stopped reason or, where the task did not stop for another's will, a container's reason.
func byWords(cause Cause, expr, why string) func(facts) (ruling, bool) {
	re := re(expr)
	return func(f facts) (ruling, bool) {
		return ruling{cause, High, why}, re.Match(f.text, f.text) || f.code != "serviceschedulerinitiated" && re.Match(f.reasons, f.reasons)
	}
}

// rules is the table, in order: the first row that matches decides. Texts in which ECS says that something planned the
// stop come first, since a stop code alone does not tell (ServiceSchedulerInitiated covers deployments and failed health
// checks alike); then an operator's will, whose reason is free text and means nothing; then failures from the most to the
// least specific text; then what exit codes tell.
var rules = []rule{
	{"spot", docSpot, "SpotInterruption: Your Spot Task was interrupted.", spotStop},
	{"host-terminated", docErrors, "Host EC2 (instance i-0123456789abcdef0) terminated.", hostStop},
	{"host-deregistered", docErrors, "Container instance deregistration forced by user",
		byText(HostDrain, `^container instance (?:[\w-]+ )?(?:was )?deregist`, "the container instance was deregistered")},
	{"host-draining", docDrain, "Service web: container instance is in DRAINING state",
		byScheduler(HostDrain, `\bdraining (?:state|status)\b|\b(?:instance|host) (?:[\w-]+ )?(?:is|was|has been) (?:being )?(?:drain|draining|drained)\b|\bdrain(?:ing)? of (?:the )?(?:container )?(?:instance|host)`, `\bdrain(?:ed|ing)?\b`, "the task's host was drained")},
	{"maintenance", docRetire, "Service web: ECS is performing maintenance on the underlying infrastructure hosting the task",
		byScheduler(Maintenance, `\bperforming maintenance\b|\b(?:scheduled|due|marked) for retirement\b|\btask retirement\b|\b(?:being|was|been) retired\b|\bfargate (?:\w+ ){0,3}(?:maintenance|retirement|platform update)\b`, `\bmaintenance\b|\bretire(?:d|ment)?\b`, "AWS maintains the infrastructure under the task")},
	{"rebalancing", "Amazon ECS guide, Balancing a service across Availability Zones", "Task stopped by Availability Zone rebalancing",
		byScheduler(ScaleIn, `\b(?:availability zone|az|service) re-?balancing\b`, `\bre-?balanc(?:e|ed|ing)\b`, "ECS balances the service across Availability Zones")},
	{"scaling", seenEvents, "Scaling activity initiated by (deployment ecs-svc/1234567890123456789)", scalingStop},
	{"operator", docCodes, "UserInitiated: Task stopped by user", operatorStop},
	{"infrastructure-health", docCodes, "InfrastructureHealth", infrastructureStop},

	{"elb-health-check", docErrors, "Task failed ELB health checks in (target-group arn:…)",
		byText(ELBHealthCheck, `\belb health ?check|\bload balancer health ?check|\bunhealthy in \(?(?:target-group|elb)|\btarget[ -]group\b.*\bhealth ?check|\blattice\b.*\bhealth`, "the load balancer found the task unhealthy")},
	{"container-health-check", docErrors, "Task failed container health checks",
		byText(ContainerHealthCheck, `\bcontainer health ?check|\bfail(?:ed|ing|s)? (?:its )?health ?check|\bhealth ?checks? failed`, "the container's own health check failed")},
	{"circuit-breaker", docBreaker, "ECS deployment circuit breaker: tasks failed to start.",
		byText(CircuitBreaker, `\bcircuit breaker\b`, "the deployment circuit breaker ended the deployment")},
	{"resource-init", docErrors, "ResourceInitializationError: unable to pull secrets or registry auth: …",
		byWords(ResourceInit, `\bresourceinitializationerror\b|\bunable to pull secrets\b`, "the task's resources could not be set up")},
	{"out-of-memory", docErrors, "OutOfMemoryError: Container killed due to memory usage", memoryStop},
	{"image-pull", docErrors, "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
		byWords(ImagePull, `\bcannotpull\w*|\b(?:image|ref) pull (?:has been retried|failed)|\bpull image manifest\b|\bpull access denied\b|\bimagepull(?:backoff|error)\b`, "the image could not be pulled")},
	{"placement", docReasons, "TaskFailedToStart: RESOURCE:MEMORY", placementStop},
	{"network-setup", "Amazon ECS guide, Failed to start errors", "Unexpected EC2 error while attempting to Create Network Interface in subnet …",
		byText(ResourceInit, `\bnetwork interface\b|\beni\b.{0,40}\b(?:attach|provision|timed out|timeout)|\bunexpected ec2 error\b|\bephemeral ?storage\b|\bprovisioning to complete\b`, "the network or the storage could not be provided")},
	{"container-start", docErrors, "CannotStartContainerError: failed to get container status", startStop},
	{"deployment-text", seenEvents, "Task stopped by deployment ecs-svc/1234567890123456789", deploymentText},
	{"failed-to-start", docCodes, "TaskFailedToStart: Timed out while configuring the EBS Volume for your Task.", failedToStart},

	{"scheduled-end", "tasks of RunTask, EventBridge rules, AWS Batch and Step Functions end by themselves", "EssentialContainerExited, exit 0, group family:job", scheduledEnd},
	{"essential-exit", docErrors, "Essential container in task exited", essentialExit},
	{"own-end", "executionStoppedAt is an essential container's exit, stoppingAt when the stop began", "exit 1 before the stop began", ownEnd},
	{"unknown", "nothing else matched", "no stop code and no reason", func(f facts) (ruling, bool) {
		return ruling{UnknownCause, Low, unknownWhy(f)}, true
	}},
}

var spotText = re(`^your spot task was interrupted|\bspot\b.{0,30}\b(?:interrupt|reclaim|terminat)|\bspotinterruption\b`)
var hostText = re(`\bhost ec2 ?\(instance [^)]*\) ?(?:was )?(?:terminated|stopped|stopping|terminating)?|\binstance (?:i-[0-9a-f]+ )?(?:was |is being |has been )?(?:terminated|stopped)\b`)

func spotStop(f facts) (ruling, bool) {
	byUser := f.code == "userinitiated" && !strings.HasPrefix(f.text, "your spot task was interrupted")
	host := hostText.MatchString(f.text)
	ok := f.code == "spotinterruption" || !byUser && spotText.MatchString(f.text) || f.code == "terminationnotice" && !host
	return ruling{SpotInterruption, High, "Spot capacity was reclaimed"}, ok
}

// hostStop: AWS Batch and others see this text when Spot takes the host back; the task alone often cannot tell.
func hostStop(f facts) (ruling, bool) {
	if !hostText.MatchString(f.text) || f.code == "userinitiated" && !strings.HasPrefix(f.text, "host ec2") {
		return ruling{}, false
	}
	if strings.Contains(strings.ToLower(f.Task.CapacityProvider), "spot") {
		return ruling{SpotInterruption, Medium, "the host is gone, and its capacity provider is a Spot one"}, true
	}
	return ruling{HostDrain, Medium, "the task's host was stopped or terminated"}, true
}

func operatorStop(f facts) (ruling, bool) {
	if f.code == "userinitiated" {
		return ruling{OperatorStop, High, "StopTask was called: a person or a tool wanted the task to stop"}, true
	}
	if f.code == "" || f.code == "serviceschedulerinitiated" || f.code == "taskfailedtostart" {
		return ruling{OperatorStop, Medium, "the text is what StopTask writes without a reason"}, strings.HasPrefix(f.text, "task stopped by user") || strings.HasPrefix(f.text, "stopped by user")
	}
	return ruling{}, false
}

func infrastructureStop(f facts) (ruling, bool) {
	ok := f.code == "infrastructurehealth" || strings.Contains(f.text, "underlying infrastructure is unhealthy")
	return ruling{HostDrain, Medium, "ECS takes the task from infrastructure that it found unhealthy"}, ok
}

var memoryText = re(`\boutofmemory(?:error)?\b|\boom[ -]?killed\b|\bkilled due to (?:out of )?memory|\bout of memory\b|\bmemory (?:usage|limit) exceeded\b`)

func memoryStop(f facts) (ruling, bool) {
	r := ruling{OOMKilled, High, "a container was killed for its memory"}
	if memoryText.MatchString(f.text) {
		return r, true
	}
	for _, c := range f.Task.Containers {
		if memoryText.MatchString(strings.ToLower(c.Reason)) && f.mayEndTask(c) {
			return r, true
		}
	}
	return r, false
}

// mayEndTask is false for a container known not to be essential while an essential one failed by itself.
func (f facts) mayEndTask(c fleet.Container) bool {
	if f.Definition == nil {
		return true
	}
	d, ok := f.Definition.Container(c.Name)
	if !ok || d.Essential {
		return true
	}
	for _, other := range f.Task.Containers {
		if d, ok := f.Definition.Container(other.Name); ok && d.Essential && other.ExitCode != nil && !victimCode(*other.ExitCode) {
			return false
		}
	}
	return true
}

var placementText = re(`(?:^|: ?)(?:resource:|attribute\b|agent$|location$|inactive$|no active instances|empty capacity provider|memberof)|\bmemberof placement\b|\bno active instances\b|\bempty capacity provider\b|\bcapacity is unavailable\b|\binsufficient (?:instance )?(?:capacity|cpu|vcpu|memory)|\bunable to place\b|\bplacement constraint|\bno container instance|\b(?:vcpu|concurrent|on-demand|spot)\b.{0,60}\blimit\b|\blimit on the number of (?:tasks|vcpu)|\binsufficientinstancecapacity\b`)

func placementStop(f facts) (ruling, bool) {
	if f.Task.Ran() {
		return ruling{}, false // a task that ran had a place
	}
	return ruling{Placement, High, "no place was found for the task"}, placementText.MatchString(f.text)
}

var (
	startText = re(`\bcannot(?:start|create|inspect|stop)container\w*|\bcannotcreatevolumeerror\b|\bcontainerruntime(?:timeout)?error\b|\bdockertimeouterror\b|\bdockerstateerror\b|\bhostconfigerror\b|\bcontainernetworkingerror\b|\bcontainervanishederror\b|\btaskdependencyerror\b|\binternalerror\b|\bresourcenotfoundexception\b|\bcredentialspec\w*error\b|\b(?:invalid|missing)parameterexception\b|\bunable to assume\b|\bfailed to (?:initialize|create|start|mount|attach|configure|fetch|retrieve)\b|\bcould not transition to\b|\bcouldn't create\b|\bclienterror\b|\boci runtime (?:create|error)|\bport is already allocated\b|\bcontainer ordering\b|\bdependenc(?:y|ies)\b\b`)
	// ownStartError: a container's reason that says the container never ran; CannotStop and CannotInspect come after life.
	ownStartError = re(`\bcannot(?:start|create)container\w*|\bcannotcreatevolumeerror\b|\bcontainerruntime(?:timeout)?error\b|\bdockertimeouterror\b|\bhostconfigerror\b|\bcontainernetworkingerror\b|\btaskdependencyerror\b|\boci runtime create|\bresourceinitializationerror\b`)
)

func startStop(f facts) (ruling, bool) {
	r := ruling{ResourceInit, High, "a container could not be created or started"}
	if ownStartError.MatchString(f.text) || ownStartError.MatchString(f.reasons) {
		return r, true
	}
	neverRan := f.code == "taskfailedtostart" || f.code == "" && !f.Task.Ran()
	return r, neverRan && (startText.MatchString(f.text) || startText.MatchString(f.reasons))
}

// needs are the words for what a task needs beside its image and its place: volumes, secrets, networks, logs, roles.
var needs = re(`\b(?:volumes?|ebs|efs|file ?systems?|secrets?|parameters?|ssm|asm|log(?:s|ging)?|networks?|dns|subnets?|security groups?|interfaces?|roles?|permissions?|credentials?|certificates?|devices?|gpus?|endpoints?|environment files?|attach\w*|mount\w*|provision\w*|initializ\w*|timed out|timeout|connect\w*)\b`)

// failedToStart: AWS says that the task never ran, in words that no other rule knows but that name one of its needs.
func failedToStart(f facts) (ruling, bool) {
	ok := f.code == "taskfailedtostart" && (needs.MatchString(f.text) || needs.MatchString(f.reasons))
	return ruling{ResourceInit, Medium, "the task failed to start, and the text speaks of what it needs"}, ok
}

func unknownWhy(f facts) string {
	switch {
	case !f.Task.Stopped() && f.Task.DesiredStatus != fleet.StatusStopped && f.code == "" && f.text == "":
		return "the task has not stopped"
	case f.code == "" && f.text == "":
		return "neither stop code nor stopped reason is given"
	}
	return "the stop code and the text are not known"
}
