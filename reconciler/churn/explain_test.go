package churn

import (
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

// noCode stands for a container without an exit code in tests.
const noCode = -1

// box is a stopped container; code noCode: AWS gave none.
func box(name string, code int, reason ...string) fleet.Container {
	c := fleet.Container{Name: name, LastStatus: fleet.StatusStopped, Reason: strings.Join(reason, " ")}
	if code != noCode {
		c.ExitCode = &code
	}
	return c
}

// stopped is a service's task that has stopped.
func stopped(code, text string, boxes ...fleet.Container) fleet.Task {
	return fleet.Task{
		ARN: "arn:aws:ecs:us-east-1:111122223333:task/c/0123456789abcdef0123456789abcdef", Group: "service:web", StartedBy: "ecs-svc/1",
		TaskDefinition: "arn:aws:ecs:us-east-1:111122223333:task-definition/web:1", LastStatus: fleet.StatusStopped, DesiredStatus: fleet.StatusStopped,
		StopCode: code, StoppedReason: text, Containers: boxes,
	}
}

func alone(group, startedBy string, t fleet.Task) fleet.Task {
	t.Group, t.StartedBy = group, startedBy
	return t
}

func at(offset time.Duration) time.Time {
	return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Add(offset)
}

func TestExplainText(t *testing.T) {
	const scheduler, start, exited = "ServiceSchedulerInitiated", "TaskFailedToStart", "EssentialContainerExited"
	app := box("app", 143)
	never := box("app", noCode)
	for _, c := range []struct {
		name string
		want Cause
		task fleet.Task
	}{
		// Planned texts.
		{"scaling, no service known", Deployment, stopped(scheduler, "Scaling activity initiated by (deployment ecs-svc/1)", app)},
		{"scaling, killed after the stop timeout", Deployment, stopped(scheduler, "Scaling activity initiated by (deployment ecs-svc/1)", box("app", 137))},
		{"maintenance", Maintenance, stopped(scheduler, "ECS is performing maintenance on the underlying infrastructure hosting the task", box("app", 137))},
		{"maintenance, with the service's name", Maintenance, stopped(scheduler, "Service web: ECS is performing maintenance on the underlying infrastructure hosting the task", app)},
		{"drain", HostDrain, stopped(scheduler, "Service web: container instance is in DRAINING state", app)},
		{"deregistered", HostDrain, stopped("", "Container instance deregistration forced by user", app)},
		{"host stopped", HostDrain, stopped("TerminationNotice", "Host EC2 (instance i-0123456789abcdef0) stopped.", never)},
		{"host terminated, upper case", HostDrain, stopped("", "HOST EC2 (INSTANCE i-0123456789abcdef0) TERMINATED", never)},
		{"spot", SpotInterruption, stopped("SpotInterruption", "Your Spot Task was interrupted.", box("app", 137))},
		{"spot, older code", SpotInterruption, stopped("TerminationNotice", "Your Spot Task was interrupted.", app)},
		{"spot, text only", SpotInterruption, stopped("", "Your Spot Task was interrupted", app)},
		{"rebalancing", ScaleIn, stopped(scheduler, "Service web: task stopped for Availability Zone rebalancing", app)},
		// An operator's words are free.
		{"operator", OperatorStop, stopped("UserInitiated", "Task stopped by user", box("app", 0))},
		{"operator who writes of memory", OperatorStop, stopped("UserInitiated", "restarting, OutOfMemoryError: Container killed due to memory usage", box("app", 137))},
		{"operator who writes of health checks", OperatorStop, stopped("UserInitiated", "Task failed ELB health checks so I stopped it", app)},
		{"operator who writes of spot", OperatorStop, stopped("UserInitiated", "rehearsal of a spot interruption", app)},
		{"operator, no text", OperatorStop, stopped("UserInitiated", "", box("app", 1))},
		{"operator, other case", OperatorStop, stopped("userinitiated", "x", box("app", 1))},
		{"infrastructure health, the new code", HostDrain, stopped("InfrastructureHealth", "", never)},
		// Health checks, all under the scheduler's code.
		{"target group", ELBHealthCheck, stopped(scheduler, "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/w/1)", app)},
		{"classic load balancer", ELBHealthCheck, stopped(scheduler, "Task failed ELB health checks in (elb my-elb)", app)},
		{"load balancer, with the service's name", ELBHealthCheck, stopped(scheduler, "service web: Task failed ELB health checks", box("app", 0))},
		{"container health, other words", ContainerHealthCheck, stopped(scheduler, "Task stopped for failing health checks", app)},
		{"host, other words", HostDrain, stopped(scheduler, "Container instance i-0123456789abcdef0 was terminated", app)},
		{"container health", ContainerHealthCheck, stopped(scheduler, "Task failed container health checks", box("app", 137))},
		{"container health, other code", ContainerHealthCheck, stopped(exited, "Task failed container health checks", app)},
		// Starts that failed.
		{"pull", ImagePull, stopped(start, "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref", never)},
		{"pull, rate limit", ImagePull, stopped(start, "CannotPullContainerError: inspect image has been retried 1 time(s): httpReadSeeker: toomanyrequests: You have reached your pull rate limit", never)},
		{"pull, disk", ImagePull, stopped(start, "CannotPullContainerError: write /var/lib: no space left on device", never)},
		{"pull, container's reason only", ImagePull, stopped(start, "Task failed to start", box("app", noCode, "CannotPullContainerError: context canceled"))},
		{"pull, ECR", ImagePull, stopped(start, "CannotPullECRContainerError: AccessDeniedException", never)},
		{"secrets", ResourceInit, stopped(start, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed", never)},
		{"log group", ResourceInit, stopped(start, "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: ResourceNotFoundException", never)},
		{"efs", ResourceInit, stopped(start, "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes", never)},
		{"network interface", ResourceInit, stopped(start, "Timeout waiting for network interface provisioning to complete.")},
		{"ephemeral storage", ResourceInit, stopped(start, "Timeout waiting for EphemeralStorage provisioning to complete.")},
		{"start", ResourceInit, stopped(start, "CannotStartContainerError: Error response from daemon: OCI runtime create failed", box("app", 128))},
		{"create", ResourceInit, stopped(start, "CannotCreateContainerError: API error (500)", never)},
		{"docker", ResourceInit, stopped(start, "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s", never)},
		{"runtime", ResourceInit, stopped(start, "ContainerRuntimeTimeoutError: Could not transition to running", never)},
		{"role", ResourceInit, stopped(start, "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/x'", never)},
		{"internal", ResourceInit, stopped(start, "InternalError: unable to create new container", never)},
		{"memory of the cluster is no lack of memory", Placement, stopped(start, "RESOURCE:MEMORY")},
		{"network interfaces of the cluster", Placement, stopped(start, "TaskFailedToStart: RESOURCE:ENI")},
		{"agent", Placement, stopped(start, "TaskFailedToStart: AGENT")},
		{"no instances", Placement, stopped(start, "TaskFailedToStart: NO ACTIVE INSTANCES")},
		{"capacity provider", Placement, stopped(start, "TaskFailedToStart: EMPTY CAPACITY PROVIDER")},
		{"constraint", Placement, stopped(start, "TaskFailedToStart: MemberOf placement constraint unsatisfied.")},
		{"capacity", Placement, stopped(start, "Capacity is unavailable at this time. Please try again later or in a different availability zone")},
		{"account limit", Placement, stopped(start, "You've reached the limit on the number of vCPUs you can run concurrently")},
		// Ends.
		{"exit", EssentialContainerExited, stopped(exited, "Essential container in task exited", box("app", 1))},
		{"exit 0 of a service", EssentialContainerExited, stopped(exited, "Essential container in task exited", box("app", 0))},
		{"exit 137 without a reason is no proof", EssentialContainerExited, stopped(exited, "Essential container in task exited", box("app", 137))},
		{"unknown code, known text", EssentialContainerExited, stopped("Brandnew", "Essential container in task exited", box("app", 1))},
		{"exit, no text", EssentialContainerExited, stopped(exited, "", box("app", 1))},
		{"memory", OOMKilled, stopped(exited, "Essential container in task exited", box("app", 137, "OutOfMemoryError: Container killed due to memory usage"))},
		{"memory, another exit code", OOMKilled, stopped(exited, "Essential container in task exited", box("app", 1, "OutOfMemory: container killed due to memory usage"))},
		{"memory, Kubernetes' word", OOMKilled, stopped(exited, "", box("app", 137, "OOMKilled"))},
		{"memory, the task's text", OOMKilled, stopped(exited, "OutOfMemoryError: Container killed due to memory usage", box("app", 137))},
		{"stop timeout is an end's consequence", EssentialContainerExited, stopped(exited, "Essential container in task exited", box("app", 1), box("x", noCode, "CannotStopContainerError: context deadline exceeded"))},
		// Tasks of nobody's service.
		{"batch job", TaskScheduledEnd, alone("family:job", "", stopped(exited, "Essential container in task exited", box("job", 0)))},
		{"step function, agent killed with it", TaskScheduledEnd, alone("", "AWS Step Functions", stopped(exited, "Essential container in task exited", box("job", 0), box("cwagent", 137)))},
		{"rule, failed", EssentialContainerExited, alone("family:job", "events-rule/nightly", stopped(exited, "Essential container in task exited", box("job", 3)))},
		{"rule, memory", OOMKilled, alone("family:job", "events-rule/nightly", stopped(exited, "Essential container in task exited", box("job", 137, "OutOfMemoryError: x")))},
		// Nothing to go by.
		{"nothing", UnknownCause, stopped("", "", never)},
		{"scheduler without text", UnknownCause, stopped(scheduler, "", app)},
		{"unknown code and text", UnknownCause, stopped("Brandnew", "moved by the moon", app)},
		{"failed to start, no text", UnknownCause, stopped(start, "", never)},
		{"empty", UnknownCause, fleet.Task{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Explain(Input{Task: c.task}, nil)
			if v.Cause != c.want || v.Planned != c.want.Planned() {
				t.Errorf("cause %s (planned %v), want %s\n%s", v.Cause, v.Planned, c.want, strings.Join(v.Evidence, "\n"))
			}
			if len(v.Evidence) == 0 || v.Signatures == nil {
				t.Error("a verdict must have evidence, and a list of signatures")
			}
			if v.Cause == UnknownCause && v.Confidence != Low {
				t.Errorf("confidence %s of an unknown cause", v.Confidence)
			}
		})
	}
}

// Every row of the table but those that need more than words is shown by its own example.
func TestRulesAreDocumented(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range rules {
		if r.id == "" || r.source == "" || r.example == "" || r.match == nil || ids[r.id] {
			t.Errorf("rule %+v is not whole, or not the only one of its name", r.id)
		}
		ids[r.id] = true
	}
	if rules[len(rules)-1].id != "unknown" {
		t.Error("the last rule must be the one that always matches")
	}
}

func TestExplainScaling(t *testing.T) {
	scaling := stopped("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", box("app", 143))
	noIDs := scaling
	noIDs.StartedBy, noIDs.StoppedReason = "", "Scaling activity initiated by deployment"
	service := func(ds ...fleet.Deployment) *fleet.Service {
		return &fleet.Service{Name: "web", Status: "ACTIVE", Desired: 2, Deployments: ds}
	}
	dep := func(id, status, state, reason string) fleet.Deployment {
		return fleet.Deployment{ID: id, Status: status, RolloutState: state, RolloutReason: reason, TaskDefinition: "arn:aws:ecs:us-east-1:111122223333:task-definition/web:2"}
	}
	for _, c := range []struct {
		name       string
		task       fleet.Task
		service    *fleet.Service
		cause      Cause
		confidence Confidence
	}{
		{"replaced", scaling, service(dep("ecs-svc/2", "PRIMARY", "IN_PROGRESS", ""), dep("ecs-svc/1", "ACTIVE", "COMPLETED", "")), Deployment, High},
		{"replaced, no longer listed", scaling, service(dep("ecs-svc/2", "PRIMARY", "COMPLETED", "")), Deployment, High},
		{"scaled in", scaling, service(dep("ecs-svc/1", "PRIMARY", "COMPLETED", "")), ScaleIn, High},
		{"scaled in while deploying", scaling, service(dep("ecs-svc/1", "PRIMARY", "IN_PROGRESS", "")), ScaleIn, Medium},
		{"given up by the circuit breaker", scaling, service(dep("ecs-svc/1", "PRIMARY", "FAILED", "ECS deployment circuit breaker: tasks failed to start.")), CircuitBreaker, Medium},
		{"rolled back by the circuit breaker", scaling, service(dep("ecs-svc/2", "PRIMARY", "IN_PROGRESS", "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/0."), dep("ecs-svc/1", "ACTIVE", "IN_PROGRESS", "")), CircuitBreaker, Medium},
		{"good tasks replaced during a rollback", scaling, service(dep("ecs-svc/2", "PRIMARY", "IN_PROGRESS", "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/0."), dep("ecs-svc/1", "ACTIVE", "COMPLETED", "")), Deployment, High},
		{"a service without deployments of ECS", scaling, service(), Deployment, Medium},
		{"a service being deleted", scaling, &fleet.Service{Status: "DRAINING"}, ScaleIn, High},
		{"no ids, another definition", noIDs, service(dep("ecs-svc/2", "PRIMARY", "COMPLETED", "")), Deployment, Medium},
		{"crash during a rollout is a crash", stopped("EssentialContainerExited", "Essential container in task exited", box("app", 1)), service(dep("ecs-svc/2", "PRIMARY", "IN_PROGRESS", ""), dep("ecs-svc/1", "ACTIVE", "COMPLETED", "")), EssentialContainerExited, High},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Explain(Input{Task: c.task, Service: c.service}, nil)
			if v.Cause != c.cause || v.Confidence != c.confidence {
				t.Errorf("%s, %s; want %s, %s\n%s", v.Cause, v.Confidence, c.cause, c.confidence, strings.Join(v.Evidence, "\n"))
			}
			if v.Planned && v.Culprit != nil {
				t.Errorf("a planned stop has the culprit %+v", v.Culprit)
			}
		})
	}
}

func TestCulprit(t *testing.T) {
	definition := &fleet.Definition{Containers: []fleet.ContainerDefinition{
		{Name: "app", Essential: true, DependsOn: []fleet.Dependency{{Container: "init", Condition: "SUCCESS"}}},
		{Name: "init"}, {Name: "helper"}, {Name: "cwagent", Essential: true},
	}}
	exit := func(boxes ...fleet.Container) fleet.Task {
		return stopped("EssentialContainerExited", "Essential container in task exited", boxes...)
	}
	elb := func(boxes ...fleet.Container) fleet.Task {
		return stopped("ServiceSchedulerInitiated", "Task failed ELB health checks in (elb x)", boxes...)
	}
	unhealthy := box("b", 137)
	unhealthy.Health = "UNHEALTHY"
	slow := exit(box("app", 0), box("worker", 137))
	slow.StoppingAt, slow.StoppedAt = at(0), at(31*time.Second)
	quick := exit(box("app", 0), box("worker", 137))
	quick.StoppingAt, quick.StoppedAt = at(0), at(3*time.Second)
	torn := exit(box("app", 137), box("xray", 143), box("cwagent", 0))
	torn.ExecutionStopped, torn.StoppingAt, torn.StoppedAt = at(0), at(0), at(35*time.Second)
	stubborn := exit(box("app", 137), box("cwagent", 0))
	stubborn.StoppingAt, stubborn.ExecutionStopped, stubborn.StoppedAt = at(0), at(30*time.Second), at(50*time.Second)
	image := stopped("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 5 time(s): docker.io/library/b:9: not found", box("a", noCode), box("b", noCode))
	image.Containers[0].Image, image.Containers[1].Image = "a:1", "docker.io/library/b:9"
	for _, c := range []struct {
		name       string
		task       fleet.Task
		definition *fleet.Definition
		want       string
		sidecar    bool
	}{
		{"the only container, obeying", exit(box("app", 143)), nil, "app", false},
		{"agent that crashed, app told to stop", exit(box("app", 143), box("cwagent", 2)), nil, "cwagent", true},
		{"agent that crashed, app failing as it was told to stop", exit(box("app", 1), box("cwagent", 2)), nil, "cwagent", true},
		{"app that crashed, agent ending well", exit(box("cwagent", 0), box("app", 1)), nil, "app", false},
		{"signal outranks a failing code", exit(box("app", 1), box("log_router", 139)), nil, "log_router", true},
		{"no exit code beside a victim", exit(box("app", 143), box("worker", noCode)), nil, "worker", false},
		{"137 beside an agent that ended well", exit(box("app", 137), box("cwagent", 0)), nil, "app", false},
		{"ended with 0, the agent was killed at an unknown time", exit(box("app", 0), box("cwagent", 137)), nil, "app", false},
		{"killed at once, the other ended with 0", quick, nil, "worker", false},
		{"killed, and a tear-down that took long", torn, nil, "app", false},
		{"killed by the stop timeout, by the time of its end", stubborn, nil, "cwagent", true},
		{"a dependency that failed", stopped("TaskFailedToStart", "container ordering failure", box("init", 1), box("app", noCode)), nil, "init", false},
		{"137 after the stop timeout is a victim", slow, nil, "app", false},
		{"ended with 0, the other obeyed", exit(box("app", 0), box("cwagent", 143)), nil, "app", false},
		{"two that failed", exit(box("a", 1), box("b", 1)), nil, "", false},
		{"two that ended well", exit(box("a", 0), box("b", 0)), nil, "", false},
		{"all obeyed", exit(box("a", 143), box("b", 143)), nil, "", false},
		{"helper that did its work", exit(box("init", 0), box("app", 137), box("cwagent", 143)), definition, "app", false},
		{"not essential", exit(box("helper", 1), box("app", 0), box("cwagent", 143)), definition, "app", false},
		{"injected container", exit(box("app", 143), box("aws-guardduty-agent-x1", 139)), definition, "aws-guardduty-agent-x1", true},
		{"own reason outranks", exit(box("a", 139), box("b", 137, "CannotStartContainerError: x")), nil, "b", false},
		{"a collector that is the service itself", exit(box("otel-collector", 2)), nil, "otel-collector", false},
		{"load balancer, only container", elb(box("app", 0)), nil, "app", false},
		{"load balancer, one that is no agent", elb(box("cwagent", 0), box("app", 143)), nil, "app", false},
		{"load balancer, two", elb(box("a", 0), box("b", 143)), nil, "", false},
		{"Windows: told to stop by control-C", exit(box("app", 3221225786), box("log_router", 1)), nil, "log_router", true},
		{"Windows: the same code, signed", exit(box("app", -1073741510), box("agent", 0)), nil, "agent", false},
		{"unhealthy one", elb(box("a", 0), unhealthy), nil, "b", false},
		{"pull, named image", image, nil, "b", false},
		{"placement is nobody's", stopped("TaskFailedToStart", "RESOURCE:CPU", box("app", noCode)), nil, "", false},
		{"network is nobody's", stopped("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets", box("app", noCode)), nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Explain(Input{Task: c.task, Definition: c.definition}, nil)
			got := ""
			if v.Culprit != nil {
				got = v.Culprit.Container
			}
			if got != c.want || v.Sidecar != c.sidecar {
				t.Errorf("culprit %q (sidecar %v), want %q (%v)\n%s", got, v.Sidecar, c.want, c.sidecar, strings.Join(v.Evidence, "\n"))
			}
		})
	}
}

func TestExplainUsesLogsForTheCulprit(t *testing.T) {
	task := stopped("EssentialContainerExited", "Essential container in task exited", box("a", 1), box("b", 1))
	v := Explain(Input{Task: task, Logs: map[string][]string{"b": {"panic: boom", "", "goroutine 1 [running]:"}}}, nil)
	if v.Culprit == nil || v.Culprit.Container != "b" {
		t.Errorf("culprit %+v, want b, whose log ends in a panic", v.Culprit)
	}
	if !slices.ContainsFunc(v.Evidence, func(s string) bool { return strings.Contains(s, "go-panic") }) {
		t.Errorf("no evidence of the panic in %q", v.Evidence)
	}
}

func TestExplainMasksAndBounds(t *testing.T) {
	text := "CannotPullContainerError: https://user:hunter2@registry/" + strings.Repeat("x", 5000)
	boxes := make([]fleet.Container, 0, 100)
	for range 100 {
		boxes = append(boxes, box("app", 1, "password=hunter2 "+strings.Repeat("y", 2000)))
	}
	v := Explain(Input{Task: stopped("TaskFailedToStart", text, boxes...)}, nil)
	all := strings.Join(v.Evidence, "\n")
	if strings.Contains(all, "hunter2") {
		t.Error("a password is in the evidence")
	}
	if len(all) > 2*maxLine*maxEvidence {
		t.Errorf("evidence of %d bytes", len(all))
	}
}
