package churn

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

var midday = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// restless is a service of two tasks whose agent has a restart policy with that period, in seconds.
func restless(period int) fleet.Observation {
	d := fleet.Definition{ARN: "d:1", Containers: []fleet.ContainerDefinition{{Name: "app", Essential: true}, {Name: "cwagent", Restart: true, RestartPeriod: period}}}
	o := fleet.Observation{Key: fleet.Key{Target: "t", Cluster: "prod", Service: "s"}, Seen: fleet.Seen{At: midday, Complete: true},
		Service: fleet.Service{Name: "s", TaskDefinition: "d:1", Desired: 2, Running: 2}, Definitions: map[string]fleet.Definition{"d:1": d}}
	for _, id := range []string{"t1", "t2"} {
		o.Tasks = append(o.Tasks, fleet.Task{ARN: "arn:aws:ecs:r:a:task/prod/" + id, Group: "service:s", TaskDefinition: "d:1",
			LastStatus: fleet.StatusRunning, DesiredStatus: fleet.StatusRunning, StartedAt: midday.Add(-10 * time.Hour)})
	}
	return o
}

// reading is RestartCount of t1's agent, minute by minute up to the end; a negative value is a minute without a datum.
func reading(o fleet.Observation, end time.Time, values ...float64) fleet.Observation {
	from := end.Add(-time.Duration(len(values)) * time.Minute)
	s := fleet.RestartSeries{Container: "cwagent", Task: "t1"}
	for i, v := range values {
		if v >= 0 {
			s.Points = append(s.Points, fleet.Point{At: from.Add(time.Duration(i) * time.Minute), Value: v})
		}
	}
	o.At = end.Add(5 * time.Minute)
	o.Metrics.Restarts = fleet.RestartCounts{Seen: fleet.Seen{At: end, Complete: true}, From: from, Insights: fleet.InsightsEnhanced, Series: []fleet.RestartSeries{s}}
	return o
}

// TestRestartsOfOneReading: what a reading that follows on an earlier one adds.
func TestRestartsOfOneReading(t *testing.T) {
	for name, tc := range map[string]struct {
		period int
		means  Meaning // as known before
		last   float64 // value before
		values []float64
		n      int
		shown  Meaning
	}{
		"nothing":                                {300, Unshown, 0, []float64{0, 0, 0}, 0, Unshown},
		"a first restart, seen only just":        {300, Unshown, 0, []float64{0, 0, 1}, 1, Unshown},
		"a value that falls is of its minute":    {300, Unshown, 0, []float64{0, 1, 0, 0, 0, 0, 1, 0}, 2, Each},
		"a value that stays is a total":          {300, Unshown, 0, []float64{0, 1, 1, 1, 1, 2, 2, 2}, 2, Total},
		"the total of a while ago":               {300, Unshown, 3, []float64{3, 3, 3, 4, 4, 4}, 1, Total},
		"of one's own minute, known":             {60, Each, 0, []float64{1, 1, 1, 0, 1}, 4, Each},
		"each minute one, not known":             {60, Unshown, 0, []float64{0, 1, 1, 1, 1}, 1, Unshown},
		"each minute one, and then shown":        {60, Unshown, 1, []float64{1, 1, 0, 1}, 3, Each},
		"minutes without data":                   {300, Total, 1, []float64{1, -1, -1, 2, -1, 2}, 1, Total},
		"a total that begins again":              {60, Total, 40, []float64{40, 0, 0, 1, 1}, 1, Total},
		"what shows a total is never of its own": {60, Each, 5, []float64{5, 5, 5, 5, 5}, 0, Total},
		"more than a policy allows":              {300, Total, 0, []float64{0, 67, 67, 67}, 0, Total},
	} {
		t.Run(name, func(t *testing.T) {
			o := reading(restless(tc.period), midday, tc.values...)
			h := History{Since: midday.Add(-20 * time.Hour), Restarts: Restarts{Until: o.Metrics.Restarts.From, Means: tc.means, Values: map[string]float64{}}}
			if tc.last > 0 {
				h.Restarts.Values["t1/cwagent"] = tc.last
			}
			j := Judge(o, h, Policy{Knowledge: mustKnow(t)}, o.At)
			if len(j.Restarted) != tc.n || j.Restarts.Means != tc.shown || !j.Restarts.Until.Equal(midday) {
				t.Fatalf("%d restarts, meaning %q, until %s: %v", len(j.Restarted), j.Restarts.Means, j.Restarts.Until, j.Restarted)
			}
			h.Restarts = j.Restarts
			if again := Judge(o, h, Policy{Knowledge: mustKnow(t)}, o.At); len(again.Restarted) != 0 {
				t.Errorf("the same reading brings again %v", again.Restarted)
			}
		})
	}
}

func mustKnow(t *testing.T) *Knowledge {
	t.Helper()
	k, err := NewKnowledge(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Whatever the value means, however the minutes are cut into readings, and however often a reading is judged: each restart is
// counted once. The agent is restarted at most once in its period, as ECS does.
func TestRestartsAreExact(t *testing.T) {
	know := mustKnow(t)
	rapid.Check(t, func(rt *rapid.T) {
		period := rapid.SampledFrom([]int{120, 300, 1800}).Draw(rt, "period")
		total := rapid.Bool().Draw(rt, "total")
		var values []float64
		truth, count, since := 0, 0.0, period
		for range rapid.IntRange(1, 300).Draw(rt, "minutes") {
			each := 0.0
			if since >= period/60 && rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				each, since = 1, 0
				truth++
			}
			since++
			if count += each; total {
				each = count
			}
			values = append(values, each)
		}
		o := restless(period)
		began := midday.Add(-time.Duration(len(values)) * time.Minute)
		h := History{Since: began.Add(-time.Hour), Restarts: Restarts{Until: began, Values: map[string]float64{}}}
		counted := 0
		for at := 0; at < len(values); {
			next := min(len(values), at+rapid.IntRange(1, 40).Draw(rt, "reading"))
			overlap := min(at, rapid.IntRange(0, 20).Draw(rt, "overlap"))
			o := reading(o, began.Add(time.Duration(next)*time.Minute), values[at-overlap:next]...)
			for range rapid.IntRange(1, 3).Draw(rt, "judged") {
				j := Judge(o, h, Policy{Knowledge: know}, o.At)
				counted += len(j.Restarted)
				h.Restarts = j.Restarts
			}
			at = next
		}
		if counted != truth {
			rt.Fatalf("%d counted, %d happened (total %t, period %d): %v", counted, truth, total, period, values)
		}
	})
}

// What the first reading of all finds already there is no news; a task that starts later begins with nothing.
func TestWhatWasThereBefore(t *testing.T) {
	o := reading(restless(300), midday, 9, 9, 9, 9, 10)
	j := Judge(o, History{}, Policy{Knowledge: mustKnow(t)}, o.At)
	if len(j.Restarted) != 1 || j.Restarted[0].After != 0 {
		t.Errorf("%v", j.Restarted)
	}
	o = reading(restless(300), midday, 0, 0, 0, 1, 1, 1)
	o.Tasks[0].StartedAt = midday.Add(-6 * time.Minute)
	j = Judge(o, History{}, Policy{Knowledge: mustKnow(t)}, o.At)
	if len(j.Restarted) != 1 || j.Restarted[0].After != 3*time.Minute {
		t.Errorf("%v", j.Restarted)
	}
}

func TestRestartingOpensKeepsAndClears(t *testing.T) {
	know := mustKnow(t)
	recent := func(ago ...time.Duration) Restarts {
		r := Restarts{Until: midday, Values: map[string]float64{}}
		for _, a := range ago {
			r.Recent = append(r.Recent, Restart{At: midday.Add(-a), Container: "cwagent", Task: "t1", After: time.Hour})
		}
		return r
	}
	for name, tc := range map[string]struct {
		r      Restarts
		change func(*fleet.Observation)
		want   string // "": no claim
		count  int
	}{
		"none":                      {recent(), nil, "", 0},
		"one":                       {recent(10 * time.Minute), nil, "opens", 1},
		"a row of them":             {recent(3*time.Hour, 2*time.Hour, 119*time.Minute), nil, "opens", 3},
		"an old one is another row": {recent(9*time.Hour, time.Minute), nil, "opens", 1},
		"two lifetimes without":     {recent(2 * time.Hour), nil, "", 0},
		"a deployment since": {recent(2 * time.Hour), func(o *fleet.Observation) {
			o.Service.Deployments = []fleet.Deployment{{Status: "PRIMARY", CreatedAt: midday.Add(-time.Hour)}}
		}, "keeps", 1},
		"not read yet": {recent(time.Minute), func(o *fleet.Observation) { o.Metrics = fleet.Metrics{} }, "blind", 0},
		"read long ago": {recent(time.Minute), func(o *fleet.Observation) {
			o.At = midday.Add(2 * time.Hour)
		}, "blind", 0},
		"not whole": {recent(2 * time.Hour), func(o *fleet.Observation) { o.Metrics.Restarts.Complete = false }, "blind", 0},
		"no policy any more": {recent(10 * time.Minute), func(o *fleet.Observation) {
			o.Definitions = map[string]fleet.Definition{"d:1": {ARN: "d:1", Containers: []fleet.ContainerDefinition{{Name: "cwagent"}}}}
			o.At = midday.Add(3 * time.Hour)
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := reading(restless(300), midday, 0, 0, 0)
			if tc.change != nil {
				tc.change(&o)
			}
			var got []finding.Claim
			for _, c := range Judge(o, History{Restarts: tc.r}, Policy{Knowledge: know}, o.At).Claims {
				if c.Type == finding.SidecarRestarting {
					got = append(got, c)
				}
			}
			if tc.want == "" {
				if len(got) != 0 {
					t.Fatalf("claims %+v", got)
				}
				return
			}
			is := fmt.Sprint(len(got))
			if len(got) == 1 {
				is = map[[2]bool]string{{false, false}: "opens", {true, false}: "keeps", {true, true}: "blind"}[[2]bool{got[0].Keeps, got[0].Blind}]
			}
			if is != tc.want || got[0].Subject != "cwagent" || got[0].Count != tc.count {
				t.Errorf("%s: %+v", is, got)
			}
		})
	}
}

func TestRestartsUnseen(t *testing.T) {
	for name, tc := range map[string]struct {
		insights string
		absent   time.Duration
		want     bool
	}{
		"enhanced":                      {fleet.InsightsEnhanced, 0, false},
		"enhanced, just set":            {fleet.InsightsEnhanced, 10 * time.Minute, false},
		"enhanced, and no data":         {fleet.InsightsEnhanced, time.Hour, true},
		"by service alone":              {fleet.InsightsStandard, 0, true},
		"off":                           {fleet.InsightsOff, 0, true},
		"of another name":               {"turbo", 0, true},
		"setting unknown, data there":   {"", 0, false},
		"setting unknown, and no data":  {"", time.Hour, true},
		"setting unknown, not for long": {"", time.Minute, false},
	} {
		o := reading(restless(300), midday, 0, 0)
		o.Metrics.Restarts.Insights = tc.insights
		if tc.absent > 0 {
			o.Metrics.Restarts.Absent = o.At.Add(-tc.absent)
		}
		claims := Judge(o, History{}, Policy{Knowledge: mustKnow(t)}, o.At).Claims
		i := slices.IndexFunc(claims, func(c finding.Claim) bool { return c.Type == finding.Unobservable })
		if (i >= 0) != tc.want || i >= 0 && (claims[i].Severity != finding.Info || claims[i].Message == "" || len(claims[i].Evidence) < 2) {
			t.Errorf("%s: %+v", name, claims)
		}
	}
}
