package template

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
)

func read(t testing.TB, raw string) Reading {
	t.Helper()
	r, err := Read([]byte(raw), fleet.NewAllowList())
	if err != nil {
		t.Fatalf("%v of %s", err, raw)
	}
	return r
}

const stackYAML = `# a stack of one service
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Sampler: {Type: String, Default: xray}
  Rate: {Type: String}
  Secret: {Type: String, NoEcho: true, Default: hunter2}
  Ports: {Type: CommaDelimitedList, Default: "8080, 9090"}
  Image: {Type: "AWS::SSM::Parameter::Value<String>", Default: /images/shop}
  Env: {Type: String, Default: prod}
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  IsDev: !Not [!Condition IsProd]
  HasRate: !Not [!Equals [!Ref Rate, ""]]
Mappings:
  Rates: {prod: {Ratio: 0.05}, dev: {Ratio: 1.0}}
Resources:
  Bucket: {Type: "AWS::S3::Bucket"}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Sub "${AWS::StackName}-shop"
      NetworkMode: awsvpc
      Memory: 1024
      ContainerDefinitions:
        - Name: app
          Image: !Sub "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/shop:1"
          PortMappings: [{ContainerPort: !Select [0, !Ref Ports]}]
          Environment:
            - Name: OTEL_TRACES_SAMPLER
              Value: !Ref Sampler
            - {Name: OTEL_TRACES_SAMPLER_ARG, Value: !FindInMap [Rates, !Ref Env, Ratio]}
            - {Name: OTEL_SERVICE_NAME, Value: !Ref Secret}
            - !If [IsDev, {Name: OTEL_SDK_DISABLED, Value: true}, !Ref AWS::NoValue]
          LogConfiguration: {LogDriver: awslogs, Options: {awslogs-group: !Ref Bucket, awslogs-region: eu-west-1}}
        - Name: ecs-cwagent
          Image: !Join ["", [public.ecr.aws/cloudwatch-agent/cloudwatch-agent, ":", !Ref Rate]]
          Essential: "false"
          Memory: "128"
          RestartPolicy: {Enabled: true}
          HealthCheck: !If [HasRate, {Command: [CMD, a]}, !Ref AWS::NoValue]
          Secrets: [{Name: CW_CONFIG_CONTENT, ValueFrom: !Ref Bucket}]
        - Name: third
          Image: !Ref Image
          Command: [!Ref Rate]
          Environment: !If [HasRate, [], [{Name: A, Value: b}]]
`

func TestCloudFormation(t *testing.T) {
	got := read(t, stackYAML)
	want := fleet.Definition{
		NetworkMode: "awsvpc", Memory: 1024,
		Containers: []fleet.ContainerDefinition{
			{
				Name: "app", Image: "?.dkr.ecr.?.amazonaws.com/shop:1", Essential: true, Ports: []int{8080}, LogDriver: "awslogs",
				LogOptions: map[string]string{"awslogs-region": "eu-west-1"},
				Env:        []fleet.EnvVar{{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}, {Name: "OTEL_TRACES_SAMPLER_ARG", Value: "0.05", Kept: true}, {Name: "OTEL_SERVICE_NAME"}},
				Unseen:     map[string]string{"environment.OTEL_SERVICE_NAME": "the parameter Secret is secret (NoEcho)"},
			},
			{
				Name: "ecs-cwagent", Image: "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:?", Memory: 128, Restart: true, Secrets: []string{"CW_CONFIG_CONTENT"},
				Unseen: map[string]string{"healthCheck": "it depends on the condition HasRate"},
			},
			{
				Name: "third", Essential: true, Command: true,
				Unseen: map[string]string{"image": "the parameter Image is read from SSM when it is deployed", "environment": "it depends on the condition HasRate"},
			},
		},
	}
	if len(got.Resources) != 1 || got.Resources[0].Address != "Task" || got.Resources[0].Open != "" {
		t.Fatalf("%+v", got)
	}
	r := got.Resources[0]
	if diff := cmp.Diff(want, r.Definition); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, tt := range []struct {
		container, variable string
		line                int
	}{{"app", "", 25}, {"app", "OTEL_TRACES_SAMPLER", 30}, {"app", "OTEL_TRACES_SAMPLER_ARG", 31}, {"ecs-cwagent", "", 35}, {"nobody", "", 18}} {
		if got := r.LineOf(tt.container, []string{tt.variable}); got != tt.line {
			t.Errorf("%s %s: line %d, want %d: %s", tt.container, tt.variable, got, tt.line, strings.Split(stackYAML, "\n")[got-1])
		}
	}
	for _, want := range []string{"the parameter Sampler is judged by its default", "the condition IsDev is judged by the defaults"} {
		if !strings.Contains(strings.Join(got.Notes, "\n"), want) {
			t.Errorf("no note %q in %q", want, got.Notes)
		}
	}
	if strings.Contains(strings.Join(got.Notes, "\n"), "hunter2") {
		t.Error("a secret default is told")
	}
}

// one gives the unseen map and the variables of the only container of a template in which the value stands.
func one(t *testing.T, value string) fleet.ContainerDefinition {
	t.Helper()
	r := read(t, `{"Parameters": {"P": {"Type": "String", "Default": "p"}, "Q": {"Type": "String"}}, "Conditions": {"Loop": {"Condition": "Loop"},
	 "No": {"Fn::Equals": ["a", "b"]}, "Open": {"Fn::Equals": [{"Ref": "Q"}, "b"]}, "AndOpen": {"Fn::And": [{"Condition": "No"}, {"Condition": "Open"}]},
	 "OrOpen": {"Fn::Or": [{"Condition": "No"}, {"Condition": "Open"}]}}, "Mappings": {"M": {"a": {"b": "c"}}},
	 "Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "app", "Environment": [{"Name": "OTEL_TRACES_SAMPLER", "Value": `+value+`}]}]}}}}`)
	if len(r.Resources) != 1 || len(r.Resources[0].Definition.Containers) != 1 {
		t.Fatalf("%+v", r)
	}
	return r.Resources[0].Definition.Containers[0]
}

func TestFunctions(t *testing.T) {
	for value, want := range map[string]string{ // "?…" is unseen, with part of the reason
		`"plain"`: "plain", `0.10`: "0.10", `true`: "true", `1e-2`: "1e-2",
		`{"Ref": "P"}`:                  "p",
		`{"Ref": "Q"}`:                  "?the parameter Q has no default",
		`{"Ref": "Queue"}`:              "?Queue is known when it is deployed",
		`{"Ref": "AWS::Region"}`:        "?AWS::Region is known",
		`{"Fn::Sub": "a-${P}-${!Lit}"}`: "a-p-${Lit}",
		`{"Fn::Sub": ["${A}-${P}", {"A": {"Fn::Join": ["/", ["x", "y"]]}}]}`: "x/y-p",
		`{"Fn::Sub": "${Q}"}`:                                "?the parameter Q",
		`{"Fn::Sub": "${Queue.Arn}"}`:                        "?Queue.Arn is known",
		`{"Fn::Join": ["-", ["a", {"Ref": "P"}]]}`:           "a-p",
		`{"Fn::Join": ["-", ["a", {"Ref": "Q"}]]}`:           "?the parameter Q",
		`{"Fn::Select": ["1", {"Fn::Split": ["|", "a|b"]}]}`: "b",
		`{"Fn::Select": ["7", ["a"]]}`:                       "?Fn::Select",
		`{"Fn::FindInMap": ["M", "a", "b"]}`:                 "c",
		`{"Fn::FindInMap": ["M", "a", "z"]}`:                 "?finds nothing",
		`{"Fn::FindInMap": ["M", {"Ref": "Q"}, "b"]}`:        "?by what is known",
		`{"Fn::If": ["No", "a", "b"]}`:                       "b",
		`{"Fn::If": ["Open", "a", "b"]}`:                     "?the condition Open",
		`{"Fn::If": ["Open", "a", "a"]}`:                     "a",
		`{"Fn::If": ["AndOpen", "a", "b"]}`:                  "b",
		`{"Fn::If": ["OrOpen", "a", "b"]}`:                   "?the condition OrOpen",
		`{"Fn::If": ["Loop", "a", "b"]}`:                     "?the condition Loop",
		`{"Fn::If": ["Nobody", "a", "b"]}`:                   "?the condition Nobody",
		`{"Fn::GetAtt": ["A", "b"]}`:                         "?an attribute",
		`{"Fn::ImportValue": "x"}`:                           "?another stack",
		`{"Fn::Base64": "x"}`:                                "?Fn::Base64",
		`"{{resolve:ssm:/sampler:1}}"`:                       "?a dynamic reference",
		`{"Fn::Join": ["", ["{{resolve", ":ssm:/x}}"]]}`:     "?a dynamic reference",
	} {
		c := one(t, value)
		if why, ok := strings.CutPrefix(want, "?"); ok {
			if got := c.Unseen["environment.OTEL_TRACES_SAMPLER"]; !strings.Contains(got, why) || c.Env[0].Kept {
				t.Errorf("%s: got %q and %+v, want unseen for %q", value, got, c.Env, why)
			}
		} else if c.Env[0].Value != want || !c.Env[0].Kept || c.Unseen != nil {
			t.Errorf("%s: got %+v and %v, want %q", value, c.Env, c.Unseen, want)
		}
	}
}

const planJSON = `{
  "format_version": "1.2", "terraform_version": "1.9.0",
  "planned_values": {"root_module": {}},
  "resource_changes": [
    {"address": "aws_s3_bucket.b", "type": "aws_s3_bucket", "mode": "managed", "change": {"actions": ["create"], "after": {}}},
    {"address": "module.shop[\"a\"].aws_ecs_task_definition.app", "type": "aws_ecs_task_definition", "mode": "managed", "change": {"actions": ["delete", "create"],
      "before": {"container_definitions": "[]"},
      "after": {"family": "shop", "network_mode": "awsvpc", "memory": "512", "container_definitions": "[{\"name\":\"app\",\"image\":\"shop:1\",\"environment\":[{\"name\":\"OTEL_TRACES_SAMPLER\",\"value\":\"xray\"},{\"name\":\"DB\",\"value\":\"hunter2\"}]}]"},
      "after_unknown": {"arn": true, "id": true}}},
    {"address": "aws_ecs_task_definition.new", "type": "aws_ecs_task_definition", "mode": "managed", "change": {"actions": ["create"],
      "after": {"family": "new"}, "after_unknown": {"container_definitions": true}}},
    {"address": "aws_ecs_task_definition.gone", "type": "aws_ecs_task_definition", "mode": "managed", "change": {"actions": ["delete"], "before": {}, "after": null}},
    {"address": "data.aws_ecs_task_definition.d", "type": "aws_ecs_task_definition", "mode": "data", "change": {"actions": ["read"], "after": {}}},
    {"address": "awscc_ecs_task_definition.cc", "type": "awscc_ecs_task_definition", "mode": "managed", "change": {"actions": ["no-op"],
      "after": {"family": "cc", "container_definitions": [{"name": "app", "image": null, "essential": true, "restart_policy": {"enabled": true},
        "environment": [{"name": "OTEL_TRACES_SAMPLER", "value": null}]}]},
      "after_unknown": {"container_definitions": [{"image": true, "environment": [{"value": true}]}]}}}
  ]
}`

func TestTerraform(t *testing.T) {
	got := read(t, planJSON)
	type row struct {
		Address, Open string
		Line          int
		Definition    fleet.Definition
	}
	var rows []row
	for _, r := range got.Resources {
		rows = append(rows, row{r.Address, r.Open, r.Line, r.Definition})
	}
	apply := "it is known only after apply"
	want := []row{
		{`module.shop["a"].aws_ecs_task_definition.app`, "", 6, fleet.Definition{Family: "shop", NetworkMode: "awsvpc", Memory: 512, Containers: []fleet.ContainerDefinition{
			{Name: "app", Image: "shop:1", Essential: true, Env: []fleet.EnvVar{{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}, {Name: "DB"}}}}}},
		{"aws_ecs_task_definition.new", apply, 10, fleet.Definition{Family: "new"}},
		{"awscc_ecs_task_definition.cc", "", 14, fleet.Definition{Family: "cc", Containers: []fleet.ContainerDefinition{
			{Name: "app", Essential: true, Restart: true, Env: []fleet.EnvVar{{Name: "OTEL_TRACES_SAMPLER"}},
				Unseen: map[string]string{"image": apply, "environment.OTEL_TRACES_SAMPLER": apply}}}}},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	state := `{"format_version":"1.0","terraform_version":"1.9.0","values":{"root_module":{"child_modules":[{"resources":[
	 {"address":"module.m.aws_ecs_task_definition.t","mode":"managed","type":"aws_ecs_task_definition","values":{"family":"f","container_definitions":"[{\"name\":\"a\"}]"}}]}]}}}`
	if got := read(t, state); len(got.Resources) != 1 || got.Resources[0].Address != "module.m.aws_ecs_task_definition.t" || len(got.Resources[0].Definition.Containers) != 1 {
		t.Errorf("a state: %+v", got)
	}
	broken := strings.Replace(state, `[{\"name\":\"a\"}]`, `[{`, 1)
	if got := read(t, broken); got.Resources[0].Open != "it is no JSON" {
		t.Errorf("containers that are no JSON: %+v", got)
	}
}

// A container whose being there depends on something is told, and the others are judged.
func TestPartial(t *testing.T) {
	r := read(t, `{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Name": "app"}, {"Fn::If": ["X", {"Name": "b"}, {"Ref": "AWS::NoValue"}]}]}}}}`)
	if d := r.Resources[0].Definition; !d.Partial || len(d.Containers) != 1 {
		t.Errorf("%+v", d)
	}
	r = read(t, `{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": {"Fn::Transform": {}}}}}}`)
	if r.Resources[0].Open == "" {
		t.Errorf("%+v", r.Resources[0])
	}
}

func TestYAMLForms(t *testing.T) {
	for name, body := range map[string]string{
		"anchors and merges": "X: &env\n  - {Name: OTEL_TRACES_SAMPLER, Value: xray}\nY: &base {Image: i, Name: other}\nResources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions:\n        - <<: *base\n          Name: app\n          Environment: *env\n",
		"block texts":        "Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions:\n      - Name: app\n        Image: i\n        Environment:\n        - Name: OTEL_TRACES_SAMPLER\n          Value: !Sub |-\n            xray\n",
		"two documents":      "Resources: {}\n---\nResources:\n  T: {Type: AWS::ECS::TaskDefinition, Properties: {ContainerDefinitions: [{Name: app, Image: i, Environment: [{Name: OTEL_TRACES_SAMPLER, Value: 'xray'}]}]}}\n",
		"long form":          "---\nResources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      ContainerDefinitions:\n      - Name: app\n        Image: i\n        Environment:\n        - Name: OTEL_TRACES_SAMPLER\n          Value:\n            Fn::Join: ['', [x, ray]]\n",
	} {
		r := read(t, body)
		if len(r.Resources) != 1 {
			t.Fatalf("%s: %+v", name, r)
		}
		c := r.Resources[0].Definition.Containers[0]
		if c.Name != "app" || c.Image != "i" || len(c.Env) != 1 || c.Env[0].Value != "xray" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// What aws cloudformation get-template prints holds the template as a text, or as a value.
func TestTemplateBody(t *testing.T) {
	text, err := json.Marshal(stackYAML)
	if err != nil {
		t.Fatal(err)
	}
	if r := read(t, `{"StagesAvailable": ["Original"], "TemplateBody": `+string(text)+`}`); len(r.Resources) != 1 || r.Resources[0].Line != 18 {
		t.Errorf("%+v", r)
	}
	if r := read(t, "{\"TemplateBody\":\n{\"Resources\":\n{\"T\": {\"Type\": \"AWS::ECS::TaskDefinition\", \"Properties\": {}}}}}"); len(r.Resources) != 1 || r.Resources[0].Line != 0 {
		t.Errorf("%+v", r)
	}
}

func TestForeign(t *testing.T) {
	for raw, want := range map[string]string{
		"resource \"aws_ecs_task_definition\" \"a\" {\n}": "Terraform source",
		"locals {\n a = 1\n}":                             "Terraform source",
		"PK\x03\x04rest":                                  "binary",
		`{"@level":"info","@message":"Terraform 1.9.0"}`:  "log of terraform plan -json",
		`{"version":4,"lineage":"x","serial":1}`:          "a raw state",
		`{"version":"36.0.0","artifacts":{}}`:             "manifest of the AWS CDK",
		`{"format_version":"2.0","resource_changes":[]}`:  "newer than what is known",
		"family: f\ncontainerDefinitions: []\n":           "--output json",
		"apiVersion: v1\nkind: Pod\n":                     "no Resources",
		"hello":                                           "no Resources",
		"a: [\n":                                          "not YAML",
		"a: *b\n":                                         "no anchor",
		"a: &a [*a]\nResources: {}\n":                     "nested too deeply",
		strings.Repeat("[", 100_000):                      "", // JSON that ends early: the task definition's reader says so
		"x: " + strings.Repeat("[", 100_000):              "nested too deeply",
		"x: " + strings.Repeat("a", maxYAML):              "more than a CloudFormation template",
		`{"Resources": [1]}`:                              "no Resources",
		`{"Resources":{"T":` + strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300) + "}}": "nested too deeply",
	} {
		_, err := Read([]byte(raw), fleet.NewAllowList())
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %s", raw, err, want)
		}
	}
}

// Functions inside functions must not cost more than the text is worth.
func TestEvaluationIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"Conditions":{"C0":{"Fn::Equals":["a","b"]}`)
	for i := 1; i < 60; i++ {
		p := string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		n := string(rune('0'+i/10)) + string(rune('0'+i%10))
		if i == 1 {
			p = "0"
		}
		b.WriteString(`,"C` + n + `":{"Fn::Or":[{"Condition":"C` + p + `"},{"Condition":"C` + p + `"}]}`)
	}
	b.WriteString(`},"Resources":{"T":{"Type":"AWS::ECS::TaskDefinition","Properties":{"Family":` + nest(`"x"`, 60) + `,"ContainerDefinitions":[]}}}}`)
	if !json.Valid([]byte(b.String())) {
		t.Fatal("the input is no JSON")
	}
	read(t, b.String())
}

// nest doubles a value by an open condition, n times.
func nest(value string, n int) string {
	for range min(n, 12) {
		value = `{"Fn::If":["Open",` + value + `,` + value + `]}`
	}
	return value
}

// FuzzRead: no input panics, no value off the list is kept, and every error is a place or a remedy.
func FuzzRead(f *testing.F) {
	f.Add([]byte(stackYAML))
	f.Add([]byte(planJSON))
	f.Add([]byte(`{"Resources":{"T":{"Type":"AWS::ECS::TaskDefinition","Properties":{"ContainerDefinitions":[{"Name":"a","Environment":[{"Name":"A","Value":{"Fn::Sub":"${B}"}}]}]}}}}`))
	f.Add([]byte("a: &a [*a]\nResources: {}\n"))
	f.Add([]byte("Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties: !If [A, {ContainerDefinitions: [{Name: !Ref X}]}, {}]\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Read(raw, fleet.NewAllowList())
		if err != nil {
			if _, ok := err.(*Error); !ok || err.Error() == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		for _, res := range r.Resources {
			for _, c := range res.Definition.Containers {
				res.LineOf(c.Name, []string{"OTEL_TRACES_SAMPLER"})
				for _, e := range c.Env {
					if !e.Kept && e.Value != "" || e.Kept && c.Unseen["environment."+e.Name] != "" {
						t.Fatalf("%+v of %+v", e, c.Unseen)
					}
				}
			}
		}
	})
}
