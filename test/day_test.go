package test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// day is a day of 50 services: six lose tasks to their sidecar, four to other things, and to the healthy ones happens all
// that is planned, with words that mean nothing. What package test/judgement measures without a wire holds over it.
func day() account.Scenario {
	s := account.Fleet(50, 6, 11)
	hours := func(low, high float64) account.Span {
		return account.Between(time.Duration(low*float64(time.Hour)), time.Duration(high*float64(time.Hour)))
	}
	at := func(i int) *account.Service { return &s.Clusters[i/20].Services[i%20] }
	for i, c := range []account.Case{
		{Lifetime: hours(1, 3), Exit: 1, Log: account.Lines{"Traceback (most recent call last):", "KeyError: 'tenant'"}},
		{Lifetime: hours(3, 5), Death: account.DeathOOM},
		{Lifetime: hours(2, 4), Death: account.DeathHealth},
		{Lifetime: hours(0.5, 0.7), Exit: 0},
	} {
		at(6 + i).Models = map[string]account.Model{"app": {Cases: []account.Case{c}}}
	}
	for i := 10; i < 50; i++ {
		step := account.Step{Service: s.Clusters[i/20].Name + "/" + at(i).Name, At: hours(2, 20), Every: hours(4, 6), Why: "planned"}
		switch i % 4 {
		case 0:
			step.Do = account.DoSpot
		case 1:
			step.Do, step.Count = account.DoMaintenance, 3
		case 2:
			step.Do, step.Reason = account.DoStop, "out of memory, restarting"
		case 3:
			step.Do = account.DoHost
		}
		s.Timeline = append(s.Timeline, step)
	}
	return s
}

func TestADayOfFiftyServices(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, day())
		c := w.run(nil)
		defer c.stop()
		time.Sleep(24 * time.Hour)

		stops := w.account.Stops()
		planned := map[string]int{}
		for _, s := range stops {
			if s.Planned {
				planned[s.Cause]++
			}
		}
		for _, cause := range []string{"deployment", "scale_in", "spot_interruption", "maintenance", "host_drain", "operator_stop"} {
			if planned[cause] == 0 {
				t.Errorf("no stop of cause %s: the day shows less than it says (%v)", cause, planned)
			}
		}
		want, got := sick(stops, time.Now()), open(c.Controller)
		if len(want) != 10 {
			t.Errorf("%d services are sick: the day shows less than it says", len(want))
		}
		seen := sick(stops, time.Now().Add(-unseen))
		for service := range want {
			if !slices.Equal(want[service], seen[service]) {
				delete(want, service)
				delete(got, service)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("findings after a day: %s", d)
		}
		dayVerdicts(t, c, stops)
	})
}

// unseen is how old a stop is at most that no look may have shown yet.
const unseen = 12 * time.Minute

// sick says which findings services deserve for the stops up to a time.
func sick(stops []account.Stop, by time.Time) map[string][]string {
	deaths, crashes := map[string]int{}, map[string]bool{}
	for _, s := range stops {
		if !s.Planned && !s.At.After(by) {
			deaths[s.Service]++
			crashes[s.Service] = crashes[s.Service] || s.Culprit == "cwagent"
		}
	}
	out := map[string][]string{}
	for service, n := range deaths {
		if crashes[service] {
			out[service] = append(out[service], "SidecarCrash/cwagent")
		}
		if n >= 3 {
			out[service] = append(out[service], "SilentChurn/")
		}
	}
	return out
}

// dayVerdicts holds every verdict against what happened, and misses none that a look had the time to show.
func dayVerdicts(t *testing.T, c running, stops []account.Stop) {
	t.Helper()
	recorded := map[string]churn.Verdict{}
	for _, r := range c.Stops(fleet.Key{}) {
		recorded[r.Stop.TaskARN] = r.Stop.Verdict
	}
	for _, is := range stops {
		v, ok := recorded[is.TaskARN]
		switch {
		case !ok && time.Since(is.At) < unseen:
		case !ok:
			t.Errorf("%s %s at %s is not recorded", is.Service, is.TaskARN, is.At)
		case v.Planned != is.Planned || string(v.Cause) != is.Cause || blamed(v) != is.Culprit:
			t.Errorf("%s %s: judged %t %s by %q, was %t %s by %q (%s)", is.Service, is.TaskARN, v.Planned, v.Cause, blamed(v), is.Planned, is.Cause, is.Culprit, is.Text)
		}
		delete(recorded, is.TaskARN)
	}
	if len(recorded) > 0 {
		t.Errorf("%d stops recorded that never happened", len(recorded))
	}
}

func blamed(v churn.Verdict) string {
	if v.Culprit == nil {
		return ""
	}
	return v.Culprit.Container
}
