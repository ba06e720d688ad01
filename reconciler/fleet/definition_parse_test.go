package fleet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const fullDefinition = `{"taskDefinition": {
  "taskDefinitionArn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7", "family": "shop", "revision": 7,
  "networkMode": "awsvpc", "memory": "2048", "registeredAt": 1700000000.5, "registeredBy": "arn:aws:iam::111122223333:role/ci",
  "novelField": {"deep": [1]},
  "containerDefinitions": [
    {"name": "app", "image": "shop:1", "memory": 512, "memoryReservation": 256, "command": ["serve"],
     "environment": [{"name": "OTEL_TRACES_SAMPLER", "value": "xray"}, {"name": "PASSWORD", "value": "hunter2"}],
     "secrets": [{"name": "TOKEN", "valueFrom": "arn:x"}], "environmentFiles": [{"type": "s3", "value": "arn:y"}],
     "portMappings": [{"containerPort": 8080}], "healthCheck": {"command": ["CMD-SHELL", "true"]},
     "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
     "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "splunk-token": "hunter2"}}},
    {"name": "agent", "image": "a", "essential": false, "restartPolicy": {"enabled": true, "restartAttemptPeriod": 120}, "healthCheck": {"command": ["NONE"]}},
    {"name": "init", "image": "i", "essential": false, "restartPolicy": null, "healthCheck": null, "environment": null}
  ]}, "tags": []}`

func TestParseDefinition(t *testing.T) {
	want := Definition{
		ARN: "arn:aws:ecs:eu-west-1:111122223333:task-definition/shop:7", Family: "shop", Revision: 7, NetworkMode: "awsvpc",
		Memory: 2048, RegisteredAt: time.UnixMilli(1700000000500).UTC(), RegisteredBy: "arn:aws:iam::111122223333:role/ci",
		Containers: []ContainerDefinition{
			{
				Name: "app", Image: "shop:1", Essential: true, HealthCheck: true, Memory: 512, MemoryReservation: 256,
				LogDriver: "awslogs", LogOptions: map[string]string{"awslogs-group": "g"},
				DependsOn: []Dependency{{"init", "SUCCESS"}}, Ports: []int{8080},
				Env:     []EnvVar{{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}, {Name: "PASSWORD"}},
				Secrets: []string{"TOKEN"}, EnvFiles: 1, Command: true,
			},
			{Name: "agent", Image: "a", Restart: true, RestartPeriod: 120},
			{Name: "init", Image: "i"},
		},
	}
	_, bare, _ := strings.Cut(fullDefinition, `"taskDefinition": `)
	bare = strings.TrimSuffix(bare, `, "tags": []}`)
	for name, raw := range map[string]string{"response": fullDefinition, "alone": bare, "with a byte order mark": "\ufeff" + bare} {
		got, err := ParseDefinition([]byte(raw), NewAllowList())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v -want +got:\n%s", name, err, diff)
		}
	}
}

func TestParseDefinitionSpellings(t *testing.T) {
	for raw, want := range map[string]Definition{
		`{"containerDefinitions":[],"memory":"1 GB","registeredAt":"2026-01-02T03:04:05.5+09:00"}`: {Memory: 1024, RegisteredAt: time.Date(2026, 1, 1, 18, 4, 5, 5e8, time.UTC)},
		`{"containerDefinitions":null,"memory":512}`:                                               {Memory: 512},
		`{"containerDefinitions":[],"memory":"lots","registeredAt":"yesterday"}`:                   {},
		`{"containerDefinitions":[],"memory":null,"registeredAt":null,"family":null}`:              {},
	} {
		got, err := ParseDefinition([]byte(raw), NewAllowList())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v -want +got:\n%s", raw, err, diff)
		}
	}
}

func TestParseDefinitionErrors(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"", "line 1, column 1: an empty document; give the output of aws ecs describe-task-definition"},
		{"{\n \"family\": x\n}", "line 2, column 12: not JSON: invalid character 'x' looking for beginning of value; check the text around this place"},
		{"{\n \"containerDefinitions\": [\n", "line 3, column 1: not JSON: unexpected end of JSON input"},
		{`[]`, "line 1, column 1: a JSON array, expected an object; give one task definition"},
		{`{}`, "line 1, column 1: no containerDefinitions in it; give DescribeTaskDefinition output"},
		{`{"ContainerDefinitions":[]}`, "this looks like CloudFormation"},
		{`{"taskDefinition":{"family":"f"}}`, "no containerDefinitions in it"},
		{`{"taskDefinitionArns":["a"]}`, "a list of ARNs, no task definition; describe one of them"},
		{"{\"containerDefinitions\":[\n{\"name\":\"a\",\"environment\":[\n{\"name\":\"A\",\"value\":1}]}]}",
			"line 3, column 21: containerDefinitions.environment.value: a JSON number, expected a string; put it in quotes"},
		{`{"taskDefinition":{"containerDefinitions":{}}}`, "taskDefinition.containerDefinitions: a JSON object, expected an array"},
		{`{"containerDefinitions":[{"memory":"512"}]}`, "containerDefinitions.memory: a JSON string, expected a number"},
	} {
		_, err := ParseDefinition([]byte(tt.raw), NewAllowList())
		if _, ok := errors.AsType[*DefinitionError](err); !ok || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q:\ngot  %v\nwant %s", tt.raw, err, tt.want)
		}
	}
}

// FuzzParseDefinition: no input panics, every error has a place inside the document, and no value off the list is kept.
func FuzzParseDefinition(f *testing.F) {
	f.Add([]byte(fullDefinition))
	f.Add([]byte(`{"containerDefinitions":[{"name":1}]}`))
	f.Add([]byte("{\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ParseDefinition(raw, NewAllowList())
		if err != nil {
			place, ok := errors.AsType[*DefinitionError](err)
			if !ok || place.Line < 1 || place.Column < 1 || place.Line > strings.Count(string(raw), "\n")+1 {
				t.Fatalf("%#v", err)
			}
			return
		}
		for _, c := range d.Containers {
			for _, e := range c.Env {
				if !e.Kept && e.Value != "" {
					t.Fatalf("%+v", e)
				}
			}
		}
	})
}

func TestResourceAttributesKeepOnlyNames(t *testing.T) {
	for value, want := range map[string]string{
		"service.name=django,deployment.environment=prod":     "service.name=django,deployment.environment=prod",
		" api.key=hunter2, service.name=a b ,team=x":          "service.name=a b",
		"password=hunter2,aws.hostedin.environment=ecs:prod,": "aws.hostedin.environment=ecs:prod",
		"hunter2": "",
		"service.name.secret=hunter2,deployment.environment.name=eu": "deployment.environment.name=eu",
	} {
		if got := NewAllowList().Reduce("OTEL_RESOURCE_ATTRIBUTES", value); got.Value != want || !got.Kept {
			t.Errorf("%q: kept %q", value, got.Value)
		}
	}
}
