package churn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func livesOf(died bool, hours ...float64) []life {
	var out []life
	for _, h := range hours {
		out = append(out, life{time.Duration(h * float64(time.Hour)), died})
	}
	return out
}

// The remission times of 21 leukaemia patients under 6-MP, of whom 12 are censored, are the textbook example of the
// estimate (E. Gehan, Biometrika 52, 1965; D. Collett, Modelling Survival Data in Medical Research, gives the steps).
func TestSurvivalTextbook(t *testing.T) {
	s := survivalOf(append(livesOf(true, 6, 6, 6, 7, 10, 13, 16, 22, 23), livesOf(false, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)...))
	want := []struct{ age, left float64 }{{6, 0.8571}, {7, 0.8067}, {10, 0.7529}, {13, 0.6902}, {16, 0.6275}, {22, 0.5378}, {23, 0.4482}}
	if len(s.steps) != len(want) || s.deaths != 9 || s.censored != 12 {
		t.Fatalf("survival %+v", s)
	}
	for i, w := range want {
		if got := s.steps[i]; got.age.Hours() != w.age || math.Abs(got.left-w.left) > 5e-5 {
			t.Errorf("after %v h %.4f are left, want %v: %.4f", got.age.Hours(), got.left, w.age, w.left)
		}
	}
	if got := s.quantile(0.95).Hours(); got != 35 {
		t.Errorf("the 95th percentile is not reached: %v h, want the highest age seen, 35 h", got)
	}
}

func TestSurvivalQuantiles(t *testing.T) {
	for name, c := range map[string]struct {
		lives []life
		q     float64
		want  time.Duration
	}{
		"nothing died":                        {livesOf(false, 5, 7), 0.95, 0},
		"one death":                           {livesOf(true, 6.5), 0.95, 6*time.Hour + 30*time.Minute},
		"the median of three":                 {livesOf(true, 3, 1, 2), 0.5, 2 * time.Hour},
		"one of four so far, all as old":      {append(livesOf(true, 6), livesOf(false, 6, 6, 6)...), 0.95, 6 * time.Hour},
		"one of four, the others live longer": {append(livesOf(true, 6), livesOf(false, 9, 9, 9)...), 0.95, 9 * time.Hour},
		"one kind dies, the other never":      {append(livesOf(true, 6, 6.2, 6.4), livesOf(false, 300, 300, 300, 300)...), 0.95, 6*time.Hour + 24*time.Minute},
	} {
		if got := survivalOf(c.lives).quantile(c.q); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Deployments cut lives short. What was seen to die then died young; the estimate is not fooled by it.
func TestSurvivalIsNotFooledByDeployments(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var lives []life
	var dead []time.Duration
	for range 4000 {
		age, cut := r.ExpFloat64()*5, r.Float64()*24 // a mean of 5 h, and deployments within a day
		lives = append(lives, life{time.Duration(min(age, cut) * float64(time.Hour)), age < cut})
		if age < cut {
			dead = append(dead, time.Duration(age*float64(time.Hour)))
		}
	}
	truth := -math.Log(0.05) * 5
	slices.Sort(dead)
	naive := dead[len(dead)*95/100].Hours()
	if got := survivalOf(lives).quantile(0.95).Hours(); math.Abs(got-truth) > 0.06*truth || naive > 0.85*truth {
		t.Errorf("95th percentile %.1f h, of the dead alone %.1f h, in truth %.1f h", got, naive, truth)
	}
}

func TestSpan(t *testing.T) {
	if got := (survival{}).span(); got != "" {
		t.Errorf("span of nothing %q", got)
	}
	if got := survivalOf(livesOf(true, 6.5, 6.5)).span(); got != "6 h 30 min after their start" {
		t.Errorf("span %q", got)
	}
	for d, want := range map[time.Duration]string{0: "0 s", 61 * time.Second: "1 min 1 s", 6*time.Hour + 30*time.Minute: "6 h 30 min", 50 * time.Hour: "2 d 2 h", time.Hour: "1 h"} {
		if got := human(d); got != want {
			t.Errorf("human(%v) = %q, want %q", d, got, want)
		}
	}
}
