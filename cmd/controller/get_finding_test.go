package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

const djangoDefinition = "arn:aws:ecs:ap-northeast-1:111122223333:task-definition/django:41"

// incidentDefinition is the incident's task definition as a look reduces it.
func incidentDefinition() fleet.Definition {
	return fleet.Definition{ARN: djangoDefinition, Family: "django", Revision: 41, NetworkMode: "awsvpc", Containers: []fleet.ContainerDefinition{
		{Name: "django", Essential: true, Image: "111122223333.dkr.ecr.ap-northeast-1.amazonaws.com/django:2026-11-02.1", Env: []fleet.EnvVar{
			{Name: "OTEL_TRACES_SAMPLER", Value: "xray", Kept: true}, {Name: "OTEL_TRACES_SAMPLER_ARG", Value: "endpoint=http://localhost:2000", Kept: true},
			{Name: "DATABASE_HOST"}}},
		{Name: "cwagent", Essential: true, Image: "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300057.0b1161", LogDriver: "awslogs",
			LogOptions: map[string]string{"awslogs-group": "/ecs/ecs-cwagent", "awslogs-stream-prefix": "ecs"}},
	}}
}

// incidentTask is a task of the incident; with an exit code, one that the agent took down.
func incidentTask(n int, began, ended time.Time) fleet.Task {
	t := fleet.Task{ARN: fmt.Sprintf("arn:aws:ecs:ap-northeast-1:111122223333:task/prod/%032x", n), Group: "service:django", StartedBy: "ecs-svc/1",
		TaskDefinition: djangoDefinition, LastStatus: "RUNNING", DesiredStatus: "RUNNING", AvailabilityZone: []string{"ap-northeast-1a", "ap-northeast-1c"}[n%2],
		StartedAt: began, Containers: []fleet.Container{{Name: "django", LastStatus: "RUNNING"},
			{Name: "cwagent", Image: "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300057.0b1161", ImageDigest: "sha256:" + strings.Repeat("0123456789abcdef", 4), LastStatus: "RUNNING"}}}
	if ended.IsZero() {
		return t
	}
	two, term := 2, 143
	t.LastStatus, t.DesiredStatus, t.StopCode, t.StoppedReason = "STOPPED", "STOPPED", "EssentialContainerExited", "Essential container in task exited"
	t.StoppingAt, t.StoppedAt = ended, ended.Add(20*time.Second)
	t.Containers[0].ExitCode, t.Containers[1].ExitCode = &term, &two
	return t
}

var crashLog = []string{
	"I! [processors.awsapplicationsignals] metrics limiter rotated, 500 distinct metrics kept",
	"fatal error: concurrent map writes", "", "goroutine 1947 [running]:",
	"internal/runtime/maps.fatal({0x4fd2e41?, 0x0?})", "\t/usr/local/go/src/runtime/panic.go:1058 +0x18",
	"github.com/aws/amazon-cloudwatch-agent/plugins/processors/awsapplicationsignals/internal/cardinalitycontrol.(*topKMetrics).Push(0xc001d8c2a0)",
}

// incident plays two days of the incident through the decisions of a controller that looks every five minutes, and gives
// what it would show.
func incident(t *testing.T) *shownWorld {
	t.Helper()
	now := time.Now().Truncate(5 * time.Minute)
	began := now.Add(-48 * time.Hour)
	key := fleet.Key{Target: "prod", Cluster: "prod", Service: "django"}
	p, err := policiesOf(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	type life struct{ from, to time.Time }
	var lives []life
	for slot := range 4 {
		from := began.Add(-time.Duration(slot) * 90 * time.Minute)
		for n := 0; from.Before(now); n++ {
			to := from.Add(6*time.Hour + time.Duration((slot*17+n*23)%60)*time.Minute)
			lives = append(lives, life{from, to})
			from = to.Add(50 * time.Second)
		}
	}
	m := reconciler.Memory{Key: key, History: churn.History{Since: began}}
	o := fleet.Observation{Key: key, Definitions: map[string]fleet.Definition{djangoDefinition: incidentDefinition()}, Logs: map[fleet.LogRef]fleet.Tail{}}
	for at := began; !at.After(now); at = at.Add(5 * time.Minute) {
		o.Seen, o.Tasks = fleet.Seen{At: at, Complete: true}, nil
		for n, l := range lives {
			switch {
			case l.from.After(at) || l.to.Before(at.Add(-time.Hour)) || l.to.Before(began):
			case l.to.Add(20 * time.Second).After(at):
				o.Tasks = append(o.Tasks, incidentTask(n, l.from, time.Time{}))
			default:
				o.Tasks = append(o.Tasks, incidentTask(n, l.from, l.to))
			}
		}
		o.Service = fleet.Service{ARN: "arn:aws:ecs:ap-northeast-1:111122223333:service/prod/django", Name: "django", Status: "ACTIVE", Desired: 4, Running: 4, TaskDefinition: djangoDefinition,
			Deployments: []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", TaskDefinition: djangoDefinition, RolloutState: "COMPLETED", Desired: 4, Running: 4, CreatedAt: began.Add(-240 * time.Hour)}}}
		for range 2 { // the second pass has the logs that the first one wanted
			d := reconciler.Decide(o, m, p, at)
			m.History.Stops = append(slices.Clone(m.History.Stops), d.New...)
			for _, s := range d.Refined {
				m.History.Stops[slices.IndexFunc(m.History.Stops, func(was churn.Stop) bool { return was.TaskARN == s.TaskARN })] = s
			}
			m.History.Held, m.History.Short, m.Findings = d.Held, d.Short, d.Findings
			clear(o.Logs)
			for _, w := range d.Wants {
				o.Logs[w.Ref] = fleet.Tail{Lines: crashLog}
			}
		}
	}
	return &shownWorld{ready: true, findings: m.Findings, services: []reconciler.ServiceReport{{Observation: o, Findings: m.Findings, Reason: finding.SilentChurn, Message: "see findings", Stops: 14}}}
}

// The incident's finding says what, since when, how often, who, by which log line, of which version, under which setting,
// what to do in which order, and what that will not cure.
func TestIncidentReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour)
		w := incident(t)
		api := console.New(console.Options{Source: func() console.Source { return w }, Registry: prometheus.NewRegistry(), Log: zap.NewNop(),
			Tokens: []console.Token{{Role: "viewer", SHA256: sha256Of("x")}}})
		asked := func(path string) []byte {
			rec, req := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
			req.Header.Set("Authorization", "Bearer x")
			api.ServeHTTP(rec, req)
			if rec.Code != 200 {
				t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
			}
			return rec.Body.Bytes()
		}
		var pretty, text bytes.Buffer
		if err := json.Indent(&pretty, asked("/api/v1/findings?type=SidecarCrash"), "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, "incident-finding.json", pretty.String()+"\n")
		if err := describeService(&text, asked("/api/v1/services/django"), false); err != nil {
			t.Fatal(err)
		}
		_, findings, _ := strings.Cut(text.String(), "\nFindings:\n")
		golden(t, "incident-finding.txt", findings)
		for line := range strings.Lines(findings) {
			if n := len([]rune(line)) - 1; n > pageWidth && strings.Contains(strings.TrimSpace(line[pageHead:]), " ") {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		var causes bytes.Buffer
		var list struct{ Items []json.RawMessage }
		if err := json.Unmarshal(asked("/api/v1/causes"), &list); err != nil || len(list.Items) != 1 {
			t.Fatalf("two findings have one cause: %v %s", err, list.Items)
		}
		if err := tables["causes"](&causes, list.Items, false); err != nil || !strings.Contains(causes.String(), "go-concurrent-map-writes") {
			t.Errorf("%v\n%s", err, causes.String())
		}
		if strings.Contains(pretty.String(), "DATABASE_HOST") {
			t.Error("a variable that has nothing to do with it is shown")
		}
	})
}
