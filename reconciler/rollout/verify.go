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
	// deathsChance bounds the rule for fixes under which a task died all the same, over all its looks together. Both make
	// the 6 % that a fix without effect may be called effective.
	deathsChance = 0.01
	// outlive is how far beyond the baseline's 90th percentile the oldest new task must be.
	outlive = 1.5
	// outliveFew is the same for the rule under which a task died all the same: a generation that has begun to die must have
	// had the time to finish.
	outliveFew = 2.5
	// relief is the largest share of the expected deaths that may still happen under an effective fix.
	relief = 0.2
	// looks is how often the deaths rule may be asked within the longest soak.
	looks = 24

	// worseChance bounds one look for harm. Looks are many, but only a new death can change the answer.
	worseChance = 0.002
	// worseMoments is the least number of separate moments of death that harm is concluded from.
	worseMoments = 3
	// worseAge takes each new task for so many times as old as it is: a little earlier than before is no harm.
	worseAge = 1.5
	// beside is how long before and after the change is compared at once: traffic does not change much from one hour to the next.
	beside = 3 * time.Hour
	// gross is by how much more often or earlier tasks must die where the hours are not known from before the change. Traffic
	// may differ that much between a night and a day; a crash at start differs more.
	gross = 12
)

// Trial is one comparison: the lives before the fix, those since, and how far the soak has got.
type Trial struct {
	Base    Baseline
	New     []Life   // Start, Age and End
	Traffic *Traffic // since before the change; nil: not known
	Missing int      // first tasks of the new revision whose fate is unknown
	Spent   float64  // of deathsChance, by earlier looks
	Elapsed float64  // of the longest soak, 0 to 1
}

// Ages is an age in whole and in hours that count.
type Ages struct {
	Whole   time.Duration `json:"whole"`
	Counted time.Duration `json:"counted"`
}

func (a Ages) times(f float64) Ages {
	return Ages{time.Duration(f * float64(a.Whole)), time.Duration(f * float64(a.Counted))}
}

// reaches reports whether both ages are at least the other's.
func (a Ages) reaches(bar Ages) bool { return a.Whole >= bar.Whole && a.Counted >= bar.Counted }

// Assessment is the answer to a Trial, with its reasons.
type Assessment struct {
	Verdict     Verdict `json:"verdict"`
	Message     string  `json:"message"`
	Chance      float64 `json:"chance"`      // of seeing this or better from a fix that does nothing; 1 where nothing can be said
	Spent       float64 `json:"spent"`       // the Trial's, with this look's share
	Bar         Ages    `json:"bar"`         // that a new task must reach; zero: no death is known to compare with
	Oldest      Ages    `json:"oldest"`      // of the oldest new task
	Ineffective bool    `json:"ineffective"` // deaths go on as before: reported, and nothing is done about it
}

// Verify says what the lifetimes prove.
//
//	worse      unplanned deaths come earlier than the baseline's by the exact log-rank test, and more often than in the same
//	           kinds of hours or in the hours right before the change, each at 0.2 %; or so often that no difference of
//	           traffic explains it
//	effective  a new task has outlived the baseline's 90th percentile by a quarter, and
//	           the culprit did not die, the chance of which is <= 5 % without a fix, or
//	           it died seldom (<= 20 % of the expected), by the log-rank test at what this look may spend of 1 %
//	undecided  otherwise
//
// Two chances bound the no-death rule. One is that all known moments of death fell before the change, hour of the week by
// hour of the week (comparison.noDeath). The other is that the fault does not strike every task, and struck all old ones
// and none of the new (immune).
func Verify(t Trial) Assessment { return t.Base.comparison(t.Traffic).verify(t) }

func (c *comparison) verify(t Trial) Assessment {
	fresh := make([]Life, len(t.New))
	copy(fresh, t.New)
	markMoments(fresh, c.moment)
	a := Assessment{Verdict: Undecided, Chance: 1, Spent: t.Spent, Bar: c.bar}
	for i, l := range fresh {
		fresh[i].Counted = c.counted(l.Start, l.ended())
		a.Oldest = Ages{max(a.Oldest.Whole, l.Age), max(a.Oldest.Counted, fresh[i].Counted)}
	}
	exposed := c.exposed(fresh)
	if a.harm(c, fresh, exposed) {
		return a
	}
	var r ranks
	if deaths(fresh) > 0 {
		r = logRank(c.Lives, fresh, culpritDeath, c.apart())
	}
	a.Ineffective = r.observed > 0 && float64(r.observed) >= r.expected/2
	switch {
	case a.Bar == Ages{}:
		a.Message = "no lifetime before the change is known that ended in a death: nothing can be compared"
	case t.Base.Traffic != nil && t.Traffic == nil:
		a.Message = "the requests since the change could not be read, by which lifetimes of this service are compared"
	case t.Missing > 0:
		a.Message = fmt.Sprintf("the fate of %d task(s) that the new revision started is unknown", t.Missing)
	case a.Oldest.Whole < a.Bar.Whole:
		a.Message = fmt.Sprintf("the oldest new task is %s old and must reach %s: %g times the age that a tenth of the tasks reached before",
			human(a.Oldest.Whole), human(a.Bar.Whole), outlive)
	case a.Oldest.Counted < a.Bar.Counted:
		a.Message = fmt.Sprintf("the oldest new task has lived for %s in hours of the week in which tasks died before, and must reach %s",
			human(a.Oldest.Counted), human(a.Bar.Counted))
	case r.observed == 0:
		a.quiet(c, fresh, exposed)
	default:
		a.deaths(t, c, r, fresh, exposed)
	}
	return a
}

// outlived is the age that a new task must reach before anything is called effective.
func outlived(lives []Life) Ages { return Ages{q90(wholeAges(lives)), q90(lives)}.times(outlive) }

// scale is by how much the new exposure is to be reduced where more tasks run than before: more tasks that die as one do not
// die more often.
func (c *comparison) scale(fresh []Life) float64 {
	return min(1, c.ratio(fresh))
}

// ratio is the baseline's number of tasks by that of the new revision.
func (c *comparison) ratio(fresh []Life) float64 {
	now := tasksOf(fresh)
	if now == 0 || c.Tasks == 0 {
		return 1
	}
	return c.Tasks / now
}

// tasksOf is how many of these lives ran at a time, on average.
func tasksOf(lives []Life) float64 {
	var from, to time.Time
	var total time.Duration
	for _, l := range lives {
		if from.IsZero() || l.Start.Before(from) {
			from = l.Start
		}
		if l.ended().After(to) {
			to = l.ended()
		}
		total += l.Age
	}
	if !to.After(from) {
		return 0
	}
	return float64(total) / float64(to.Sub(from))
}

// harm is the rule for a fix that makes it worse. It counts every unplanned death. The whole age of a new task is compared
// with the counted age of the old ones, so that no hour in which it may have aged is left out.
func (a *Assessment) harm(c *comparison, fresh []Life, exposed *exposure) bool {
	moments := 0
	for _, l := range fresh {
		if l.End != Alive && !l.Shared {
			moments++
		}
	}
	if moments < worseMoments {
		return false
	}
	if chance := c.farMoreOften(fresh, moments); chance <= worseChance {
		a.Verdict, a.Chance = Worse, chance
		a.Message = fmt.Sprintf("unplanned deaths in %d separate moments: the chance of that is %s even if traffic makes tasks die %d times as often as before",
			moments, percent(chance), gross)
		return true
	}
	if r := logRank(wholeAges(c.Lives), aged(fresh, func(l Life) Life {
		l.Counted = gross * l.Age
		return l
	}), anyDeath, c.apart()); r.harmful() {
		a.worse(r)
		return true
	}
	r := logRank(c.Lives, aged(fresh, func(l Life) Life {
		l.Counted = time.Duration(worseAge * float64(l.Age))
		return l
	}), anyDeath, c.apart())
	if !r.harmful() || !a.moreOften(c, fresh, exposed) && !c.moreThanBefore(fresh) {
		return false
	}
	a.worse(r)
	return true
}

func (a *Assessment) worse(r ranks) {
	a.Verdict, a.Chance = Worse, r.more()
	a.Message = fmt.Sprintf("unplanned deaths in %d separate moments, at ages that let %.1f expect: chance %s without harm", r.observed, r.expected, percent(a.Chance))
}

// farMoreOften is the chance of so many moments of death had tasks died gross times as often as before, whatever the hours.
func (c *comparison) farMoreOften(fresh []Life, moments int) float64 {
	var before Hour
	for _, h := range c.hours {
		before.Time += h.Time
		before.Any += h.Any
	}
	x, scale := 0.0, gross*max(1, c.ratio(fresh))
	for _, l := range fresh {
		x += scale * float64(l.Age)
	}
	if before.Time == 0 || x == 0 {
		return 1
	}
	draws := make([]float64, before.Any+moments)
	for i := range draws {
		draws[i] = x / (x + float64(before.Time))
	}
	return 1 - atMost(draws, moments-1)
}

// harmful reports whether more new tasks died than the ages let expect.
func (r ranks) harmful() bool {
	return r.observed >= worseMoments && float64(r.observed) > r.expected && r.more() <= worseChance
}

// moreOften reports whether deaths came more often than in the same hours before the change.
func (a *Assessment) moreOften(c *comparison, fresh []Life, exposed *exposure) bool {
	var after [kinds]int
	for _, l := range fresh {
		if l.End != Alive && !l.Shared {
			after[c.cal.kindAt(l.ended())]++
		}
	}
	draws, observed := c.shares(exposed, max(1, c.ratio(fresh)), func(h Hour) int { return h.Any }, after)
	return 1-atMost(draws, observed-1) <= worseChance
}

// moreThanBefore reports whether deaths came more often in the first hours after the change than in the last hours before it.
func (c *comparison) moreThanBefore(fresh []Life) bool {
	after := between(fresh, c.To, c.To.Add(beside))
	x := float64(after.Time) * max(1, c.ratio(fresh))
	if c.Last.Time <= 0 || x <= 0 {
		return false
	}
	draws := make([]float64, c.Last.Any+after.Any)
	for i := range draws {
		draws[i] = x / (x + float64(c.Last.Time))
	}
	return 1-atMost(draws, after.Any-1) <= worseChance
}

// wholeAges is lives of which every hour counts.
func wholeAges(lives []Life) []Life {
	return aged(lives, func(l Life) Life {
		l.Counted = l.Age
		return l
	})
}

func aged(lives []Life, change func(Life) Life) []Life {
	out := make([]Life, len(lives))
	for i, l := range lives {
		out[i] = change(l)
	}
	return out
}

// quiet is the no-death rule. It needs no spending: when it answers is fixed by the baseline and the clock, so that looking
// often finds nothing that looking once at that time would not.
func (a *Assessment) quiet(c *comparison, fresh []Life, exposed *exposure) {
	reached := 0
	for _, l := range fresh {
		if (Ages{l.Age, l.Counted}).reaches(a.Bar) {
			reached++
		}
	}
	chance, struck := c.noDeath(exposed, c.scale(fresh)), immune(c.Moments, c.draws(reached))
	a.Chance = max(chance, struck)
	a.Message = fmt.Sprintf("no death of the culprit; the chance of that without a fix is %s by the hours in which tasks died before, and at most %s if the fault does not strike every task",
		percent(chance), percent(struck))
	if a.Chance <= quietChance {
		a.Verdict = Effective
	}
}

// deaths is the rule for fixes under which a task died all the same.
func (a *Assessment) deaths(t Trial, c *comparison, r ranks, fresh []Life, exposed *exposure) {
	may := max(spending(t.Elapsed)-t.Spent, 0)
	if t.Elapsed-elapsedAt(t.Spent) < 1.0/looks {
		may = 0 // too soon after the last look: asking often must not pay
	} else {
		a.Spent = max(spending(t.Elapsed), t.Spent)
	}
	a.Message = fmt.Sprintf("the culprit died in %d separate moment(s) where %.1f were to be expected", r.observed, r.expected)
	if float64(r.observed) > relief*r.expected || !a.Oldest.reaches(a.Bar.times(outliveFew/outlive)) {
		return
	}
	var after [kinds]int
	for _, l := range fresh {
		if l.End == Culprit && !l.Shared {
			after[c.cal.kindAt(l.ended())]++
		}
	}
	draws, observed := c.shares(exposed, c.scale(fresh), func(h Hour) int { return h.Moments }, after)
	a.Chance = max(r.fewer(), atMost(draws, observed))
	a.Message += fmt.Sprintf(": chance %s without a fix; this look may conclude at %s", percent(a.Chance), percent(may))
	if a.Chance <= may {
		a.Verdict = Effective
	}
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
