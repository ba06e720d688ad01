package account

import (
	"fmt"
	"testing"
	"time"
)

const insightsStory = `
name: insights
why: an agent is restarted inside its task
restartCount: %s
clusters:
  - name: prod
    containerInsights: %s
    services:
      - name: web
        desired: 1
        taskDefinition: {family: web, containers: [{name: web, environment: {LOOP: "on"}}, {name: agent, essential: false, restartPolicy: {enabled: true, restartAttemptPeriod: 60, ignoredExitCodes: [7]}}]}
        signals:
          - {service: web, environment: live, operation: "GET /", perMinute: 30}
          - {when: {LOOP: "on"}, service: web, environment: live, operation: InternalOperation, remoteService: db, remoteOperation: SELECT, perMinute: 600}
timeline:
  - {at: 5m30s, do: kill, service: web, container: agent, exit: 1, why: its first restart}
  - {at: 8m30s, do: kill, service: web, container: agent, exit: 1, why: its second one}
  - {at: 8m50s, do: kill, service: web, container: agent, exit: 7, why: too early and by a code that is ignored}
  - {at: 20m, do: deploy, service: web, set: {web: {LOOP: "off"}}, why: the loop is mended}
`

var insightsStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func insightsWorld(t *testing.T, count, insights string) *Account {
	t.Helper()
	s, err := ParseScenario(fmt.Appendf(nil, insightsStory, count, insights), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(s, insightsStart)
	if err != nil {
		t.Fatal(err)
	}
	a.Advance(insightsStart.Add(15*time.Minute + time.Second))
	return a
}

// The container is restarted inside its task, and only Container Insights shows it, each minute, in the sets of dimensions of the setting.
func TestRestartCountIsPublished(t *testing.T) {
	for name, tc := range map[string]struct {
		count, insights string
		at7, at9        float64 // in the minutes 12:07 and 12:08, of the task's container
		task, service   bool
	}{
		"a total":        {"total", "enhanced", 1, 2, true, true},
		"of its minute":  {"delta", "enhanced", 0, 1, true, true},
		"by the service": {"delta", "enabled", 0, 1, false, true},
		"off":            {"delta", "disabled", 0, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := insightsWorld(t, tc.count, tc.insights)
			if n := len(a.Restarts()); n != 2 || len(a.Stops()) != 0 {
				t.Fatalf("%d restarts, %d stops", n, len(a.Stops()))
			}
			var id string
			for _, task := range a.clusters[0].tasks {
				if id = task.id; task.last != "RUNNING" || task.version != 4 { // the end by code 7 shows, the restarts do not
					t.Errorf("task %s, version %d", task.last, task.version)
				}
			}
			service := map[string]string{"ClusterName": "prod", "ServiceName": "web"}
			ofTask := map[string]string{"ClusterName": "prod", "ServiceName": "web", "TaskId": id, "ContainerName": "agent"}
			for _, set := range []struct {
				dims map[string]string
				want bool
			}{{service, tc.service}, {ofTask, tc.task}} {
				points := a.CloudWatch().Data(insightsNamespace, "RestartCount", set.dims)
				if (len(points) > 0) != set.want {
					t.Fatalf("%v: %d points", set.dims, len(points))
				}
				for _, p := range points {
					if want, ok := map[int]float64{7: tc.at7, 8: tc.at9}[p.At.Minute()]; ok && p.Maximum != want {
						t.Errorf("%v at %s: %v, want %v", set.dims, p.At, p.Maximum, want)
					}
				}
			}
		})
	}
}

func TestSignalsFollowTheEnvironment(t *testing.T) {
	a := insightsWorld(t, "delta", "disabled")
	requests := func(at time.Duration, dims ...string) float64 {
		m := map[string]string{"Environment": "live", "Service": "web"}
		for i := 0; i < len(dims); i += 2 {
			m[dims[i]] = dims[i+1]
		}
		for _, p := range a.CloudWatch().Data(signalsNamespace, "Latency", m) {
			if p.At.Equal(insightsStart.Add(at)) {
				return p.SampleCount
			}
		}
		return 0
	}
	a.Advance(insightsStart.Add(40 * time.Minute))
	for at, want := range map[time.Duration][3]float64{5 * time.Minute: {600, 630, 600}, 35 * time.Minute: {0, 30, 0}} {
		got := [3]float64{requests(at, "Operation", "InternalOperation"), requests(at), requests(at, "Operation", "InternalOperation", "RemoteService", "db", "RemoteOperation", "SELECT")}
		if got != want {
			t.Errorf("after %s: %v, want %v", at, got, want)
		}
	}
}

func TestScenariosOfMetricsAreValidated(t *testing.T) {
	for _, bad := range []string{fmt.Sprintf(insightsStory, "sum", "enhanced"), fmt.Sprintf(insightsStory, "total", "very"),
		"name: x\nwhy: y\nclusters: [{name: c, services: [{name: s, taskDefinition: {family: f, containers: [{name: a}]}, signals: [{service: s}]}]}]\n"} {
		if _, err := ParseScenario([]byte(bad), nil); err == nil {
			t.Errorf("accepted:\n%s", bad)
		}
	}
}
