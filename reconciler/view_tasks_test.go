package reconciler

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

// anyTask draws tasks of few shapes, so that some share one and some do not, with texts and times of every kind.
func anyTask(t *rapid.T) fleet.Task {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	when := func(label string) time.Time {
		return rapid.SampledFrom([]time.Time{{}, noon, noon.Add(time.Millisecond), time.Unix(0, 0).UTC()}).Draw(t, label)
	}
	id := pick("id", "", "0a", "0b", "0A", "0a0", "x", "0a-")
	task := fleet.Task{
		ARN: pick("prefix", "", "arn:aws:ecs:r:1:task/c/", "arn:aws:ecs:r:1:task/") + id, Group: "service:" + pick("service", "web", "api", "gone"),
		ClusterARN: pick("cluster", "c", ""), StartedBy: pick("deployment", "ecs-svc/1", "ecs-svc/2"), TaskDefinition: pick("definition", "d:1", "d:2"),
		LastStatus: pick("status", fleet.StatusRunning, fleet.StatusStopped, "WEIRD"), DesiredStatus: pick("desired", "RUNNING", "STOPPED"),
		StopCode: pick("code", "", "EssentialContainerExited"), StoppedReason: pick("reason", "", "why"), LaunchType: pick("launch", "", "FARGATE"),
		CapacityProvider: pick("provider", "", "FARGATE_SPOT"), AvailabilityZone: pick("zone", "", "a", "b"), Connectivity: pick("connectivity", "", "CONNECTED"),
		Health: pick("health", "", "HEALTHY", "UNKNOWN"), CreatedAt: when("created"), StartedAt: when("started"), StoppingAt: when("stopping"),
		ExecutionStopped: when("execution"), StoppedAt: when("stopped"), Version: rapid.Int64Range(0, 3).Draw(t, "version"),
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "containers") {
		c := fleet.Container{Name: fmt.Sprint(i), Image: pick("image", "", "i:1", "i:2"), ImageDigest: pick("digest", "", "sha256:1"),
			RuntimeID: pick("runtime", "", id, id+"-1", "0a-2", id+"-01", id+"--1", id+"-18446744073709551616", "0A", "a"), LastStatus: pick("container", "RUNNING", "STOPPED"),
			Health: pick("check", "", "UNHEALTHY"), Reason: pick("why", "", "OutOfMemoryError")}
		if rapid.Bool().Draw(t, "exited") {
			code := rapid.IntRange(0, 2).Draw(t, "exit")
			c.ExitCode = &code
		}
		task.Containers = append(task.Containers, c)
	}
	return task
}

// What is packed comes back as it was, every field of it.
func TestPackingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := rapid.SliceOfN(rapid.Custom(anyTask), 0, 30).Draw(t, "tasks")
		if diff := cmp.Diff(tasks, pack(tasks).all(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// fields names every settable leaf of a value with what sets it to something else, fields yet to be added included.
func fields(v reflect.Value, path string, each func(path string, set func())) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		each(path, func() { v.Set(reflect.ValueOf(noon.Add(time.Hour))) })
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fields(v.Field(i), path+"."+v.Type().Field(i).Name, each)
		}
	case v.Kind() == reflect.Slice:
		fields(v.Index(0), path+"[0]", each)
	case v.Kind() == reflect.Pointer:
		each(path, func() { v.Set(reflect.New(v.Type().Elem())) })
	case v.Kind() == reflect.String:
		each(path, func() { v.SetString("another") })
	case v.CanInt():
		each(path, func() { v.SetInt(77) })
	default:
		panic("a field of a kind that this test does not know: " + path)
	}
}

// Two tasks that differ in one field only, whichever it is, never come back alike.
func TestEveryFieldTellsTasksApart(t *testing.T) {
	plain := func() fleet.Task {
		return fleet.Task{ARN: "arn:aws:ecs:r:1:task/c/0a", Group: "service:web", Containers: []fleet.Container{{Name: "app", RuntimeID: "0a-1"}}}
	}
	other := plain()
	seen := 0
	fields(reflect.ValueOf(&other).Elem(), "Task", func(path string, set func()) {
		seen++
		other = plain()
		set()
		want := []fleet.Task{plain(), other, plain()}
		if diff := cmp.Diff(want, pack(want).all()); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	})
	if seen < 25 {
		t.Errorf("only %d fields were tried", seen)
	}
}

// naive is the view of one cluster without any packing.
type naive map[string]fleet.Task // by ARN

func (n naive) update(c fleet.Cluster) {
	if c.Seen.Complete {
		clear(n)
	}
	for _, t := range c.Tasks {
		n[t.ARN] = t
	}
}

func (n naive) of(service string) []fleet.Task {
	var out []fleet.Task
	for _, t := range n {
		if t.ServiceName() == service {
			out = append(out, t)
		}
	}
	return out
}

// Whatever looks come, whole ones and partial ones: a service is observed with the tasks that a plain list would hold.
func TestViewObservesWhatAPlainListHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, plain := newView(), naive{}
		for i := range rapid.IntRange(1, 5).Draw(t, "looks") {
			tasks := rapid.SliceOfNDistinct(rapid.Custom(anyTask), 0, 12, func(t fleet.Task) string { return t.ARN }).Draw(t, "tasks")
			c := look("c", noon.Add(time.Duration(i)*time.Minute), rapid.Bool().Draw(t, "complete"), []string{"web", "api"})
			c.Tasks = slices.Clone(tasks)
			v.update("prod", c)
			plain.update(c)
			clear(c.Tasks) // the sweeper's slice is its own again
		}
		byARN := cmpopts.SortSlices(func(a, b fleet.Task) int { return strings.Compare(a.ARN, b.ARN) })
		total := 0
		for _, service := range []string{"web", "api", "gone"} {
			o := v.observe(fleet.Key{Target: "prod", Cluster: "c", Service: service})
			if diff := cmp.Diff(plain.of(service), o.Tasks, byARN, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: %s", service, diff)
			}
			total += len(o.Tasks)
		}
		if _, tasks := v.count("prod"); tasks != total {
			t.Fatalf("%d tasks counted, %d observed", tasks, total)
		}
	})
}

// An observation is its owner's: what a pass does with it changes nothing in the view.
func TestAnObservationSharesNothingThatIsWritten(t *testing.T) {
	v := newView()
	c := look("c", noon, true, []string{"web"}, "arn/t1", "web", "arn/t2", "web")
	for i := range c.Tasks {
		c.Tasks[i].Containers = []fleet.Container{{Name: "app"}}
	}
	v.update("prod", c)
	key := fleet.Key{Target: "prod", Cluster: "c", Service: "web"}
	o := v.observe(key)
	o.Tasks[0].ARN, o.Tasks[0].Containers[0].Name = "changed", "changed"
	for _, task := range v.observe(key).Tasks {
		if task.ARN == "changed" || task.Containers[0].Name != "app" {
			t.Errorf("the view changed: %+v", task)
		}
	}
}

// A definition is kept in fewer bytes, equal in every field.
func TestSlimDefinitionsLoseNothing(t *testing.T) {
	kept := texts{}
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.Make[fleet.Definition]().Draw(t, "definition")
		if len(d.Containers) > 1 && rapid.Bool().Draw(t, "same options") {
			d.Containers[1].LogOptions = maps.Clone(d.Containers[0].LogOptions)
		}
		if diff := cmp.Diff(d, kept.slim(d)); diff != "" {
			t.Fatal(diff)
		}
	})
}
