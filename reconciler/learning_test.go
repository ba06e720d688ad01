package reconciler

import (
	"context"
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// crashed is a task of the service "web" that its agent took down.
func crashed(id string, started, stopped time.Time) fleet.Task {
	two := 2
	return fleet.Task{ARN: "arn:aws:ecs:r:1:task/c/" + id, Group: "service:web", LastStatus: "STOPPED", StopCode: "EssentialContainerExited",
		StoppedReason: "Essential container in task exited", StartedAt: started, StoppedAt: stopped,
		Containers: []fleet.Container{{Name: "cwagent", Image: "cwagent", ExitCode: &two}, {Name: "app"}}}
}

// lookAt is a sweep that finds one service and these tasks.
func lookAt(visit func(fleet.Cluster), complete bool, tasks ...fleet.Task) fleet.Sweep {
	seen := fleet.Seen{At: time.Now(), Complete: complete}
	visit(fleet.Cluster{Name: "c", Seen: seen, Services: []fleet.Service{{Name: "web", Desired: 1, Running: 1}}, Tasks: tasks})
	return fleet.Sweep{Seen: seen, Clusters: []string{"c"}}
}

// What the first looks show is history: recorded and judged, counted by nobody, and no finding opens from it before a look
// was complete.
func TestHistoryIsReadNotReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var whole atomic.Bool
		var counted atomic.Int64
		begun := time.Now()
		c, logs, stop := start(t, time.Minute, map[string]account{"t": {
			sweep: func(_ context.Context, visit func(fleet.Cluster)) fleet.Sweep {
				return lookAt(visit, whole.Load(), crashed("1", begun.Add(-2*time.Hour), begun.Add(-20*time.Minute)))
			},
			put: func(data []alarm.Datum) error {
				for _, d := range data {
					if d.Metric == alarm.UnplannedStops || d.Metric == alarm.SidecarCrashes {
						counted.Add(1)
					}
				}
				return nil
			},
		}})
		time.Sleep(10 * time.Minute)
		if stops := c.Stops(fleet.Key{}); len(stops) != 1 || stops[0].Stop.Verdict.Planned {
			t.Fatalf("recorded from partial looks: %+v", stops)
		}
		if open := c.Findings(); len(open) != 0 {
			t.Fatalf("open before the first complete look: %+v", open)
		}
		whole.Store(true)
		time.Sleep(3 * time.Minute)
		whole.Store(false)
		time.Sleep(3 * time.Minute)
		stop()
		if !slices.ContainsFunc(c.Findings(), func(f finding.Finding) bool { return f.Type == finding.SidecarCrash && f.Open() }) {
			t.Errorf("open after a complete look: %+v", c.Findings())
		}
		if n := counted.Load(); n != 0 {
			t.Errorf("%d counter data for a stop from before the first start", n)
		}
		if n := logs.FilterMessage("task stopped").Len(); n != 1 {
			t.Errorf("the stop was said %d times", n)
		}
	})
}

// Stops during a downtime that is not the first start are news: they are counted.
func TestStopsOfADowntimeAreCounted(t *testing.T) {
	s := openStore(t, t.TempDir())
	b := openBook(t, s)
	if err := b.Looked(t.Context(), "prod", noon); err != nil {
		t.Fatal(err)
	}
	again := openBook(t, s) // three hours later
	if err := again.Begin(t.Context(), "prod", noon.Add(3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	record(t, again, noon.Add(3*time.Hour), death("old", noon.Add(-2*time.Hour)), death("down", noon.Add(150*time.Minute)))
	rows := again.due("prod", noon.Add(4*time.Hour))
	total := 0.0
	for _, r := range rows {
		if r.body.Datum.Metric == alarm.UnplannedStops {
			total += r.body.Datum.Value
		}
	}
	if total != 1 {
		t.Errorf("%v stops counted, want the one since the first start", total)
	}
}

// A downtime, or a target that cannot be read, for longer than AWS shows stopped tasks is a hole; a shorter one is none.
func TestBookKnowsHoles(t *testing.T) {
	watched := func(b *Book) time.Time {
		m, err := b.Load(t.Context(), django)
		if err != nil {
			t.Fatal(err)
		}
		return m.History.Watched
	}
	looked := func(b *Book, at time.Duration) {
		if err := b.Looked(t.Context(), "prod", noon.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	s := openStore(t, t.TempDir())
	b := openBook(t, s)
	looked(b, 0)
	looked(b, 50*time.Minute)
	if got := watched(b); !got.IsZero() {
		t.Errorf("looks 50 minutes apart: a hole until %s", got)
	}
	looked(b, 3*time.Hour)
	if got := watched(b); !got.Equal(noon.Add(2 * time.Hour)) {
		t.Errorf("blind for two hours: watched since %s", got)
	}
	again, err := OpenBook(t.Context(), s, 90*24*time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Begin(t.Context(), "prod", noon.Add(3*time.Hour+5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := watched(again); !got.Equal(noon.Add(2 * time.Hour)) {
		t.Errorf("a short restart forgets the hole: watched since %s", got)
	}
	if err := again.Begin(t.Context(), "prod", noon.Add(30*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := watched(again); !got.Equal(noon.Add(29 * time.Hour)) {
		t.Errorf("down for a day: watched since %s", got)
	}
}

// Findings and stops that an earlier version stored are read as they were.
func TestFindingsOfEarlierVersionsAreRead(t *testing.T) {
	const stored = `{"Findings":[{"Key":{"Target":"prod","Cluster":"c","Service":"s"},"Type":"SilentChurn","Subject":"","Status":"True","Severity":"warning","Reason":"UnplannedStops","Message":"m","Evidence":["e"],"FirstSeen":"2026-11-22T03:00:00Z","LastSeen":"2026-11-22T04:00:00Z","ClosedAt":"0001-01-01T00:00:00Z","Count":3}]}`
	var body memoryBody
	if err := json.Unmarshal([]byte(stored), &body); err != nil || len(body.Findings) != 1 || body.Findings[0].Count != 3 || body.Findings[0].Cause != nil {
		t.Fatalf("%v %+v", err, body)
	}
	f := body.Findings[0]
	f.Detail = finding.Detail{Cause: &finding.Cause{Container: "cwagent", Defects: []finding.Defect{{Crash: "x"}}}, Last: noon, Rate: &finding.Rate{Deaths: 3}}
	raw, err := json.Marshal(memoryBody{Findings: []finding.Finding{f}})
	if err != nil {
		t.Fatal(err)
	}
	var back memoryBody
	if err := json.Unmarshal(raw, &back); err != nil || !sameFindings([]finding.Finding{f}, back.Findings) || !back.Findings[0].Last.Equal(noon) || back.Findings[0].Rate.Deaths != 3 {
		t.Errorf("%v %s", err, raw)
	}
}

// One cause in many services is announced once, and once more when the last of them is over.
func TestOneAnnouncementACause(t *testing.T) {
	f := func(service string, status finding.Status) finding.Finding {
		return finding.Finding{Key: fleet.Key{Target: "t", Service: service}, Type: finding.SidecarCrash, Subject: "cwagent", Status: status}
	}
	v := voices{of: map[voice]bool{}}
	a, b, c := f("a", finding.True), f("b", finding.True), f("c", finding.True)
	for i, step := range []struct {
		f      finding.Finding
		others []finding.Finding
		want   bool
	}{
		{a, nil, true}, {b, []finding.Finding{a}, false}, {c, []finding.Finding{a, b}, false},
		{f("a", finding.False), []finding.Finding{b, c}, false}, // another speaks on
		{f("d", finding.True), []finding.Finding{b, c}, false},
		{f("b", finding.Unknown), []finding.Finding{c}, true}, {f("d", finding.False), []finding.Finding{b, c}, false},
		{f("c", finding.False), []finding.Finding{b}, false}, {f("b", finding.False), nil, true}, {b, nil, true},
	} {
		if got := v.speaks(step.f, step.others); got != step.want {
			t.Errorf("step %d, %s of %s: said %v", i, step.f.Status, step.f.Key.Service, got)
		}
	}
}

// Decide explains a sidecar's crash by the definition that ran, and opens nothing while it learns.
func TestDecideLearns(t *testing.T) {
	o := fleet.Observation{Key: django, Seen: fleet.Seen{At: noon, Complete: true}, Service: fleet.Service{Name: django.Service, Desired: 1, Running: 1}}
	task := crashed("1", noon.Add(-6*time.Hour), noon.Add(-time.Minute))
	task.Group, task.TaskDefinition, task.Containers[0].Image = "service:"+django.Service, "d:1", "amazon/cloudwatch-agent:1.300057.0b1161"
	o.Tasks = []fleet.Task{task}
	o.Definitions = map[string]fleet.Definition{"d:1": {ARN: "d:1", Containers: []fleet.ContainerDefinition{{Name: "app", Essential: true}, {Name: "cwagent", Essential: true}}}}
	p := Policies{Churn: churn.Policy{Window: 24 * time.Hour, Threshold: 3}}
	if d := Decide(o, Memory{Key: django, Learning: true}, p, noon); len(d.Findings) != 0 || len(d.New) != 1 {
		t.Errorf("while learning: %+v", d)
	}
	d := Decide(o, Memory{Key: django}, p, noon)
	if len(d.Findings) != 1 || d.Findings[0].Cause.Version != "1.300057.0" || len(d.Findings[0].Cause.Defects) == 0 || d.Findings[0].Cures[0].Kind != finding.Upgrade || d.Findings[0].Cures[1].Kind != finding.RestartPolicy {
		t.Errorf("findings %+v", d.Findings)
	}
	kept := Decide(o, Memory{Key: django, Learning: true, Findings: d.Findings, History: churn.History{Stops: d.New}}, p, noon.Add(time.Minute))
	if len(kept.Findings) != 1 || !kept.Findings[0].Open() {
		t.Errorf("what is open stays open while learning: %+v", kept.Findings)
	}
	o.Definitions = nil // the service moved on, and the controller was started again
	moved := Decide(o, Memory{Key: django, Findings: d.Findings, History: churn.History{Stops: d.New}}, p, noon.Add(time.Minute))
	if c := moved.Findings[0]; !slices.EqualFunc(c.Cures, d.Findings[0].Cures, func(a, b finding.Cure) bool { return a.Kind == b.Kind }) || len(c.Cause.Settings) != len(d.Findings[0].Cause.Settings) {
		t.Errorf("what was known of the settings is lost: %+v", c)
	}
}
