package churn

import (
	"regexp"
	"strings"
)

// loss is one kind of agent and what goes missing while it is dead and its task runs on. The kinds are told by words in
// the name or in the image's repository.
type loss struct {
	words *regexp.Regexp
	lost  string
}

// losses are in order: the first whose words are found decides. An agent that none of them names carries telemetry: most
// of the known ones do.
var losses = []loss{
	{regexp.MustCompile(`guardduty|falco|falcon|crowdstrike|twistlock|prismacloud|sysdig|lacework|datacollector|aqua-enforcer`),
		"the security agent's watch over this task"},
	{regexp.MustCompile(`vault|secrets-manager-agent|sigv4`),
		"fresh secrets and signed requests: what the application holds expires"},
	{regexp.MustCompile(`envoy|service-connect|appmesh|istio|linkerd|consul|proxyv2|mesh|sidecar-proxy|cloudflared|cloud-sql-proxy|tailscale`),
		"traffic that goes through the proxy, both ways, until the task's health checks notice"},
	{regexp.MustCompile(`ssm-agent`), "remote access to this task"},
	{regexp.MustCompile(`log_?-?rout|firelens|fluent|promtail|filebeat|logstash|forwarder|vector`),
		"log lines that the task's containers write, while the application goes on as if they were kept"},
}

const telemetryLost = "metrics, traces and whatever else the agent passes on: dashboards and alarms on them fall silent, which looks like no traffic"

// lostWith says what is lost while a container is dead. known tells an agent or proxy that the knowledge names.
func lostWith(name, image string, known bool) string {
	if !known {
		return "whatever it does for the task; no known agent has its name or image"
	}
	text := strings.ToLower(name + " " + repository(image))
	for _, l := range losses {
		if l.words.MatchString(text) {
			return l.lost
		}
	}
	return telemetryLost
}
