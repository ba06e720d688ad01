package recording

import (
	"fmt"
	"io"
	"testing"

	"taskwarden/reconciler/fleet"
)

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

// What recording adds to a look at 5,000 tasks that shows nothing new.
func BenchmarkQuietLook(b *testing.B) {
	w, err := NewWriter(Options{Open: func() (io.WriteCloser, error) { return nowhere{}, nil }})
	if err != nil {
		b.Fatal(err)
	}
	w.Begin(starting())
	var tasks []fleet.Task
	for i := range 5000 {
		tasks = append(tasks, fleet.Task{ARN: fmt.Sprintf("arn:aws:ecs:eu-west-1:111122223333:task/c/%032x", i), Group: "service:web", LastStatus: "RUNNING",
			StartedBy: "ecs-svc/1234567890123456789", TaskDefinition: "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:1",
			Containers: []fleet.Container{{Name: "app", Image: "111122223333.dkr.ecr.eu-west-1.amazonaws.com/web:1", LastStatus: "RUNNING"}, {Name: "cwagent", LastStatus: "RUNNING"}}})
	}
	w.Record(look(0, true, nil, tasks...))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Record(look(i, true, nil, tasks...))
	}
}
