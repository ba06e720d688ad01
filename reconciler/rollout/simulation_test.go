package rollout

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	maxSoak   = 72 * time.Hour
	fullTrial = 2000 // simulated rollouts of the acceptance
)

// nature is how tasks die in a simulated service.
type nature struct {
	name     string
	lifetime func(*rand.Rand) time.Duration
	together bool // all tasks of a generation draw one lifetime
}

func uniform(from, to time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return from + time.Duration(r.Float64()*float64(to-from)) }
}

func exponential(mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

func forever(*rand.Rand) time.Duration { return 1000 * time.Hour }

// span is one task's place in time; its death is at until, or after the end of what is simulated.
type span struct{ from, until time.Duration }

// live runs a service of n tasks from 0 to end: whoever dies is replaced at once.
func live(r *rand.Rand, n int, nat nature, end time.Duration) []span {
	var out []span
	if nat.together {
		for at := time.Duration(0); at < end; {
			until := at + nat.lifetime(r)
			for range n {
				out = append(out, span{at, until})
			}
			at = until
		}
		return out
	}
	for range n {
		for at := time.Duration(r.Float64() * float64(5*time.Minute)); at < end; {
			until := at + nat.lifetime(r)
			out = append(out, span{at, until})
			at = until
		}
	}
	return out
}

// seenAt is what is known of these tasks at a time.
func seenAt(spans []span, now time.Duration) []Life {
	var out []Life
	for _, s := range spans {
		switch {
		case s.from >= now:
		case s.until <= now:
			out = append(out, Life{s.until - s.from, Culprit})
		default:
			out = append(out, Life{now - s.from, Alive})
		}
	}
	return out
}

// soak plays one rollout: the service as it was for so long, then the new revision, looked at every hour.
func soak(r *rand.Rand, n int, before time.Duration, old, fixed nature) (Verdict, time.Duration) {
	base := seenAt(live(r, n, old, before), before)
	after := live(r, n, fixed, maxSoak)
	var spent float64
	for now := time.Hour; now <= maxSoak; now += time.Hour {
		a := Verify(Trial{Base: base, New: seenAt(after, now), Spent: spent, Elapsed: float64(now) / float64(maxSoak)})
		spent = a.Spent
		if a.Verdict != Undecided {
			return a.Verdict, now
		}
	}
	return Undecided, maxSoak
}

// shares counts the verdicts of many simulated rollouts.
func shares(trials, n int, before time.Duration, old, fixed nature) (effective, worse float64) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for range trials {
		switch v, _ := soak(r, n, before, old, fixed); v {
		case Effective:
			effective++
		case Worse:
			worse++
		}
	}
	return effective / float64(trials), worse / float64(trials)
}

// natures are the ways to die that a fix without effect must not profit from.
var natures = []nature{
	{"6 to 7 h", uniform(6*time.Hour, 7*time.Hour), false},
	{"6 to 7 h, generations as one", uniform(6*time.Hour, 7*time.Hour), true},
	{"memoryless, mean 6.5 h", exponential(390 * time.Minute), false},
	{"memoryless, generations as one", exponential(390 * time.Minute), true},
}

var cured = nature{"cured", forever, false}

// fixes checks the acceptance on so many simulated rollouts for each number of tasks.
func fixes(t testing.TB, trials int) {
	for _, nat := range natures {
		for _, n := range []int{1, 4, 40} {
			e, w := shares(trials, n, 48*time.Hour, nat, nat)
			t.Logf("%s, %d task(s), a fix that does nothing: effective %.1f %%, worse %.1f %%", nat.name, n, 100*e, 100*w)
			if e > 0.06+2*math.Sqrt(0.06*0.94/float64(trials)) || trials >= fullTrial && e > 0.06 {
				t.Errorf("%s: at %d task(s) a fix that does nothing is called effective in %.1f %% of %d rollouts", nat.name, n, 100*e, trials)
			}
		}
	}
	for _, n := range []int{4, 40} {
		e, w := shares(trials, n, 24*time.Hour, natures[0], cured)
		t.Logf("%d tasks, cured: effective %.1f %%, worse %.1f %%", n, 100*e, 100*w)
		if e < 0.9 || w > 0 {
			t.Errorf("at %d tasks a cure is called effective in %.1f %% and worse in %.1f %% of %d rollouts", n, 100*e, 100*w, trials)
		}
	}
}

func TestAFixIsProvenOnlyWhereItWorks(t *testing.T) { fixes(t, 40) }

// BenchmarkAcceptance plays the 2,000 rollouts of the acceptance for each number of tasks: -bench Acceptance -benchtime 1x.
func BenchmarkAcceptance(b *testing.B) {
	for b.Loop() {
		fixes(b, fullTrial)
	}
}
