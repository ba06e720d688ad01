package rollout

import (
	"math"
	"strings"
	"testing"
	"time"
)

// lives are n tasks of one age and end.
func lives(n int, age time.Duration, end Ending) []Life {
	var out []Life
	for range n {
		out = append(out, Life{age, end})
	}
	return out
}

// incidentLives die evenly from 6 to 7 h.
func incidentLives(n int) []Life {
	var out []Life
	for i := range n {
		out = append(out, Life{6*time.Hour + time.Duration(i)*time.Hour/time.Duration(n), Culprit})
	}
	return out
}

func TestVerdicts(t *testing.T) {
	base := incidentLives(16)
	for _, c := range []struct {
		name  string
		trial Trial
		want  Verdict
		says  string
	}{
		{"many young tasks prove nothing", Trial{Base: base, New: lives(40, 5*time.Hour, Alive)}, Undecided, "must reach"},
		{"past the 90th percentile is not enough: a generation is one draw", Trial{Base: base, New: lives(40, 7*time.Hour, Alive)}, Undecided, "must reach"},
		{"half over again is", Trial{Base: base, New: lives(4, 11*time.Hour, Alive)}, Effective, "no death"},
		{"one task of many deaths' baseline", Trial{Base: base, New: lives(1, 11*time.Hour, Alive)}, Effective, "no death"},
		{"one task and three deaths must wait", Trial{Base: incidentLives(3), New: lives(1, 11*time.Hour, Alive)}, Undecided, "chance"},
		{"one task and three deaths, later", Trial{Base: incidentLives(3), New: lives(1, 16*time.Hour, Alive)}, Effective, "no death"},
		{"deaths as before", Trial{Base: base, New: incidentLives(4), Elapsed: 1}, Undecided, "must reach"},
		{"deaths as before, and one who lives", Trial{Base: base, New: append(incidentLives(12), lives(1, 20*time.Hour, Alive)...), Elapsed: 1}, Undecided, "expected"},
		{"one death in forty, at the end", Trial{Base: base, New: append(lives(39, 60*time.Hour, Alive), Life{6 * time.Hour, Culprit}), Elapsed: 1}, Effective, "death(s) of the culprit"},
		{"one death in forty, at the first look", Trial{Base: base, New: append(lives(39, 11*time.Hour, Alive), Life{6 * time.Hour, Culprit}), Elapsed: 0.02}, Undecided, "too"},
		{"dead at once", Trial{Base: base, New: lives(4, 5*time.Minute, Culprit)}, Worse, "younger"},
		{"dead at once of something else", Trial{Base: base, New: lives(4, 5*time.Minute, Other)}, Worse, "younger"},
		{"one early death is not yet harm", Trial{Base: base, New: append(lives(3, time.Hour, Alive), Life{5 * time.Minute, Culprit})}, Undecided, ""},
		{"a generation that dies a little early", Trial{Base: base, New: lives(40, 6*time.Hour, Culprit)}, Undecided, ""},
		{"no death is known", Trial{Base: lives(4, 100*time.Hour, Alive), New: lives(4, 70*time.Hour, Alive)}, Undecided, "nothing can be compared"},
		{"tasks that nobody saw again", Trial{Base: base, New: lives(3, 20*time.Hour, Alive), Missing: 1}, Undecided, "nobody knows"},
	} {
		a := Verify(c.trial)
		if c.says == "too" {
			c.says = "this look may conclude"
		}
		if a.Verdict != c.want || !strings.Contains(a.Message, c.says) {
			t.Errorf("%s: %s: %s", c.name, a.Verdict, a.Message)
		}
	}
}

// TestAskingOftenDoesNotPay: all looks together spend no more than the bound.
func TestAskingOftenDoesNotPay(t *testing.T) {
	base, spent, sum := incidentLives(16), 0.0, 0.0
	for i := 1; i <= 4320; i++ {
		trial := Trial{Base: base, New: append(lives(39, 11*time.Hour, Alive), lives(1, 6*time.Hour, Culprit)...), Spent: spent, Elapsed: float64(i) / 4320}
		trial.New = append(trial.New, lives(3, 6*time.Hour, Culprit)...)
		a := Verify(trial)
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

func TestLogRankIsExact(t *testing.T) {
	// With nobody censored before the last death, the chance that all n new tasks outlive all m old ones is 1/C(m+n, n).
	r := logRank(incidentLives(3), lives(4, 8*time.Hour, Alive), culpritDeath)
	if want := 1.0 / 35; math.Abs(r.fewer()-want) > 1e-12 || math.Abs(r.more()-1) > 1e-12 {
		t.Errorf("fewer %g, want %g; more %g", r.fewer(), want, r.more())
	}
	// And that one new task dies first of m+1 is 1/(m+1) to be one death or more at that time.
	r = logRank(incidentLives(9), lives(1, time.Hour, Culprit), culpritDeath)
	if math.Abs(r.more()-0.1) > 1e-12 || r.observed != 1 {
		t.Errorf("more %g, want 0.1", r.more())
	}
}

func TestQ90(t *testing.T) {
	for _, c := range []struct {
		lives []Life
		want  time.Duration
	}{
		{nil, 0}, {lives(3, time.Hour, Alive), 0}, {lives(1, time.Hour, Culprit), time.Hour},
		{incidentLives(10), 6*time.Hour + 48*time.Minute},
		{append(lives(9, 100*time.Hour, Alive), Life{time.Hour, Culprit}), time.Duration(math.Ln10 * float64(901*time.Hour))},
	} {
		if got := q90(c.lives); got.Round(time.Minute) != c.want.Round(time.Minute) {
			t.Errorf("%v: %s, want %s", c.lives, got, c.want)
		}
	}
}

func TestPower(t *testing.T) {
	soak := Soak{Min: time.Hour, Max: maxSoak}
	for _, c := range []struct {
		base  []Life
		tasks int
		want  string
	}{
		{incidentLives(3), 4, "10 h decide this at 4 tasks; at 1 task 15 h"},
		{incidentLives(28), 1, "10 h 30 min decide this at 1 task"},
		{nil, 4, "nothing can decide this"},
		{lives(4, 100*time.Hour, Culprit), 4, "longer than the longest soak"},
	} {
		if got := power(c.base, c.tasks, soak); !strings.HasPrefix(got, c.want) && !strings.Contains(got, c.want) {
			t.Errorf("%q, want %q", got, c.want)
		}
		// What the statement says is what Verify does.
		if at := decides(c.base, c.tasks, soak); at > 0 {
			early := Verify(Trial{Base: c.base, New: lives(c.tasks, at-time.Minute, Alive)})
			late := Verify(Trial{Base: c.base, New: lives(c.tasks, at+time.Minute, Alive)})
			if early.Verdict != Undecided || late.Verdict != Effective {
				t.Errorf("%s: a minute before it is %s, a minute after %s", human(at), early.Verdict, late.Verdict)
			}
		}
	}
}
