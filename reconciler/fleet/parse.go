package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Case is one thing to judge that was read from JSON: a task, what its service looked like, and its containers' last lines.
type Case struct {
	Line    int                 // where its document began in the input, from 1; 0 for ParseCases
	ID      string              // the reader's own name for it; "" where none was given
	Task    *Task               // nil: only logs are to be judged
	Service *Service            // nil: not given
	Logs    map[string][]string // last lines by container, oldest first
	Notes   []string            // fields whose type was wrong and that were left out, by path and never by value
	Err     error               // why there is nothing to judge; the rest is then empty, except Line and ID
}

// taskEvent is the detail-type of the only EventBridge event that holds a task (Amazon ECS guide, "Amazon ECS task state
// change events").
const taskEvent = "ECS Task State Change"

// ParseCases reads one JSON document, in order: a DescribeTasks response, one task, an EventBridge "ECS Task State
// Change" event, a case {id, task, service, logs}, or a list of these. Keys are found in any letter case. A field of the
// wrong type is left out and named in the case's Notes: the rest of the task is still worth judging. A member of a list
// that is nothing of the kind becomes a Case with Err; the error is for a document that is not JSON at all.
func ParseCases(doc []byte) ([]Case, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := dec.Token(); err == nil || dec.More() {
		return nil, errors.New("read JSON: more than one document")
	}
	if list, ok := v.([]any); ok {
		var out []Case
		for _, e := range list {
			out = append(out, casesOf(e)...)
		}
		return out, nil
	}
	return casesOf(v), nil
}

// casesOf reads one value, by the keys that tell its shape.
func casesOf(v any) []Case {
	m, ok := v.(map[string]any)
	if !ok {
		return []Case{{Err: fmt.Errorf("found %s where an object is needed: %s", kindOf(v), shapes)}}
	}
	var notes []string
	f := fields{m: m, notes: &notes}
	switch {
	case f.has("detail"):
		return []Case{eventCase(f)}
	case f.has("task") || f.has("logs") && !f.has("taskArn"):
		return []Case{givenCase(f)}
	case f.has("tasks"):
		return responseCases(f)
	case slices.ContainsFunc([]string{"taskArn", "lastStatus", "stopCode", "stoppedReason", "containers"}, f.has):
		t := taskOf(f)
		return []Case{{Task: &t, Notes: notes}}
	}
	keys := slices.Sorted(maps.Keys(m))
	keys = keys[:min(len(keys), 8)]
	return []Case{{ID: f.id(), Err: fmt.Errorf("no task in an object with the keys [%s]: %s", clip(strings.Join(keys, " "), 120), shapes)}}
}

const shapes = "give a DescribeTasks response, a task, an EventBridge event or a case {id, task, service, logs}"

func eventCase(f fields) Case {
	if kind := f.str("detail-type"); kind != "" && kind != taskEvent {
		return Case{Err: fmt.Errorf("an event of type %q holds no task: %q is needed", clip(kind, 80), taskEvent)}
	}
	d, ok := f.object("detail")
	if !ok {
		return Case{Err: errors.New("the event's detail is no object, so it holds no task")}
	}
	t := taskOf(d)
	return Case{Task: &t, Notes: *f.notes}
}

func givenCase(f fields) Case {
	c := Case{ID: f.id(), Logs: logsOf(f)}
	if t, ok := f.object("task"); ok {
		task := taskOf(t)
		c.Task = &task
	}
	if s, ok := f.object("service"); ok {
		service := serviceOf(s)
		c.Service = &service
	}
	c.Notes = *f.notes
	if c.Task == nil && !f.has("logs") {
		return Case{ID: c.ID, Err: errors.New("the case has neither a task nor logs")}
	}
	return c
}

func responseCases(f fields) []Case {
	var out []Case
	for _, t := range f.list("tasks") {
		if t.m == nil {
			out = append(out, Case{Err: errors.New("a member of tasks is no object")})
			continue
		}
		var notes []string
		t.notes = &notes
		task := taskOf(t)
		out = append(out, Case{Task: &task, Notes: notes})
	}
	for _, miss := range f.list("failures") {
		out = append(out, Case{Err: fmt.Errorf("AWS could not describe task %s: %s", clip(miss.str("arn"), 200), clip(miss.str("reason"), 80))})
	}
	if len(*f.notes) > 0 && len(out) == 0 {
		return []Case{{Err: errors.New((*f.notes)[0])}}
	}
	return out
}

func taskOf(f fields) Task {
	t := Task{
		ARN: f.str("taskArn"), ClusterARN: f.str("clusterArn"), Group: f.str("group"), StartedBy: f.str("startedBy"),
		TaskDefinition: f.str("taskDefinitionArn"), LastStatus: f.str("lastStatus"), DesiredStatus: f.str("desiredStatus"),
		StopCode: f.str("stopCode"), StoppedReason: f.str("stoppedReason"), LaunchType: f.str("launchType"),
		CapacityProvider: f.str("capacityProviderName"), AvailabilityZone: f.str("availabilityZone"),
		ContainerInstance: NameOf(f.str("containerInstanceArn")),
		Connectivity:      f.str("connectivity"), Health: f.str("healthStatus"),
		CreatedAt: f.time("createdAt"), StartedAt: f.time("startedAt"), StoppingAt: f.time("stoppingAt"),
		ExecutionStopped: f.time("executionStoppedAt"), StoppedAt: f.time("stoppedAt"),
	}
	if v := f.integer("version"); v != nil {
		t.Version = *v
	}
	for _, c := range f.list("containers") {
		if c.m != nil {
			t.Containers = append(t.Containers, containerOf(c))
		}
	}
	return t
}

func containerOf(f fields) Container {
	c := Container{
		Name: f.str("name"), Image: f.str("image"), ImageDigest: f.str("imageDigest"), RuntimeID: f.str("runtimeId"),
		LastStatus: f.str("lastStatus"), Health: f.str("healthStatus"), Reason: f.str("reason"),
	}
	if v := f.integer("exitCode"); v != nil {
		code := int(*v)
		c.ExitCode = &code
	}
	return c
}

// serviceOf reads a service, or the first one of a whole DescribeServices response.
func serviceOf(f fields) Service {
	if all := f.list("services"); len(all) > 0 && all[0].m != nil {
		f = all[0]
	}
	s := Service{
		ARN: f.str("serviceArn"), Name: f.str("serviceName"), ClusterARN: f.str("clusterArn"), Status: f.str("status"),
		SchedulingStrategy: f.str("schedulingStrategy"), LaunchType: f.str("launchType"), TaskDefinition: f.str("taskDefinition"),
		Desired: f.count("desiredCount"), Running: f.count("runningCount"), Pending: f.count("pendingCount"), CreatedAt: f.time("createdAt"),
	}
	if c, ok := f.object("deploymentController"); ok {
		s.Controller = c.str("type")
	}
	for _, d := range f.list("deployments") {
		if d.m != nil {
			s.Deployments = append(s.Deployments, deploymentOf(d))
		}
	}
	if sets := f.list("taskSets"); len(sets) > 0 {
		s.Deployments = nil
		for _, t := range sets {
			if t.m != nil {
				s.Deployments = append(s.Deployments, taskSetOf(t))
			}
		}
	}
	return s
}

func deploymentOf(f fields) Deployment {
	return Deployment{
		ID: f.str("id"), Status: f.str("status"), TaskDefinition: f.str("taskDefinition"),
		RolloutState: f.str("rolloutState"), RolloutReason: f.str("rolloutStateReason"),
		Desired: f.count("desiredCount"), Running: f.count("runningCount"), Pending: f.count("pendingCount"), Failed: f.count("failedTasks"),
		CreatedAt: f.time("createdAt"), UpdatedAt: f.time("updatedAt"),
	}
}

func taskSetOf(f fields) Deployment {
	return Deployment{
		ID: f.str("id"), Status: f.str("status"), TaskDefinition: f.str("taskDefinition"),
		Desired: f.count("computedDesiredCount"), Running: f.count("runningCount"), Pending: f.count("pendingCount"),
		CreatedAt: f.time("createdAt"), UpdatedAt: f.time("updatedAt"),
	}
}

// logsOf reads lines by container: a list of texts, a list of log events with a message, or one text of many lines.
func logsOf(f fields) map[string][]string {
	m, ok := f.object("logs")
	if !ok {
		return nil
	}
	out := make(map[string][]string, len(m.m))
	for _, name := range slices.Sorted(maps.Keys(m.m)) {
		switch v := m.m[name].(type) {
		case nil:
			out[name] = nil
		case string:
			out[name] = strings.Split(strings.TrimRight(v, "\n"), "\n")
		case []any:
			out[name] = linesOf(v, m, name)
		default:
			m.note(name, "a list of lines", v)
		}
	}
	return out
}

func linesOf(list []any, f fields, name string) []string {
	lines := make([]string, 0, len(list))
	for _, e := range list {
		if event, ok := e.(map[string]any); ok {
			e = event["message"]
		}
		if s, ok := e.(string); ok {
			lines = append(lines, s)
			continue
		}
		f.note(name, "a list of lines", e)
	}
	return lines
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
