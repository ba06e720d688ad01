package rollout

import (
	"testing"
	"time"
)

// TestOneTaskThatDiesAtOnceIsHarm: a service of one task never died before. With the fix it dies every five minutes for four
// hours.
func TestOneTaskThatDiesAtOnceIsHarm(t *testing.T) {
	for name, base := range map[string]Baseline{
		"no death before":  newBaseline([]Life{{Start: wednesday.Add(-100 * time.Hour), Age: 100 * time.Hour, End: Alive}}, monday, wednesday, nil, nil),
		"one death before": newBaseline([]Life{{Start: wednesday.Add(-50 * time.Hour), Age: 48 * time.Hour, End: Culprit}, {Start: wednesday.Add(-2 * time.Hour), Age: 2 * time.Hour, End: Alive}}, monday, wednesday, nil, nil),
	} {
		var fresh []Life
		for i := range 48 {
			fresh = append(fresh, Life{Start: wednesday.Add(time.Duration(i) * 5 * time.Minute), Age: 4 * time.Minute, End: Culprit})
		}
		if a := Verify(Trial{Base: base, New: fresh}); a.Verdict != Worse {
			t.Errorf("%s: after 48 deaths in four hours it is %s: %s", name, a.Verdict, a.Message)
		}
	}
}

// TestModeAutoCountsTheRequestsOfItsPlan: the plan says by the requests when the lifetimes can decide. Mode auto starts by the same
// clock: the edge gives a waiting rollout no requests.
func TestModeAutoCountsTheRequestsOfItsPlan(t *testing.T) {
	const friday = 4*24 + 18.0
	var all []Life
	for task := range 4 {
		for begin := 8 + float64(task)*1.6; begin < friday; begin += 6.5 {
			l := Life{Start: onClock(begin), Age: 390 * time.Minute, End: Culprit}
			if l.ended().After(onClock(friday)) {
				l.Age, l.End = onClock(friday).Sub(l.Start), Alive
			}
			all = append(all, l)
		}
	}
	s := newScene()
	s.now = onClock(friday)
	s.At = s.now
	s.brakes.Settings.MaxSoak = 48 * time.Hour
	s.History.Stops = nil
	for i, l := range all {
		if l.End == Culprit {
			for _, stop := range stopsAt(l.ended(), 1, "ecs-cwagent") {
				stop.TaskARN, stop.TaskDefinition, stop.StartedAt, stop.Lifetime = stop.TaskARN+string(rune('a'+i)), baseARN, l.Start, l.Age
				s.History.Stops = append(s.History.Stops, stop)
			}
		}
	}
	s.History.Since = onClock(8)
	s.Facts.Traffic = flat.until(friday)
	r, _ := s.propose()
	if !r.Live() || r.Plan.Earliest.IsZero() || r.Plan.Before.Traffic == nil {
		t.Fatalf("the scene is wrong: %s %s: %s", state(r), r.Message, r.Plan.Power)
	}
	got, _ := Advance(r, World{Observation: s.Observation, History: s.History, Brakes: s.brakes}, s.now) // visit.since gives no Traffic before Rolling
	if got.Phase != Approved {
		t.Errorf("the plan: %s\nmode auto: %s: %s", r.Plan.Power, state(got), got.Message)
	}
}
