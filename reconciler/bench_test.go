package reconciler

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

const (
	arnPrefix  = "arn:aws:ecs:us-east-1:111122223333:"
	bulkDigest = "sha256:4b1c2f0f6f0a7f57b2c6a1f0d77c51cc41e3a3a9f6b1d2c3e4f5061728394a5b"
)

// bulkCluster is a cluster of 100 quiet services with ten tasks of three containers each, as package cloud delivers it:
// strings that tasks share are one string, ids are each task's own. Fifty of them are the large reference account.
func bulkCluster(name string) fleet.Cluster {
	c := fleet.Cluster{ARN: arnPrefix + "cluster/" + name, Name: name, Seen: fleet.Seen{At: noon, Complete: true}}
	for i := range 100 {
		s := bulkService(c, fmt.Sprintf("%s-service-%04d", name, i), i)
		c.Services = append(c.Services, s)
		c.Tasks = append(c.Tasks, bulkTasks(s, name, i)...)
	}
	return c
}

func bulkService(c fleet.Cluster, name string, i int) fleet.Service {
	definition, deployment := arnPrefix+"task-definition/"+name+":7", fmt.Sprintf("ecs-svc/%019d", i)
	return fleet.Service{
		ARN: arnPrefix + "service/" + c.Name + "/" + name, Name: name, ClusterARN: c.ARN, Status: "ACTIVE", SchedulingStrategy: "REPLICA",
		LaunchType: "FARGATE", TaskDefinition: definition, Desired: 10, Running: 10, CreatedAt: noon.Add(-90 * 24 * time.Hour),
		Deployments: []fleet.Deployment{{
			ID: deployment, Status: "PRIMARY", TaskDefinition: definition, RolloutState: fleet.RolloutCompleted,
			RolloutReason: "ECS deployment " + deployment + " completed.", Desired: 10, Running: 10,
			CreatedAt: noon.Add(-48 * time.Hour), UpdatedAt: noon.Add(-47 * time.Hour),
		}},
	}
}

func bulkTasks(s fleet.Service, cluster string, i int) []fleet.Task {
	zones := []string{"us-east-1a", "us-east-1b", "us-east-1c"}
	names := []string{"app", "cwagent", "log-router"}
	images := []string{"111122223333.dkr.ecr.us-east-1.amazonaws.com/" + s.Name + ":2026-11-20.3", "amazon/cloudwatch-agent:1.300058.0", "amazon/aws-for-fluent-bit:2.32"}
	group := "service:" + s.Name
	var out []fleet.Task
	for k := range s.Desired {
		id := fmt.Sprintf("%016x%016x", i, k)
		t := fleet.Task{
			ARN: arnPrefix + "task/" + cluster + "/" + id, ClusterARN: s.ClusterARN, Group: group, StartedBy: s.Deployments[0].ID,
			TaskDefinition: s.TaskDefinition, LastStatus: fleet.StatusRunning, DesiredStatus: fleet.StatusRunning, LaunchType: "FARGATE",
			CapacityProvider: "FARGATE", AvailabilityZone: zones[k%3], Connectivity: "CONNECTED", Health: "HEALTHY",
			CreatedAt: noon.Add(-time.Duration(k+60) * time.Minute), StartedAt: noon.Add(-time.Duration(k+59) * time.Minute), Version: int64(4 + k%2),
		}
		for n, image := range images {
			t.Containers = append(t.Containers, fleet.Container{Name: names[n], Image: image, ImageDigest: bulkDigest,
				RuntimeID: fmt.Sprintf("%s-%010d", id, n+1), LastStatus: fleet.StatusRunning, Health: "HEALTHY"})
		}
		out = append(out, t)
	}
	return out
}

func bulkView() *view {
	v := newView()
	for i := range 50 {
		v.update("prod", bulkCluster(fmt.Sprintf("cluster-%02d", i)))
	}
	return v
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkView takes the large account (50 clusters, 5,000 services, 50,000 tasks) into a view. heap-B/task is what the
// whole view then holds, its services included, per task.
func BenchmarkView(b *testing.B) {
	var before, after uint64
	for b.Loop() {
		before = heap()
		v := bulkView()
		after = heap()
		if services, tasks := v.count("prod"); services != 5000 || tasks != 50_000 {
			b.Fatalf("%d services, %d tasks", services, tasks)
		}
	}
	b.ReportMetric(float64(after-before)/50_000, "heap-B/task")
}

// BenchmarkUpdate is one look at a cluster of 1,000 tasks, taken into a view that knows it.
func BenchmarkUpdate(b *testing.B) {
	v, c := newView(), bulkCluster("cluster-00")
	for b.Loop() {
		v.update("prod", c)
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "tasks/s")
}

// BenchmarkDecide observes and judges each of 5,000 quiet services once, on one processor: a pass without its store.
func BenchmarkDecide(b *testing.B) {
	k, err := churn.NewKnowledge(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := Policies{Churn: churn.Policy{Window: 24 * time.Hour, Threshold: 3, RatePerTaskDay: 0.1, StormStops: 3, StormWithin: 15 * time.Minute, Logs: true, LogLines: 100, TailLines: 20, Knowledge: k}}
	v := bulkView()
	var keys []fleet.Key
	for _, o := range v.services() {
		keys = append(keys, o.Key)
	}
	memory := Memory{History: churn.History{Since: noon.Add(-30 * 24 * time.Hour)}}
	for b.Loop() {
		for _, key := range keys {
			if d := Decide(v.observe(key), memory, p, noon); d.Reason != "Quiet" {
				b.Fatalf("%s: %s", d.Reason, d.Message)
			}
		}
	}
	b.ReportMetric(float64(len(keys)*b.N)/b.Elapsed().Seconds(), "passes/s")
}

// BenchmarkRecord makes new stops of one look durable, with their counters, on bolt and a real disk.
func BenchmarkRecord(b *testing.B) {
	for _, n := range []int{1, stopsPerCommit} {
		b.Run(fmt.Sprintf("stops=%d", n), func(b *testing.B) {
			book := openBook(b, openStore(b, b.TempDir()))
			at, id := noon, 0
			for b.Loop() {
				at = at.Add(time.Minute)
				stops := make([]churn.Stop, n)
				for i := range stops {
					id++
					stops[i] = death(fmt.Sprintf("%032d", id), at)
				}
				record(b, book, at, stops...)
			}
			b.ReportMetric(float64(id)/b.Elapsed().Seconds(), "stops/s")
			if got := len(book.Stops(django)); got != min(id, stopsInMemory) {
				b.Fatalf("%d of %d stops recorded", got, id)
			}
		})
	}
}
