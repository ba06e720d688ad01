package console

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

var update = flag.Bool("update", false, "write the golden files")

// The real controller is a source.
var _ Source = (*reconciler.Controller)(nil)

// fake is a source of values.
type fake struct {
	findings []finding.Finding
	services []reconciler.ServiceReport
	stops    []reconciler.Recorded
	alarms   []reconciler.AlarmReport
	targets  []reconciler.TargetReport
	panics   bool
	operated
}

func (f *fake) Findings() []finding.Finding {
	if f.panics {
		panic("boom")
	}
	return f.findings
}
func (f *fake) Services() []reconciler.ServiceReport {
	out := slices.Clone(f.services)
	for i := range out {
		out[i].Tasks = nil
	}
	return out
}
func (f *fake) Service(key fleet.Key) (reconciler.ServiceReport, bool) {
	for _, s := range f.services {
		if s.Key == key {
			return s, true
		}
	}
	return reconciler.ServiceReport{}, false
}
func (f *fake) Alarms() []reconciler.AlarmReport   { return f.alarms }
func (f *fake) Targets() []reconciler.TargetReport { return f.targets }

func (f *fake) HearingOf(x finding.Finding) reconciler.Hearing {
	switch {
	case x.Type == finding.SilentChurn && x.Open():
		return reconciler.Hearing{Why: "no alarm watches for it"}
	case x.Type == finding.SidecarCrash:
		return reconciler.Hearing{Alarms: []string{"taskwarden/tw/prod/sidecar-crash"}}
	}
	return reconciler.Hearing{}
}
func (f *fake) CoverOf(k fleet.Key) []alarm.Cover {
	if k != web {
		return nil
	}
	return []alarm.Cover{{Failure: alarm.ChurnFailure, Tells: alarm.No, Why: "no alarm watches for it", Missing: true},
		{Failure: alarm.NoTask, Tells: alarm.Yes, Alarm: "running", Why: "it watches RunningTaskCount"}}
}

// Stops is as the book's: newest first, within the scope.
func (f *fake) Stops(scope fleet.Key) []reconciler.Recorded {
	var out []reconciler.Recorded
	for _, s := range f.stops {
		if names(scope, s.Key) {
			out = append(out, s)
		}
	}
	return out
}

var (
	web   = fleet.Key{Target: "prod", Cluster: "main", Service: "web"}
	api2  = fleet.Key{Target: "prod", Cluster: "main", Service: "api"}
	other = fleet.Key{Target: "test", Cluster: "main", Service: "web"}
	gone  = fleet.Key{Target: "prod", Cluster: "main", Service: "gone"}
	at    = time.Date(2026, 11, 22, 12, 0, 0, 0, time.FixedZone("JST", 9*3600))
)

func ptr[T any](v T) *T { return &v }

func arn(k fleet.Key) string {
	region := "eu-west-1"
	if k.Target == "test" {
		region = "us-east-1"
	}
	return "arn:aws:ecs:" + region + ":1111:service/" + k.Cluster + "/" + k.Service
}

func report(k fleet.Key, complete bool) reconciler.ServiceReport {
	return reconciler.ServiceReport{
		Observation: fleet.Observation{Key: k, Seen: fleet.Seen{At: at, Complete: complete}, Service: fleet.Service{
			ARN: arn(k), Name: k.Service, Status: "ACTIVE", Desired: 2, Running: 1, Pending: 1, TaskDefinition: "arn:aws:ecs:eu-west-1:1111:task-definition/web:7",
			Deployments: []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", RolloutState: fleet.RolloutInProgress, Desired: 2, Running: 1, Pending: 1, Failed: 3, CreatedAt: at,
				TaskDefinition: "arn:aws:ecs:eu-west-1:1111:task-definition/web:7"}},
		}, Tasks: []fleet.Task{
			{ARN: "arn:aws:ecs:eu-west-1:1111:task/main/t1", LastStatus: "RUNNING", Health: "HEALTHY", StartedAt: at, TaskDefinition: "web:7",
				Containers: []fleet.Container{{Name: "cwagent", Image: "cw:1", LastStatus: "STOPPED", Health: "UNKNOWN", ExitCode: ptr(2), Reason: "died"}}},
			{ARN: "arn:aws:ecs:eu-west-1:1111:task/main/t0", LastStatus: "STOPPED"},
		}},
		Reason: "SilentChurn", Message: "3 unplanned stops", Stops: 3,
		Findings: []finding.Finding{
			{Type: "SidecarCrash", Subject: "a", Status: finding.True}, {Type: "SidecarCrash", Subject: "b", Status: finding.True},
			{Type: "SilentChurn", Status: finding.Unknown}},
	}
}

// detail has every field set.
var detail = finding.Detail{
	Cause: &finding.Cause{Container: "cwagent", Sidecar: true, Agent: "CloudWatch agent", StopCause: "essential_container_exited", ExitCode: ptr(2),
		Signature: "go-concurrent-map-writes", Line: "fatal error: concurrent map writes", Tail: []string{"fatal error: concurrent map writes"}, LogGroup: "/ecs", LogStream: "ecs/cwagent/t3",
		Image: "cw:1.300057.0", ImageDigest: "sha256:ab", Version: "1.300057.0", TaskDefinition: "arn:aws:ecs:eu-west-1:1111:task-definition/web:7", Explains: 3, Of: 3,
		Defects:  []finding.Defect{{Crash: "concurrent map writes", Ref: "PR #1758", FixedIn: "1.300059.0", Match: "signature"}},
		Settings: []finding.Setting{{Container: "app", Rule: "sampler-xray", Env: []string{"OTEL_TRACES_SAMPLER=xray"}, Message: "asks the agent"}}, Unseen: []string{"nothing"}},
	Cures: []finding.Cure{{Kind: finding.SamplerSettings, Container: "app", Text: "set them", Set: map[string]string{"OTEL_TRACES_SAMPLER_ARG": "0.01"}, NotCured: "the rest"}},
	Rate:  &finding.Rate{PerTaskDay: 3.5, Low: 2, High: 6, Deaths: 14, TaskDays: 4, From: at}, Lifetimes: &finding.Lifetimes{P10: 1, P50: 2, P90: 3, P95: 4, Deaths: 3, Alive: 1},
	Traits: []finding.Trait{{Name: "zone", Value: "a", Deaths: 12}, {Name: "zone", Value: "b", Alive: 10}}, Last: at, ClearsAt: at.Add(time.Hour),
}

// world has at least one item of each kind with every field set, and one with as little as there can be.
func world() *fake {
	return &fake{
		services: []reconciler.ServiceReport{report(api2, false), report(web, true), report(other, true)},
		findings: []finding.Finding{
			{Key: fleet.Key{Target: "prod"}, Type: finding.Unobservable, Subject: "TargetBlind", Status: finding.True, Severity: finding.Critical, Reason: "TargetBlind", Message: "blind", FirstSeen: at, LastSeen: at, Count: 1},
			{Key: gone, Type: finding.SilentChurn, Status: finding.False, Severity: finding.Warning, Reason: "Rate", Message: "was", FirstSeen: at, LastSeen: at, ClosedAt: at.Add(time.Hour), Count: 4},
			{Key: web, Type: finding.SidecarCrash, Subject: "cwagent", Status: finding.True, Severity: finding.Warning, Reason: "GoConcurrentMapWrites", Message: "it <crashed>", Evidence: []string{"one", "two"}, FirstSeen: at, LastSeen: at.Add(time.Minute), Count: 3, Detail: detail},
			{Key: web, Type: finding.SilentChurn, Status: finding.Unknown, Severity: finding.Warning, Reason: "Rate", Message: "churns", Count: 3},
		},
		stops: []reconciler.Recorded{
			{Key: web, Stop: churn.Stop{TaskARN: "arn:aws:ecs:eu-west-1:1111:task/main/t3", TaskDefinition: "arn:aws:ecs:eu-west-1:1111:task-definition/web:7", Deployment: "ecs-svc/1", StartedAt: at.Add(-6 * time.Hour), StoppedAt: at,
				Lifetime: 6*time.Hour + 500*time.Millisecond, Image: "cw:1", ImageDigest: "sha256:ab", Tail: []string{"fatal error: concurrent map writes"}, Verdict: churn.Verdict{
					Cause: churn.EssentialContainerExited, Culprit: &churn.Culprit{Container: "cwagent", ExitCode: ptr(2)}, Sidecar: true, Confidence: churn.High,
					Signatures: []churn.Signature{{Container: "cwagent", Name: "go-concurrent-map-writes", Fatal: true, Line: "fatal error: concurrent map writes"}}, Evidence: []string{"rule"}}}},
			{Key: gone, Stop: churn.Stop{TaskARN: "arn:aws:ecs:eu-west-1:1111:task/main/t2", StoppedAt: at.Add(-time.Hour), Verdict: churn.Verdict{Planned: true, Cause: churn.ScaleIn, Confidence: churn.High}}},
			{Key: web, Stop: churn.Stop{TaskARN: "arn:aws:ecs:eu-west-1:1111:task/main/t1", StoppedAt: at.Add(-2 * time.Hour), Verdict: churn.Verdict{Cause: "brand_new", Culprit: &churn.Culprit{Container: "app"}, Confidence: churn.Low}}},
		},
		alarms: []reconciler.AlarmReport{
			{Row: alarm.Row{Name: "taskwarden/tw/controller-heartbeat", Kind: alarm.Heartbeat, Status: alarm.Missing, Owned: true, Reason: "no alarm of this name"}},
			{Target: "prod", Row: alarm.Row{Name: "taskwarden/tw/prod/silent-churn", Kind: alarm.SilentChurn, Status: alarm.Present, Owned: true, State: "OK", Reason: "as wanted"}},
			{Target: "prod", Row: alarm.Row{Name: "cpu", Cluster: "main", Service: "api", Status: alarm.Blind, State: "OK", Reason: "it has no alarm action"}},
		},
		targets: []reconciler.TargetReport{
			{Target: "test", Resync: 5 * time.Minute, Troubles: []string{"TargetUnreadable: allow the IAM action ecs:ListClusters"}},
			{Target: "prod", Ready: true, Complete: true, LastSweep: at, LastComplete: at, Resync: 90 * time.Second, Took: 1500 * time.Millisecond, Calls: 12, Clusters: 1, Services: 2, Tasks: 3, Waiting: 4, Coverage: []alarm.Summary{{Failure: alarm.ChurnFailure, Services: 3, Covered: 1, Missing: 1, Unsure: 1}},
				Unheard: []string{"prod/main/web SilentChurn: no alarm watches for it"}, Cost: &alarm.Cost{Low: 1, High: 2, Items: []alarm.Price{{What: "a copy", High: 3, Extra: true}}, Assumes: []string{"list prices"}}},
		},
		operated: remediated(),
	}
}

// serve serves a source on a loopback address.
func serve(t *testing.T, src Source, tokens ...Token) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler(t, src, tokens...))
	t.Cleanup(s.Close)
	return s
}

func handler(t *testing.T, src Source, tokens ...Token) http.Handler {
	t.Helper()
	r := prometheus.NewRegistry()
	up := prometheus.NewGauge(prometheus.GaugeOpts{Name: "taskwarden_up"})
	r.MustRegister(up)
	return New(Options{Source: func() Source { return src }, Tokens: tokens, Registry: r, Log: zap.NewNop(), Version: "v1.2.3"})
}

// ask gets a path and returns the status, the headers and the body.
func ask(t *testing.T, s *httptest.Server, path string) (int, http.Header, string) {
	t.Helper()
	resp, err := http.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func indented(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, text)
	}
	out, _ := json.MarshalIndent(v, "", "  ")
	return string(out) + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
