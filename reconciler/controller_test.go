package reconciler

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// account stands in for a target where a real one would not do what the test needs: panic, hang, lie.
type account struct {
	sweep func(context.Context, func(fleet.Cluster)) fleet.Sweep
	put   func([]alarm.Datum) error
	def   func(arn string) fleet.Definition
	tail  func(fleet.LogRef) fleet.Tail

	alarms func() // called when alarms are listed
}

func (a account) Sweep(ctx context.Context, visit func(fleet.Cluster)) fleet.Sweep {
	return a.sweep(ctx, visit)
}
func (a account) Definition(_ context.Context, arn string) (fleet.Definition, error) {
	if a.def == nil {
		return fleet.Definition{}, fleet.ErrNotFound
	}
	return a.def(arn), nil
}
func (a account) Tail(_ context.Context, ref fleet.LogRef, _, _ time.Time, _ int) (fleet.Tail, error) {
	if a.tail == nil {
		return fleet.Tail{}, nil
	}
	return a.tail(ref), nil
}
func (a account) Insights(context.Context, []string) (map[string]string, error) { return nil, nil }
func (a account) Metrics(context.Context, fleet.Metric) ([]fleet.Metric, error) { return nil, nil }
func (a account) Series(context.Context, []fleet.Query, time.Time, time.Time) ([][]fleet.Point, error) {
	return nil, nil
}
func (a account) Alarms(context.Context, func(string) bool) ([]alarm.Have, error) {
	if a.alarms != nil {
		a.alarms()
	}
	return nil, nil
}
func (a account) Active(context.Context, string, string, bool) ([]alarm.Series, error) {
	return nil, nil
}
func (a account) Topic(context.Context, string) (alarm.Topic, error)        { return alarm.Topic{}, nil }
func (a account) DeleteAlarm(context.Context, string, string, string) error { return nil }
func (a account) PutAlarm(context.Context, alarm.Spec, *alarm.Have, map[string]string) error {
	return nil
}
func (a account) TagAlarm(context.Context, string, map[string]string) error { return nil }
func (a account) PutData(_ context.Context, d []alarm.Datum) error {
	if a.put == nil {
		return nil
	}
	return a.put(d)
}
func (a account) Maxima(_ context.Context, d []alarm.Datum) ([]float64, error) {
	out := make([]float64, len(d))
	for i := range out {
		out[i] = math.NaN()
	}
	return out, nil
}

// whole is a complete look that finds one cluster with one healthy service.
func whole(visit func(fleet.Cluster)) fleet.Sweep {
	seen := fleet.Seen{At: time.Now(), Complete: true}
	visit(fleet.Cluster{Name: "c", Seen: seen, Services: []fleet.Service{{Name: "web", Desired: 1, Running: 1}}})
	return fleet.Sweep{Seen: seen, Clusters: []string{"c"}}
}

// start runs a controller over accounts by target name; stop ends it and returns how long that took.
func start(t *testing.T, resync time.Duration, targets map[string]account) (c *Controller, logs *observer.ObservedLogs, stop func() time.Duration) {
	t.Helper()
	return startWith(t, resync, targets, func(*Options) {})
}

// startWith is start with other options.
func startWith(t *testing.T, resync time.Duration, targets map[string]account, set func(*Options)) (c *Controller, logs *observer.ObservedLogs, stop func() time.Duration) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	o := Options{ID: "me", Home: account{}, Resync: resync, Metrics: true, Alarms: Plan, Log: zap.New(core),
		Book: openBook(t, openStore(t, t.TempDir())), AlarmAudit: cron.Every(time.Hour), Report: cron.Every(time.Hour),
		Policies: Policies{Churn: churn.Policy{Window: 24 * time.Hour, Threshold: 3, Logs: true}}}
	for name, a := range targets {
		o.Targets = append(o.Targets, Target{Name: name, Observer: a, CloudWatch: a})
	}
	set(&o)
	c = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return c, logs, func() time.Duration {
		began := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return time.Since(began)
	}
}

// Remediation without a way to look and write is an error at the start, not a panic at the first visit.
func TestRemediationNeedsADeployer(t *testing.T) {
	c, _, stop := start(t, time.Minute, nil)
	stop()
	c.o.Targets = []Target{{Name: "prod"}}
	c.remediation.o.Ceiling = rollout.Show
	c.o.Remediation.Ceiling = rollout.Show
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "target prod has no Deployer") {
		t.Errorf("%v", err)
	}
}

// A stop does not wait for a look under way.
func TestStopWhileACallHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, stop := start(t, time.Minute, map[string]account{"t": {sweep: func(ctx context.Context, _ func(fleet.Cluster)) fleet.Sweep {
			<-ctx.Done()
			return fleet.Sweep{Err: ctx.Err()}
		}}})
		time.Sleep(time.Hour)
		if took := stop(); took > time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

// Looks come at the wished interval with a tenth of jitter, or at the one that the budget allows where that is longer.
func TestResync(t *testing.T) {
	for name, c := range map[string]struct{ wish, floor, want time.Duration }{
		"as wished":            {5 * time.Minute, time.Second, 5 * time.Minute},
		"as the budget allows": {5 * time.Minute, 20 * time.Minute, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				ctl, _, stop := start(t, c.wish, map[string]account{"t": {sweep: func(_ context.Context, visit func(fleet.Cluster)) fleet.Sweep {
					at = append(at, time.Now())
					s := whole(visit)
					s.Floor = c.floor
					return s
				}}})
				time.Sleep(12 * time.Hour)
				resync := ctl.Targets()[0].Resync
				stop()
				gaps := map[time.Duration]bool{}
				for i := 1; i < len(at); i++ {
					gap := at[i].Sub(at[i-1])
					gaps[gap] = true
					if gap < c.want*9/10 || gap > c.want*11/10 {
						t.Errorf("%s between looks, want %s ± 10 %%", gap, c.want)
					}
				}
				if len(gaps) < len(at)/2 || resync != c.want {
					t.Errorf("%d looks with %d different gaps; effective resync %s", len(at), len(gaps), resync)
				}
			})
		})
	}
}
