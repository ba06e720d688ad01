package rollout

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wednesday is a change in the middle of a working week.
var wednesday = monday.Add(58 * time.Hour)

// lives are n tasks that started at the change and have that age and end. They die in moments of their own.
func lives(n int, age time.Duration, end Ending) []Life {
	var out []Life
	for i := range n {
		out = append(out, Life{Start: wednesday.Add(time.Duration(i) * 20 * time.Minute), Age: age - time.Duration(i)*time.Second, End: end})
	}
	return out
}

// dying is a service of n tasks, each of which dies 6 to 7 hours after its start, for so long before the change.
func dying(n int, history time.Duration) Baseline {
	var all []Life
	for task := range n {
		start := wednesday.Add(-history - time.Duration(task)*6*time.Hour/time.Duration(n))
		for i := 0; start.Before(wednesday); i++ {
			l := Life{Start: start, Age: 6*time.Hour + time.Duration((task*7+i*13)%60)*time.Minute, End: Culprit}
			if l.ended().After(wednesday) {
				l.Age, l.End = wednesday.Sub(start), Alive
			}
			if l.ended().After(wednesday.Add(-history)) {
				all = append(all, l)
			}
			start = l.ended().Add(time.Minute)
		}
	}
	return newBaseline(all, wednesday.Add(-history), wednesday, nil, nil)
}

func TestVerdicts(t *testing.T) {
	base := dying(4, 48*time.Hour)
	for _, c := range []struct {
		name  string
		trial Trial
		want  Verdict
		says  string
	}{
		{"many young tasks prove nothing", Trial{Base: base, New: lives(40, 5*time.Hour, Alive)}, Undecided, "must reach"},
		{"the 90th percentile is not enough", Trial{Base: base, New: lives(40, 8*time.Hour, Alive)}, Undecided, "must reach"},
		{"half over again is", Trial{Base: base, New: lives(4, 13*time.Hour, Alive)}, Effective, "no death"},
		{"one task needs seven moments of death", Trial{Base: dying(1, 40*time.Hour), New: lives(1, 60*time.Hour, Alive)}, Undecided, "does not strike every task"},
		{"one task and a longer history", Trial{Base: dying(1, 56*time.Hour), New: lives(1, 60*time.Hour, Alive)}, Effective, "no death"},
		{"deaths as before", Trial{Base: base, New: lives(4, 6*time.Hour+30*time.Minute, Culprit), Elapsed: 1}, Undecided, "must reach"},
		{"deaths as before, and one task that lives", Trial{Base: base, New: append(lives(12, 6*time.Hour, Culprit), lives(1, 20*time.Hour, Alive)...), Elapsed: 1}, Undecided, "expected"},
		{"one death in forty, at the end", Trial{Base: base, New: append(lives(39, 60*time.Hour, Alive), lives(1, 6*time.Hour, Culprit)...), Elapsed: 1}, Effective, "separate moment"},
		{"one death in forty, early", Trial{Base: base, New: append(lives(39, 13*time.Hour, Alive), lives(1, 6*time.Hour, Culprit)...), Elapsed: 0.1}, Undecided, "separate moment"},
		{"dead at once", Trial{Base: base, New: lives(4, 5*time.Minute, Culprit)}, Worse, "separate moments"},
		{"dead at once of something else", Trial{Base: base, New: lives(4, 5*time.Minute, Other)}, Worse, "separate moments"},
		{"two early deaths are not yet harm", Trial{Base: base, New: append(lives(3, time.Hour, Alive), lives(2, 5*time.Minute, Culprit)...)}, Undecided, ""},
		{"forty deaths of one moment are not harm", Trial{Base: base, New: slices.Repeat(lives(1, 2*time.Hour, Other), 40)}, Undecided, ""},
		{"a generation that dies a little early", Trial{Base: base, New: lives(40, 6*time.Hour, Culprit)}, Undecided, ""},
		{"no death is known", Trial{Base: newBaseline(lives(4, 100*time.Hour, Alive), monday, wednesday, nil, nil), New: lives(4, 70*time.Hour, Alive)}, Undecided, "nothing can be compared"},
		{"tasks that were not seen again", Trial{Base: base, New: lives(3, 20*time.Hour, Alive), Missing: 1}, Undecided, "unknown"},
	} {
		if a := Verify(c.trial); a.Verdict != c.want || !strings.Contains(a.Message, c.says) {
			t.Errorf("%s: %s: %s", c.name, a.Verdict, a.Message)
		}
	}
}

// TestAskingOftenDoesNotPay: all looks together spend no more than the bound.
func TestAskingOftenDoesNotPay(t *testing.T) {
	base, spent, sum := dying(4, 48*time.Hour), 0.0, 0.0
	fresh := append(lives(39, 13*time.Hour, Alive), lives(4, 6*time.Hour, Culprit)...)
	for i := 1; i <= 4320; i++ {
		a := Verify(Trial{Base: base, New: fresh, Spent: spent, Elapsed: float64(i) / 4320})
		if a.Spent < spent {
			t.Fatalf("spent fell from %g to %g", spent, a.Spent)
		}
		sum += a.Spent - spent
		spent = a.Spent
	}
	if sum > deathsChance+1e-9 || sum < deathsChance*0.8 {
		t.Errorf("all looks spent %g of %g", sum, deathsChance)
	}
}

// counted is lives with their whole ages counted.
func counted(l []Life) []Life { return wholeAges(l) }

func TestLogRankIsExact(t *testing.T) {
	old := func(n int) (out []Life) {
		for i := range n {
			out = append(out, Life{Counted: time.Duration(i+1) * time.Hour, End: Culprit})
		}
		return out
	}
	// With all alive before the last death, the chance that all n new tasks outlive all m old ones is 1/C(m+n, n).
	r := logRank(old(3), counted(lives(4, 8*time.Hour, Alive)), culpritDeath, 1)
	if want := 1.0 / 35; math.Abs(r.fewer()-want) > 1e-12 || math.Abs(r.more()-1) > 1e-12 {
		t.Errorf("fewer %g, want %g; more %g", r.fewer(), want, r.more())
	}
	// That one new task dies first of m+1 has the chance 1/(m+1).
	r = logRank(old(9), counted(lives(1, time.Minute, Culprit)), culpritDeath, 1)
	if math.Abs(r.more()-0.1) > 1e-12 || r.observed != 1 {
		t.Errorf("more %g, want 0.1", r.more())
	}
}

func TestQ90(t *testing.T) {
	hours := func(end Ending, of ...float64) (out []Life) {
		for _, h := range of {
			out = append(out, Life{Counted: time.Duration(h * float64(time.Hour)), End: end})
		}
		return out
	}
	for _, c := range []struct {
		lives []Life
		want  time.Duration
	}{
		{nil, 0},
		{hours(Alive, 1, 1, 1), 0},
		{hours(Culprit, 1), time.Hour},
		{hours(Culprit, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), 9 * time.Hour},
		{append(hours(Culprit, 4), hours(Alive, 5, 5, 5)...), 43*time.Hour + 45*time.Minute},
		{append(hours(Culprit, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), hours(Alive, 100, 100, 100, 100)...), 9 * time.Hour}, // four that the fault does not strike
	} {
		if got := q90(c.lives); got.Round(time.Minute) != c.want.Round(time.Minute) {
			t.Errorf("%v: %s, want %s", c.lives, got, c.want)
		}
	}
}

func TestDeathsOfOneMomentAreOneDraw(t *testing.T) {
	together := slices.Repeat([]Life{{Start: monday, Age: 7 * time.Hour, End: Culprit}}, 40)
	if b := newBaseline(together, monday, wednesday, nil, nil); b.Moments != 1 || b.Deaths != 40 || b.comparison(nil).draws(40) != 1 {
		t.Errorf("%d moments of %d deaths, %d draws", b.Moments, b.Deaths, b.comparison(nil).draws(40))
	}
	var apart []Life // a steady trickle is not one long moment
	for i := range 40 {
		apart = append(apart, Life{Start: monday.Add(time.Duration(i) * 10 * time.Minute), Age: 7 * time.Hour, End: Culprit})
	}
	if b := newBaseline(apart, monday, wednesday, nil, nil); b.Moments != 20 {
		t.Errorf("%d moments of 40 deaths ten minutes apart", b.Moments)
	}
}

// TestImmunityIsTheWorstCase compares the bound with every share of tasks that the fault does not strike.
func TestImmunityIsTheWorstCase(t *testing.T) {
	for _, c := range [][2]int{{1, 1}, {3, 1}, {7, 1}, {2, 3}, {40, 4}} {
		worst := 0.0
		for share := 0.0; share <= 1; share += 0.0005 {
			worst = max(worst, math.Pow(1-share, float64(c[0]))*math.Pow(share, float64(c[1])))
		}
		if got := immune(c[0], c[1]); math.Abs(got-worst) > 1e-4 {
			t.Errorf("%v: %g, want %g", c, got, worst)
		}
	}
}

// TestTimeWithoutDeathsBeforeProvesNothing: all known deaths fell on working days, and the change was made on Friday evening.
func TestTimeWithoutDeathsBeforeProvesNothing(t *testing.T) {
	friday := monday.Add(4*24*time.Hour + 18*time.Hour)
	var all []Life
	for task := range 4 {
		for start := monday.Add(time.Duration(task) * 97 * time.Minute); start.Before(friday); start = start.Add(6*time.Hour + 31*time.Minute) {
			l := Life{Start: start, Age: 6*time.Hour + 30*time.Minute, End: Culprit}
			if l.ended().After(friday) {
				l.Age, l.End = friday.Sub(start), Alive
			}
			all = append(all, l)
		}
	}
	base := newBaseline(all, monday, friday, nil, nil)
	f := base.comparison(nil).forecast(4, Soak{Max: 96 * time.Hour}, friday)
	if want := friday.Add(62 * time.Hour); f.at.Before(want) || f.at.After(want.Add(14*time.Hour)) || !strings.Contains(f.power(base, 4, Soak{Max: 96 * time.Hour}), "decided at Mon") {
		t.Errorf("decided at %s: %s", f.at, f.power(base, 4, Soak{Max: 96 * time.Hour}))
	}
	for now := time.Hour; now < 62*time.Hour; now += time.Hour {
		fresh := slices.Repeat([]Life{{Start: friday, Age: now, End: Alive}}, 4)
		if a := Verify(Trial{Base: base, New: fresh}); a.Verdict != Undecided {
			t.Fatalf("%s after %s: %s", a.Verdict, now, a.Message)
		}
	}
}

func TestHoursOfTheWeek(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour
	for _, c := range []struct {
		name    string
		history time.Duration
		zone    *time.Location
		a, b    time.Duration // since Monday 00:00 of the zone
		alike   bool
	}{
		{"Tuesday and Thursday, 10:00", 4 * day, nil, day + 10*time.Hour, 3*day + 10*time.Hour, true},
		{"Tuesday, 10:00 and 14:00", 4 * day, nil, day + 10*time.Hour, day + 14*time.Hour, false},
		{"Tuesday and Thursday, with whole weeks known", 14 * day, nil, day + 10*time.Hour, 3*day + 10*time.Hour, false},
		{"the same hour, a week later", 14 * day, nil, day + 10*time.Hour, 8*day + 10*time.Hour, true},
		{"Thursday and Friday evening", 4 * day, nil, 3*day + 20*time.Hour, 4*day + 20*time.Hour, false},
		{"Tuesday and Monday, early", 4 * day, nil, day + 6*time.Hour, 7*day + 6*time.Hour, false},
		{"Saturday and Sunday", 4 * day, nil, 5*day + 10*time.Hour, 6*day + 10*time.Hour, false},
		{"Friday evening in Tokyo", 4 * day, tokyo, 3*day + 20*time.Hour, 4*day + 20*time.Hour, false},
	} {
		cal := calendarOf(c.zone, monday, monday.Add(c.history), nil)
		begin := monday
		if c.zone != nil {
			begin = time.Date(2026, 10, 5, 0, 0, 0, 0, c.zone)
		}
		if alike := cal.kindAt(begin.Add(c.a)) == cal.kindAt(begin.Add(c.b)); alike != c.alike {
			t.Errorf("%s: alike %t", c.name, alike)
		}
	}
}

// TestPiecesAreWhole: the pieces of a span are as long as the span, in zones with odd offsets and over a change of the clocks.
func TestPiecesAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"}).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, int64(20*24*time.Hour)).Draw(t, "from")))
		to := from.Add(time.Duration(rapid.Int64Range(0, int64(10*24*time.Hour)).Draw(t, "span")))
		cal := calendarOf(zone, from, from.Add(time.Duration(rapid.Int64Range(0, int64(10*24*time.Hour)).Draw(t, "history"))), nil)
		var sum time.Duration
		cal.each(from, to, func(kind int, d time.Duration) {
			if kind < 0 || kind >= kinds || d <= 0 || d > time.Hour {
				t.Fatalf("kind %d for %s", kind, d)
			}
			sum += d
		})
		if sum != to.Sub(from) {
			t.Errorf("%s of %s", sum, to.Sub(from))
		}
	})
}

func TestPower(t *testing.T) {
	soak := Soak{Min: time.Hour, Max: maxSoak}
	for _, c := range []struct {
		base  Baseline
		tasks int
		want  string
	}{
		{dying(4, 48*time.Hour), 4, "decided at Wed 7 Oct 20:"},
		{dying(1, 54*time.Hour), 1, "decided at"},
		{dying(1, 24*time.Hour), 1, "too little history: 3 death(s) in 3 separate moment(s) are known from 1 d, and 7 moments are needed at 1 task(s)"},
		{Baseline{}, 4, "nothing can decide this"},
		{newBaseline(lives(20, 50*time.Hour, Culprit), wednesday, wednesday.Add(60*time.Hour), nil, nil), 4, "the longest soak of 3 d is too short"},
	} {
		f := c.base.comparison(nil).forecast(c.tasks, soak, wednesday)
		if got := f.power(c.base, c.tasks, soak); !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestTheForecastIsWhatVerifyDoes: at the time that the plan names, and not before, living tasks prove the fix.
func TestTheForecastIsWhatVerifyDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tasks := rapid.IntRange(1, 12).Draw(t, "tasks")
		base := dying(tasks, time.Duration(rapid.IntRange(8, 300).Draw(t, "history"))*time.Hour)
		soak := Soak{Max: maxSoak}
		f := base.comparison(nil).forecast(tasks, soak, wednesday)
		if f.at.IsZero() {
			return
		}
		started := min(deploysIn, base.comparison(nil).bar.Whole/16)
		at := func(now time.Time) Verdict {
			return Verify(Trial{Base: base, New: slices.Repeat([]Life{{Start: wednesday.Add(started), Age: now.Sub(wednesday) - started, End: Alive}}, tasks)}).Verdict
		}
		if early, late := at(f.at.Add(-soak.Max/forecastSteps-time.Second)), at(f.at); early != Undecided || late != Effective {
			t.Errorf("%s: before it is %s, then %s", f.at, early, late)
		}
	})
}

func ExampleBaseline() {
	base := dying(4, 48*time.Hour)
	soak := Soak{Min: time.Hour, Max: maxSoak}
	fmt.Println(base.comparison(nil).forecast(4, soak, wednesday).power(base, 4, soak))
	// Output: decided at Wed 7 Oct 20:45 UTC at the earliest, if the culprit does not die: 29 death(s) in 29 separate moment(s) are known from 2 d
}

// TestHarmInHoursThatTheHistoryDoesNotKnow: tasks died each hour, and die each seven minutes after the change, in a part of the
// day of which nothing is known.
func TestHarmInHoursThatTheHistoryDoesNotKnow(t *testing.T) {
	var before, after []Life
	for task := range 4 {
		for at := wednesday.Add(-6*time.Hour + time.Duration(task)*14*time.Minute); at.Before(wednesday.Add(-time.Hour)); at = at.Add(56 * time.Minute) {
			before = append(before, Life{Start: at, Age: 55 * time.Minute, End: Culprit})
		}
		for at := wednesday.Add(time.Duration(task) * time.Minute); at.Before(wednesday.Add(time.Hour)); at = at.Add(8 * time.Minute) {
			after = append(after, Life{Start: at, Age: 7 * time.Minute, End: Culprit})
		}
	}
	base := newBaseline(before, wednesday.Add(-6*time.Hour), wednesday, nil, nil)
	if a := Verify(Trial{Base: base, New: after}); a.Verdict != Worse {
		t.Errorf("%s: %s", a.Verdict, a.Message)
	}
}
