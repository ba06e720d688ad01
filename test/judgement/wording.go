package judgement

import "fmt"

// crash is one way of a process to die: its exit codes and its last lines.
type crash struct {
	exits []int
	tail  []string
}

func (c crash) of(f fault) fault {
	f.exits, f.tail = c.exits, c.tail
	return f
}

// applicationCrashes: what runtimes do and write. One without a tail says nothing that anybody could know.
var applicationCrashes = []crash{
	{[]int{1}, []string{"Traceback (most recent call last):", `  File "/srv/worker.py", line 88, in <module>`, "    main()", "KeyError: 'tenant'"}},
	{[]int{1}, []string{"Error: connect ECONNREFUSED 10.1.4.7:5432", "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1606:16)"}},
	{[]int{2}, []string{"panic: runtime error: invalid memory address or nil pointer dereference", "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7b1f2c]", "", "goroutine 1 [running]:"}},
	{[]int{1, 3, 255}, nil},
	{[]int{139}, nil},
	{[]int{137}, nil}, // killed from inside the task, or for memory without a word
	{[]int{134, 139}, []string{"terminate called after throwing an instance of 'std::bad_alloc'"}},
	{[]int{0}, []string{"queue closed, nothing left to do"}},
	{[]int{143}, []string{"supervisor: child stopped, stopping"}}, // a parent that ends its children and itself
}

// applicationCrash draws one. Nobody publishes how often each comes; that failing with 1 leads and 143 is rare is plain.
func applicationCrash(d dice) crash {
	return applicationCrashes[d.weighted(0.25, 0.2, 0.12, 0.2, 0.06, 0.06, 0.04, 0.06, 0.01)]
}

// agentCrashes: the first is the incident's; the others are of upstream issues (docs/judgement.md names them).
var agentCrashes = []crash{
	{[]int{2}, []string{"2026-11-05T04:11:09Z I! {\"caller\":\"service@v0.103.0/service.go:199\",\"msg\":\"Everything is ready.\"}",
		"fatal error: concurrent map writes", "", "goroutine 1947 [running]:",
		"github.com/aws/amazon-cloudwatch-agent/plugins/processors/awsapplicationsignals/internal/cardinalitycontrol.(*topKMetrics).Push(0xc0014, 0xc0027)"}},
	{[]int{2}, []string{"panic: runtime error: invalid memory address or nil pointer dereference", "goroutine 96 [running]:", "go.opentelemetry.io/collector/pdata/pcommon.Slice.Len(...)"}},
	{[]int{139}, []string{"[2026/11/05 04:11:09] [engine] caught signal (SIGSEGV)"}},
	{[]int{1}, []string{"application run finished with error: cannot start pipelines: listen tcp 127.0.0.1:4317: bind: address already in use"}},
	{[]int{1, 2}, nil},
}

// operators is what people and tools write when they stop a task: free text, which means nothing.
var operators = []string{
	"Task stopped by user", "", "restart, see OPS-4711", "out of memory, restarting it", "OutOfMemoryError on dashboards, bouncing",
	"failed ELB health checks? try again", "kill stuck deploy", "nightly restart by ops-bot", "Essential container in task exited", "crash investigation",
}

// killed is a host or its capacity taken away: AWS's words for it.
type killed struct{ code, text, cause string }

var (
	spotStops = []killed{
		{"SpotInterruption", "Your Spot Task was interrupted.", "spot_interruption"},
		{"TerminationNotice", "Your Spot Task was interrupted.", "spot_interruption"},
	}
	retirements = []killed{{"ServiceSchedulerInitiated", "ECS is performing maintenance on the underlying infrastructure hosting the task", "maintenance"}}
	drains      = []killed{{"ServiceSchedulerInitiated", "container instance is in DRAINING state", "host_drain"}}
	hostLosses  = []killed{
		{"TerminationNotice", "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.", "host_drain"},
		{"", "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.", "host_drain"},
	}
	unhealthyHosts = []killed{{"InfrastructureHealth", "Task stopped because the underlying infrastructure is unhealthy", "host_drain"}}
)

const scheduler = "ServiceSchedulerInitiated"

func scalingText(deployment string) string {
	return "Scaling activity initiated by (deployment " + deployment + ")"
}

func (s spec) elbText() string {
	return fmt.Sprintf("Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/%s/73e2d6bc24d8a067)", s.key.Service)
}

// pulls are texts of an image that cannot be had.
var pulls = []string{
	"CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 111122223333.dkr.ecr.us-east-1.amazonaws.com/x:2026.11: dial tcp 52.0.0.1:443: i/o timeout",
	"CannotPullContainerError: toomanyrequests: You have reached your unauthenticated pull rate limit",
	"ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR",
}

// unheard are codes and texts that no documentation has: whoever judges can only say that it does not know.
var unheard = []killed{
	{"HostReplacementAdvised", "", "unknown"},
	{"", "", "unknown"},
	{"ServiceSchedulerInitiated", "Task was evicted by policy tp-7", "unknown"},
}
