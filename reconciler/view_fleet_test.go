package reconciler

import (
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

// Whoever runs a family's newest revision with the next start counts as its user: services of any target of the account, and tasks
// of a schedule, also between two of its runs. The family of another account or Region is another one.
func TestFamilyUsers(t *testing.T) {
	const account, foreign = "arn:aws:ecs:us-east-1:111122223333:task-definition/", "arn:aws:ecs:us-east-1:444455556666:task-definition/"
	key := fleet.Key{Target: "prod", Cluster: "main", Service: "web"}
	service := func(name, definition string) fleet.Service {
		return fleet.Service{ARN: "arn:aws:ecs:us-east-1:111122223333:service/" + name, Name: name, TaskDefinition: definition}
	}
	web := service("web", account+"web:7")
	task := func(definition, status string) fleet.Task {
		return fleet.Task{ARN: "arn:aws:ecs:us-east-1:111122223333:task/main/1", TaskDefinition: definition, LastStatus: status}
	}
	type look struct {
		target string
		after  time.Duration
		c      fleet.Cluster
	}
	alone := look{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web}}}
	for name, tt := range map[string]struct {
		looks []look
		want  string
	}{
		"nothing else":                 {[]look{alone}, ""},
		"another service":              {[]look{{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web, service("jobs", account+"web:3")}}}}, "service prod/main/jobs"},
		"another target's service":     {[]look{alone, {"batch", 0, fleet.Cluster{Name: "batch", Services: []fleet.Service{service("jobs", account+"web:3")}}}}, "service batch/batch/jobs"},
		"the same service twice":       {[]look{alone, {"all", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web}}}}, ""},
		"another account's family":     {[]look{alone, {"other", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{service("web", foreign+"web:3")}}}}, ""},
		"a family with a longer name":  {[]look{alone, {"batch", 0, fleet.Cluster{Name: "batch", Services: []fleet.Service{service("webhook", account+"webhook:3")}}}}, ""},
		"a task that runs":             {[]look{{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web}, Tasks: []fleet.Task{task(account+"web:7", fleet.StatusRunning)}}}}, "tasks in cluster main"},
		"a task that has just stopped": {[]look{{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web}, Tasks: []fleet.Task{task(account+"web:7", fleet.StatusStopped)}}}}, "tasks in cluster main"},
		"a partial look takes nothing away": {[]look{{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web, service("jobs", account+"web:3")}}},
			{"prod", time.Minute, fleet.Cluster{Name: "main"}}}, "service prod/main/jobs"},
		"a task of a daily schedule": {[]look{{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web}, Tasks: []fleet.Task{task(account+"web:7", fleet.StatusStopped)}}},
			{"prod", 23 * time.Hour, alone.c}}, "tasks in cluster main"},
		"a task of two days ago": {[]look{{"prod", 0, fleet.Cluster{Name: "main", Services: []fleet.Service{web}, Tasks: []fleet.Task{task(account+"web:7", fleet.StatusStopped)}}},
			{"prod", 48 * time.Hour, alone.c}}, ""},
	} {
		v := newView()
		for _, l := range tt.looks {
			l.c.Seen = fleet.Seen{At: noon.Add(l.after), Complete: len(l.c.Services) > 0}
			v.update(l.target, l.c)
		}
		got := strings.Join(v.familyUsers(key, web.TaskDefinition), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
