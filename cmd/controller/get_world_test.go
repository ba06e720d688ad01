package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// shownWorld is a controller's state as the API shows it.
type shownWorld struct {
	mu       sync.Mutex
	findings []finding.Finding
	services []reconciler.ServiceReport
	stops    []reconciler.Recorded
	ready    bool
	operated
}

func (f *shownWorld) Findings() []finding.Finding {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.findings
}
func (f *shownWorld) Services() []reconciler.ServiceReport { return f.services }
func (f *shownWorld) Service(key fleet.Key) (reconciler.ServiceReport, bool) {
	for _, s := range f.services {
		if s.Key == key {
			return s, true
		}
	}
	return reconciler.ServiceReport{}, false
}
func (f *shownWorld) Stops(scope fleet.Key) []reconciler.Recorded {
	var out []reconciler.Recorded
	for _, s := range f.stops {
		if scope.Service == "" || scope.Service == s.Key.Service {
			out = append(out, s)
		}
	}
	return out
}
func (f *shownWorld) Alarms() []reconciler.AlarmReport {
	return []reconciler.AlarmReport{{Target: "prod", Row: alarm.Row{Name: "taskwarden/tw/prod/silent-churn", Kind: alarm.SilentChurn, Status: alarm.Missing, Owned: true, Reason: "no alarm of this name"}}}
}
func (f *shownWorld) HearingOf(x finding.Finding) reconciler.Hearing {
	return reconciler.Hearing{Why: "no alarm watches for it"}
}
func (f *shownWorld) CoverOf(fleet.Key) []alarm.Cover {
	return []alarm.Cover{{Failure: alarm.ChurnFailure, Tells: alarm.No, Alarm: "mute", Why: "it has no alarm action"}}
}
func (f *shownWorld) Targets() []reconciler.TargetReport {
	return []reconciler.TargetReport{{Target: "prod", Ready: f.ready, Complete: f.ready, LastComplete: time.Now().Add(-90 * time.Second), Resync: 5 * time.Minute,
		Clusters: 1, Services: 2, Tasks: 3, Troubles: []string{"TargetUnreadable: allow the IAM action ecs:ListClusters"},
		Coverage: []alarm.Summary{{Failure: alarm.ChurnFailure, Services: 2, Covered: 1, Missing: 1}}, Unheard: []string{"prod/main/web SidecarCrash: no alarm watches for it"},
		Cost: &alarm.Cost{Low: 2.5, High: 4, Items: []alarm.Price{{What: "a second copy", High: 30, Extra: true}}}}}
}

func newShownWorld() *shownWorld {
	web := fleet.Key{Target: "prod", Cluster: "main", Service: "web"}
	code, now := 2, time.Now()
	crash := finding.Finding{Key: web, Type: finding.SidecarCrash, Subject: "cwagent", Status: finding.True, Severity: finding.Warning, Reason: "GoConcurrentMapWrites",
		Message: "cwagent crashed\x1b[2J", Evidence: []string{"3 stops"}, FirstSeen: now.Add(-3*time.Hour - 12*time.Minute), LastSeen: now, Count: 3}
	closed := finding.Finding{Key: web, Type: finding.SilentChurn, Status: finding.False, Severity: finding.Critical, Reason: "Rate", Message: "over", ClosedAt: now}
	f := &shownWorld{ready: true, operated: remediated(), findings: []finding.Finding{crash, closed}}
	for _, name := range []string{"api", "web"} {
		f.services = append(f.services, reconciler.ServiceReport{Observation: fleet.Observation{Key: fleet.Key{Target: "prod", Cluster: "main", Service: name},
			Seen: fleet.Seen{At: now, Complete: true}, Service: fleet.Service{ARN: "arn:aws:ecs:eu-west-1:1:service/main/" + name, Desired: 2, Running: 2}}, Reason: "Quiet", Message: "fine"})
	}
	for i := range 5 {
		f.stops = append(f.stops, reconciler.Recorded{Key: web, Stop: churn.Stop{TaskARN: fmt.Sprintf("arn:aws:ecs:eu-west-1:1:task/main/t%d", i), StoppedAt: now.Add(-time.Duration(i) * time.Hour),
			Lifetime: 6*time.Hour + 3*time.Minute, Verdict: churn.Verdict{Planned: i == 4, Cause: churn.EssentialContainerExited, Confidence: churn.High, Culprit: &churn.Culprit{Container: "cwagent", ExitCode: &code},
				Signatures: []churn.Signature{{Container: "cwagent", Name: "go-concurrent-map-writes", Fatal: true, Line: "x"}}}}})
	}
	return f
}

// running serves a world and returns the environment that leads to it.
func running(t *testing.T, f *shownWorld, tokens ...console.Token) map[string]string {
	t.Helper()
	s := httptest.NewServer(console.New(console.Options{Source: func() console.Source { return f }, Tokens: tokens,
		Registry: prometheus.NewRegistry(), Log: zap.NewNop()}))
	t.Cleanup(s.Close)
	return map[string]string{serverEnv: s.URL}
}

// reading runs get, describe or health in process.
func reading(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	return readingUntil(t.Context(), env, new(bytes.Buffer), args...)
}

func readingUntil(ctx context.Context, env map[string]string, out interface {
	Write([]byte) (int, error)
	String() string
}, args ...string) result {
	var errOut bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: out, stderr: &errOut, env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	root := &cobra.Command{Use: "taskwarden", SilenceErrors: true, SilenceUsage: true, PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFlags() }}
	a.addFlags(root)
	root.AddCommand(newGetCmd(a), newDescribeCmd(a), newHealthCmd(a), newApproveCmd(a), newRejectCmd(a), newRollbackCmd(a), newResetCmd(a), newPauseCmd(a), newResumeCmd(a), newExportCmd(a))
	markVerbs(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		err = usageUnlessVerb(err)
		printError(&errOut, err, cmd.CommandPath())
	}
	return result{exitCode(err), out.String(), errOut.String()}
}

func sha256Of(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
