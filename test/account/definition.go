package account

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"taskwarden/test/account/wire"
)

// definition is one revision of a task definition: the document as it was registered, unknown fields included, and what
// the account needs to know of it.
type definition struct {
	arn, family  string
	revision     int
	status       string // ACTIVE, INACTIVE or DELETE_IN_PROGRESS
	doc          map[string]any
	tags         []any
	registered   time.Time
	deregistered time.Time
	deployable   time.Time // until when an INACTIVE one may still be deployed
	registeredBy string
	containers   []*spec
	env          map[string]string // of all containers together
}

// spec is what the account itself reads of a container definition.
type spec struct {
	name, image   string
	essential     bool
	group, prefix string // where awslogs puts its log; no group: nowhere
	healthCheck   bool
	stopTimeout   time.Duration
	restart       bool
	restartAfter  time.Duration // it must have run this long to be restarted
	ignoredExits  []int
}

// register makes the next revision of a family out of a RegisterTaskDefinition input.
func (a *Account) register(in wire.Input, by string) (*definition, error) {
	if err := checkDefinition(in); err != nil {
		return nil, err
	}
	family := in.String("family")
	d := &definition{
		family: family, revision: len(a.families[family]) + 1, status: "ACTIVE",
		doc: maps.Clone(map[string]any(in)), tags: in.List("tags"), registered: a.now, registeredBy: by,
		env: map[string]string{},
	}
	delete(d.doc, "tags")
	d.arn = a.arn("ecs", fmt.Sprintf("task-definition/%s:%d", family, d.revision))
	d.doc["containerDefinitions"] = withDefaults(in.List("containerDefinitions"))
	for _, c := range in.Maps("containerDefinitions") {
		d.containers = append(d.containers, readSpec(c))
		for _, e := range c.Maps("environment") {
			d.env[e.String("name")] = e.String("value")
		}
	}
	a.families[family] = append(a.families[family], d)
	return d, nil
}

// withDefaults spells out what a container definition leaves out, as the answers of RegisterTaskDefinition and
// DescribeTaskDefinition do (their examples in the API reference).
func withDefaults(containers []any) []any {
	out := make([]any, len(containers))
	for i, c := range containers {
		full := map[string]any{"cpu": int64(0), "essential": true, "environment": []any{}, "mountPoints": []any{}, "portMappings": []any{}, "volumesFrom": []any{}}
		maps.Copy(full, c.(map[string]any))
		out[i] = full
	}
	return out
}

// checkDefinition refuses what ECS refuses, as far as taskwarden can run into it.
func checkDefinition(in wire.Input) error {
	if in.String("family") == "" {
		return wire.Bad("ClientException", "Family should not be null or empty.")
	}
	if in["tags"] != nil && len(in.List("tags")) == 0 {
		return wire.Bad("ClientException", "Tags can not be empty.")
	}
	containers := in.Maps("containerDefinitions")
	if len(containers) == 0 {
		return wire.Bad("ClientException", "Container list cannot be empty.")
	}
	for _, c := range containers {
		if c.String("name") == "" || c.String("image") == "" {
			return wire.Bad("ClientException", "Container.name and Container.image should not be null or empty.")
		}
		for _, s := range c.Maps("secrets") {
			for _, e := range c.Maps("environment") {
				if s.String("name") == e.String("name") {
					return wire.Bad("ClientException", "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", s.String("name"))
				}
			}
		}
	}
	return nil
}

func readSpec(c wire.Input) *spec {
	s := &spec{
		name: c.String("name"), image: c.String("image"), essential: !c.Has("essential") || c.Bool("essential"),
		healthCheck: c.Has("healthCheck"), stopTimeout: time.Duration(c.Int("stopTimeout", 30)) * time.Second,
	}
	if logs := c.Map("logConfiguration"); logs.String("logDriver") == "awslogs" {
		s.group = logs.Map("options").String("awslogs-group")
		s.prefix = logs.Map("options").String("awslogs-stream-prefix")
	}
	if p := c.Map("restartPolicy"); p.Bool("enabled") {
		s.restart, s.restartAfter = true, time.Duration(p.Int("restartAttemptPeriod", 300))*time.Second
		for i := range p.List("ignoredExitCodes") {
			s.ignoredExits = append(s.ignoredExits, wire.Input{"code": p.List("ignoredExitCodes")[i]}.Int("code", 0))
		}
	}
	return s
}

// registration turns a scenario's task definition into the input that would register it.
func (a *Account) registration(t TaskDefinition) wire.Input {
	in := wire.Input{
		"networkMode": "awsvpc", "requiresCompatibilities": []any{"FARGATE"}, "cpu": "1024", "memory": "2048",
		"executionRoleArn": "arn:aws:iam::" + a.accountID + ":role/ecsTaskExecutionRole", "volumes": []any{}, "placementConstraints": []any{},
	}
	maps.Copy(in, plain(t.With).(map[string]any))
	in["family"] = t.Family
	var containers []any
	for _, c := range t.Containers {
		containers = append(containers, containerDocument(t.Family, a.region, c))
	}
	in["containerDefinitions"] = containers
	if len(t.Tags) > 0 {
		in["tags"] = tagList(t.Tags, "key", "value")
	}
	return in
}

// containerDocument applies the two conveniences of TaskDefinition.Containers.
func containerDocument(family, region string, c map[string]any) map[string]any {
	out := plain(c).(map[string]any)
	for name, value := range map[string]any{"cpu": int64(0), "essential": true, "image": "public.ecr.aws/docker/library/busybox:stable"} {
		if out[name] == nil {
			out[name] = value
		}
	}
	if env, ok := out["environment"].(map[string]any); ok {
		list := []any{}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			list = append(list, map[string]any{"name": name, "value": fmt.Sprint(env[name])})
		}
		out["environment"] = list
	}
	if logs, ok := out["logConfiguration"]; !ok {
		out["logConfiguration"] = map[string]any{"logDriver": "awslogs", "options": map[string]any{
			"awslogs-group": "/ecs/" + family, "awslogs-stream-prefix": "ecs", "awslogs-region": region}}
	} else if logs == nil {
		delete(out, "logConfiguration")
	}
	return out
}

// plain makes of decoded YAML what decoded JSON would be: whole numbers as int64, and copies all the way down.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	case int:
		return int64(v)
	case uint64:
		return int64(v)
	}
	return v
}

func tagList(tags map[string]string, key, value string) []any {
	list := []any{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, map[string]any{key: k, value: tags[k]})
	}
	return list
}
