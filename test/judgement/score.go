package judgement

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
)

const (
	// intime is how long after the look that showed enough a finding may open and still be found: three looks, since a
	// verdict without proof waits for one and another may be partial.
	intime = 15 * time.Minute
	// slack is how far a finding may lie beside a true time and still be of it: its clearing takes a few looks.
	slack = 30 * time.Minute
)

// Tally is the score of one type of finding by one way of judging.
type Tally struct {
	True, Found, Late int             // episodes that were; opened in time; opened, too late
	Opened, Right     int             // findings opened; those that were true
	Over              int             // episodes that had ended before any look showed enough of them: neither asked for nor false
	Split             int             // openings beyond one for an episode: flapping
	Early             int             // opened before enough was shown
	AtOnce            int             // of those found: opened at the very look that showed enough
	Deaths            []int           // shown when it opened, of episodes found
	ToOpen            []time.Duration // from the first death
	Faults            map[string]*ByFault
	ToClear           []float64 // from the true end to the closing, in hours
	Missed            []Miss
	False             []Miss
}

// Miss is one episode that was not found, or one finding that was not true.
type Miss struct {
	Service int
	Why     string // the fault, or the causes of the stops that were counted
	Truth   Truth
	Span    Span
}

// ByFault is how the episodes of one fault were found.
type ByFault struct {
	True, Found int
	Deaths      []int     // shown when it opened
	Hours       []float64 // from the first death until it opened
}

func (t *Tally) fault(name string) *ByFault {
	if t.Faults == nil {
		t.Faults = map[string]*ByFault{}
	}
	if t.Faults[name] == nil {
		t.Faults[name] = &ByFault{}
	}
	return t.Faults[name]
}

// Precision is the share of findings that were true; 1 where there was none.
func (t Tally) Precision() float64 { return share(t.Right, t.Opened) }

// Recall is the share of episodes that were found in time; 1 where there was none.
func (t Tally) Recall() float64 { return share(t.Found, t.True) }

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// Score is what a way of judging achieved in a world.
type Score struct {
	World   World
	Types   map[string]*Tally
	Others  map[string]int // findings opened of other types
	Planned map[string]int // false findings by the planned cause whose stops were counted as deaths
	Stops   Verdicts
	Decided int
}

// Verdicts are the stops judged, one by one.
type Verdicts struct {
	Shown, Recorded, Twice  int
	Planned, Cause, Culprit int               // judged right; culprits of those that had one
	WithCulprit             int               // of the shown
	Confused                map[[2]string]int // true and judged cause, where they differ
	PlannedAsDeath          map[string]int    // by true cause
	DeathAsPlanned          map[string]int
}

func newScore(w World) *Score {
	return &Score{World: w, Types: map[string]*Tally{finding.SilentChurn: {}, finding.SidecarCrash: {}}, Others: map[string]int{}, Planned: map[string]int{},
		Stops: Verdicts{Confused: map[[2]string]int{}, PlannedAsDeath: map[string]int{}, DeathAsPlanned: map[string]int{}}}
}

// add scores one service's time.
func (s *Score) add(c Case) {
	s.Decided += c.Decided
	truth := stopsByARN(c)
	for kind, truths := range map[string][]Truth{finding.SilentChurn: c.churning(), finding.SidecarCrash: c.crashing()} {
		s.match(s.Types[kind], c, truths, c.Opened, kind, truth)
	}
	for _, f := range c.Opened {
		if s.Types[f.Type] == nil {
			s.Others[f.Type]++
		}
	}
	s.Stops.add(c)
}

func stopsByARN(c Case) map[string]*Stop {
	out := make(map[string]*Stop, len(c.Stops))
	for _, s := range c.Stops {
		out[s.ARN] = s
	}
	return out
}

// match holds findings against the truth of one type.
func (s *Score) match(t *Tally, c Case, truths []Truth, opened []Span, kind string, stops map[string]*Stop) {
	end := c.Looks[len(c.Looks)-1].at
	of := make([]int, len(truths)) // findings that lie on each truth
	for _, f := range opened {
		if f.Type != kind {
			continue
		}
		t.Opened++
		on := slices.IndexFunc(truths, func(is Truth) bool { return f.on(is, end) })
		if on < 0 {
			t.False = append(t.False, Miss{Service: c.Spec.index, Why: s.blame(f, stops), Span: f})
			continue
		}
		t.Right++
		if of[on]++; of[on] > 1 {
			t.Split++
		}
		if f.From.Before(truths[on].From) {
			t.Early++
		}
		if !f.To.IsZero() && !truths[on].To.IsZero() {
			t.ToClear = append(t.ToClear, f.To.Sub(truths[on].To).Hours())
		}
	}
	for _, is := range truths {
		switch {
		case is.over():
			t.Over++
		case !is.From.After(end.Add(-intime)): // otherwise the end came first
			t.find(c, is, opened, end)
		}
	}
}

// on tells whether the finding overlaps an episode.
func (f Span) on(is Truth, end time.Time) bool {
	return f.Type == is.Type && f.Subject == is.Subject && f.From.Before(until(is.To, end).Add(slack)) && until(f.To, end).After(is.From.Add(-slack))
}

// find looks for the finding of an episode.
func (t *Tally) find(c Case, is Truth, opened []Span, end time.Time) {
	by := t.fault(cmp.Or(is.Fault, "a stop of a kind unheard of"))
	t.True, by.True = t.True+1, by.True+1
	i := slices.IndexFunc(opened, func(f Span) bool {
		return f.Type == is.Type && f.Subject == is.Subject && !f.From.After(is.From.Add(intime)) && !until(f.To, end).Before(is.From)
	})
	if i < 0 {
		if slices.ContainsFunc(opened, func(f Span) bool {
			return f.Type == is.Type && f.Subject == is.Subject && f.From.After(is.From) && f.From.Before(until(is.To, end))
		}) {
			t.Late++
		}
		t.Missed = append(t.Missed, Miss{Service: c.Spec.index, Why: is.Fault, Truth: is})
		return
	}
	t.Found, by.Found = t.Found+1, by.Found+1
	at := opened[i].From
	if at.Before(is.First) {
		return // it was open since an episode before
	}
	if !at.After(is.From.Add(time.Minute)) {
		t.AtOnce++
	}
	deaths, took := c.shown(is, at), at.Sub(is.First)
	t.Deaths, t.ToOpen = append(t.Deaths, deaths), append(t.ToOpen, took)
	by.Deaths, by.Hours = append(by.Deaths, deaths), append(by.Hours, took.Hours())
}

// shown counts the deaths that had been shown when the finding opened.
func (c Case) shown(is Truth, at time.Time) int {
	n := 0
	for _, d := range c.Stops {
		if d.death() && !d.At.Before(is.First) && !d.Seen.After(at) && (is.Subject == "" || d.Culprit == is.Subject && d.Sidecar) {
			n++
		}
	}
	return n
}

func until(t, end time.Time) time.Time {
	if t.IsZero() {
		return end
	}
	return t
}

// blame says what a false finding was made of: the true causes of the stops counted as deaths.
func (s *Score) blame(f Span, stops map[string]*Stop) string {
	causes := map[string]bool{}
	for _, arn := range f.Evidence {
		if d := stops[arn]; d != nil && d.Planned {
			causes[d.Cause] = true
		}
	}
	for cause := range causes {
		s.Planned[cause]++
	}
	if len(causes) > 0 {
		return "planned: " + join(slices.Sorted(maps.Keys(causes)))
	}
	for _, arn := range f.Evidence {
		if d := stops[arn]; d != nil {
			causes[cmp.Or(d.Fault, d.Cause)] = true
		}
	}
	return "deaths, and not by the definition: " + join(slices.Sorted(maps.Keys(causes)))
}

func join(list []string) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ", "
		}
		out += s
	}
	return out
}

// add compares every stop that was shown with what was recorded of it.
func (v *Verdicts) add(c Case) {
	v.Twice += c.Twice
	v.Recorded += len(c.Verdicts)
	for _, is := range c.Stops {
		if is.Seen.IsZero() {
			continue
		}
		v.Shown++
		got, ok := c.Verdicts[is.ARN]
		if !ok {
			v.Confused[[2]string{is.Cause, "not recorded"}]++
			continue
		}
		v.judged(is, got)
	}
}

func (v *Verdicts) judged(is *Stop, got churn.Verdict) {
	if got.Planned == is.Planned || is.Excused {
		v.Planned++
	} else if is.Planned {
		v.PlannedAsDeath[is.Cause]++
	} else {
		v.DeathAsPlanned[is.Cause]++
	}
	if string(got.Cause) == is.Cause {
		v.Cause++
	} else {
		v.Confused[[2]string{is.Cause, string(got.Cause)}]++
	}
	if is.Culprit != "" && !is.Planned {
		v.WithCulprit++
		if got.Culprit != nil && got.Culprit.Container == is.Culprit {
			v.Culprit++
		}
	}
}

func median[T cmp.Ordered](list []T) (m T) { return quantile(list, 0.5) }

func quantile[T cmp.Ordered](list []T, q float64) (out T) {
	if len(list) == 0 {
		return out
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, sort.Search(len(sorted), func(i int) bool { return float64(i+1) >= q*float64(len(sorted)) }))]
}
