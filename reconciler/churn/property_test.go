package churn

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

// plannedStops are ones that AWS's words make certain.
var plannedStops = []fleet.Task{
	stopped("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", box("app", 143), box("cwagent", 0)),
	stopped("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", box("app", 137), box("cwagent", 1)),
	stopped("ServiceSchedulerInitiated", "Service web: ECS is performing maintenance on the underlying infrastructure hosting the task", box("app", 1)),
	stopped("UserInitiated", "Task stopped by user", box("app", 1), box("cwagent", 2)),
	stopped("UserInitiated", "restart: OutOfMemoryError: Container killed due to memory usage", box("app", 137)),
	stopped("UserInitiated", "Task failed ELB health checks, so says the runbook", box("app", 143)),
	stopped("SpotInterruption", "Your Spot Task was interrupted.", box("app", 137)),
	alone("family:job", "events-rule/x", stopped("EssentialContainerExited", "Essential container in task exited", box("job", 0), box("cwagent", 137))),
}

// unplannedStops are ones whose being planned would hide a death.
var unplannedStops = []fleet.Task{
	stopped("EssentialContainerExited", "Essential container in task exited", box("app", 0), box("cwagent", 143)),
	stopped("EssentialContainerExited", "Essential container in task exited", box("app", 143), box("cwagent", 2)),
	stopped("EssentialContainerExited", "Essential container in task exited", box("app", 137, "OutOfMemoryError: Container killed due to memory usage")),
	stopped("ServiceSchedulerInitiated", "Task failed ELB health checks in (elb x)", box("app", 0)),
	stopped("ServiceSchedulerInitiated", "Task failed container health checks", box("app", 137)),
	stopped("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 5 time(s)", box("app", noCode)),
	stopped("TaskFailedToStart", "RESOURCE:MEMORY"),
}

// without drops and reorders what a source may lack.
func without(t *rapid.T, task fleet.Task) fleet.Task {
	task.Containers = slices.Clone(task.Containers)
	drops := []func(){
		func() { task.StopCode = "" }, func() { task.StoppedReason = "" }, func() { task.Group = "" }, func() { task.StartedBy = "" },
		func() { task.LastStatus = "" }, func() { task.DesiredStatus = "" }, func() { task.TaskDefinition = "" }, func() { task.Containers = nil },
		func() { slices.Reverse(task.Containers) },
		func() {
			for i := range task.Containers {
				task.Containers[i].ExitCode = nil
			}
		},
		func() {
			for i := range task.Containers {
				task.Containers[i].Reason = ""
			}
		},
	}
	for _, drop := range drops {
		if rapid.Bool().Draw(t, "drop") {
			drop()
		}
	}
	return task
}

func TestMissingFieldsNeverTurnAStop(t *testing.T) {
	service := &fleet.Service{Name: "web", Desired: 2, Deployments: []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", RolloutState: "COMPLETED"}}}
	for _, c := range []struct {
		planned bool
		from    []fleet.Task
	}{{true, plannedStops}, {false, unplannedStops}} {
		rapid.Check(t, func(t *rapid.T) {
			in := Input{Task: without(t, rapid.SampledFrom(c.from).Draw(t, "stop"))}
			if in.Task.ServiceName() != "" && rapid.Bool().Draw(t, "service") {
				in.Service = service
			}
			if v := Explain(in, nil); v.Planned != c.planned && v.Confidence == High {
				t.Fatalf("planned %v with high confidence: %s\n%s", v.Planned, v.Cause, strings.Join(v.Evidence, "\n"))
			}
		})
	}
}

// anyTask draws tasks of all kinds, mostly of the service "web".
func anyTask(t *rapid.T) fleet.Task {
	task := without(t, rapid.SampledFrom(slices.Concat(plannedStops, unplannedStops)).Draw(t, "task"))
	if rapid.IntRange(0, 3).Draw(t, "ours") > 0 {
		task.Group, task.LastStatus = "service:web", fleet.StatusStopped
	}
	task.ARN = "arn:aws:ecs:us-east-1:111122223333:task/c/" + rapid.StringMatching(`[a-e]`).Draw(t, "id")
	task.StoppedAt = at(-time.Duration(rapid.IntRange(0, 3000).Draw(t, "ago")) * time.Minute)
	if rapid.Bool().Draw(t, "ran") {
		task.StartedAt = task.StoppedAt.Add(-time.Duration(rapid.IntRange(0, 1000).Draw(t, "life")) * time.Minute)
	}
	return task
}

func TestJudgeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{p: policy(), h: History{Since: at(-72 * time.Hour)}}
		planned, seen := map[string]bool{}, map[string]bool{} // by task ARN
		for i := range rapid.IntRange(1, 5).Draw(t, "looks") {
			o := look(time.Duration(i)*time.Minute, rapid.SliceOfN(rapid.Custom(anyTask), 0, 6).Draw(t, "tasks")...)
			o.Complete = rapid.Bool().Draw(t, "complete")
			o.Gone = rapid.IntRange(0, 9).Draw(t, "gone") == 0
			if rapid.Bool().Draw(t, "unknown definition") {
				o.Definitions = nil
			}
			before := len(w.h.Stops)
			for _, s := range w.judge(o).New {
				if _, twice := planned[s.TaskARN]; twice {
					t.Fatalf("%s was recorded twice", s.TaskARN)
				}
				planned[s.TaskARN] = s.Verdict.Planned
			}
			for _, s := range w.h.Stops {
				if planned[s.TaskARN] != s.Verdict.Planned {
					t.Fatalf("planned of %s changed", s.TaskARN)
				}
				if _, held := w.h.Held[s.TaskARN]; held {
					t.Fatalf("%s is recorded and held", s.TaskARN)
				}
			}
			if !o.Complete && slices.ContainsFunc(w.h.Stops[before:], func(s Stop) bool { return s.Verdict.Confidence == Low }) {
				t.Fatal("a partial look recorded a stop of low confidence")
			}
			for _, task := range stoppedTasks(o) {
				seen[task.ARN] = true
			}
			for arn := range seen {
				_, held := w.h.Held[arn]
				if _, recorded := planned[arn]; recorded == held {
					t.Fatalf("%s was seen to have stopped, and is recorded %v, held %v", arn, recorded, held)
				}
			}
			again := Judge(o, w.h, w.p, o.At)
			if len(again.New) > 0 || len(again.Refined) > 0 || cmp.Diff(w.h.Held, again.Held) != "" {
				t.Fatalf("the same look brings more: %+v", again)
			}
			if o.Gone && len(again.Claims) > 0 {
				t.Fatal("claims about a service that is gone")
			}
		}
	})
}

func FuzzExplain(f *testing.F) {
	for _, task := range slices.Concat(plannedStops, unplannedStops) {
		f.Add(task.StopCode, task.StoppedReason, task.Group, "app", "", 137, true)
	}
	f.Fuzz(func(t *testing.T, code, text, group, name, reason string, exit int, given bool) {
		task := alone(group, "", stopped(code, text, box(name, exit, reason), box("cwagent", 143)))
		if !given {
			task.Containers[0].ExitCode = nil
		}
		v := Explain(Input{Task: task, Logs: map[string][]string{name: {text, reason}}}, nil)
		if v.Cause == "" || v.Confidence == "" || len(v.Evidence) == 0 || v.Planned != v.Cause.Planned() || v.Planned && v.Culprit != nil {
			t.Errorf("verdict %+v", v)
		}
		if strings.EqualFold(code, "UserInitiated") && !v.Planned {
			t.Errorf("an operator's stop is unplanned: %+v", v)
		}
	})
}

// Documents as explain reads them, from JSON to the verdict.
func FuzzExplainDocuments(f *testing.F) {
	text, err := os.ReadFile("testdata/cases.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(text) {
		if n++; n%5 == 0 {
			f.Add(string(line))
		}
	}
	f.Fuzz(func(t *testing.T, document string) {
		for c := range fleet.Cases(strings.NewReader(document)) {
			if c.Err != nil {
				continue
			}
			in := Input{Service: c.Service, Logs: c.Logs}
			if c.Task != nil {
				in.Task = *c.Task
			}
			v := Explain(in, nil)
			if v.Cause == "" || v.Confidence == "" || len(v.Evidence) == 0 || len(v.Evidence) > maxEvidence || len(v.Signatures) > maxSignatures {
				t.Errorf("verdict %+v", v)
			}
			if v.Planned != v.Cause.Planned() || v.Planned && v.Culprit != nil {
				t.Errorf("planned and cause do not go together: %+v", v)
			}
			if d := cmp.Diff(v, Explain(in, nil)); d != "" {
				t.Errorf("the same input has two verdicts: %s", d)
			}
		}
	})
}
