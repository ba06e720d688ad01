package recording

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// buffer is a file in memory.
type buffer struct{ bytes.Buffer }

func (*buffer) Close() error { return nil }

type fataler interface{ Fatal(...any) }

func writerTo(t fataler, b *buffer) *Writer {
	w, err := NewWriter(Options{Version: "1.2.3", Open: func() (io.WriteCloser, error) { return b, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func starting(events ...Event) func() iter.Seq[Event] {
	start := Event{At: noon, Start: &Start{Config: "kind: ControllerConfig", Targets: []StartTarget{{Name: "prod", First: noon}, {Name: "stage", First: noon}}}}
	return func() iter.Seq[Event] { return slices.Values(append(slices.Clone(events), start)) }
}

// written is the bytes of a recording of these events.
func written(t fataler, events ...Event) []byte {
	var b buffer
	w := writerTo(t, &b)
	w.Begin(starting())
	for _, e := range events {
		w.Record(e)
	}
	w.Close()
	return b.Bytes()
}

// read gives all events and the last error.
func read(text []byte) (out []Event, err error) {
	for e, failed := range Read(bytes.NewReader(text)) {
		if failed != nil {
			return out, failed
		}
		out = append(out, e)
	}
	return out, nil
}

func unzipped(t *testing.T, text []byte) string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func look(minute int, complete bool, services []fleet.Service, tasks ...fleet.Task) Event {
	c := fleet.Cluster{ARN: "arn:aws:ecs:eu-west-1:111122223333:cluster/c", Name: "c", Seen: fleet.Seen{At: at(minute), Complete: complete}, Services: services, Tasks: tasks}
	if !complete {
		c.Err = fmt.Errorf("list tasks: %w", &fleet.Fault{Operation: "ecs:ListTasks", Action: "ecs:ListTasks", Code: "AccessDenied", Class: fleet.ErrDenied, Err: errors.New("no")})
	}
	return Event{At: at(minute), Look: &Look{"prod", c}}
}

// world is a cluster as looks leave it, whatever way they told it.
type world struct {
	services map[string]fleet.Service
	tasks    map[string]fleet.Task
	alarms   map[string]alarm.Have
	seen     []fleet.Seen
	errs     []string
}

func (w *world) take(e Event) {
	switch {
	case e.Look != nil:
		c := e.Look.Cluster
		if c.Seen.Complete {
			w.services, w.tasks = map[string]fleet.Service{}, map[string]fleet.Task{}
		}
		for _, s := range c.Services {
			w.services[s.Name] = s
		}
		for _, t := range c.Tasks {
			w.tasks[t.ARN] = t
		}
		w.seen = append(w.seen, c.Seen)
		w.errs = append(w.errs, fmt.Sprint(c.Err, fleet.DeniedAction(c.Err)))
	case e.Alarms != nil:
		w.alarms = map[string]alarm.Have{}
		for _, h := range e.Alarms.Have {
			w.alarms[h.Name] = h
		}
	}
}

func newWorld() *world {
	return &world{services: map[string]fleet.Service{}, tasks: map[string]fleet.Task{}, alarms: map[string]alarm.Have{}}
}

// Whatever looks and listings a controller has seen, a reader's leave the same world after each of them.
func TestARecordingTellsTheSameWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []Event
		for minute := range rapid.IntRange(1, 12).Draw(t, "looks") {
			var services []fleet.Service
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"web", "api", "job"}), 0, 3, rapid.ID).Draw(t, "services") {
				services = append(services, fleet.Service{Name: name, Desired: rapid.IntRange(0, 2).Draw(t, "desired")})
			}
			var tasks []fleet.Task
			for _, id := range rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 6, rapid.ID).Draw(t, "tasks") {
				tasks = append(tasks, fleet.Task{ARN: fmt.Sprintf("arn:aws:ecs:eu-west-1:000000000001:task/c/%032x", id), Group: "service:web",
					LastStatus: rapid.SampledFrom([]string{"RUNNING", "STOPPED"}).Draw(t, "status")})
			}
			events = append(events, look(minute, rapid.Bool().Draw(t, "complete"), services, tasks...))
			events[len(events)-1].Look.Cluster.ARN = ""
			var have []alarm.Have
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "alarms") {
				have = append(have, alarm.Have{Spec: alarm.Spec{Name: name}, State: rapid.SampledFrom([]string{"OK", "ALARM"}).Draw(t, "state")})
			}
			events = append(events, Event{At: at(minute), Alarms: &Alarms{Target: "prod", Have: have}})
		}
		got, err := read(written(t, events...))
		if err != nil || len(got) != len(events)+2 { // header and start
			t.Fatalf("%d events of %d: %v", len(got)-2, len(events), err)
		}
		live, replayed := newWorld(), newWorld()
		for i, e := range events {
			live.take(e)
			replayed.take(got[i+2])
			if d := cmp.Diff(live, replayed, cmp.AllowUnexported(world{})); d != "" {
				t.Fatalf("after event %d: %s", i, d)
			}
		}
	})
}

func TestEveryKindOfEventComesBack(t *testing.T) {
	two := 2
	stop := churn.Stop{TaskARN: "arn:task/1", StoppedAt: noon, Lifetime: time.Hour, Tail: []string{"bye"},
		Verdict: churn.Verdict{Cause: churn.OOMKilled, Culprit: &churn.Culprit{Container: "app", ExitCode: &two}, Signatures: []churn.Signature{}, Evidence: []string{"x"}}}
	key := fleet.Key{Target: "prod", Cluster: "c", Service: "web"}
	memory := Event{At: noon, Memory: &Memory{Key: key, Stops: []churn.Stop{stop}, Findings: []finding.Finding{{Key: key, Type: finding.SilentChurn, Status: finding.True, FirstSeen: noon}}}}
	events := []Event{
		{At: at(1), Sweep: &Sweep{"prod", fleet.Sweep{Seen: fleet.Seen{At: at(1), Complete: true}, Clusters: []string{"c"}, Calls: 6, Took: time.Second, Floor: time.Minute}}},
		{At: at(2), Definition: &Definition{Target: "prod", ARN: "arn:td/web:1", Definition: fleet.Definition{ARN: "arn:td/web:1", Containers: []fleet.ContainerDefinition{{Name: "app", Env: []fleet.EnvVar{{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}}}}}}},
		{At: at(3), Tail: &Tail{Service: key, Ref: fleet.LogRef{Group: "g", Stream: "s"}, Tail: fleet.Tail{Lines: []string{"one", "two"}}, Tries: 1}},
		{At: at(4), Put: &Put{Target: ""}},
		{At: at(5), End: &End{}},
	}
	var b buffer
	w := writerTo(t, &b)
	w.Begin(starting(memory))
	for _, e := range events {
		w.Record(e)
	}
	w.Close()
	got, err := read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := append(slices.Collect(starting(memory)()), events...)
	if d := cmp.Diff(want, got[1:]); d != "" {
		t.Error(d)
	}
}

// A look that shows nothing new costs few bytes, however large the cluster is.
func TestAQuietLookIsSmall(t *testing.T) {
	var tasks []fleet.Task
	for i := range 1000 {
		tasks = append(tasks, fleet.Task{ARN: fmt.Sprintf("arn:aws:ecs:eu-west-1:111122223333:task/c/%032x", i*7919), Group: "service:web", LastStatus: "RUNNING"})
	}
	day := func(looks int) int {
		var events []Event
		for i := range looks {
			seen := at(5 * i).Add(time.Duration(i*i) * 7919 * time.Nanosecond)
			e := look(5*i, true, []fleet.Service{{Name: "web", Desired: 1000, Running: 1000}}, tasks...)
			e.At, e.Look.Cluster.Seen.At = seen.Add(time.Second), seen
			events = append(events, e, Event{At: seen.Add(time.Second), Sweep: &Sweep{"prod", fleet.Sweep{Seen: fleet.Seen{At: seen, Complete: true}, Clusters: []string{"c"}, Calls: 30}}})
		}
		return len(written(t, events...))
	}
	if each := (day(51) - day(1)) / 50; each > 150 {
		t.Errorf("a quiet look of 1000 tasks takes %d bytes", each)
	} else {
		t.Logf("a quiet look of 1000 tasks takes %d bytes", each)
	}
}

// Two controllers one after the other: what the first one's partial look did not show is not there for the second.
func TestAStartForgetsTheView(t *testing.T) {
	var b buffer
	w := writerTo(t, &b)
	for minute := range 2 {
		w.Begin(starting())
		w.Record(look(10*minute+1, false, []fleet.Service{{Name: "web"}}))
	}
	w.Close()
	got, err := read(b.Bytes())
	if err != nil || len(got) != 5 || len(got[4].Look.Cluster.Services) != 1 {
		t.Errorf("%v %+v", err, got)
	}
}
