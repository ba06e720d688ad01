package judgement

import (
	"fmt"
	"time"

	"taskwarden/reconciler/fleet"
)

// box is one container of a service's definition.
type box struct {
	name, image string
	essential   bool
	agent       bool // an agent or proxy, which the truth calls a sidecar
	injected    bool // AWS adds it: it is in no definition
	helper      bool // works before the application starts, and ends with 0
	onStop      int  // its exit code when it is told to stop; 137 ignores SIGTERM
	logged      bool // by awslogs
}

// spec is what a service is.
type spec struct {
	key         fleet.Key
	index       int
	size        int // desired count by day
	ec2         bool
	spot        bool // of a Spot capacity provider
	daemon      bool // DAEMON: one task a host, replaced before its successor starts
	balanced    bool // behind a load balancer
	boxes       []box
	deployEvery time.Duration
	breaker     string  // "", stop or rollback
	swing       float64 // of the desired count over a day, 0: none
	nights      bool    // scaled to zero at night
	prefixed    bool    // ECS puts the service's name before its texts
	undefined   bool    // its definitions cannot be read
	bot         bool    // a tool restarts all tasks each night
}

// agents are those of the recipes that AWS and vendors publish, under the names used there and under a team's own names.
var agents = []box{
	{name: "ecs-cwagent", image: "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300058.0b1082"},
	{name: "cwagent", image: "amazon/cloudwatch-agent:latest"},
	{name: "aws-otel-collector", image: "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"},
	{name: "telemetry", image: "otel/opentelemetry-collector-contrib:0.129.1"},
	{name: "log_router", image: "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.5"},
	{name: "envoy", image: "public.ecr.aws/appmesh/aws-appmesh-envoy:v1.29.12.1-prod"},
	{name: "datadog-agent", image: "public.ecr.aws/datadog/agent:7.68.0"},
	{name: "xray", image: "public.ecr.aws/xray/aws-xray-daemon:3.x"},
}

// specOf draws a service. Sizes are skewed as fleets are: half run one or two tasks, a few run up to 200.
func (w World) specOf(i int, d dice) spec {
	s := spec{key: w.key(i), index: i}
	switch d.weighted(0.30, 0.25, 0.30, 0.12, 0.03) {
	case 0:
		s.size = 1
	case 1:
		s.size = 2
	case 2:
		s.size = 3 + d.IntN(6)
	case 3:
		s.size = 9 + d.IntN(32)
	default:
		s.size = 41 + d.IntN(160)
	}
	if w.Largest > 0 {
		s.size = min(s.size, w.Largest)
	}
	s.ec2 = d.chance(0.2)
	s.daemon = s.ec2 && d.chance(0.2)
	s.spot = !s.daemon && d.chance(0.15)
	s.balanced = !s.daemon && d.chance(0.5)
	s.boxes = boxesOf(i, d)
	s.deployEvery = pick(d, 6*time.Hour, 24*time.Hour, 24*time.Hour, 48*time.Hour, 7*24*time.Hour, 7*24*time.Hour, 21*24*time.Hour, 60*24*time.Hour)
	s.breaker = pick(d, "rollback", "rollback", "rollback", "stop", "")
	if !s.daemon && d.chance(0.35) {
		s.swing = 0.2 + 0.5*d.Float64()
	}
	s.nights = !s.daemon && d.chance(0.03)
	s.prefixed = d.chance(0.5)
	s.undefined = d.chance(0.01)
	s.bot = d.chance(0.01)
	return s
}

func boxesOf(i int, d dice) []box {
	app := box{name: pick(d, "app", "web", "api", "worker", "main"), essential: true, logged: d.chance(0.9),
		image: fmt.Sprintf("111122223333.dkr.ecr.us-east-1.amazonaws.com/service-%04d:2026.11", i), onStop: pick(d, 143, 143, 143, 0, 0, 137, 1)}
	out := []box{app}
	for range d.weighted(0.3, 0.45, 0.25) {
		a := pick(d, agents...)
		if out[len(out)-1].name == a.name {
			continue
		}
		a.agent, a.essential, a.logged, a.onStop = true, d.chance(0.6), d.chance(0.9), pick(d, 0, 0, 143, 137)
		out = append(out, a)
	}
	if d.chance(0.1) {
		out = append(out, box{name: "init", image: "public.ecr.aws/aws-observability/adot-autoinstrumentation-python:v0.12.1", helper: true})
	}
	if d.chance(0.2) {
		out = append(out, box{name: fmt.Sprintf("aws-guardduty-agent-%05x", i), injected: true, agent: true, onStop: 0})
	}
	if d.chance(0.1) {
		out = append(out, box{name: fmt.Sprintf("ecs-service-connect-%05x", i), injected: true, essential: true, agent: true, onStop: 0})
	}
	return out
}
