package deploy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/cmd/controller/config"
)

type container struct {
	Name, Image, User      string
	Essential              bool
	ReadonlyRootFilesystem bool
	Command                []string
	HealthCheck            struct{ Command []string }
	Environment            []struct{ Name, Value string }
	Secrets                []struct{ Name, ValueFrom string }
	LinuxParameters        struct{ Capabilities struct{ Drop []string } }
	PortMappings           []map[string]any
}

func containers(s stack) map[string]container {
	out := map[string]container{}
	for _, c := range into[[]container](s.t, s.resource("TaskDefinition")["ContainerDefinitions"]) {
		out[c.Name] = c
	}
	return out
}

const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// balanced is everything that alb-oidc asks for.
var balanced = map[string]string{"Access": "alb-oidc", "ApproverTokenHash": hash, "LoadBalancerSubnetIds": "subnet-1,subnet-2", "CertificateArn": "arn:aws:acm:x",
	"OidcIssuer": "https://issuer.example", "OidcClientSecretArn": "arn:aws:secretsmanager:x", "ExternalId": "correct-horse"}

// The controller runs as nobody, on a closed file system, with a health check that needs no shell; one at a time.
func TestTheControllerIsConfined(t *testing.T) {
	for _, access := range []string{"port-forward", "alb-oidc"} {
		s := load(t, "ops.yaml", map[string]string{"Access": access, "Image": "image@sha256:1"})
		c := containers(s)["controller"]
		if c.User != "65532:65532" || !c.ReadonlyRootFilesystem || !c.Essential || fmt.Sprint(c.HealthCheck.Command) != "[CMD /controller health]" ||
			c.Command[0] != "run" || fmt.Sprint(c.LinuxParameters.Capabilities.Drop) != "[ALL]" {
			t.Errorf("%s: %+v", access, c)
		}
		service := s.resource("Service")
		d := service["DeploymentConfiguration"].(map[string]any)
		if d["MinimumHealthyPercent"] != "0" || d["MaximumPercent"] != "100" {
			t.Errorf("%v", d)
		}
		_, door := containers(s)["door"]
		ingress := s.resource("TaskSecurityGroup")["SecurityGroupIngress"]
		forwarded := access == "port-forward"
		if door != forwarded || service["EnableExecuteCommand"] != forwarded || (ingress == nil) != forwarded || (s.resource("LoadBalancer") == nil) != forwarded {
			t.Errorf("%s: door %t, exec %v, ingress %v", access, door, service["EnableExecuteCommand"], ingress)
		}
	}
	if s := load(t, "ops.yaml", nil); containers(s)["door"].Essential || containers(s)["door"].ReadonlyRootFilesystem {
		t.Error("the door may not take the controller with it, and the agent has to write there")
	}
}

// The configuration that the template makes is good, and safe: alarms planned, remediation off, loopback without a token.
func TestTheTemplatesConfiguration(t *testing.T) {
	for name, set := range map[string]map[string]string{"port-forward": {"ExternalId": "correct-horse"}, "with a token": {"ExternalId": "correct-horse", "ApproverTokenHash": hash}, "alb-oidc": balanced} {
		s := load(t, "ops.yaml", set)
		var text string
		for _, e := range containers(s)["controller"].Environment {
			if e.Name == "TASKWARDEN_CONFIG" {
				text = e.Value
			}
		}
		text = strings.NewReplacer("<Topic>", "arn:aws:sns:eu-west-1:111122223333:taskwarden", "<Table>", "stack-Table-1ABC").Replace(text)
		if !strings.Contains(text, "\nstore: {type: dynamodb, table: stack-Table-1ABC}\n") {
			t.Errorf("%s: the store is not the table:\n%s", name, text)
		}
		cfg, err := config.Load(name, []byte(text))
		if err != nil && strings.Contains(err.Error(), "dynamodb is not available in this version") { // the engine comes by itself
			cfg, err = config.Load(name, []byte(strings.Replace(text, "store: {type: dynamodb, table: stack-Table-1ABC}", "store: {type: bolt}", 1)))
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if cfg.Alarms.Mode != config.AlarmsPlan || cfg.Remediation.Mode != config.RemediationOff {
			t.Errorf("%s: alarms %s, remediation %s", name, cfg.Alarms.Mode, cfg.Remediation.Mode)
		}
		want := map[string]string{"port-forward": "127.0.0.1:8080 0", "with a token": "127.0.0.1:8080 1", "alb-oidc": "0.0.0.0:8080 1"}[name]
		if got := fmt.Sprint(cfg.Server.Address, " ", len(cfg.Server.Tokens)); got != want {
			t.Errorf("%s: server %s, want %s", name, got, want)
		}
		if to := cfg.Targets[0]; to.RoleARN != "arn:aws:iam::111122223333:role/taskwarden-member" || to.ExternalID != "correct-horse" {
			t.Errorf("%s: %+v", name, to)
		}
	}
}

// A configuration of one's own takes its place, from SSM.
func TestAConfigurationOfOnesOwn(t *testing.T) {
	c := containers(load(t, "ops.yaml", map[string]string{"ConfigParameterName": "/taskwarden/config"}))["controller"]
	for _, e := range c.Environment {
		if e.Name == "TASKWARDEN_CONFIG" {
			t.Error("two configurations")
		}
	}
	if len(c.Secrets) != 1 || c.Secrets[0].Name != "TASKWARDEN_CONFIG" || c.Secrets[0].ValueFrom != "arn:aws:ssm:eu-west-1:111122223333:parameter/taskwarden/config" {
		t.Errorf("%+v", c.Secrets)
	}
}

// What would leave the door open or the stack broken is refused before anything is made.
func TestRulesOfTheOpsTemplate(t *testing.T) {
	for name, want := range map[string]int{"": 0, "ApproverTokenHash": 1, "LoadBalancerSubnetIds": 1, "CertificateArn": 1, "OidcIssuer": 1, "OidcClientSecretArn": 1} {
		set := map[string]string{}
		for k, v := range balanced {
			if k != name {
				set[k] = v
			}
		}
		if got := load(t, "ops.yaml", set).broken(); len(got) != want {
			t.Errorf("without %q: %v", name, got)
		}
	}
	if got := load(t, "ops.yaml", nil).broken(); len(got) != 0 {
		t.Errorf("port-forward: %v", got)
	}
}

// The table is what the store wants, and survives the stack.
func TestTheTable(t *testing.T) {
	s := load(t, "ops.yaml", nil)
	r := s.body["Resources"].(map[string]any)["Table"].(map[string]any)
	got := fmt.Sprint(r["DeletionPolicy"], r["UpdateReplacePolicy"], s.resource("Table"))
	want := "RetainRetainmap[AttributeDefinitions:[map[AttributeName:pk AttributeType:S] map[AttributeName:sk AttributeType:B]] BillingMode:PAY_PER_REQUEST " +
		"DeletionProtectionEnabled:true KeySchema:[map[AttributeName:pk KeyType:HASH] map[AttributeName:sk KeyType:RANGE]] " +
		"PointInTimeRecoverySpecification:map[PointInTimeRecoveryEnabled:true] SSESpecification:map[SSEEnabled:true] TimeToLiveSpecification:map[AttributeName:ttl Enabled:true]]"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
