package reconciler

import (
	"errors"
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func look(name string, at time.Time, complete bool, services []string, tasks ...string) fleet.Cluster {
	c := fleet.Cluster{Name: name, Seen: fleet.Seen{At: at, Complete: complete}}
	if !complete {
		c.Err = errors.New("a page is missing")
	}
	for _, s := range services {
		c.Services = append(c.Services, fleet.Service{Name: s})
	}
	for i := 0; i+1 < len(tasks); i += 2 {
		c.Tasks = append(c.Tasks, fleet.Task{ARN: tasks[i], Group: "service:" + tasks[i+1], LastStatus: fleet.StatusRunning})
	}
	return c
}

func arns(tasks []fleet.Task) []string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.ARN)
	}
	slices.Sort(out)
	return out
}

// What a partial look did not show keeps its last state, and nothing is gone.
func TestViewKeepsWhatAPartialLookDidNotShow(t *testing.T) {
	v := newView()
	web, api := fleet.Key{Target: "prod", Cluster: "c", Service: "web"}, fleet.Key{Target: "prod", Cluster: "c", Service: "api"}
	v.update("prod", look("c", noon, true, []string{"web", "api"}, "t1", "web", "t2", "web", "t3", "api"))
	v.update("prod", look("c", noon.Add(time.Minute), false, []string{"api"}, "t1", "web", "t4", "web"))

	o := v.observe(web)
	if o.Gone || o.Complete || !slices.Equal(arns(o.Tasks), []string{"t1", "t2", "t4"}) {
		t.Errorf("web: gone %v, complete %v, tasks %v", o.Gone, o.Complete, arns(o.Tasks))
	}
	if o := v.observe(api); o.Gone || !slices.Equal(arns(o.Tasks), []string{"t3"}) {
		t.Errorf("api: gone %v, tasks %v", o.Gone, arns(o.Tasks))
	}
	if len(v.troubles("prod")) != 1 {
		t.Errorf("troubles %v", v.troubles("prod"))
	}
	v.update("prod", look("c", noon.Add(2*time.Minute), true, []string{"api"}, "t3", "api"))
	if o := v.observe(web); !o.Gone || len(o.Tasks) != 0 {
		t.Errorf("after a complete look without it web is gone: %+v", o)
	}
}

// A cluster is gone only when a complete listing does not name it.
func TestViewLosesAClusterOnlyOnACompleteSweep(t *testing.T) {
	v := newView()
	key := fleet.Key{Target: "prod", Cluster: "c", Service: "web"}
	v.update("prod", look("c", noon, true, []string{"web"}, "t1", "web"))
	if gone := v.finish("prod", fleet.Sweep{Seen: fleet.Seen{At: noon}, Err: errors.New("refused")}); gone != nil {
		t.Errorf("a failed sweep made %v gone", gone)
	}
	if o := v.observe(key); o.Gone || len(o.Tasks) != 1 {
		t.Errorf("after a failed sweep: %+v", o)
	}
	gone := v.finish("prod", fleet.Sweep{Seen: fleet.Seen{At: noon.Add(time.Minute), Complete: true}})
	if !slices.Equal(gone, []fleet.Key{key}) || !v.observe(key).Gone {
		t.Errorf("after a complete sweep without it: %v, %+v", gone, v.observe(key))
	}
	if last, whole := v.sweep("prod"); !last.Complete || whole.At != noon.Add(time.Minute) {
		t.Errorf("sweeps %+v %+v", last, whole)
	}
}

// Of a service never seen, nothing is said until a complete sweep says it is gone.
func TestViewKnowsNothingBeforeTheFirstLook(t *testing.T) {
	v := newView()
	key := fleet.Key{Target: "prod", Cluster: "c", Service: "web"}
	if o := v.observe(key); o.Gone || o.Complete {
		t.Errorf("before any look: %+v", o)
	}
	v.finish("prod", fleet.Sweep{Seen: fleet.Seen{At: noon, Complete: true}})
	if o := v.observe(key); !o.Gone || !o.Complete {
		t.Errorf("after a complete sweep: %+v", o)
	}
}
