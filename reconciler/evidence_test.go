package reconciler

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// A stop whose culprit nobody can tell wants the logs of several containers, and they come one after another: each is read
// once, and they are judged together.
func TestLogsOfOneStopAreReadOnceAndJudgedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const arn = "arn:aws:ecs:r:1:task/c/a"
		logged := fleet.ContainerDefinition{Essential: true, LogDriver: "awslogs", LogOptions: map[string]string{"awslogs-group": "g", "awslogs-stream-prefix": "p"}}
		reads := map[string]int{}
		c, _, stop := start(t, time.Minute, map[string]account{"prod": {
			sweep: func(_ context.Context, visit func(fleet.Cluster)) fleet.Sweep {
				one, seen := 1, fleet.Seen{At: time.Now(), Complete: true}
				visit(fleet.Cluster{Name: "c", Seen: seen, Services: []fleet.Service{{Name: "web", Desired: 1, Running: 1}}, Tasks: []fleet.Task{{
					ARN: arn, Group: "service:web", TaskDefinition: "web:1", LastStatus: fleet.StatusStopped, StopCode: "EssentialContainerExited",
					StoppedReason: "Essential container in task exited", StartedAt: seen.At.Add(-time.Hour), StoppedAt: seen.At.Add(-time.Minute),
					Containers: []fleet.Container{{Name: "left", ExitCode: &one, LastStatus: fleet.StatusStopped}, {Name: "right", ExitCode: &one, LastStatus: fleet.StatusStopped}},
				}}})
				return fleet.Sweep{Seen: seen, Clusters: []string{"c"}}
			},
			def: func(arn string) fleet.Definition {
				left, right := logged, logged
				left.Name, right.Name = "left", "right"
				return fleet.Definition{ARN: arn, Containers: []fleet.ContainerDefinition{left, right}}
			},
			tail: func(ref fleet.LogRef) fleet.Tail {
				time.Sleep(time.Second)
				reads[ref.Stream]++
				if ref.Stream == "p/right/a" {
					return fleet.Tail{Lines: []string{"fatal error: concurrent map writes", "goroutine 1 [running]:"}}
				}
				return fleet.Tail{Lines: []string{"bye"}}
			},
		}})
		time.Sleep(10 * time.Minute)
		stop()
		if reads["p/left/a"] != 1 || reads["p/right/a"] != 1 {
			t.Errorf("read %v", reads)
		}
		stops := c.Stops(fleet.Key{})
		if len(stops) != 1 || stops[0].Stop.LogsAt != churn.LogsFetched || stops[0].Stop.Verdict.Culprit == nil || stops[0].Stop.Verdict.Culprit.Container != "right" {
			t.Errorf("recorded %+v", stops)
		}
	})
}
