package test

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"taskwarden/test/account"
)

// short makes the incident's containers live for seconds.
var short = map[string]string{
	"crashLifetime": "12s..18s", "schedule": "100ms..300ms", "provision": "200ms..400ms", "pull": "200ms..400ms",
	"healthy": "1s", "drain": "200ms", "terminate": "100ms..200ms", "deprovision": "200ms..400ms",
}

const quick = "watch: {resync: 1s, apiBudget: 1.0}\nalarms: {mode: plan}\n"

// The counters read back from the account (the Maximum of each minute, summed) equal the crashes, with the controller
// killed by SIGKILL and started again at each step of a counter's way, and at random times.
func TestCountersSurviveKills(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Fatal("minutes are real here: run without -short")
	}
	for name, wait := range killPoints() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			countsThroughKill(t, wait, launch)
		})
	}
}

// killPoints wait for a step of a counter's way, or for a random time.
func killPoints() map[string]func(*testing.T, *account.Account, *process) {
	counters := func(c account.Call) bool { return c.Op == "PutMetricData" && mentions(c.Input, "UnplannedStops") }
	return map[string]func(t *testing.T, a *account.Account, p *process){
		"after the record": func(t *testing.T, _ *account.Account, p *process) {
			eventually(t, "a stop is recorded", time.Minute, func() bool { return len(p.items("/api/v1/stops")) > 0 })
		},
		"after the intent": func(t *testing.T, a *account.Account, _ *process) {
			reached, hold := make(chan struct{}, 1), make(chan struct{})
			remove := a.Gate(counters, func(account.Call) account.Gate {
				select {
				case reached <- struct{}{}:
				default:
				}
				return account.Gate{Hold: hold} // never applied: the caller is dead before this ends
			})
			defer remove()
			await(t, "a counter is about to be put", reached)
		},
		"after the accepted put": func(t *testing.T, a *account.Account, _ *process) {
			reached := make(chan struct{}, 1)
			remove := a.Gate(counters, func(account.Call) account.Gate {
				select {
				case reached <- struct{}{}:
				default:
				}
				return account.Gate{Cut: true} // applied, and nobody is told
			})
			defer remove()
			await(t, "a counter was put", reached)
		},
		"after the mark": func(t *testing.T, a *account.Account, _ *process) {
			eventually(t, "a counter was put", 2*time.Minute, func() bool {
				for _, c := range a.Calls() {
					if counters(c) && c.Code == "" && time.Since(c.At) > time.Second {
						return true
					}
				}
				return false
			})
		},
		"at a random time":       func(*testing.T, *account.Account, *process) { time.Sleep(rand.N(80 * time.Second)) },
		"at another random time": func(*testing.T, *account.Account, *process) { time.Sleep(rand.N(80 * time.Second)) },
	}
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(2 * time.Minute):
		t.Fatalf("not within two minutes: %s", what)
	}
}

// mentions looks for a metric in a PutMetricData input.
func mentions(in map[string]any, metric string) bool {
	data, _ := in["MetricData"].([]any)
	for _, d := range data {
		if m, ok := d.(map[string]any); ok && m["MetricName"] == metric {
			return true
		}
	}
	return false
}

func countsThroughKill(t *testing.T, wait func(*testing.T, *account.Account, *process), launch func(t *testing.T, endpoint, region, dir, config string) *process) {
	t.Helper()
	binary(t) // built before the account's time begins
	overrides := maps.Clone(short)
	overrides["tasks"] = "0"
	s := incident(t, overrides)
	// The cure comes while the test still runs, so that the crashes end and can be counted.
	s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(8 * time.Second), Do: account.DoScale, Service: "prod/django", Desired: 4,
		Why: "nothing dies before the controller's very first start"}, account.Step{At: account.Exactly(100 * time.Second), Do: account.DoDeploy, Service: "prod/django",
		Set: map[string]map[string]string{"django": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}, Why: "the cure"})
	start := time.Now()
	a, url := serve(t, s)
	dir := t.TempDir()
	p := launch(t, url, a.Region(), dir, quick)
	eventually(t, "the first look", 10*time.Second, func() bool { code, _ := p.status("/readyz"); return code == 200 })
	if n := len(a.Stops()); n > 0 {
		t.Fatalf("%d stops before the very first start, which are never counted: this machine is too slow for the scenario", n)
	}
	wait(t, a, p)
	p.kill()
	p = launch(t, url, a.Region(), dir, quick)
	w := &world{t: t, account: a, cw: cloudwatch.NewFromConfig(sdk(a))}
	time.Sleep(time.Until(start.Add(125 * time.Second))) // the last crash is over; minutes are real
	var crashes float64
	for _, stop := range a.Stops() {
		if stop.Service == "django" && !stop.Planned {
			crashes++
		}
	}
	if crashes < 10 {
		t.Fatalf("only %v crashes: the test shows nothing", crashes)
	}
	service := []string{"ClusterName", "prod", "ServiceName", "django"}
	container := []string{"ClusterName", "prod", "ContainerName", "cwagent", "ServiceName", "django"}
	eventually(t, "the counters say what happened", 150*time.Second, func() bool {
		return w.maxima(start, "UnplannedStops", service...) >= crashes && w.maxima(start, "SidecarCrashes", container...) >= crashes
	})
	time.Sleep(65 * time.Second) // one more minute: nothing may be counted twice
	if got := w.maxima(start, "UnplannedStops", service...); got != crashes {
		t.Errorf("UnplannedStops says %v, %v happened", got, crashes)
	}
	if got := w.maxima(start, "SidecarCrashes", container...); got != crashes {
		t.Errorf("SidecarCrashes says %v, %v happened", got, crashes)
	}
	p.terminate()
}
