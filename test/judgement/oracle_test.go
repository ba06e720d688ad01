package judgement

import (
	"fmt"
	"math"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// after are deaths at times since the start, each shown by the next look, of tasks that lived so long.
func after(lived time.Duration, hours ...float64) []*Stop {
	var out []*Stop
	for _, h := range hours {
		at := epoch.Add(time.Duration(h * float64(time.Hour)))
		out = append(out, &Stop{Died: at, At: at, Seen: at.Truncate(resync).Add(resync), Lifetime: lived, Cause: "essential_container_exited", Culprit: "agent", Sidecar: true})
	}
	return out
}

// The truth by hand: CONTRACT section 3 on a service of n tasks that all run, looked at every five minutes for four days.
func TestTheTruth(t *testing.T) {
	planned := after(time.Hour, 1, 2, 3, 4)
	excused := after(time.Hour, 1, 2, 3, 4)
	unseen := after(time.Hour, 1, 2, 3, 4)
	for i := range planned {
		planned[i].Planned, excused[i].Excused, unseen[i].Seen = true, true, time.Time{}
	}
	for name, c := range map[string]struct {
		tasks        int
		stops        []*Stop
		begun        []float64 // deployments, in hours
		churn, crash string    // episodes by the hours in which they begin and end
	}{
		"two deaths":                       {1, after(6*time.Hour, 10, 16), nil, "", "10.1-28.0 "},
		"three, six hours apart":           {1, after(6*time.Hour, 10, 16, 22), nil, "22.1-34.0 ", "10.1-34.0 "},
		"three, over more than a day":      {1, after(9*time.Hour, 10, 25, 40), nil, "", "10.1-58.0 "},
		"three of two hundred":             {200, after(6*time.Hour, 10, 16, 22), nil, "", "10.1-34.0 "},
		"three of eight in a day, too few": {9, after(6*time.Hour, 40, 46, 52), nil, "", "40.1-64.0 "},
		"three of eight in a day, enough":  {8, after(6*time.Hour, 40, 46, 52), nil, "52.1-64.0 ", "40.1-64.0 "},
		"a deployment restarts the clock":  {1, after(6*time.Hour, 10, 16, 22), []float64{30}, "22.1-42.0 ", "10.1-42.0 "},
		"one that comes too late does not": {1, after(6*time.Hour, 10, 16, 22), []float64{40}, "22.1-34.0 ", "10.1-34.0 "},
		"a fourth after the end, alone":    {1, after(time.Hour, 10, 11, 12, 60), nil, "12.1-14.0 ", "10.1-14.0 60.1-62.0 "},
		"planned stops":                    {1, planned, nil, "", ""},
		"stops that a deployment explains": {1, excused, nil, "", ""},
		"stops that nobody could see":      {1, unseen, nil, "", ""},
		"still so at the end":              {1, after(40*time.Hour, 70, 71, 72), nil, "72.1-0.0 ", "70.1-0.0 "},
	} {
		t.Run(name, func(t *testing.T) {
			is := Case{Stops: c.stops, levels: []level{{epoch, c.tasks, true}}}
			for _, h := range c.begun {
				is.Begun = append(is.Begun, epoch.Add(time.Duration(h*float64(time.Hour))))
			}
			for at := epoch; at.Before(epoch.Add(96 * time.Hour)); at = at.Add(resync) {
				is.Looks = append(is.Looks, look{at: at})
			}
			is.dark = darkness(is.Looks)
			if got := hoursOf(is.churning()); got != c.churn {
				t.Errorf("churned %q, want %q", got, c.churn)
			}
			if got := hoursOf(is.crashing()); got != c.crash {
				t.Errorf("crashed %q, want %q", got, c.crash)
			}
		})
	}
}

func hoursOf(truths []Truth) string {
	out := ""
	for _, t := range truths {
		to := 0.0
		if !t.To.IsZero() {
			to = t.To.Sub(epoch).Hours()
		}
		out += fmt.Sprintf("%.1f-%.1f ", t.From.Sub(epoch).Hours(), to)
	}
	return out
}

// The chance of n or more, and the lower bound by chi-square, say the same of every count.
func TestSurprise(t *testing.T) {
	for n := 1; n < 60; n++ {
		lower := distuv.ChiSquared{K: float64(2 * n)}.Quantile(doubt) / 2
		if got := surprise(n, lower); math.Abs(got-doubt) > 1e-6 {
			t.Errorf("%d where %.4f are expected: %.6f, want %.2f", n, lower, got, doubt)
		}
	}
}
