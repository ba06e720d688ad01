package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTrafficIsKnownForAWhile(t *testing.T) {
	at := &Traffic{From: monday, To: monday.Add(2*time.Hour + 30*time.Minute), Hours: []float64{100, 200, 150}}
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{-time.Minute, 0}, {0, 100}, {90 * time.Minute, 200}, {2*time.Hour + time.Minute, 300}, {3 * time.Hour, 300}, {3*time.Hour + 30*time.Minute, 0}} {
		if got := at.rate(monday.Add(c.after).UnixNano()); got != c.want {
			t.Errorf("after %s: %g an hour, want %g", c.after, got, c.want)
		}
	}
	if !at.covers(monday, monday.Add(3*time.Hour)) || at.covers(monday.Add(-time.Minute), monday.Add(time.Hour)) || at.covers(monday, monday.Add(4*time.Hour)) {
		t.Error("covers a span of which it knows nothing, or not one that it knows")
	}
	if none := (&Traffic{From: monday, To: monday.Add(time.Hour), Hours: []float64{0}}); none.covers(monday, monday.Add(time.Hour)) {
		t.Error("no request is no measure of time")
	}
}

func TestForeseenTrafficRepeats(t *testing.T) {
	day := dayNight.until(48)
	if got := day.foreseen(onClock(96)); got.Hours[50] != day.Hours[2] || got.Hours[60] != day.Hours[12] || len(got.Hours) != 96 {
		t.Errorf("%v", got.Hours)
	}
}

// TestRequestsTakeThePlaceOfHours: a leak of requests is deployed a fix for on Friday evening. Without requests no time passes,
// whatever the clock says; with them the next hours decide, also at the weekend.
func TestRequestsTakeThePlaceOfHours(t *testing.T) {
	friday := 4*24 + 18.0
	var all []Life
	for task := range 4 {
		for start := 8 + float64(task)*1.6; start < friday; start += 6.5 {
			l := Life{Start: onClock(start), Age: 390 * time.Minute, End: Culprit}
			if l.ended().After(onClock(friday)) {
				l.Age, l.End = onClock(friday).Sub(l.Start), Alive
			}
			all = append(all, l)
		}
	}
	silent, busy := weekend, flat
	for h := int(friday); h < hoursAWeek; h++ {
		silent.load[h] = 0
	}
	base := newBaseline(all, onClock(8), onClock(friday), nil, silent.until(friday))
	judge := func(of traffic, now float64, know bool) Assessment {
		trial := Trial{Base: base, New: slices.Repeat([]Life{{Start: onClock(friday), Age: time.Duration(now * float64(time.Hour)), End: Alive}}, 4)}
		if know {
			trial.Traffic = of.until(friday + now)
		}
		return Verify(trial)
	}
	if a := judge(silent, 60, true); a.Verdict != Undecided {
		t.Errorf("60 h without a request: %s: %s", a.Verdict, a.Message)
	}
	if a := judge(busy, 24, true); a.Verdict != Effective {
		t.Errorf("a weekend with traffic: %s: %s", a.Verdict, a.Message)
	}
	if a := judge(busy, 24, false); a.Verdict != Undecided || !strings.Contains(a.Message, "could not be read") {
		t.Errorf("unread requests: %s: %s", a.Verdict, a.Message)
	}
	if f := base.comparison(nil).forecast(4, Soak{Max: maxSoak}, onClock(friday)); f.at.IsZero() || !strings.Contains(f.power(base, 4, Soak{Max: maxSoak}), "by the requests") {
		t.Errorf("%+v: %s", f, f.power(base, 4, Soak{Max: maxSoak}))
	}
}
