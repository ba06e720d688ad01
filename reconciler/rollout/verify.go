package rollout

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Verdict is what the lifetimes say of a fix.
type Verdict string

// Verdicts. Undecided is not a failure: it says that nothing may be concluded yet.
const (
	Undecided Verdict = "undecided"
	Effective Verdict = "effective"
	Worse     Verdict = "worse"
)

const (
	// quietChance bounds the no-death rule: how often a fix that does nothing may look effective by surviving.
	quietChance = 0.05
	// deathsChance bounds the rule for fixes under which somebody died all the same, over all its looks together. Both
	// make the 6 % that a fix without effect may be called effective.
	deathsChance = 0.01
	// worseChance bounds one look for harm. It spends nothing over time: calling a harmless fix harmful costs a rollback,
	// not a wrong proof.
	worseChance = 0.01
	// worseDeaths is the least number of deaths that harm is concluded from.
	worseDeaths = 2
	// outlive is how far beyond the baseline's 90th percentile the oldest new task must be. Tasks that start together may
	// die together, so a generation counts as one draw; where tasks do not get younger with age, an unfixed one reaches
	// 1.5 times that percentile with a chance of at most 0.1^1.5 = 3.2 % (the survival of an increasing hazard is
	// log-concave; Barlow and Proschan, Mathematical Theory of Reliability, 1965, chapter 2).
	outlive = 1.5
	// relief is the largest share of the expected deaths that may still happen under an effective fix.
	relief = 0.2
	// looks is how often the deaths rule may be asked within the longest soak.
	looks = 24
)

// Trial is one comparison: the lives before the fix, those since, and how far the soak has got.
type Trial struct {
	Base, New []Life
	Missing   int     // first tasks of the new revision of which nobody knows what became
	Spent     float64 // of deathsChance, by earlier looks
	Elapsed   float64 // of the longest soak, 0 to 1
}

// Assessment is the answer to a Trial, with its reasons.
type Assessment struct {
	Verdict     Verdict       `json:"verdict"`
	Message     string        `json:"message"`
	Chance      float64       `json:"chance"`      // of seeing this or better from a fix that does nothing; 1 where nothing can be said
	Spent       float64       `json:"spent"`       // the Trial's, with this look's share
	Bar         time.Duration `json:"bar"`         // the age that a new task must reach; 0: no death is known to compare with
	Oldest      time.Duration `json:"oldest"`      // age of the oldest new task
	Ineffective bool          `json:"ineffective"` // deaths go on as before: reported, and nothing is done about it
}

// Verify says what the lifetimes prove.
//
//	worse      unplanned deaths come earlier than the baseline's, even if the new tasks were half as old again, by the
//	           exact log-rank test at 1 %; at any time
//	effective  a new task has outlived the baseline's 90th percentile half over again, and
//	           nobody died of the culprit, the chance of which is <= 5 % without a fix, or
//	           few did (<= 20 % of the expected), by the log-rank test at what this look may spend of 1 %
//	undecided  otherwise
//
// The chance that nobody dies takes each life's age beyond the 90th percentile in units of it, with a hazard that stays
// what it was there, and a scale that is known from m deaths only: (m/(m+x))^m, the chance that of the baseline's and the
// new exposure together all m deaths fall into the baseline's. Younger tasks add nothing, however many they are.
func Verify(t Trial) Assessment {
	a := Assessment{Verdict: Undecided, Chance: 1, Spent: t.Spent, Bar: time.Duration(outlive * float64(q90(t.Base)))}
	for _, l := range t.New {
		a.Oldest = max(a.Oldest, l.Age)
	}
	if a.harm(t) {
		return a
	}
	r := logRank(t.Base, t.New, culpritDeath)
	a.Ineffective = r.observed > 0 && float64(r.observed) >= r.expected/2
	switch {
	case a.Bar == 0:
		a.Message = "no lifetime before the change is known that ended in a death: nothing can be compared"
	case t.Missing > 0:
		a.Message = fmt.Sprintf("of %d task(s) that the new revision started with nobody knows whether they died", t.Missing)
	case a.Oldest < a.Bar:
		a.Message = fmt.Sprintf("the oldest new task is %s old and must reach %s, 1.5 times the age that a tenth of the tasks reached before",
			human(a.Oldest), human(a.Bar))
	case r.observed == 0:
		a.quiet(t)
	default:
		a.deaths(t, r)
	}
	return a
}

// harm is the rule for a fix that makes it worse. It counts every unplanned death, and takes each new task for half as old
// again as it is: tasks that start together may die together, and a generation that dies a little early is no harm.
func (a *Assessment) harm(t Trial) bool {
	aged := make([]Life, len(t.New))
	for i, l := range t.New {
		aged[i] = Life{time.Duration(outlive * float64(l.Age)), l.End}
	}
	r := logRank(t.Base, aged, anyDeath)
	if r.observed < worseDeaths || float64(r.observed) <= r.expected || r.more() > worseChance {
		return false
	}
	a.Verdict, a.Chance = Worse, r.more()
	a.Message = fmt.Sprintf("%d unplanned deaths of new tasks, younger than the baseline's lifetimes let expect (%.1f even if they were half as old again): chance %s without harm",
		r.observed, r.expected, percent(a.Chance))
	return true
}

// quiet is the no-death rule. It needs no spending: the ages at which it answers are fixed by the baseline, so that looking
// often finds nothing that looking once at that age would not.
func (a *Assessment) quiet(t Trial) {
	a.Chance = unfixedChance(t.Base, t.New)
	a.Message = fmt.Sprintf("no death of the culprit, the oldest new task is %s old: the chance of that without a fix is %s",
		human(a.Oldest), percent(a.Chance))
	if a.Chance <= quietChance {
		a.Verdict = Effective
	}
}

// deaths is the rule for fixes under which somebody died all the same.
func (a *Assessment) deaths(t Trial, r ranks) {
	may := max(spending(t.Elapsed)-t.Spent, 0)
	if t.Elapsed-elapsedAt(t.Spent) < 1.0/looks {
		may = 0 // too soon after the last look: asking often must not pay
	} else {
		a.Spent = max(spending(t.Elapsed), t.Spent)
	}
	a.Message = fmt.Sprintf("%d death(s) of the culprit where %.1f were to be expected", r.observed, r.expected)
	if float64(r.observed) > relief*r.expected {
		return
	}
	a.Chance = r.fewer()
	a.Message += fmt.Sprintf(": chance %s without a fix; this look may conclude at %s", percent(a.Chance), percent(may))
	if a.Chance <= may {
		a.Verdict = Effective
	}
}

// unfixedChance is the chance that none of the new lives ended in a culprit's death, had the fix done nothing.
func unfixedChance(base, fresh []Life) float64 {
	q := q90(base)
	var x float64
	for _, l := range fresh {
		if l.Age >= q {
			x += math.Ln10 * float64(l.Age) / float64(q)
		}
	}
	n, _ := exposure(base, culpritDeath)
	m := float64(n)
	return math.Pow(m/(m+x), m)
}

// spending is how much of deathsChance all looks up to this part of the longest soak may use: almost nothing early, all of
// it at the end (K. Lan and D. DeMets, Discrete sequential boundaries for clinical trials, 1983, the O'Brien-Fleming shape).
// A look tests at the difference to the one before, which needs no joint distribution to be safe.
func spending(elapsed float64) float64 {
	if elapsed <= 0 {
		return 0
	}
	z := distuv.UnitNormal.Quantile(1 - deathsChance/2)
	return 2 * distuv.UnitNormal.Survival(z/math.Sqrt(min(elapsed, 1)))
}

// elapsedAt is when spending reached that much: the time of the last look.
func elapsedAt(spent float64) float64 {
	if spent <= 0 {
		return 0
	}
	z := distuv.UnitNormal.Quantile(1 - deathsChance/2)
	return math.Pow(z/distuv.UnitNormal.Quantile(1-spent/2), 2)
}

func percent(p float64) string {
	switch {
	case p < 0.0001:
		return "below 0.01 %"
	case p < 0.1:
		return fmt.Sprintf("%.2g %%", 100*p)
	}
	return fmt.Sprintf("%.0f %%", 100*p)
}
