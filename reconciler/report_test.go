package reconciler

import (
	"reflect"
	"testing"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/fleet"
)

// watching is a controller whose view holds 20 services of a cluster, each with so many tasks.
func watching(t *testing.T, tasks int) *Controller {
	t.Helper()
	c := newController(Options{Book: openBook(t, openStore(t, t.TempDir())), Log: zap.NewNop(), Alarms: Off}, func() time.Time { return noon })
	cl := bulkCluster("main")
	cl.Services, cl.Tasks = cl.Services[:20], nil
	for i, s := range cl.Services {
		s.Desired = tasks
		cl.Tasks = append(cl.Tasks, bulkTasks(s, "main", i)...)
	}
	c.view.update("prod", cl)
	return c
}

// What the list of services allocates does not grow with their tasks; one service comes with its own.
func TestTheListOfServicesUnpacksNoTask(t *testing.T) {
	few, many := watching(t, 1), watching(t, 200)
	fewAllocs := testing.AllocsPerRun(20, func() { few.Services() })
	manyAllocs := testing.AllocsPerRun(20, func() { many.Services() })
	if manyAllocs > fewAllocs+20 { // one for each service at most: other goroutines allocate too
		t.Errorf("%.0f allocations with 200 tasks a service, %.0f with one", manyAllocs, fewAllocs)
	}
	list := many.Services()
	if len(list) != 20 {
		t.Fatalf("%d services", len(list))
	}
	for _, s := range list {
		one, ok := many.Service(s.Key)
		if !ok || len(one.Tasks) != 200 || s.Tasks != nil {
			t.Fatalf("%s: %t, %d tasks alone, %d in the list", s.Key, ok, len(one.Tasks), len(s.Tasks))
		}
		one.Tasks = nil
		if !reflect.DeepEqual(one, s) {
			t.Errorf("%s differs:\n%+v\n%+v", s.Key, one, s)
		}
	}
	if _, ok := many.Service(fleet.Key{Target: "prod", Cluster: "main", Service: "none"}); ok {
		t.Error("a service is shown that is not there")
	}
}

func BenchmarkServices(b *testing.B) {
	c := &Controller{view: bulkView(), book: &Book{}, now: func() time.Time { return noon }}
	b.ReportAllocs()
	for b.Loop() {
		c.Services()
	}
}
