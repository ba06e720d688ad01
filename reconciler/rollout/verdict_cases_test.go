package rollout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

// deathsOf are stops of a service's container, n of them at each of these times after start.
func deathsOf(container, revision string, n int, lifetime time.Duration, at ...time.Duration) (out []churn.Stop) {
	for _, d := range at {
		for i, s := range stopsAt(start.Add(d), n, container) {
			s.TaskDefinition, s.Lifetime, s.StartedAt = revision, lifetime, s.StoppedAt.Add(-lifetime)
			s.TaskARN += fmt.Sprint(i)
			out = append(out, s)
		}
	}
	return out
}

// TestServicesOfTheSameFixAreNoOutage: a fix kills the tasks of four services at the same moments. The container is named
// after its service, as is usual, so that each service's cause has other words. None of them is the others' excuse.
func TestServicesOfTheSameFixAreNoOutage(t *testing.T) {
	s := newScene()
	r := underway(s, Soaking)
	r.Plan.compareWith(dying(4, 48*time.Hour))
	r.Canary, r.Wrote = false, start
	moments := []time.Duration{10 * time.Minute, 40 * time.Minute, 70 * time.Minute, 100 * time.Minute, 130 * time.Minute}
	s.now = start.Add(3 * time.Hour)
	s.At = s.now
	s.Service.TaskDefinition = newARN
	s.Tasks = nil
	s.History.Stops = deathsOf("web", newARN, 4, 5*time.Minute, moments...)
	w := World{Observation: s.Observation, History: s.History, Brakes: s.brakes}
	w.Brakes.Known = []Rollout{r}
	for i := range 3 {
		other := r
		other.ID = fmt.Sprint("other", i)
		other.Plan.Key.Service = fmt.Sprint("other", i)
		w.Brakes.Known = append(w.Brakes.Known, other)
		w.Losses = append(w.Losses, Losses(other.Plan.Key, 4, deathsOf(fmt.Sprint("other", i), newARN, 4, 5*time.Minute, moments...))...)
	}
	alone := w
	alone.Losses = nil
	if got, _ := Advance(r, alone, s.now); got.Phase != RollingBack {
		t.Fatalf("the scene is wrong: alone it is %s: %s", state(got), got.Message)
	}
	if got, _ := Advance(r, w, s.now); got.Phase != RollingBack {
		t.Errorf("four services that the fix kills excuse each other: %s: %s", state(got), got.Message)
	}
}

// TestTheForecastIsCheapForShortLives: a service of one task crashed five times right after its start. The forecast is made
// under the lock that all decisions take.
func TestTheForecastIsCheapForShortLives(t *testing.T) {
	var all []Life
	for i := range 5 {
		all = append(all, Life{Start: wednesday.Add(time.Duration(i-6) * time.Minute), Age: 800 * time.Millisecond, End: Culprit})
	}
	b := newBaseline(all, wednesday.Add(-time.Hour), wednesday, nil, nil)
	began := time.Now()
	b.comparison(nil).forecast(1, Soak{Max: maxSoak}, wednesday)
	if took := time.Since(began); took > 50*time.Millisecond {
		t.Errorf("one forecast took %s", took)
	}
}

// TestRequestsThatWereCountedLatelyAreNoMeasure: a metric has counted a service's requests for half a day, and its tasks have died
// for two weeks. The fix does nothing and is deployed on Friday evening.
func TestRequestsThatWereCountedLatelyAreNoMeasure(t *testing.T) {
	const friday = 11*24 + 18.0 // after eleven days
	var all []Life
	for task := range 4 {
		for start := 8 + float64(task)*0.5; start < friday; {
			end := weekend.after(start, 2, asItIs)
			l := Life{Start: onClock(start), Age: onClock(end).Sub(onClock(start)), End: Culprit}
			if end > friday {
				l.Age, l.End = onClock(friday).Sub(l.Start), Alive
			}
			all = append(all, l)
			start = end + 0.02
		}
	}
	late := func(now float64) *Traffic {
		out := weekend.until(now)
		for h := range int(friday) - 12 {
			out.Hours[h] = 0 // not counted yet
		}
		return out
	}
	base := newBaseline(all, onClock(8), onClock(friday), nil, late(friday))
	for age := 1.0; age < 62; age++ { // none dies before Monday 08:00 but those whose load is reached
		if end := weekend.after(friday, 2, asItIs); friday+age >= end {
			break
		}
		fresh := slices.Repeat([]Life{{Start: onClock(friday), Age: time.Duration(age * float64(time.Hour)), End: Alive}}, 4)
		if a := Verify(Trial{Base: base, New: fresh, Traffic: late(friday + age)}); a.Verdict == Effective {
			t.Fatalf("a fix that does nothing is effective after %g h: %s", age, a.Message)
		}
	}
}

// TestAnOutageOfTwoHoursCondemnsNoFix: the fix cures. Two hours later a dependency is down for two hours; the load balancer
// stops each task eight minutes after its start until it is back.
func TestAnOutageOfTwoHoursCondemnsNoFix(t *testing.T) {
	base := dying(4, 48*time.Hour)
	var fresh []Life
	for i := range 4 {
		fresh = append(fresh, Life{Start: wednesday, Age: 2*time.Hour + time.Duration(i)*time.Second, End: Other})
		for n := range 13 {
			fresh = append(fresh, Life{Start: wednesday.Add(2*time.Hour + time.Duration(n)*9*time.Minute + time.Minute), Age: 8 * time.Minute, End: Other})
		}
	}
	if a := Verify(Trial{Base: base, New: fresh}); a.Verdict == Worse {
		t.Errorf("%s: %s", a.Verdict, a.Message)
	}
}

// TestAClockBehindAWSLosesNoTask: the controller's clock is two minutes behind AWS's, so that the first tasks began after the
// deployment was complete.
func TestAClockBehindAWSLosesNoTask(t *testing.T) {
	s := newScene()
	r := underway(s, Soaking)
	r.Plan.compareWith(dying(4, 48*time.Hour))
	r.Soak.Tasks = 4
	began := r.Soak.From.Add(time.Minute) // by AWS's clock: a minute before the deployment was complete
	s.now = start.Add(30 * time.Hour)
	s.At = s.now
	s.Service.TaskDefinition = newARN
	s.Tasks = nil
	for i := range 4 {
		s.Tasks = append(s.Tasks, fleet.Task{ARN: fmt.Sprint(i), TaskDefinition: newARN, LastStatus: fleet.StatusRunning, StartedAt: began, CreatedAt: began})
	}
	w := World{Observation: s.Observation, History: s.History, Brakes: s.brakes}
	got, _ := Advance(r, w, s.now)
	if m := (&machine{Rollout: r, w: w, now: s.now}); m.missing() != 0 {
		t.Errorf("%d of 4 tasks are missing: %s", m.missing(), got.Message)
	}
}

// TestADisprovedFixThatIsTakenBackIsNotInPlace: FixIneffective says that the fix stays in place.
func TestADisprovedFixThatIsTakenBackIsNotInPlace(t *testing.T) {
	s := newScene()
	r := underway(s, Soaking)
	r.end(RolledBack, "", "rolled back by an approver", s.now)
	r.Disproved, r.Soak.Assessment.Ineffective = true, true
	for _, c := range Claims([]Rollout{r}, time.Time{}, s.Observation) {
		if c.Type == "FixIneffective" {
			t.Errorf("claimed after it was taken back: %s", c.Message)
		}
	}
}
