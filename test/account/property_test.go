package account_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/test/account"
)

// bounds are pairs of minimumHealthyPercent and maximumPercent under which a deployment of two or more tasks can move.
var bounds = [][2]int{{100, 200}, {50, 100}, {0, 100}, {50, 200}, {100, 150}}

// world draws a scenario of one service to which things happen for six hours.
func world(t *rapid.T) account.Scenario {
	b := rapid.SampledFrom(bounds).Draw(t, "bounds")
	s := account.Scenario{Name: "drawn", Seed: rapid.Uint64().Draw(t, "seed")}
	v := account.Service{
		Name: "web", Desired: rapid.IntRange(2, 6).Draw(t, "desired"), MinimumHealthyPercent: &b[0], MaximumPercent: &b[1],
		CircuitBreaker: rapid.SampledFrom([]string{"off", "stop", "rollback"}).Draw(t, "breaker"),
		TaskDefinition: account.TaskDefinition{Family: "web", Containers: []map[string]any{
			{"name": "web", "environment": map[string]any{"MODE": "good"}}, {"name": "sidecar", "essential": rapid.Bool().Draw(t, "essential")}}},
		Models: map[string]account.Model{"sidecar": {Cases: []account.Case{
			{When: map[string]string{"MODE": "bad"}, Lifetime: account.Between(time.Second, time.Hour), Exit: 2,
				Death: rapid.SampledFrom([]account.Death{account.DeathExit, account.DeathOOM, account.DeathHealth, account.DeathELB}).Draw(t, "death")},
			{When: map[string]string{"MODE": "broken"}, Death: account.DeathStart, Text: "CannotPullContainerError: pull access denied"},
		}}},
	}
	if rapid.Bool().Draw(t, "balanced") {
		v.LoadBalancer = account.LoadBalancer{TargetGroup: "web", Container: "web", Port: 80}
	}
	s.Clusters = []account.Cluster{{Name: "prod", Services: []account.Service{v}}}
	for i := range rapid.IntRange(0, 8).Draw(t, "steps") {
		s.Timeline = append(s.Timeline, happening(t, i))
	}
	return s
}

func happening(t *rapid.T, i int) account.Step {
	step := account.Step{
		At: account.Exactly(time.Duration(rapid.IntRange(0, 6*3600).Draw(t, fmt.Sprint("at", i))) * time.Second), Service: "web", Why: "drawn",
		Do:    rapid.SampledFrom([]account.Action{account.DoDeploy, account.DoScale, account.DoSpot, account.DoMaintenance, account.DoStop, account.DoHost, account.DoKill, account.DoELB}).Draw(t, fmt.Sprint("do", i)),
		Count: rapid.IntRange(1, 3).Draw(t, fmt.Sprint("count", i)), Desired: rapid.IntRange(2, 6).Draw(t, fmt.Sprint("to", i)), Container: "web", Exit: 1,
	}
	if mode := rapid.SampledFrom([]string{"", "good", "bad", "broken"}).Draw(t, fmt.Sprint("mode", i)); mode != "" {
		step.Set = map[string]map[string]string{"web": {"MODE": mode}}
	}
	return step
}

// most is the largest number of tasks that any moment of the scenario allows.
func most(s account.Scenario) int {
	v := s.Clusters[0].Services[0]
	n := v.Desired
	for _, step := range s.Timeline {
		if step.Do == account.DoScale {
			n = max(n, step.Desired)
		}
	}
	return n * *v.MaximumPercent / 100
}

var epoch = time.Now().Add(time.Hour).Truncate(time.Second) // ahead of the wall clock, so that calls do not move the world

func TestWorldHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := world(t)
		a, err := account.New(s, epoch)
		if err != nil {
			t.Fatal(err)
		}
		c, seen := connect(a), map[string]int64{}
		for at := time.Duration(0); at < 7*time.Hour; at += time.Duration(rapid.IntRange(1, 5000).Draw(t, "pause")) * time.Second {
			a.Advance(epoch.Add(at))
			checkTasks(t, a, c, most(s), seen)
		}
		a.Advance(epoch.Add(7 * time.Hour))
		for _, stop := range a.Stops() {
			if stop.Code == "" || stop.Text == "" || stop.Cause == "" || stop.TaskARN == "" || stop.At.IsZero() {
				t.Fatalf("a stop without reason: %+v", stop)
			}
		}
	})
}

// checkTasks compares what the API shows with the bounds and with the truth.
func checkTasks(t *rapid.T, a *account.Account, c clients, most int, seen map[string]int64) {
	ctx := context.Background()
	truth := map[string]account.Stop{}
	for _, s := range a.Stops() {
		truth[s.TaskARN] = s
	}
	alive := 0
	for _, status := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		for _, task := range describe(ctx, t, c, status) {
			if task.Version < seen[*task.TaskArn] {
				t.Fatalf("version of %s fell from %d to %d", *task.TaskArn, seen[*task.TaskArn], task.Version)
			}
			seen[*task.TaskArn] = task.Version
			stop, stopped := truth[*task.TaskArn]
			if stopped != (*task.LastStatus == "STOPPED") {
				t.Fatalf("task %s is %s, truth knows its stop: %v", *task.TaskArn, *task.LastStatus, stopped)
			}
			if !stopped {
				alive++
				continue
			}
			if string(task.StopCode) != stop.Code || *task.StoppedReason != stop.Text || !task.StoppedAt.Equal(stop.At.Truncate(time.Millisecond)) {
				t.Fatalf("DescribeTasks shows %s %q %v, the truth is %+v", task.StopCode, *task.StoppedReason, task.StoppedAt, stop)
			}
		}
	}
	if alive > most {
		t.Fatalf("%d tasks exist, at most %d may", alive, most)
	}
}

func describe(ctx context.Context, t *rapid.T, c clients, status types.DesiredStatus) []types.Task {
	var tasks []types.Task
	p := ecs.NewListTasksPaginator(c.ecs, &ecs.ListTasksInput{Cluster: aws.String("prod"), DesiredStatus: status})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.TaskArns) == 0 {
			continue
		}
		out, err := c.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: aws.String("prod"), Tasks: page.TaskArns})
		if err != nil || len(out.Failures) > 0 {
			t.Fatal(err, out)
		}
		tasks = append(tasks, out.Tasks...)
	}
	return tasks
}

// TestWorldSettles: whatever happened, once nothing happens any more and the revision is a good one, every service has what
// it wants and its deployment is complete.
func TestWorldSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := world(t)
		s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(6*time.Hour + time.Minute), Do: account.DoDeploy, Service: "web", Set: map[string]map[string]string{"web": {"MODE": "good"}}, Why: "all is well"})
		a, err := account.New(s, epoch)
		if err != nil {
			t.Fatal(err)
		}
		a.Advance(epoch.Add(8 * time.Hour))
		out, err := connect(a).ecs.DescribeServices(context.Background(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"web"}})
		if err != nil {
			t.Fatal(err)
		}
		v := out.Services[0]
		if v.RunningCount != v.DesiredCount || v.PendingCount != 0 || len(v.Deployments) != 1 || v.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
			t.Fatalf("running %d, pending %d of %d; %+v", v.RunningCount, v.PendingCount, v.DesiredCount, v.Deployments)
		}
	})
}

// TestWorldIsLazy: it makes no difference how often the world is advanced.
func TestWorldIsLazy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := world(t)
		once, err := account.New(s, epoch)
		if err != nil {
			t.Fatal(err)
		}
		often, _ := account.New(s, epoch)
		for at := time.Duration(0); at < 7*time.Hour; at += time.Duration(rapid.IntRange(1, 3000).Draw(t, "pause")) * time.Second {
			often.Advance(epoch.Add(at))
		}
		once.Advance(epoch.Add(7 * time.Hour))
		often.Advance(epoch.Add(7 * time.Hour))
		if d := cmp.Diff(once.Stops(), often.Stops()); d != "" {
			t.Fatalf("stops differ:\n%s", d)
		}
	})
}

// TestDeploymentKeepsMinimum: while only deployments happen, never fewer healthy tasks than the minimum are RUNNING.
func TestDeploymentKeepsMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := world(t)
		s.Timeline = slices.DeleteFunc(s.Timeline, func(step account.Step) bool { return step.Do != account.DoDeploy })
		for i := range s.Timeline {
			s.Timeline[i].Set = nil
		}
		a, err := account.New(s, epoch)
		if err != nil {
			t.Fatal(err)
		}
		v := s.Clusters[0].Services[0]
		least := int32((v.Desired**v.MinimumHealthyPercent + 99) / 100)
		c := connect(a)
		for at := time.Duration(0); at < 7*time.Hour; at += time.Duration(rapid.IntRange(1, 3000).Draw(t, "pause")) * time.Second {
			a.Advance(epoch.Add(at))
			out, err := c.ecs.DescribeServices(context.Background(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{"web"}})
			if err != nil {
				t.Fatal(err)
			}
			if out.Services[0].RunningCount < least {
				t.Fatalf("%d running of at least %d", out.Services[0].RunningCount, least)
			}
		}
	})
}
