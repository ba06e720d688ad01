package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const lintStack = `Parameters:
  Sampler: {Type: String, Default: xray}
  Rate: {Type: String}
Resources:
  Shop:
    Type: AWS::ECS::TaskDefinition
    Properties:
      NetworkMode: awsvpc
      ContainerDefinitions:
        - Name: app
          Image: shop:1
          Environment:
            - Name: OTEL_TRACES_SAMPLER
              Value: parentbased_traceidratio
            - Name: OTEL_TRACES_SAMPLER_ARG
              Value: endpoint=http://localhost:2000
  Pay:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions:
        - {Name: app, Image: pay:1, Environment: [{Name: OTEL_TRACES_SAMPLER, Value: !Ref Sampler}], EnvironmentFiles: [{Type: s3, Value: "arn:x"}]}
        - {Name: side, Image: job:1, Environment: [{Name: OTEL_TRACES_SAMPLER, Value: traceidratio}, {Name: OTEL_TRACES_SAMPLER_ARG, Value: !Ref Rate}]}
`

func placesOf(t *testing.T, jsonl string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(jsonl) {
		var p struct {
			Resource, Container, Rule string
			Line                      int
		}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, fmt.Sprintf("%s:%d %s %s", p.Resource, p.Line, p.Container, p.Rule))
	}
	return out
}

func TestLintCloudFormation(t *testing.T) {
	got := lint(t, lintStack, "--fail-on", "warning")
	want := []string{"Shop:14 app sampler-arg-mismatch", "Pay:21 app sampler-xray", "Pay:22 side sampler-not-parentbased"}
	if diff := cmp.Diff(want, placesOf(t, got.out)); got.code != exitFindings || diff != "" {
		t.Errorf("%+v\n%s", got, diff)
	}
	for _, note := range []string{
		"Pay: side OTEL_TRACES_SAMPLER_ARG: the parameter Rate has no default: not judged",
		"the parameter Sampler is judged by its default",
	} {
		if !strings.Contains(got.errOut, note) {
			t.Errorf("no %q in %s", note, got.errOut)
		}
	}
	got = lint(t, lintStack, "--fix")
	const fix = "# Shop, container app, line 14: set in Environment\n- Name: OTEL_TRACES_SAMPLER\n  Value: \"parentbased_traceidratio\"\n- Name: OTEL_TRACES_SAMPLER_ARG\n  Value: \"0.01\"\n"
	if diff := cmp.Diff(fix, got.out); got.code != exitOK || diff != "" {
		t.Errorf("%+v\n%s", got, diff)
	}
	if !strings.Contains(got.errOut, "Pay: app sampler-xray is left as it is: OTEL_TRACES_SAMPLER_ARG may arrive from an environment file") {
		t.Error(got.errOut)
	}
	if got := lint(t, lintStack, "-o", "table"); !strings.Contains(got.out, "Shop:14  warning   app") {
		t.Error(got.out)
	}
}

func TestLintTerraform(t *testing.T) {
	containers := func(value string) string {
		raw, _ := json.Marshal(`[{"name":"app","image":"shop:1","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"` + value + `"},{"name":"PASSWORD","value":"hunter2"}]}]`)
		return string(raw)
	}
	plan := `{"format_version":"1.2","terraform_version":"1.9.0","resource_changes":[
 {"address":"module.shop.aws_ecs_task_definition.app","mode":"managed","type":"aws_ecs_task_definition","change":{"actions":["update"],"after":{"family":"shop","container_definitions":` + containers("xray") + `}}},
 {"address":"aws_ecs_task_definition.new","mode":"managed","type":"aws_ecs_task_definition","change":{"actions":["create"],"after":{},"after_unknown":{"container_definitions":true}}}]}`
	got := lint(t, plan, "--fail-on", "info")
	if diff := cmp.Diff([]string{"module.shop.aws_ecs_task_definition.app:2 app sampler-xray"}, placesOf(t, got.out)); got.code != exitFindings || diff != "" {
		t.Errorf("%+v\n%s", got, diff)
	}
	if !strings.Contains(got.errOut, "aws_ecs_task_definition.new: containerDefinitions: it is known only after apply: not judged") || strings.Contains(got.out+got.errOut, "hunter2") {
		t.Error(got.errOut)
	}
	got = lint(t, plan, "--fix")
	const fix = "# module.shop.aws_ecs_task_definition.app, container app, line 2: set in environment\n{ name = \"OTEL_TRACES_SAMPLER\", value = \"parentbased_traceidratio\" },\n{ name = \"OTEL_TRACES_SAMPLER_ARG\", value = \"0.01\" },\n"
	if diff := cmp.Diff(fix, got.out); diff != "" {
		t.Error(diff)
	}
	if got := lint(t, `{"format_version":"1.2","resource_changes":[]}`); got.code != exitOK || !strings.Contains(got.errOut, "declares no task definition") {
		t.Errorf("%+v", got)
	}
	if got := lint(t, `resource "aws_ecs_task_definition" "app" {}`); got.code != exitFailed || !strings.Contains(got.errOut, "terraform show -json") {
		t.Errorf("%+v", got)
	}
	// Documents of several kinds in one input, and the place of what is wrong in the last.
	both := xrayDefinition + "\n" + plan + "\n{\"format_version\":\"9\",\"resource_changes\":[]}"
	if got := lint(t, both); got.code != exitFailed || !strings.Contains(got.errOut, "newer than what is known") ||
		cmp.Diff([]string{":0 app sampler-xray", "module.shop.aws_ecs_task_definition.app:3 app sampler-xray"}, placesOf(t, got.out)) != "" {
		t.Errorf("%+v", got)
	}
}

// FuzzLint: no input makes the verb panic or show a value off the allow-list, fixing or not.
func FuzzLint(f *testing.F) {
	f.Add([]byte(lintStack))
	f.Add([]byte(xrayDefinition + "\n" + badArgument))
	f.Add([]byte(`{"format_version":"1.2","resource_changes":[{"type":"aws_ecs_task_definition","change":{"after":{"container_definitions":"[{}]"}}}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, args := range [][]string{nil, {"--fix"}} {
			if got := lint(t, string(raw), args...); got.code != exitOK && (got.code != exitFailed || got.errOut == "") {
				t.Fatalf("%+v", got)
			}
		}
	})
}
