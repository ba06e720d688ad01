package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/otel"
)

// Document is the export in JSON (docs/remediation.md).
type Document struct {
	APIVersion   string      `json:"apiVersion" jsonschema_description:"taskwarden/v1."`
	Kind         string      `json:"kind" jsonschema_description:"Export."`
	Rollout      string      `json:"rollout" jsonschema_description:"Id of the rollout whose plan it is."`
	Policy       string      `json:"policy" jsonschema_description:"The policy of remediation.policies that wants it."`
	PlanHash     string      `json:"planHash" jsonschema_description:"Of the plan."`
	State        string      `json:"state" jsonschema_description:"The rollout's phase, or its outcome with the reason."`
	Target       string      `json:"target" jsonschema_description:"Name of the configured target."`
	Cluster      string      `json:"cluster" jsonschema_description:"Cluster name."`
	Service      string      `json:"service" jsonschema_description:"Service name."`
	ServiceARN   string      `json:"serviceArn" jsonschema_description:"ARN of the service."`
	Family       string      `json:"family" jsonschema_description:"Family of its task definition."`
	BaseRevision string      `json:"baseRevision" jsonschema_description:"ARN of the revision that the change is for."`
	Owner        Owner       `json:"owner" jsonschema_description:"Who owns the task definition."`
	Why          []string    `json:"why" jsonschema_description:"The findings it answers."`
	Lost         []string    `json:"lost" jsonschema_description:"What will be lost."`
	Containers   []Container `json:"containers" jsonschema_description:"The containers with the policy's variables."`
	Commands     []string    `json:"commands" jsonschema_description:"What makes the change with the AWS CLI and jq, from the whole base as the account has it."`
	SameChange   []string    `json:"sameChange" jsonschema_description:"Addresses of the other services that need the same change of the same owner."`
}

// Owner is who owns a service's task definition.
type Owner struct {
	State    string   `json:"state" jsonschema_description:"none, owned or unknown."`
	Name     string   `json:"name" jsonschema_description:"The tool or stack; empty: none is known."`
	Evidence []string `json:"evidence" jsonschema_description:"What it rests on."`
}

// Container is one container with the policy's variables.
type Container struct {
	Name        string     `json:"name" jsonschema_description:"Container name."`
	Environment []Variable `json:"environment" jsonschema_description:"The policy's variables; all others stay as they are."`
}

// Variable is one variable with the value that it is to have.
type Variable struct {
	Name    string `json:"name" jsonschema_description:"Name of the variable."`
	Value   string `json:"value" jsonschema_description:"Value wanted."`
	Old     string `json:"old" jsonschema_description:"Value of the base; empty where it has none: see existed."`
	Existed bool   `json:"existed" jsonschema_description:"The base sets it."`
	Changes bool   `json:"changes" jsonschema_description:"The base has another value, or none."`
}

func (s sheet) document() ([]byte, error) {
	r, p := s.rollout, s.rollout.Plan
	d := Document{APIVersion: "taskwarden/v1", Kind: "Export", Rollout: r.ID, Policy: p.Policy, PlanHash: p.Hash, State: state(r),
		Target: p.Key.Target, Cluster: p.Key.Cluster, Service: p.Key.Service, ServiceARN: p.ServiceARN, Family: s.family, BaseRevision: p.Base,
		Owner: Owner{string(p.Owner.State), p.Owner.Name, filled(p.Owner.Evidence)}, Why: filled(p.Why), Lost: filled(p.Lost), Commands: s.commands(), SameChange: []string{}}
	for _, c := range s.containers {
		is := Container{Name: c.name}
		for _, v := range c.variables {
			entry := Variable{Name: v.name, Value: v.value, Old: v.value, Existed: true}
			if v.was != nil {
				entry.Old, entry.Existed, entry.Changes = v.was.Old, v.was.Existed, true
			}
			is.Environment = append(is.Environment, entry)
		}
		d.Containers = append(d.Containers, is)
	}
	for _, k := range s.alike {
		d.SameChange = append(d.SameChange, k.String())
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // commands are to be read and copied
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	return b.Bytes(), nil
}

// commands registers the corrected revision from the one that the account has, whole, and deploys it.
func (s sheet) commands() []string {
	p := s.rollout.Plan
	region := ""
	if s.region != "" {
		region = " --region " + s.region
	}
	return []string{
		"aws ecs describe-task-definition" + region + " --task-definition " + shell(p.Base) + " --include TAGS | jq " + shell(s.program()) + " > corrected.json",
		"aws ecs register-task-definition" + region + " --cli-input-json file://corrected.json --query taskDefinition.taskDefinitionArn --output text",
		"aws ecs update-service" + region + " --cluster " + shell(p.Key.Cluster) + " --service " + shell(p.Key.Service) + " --task-definition ARN # the ARN that the command before prints",
	}
}

// put sets one variable of one container, in its place or at the end.
const put = `def put($c; $n; $v): (.containerDefinitions[] | select(.name == $c).environment) |= ((. // []) | ` +
	`if any(.[]; .name == $n) then map(if .name == $n then .value = $v else . end) else . + [{name: $n, value: $v}] end);`

// program is the jq program that makes of DescribeTaskDefinition's answer the input of RegisterTaskDefinition with the values.
func (s sheet) program() string {
	var drop []string
	for _, name := range otel.OutputOnly() {
		drop = append(drop, "."+name)
	}
	slices.Sort(drop)
	var b strings.Builder
	b.WriteString(put + " (.tags // [] | map(select(.key | startswith(\"aws:\") | not))) as $tags | .taskDefinition | del(" + strings.Join(drop, ", ") + ")")
	for _, c := range s.containers {
		for _, v := range c.variables {
			fmt.Fprintf(&b, " | put(%s; %s; %s)", jq(c.name), jq(v.name), jq(v.value))
		}
	}
	b.WriteString(" | if ($tags | length) > 0 then .tags = $tags else . end")
	return b.String()
}

// jq is a string of jq, in which \( begins an interpolation: JSON never writes that.
func jq(s string) string { return quoted(s) }

// shell is one word of a POSIX shell.
func shell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
