package account_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"taskwarden/test/account"
)

func id(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// stopAll stops the tasks of prod/web as an operator would.
func stopAll(t *testing.T, a *account.Account, c clients) {
	t.Helper()
	for _, task := range c.tasks(t.Context(), t, "prod", "web", "RUNNING").Tasks {
		if _, err := c.ecs.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: aws.String("prod"), Task: task.TaskArn}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestParseSpan(t *testing.T) {
	good := map[string]account.Span{
		"30s":        account.Exactly(30 * time.Second),
		"6h..7h":     account.Between(6*time.Hour, 7*time.Hour),
		"1.5d":       account.Exactly(36 * time.Hour),
		"-2d .. -1d": account.Between(-48*time.Hour, -24*time.Hour),
	}
	for text, want := range good {
		if got, err := account.ParseSpan(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "7h..6h", "soon", "1h..", "NaNd", "1e99d"} {
		if got, err := account.ParseSpan(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, text := range []string{"30s", "6h..7h", "-2d", "1e9d", "..", "1d..1d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := account.ParseSpan(text)
		if err != nil {
			return
		}
		if s.Max < s.Min {
			t.Fatalf("%q gives %v", text, s)
		}
		again, err := account.ParseSpan(s.String())
		if err != nil || again != s {
			t.Fatalf("%q gives %v, and that text %v, %v", text, s, again, err)
		}
	})
}

func FuzzParseScenario(f *testing.F) {
	f.Add("name: x\nclusters: [{name: a, services: [{name: b, desired: 1, taskDefinition: {family: f, containers: [{name: c}]}}]}]")
	f.Add("name: ${x:-1}\ntimeline: [{at: 1s, do: deploy, service: b}]")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "desired") > 3 || len(text) > 2000 {
			return
		}
		s, err := account.ParseScenario([]byte(text), nil)
		if err != nil {
			return
		}
		for _, c := range s.Clusters {
			for _, v := range c.Services {
				if v.Desired > 100 {
					return
				}
			}
		}
		s.History, s.Timing = account.Span{}, account.Timing{}
		if _, err := account.New(s, time.Unix(1e9, 0)); err != nil && !strings.Contains(err.Error(), "Exception") {
			t.Fatalf("a scenario that was read does not open: %v", err)
		}
	})
}

const oneYAML = `name: one
clusters:
  - name: prod
    services:
      - name: web
        desired: ${n:-2}
        taskDefinition: {family: web, containers: [{name: web, environment: {A: "1"}}]}
        models: {web: {cases: [{lifetime: "${life:-1h}", exit: 3, log: "one\ntwo\n"}]}}
`

func TestVariables(t *testing.T) {
	s, err := account.ParseScenario([]byte(oneYAML), map[string]string{"n": "5", "life": "1s..2s"})
	if err != nil {
		t.Fatal(err)
	}
	v := s.Clusters[0].Services[0]
	life := v.Models["web"].Cases[0]
	if v.Desired != 5 || life.Lifetime != account.Between(time.Second, 2*time.Second) || len(life.Log) != 2 {
		t.Errorf("%+v", v)
	}
}

// TestBadScenarios: each mistake gives an error that names it.
func TestBadScenarios(t *testing.T) {
	replace := func(old, by string) string { return strings.Replace(oneYAML, old, by, 1) }
	timeline := func(step string) string { return oneYAML + "timeline: [{at: 1s, why: x, " + step + "}]\n" }
	tests := map[string]struct{ text, want string }{
		"unknown field":     {replace("desired:", "desird:"), "desird"},
		"missing variable":  {replace("${n:-2}", "${n}"), "n"},
		"model of nobody":   {replace("models: {web:", "models: {wbe:"), "models.wbe: no such container"},
		"unknown death":     {replace("exit: 3", "death: boredom"), `death "boredom"`},
		"no containers":     {replace(`[{name: web, environment: {A: "1"}}]`, "[]"), "containers is empty"},
		"bad span":          {replace("${life:-1h}", "7h..6h"), "7h..6h"},
		"unknown action":    {timeline("do: explode, service: web"), "unknown action"},
		"unknown service":   {timeline("do: deploy, service: wbe"), `service "wbe" matches 0`},
		"kill of nothing":   {timeline("do: kill, service: web"), "container is missing"},
		"kill of nobody":    {timeline("do: kill, service: web, container: wbe"), `container "wbe": service web has web`},
		"deploy to nobody":  {timeline("do: deploy, service: web, set: {wbe: {A: b}}"), `container "wbe"`},
		"deny of nothing":   {timeline("do: deny"), "actions is empty"},
		"before the world":  {strings.Replace(timeline("do: deploy, service: web"), "at: 1s", "at: -1h", 1), "before the history"},
		"restless":          {timeline("do: deploy, service: web, every: 1ms"), "a second is the least"},
		"two of one name":   {oneYAML + "  - {name: prod, services: []}\n", "there twice"},
		"no circuitBreaker": {replace("desired:", "circuitBreaker: maybe\n        desired:"), "off, stop or rollback"},
	}
	for name, test := range tests {
		if _, err := account.ParseScenario([]byte(test.text), nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := account.ParseScenario([]byte(oneYAML), map[string]string{"m": "1"}); err == nil || !strings.Contains(err.Error(), `no variable "m": the scenario has life, n`) {
		t.Errorf("unknown override: %v", err)
	}
}

// TestHistory: a world with a past has deaths, events and logs to be found at its start, and its timeline may lie there.
func TestHistory(t *testing.T) {
	s := load(t, "incident.yaml", map[string]string{"history": "3d"})
	s.Timeline = []account.Step{{At: account.Exactly(-36 * time.Hour), Do: account.DoDeploy, Service: "orders", Image: map[string]string{"orders": "orders:42"}}}
	start := time.Unix(1.8e9, 0)
	a, err := account.New(s, start)
	if err != nil {
		t.Fatal(err)
	}
	unplanned, planned := 0, 0
	for _, stop := range a.Stops() {
		if stop.At.After(start) || stop.At.Before(start.Add(-72*time.Hour)) {
			t.Errorf("a stop outside the history: %v", stop.At)
		}
		if stop.Planned {
			planned++
		} else {
			unplanned++
		}
	}
	if unplanned < 30 || planned != 3 {
		t.Errorf("%d unplanned and %d planned stops in three days", unplanned, planned)
	}
}
