package account_test

import (
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"taskwarden/test/account"
)

// TestScenariosLoad opens every shipped scenario, so that none of them rots.
func TestScenariosLoad(t *testing.T) {
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("scenarios: %v %v", files, err)
	}
	for _, f := range files {
		s := load(t, filepath.Base(f), nil)
		if s.Why == "" || s.Name+".yaml" != filepath.Base(f) {
			t.Errorf("%s: name %q, why %q", f, s.Name, s.Why)
		}
		for i, step := range s.Timeline {
			if step.Why == "" {
				t.Errorf("%s: timeline entry %d tells no why", f, i+1)
			}
		}
		open(t, s)
	}
}

func TestPlannedOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, load(t, "planned-only.yaml", nil))
		time.Sleep(7 * 24 * time.Hour)
		a.Advance(time.Now())
		causes := map[string]int{}
		for _, s := range a.Stops() {
			causes[s.Cause]++
			if !s.Planned {
				t.Errorf("unplanned: %+v", s)
			}
		}
		for _, want := range []string{"deployment", "scale_in", "spot_interruption", "maintenance", "operator_stop"} {
			if causes[want] == 0 {
				t.Errorf("no stop by %s: %v", want, causes)
			}
		}
		if n := len(c.tasks(t.Context(), t, "prod", "worker", "RUNNING").Tasks); n != 6 && n != 10 {
			t.Errorf("worker has %d tasks", n)
		}
	})
}

func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := open(t, load(t, "quiet.yaml", nil))
		time.Sleep(30 * 24 * time.Hour)
		a.Advance(time.Now())
		if n := len(a.Stops()); n != 0 {
			t.Errorf("%d stops in a quiet month: %+v", n, a.Stops()[0])
		}
	})
}

func TestSidecarDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, load(t, "sidecar-down.yaml", nil))
		versions := map[string]int64{}
		for _, task := range c.tasks(t.Context(), t, "prod", "checkout", "RUNNING").Tasks {
			versions[*task.TaskArn] = task.Version
		}
		time.Sleep(24 * time.Hour)
		for _, task := range c.tasks(t.Context(), t, "prod", "checkout", "RUNNING").Tasks {
			if *task.LastStatus != "RUNNING" || task.Version <= versions[*task.TaskArn] || task.StoppedAt != nil {
				t.Errorf("task %s: %s, version %d", *task.TaskArn, *task.LastStatus, task.Version)
			}
			for _, k := range task.Containers {
				if dead := *k.LastStatus == "STOPPED"; dead != (*k.Name != "checkout") {
					t.Errorf("container %s is %s", *k.Name, *k.LastStatus)
				}
				if *k.Name == "cwagent" && (k.ExitCode == nil || *k.ExitCode != 2) {
					t.Errorf("cwagent: %+v", k)
				}
			}
		}
		if n := len(a.Stops()); n != 0 {
			t.Errorf("%d tasks stopped", n)
		}
		restarts := a.Restarts()
		if len(restarts) < 2*24/3-2 {
			t.Errorf("%d restarts", len(restarts))
		}
		for _, task := range c.tasks(t.Context(), t, "prod", "restarting", "RUNNING").Tasks {
			if task.Version != 3 {
				t.Errorf("a restart under a restart policy showed: version %d", task.Version)
			}
		}
	})
}

func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := open(t, account.Fleet(40, 3, 7))
		time.Sleep(3 * 24 * time.Hour)
		a.Advance(time.Now())
		unplanned, planned := map[string]bool{}, map[string]bool{}
		for _, s := range a.Stops() {
			if s.Planned {
				planned[s.Service] = true
			} else {
				unplanned[s.Service] = true
			}
		}
		if len(unplanned) != 3 || len(planned) < 5 {
			t.Errorf("unplanned %v, planned %v", unplanned, planned)
		}
	})
}

func BenchmarkBulk(b *testing.B) {
	for b.Loop() {
		if _, err := account.New(account.Bulk(20, 1000, 10000), time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSweep lists and describes everything in the large account once, as a sweeper would.
func BenchmarkSweep(b *testing.B) {
	a, err := account.New(account.Bulk(20, 1000, 10000), time.Now())
	if err != nil {
		b.Fatal(err)
	}
	c, ctx := connect(a), b.Context()
	for b.Loop() {
		clusters, err := c.ecs.ListClusters(ctx, &ecs.ListClustersInput{})
		if err != nil {
			b.Fatal(err)
		}
		for _, cluster := range clusters.ClusterArns {
			sweep(b, c, cluster)
		}
	}
}

func sweep(b *testing.B, c clients, cluster string) {
	for p := ecs.NewListServicesPaginator(c.ecs, &ecs.ListServicesInput{Cluster: &cluster, MaxResults: aws.Int32(100)}); p.HasMorePages(); {
		out, err := p.NextPage(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for batch := range slices.Chunk(out.ServiceArns, 10) {
			if _, err := c.ecs.DescribeServices(b.Context(), &ecs.DescribeServicesInput{Cluster: &cluster, Services: batch}); err != nil {
				b.Fatal(err)
			}
		}
	}
	for p := ecs.NewListTasksPaginator(c.ecs, &ecs.ListTasksInput{Cluster: &cluster}); p.HasMorePages(); {
		out, err := p.NextPage(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.ecs.DescribeTasks(b.Context(), &ecs.DescribeTasksInput{Cluster: &cluster, Tasks: out.TaskArns}); err != nil {
			b.Fatal(err)
		}
	}
}
