package template

import (
	"bytes"
	"encoding/json"
	"regexp"

	"taskwarden/reconciler/fleet"
)

// Read reads one document, whatever it is. Of a task definition it says no more than the kind: fleet.ParseDefinition reads
// that, and names the place of what is wrong in it. Every error is an *Error.
func Read(raw []byte, allow fleet.AllowList) (Reading, error) {
	body := bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\ufeff")))
	switch {
	case len(body) == 0:
		return Reading{Kind: TaskDefinition}, nil
	case body[0] == '{' || body[0] == '[':
		return readJSON(raw, allow)
	}
	if err := foreign(body); err != nil {
		return Reading{}, err
	}
	documents, err := parseYAML(raw)
	if err != nil {
		return Reading{}, err
	}
	out := Reading{Kind: CloudFormation}
	for _, d := range documents {
		if d.get("Resources").kind != object {
			return Reading{}, notATemplate(d)
		}
		more := readStack(d, allow)
		out.Resources, out.Notes = append(out.Resources, more.Resources...), append(out.Notes, more.Notes...)
	}
	return out, nil
}

func notATemplate(d node) error {
	const remedy = "give a task definition as JSON, the output of terraform show -json, or a CloudFormation template"
	if d.field("containerDefinitions").kind != null || d.field("taskDefinition").kind != null {
		return &Error{Problem: "a task definition as YAML", Remedy: "give it as JSON: aws ecs describe-task-definition --output json"}
	}
	return &Error{Problem: "no JSON, and no CloudFormation template: it has no Resources", Remedy: remedy}
}

// foreign knows the files that people give instead of the right one.
func foreign(body []byte) error {
	switch {
	case bytes.HasPrefix(body, []byte("PK\x03\x04")):
		return &Error{Problem: "a plan file of Terraform, which is binary", Remedy: "give the output of terraform show -json PLANFILE"}
	case hcl.Match(body):
		return &Error{Problem: "Terraform source, whose values are known only to Terraform", Remedy: "give the output of terraform show -json PLANFILE"}
	}
	return nil
}

var hcl = regexp.MustCompile(`(?m)^\s*(resource|module|data|variable|locals|terraform|provider|output)\s*("[^"]*"\s*)*\{`)

func readJSON(raw []byte, allow fleet.AllowList) (Reading, error) {
	var top map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(raw, []byte("\ufeff")), &top) != nil {
		return Reading{Kind: TaskDefinition}, nil //nolint:nilerr // its reader names the place
	}
	has := func(keys ...string) bool {
		for _, key := range keys {
			if _, ok := top[key]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("containerDefinitions"), has("taskDefinition"):
		return Reading{Kind: TaskDefinition}, nil
	case has("resource_changes"), has("planned_values"), has("terraform_version", "format_version"):
		return readTerraform(raw, allow)
	case has("Resources"):
		root, err := parseJSON(bytes.TrimPrefix(raw, []byte("\ufeff")), liner(raw))
		if err != nil {
			return Reading{}, &Error{Problem: err.Error()}
		}
		if root.get("Resources").kind != object {
			return Reading{}, notATemplate(node{})
		}
		return readStack(root, allow), nil
	case has("TemplateBody"):
		return readBody(top["TemplateBody"], allow)
	case has("@level", "@message"):
		return Reading{}, &Error{Problem: "the log of terraform plan -json", Remedy: "give the output of terraform show -json PLANFILE"}
	case has("lineage", "serial"):
		return Reading{}, &Error{Problem: "a raw state of Terraform", Remedy: "give the output of terraform show -json"}
	case has("artifacts", "version"):
		return Reading{}, &Error{Problem: "a manifest of the AWS CDK", Remedy: "give one of the *.template.json files beside it"}
	}
	return Reading{Kind: TaskDefinition}, nil
}

// readBody reads what aws cloudformation get-template prints: a template in its own text, or as a value. Places in a value
// are no places of the template.
func readBody(raw json.RawMessage, allow fleet.AllowList) (Reading, error) {
	var body string
	if json.Unmarshal(raw, &body) == nil {
		return Read([]byte(body), allow)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return Reading{}, &Error{Problem: err.Error()}
	}
	return Read(line.Bytes(), allow)
}
