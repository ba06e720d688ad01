package churn

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

func TestJudgeHoldsWhatIsUnsure(t *testing.T) {
	unsure := stopped("ServiceSchedulerInitiated", "", box("app", 143))
	unsure.StoppedAt = at(0)
	later := func(o fleet.Observation, d time.Duration) fleet.Observation { o.At = o.At.Add(d); return o }

	w := world{p: policy()}
	partial := look(0, unsure)
	partial.Complete = false
	if j := w.judge(partial); len(j.New) != 0 || len(j.Held) != 1 || !j.Held[unsure.ARN].Since.IsZero() {
		t.Fatalf("after a partial look: %+v", j)
	}
	o := look(time.Minute, unsure)
	if j := w.judge(o); len(j.New) != 0 || !j.Held[unsure.ARN].Since.Equal(at(time.Minute)) {
		t.Fatalf("after a complete look: %+v", j)
	}
	if j := w.judge(o); len(j.New) != 0 || !j.Held[unsure.ARN].Since.Equal(at(time.Minute)) {
		t.Fatalf("after the same look again: %+v", j)
	}
	gone := later(partial, 2*time.Minute)
	gone.Tasks = nil
	if j := w.judge(gone); len(j.Held) != 1 {
		t.Fatalf("a partial look without it: %+v", j)
	}
	surer := w
	told := unsure
	told.StoppedReason = "Scaling activity initiated by (deployment ecs-svc/1)"
	if j := surer.judge(later(look(time.Minute, told), time.Second)); len(j.New) != 1 || !j.New[0].Verdict.Planned || len(j.Held) != 0 {
		t.Errorf("once the text is known: %+v", j)
	}
	forgotten := w
	j := forgotten.judge(look(3 * time.Minute))
	if len(j.New) != 1 || len(j.Held) != 0 || j.New[0].Verdict.Confidence != Low || !strings.Contains(strings.Join(j.New[0].Verdict.Evidence, "\n"), "AWS no longer shows the task: a complete look at 2026-05-01T12:03:00Z") {
		t.Errorf("a complete look without it: %+v", j)
	}
	if j := forgotten.judge(later(o, 4*time.Minute)); len(j.New) != 0 || len(j.Held) != 0 || len(forgotten.h.Stops) != 1 {
		t.Errorf("a stale look that shows it again: %+v", j)
	}
	if j := w.judge(later(o, time.Minute)); len(j.New) != 1 || j.New[0].Verdict.Confidence != Low || len(j.Held) != 0 {
		t.Errorf("after the next complete look: %+v", j)
	}
}

// What only partial looks have shown is not lost either.
func TestJudgeRecordsWhatOnlyAPartialLookShowed(t *testing.T) {
	unsure := stopped("ServiceSchedulerInitiated", "", box("app", 143))
	unsure.StoppedAt = at(0)
	w := world{p: policy()}
	partial := look(time.Minute, unsure)
	partial.Complete = false
	w.judge(partial)
	empty := look(2 * time.Minute)
	empty.Complete = false
	if j := w.judge(empty); len(j.New) != 0 || len(j.Held) != 1 {
		t.Fatalf("a partial look without it: %+v", j)
	}
	if j := w.judge(look(3 * time.Minute)); len(j.New) != 1 || len(j.Held) != 0 {
		t.Fatalf("a complete look without it: %+v", j)
	}
}

func TestJudgeLooksForLogsInLocations(t *testing.T) {
	id := fmt.Sprintf("%032d", 1)
	told := fleet.LogRef{Group: "/ecs/web", Stream: "ecs/ecs-cwagent/" + id}
	all := Location{Group: "/all/{cluster}", Stream: "{service}/{family}/{container}/{task}"}
	web := Location{Match: fleet.Scope{Services: []string{"we*"}}, Group: "/web", Stream: "{container}/{task}"}
	other := Location{Match: fleet.Scope{Clusters: []string{"other"}}, Group: "/other", Stream: "{task}"}
	splunk := func(o *fleet.Observation) {
		d := definition()
		d.Containers[1].LogDriver = "splunk"
		o.Definitions[webDefinition] = d
	}
	injected := func(o *fleet.Observation) { o.Tasks[0].Containers[1].Name = "aws-guardduty-agent-1" }
	for _, c := range []struct {
		name      string
		locations []Location
		change    func(*fleet.Observation)
		want      *fleet.LogRef
		evidence  string
	}{
		{"the definition tells", []Location{all}, func(*fleet.Observation) {}, &told, ""},
		{"another driver", []Location{all}, splunk, &fleet.LogRef{Group: "/all/c", Stream: "web/web/ecs-cwagent/" + id}, "detect.logs.locations: container ecs-cwagent logs through splunk"},
		{"not in the definition", []Location{other, web, all}, injected, &fleet.LogRef{Group: "/web", Stream: "aws-guardduty-agent-1/" + id}, "detect.logs.locations: container aws-guardduty-agent-1 is not in"},
		{"the first match wins", []Location{all, web}, splunk, &fleet.LogRef{Group: "/all/c", Stream: "web/web/ecs-cwagent/" + id}, ""},
		{"none matches", []Location{other}, splunk, nil, "no log: container ecs-cwagent logs through splunk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := look(time.Minute, crash(1, 0, time.Hour))
			c.change(&o)
			w := world{p: policy()}
			w.p.Locations = c.locations
			j := w.judge(o)
			if evidence := strings.Join(j.New[0].Verdict.Evidence, "\n"); !strings.Contains(evidence, c.evidence) {
				t.Errorf("%q is not in:\n%s", c.evidence, evidence)
			}
			if c.want == nil {
				if len(j.Wants) != 0 || j.New[0].LogsAt != LogsNone {
					t.Errorf("wants %+v", j.Wants)
				}
				return
			}
			if len(j.Wants) != 1 || j.Wants[0].Ref != *c.want {
				t.Fatalf("wants %+v, want %+v", j.Wants, *c.want)
			}
			o.Logs = map[fleet.LogRef]fleet.Tail{*c.want: {Lines: []string{"fatal error: concurrent map writes"}}}
			if j := w.judge(o); len(j.Refined) != 1 || found(j.Refined[0].Verdict.Signatures) != "go-concurrent-map-writes!" {
				t.Errorf("with the log: %+v", j)
			}
		})
	}
}

func TestJudgeWaitsForTheDefinition(t *testing.T) {
	w := world{h: History{Since: at(-time.Hour)}, p: policy()}
	o := look(time.Minute, crash(1, 0, time.Hour))
	o.Definitions = nil
	if j := w.judge(o); len(j.New) != 1 || j.New[0].LogsAt != LogsWanted || len(j.Wants) != 0 {
		t.Fatalf("without the definition: %+v", j)
	}
	o = look(2 * time.Minute) // AWS has forgotten the task
	if j := w.judge(o); len(j.Refined) != 1 || len(j.Wants) != 1 {
		t.Fatalf("with the definition: %+v", j)
	}
	if j := w.judge(o); len(j.Refined) != 0 || len(j.Wants) != 1 {
		t.Fatalf("again: %+v", j)
	}
	if j := w.judge(look(25 * time.Hour)); len(j.Refined) != 1 || j.Refined[0].LogsAt != LogsNone || len(j.Wants) != 0 {
		t.Errorf("after a day: %+v", j)
	}
}

func TestJudgeSaysWhyThereIsNoLog(t *testing.T) {
	d := definition()
	d.Containers[1].LogDriver = "splunk"
	for name, c := range map[string]struct {
		change func(*fleet.Observation)
		want   string
	}{
		"other driver": {func(o *fleet.Observation) { o.Definitions[webDefinition] = d }, "logs through splunk"},
		"injected":     {func(o *fleet.Observation) { o.Tasks[0].Containers[1].Name = "aws-guardduty-agent-1" }, "not in the task definition"},
		"missing": {func(o *fleet.Observation) {
			o.Logs = map[fleet.LogRef]fleet.Tail{{Group: "/ecs/web", Stream: "ecs/ecs-cwagent/" + fmt.Sprintf("%032d", 1)}: {Missing: "stream not found"}}
		}, "stream not found"},
	} {
		t.Run(name, func(t *testing.T) {
			o := look(time.Minute, crash(1, 0, time.Hour))
			c.change(&o)
			j := Judge(o, History{}, policy(), o.At)
			if len(j.New) != 1 || j.New[0].LogsAt != LogsNone || len(j.Wants) != 0 || !strings.Contains(strings.Join(j.New[0].Verdict.Evidence, "\n"), c.want) {
				t.Errorf("%+v", j)
			}
		})
	}
}
