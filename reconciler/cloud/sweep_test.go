package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/contain"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

func TestSweepMakesTheLeastCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(20, 1000, 10000))
		a := watching(w, Options{})
		for pass := range 2 {
			before := w.CallCounts()
			s := sweep(t.Context(), a)
			got := map[string]int{}
			for op, n := range w.CallCounts() {
				got[op] = n - before[op]
			}
			want := map[string]int{
				"ecs:ListClusters": 1, "ecs:ListServices": 20, "ecs:DescribeServices": 100, "ecs:ListTasks": 120, "ecs:DescribeTasks": 100,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pass %d: calls (-want +got):\n%s", pass, diff)
			}
			if s.Err != nil || !s.Complete || s.Calls != 341 || s.services() != 1000 || s.tasks() != 10000 || len(s.Clusters) != 20 {
				t.Errorf("pass %d: %d services, %d tasks, %+v", pass, s.services(), s.tasks(), s.Sweep)
			}
			if want := 11 * time.Second; s.Floor != want { // 220 calls of one bucket at 20 a second
				t.Errorf("pass %d: floor %s, want %s", pass, s.Floor, want)
			}
		}
	})
}

func TestSweepFloorGrowsAsTheShareShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(2, 20, 40))
		full := sweep(t.Context(), watching(w, Options{}))
		quarter := sweep(t.Context(), watching(w, Options{Budgets: NewBudgets(0.25)}))
		if full.Floor <= 0 || quarter.Floor != 4*full.Floor {
			t.Errorf("floors %s and %s, want four times", full.Floor, quarter.Floor)
		}
	})
}

func TestBatchesAreFilledAcrossPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 205, 410))
		s := sweep(t.Context(), watching(w, Options{Scope: fleet.Scope{ExcludeServices: []string{"service-0000*"}}}))
		var services, tasks []int
		for _, c := range w.Calls() {
			switch c.Op {
			case "DescribeServices":
				services = append(services, len(c.Input["services"].([]any)))
			case "DescribeTasks":
				tasks = append(tasks, len(c.Input["tasks"].([]any)))
			}
		}
		want := append(slices.Repeat([]int{10}, 19), 5)
		if !slices.Equal(services, want) || !slices.Equal(tasks, []int{100, 100, 100, 100, 10}) {
			t.Errorf("batches of services %v, of tasks %v", services, tasks)
		}
		if s.services() != 195 || s.tasks() != 390 {
			t.Errorf("%d services and %d tasks, want those in scope", s.services(), s.tasks())
		}
	})
}

// dying is a service whose tasks live so long and then exit 1.
func dying(lifetime time.Duration) account.Scenario {
	s := account.Bulk(1, 1, 3)
	s.Clusters[0].Services[0].Models = map[string]account.Model{
		"app": {Cases: []account.Case{{Lifetime: account.Exactly(lifetime), Exit: 1}}},
	}
	return s
}

func TestStoppedTasksAreDescribedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, dying(20*time.Minute))
		a := watching(w, Options{})
		known := map[string]bool{}
		for range 40 {
			from := len(w.Calls())
			s := sweep(t.Context(), a)
			for _, c := range w.Calls()[from:] {
				if c.Op != "DescribeTasks" {
					continue
				}
				for _, arn := range c.Input["tasks"].([]any) {
					if known[arn.(string)] {
						t.Errorf("%s was known to be stopped and was described again", arn)
					}
				}
			}
			visible := map[string]bool{}
			for _, task := range s.clusters["prod-000"].Tasks {
				if visible[task.ARN] {
					t.Errorf("%s is there twice", task.ARN)
				}
				visible[task.ARN] = true
				if task.Stopped() {
					known[task.ARN] = true
				}
			}
			for _, stop := range w.Stops() {
				if age := time.Since(stop.At); age < 59*time.Minute && !visible[stop.TaskARN] {
					t.Errorf("%s stopped %s ago and is not delivered", stop.TaskARN, age)
				}
			}
			time.Sleep(5 * time.Minute)
		}
		if len(known) < 10 {
			t.Fatalf("only %d tasks stopped: the test sees nothing", len(known))
		}
		if kept := len(a.stopped["prod-000"]); kept > 15 {
			t.Errorf("%d stopped tasks are kept, more than AWS can still list", kept)
		}
	})
}

func TestRunningTasksAreListedBeforeStoppedOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(3, 6, 6))
		sweep(t.Context(), watching(w, Options{}))
		order := map[any][]any{}
		for _, c := range w.Calls() {
			if c.Op == "ListTasks" {
				order[c.Input["cluster"]] = append(order[c.Input["cluster"]], c.Input["desiredStatus"])
			}
		}
		for cluster, got := range order {
			if !slices.Equal(got, []any{"RUNNING", "STOPPED"}) {
				t.Errorf("%s: %v: a task that stops between the two lists would be in neither", cluster, got)
			}
		}
		if len(order) != 3 {
			t.Errorf("%d clusters were listed", len(order))
		}
	})
}

func TestAFailingClusterStopsNoOther(t *testing.T) {
	for _, op := range []string{"ListServices", "DescribeServices", "ListTasks", "DescribeTasks"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(3, 30, 60))
				fails(w, inCluster("prod-001", isOp(op)), outage())
				s := sweep(t.Context(), watching(w, Options{}))
				bad := s.clusters["prod-001"]
				if bad.Seen.Complete || bad.Err == nil || s.Complete || s.Err == nil || len(s.clusters) != 3 {
					t.Fatalf("%+v %+v", bad.Seen, s.Sweep)
				}
				if f, ok := errors.AsType[*fleet.Fault](bad.Err); !ok || f.Operation != "ecs:"+op || f.Code != "ServerException" || f.Class != nil {
					t.Errorf("error %v", bad.Err)
				}
				wantServices, wantTasks := 10, 20 // the half that did not fail is delivered
				if op == "ListServices" || op == "DescribeServices" {
					wantServices = 0
				} else {
					wantTasks = 0
				}
				if len(bad.Services) != wantServices || len(bad.Tasks) != wantTasks {
					t.Errorf("%d services and %d tasks were delivered", len(bad.Services), len(bad.Tasks))
				}
				for _, name := range []string{"prod-000", "prod-002"} {
					if c := s.clusters[name]; !c.Seen.Complete || c.Err != nil || len(c.Services) != 10 || len(c.Tasks) != 20 {
						t.Errorf("%s suffers: %+v, %v", name, c.Seen, c.Err)
					}
				}
			})
		})
	}
}

func TestPagesReadBeforeAFailureAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(1, 150, 150))
		fails(w, func(c account.Call) bool { return c.Op == "ListServices" && c.Input["nextToken"] != nil }, outage())
		s := sweep(t.Context(), watching(w, Options{}))
		if c := s.clusters["prod-000"]; len(c.Services) != 100 || len(c.Tasks) != 150 || c.Seen.Complete || c.Err == nil {
			t.Errorf("%d services, %d tasks, %v, %v", len(c.Services), len(c.Tasks), c.Seen, c.Err)
		}
	})
}

func TestFailuresInAnAnswer(t *testing.T) {
	service, gone, task := "arn:aws:ecs:us-east-1:111122223333:service/prod/a", "arn:aws:ecs:us-east-1:111122223333:service/prod/b", "arn:aws:ecs:us-east-1:111122223333:task/prod/0a"
	missing := func(arn string) string { return `{"arn":` + quoted(arn) + `,"reason":"MISSING"}` }
	base := func(services, tasks string) canned {
		return canned{
			"ListClusters":     {`{"clusterArns":["arn:aws:ecs:us-east-1:111122223333:cluster/prod"]}`},
			"ListServices":     {`{"serviceArns":[` + quoted(service) + `,` + quoted(gone) + `]}`},
			"ListTasks":        {`{"taskArns":[` + quoted(task) + `,` + quoted(task+"1") + `]}`},
			"DescribeServices": {`{"services":[{"serviceName":"a","status":"ACTIVE"}],"failures":[` + services + `]}`},
			"DescribeTasks":    {`{"tasks":[{"taskArn":` + quoted(task) + `,"group":"service:a","lastStatus":"RUNNING"}],"failures":[` + tasks + `]}`},
		}
	}
	for name, tc := range map[string]struct {
		services, tasks string
		complete        bool
	}{
		"gone since listed":  {missing(gone), missing(task + "1"), true},
		"service unreadable": {`{"arn":"x/b","reason":"INTERNAL","detail":"later"}`, missing(task + "1"), false},
		"task unreadable":    {missing(gone), `{"arn":"x/1","reason":"ACCESS_DENIED"}`, false},
		"service left out":   {``, missing(task + "1"), false},
		"task left out":      {missing(gone), ``, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := New(baseConfig(base(tc.services, tc.tasks)), Options{Allow: everything(), Budgets: NewBudgets(1)})
			s := sweep(t.Context(), a)
			c := s.clusters["prod"]
			if c.Seen.Complete != tc.complete || s.Complete != tc.complete || (c.Err == nil) != tc.complete {
				t.Errorf("complete %v, error %v", c.Seen.Complete, c.Err)
			}
			if len(c.Services) != 1 || len(c.Tasks) != 1 {
				t.Errorf("what was read is not delivered: %+v", c)
			}
		})
	}
}

func TestDeniedCallsNameTheAction(t *testing.T) {
	for _, action := range []string{"ecs:ListServices", "ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:ListClusters"} {
		t.Run(action, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world(t, account.Bulk(1, 30, 300))
				w.Deny(action)
				s := sweep(t.Context(), watching(w, Options{}))
				if s.Complete || fleet.DeniedAction(s.Err) != action {
					t.Errorf("complete %v, error %v", s.Complete, s.Err)
				}
				if n := w.CallCounts()[action]; n < 1 || n > 2 { // both lists of tasks, but never all batches
					t.Errorf("%d calls of a denied action", n)
				}
			})
		})
	}
}

func TestClustersNamedInTheScopeNeedNoListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(3, 6, 6))
		w.Deny("ecs:ListClusters")
		s := sweep(t.Context(), watching(w, Options{Scope: fleet.Scope{Clusters: []string{"prod-001", "prod-002"}, ExcludeClusters: []string{"*-002"}}}))
		if c := s.clusters["prod-001"]; !s.Complete || s.Err != nil || len(s.clusters) != 1 || len(c.Services) != 2 || fleet.NameOf(c.ARN) != "prod-001" {
			t.Errorf("%+v", s)
		}
	})
}

func TestClustersKnownFromBeforeAreStillLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(3, 6, 6))
		a := watching(w, Options{})
		fails(w, isOp("ListClusters"), outage())
		if s := sweep(t.Context(), a); s.Complete || s.Err == nil || len(s.clusters) != 0 {
			t.Errorf("none is known yet: %+v", s.Sweep)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(3, 6, 6))
		a := watching(w, Options{})
		sweep(t.Context(), a)
		fails(w, isOp("ListClusters"), outage())
		s := sweep(t.Context(), a)
		if s.Complete || s.Err == nil || len(s.clusters) != 3 || len(s.Clusters) != 3 {
			t.Errorf("%+v", s.Sweep)
		}
		for name, c := range s.clusters {
			if !c.Seen.Complete {
				t.Errorf("%s was read whole and is not complete: %v", name, c.Err)
			}
		}
	})
}

func TestAClusterThatIsGoneIsAnAnswer(t *testing.T) {
	gone := wire.Bad("ClusterNotFoundException", "Cluster not found.")
	for _, tc := range []struct {
		ops      []string
		complete bool
	}{
		{[]string{"ListServices", "ListTasks"}, true},
		{[]string{"ListTasks"}, false}, // the other half still sees it
	} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, account.Bulk(2, 4, 4))
			fails(w, inCluster("prod-001", isOp(tc.ops...)), gone)
			c := sweep(t.Context(), watching(w, Options{})).clusters["prod-001"]
			if c.Seen.Complete != tc.complete || (c.Err == nil) != tc.complete || tc.complete && len(c.Services)+len(c.Tasks) > 0 {
				t.Errorf("%v not found: %+v %v", tc.ops, c.Seen, c.Err)
			}
		})
	}
}

func TestScopeOfASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(4, 16, 16))
		a := watching(w, Options{Scope: fleet.Scope{
			Clusters: []string{"prod-*"}, ExcludeClusters: []string{"prod-003"}, Services: []string{"service-0000?"}, ExcludeServices: []string{"service-00001"},
		}})
		s := sweep(t.Context(), a)
		got := map[string][]string{}
		for name, c := range s.clusters {
			for _, v := range c.Services {
				got[name] = append(got[name], v.Name)
			}
			for _, task := range c.Tasks {
				if !slices.Contains(got[name], task.ServiceName()) {
					t.Errorf("a task of %q is delivered", task.ServiceName())
				}
			}
		}
		want := map[string][]string{
			"prod-000": {"service-00000", "service-00004", "service-00008"}, "prod-001": {"service-00005", "service-00009"},
			"prod-002": {"service-00002", "service-00006"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("services (-want +got):\n%s", diff)
		}
		if !slices.Equal(s.Clusters, slices.Sorted(maps.Keys(want))) {
			t.Errorf("clusters %v", s.Clusters)
		}
	})
}

func TestALookIsDatedBeforeItsFirstCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(12, 60, 600))
		s := sweep(t.Context(), watching(w, Options{Budgets: NewBudgets(0.05)}))
		first := map[string]time.Time{}
		for _, c := range w.Calls() {
			if name, ok := c.Input["cluster"].(string); ok && first[name].IsZero() {
				first[name] = c.At
			}
		}
		dates := map[time.Time]bool{}
		for name, c := range s.clusters {
			if c.Seen.At.After(first[name]) || c.Seen.At.Before(s.At) {
				t.Errorf("%s: seen at %s, first call at %s", name, c.Seen.At, first[name])
			}
			dates[c.Seen.At] = true
		}
		if len(dates) < 2 || s.Took < time.Second {
			t.Errorf("took %s with %d dates: too fast to tell", s.Took, len(dates))
		}
	})
}

func TestACancelledSweepEndsAndIsNotComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world(t, account.Bulk(12, 600, 600))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		s := sweep(ctx, watching(w, Options{Budgets: NewBudgets(0.05)}))
		if took := time.Since(began); took > 6*time.Second || s.Complete || !errors.Is(s.Err, context.DeadlineExceeded) {
			t.Errorf("after %s: complete %v, %v", took, s.Complete, s.Err)
		}
		for name, c := range s.clusters {
			if !c.Seen.Complete && c.Err == nil {
				t.Errorf("%s is incomplete for no reason", name)
			}
		}
		if fmt.Sprint(s.Err) == "" {
			t.Error("no text")
		}
	})
}

func TestAnEntryListedTwiceIsReadOnce(t *testing.T) {
	arn := "arn:aws:ecs:us-east-1:111122223333:task/prod/0a"
	stopped := `{"tasks":[{"taskArn":` + quoted(arn) + `,"group":"service:a","lastStatus":"STOPPED"}]}`
	a := New(baseConfig(canned{
		"ListClusters":  {`{"clusterArns":["arn:aws:ecs:us-east-1:111122223333:cluster/prod"]}`},
		"ListTasks":     {`{"taskArns":[` + quoted(arn) + `,` + quoted(arn) + `]}`}, // as running, and as stopped
		"DescribeTasks": {stopped},
	}), Options{Allow: everything(), Budgets: NewBudgets(1)})
	for range 2 { // the second time it is known
		if s := sweep(t.Context(), a); !s.Complete || s.tasks() != 1 {
			t.Errorf("%d tasks, %v", s.tasks(), s.Err)
		}
	}
}

// A panic while one cluster is read, or while it is taken in, leaves the process and the other cluster alone: the sweep comes back,
// is not complete, names the cluster, and hands it on as one that could not be read.
func TestAPanicLeavesOneClusterUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(contain.Report(func(*contain.Panic) {}))
		w := world(t, account.Bulk(2, 20, 40))
		for name, plant := range map[string]struct {
			visit  func(fleet.Cluster)
			events func(string, []fleet.ServiceEvent)
		}{
			"in the look":    {events: func(arn string, _ []fleet.ServiceEvent) { explodeIn(strings.Split(fleet.ResourceOf(arn), "/")[1]) }},
			"in the visitor": {visit: func(c fleet.Cluster) { explodeIn(c.Name) }},
		} {
			a := watching(w, Options{Events: plant.events})
			visited := map[string]fleet.Cluster{}
			s := a.Sweep(t.Context(), func(c fleet.Cluster) {
				if plant.visit != nil && c.Err == nil {
					plant.visit(c)
				}
				visited[c.Name] = c
			})
			bad, good := visited["prod-000"], visited["prod-001"]
			if s.Complete || contain.In(s.Err) == nil || !strings.Contains(s.Err.Error(), "prod-000") || len(s.Clusters) != 2 {
				t.Errorf("%s: the sweep is complete: %t, lists %v, error %v", name, s.Complete, s.Clusters, s.Err)
			}
			if bad.Name == "" || bad.Seen.Complete || contain.In(bad.Err) == nil {
				t.Errorf("%s: the cluster was handed on as %+v", name, bad)
			}
			if !good.Seen.Complete || good.Err != nil || len(good.Services) == 0 || len(good.Tasks) == 0 {
				t.Errorf("%s: the other cluster: %v, %d services, %d tasks", name, good.Err, len(good.Services), len(good.Tasks))
			}
		}
	})
}

func explodeIn(cluster string) {
	if cluster == "prod-000" {
		panic("one bad object")
	}
}
