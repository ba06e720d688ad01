package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"taskwarden/test/peer"
)

// deployed is a stack that the peer made of a template of deploy/.
type deployed struct {
	*side
	t   *testing.T
	url string
	ids map[string]string // physical ids, by logical id
}

// deploy has the peer make a stack, and fails where it does not come to an end.
func deploy(t *testing.T, url, name, template string, set map[string]string) deployed {
	t.Helper()
	d := deployed{side: connect(t, url, time.Now()), t: t, url: url, ids: map[string]string{}}
	if status := d.create(name, template, set); status != cfntypes.StackStatusCreateComplete {
		t.Fatalf("the stack is %s: %s", status, d.events(name))
	}
	out := got(d.cfn.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &name}))(t)
	for _, r := range out.StackResources {
		d.ids[*r.LogicalResourceId] = aws.ToString(r.PhysicalResourceId)
	}
	return d
}

// unsaid is what the peer's engine makes of a parameter of type Number: a text, with which it then cannot count. CloudFormation
// makes a number of it.
var unsaid = strings.NewReplacer("DesiredCount: !Ref DesiredCount", "DesiredCount: 1")

func (d deployed) create(name, template string, set map[string]string) cfntypes.StackStatus {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(root(d.t), "deploy", template))
	fatal(d.t, err)
	in := &cloudformation.CreateStackInput{StackName: &name, TemplateBody: aws.String(unsaid.Replace(string(text))), Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityNamedIam}}
	for k, v := range set {
		in.Parameters = append(in.Parameters, cfntypes.Parameter{ParameterKey: &k, ParameterValue: &v})
	}
	_, err = d.cfn.CreateStack(d.t.Context(), in)
	if err != nil {
		d.t.Logf("create the stack: %v", err)
		return cfntypes.StackStatusCreateFailed
	}
	var status cfntypes.StackStatus
	within(d.t, time.Minute, func() bool {
		out := got(d.cfn.DescribeStacks(d.t.Context(), &cloudformation.DescribeStacksInput{StackName: &name}))(d.t)
		status = out.Stacks[0].StackStatus
		return !strings.HasSuffix(string(status), "IN_PROGRESS")
	})
	return status
}

func (d deployed) events(name string) string {
	out := got(d.cfn.DescribeStackEvents(d.t.Context(), &cloudformation.DescribeStackEventsInput{StackName: &name}))(d.t)
	var said []string
	for _, e := range out.StackEvents {
		said = append(said, fmt.Sprint(aws.ToString(e.LogicalResourceId), " ", e.ResourceStatus, " ", aws.ToString(e.ResourceStatusReason)))
	}
	return strings.Join(said, "\n")
}

// ask makes a call of a service whose SDK is no part of the product: JSON, unsigned, which the peer takes.
func (d deployed) ask(target, version, body string) (out map[string]any) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url, bytes.NewReader([]byte(body)))
	fatal(d.t, err)
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", "application/x-amz-json-"+version)
	reply, err := http.DefaultClient.Do(r)
	fatal(d.t, err)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	fatal(d.t, err)
	if err := json.Unmarshal(text, &out); err != nil || reply.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %s %s", target, reply.Status, text)
	}
	return out
}

var opsParameters = map[string]string{"Image": image, "VpcId": "vpc-00000001", "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
	"ExternalId": "correct-horse", "OrganizationId": "o-a1b2c3d4e5", "AlarmEmail": "oncall@example.com"}

// The ops template makes what it says, in an engine for CloudFormation that others wrote.
func TestTheOpsStack(t *testing.T) {
	d := deploy(t, peer.MiniStack(t, accountID, region), "taskwarden", "ops.yaml", opsParameters)
	want := []string{"Cluster", "ExecutionRole", "Heartbeat", "Listening", "Log", "Mail", "Service", "Table", "TaskDefinition", "TaskRole", "TaskSecurityGroup", "Topic", "TopicPolicy"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(d.ids))); diff != "" {
		t.Errorf("resources: %s", diff)
	}
	d.service(t)
	d.alarm(t)
	table := d.ask("DynamoDB_20120810.DescribeTable", "1.0", `{"TableName":"`+d.ids["Table"]+`"}`)["Table"].(map[string]any)
	is := fmt.Sprint(table["KeySchema"], table["BillingModeSummary"].(map[string]any)["BillingMode"], " ", table["DeletionProtectionEnabled"])
	if diff := cmp.Diff("[map[AttributeName:pk KeyType:HASH] map[AttributeName:sk KeyType:RANGE]]PAY_PER_REQUEST true", is); diff != "" {
		t.Errorf("table: %s", diff)
	}
	ttl := d.ask("DynamoDB_20120810.DescribeTimeToLive", "1.0", `{"TableName":"`+d.ids["Table"]+`"}`)
	if fmt.Sprint(ttl) != "map[TimeToLiveDescription:map[TimeToLiveStatus:DISABLED]]" {
		t.Errorf("the peer's engine has learned TimeToLiveSpecification: assert it here (docs/conformance.md): %v", ttl)
	}
	groups := got(d.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String(d.ids["Log"])}))(t).LogGroups
	if len(groups) != 1 || aws.ToInt32(groups[0].RetentionInDays) != 90 {
		t.Errorf("log groups: %+v", groups)
	}
	topic := got(d.sns.GetTopicAttributes(t.Context(), &sns.GetTopicAttributesInput{TopicArn: aws.String(d.ids["Topic"])}))(t).Attributes
	if !strings.Contains(topic["Policy"], "AlarmsOfTheOrganization") || topic["SubscriptionsPending"]+topic["SubscriptionsConfirmed"] == "00" {
		t.Errorf("topic: %v", topic)
	}
}

func (d deployed) service(t *testing.T) {
	services := got(d.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String(d.ids["Cluster"]), Services: []string{d.ids["Service"]}}))(t).Services
	if len(services) != 1 {
		t.Fatalf("services: %+v", services)
	}
	s := services[0]
	if c := s.DeploymentConfiguration; aws.ToInt32(c.MinimumHealthyPercent) != 0 || aws.ToInt32(c.MaximumPercent) != 100 || s.DesiredCount != 1 {
		t.Errorf("service: minimum %d, maximum %d, desired %d", aws.ToInt32(c.MinimumHealthyPercent), aws.ToInt32(c.MaximumPercent), s.DesiredCount)
	}
	if s.EnableExecuteCommand {
		t.Error("the peer's engine has learned EnableExecuteCommand: assert it here (docs/conformance.md)")
	}
	if diff := cmp.Diff([]string{d.ids["TaskSecurityGroup"]}, s.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups); diff != "" {
		t.Error(diff)
	}
	def := got(d.ecs.DescribeTaskDefinition(t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: s.TaskDefinition}))(t).TaskDefinition
	c := def.ContainerDefinitions[0]
	env := map[string]string{}
	for _, e := range c.Environment {
		env[*e.Name] = *e.Value
	}
	for _, line := range []string{"controller: {id: taskwarden}", `roleArn: "arn:aws:iam::111122223333:role/taskwarden-member"`, `remediation: {mode: "off"}`,
		"store: {type: dynamodb, table: " + d.ids["Table"] + "}", `server: {address: "127.0.0.1:8080", tokens: []}`, d.ids["Topic"]} {
		if !strings.Contains(env["TASKWARDEN_CONFIG"], line) {
			t.Errorf("the configuration lacks %s:\n%s", line, env["TASKWARDEN_CONFIG"])
		}
	}
	if !aws.ToBool(c.ReadonlyRootFilesystem) || aws.ToString(c.User) != "65532:65532" || len(def.ContainerDefinitions) != 2 || aws.ToString(def.Cpu) != "256" || aws.ToString(def.Memory) != "512" {
		t.Errorf("task definition: %+v", def)
	}
}

func (d deployed) alarm(t *testing.T) {
	alarms := got(d.cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"taskwarden-controller-heartbeat"}}))(t).MetricAlarms
	if len(alarms) != 1 {
		t.Fatalf("alarms: %+v", alarms)
	}
	a := alarms[0]
	is := fmt.Sprint(aws.ToString(a.Namespace), " ", aws.ToString(a.MetricName), " ", *a.Dimensions[0].Value, " ", a.Statistic, aws.ToInt32(a.Period), " ", aws.ToInt32(a.EvaluationPeriods), " ",
		a.ComparisonOperator, aws.ToFloat64(a.Threshold), " ", aws.ToString(a.TreatMissingData), " ", a.AlarmActions[0] == d.ids["Topic"])
	if diff := cmp.Diff("TaskWarden Heartbeat taskwarden Maximum60 5 LessThanThreshold1 breaching true", is); diff != "" {
		t.Error(diff)
	}
}

// A load balancer comes whole or not at all: without a token's hash nothing is made, with it everything is.
func TestTheOpsStackWithALoadBalancer(t *testing.T) {
	url := peer.MiniStack(t, accountID, region)
	set := maps.Clone(opsParameters)
	maps.Copy(set, map[string]string{"Access": "alb-oidc", "LoadBalancerSubnetIds": set["SubnetIds"], "CertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/1",
		"OidcIssuer": "https://issuer.example", "OidcAuthorizationEndpoint": "https://issuer.example/a", "OidcTokenEndpoint": "https://issuer.example/t",
		"OidcUserInfoEndpoint": "https://issuer.example/u", "OidcClientId": "taskwarden", "OidcClientSecretArn": "arn:aws:secretsmanager:us-east-1:111122223333:secret:oidc-AbCdEf"})
	d := deployed{side: connect(t, url, time.Now()), t: t, url: url}
	if status := d.create("refused", "ops.yaml", set); status != cfntypes.StackStatusCreateFailed {
		t.Errorf("without a token the stack is %s", status)
	}
	secret := d.ask("secretsmanager.CreateSecret", "1.1", `{"Name":"oidc","SecretString":"hidden"}`)
	set["OidcClientSecretArn"] = secret["ARN"].(string)
	set["ApproverTokenHash"] = strings.Repeat("ab", 32)
	d = deploy(t, url, "balanced", "ops.yaml", set)
	for _, id := range []string{"CallsWithAToken", "Listener", "LoadBalancer", "LoadBalancerSecurityGroup", "TargetGroup"} {
		if d.ids[id] == "" {
			t.Errorf("no %s: %v", id, d.ids)
		}
	}
}

// The member template makes the role in each mode.
func TestTheMemberStacks(t *testing.T) {
	url := peer.MiniStack(t, accountID, region)
	for _, mode := range []string{"observe", "evidence", "alarms", "remediate"} {
		d := deploy(t, url, "member-"+mode, "member.yaml", map[string]string{"Mode": mode, "RoleName": "member-" + mode, "OpsRoleArn": "arn:aws:iam::111122223333:role/ops", "ExternalId": "correct-horse",
			"LogStreamArns": "arn:aws:logs:*:*:log-group:/ecs/*:log-stream:*", "PassRoleArns": "arn:aws:iam::111122223333:role/tasks/*", "ServiceArns": "arn:aws:ecs:*:*:service/prod/*"})
		if d.ids["Role"] != "member-"+mode {
			t.Errorf("%s: %v", mode, d.ids)
		}
	}
}

// got takes an answer, or ends the test.
func got[T any](out T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		fatal(t, err)
		return out
	}
}
