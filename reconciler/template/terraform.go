package template

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"taskwarden/reconciler/fleet"
)

// types of Terraform resources that are task definitions: of the AWS provider, whose containers are a JSON text, and of
// the Cloud Control provider, whose containers are blocks.
var types = []string{"aws_ecs_task_definition", "awscc_ecs_task_definition"}

// readTerraform reads what `terraform show -json` prints of a plan or a state (Terraform, "JSON Output Format"). Of a plan
// it takes what there will be: resources that stay as they are are judged too, and those that go are not.
func readTerraform(raw []byte, allow fleet.AllowList) (Reading, error) {
	top := gjson.ParseBytes(raw)
	out := Reading{Kind: Terraform}
	if version := top.Get("format_version").String(); version != "" && !strings.HasPrefix(version, "0.") && !strings.HasPrefix(version, "1.") {
		return out, &Error{Problem: fmt.Sprintf("format_version %q is newer than what is known here (1.x)", version), Remedy: "update taskwarden"}
	}
	if top.Get("errored").Bool() {
		out.Notes = append(out.Notes, "the plan ended with an error: resources may be missing from it")
	}
	t := terraform{allow: allow, lineOf: liner(raw)}
	if changes := top.Get("resource_changes"); changes.IsArray() {
		changes.ForEach(func(_, change gjson.Result) bool {
			if after := change.Get("change.after"); after.IsObject() {
				t.resource(change, after, change.Get("change.after_unknown"))
			}
			return true
		})
	} else if values := top.Get("planned_values.root_module"); values.IsObject() {
		t.module(values, 0)
	} else {
		t.module(top.Get("values.root_module"), 0)
	}
	out.Resources = t.found
	return out, t.err
}

type terraform struct {
	allow  fleet.AllowList
	lineOf func(int64) int
	found  []Resource
	err    error
}

// module reads the resources of a module and of those in it.
func (t *terraform) module(m gjson.Result, depth int) {
	m.Get("resources").ForEach(func(_, r gjson.Result) bool {
		t.resource(r, r.Get("values"), gjson.Result{})
		return true
	})
	m.Get("child_modules").ForEach(func(_, child gjson.Result) bool {
		if depth < maxDepth {
			t.module(child, depth+1)
		}
		return true
	})
}

// resource reads one resource that is a task definition, with what will be and what is not known yet.
func (t *terraform) resource(r, values, unknown gjson.Result) {
	kind := r.Get("type").String()
	if t.err != nil || kind != types[0] && kind != types[1] || r.Get("mode").String() == "data" {
		return
	}
	properties, err := parseJSON([]byte(values.Raw), func(int64) int { return 0 })
	if err == nil && unknown.IsObject() {
		var gaps node
		gaps, err = parseJSON([]byte(unknown.Raw), func(int64) int { return 0 })
		properties = overlay(properties, gaps)
	}
	if err != nil {
		t.err = &Error{Problem: fmt.Sprintf("%s: %s", r.Get("address"), err)}
		return
	}
	found := define(t.containers(properties), t.allow)
	found.Address = r.Get("address").String()
	found.Line = t.lineOf(int64(r.Index))
	t.found = append(t.found, found)
}

// containers reads the JSON text that containerDefinitions is with the AWS provider.
func (t *terraform) containers(properties node) node {
	for i, m := range properties.members {
		if plain(m.key) != "containerdefinitions" || m.value.kind != text {
			continue
		}
		v := open("it is no JSON")
		if json.Valid([]byte(m.value.content)) {
			parsed, err := parseJSON([]byte(m.value.content), func(int64) int { return 0 })
			if err == nil {
				v = parsed
			}
		}
		properties.members[i].value = v
	}
	return properties
}

// overlay puts what is known only after apply into the planned values: true stands for the whole value.
func overlay(values, unknown node) node {
	switch {
	case unknown.is("true"):
		return open("it is known only after apply")
	case unknown.kind == object && values.kind == object:
		for _, m := range unknown.members {
			i := index(values, m.key)
			if i < 0 {
				values.members = append(values.members, member{key: m.key})
				i = len(values.members) - 1
			}
			values.members[i].value = overlay(values.members[i].value, m.value)
		}
	case unknown.kind == list && values.kind == list:
		for i := range min(len(unknown.members), len(values.members)) {
			values.members[i].value = overlay(values.members[i].value, unknown.members[i].value)
		}
	}
	return values
}

func index(n node, key string) int {
	for i, m := range n.members {
		if m.key == key {
			return i
		}
	}
	return -1
}
