package config

import (
	"strings"
	"testing"
)

// What is allowed and does not do what it seems to is a warning with its place and remedy. The configuration is taken.
func TestWarningsNamePlaceAndRemedy(t *testing.T) {
	approver := "server: {tokens: [{name: oncall, role: approver, sha256: " + strings.Repeat("a", 64) + "}]}\n"
	topic := "alarms: {mode: ensure, actions: {alarm: [\"arn:aws:sns:eu-west-1:123456789012:t\"]}}\n"
	for name, c := range map[string]struct {
		text string
		want []string // beginning and end of each
	}{
		"as shipped": {"", nil},
		"mode approve without an approver": {"remediation: {mode: approve}\n", []string{
			"c:3:21: warning: remediation.mode: approve, and no token has the role approver… add a token with role: approver to server.tokens, or write plan"}},
		"mode auto, default approve, without an approver": {"remediation:\n  mode: auto\n  default: approve\n", []string{
			"c:5:12: warning: remediation.default: approve, and no token has the role approver… add a token with role: approver to server.tokens, or write plan"}},
		"with an approver":               {"remediation: {mode: approve}\n" + approver, nil},
		"mode auto needs nobody's yes":   {"remediation: {mode: auto}\n", nil},
		"a default below the mode":       {"remediation: {mode: approve, default: plan}\n" + approver, []string{"c:3:39: warning: remediation.default: plan, though remediation.mode is approve… write approve, or tag the services"}},
		"the same in mode plan":          {"remediation: {mode: plan, default: \"off\"}\n", nil},
		"a policy that only exports":     {"remediation: {mode: auto, policies: [{name: p, set: {A: b}, onOwner: {none: export}}]}\n", []string{"c:3:70: warning: remediation.policies[0].onOwner: policy p applies its change to no service… write none: apply, unless its exports are all you want"}},
		"a policy that applies to some":  {"remediation: {mode: auto, policies: [{name: p, set: {A: b}, onOwner: {none: export, unknown: apply}}]}\n", nil},
		"exports in mode plan":           {"remediation: {mode: plan, policies: [{name: p, set: {A: b}, onOwner: {none: export}}]}\n", nil},
		"a policy that matches nothing":  {"targets: [{name: t, region: eu-west-1, clusters: [\"prod-*\"]}]\nremediation: {policies: [{name: p, set: {A: b}, match: {clusters: [dev]}}]}\n", []string{"c:4:56: warning: remediation.policies[0].match: no target watches a service that policy p matches… correct its clusters and services, or those of a target"}},
		"a policy that matches":          {"targets: [{name: t, region: eu-west-1, clusters: [\"prod-*\"]}]\nremediation: {policies: [{name: p, set: {A: b}, match: {clusters: [\"*-1\"]}}]}\n", nil},
		"ensure without actions":         {"alarms: {mode: ensure}\n", []string{"c:3:16: warning: alarms.mode: ensure without an action: the alarms of the controller itself, of the ambient account notify nobody… add the ARN of an SNS topic to alarms.actions.alarm, or to actions.alarm of each target"}},
		"sync with a target's own":       {"targets: [{name: t, region: eu-west-1, actions: {alarm: [\"arn:aws:sns:eu-west-1:123456789012:t\"]}}, {name: u, region: us-east-1}]\nalarms: {mode: sync}\n", []string{"c:4:16: warning: alarms.mode: sync without an action: the alarms of the controller itself, of target u notify nobody… of each target"}},
		"ensure with an action":          {topic, nil},
		"alarms without their metrics":   {"metrics: {enabled: false}\n", []string{"c:1:1: warning: alarms.mode: plan, though metrics.enabled is false… write metrics.enabled: true, or alarms.mode: off"}},
		"no alarms, without the metrics": {"metrics: {enabled: false}\nalarms: {mode: off}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := Check("c", []byte(header+c.text))
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) != len(c.want) {
				t.Fatalf("%v, want %q", warnings, c.want)
			}
			for i, w := range warnings {
				begins, ends, _ := strings.Cut(c.want[i], "…")
				if !strings.HasPrefix(w.String(), begins) || !strings.HasSuffix(w.String(), ends) {
					t.Errorf("%s\nwant %s", w, c.want[i])
				}
			}
		})
	}
}
