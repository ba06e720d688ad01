package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// One simulated week of 20 services through the real SDK: three lose tasks every six to seven hours for five days, then
// their sampler is corrected. Every death is recorded once with its culprit, nothing else is blamed, the findings open by
// the third death and clear by evidence, and the counters in CloudWatch say what happened.
func TestAWeekOfTwentyServices(t *testing.T) {
	t.Parallel()
	const crashing = 3
	scenario := account.Fleet(20, crashing, 7)
	for i := range crashing {
		scenario.Timeline = append(scenario.Timeline, account.Step{
			At: account.Exactly(5 * 24 * time.Hour), Do: account.DoDeploy, Service: scenario.Clusters[0].Name + "/" + scenario.Clusters[0].Services[i].Name,
			Set: map[string]map[string]string{"app": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}, Why: "the cure",
		})
	}
	bubble(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, scenario)
		c := w.run(nil)
		defer c.stop()

		time.Sleep(24 * time.Hour)
		sick := open(c.Controller)
		want := map[string][]string{}
		for i := range crashing {
			want[scenario.Clusters[0].Services[i].Name] = []string{"SidecarCrash/cwagent", "SilentChurn/"}
		}
		if d := cmp.Diff(want, sick); d != "" {
			t.Errorf("after a day: %s", d)
		}
		if got := w.alarmsIn(cwtypes.StateValueAlarm); !slices.Contains(got, "taskwarden/taskwarden/prod/silent-churn") {
			t.Errorf("in ALARM after a day: %v", got)
		}
		openedInTime(t, w, c)

		time.Sleep(6 * 24 * time.Hour)
		if got := open(c.Controller); len(got) != 0 {
			t.Errorf("open two days after the cure: %v", got)
		}
		if got := w.alarmsIn(cwtypes.StateValueAlarm); len(got) != 0 {
			t.Errorf("in ALARM two days after the cure: %v", got)
		}
		compareWithTruth(t, w, c, start)
	})
}

// openedInTime compares when each SilentChurn began to be open with the third death, as the account knows it.
func openedInTime(t *testing.T, w *world, c running) {
	t.Helper()
	deaths := map[string][]time.Time{}
	for _, s := range w.account.Stops() {
		if !s.Planned {
			deaths[s.Service] = append(deaths[s.Service], s.At)
		}
	}
	for _, l := range w.logs.FilterMessage("finding opened").All() {
		m := l.ContextMap()
		if m["type"] != "SilentChurn" {
			continue
		}
		d := deaths[fleet.ParseKey(m["on"].(string)).Service]
		if len(d) < 3 || l.Time.Before(d[2]) || l.Time.After(d[2].Add(6*time.Minute)) {
			t.Errorf("SilentChurn on %v opened at %s; deaths %v", m["on"], l.Time, d[:min(4, len(d))])
		}
	}
}

// compareWithTruth holds what was recorded and counted against what happened.
func compareWithTruth(t *testing.T, w *world, c running, start time.Time) {
	t.Helper()
	truth := map[string]account.Stop{}
	crashes := map[[2]string]float64{}
	for _, s := range w.account.Stops() {
		truth[s.TaskARN] = s
		if !s.Planned {
			crashes[[2]string{s.Cluster, s.Service}]++
		}
	}
	recorded := c.Stops(fleet.Key{})
	if len(recorded) != len(truth) {
		t.Errorf("%d stops recorded, %d happened", len(recorded), len(truth))
	}
	for _, r := range recorded {
		s, ok := truth[r.Stop.TaskARN]
		if !ok {
			t.Errorf("%s never stopped, or was recorded twice", r.Stop.TaskARN)
			continue
		}
		delete(truth, r.Stop.TaskARN)
		v := r.Stop.Verdict
		if v.Planned != s.Planned || string(v.Cause) != s.Cause {
			t.Errorf("%s %s: judged %t %s, was %t %s (%s)", r.Key, r.Stop.TaskARN, v.Planned, v.Cause, s.Planned, s.Cause, s.Text)
		}
		if !s.Planned && (v.Culprit == nil || v.Culprit.Container != s.Culprit || len(v.Signatures) == 0) {
			t.Errorf("%s: culprit %+v, signatures %v, want %s", r.Stop.TaskARN, v.Culprit, v.Signatures, s.Culprit)
		}
	}
	if len(crashes) == 0 {
		t.Error("nothing crashed: the week shows nothing")
	}
	for k, n := range crashes {
		if got := w.maxima(start, "UnplannedStops", "ClusterName", k[0], "ServiceName", k[1]); got != n {
			t.Errorf("%v: UnplannedStops says %v, %v happened", k, got, n)
		}
		if got := w.maxima(start, "SidecarCrashes", "ClusterName", k[0], "ContainerName", "cwagent", "ServiceName", k[1]); got != n {
			t.Errorf("%v: SidecarCrashes says %v, %v happened", k, got, n)
		}
	}
}

// Deployments, scale-in, spot, maintenance and operator stops only: no unplanned stop, no finding, no alarm.
func TestPlannedStopsAreQuiet(t *testing.T) {
	t.Parallel()
	s, err := account.LoadScenario("scenarios/planned-only.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		start := time.Now()
		w := newWorld(t, s)
		c := w.run(nil)
		defer c.stop()
		time.Sleep(4 * 24 * time.Hour)
		causes := map[string]int{}
		for _, r := range c.Stops(fleet.Key{}) {
			causes[string(r.Stop.Verdict.Cause)]++
		}
		for _, cause := range []string{"deployment", "scale_in", "spot_interruption", "maintenance", "operator_stop"} {
			if causes[cause] == 0 {
				t.Errorf("no stop of cause %s: the scenario shows less than it says (%v)", cause, causes)
			}
		}
		for _, l := range w.logs.FilterMessage("finding opened").All() {
			if kind := l.ContextMap()["type"].(string); !strings.HasPrefix(kind, "Alarm") {
				t.Errorf("%s opened", kind)
			}
		}
		if got := w.alarmsIn(cwtypes.StateValueAlarm); len(got) != 0 {
			t.Errorf("in ALARM: %v", got)
		}
		compareQuiet(t, w, c, start)
	})
}

func compareQuiet(t *testing.T, w *world, c running, start time.Time) {
	t.Helper()
	for _, r := range c.Stops(fleet.Key{}) {
		if !r.Stop.Verdict.Planned {
			t.Errorf("%s: unplanned: %+v", r.Stop.TaskARN, r.Stop.Verdict)
		}
	}
	if got, want := len(c.Stops(fleet.Key{})), len(w.account.Stops()); got != want {
		t.Errorf("%d stops recorded, %d happened", got, want)
	}
	for _, svc := range []string{"web", "worker", "stubborn"} {
		if got := w.maxima(start, "UnplannedStops", "ClusterName", "prod", "ServiceName", svc); got != 0 {
			t.Errorf("UnplannedStops of %s: %v", svc, got)
		}
	}
}
