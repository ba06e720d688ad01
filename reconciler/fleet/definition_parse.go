package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefinitionError says where a task definition document cannot be read, and what to do about it.
type DefinitionError struct {
	Offset       int64  // bytes from the document's start
	Line, Column int    // from 1; the column counts bytes
	Field        string // the JSON path as far as it is known, "" otherwise
	Problem      string
	Remedy       string
	Err          error // the decoder's own error, or nil
}

// Error is "line 3, column 14: containerDefinitions.environment.value: a number, expected a string; put it in quotes".
func (e *DefinitionError) Error() string {
	text := fmt.Sprintf("line %d, column %d: ", e.Line, e.Column)
	if e.Field != "" {
		text += e.Field + ": "
	}
	text += e.Problem
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Unwrap is the decoder's own error.
func (e *DefinitionError) Unwrap() error { return e.Err }

// ParseDefinition reads one task definition: DescribeTaskDefinition output (`{"taskDefinition":{…},"tags":[…]}`), the task
// definition alone, or RegisterTaskDefinition input, spelled as the API and the CLI spell it. Values of variables are
// kept where allow names them. Fields nobody judges are ignored. Every error is a *DefinitionError.
func ParseDefinition(raw []byte, allow AllowList) (Definition, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff")) // a byte order mark, as PowerShell writes
	if err := probe(raw); err != nil {
		return Definition{}, err
	}
	var doc struct {
		TaskDefinition *definitionDocument `json:"taskDefinition"`
		definitionDocument
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Definition{}, definitionError(raw, err)
	}
	in := doc.definitionDocument
	if doc.TaskDefinition != nil {
		in = *doc.TaskDefinition
	}
	return in.reduce(allow), nil
}

// probe refuses what would decode to an empty definition: another document, or CloudFormation's spelling, which
// encoding/json's case-insensitive matching would half understand.
func probe(raw []byte) error {
	at := func(problem, remedy string) error {
		return &DefinitionError{Line: 1, Column: 1, Problem: problem, Remedy: remedy}
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return at("an empty document", "give the output of aws ecs describe-task-definition")
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(raw, &top); err != nil {
		return definitionError(raw, err)
	}
	body := top
	if inner, ok := top["taskDefinition"]; ok && bytes.HasPrefix(inner, []byte("{")) {
		body = nil
		if err := json.Unmarshal(inner, &body); err != nil {
			return definitionError(raw, err)
		}
	}
	if _, ok := body["containerDefinitions"]; ok {
		return nil
	}
	const remedy = "give DescribeTaskDefinition output or RegisterTaskDefinition input"
	for key := range body {
		if strings.EqualFold(key, "containerDefinitions") || key == "Resources" {
			return at("no containerDefinitions: this looks like CloudFormation", remedy)
		}
	}
	if _, ok := top["taskDefinitionArns"]; ok {
		return at("a list of ARNs, no task definition", "describe one of them with aws ecs describe-task-definition")
	}
	return at("no containerDefinitions in it", remedy)
}

// definitionError gives a decoder's error its place and remedy.
func definitionError(raw []byte, err error) *DefinitionError {
	out := &DefinitionError{Err: err, Problem: err.Error()}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		out.Offset = syntax.Offset
		out.Problem = "not JSON: " + syntax.Error()
		out.Remedy = "check the text around this place"
		if strings.HasPrefix(syntax.Error(), "unexpected end") {
			out.Offset, out.Remedy = int64(len(raw))+1, "give the whole document" // the place after the last byte
		}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		out.Offset = wrong.Offset
		out.Field = strings.TrimPrefix(wrong.Field, "definitionDocument.")
		out.Problem = fmt.Sprintf("a JSON %s, expected %s", wrong.Value, jsonKind(wrong.Type.Kind().String()))
		if wrong.Type.Kind().String() == "string" {
			out.Remedy = "put it in quotes"
		}
		if out.Field == "" {
			out.Remedy = "give one task definition"
		}
	}
	out.Line, out.Column = place(raw, out.Offset)
	return out
}

// jsonKind is JSON's word for a Go kind.
func jsonKind(kind string) string {
	switch kind {
	case "struct", "map":
		return "an object"
	case "slice":
		return "an array"
	case "bool":
		return "true or false"
	case "string":
		return "a string"
	}
	return "a number"
}

// place is the line and column, from 1, of the last byte before offset.
func place(raw []byte, offset int64) (line, column int) {
	end := int(max(0, min(offset-1, int64(len(raw)))))
	before := raw[:end]
	return bytes.Count(before, []byte("\n")) + 1, end - bytes.LastIndexByte(before, '\n')
}

// definitionDocument is the part of a task definition's JSON that is read, as DescribeTaskDefinition spells it.
type definitionDocument struct {
	ARN          string              `json:"taskDefinitionArn"`
	Family       string              `json:"family"`
	Revision     int                 `json:"revision"`
	NetworkMode  string              `json:"networkMode"`
	Memory       definitionMemory    `json:"memory"`
	RegisteredAt definitionTime      `json:"registeredAt"`
	RegisteredBy string              `json:"registeredBy"`
	Containers   []containerDocument `json:"containerDefinitions"`
}

// containerDocument is the part of one container definition that is read.
type containerDocument struct {
	Name              string `json:"name"`
	Image             string `json:"image"`
	Essential         *bool  `json:"essential"`
	Memory            int    `json:"memory"`
	MemoryReservation int    `json:"memoryReservation"`
	RestartPolicy     *struct {
		Enabled bool `json:"enabled"`
		Period  int  `json:"restartAttemptPeriod"`
	} `json:"restartPolicy"`
	HealthCheck *struct {
		Command []string `json:"command"`
	} `json:"healthCheck"`
	LogConfiguration *struct {
		Driver  string            `json:"logDriver"`
		Options map[string]string `json:"options"`
	} `json:"logConfiguration"`
	DependsOn []struct {
		Container string `json:"containerName"`
		Condition string `json:"condition"`
	} `json:"dependsOn"`
	PortMappings []struct {
		Container int `json:"containerPort"`
	} `json:"portMappings"`
	Environment []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"environment"`
	Secrets []struct {
		Name string `json:"name"`
	} `json:"secrets"`
	EnvironmentFiles []struct {
		Value string `json:"value"`
	} `json:"environmentFiles"`
	Command    []string `json:"command"`
	EntryPoint []string `json:"entryPoint"`
}

func (d definitionDocument) reduce(allow AllowList) Definition {
	out := Definition{
		ARN: d.ARN, Family: d.Family, Revision: d.Revision, NetworkMode: d.NetworkMode,
		Memory: int(d.Memory), RegisteredAt: time.Time(d.RegisteredAt), RegisteredBy: d.RegisteredBy,
	}
	for _, c := range d.Containers {
		out.Containers = append(out.Containers, c.reduce(allow))
	}
	return out
}

func (c containerDocument) reduce(allow AllowList) ContainerDefinition {
	out := ContainerDefinition{
		Name: c.Name, Image: c.Image,
		Essential: c.Essential == nil || *c.Essential,
		Restart:   c.RestartPolicy != nil && c.RestartPolicy.Enabled,
		// Docker's ["NONE"] switches an image's health check off.
		HealthCheck: c.HealthCheck != nil && !slices.Equal(c.HealthCheck.Command, []string{"NONE"}),
		Memory:      c.Memory, MemoryReservation: c.MemoryReservation,
		EnvFiles: len(c.EnvironmentFiles),
		Command:  len(c.Command)+len(c.EntryPoint) > 0,
	}
	if c.RestartPolicy != nil {
		out.RestartPeriod = c.RestartPolicy.Period
	}
	if c.LogConfiguration != nil {
		out.LogDriver = c.LogConfiguration.Driver
		out.LogOptions = logOptions(c.LogConfiguration.Options)
	}
	for _, dep := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, Dependency{Container: dep.Container, Condition: dep.Condition})
	}
	for _, port := range c.PortMappings {
		out.Ports = append(out.Ports, port.Container)
	}
	for _, e := range c.Environment {
		out.Env = append(out.Env, allow.Reduce(e.Name, e.Value))
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, s.Name)
	}
	return out
}

// logOptions keeps the awslogs driver's options, which say where the lines are. Other drivers' options carry tokens.
func logOptions(options map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range options {
		if strings.HasPrefix(name, "awslogs-") {
			out[name] = value
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// definitionMemory is the task's memory in MiB: AWS answers "512", and takes "1 GB" as well. 0: not understood.
type definitionMemory int

// UnmarshalJSON reads a string or a number.
func (m *definitionMemory) UnmarshalJSON(raw []byte) error {
	text := strings.ToUpper(strings.TrimSpace(strings.Trim(string(raw), `"`)))
	unit := 1.0
	if gb, ok := strings.CutSuffix(text, "GB"); ok {
		text, unit = strings.TrimSpace(gb), 1024
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 0 && v*unit <= math.MaxInt32 {
		*m = definitionMemory(v * unit)
	}
	return nil
}

// definitionTime is a time as the API (seconds since 1970) or the CLI (ISO 8601) writes it. Zero: not understood.
type definitionTime time.Time

// UnmarshalJSON reads a string or a number.
func (t *definitionTime) UnmarshalJSON(raw []byte) error {
	if v, ok := parseTime(strings.Trim(string(raw), `"`)); ok {
		*t = definitionTime(v)
	}
	return nil
}
