package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

func scenario(t *testing.T, name string, overrides map[string]string) account.Scenario {
	t.Helper()
	s, err := account.LoadScenario("scenarios/"+name+".yaml", overrides)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// found is the service's finding of a type, open or closed.
func found(c running, service, typ string) (finding.Finding, bool) {
	for _, f := range c.Findings() {
		if f.Key.Service == service && f.Type == typ {
			return f, true
		}
	}
	return finding.Finding{}, false
}

// restartsOf counts the truth by service and container.
func restartsOf(a *account.Account, since time.Time) map[[2]string]float64 {
	out := map[[2]string]float64{}
	for _, r := range a.Restarts() {
		if !r.At.Before(since) {
			out[[2]string{r.Service, r.Container}]++
		}
	}
	return out
}

// Each restart is counted once, whatever RestartCount turns out to mean, across deployments, scale-in and restarts of the
// controller, and the finding opens with the first one and clears when the restarts have ended.
func TestRestartsAreCountedOnce(t *testing.T) {
	t.Parallel()
	for _, means := range []string{"total", "delta"} {
		t.Run(means, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				start := time.Now()
				w := newWorld(t, scenario(t, "restarts", map[string]string{"restartCount": means}))
				c := w.run(nil)
				time.Sleep(4 * time.Hour)
				if got := open(c.Controller); !slices.Equal(got["checkout"], []string{"SidecarRestarting/cwagent"}) || len(got) != 1 {
					t.Errorf("open after four hours: %v", got)
				}
				if got := w.alarmsIn(cwtypes.StateValueAlarm); !slices.Equal(got, []string{"taskwarden/taskwarden/prod/sidecar-restart"}) {
					t.Errorf("in ALARM: %v", got)
				}
				for range 3 {
					time.Sleep(50 * time.Minute)
					c.stop()
					time.Sleep(25 * time.Minute)
					c = w.run(nil)
				}
				defer func() { c.stop() }()
				time.Sleep(11 * time.Hour)
				compareRestarts(t, w, start)
				if got := w.maxima(start, "SidecarRestarting", "ClusterName", "prod", "ContainerName", "fluent-bit", "ServiceName", "billing"); got == 0 {
					t.Error("the storm of restarts has no gauge")
				}
				time.Sleep(18 * time.Hour)
				if got := open(c.Controller); len(got) != 0 {
					t.Errorf("open a day after the last restart: %v", got)
				}
				if f, ok := found(c, "checkout", finding.SidecarRestarting); !ok || f.Status != finding.False {
					t.Errorf("%+v", f)
				}
				compareRestarts(t, w, start)
			})
		})
	}
}

func compareRestarts(t *testing.T, w *world, start time.Time) {
	t.Helper()
	truth := restartsOf(w.account, start)
	if truth[[2]string{"checkout", "cwagent"}] < 12 || truth[[2]string{"billing", "fluent-bit"}] != 6 {
		t.Fatalf("the story went wrong: %v", truth)
	}
	for k, n := range truth {
		if got := w.maxima(start, "SidecarRestarts", "ClusterName", "prod", "ContainerName", k[1], "ServiceName", k[0]); got != n {
			t.Errorf("%v: SidecarRestarts says %v, %v happened", k, got, n)
		}
	}
	if got := w.maxima(start, "SidecarRestarts", "ClusterName", "prod", "ContainerName", "fluent-bit", "ServiceName", "quiet"); got != 0 {
		t.Errorf("quiet restarted %v times", got)
	}
}

// Where nobody can see restarts the service says so, with what to enable, and is never said to be free of them.
func TestRestartsThatNobodySees(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, scenario(t, "restarts-invisible", nil))
		c := w.run(nil)
		defer c.stop()
		time.Sleep(3 * time.Hour)
		for service, must := range map[string][]string{
			"checkout": {"cwagent", "disabled", "update-cluster-settings --cluster dark", "enabled counts", "start line"},
			"billing":  {"fluent-bit", "by service alone", "update-cluster-settings --cluster dim", "$0.07", "highest RestartCount"},
		} {
			f, ok := found(c, service, finding.Unobservable)
			text := f.Message + strings.Join(f.Evidence, " ")
			for _, m := range must {
				if !ok || f.Status != finding.True || f.Severity != finding.Info || !strings.Contains(text, m) {
					t.Errorf("%s: %q is not in %+v", service, m, f)
				}
			}
			if _, ok := found(c, service, finding.SidecarRestarting); ok {
				t.Errorf("%s: restarts are made up", service)
			}
		}
		if n := len(restartsOf(w.account, time.Time{})); n != 2 {
			t.Errorf("the story went wrong: %v", restartsOf(w.account, time.Time{}))
		}
		if n := called(w.account, "DescribeClusters"); n > 4 {
			t.Errorf("%d calls of DescribeClusters in three hours", n)
		}
	})
}

// A flood opens a finding that names its volume, share, and what it calls, and closes when it is over; other work of a
// service's own, and a consumer, are none.
func TestAFloodIsSeenAndItsLookalikesAreNot(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, scenario(t, "flood", nil))
		c := w.run(nil)
		defer c.stop()
		time.Sleep(time.Hour)
		if got := open(c.Controller); len(got) > 1 || len(got) == 1 && !slices.Equal(got["misnamed"], []string{"Unobservable/SignalsUnseen"}) {
			t.Errorf("open before the flood: %v", got)
		}
		time.Sleep(2 * time.Hour)
		f, _ := found(c, "cart", finding.TelemetryFlood)
		for _, must := range []string{"1812 requests a minute", "96 %", "payments GET /health", "AWS::DynamoDB GetItem", "ecs:prod"} {
			if f.Status != finding.True || f.Severity != finding.Warning || !strings.Contains(f.Message, must) {
				t.Errorf("%q is not in %+v", must, f)
			}
		}
		if text := strings.Join(f.Evidence, " "); !strings.Contains(text, "not these metrics") || !strings.Contains(text, "unsampled") {
			t.Errorf("what sampling cannot do is not said: %s", text)
		}
		if got := w.alarmsIn(cwtypes.StateValueAlarm); !slices.Equal(got, []string{"taskwarden/taskwarden/prod/telemetry-flood"}) {
			t.Errorf("in ALARM: %v", got)
		}
		if got := open(c.Controller); len(got) != 2 || !slices.Equal(got["misnamed"], []string{"Unobservable/SignalsUnseen"}) {
			t.Errorf("open amid the flood: %v", got)
		}
		time.Sleep(3 * time.Hour)
		if f, _ := found(c, "cart", finding.TelemetryFlood); f.Status != finding.False {
			t.Errorf("two hours after the loop was mended: %+v", f)
		}
	})
}

// With the metrics' reads denied the action is named, an open flood is unknown and not over, and all else goes on.
func TestDeniedMetricReadsConcludeNothing(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "ecs:DescribeClusters"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				s := incident(t, nil)
				s.Clusters = append(s.Clusters, scenario(t, "restarts", map[string]string{"lifetime": "40m..50m"}).Clusters...)
				s.Clusters[1].Name = "second"
				w := newWorld(t, s)
				w.account.Deny(action)
				c := w.run(nil)
				time.Sleep(3 * time.Hour)
				named := false
				for _, f := range c.Findings() {
					named = named || f.Key.Service == "" && f.Type == finding.Unobservable && f.Open() && strings.Contains(f.Message, action)
					if action == "cloudwatch:GetMetricData" && (f.Type == finding.TelemetryFlood || f.Type == finding.SidecarRestarting) {
						t.Errorf("concluded without data: %+v", f)
					}
				}
				if !named {
					t.Errorf("nobody names the action: %+v", c.Findings())
				}
				w.account.Allow(action)
				time.Sleep(2 * time.Hour)
				if got := open(c.Controller); len(got[""]) != 0 || !slices.Equal(got["django"], []string{"SidecarCrash/cwagent", "TelemetryFlood/"}) || !slices.Equal(got["checkout"], []string{"SidecarRestarting/cwagent"}) {
					t.Errorf("after it is allowed: %v", got)
				}
				w.account.Deny(action)
				c.stop()
				c = w.run(nil)
				defer func() { c.stop() }()
				time.Sleep(5 * time.Hour)
				if f, _ := found(c, "django", finding.TelemetryFlood); action != "ecs:DescribeClusters" && f.Status != finding.Unknown {
					t.Errorf("denied after a restart: %+v", f)
				}
				if len(c.Stops(fleet.Key{Target: "prod", Cluster: "prod", Service: "django"})) == 0 {
					t.Error("nothing else is seen any more")
				}
			})
		})
	}
}
