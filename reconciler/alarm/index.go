package alarm

import (
	"cmp"
	"slices"
	"strings"
)

// Tells is whether an alarm would tell of a failure.
type Tells string

// Answers. What is not understood is Unclear, never Yes.
const (
	Yes     Tells = "yes"
	Unclear Tells = "unknown"
	No      Tells = "no"
)

func (t Tells) rank() int { return slices.Index([]Tells{No, Unclear, Yes}, t) }

// Told is what one alarm would tell of one failure of a service.
type Told struct {
	Failure Failure
	Alarm   string
	State   string
	Tells   Tells
	Why     string
	Heard   int // actions it notifies, a composite alarm's that follows it included

	sees    bool // it fires when the failure happens, whomever it reaches
	doubted bool // Unclear by what the metric is: it is known to miss the failure at times
}

// Index is every alarm of one account and region, as one whole listing had them, by what they watch.
type Index struct {
	facts  Facts
	names  map[string]*Have
	single map[[4]string][]watch // by namespace, metric, and cluster and service or target group
	query  map[[2]string][]watch // by namespace and metric
	unread []watch               // what they read cannot be told
	opaque []opaque              // log alarms and PromQL alarms
	above  map[string][]*Have    // composites, by a child's name
}

// watch is one thing that an alarm looks at.
type watch struct {
	have   *Have
	series Series
	query  Query
	vague  bool // through arithmetic that is not understood
}

// NewIndex indexes a listing.
func NewIndex(all []Have, f Facts) *Index {
	x := &Index{facts: f, names: map[string]*Have{}, single: map[[4]string][]watch{}, query: map[[2]string][]watch{}, above: map[string][]*Have{}}
	for i := range all {
		h := &all[i]
		x.names[h.Name] = h
		s, plain := h.series()
		switch {
		case plain:
			x.add(watch{have: h, series: s})
		case h.Query != "":
			x.addQuery(h, h.Query)
		case h.opaque():
			x.opaque = append(x.opaque, opaqueOf(h))
		case h.Rule != "":
			for _, child := range children(h.Rule) {
				x.above[child] = append(x.above[child], h)
			}
		default:
			x.addMath(h)
		}
	}
	return x
}

func (x *Index) add(w watch) {
	key := w.series.key()
	x.single[key] = append(x.single[key], w)
}

func (x *Index) addQuery(h *Have, text string) {
	q, ok := ParseQuery(text)
	if !ok {
		x.unread = append(x.unread, watch{have: h, vague: true})
		return
	}
	key := [2]string{q.Namespace, q.Metric}
	x.query[key] = append(x.query[key], watch{have: h, query: q})
}

// addMath takes in the metrics of a metric math alarm. One that only passes a metric on, or takes the largest or the sum
// of some, watches each of them; of any other arithmetic nothing is concluded.
func (x *Index) addMath(h *Have) {
	expression, simple := "", false
	for _, t := range h.Math {
		if t.Returned {
			expression = strings.ToUpper(strings.ReplaceAll(t.Expression, " ", ""))
			simple = t.Expression == "" || passes(expression, h.Math)
		}
	}
	for _, t := range h.Math {
		switch {
		case t.Expression == "":
			x.add(watch{have: h, series: t.Series, vague: !simple})
		case strings.HasPrefix(strings.ToUpper(strings.TrimSpace(t.Expression)), "SELECT") || strings.Contains(strings.ToUpper(t.Expression), "SEARCH("):
			x.unread = append(x.unread, watch{have: h, vague: true})
		}
	}
}

// passes reports whether an expression (in upper case, without blanks) grows and falls with each of the terms that it
// names, and names all of them.
func passes(expression string, terms []Term) bool {
	if expression == "MAX(METRICS())" || expression == "SUM(METRICS())" {
		return true
	}
	inner := expression
	for _, around := range [][2]string{{"MAX([", "])"}, {"SUM([", "])"}, {"FILL(", ",0)"}, {"FILL(", ",REPEAT)"}} {
		if rest, ok := strings.CutPrefix(expression, around[0]); ok && strings.HasSuffix(rest, around[1]) {
			inner = strings.TrimSuffix(rest, around[1])
		}
	}
	parts := strings.FieldsFunc(inner, func(r rune) bool { return r == ',' || r == '+' })
	n := 0
	for _, t := range terms {
		if t.Expression == "" {
			n++
			if !slices.Contains(parts, strings.ToUpper(t.ID)) {
				return false
			}
		}
	}
	return n == len(parts)
}

// key is where the series is found: by its service, or its target group.
func (s Series) key() [4]string {
	if g := s.value("TargetGroup"); g != "" {
		return [4]string{s.Namespace, s.Metric, g}
	}
	return [4]string{s.Namespace, s.Metric, s.value("ClusterName"), s.value("ServiceName")}
}

// At lists, for each failure that the service can have, the alarms that concern it, those that tell first.
func (x *Index) At(p Place) map[Failure][]Told {
	out := map[Failure][]Told{}
	for _, f := range Failures() {
		if p.applies(f) {
			out[f] = nil
		}
	}
	for _, s := range signals {
		if !p.applies(s.failure) {
			continue
		}
		for _, t := range x.signal(s, p) {
			out[s.failure] = merged(out[s.failure], t)
		}
	}
	for _, o := range x.opaque {
		for f := range out {
			if why := o.mayTell(p, f); why != "" {
				out[f] = merged(out[f], x.reaching(o.have, Told{Failure: f, Alarm: o.have.Name, State: o.have.State, Tells: Unclear, Why: why}))
			}
		}
	}
	for _, all := range out {
		slices.SortFunc(all, func(a, b Told) int {
			return cmp.Or(b.Tells.rank()-a.Tells.rank(), cmp.Compare(a.Alarm, b.Alarm))
		})
	}
	return out
}

// merged keeps one answer an alarm and failure: the best.
func merged(all []Told, t Told) []Told {
	for i := range all {
		if all[i].Alarm == t.Alarm {
			if t.Tells.rank() > all[i].Tells.rank() {
				all[i] = t
			}
			return all
		}
	}
	return append(all, t)
}

// signal lists what each alarm on a signal tells of its failure at a place. An alarm on one of several containers or
// target groups tells of that one alone.
func (x *Index) signal(s signal, p Place) []Told {
	var out []Told
	wanted := s.series(p)
	covered := 0
	for _, series := range wanted {
		told, tells := x.onSeries(s, series)
		if out = append(out, told...); tells {
			covered++
		}
	}
	for i := range out {
		if out[i].Tells == Yes && covered < len(wanted) {
			out[i].Tells, out[i].Why = Unclear, "it watches one of several containers or target groups, and others have no alarm"
		}
	}
	for _, w := range x.query[[2]string{s.namespace, s.metric}] {
		reads := !slices.ContainsFunc(wanted, func(series Series) bool { return !w.query.Reads(series) })
		if reads && len(wanted) > 0 {
			out = append(out, x.judge(w, s))
		} else if w.query.Limited {
			out = append(out, told(w, s, Unclear, "LIMIT may leave the service out"))
		}
	}
	for _, w := range x.unread {
		if w.have.mentions(s.metric) {
			out = append(out, told(w, s, Unclear, "what its query reads is not understood"))
		}
	}
	return out
}

// onSeries lists what alarms on single metrics tell of one series, and whether any tells.
func (x *Index) onSeries(s signal, series Series) (out []Told, tells bool) {
	for _, w := range x.single[series.key()] {
		if !slices.Equal(w.series.names(), series.names()) {
			continue
		}
		t := x.judge(w, s)
		switch only := w.series.value("ContainerName"); series.value("ContainerName") {
		case only:
			tells = tells || t.Tells == Yes
		case "":
			if t.Tells == Yes {
				t.Tells, t.Why = Unclear, "it watches the container "+only+" alone"
			}
		default:
			continue // another container's
		}
		out = append(out, t)
	}
	return out, tells
}

func told(w watch, s signal, t Tells, why string) Told {
	return Told{Failure: s.failure, Alarm: w.have.Name, State: w.have.State, Tells: t, Why: why}
}

// mentions reports whether a query or an expression has the word.
func (h *Have) mentions(word string) bool {
	return strings.Contains(h.Query, word) || slices.ContainsFunc(h.Math, func(t Term) bool { return strings.Contains(t.Expression, word) })
}

// judge says whether an alarm that watches a signal's series tells of the failure, and reaches a person with it.
func (x *Index) judge(w watch, s signal) Told {
	tells, why := s.detects(w)
	t := told(w, s, tells, why)
	t.sees = tells == Yes
	t.doubted = tells == Unclear && why == s.doubt
	return x.reaching(w.have, t)
}

// reaching takes back what an alarm would tell where it cannot fire or reaches no person.
func (x *Index) reaching(h *Have, t Told) Told {
	heard, reached, blind := x.notifies(h, map[string]bool{})
	t.Heard = heard
	for _, b := range append(neverFires(*h, x.facts), blind) {
		if b.Reason != "" && t.Tells != No {
			t.Tells, t.Why = No, b.Evidence
		}
	}
	if t.Tells == Yes && reached == unsure {
		t.Tells, t.Why = Unclear, "only composite alarms tell of it, and they may not follow it"
	}
	return t
}

// detects reports whether an alarm's statistic, comparison and missing data are such that it fires when the failure happens.
func (s signal) detects(w watch) (Tells, string) {
	h := w.have
	if w.vague {
		return Unclear, "its metric math is not understood"
	}
	if unit := h.setting(UnitSetting); unit != "" && unit != sentUnit && s.namespace == Namespace {
		return No, "it reads only data of the unit " + unit + ", and " + s.metric + " is sent as " + sentUnit
	}
	if s.failure == NoTask && h.Missing == "breaching" {
		return Yes, s.metric + " is not sent while no task runs, and its missing data breach"
	}
	stat, failed := h.statistic(w), s.failed
	if failed == 1 && (stat == "Sum" || stat == "SUM") {
		failed = float64(max(h.Period, 60)) / 60
	}
	fires, known := h.breaches(failed)
	always, _ := h.breaches(s.quiet)
	switch {
	case !known || stat == "SampleCount" || stat == "COUNT":
		return Unclear, "its comparison is not with a threshold on the metric's value"
	case !fires || always:
		return No, "it does not alarm when " + s.metric + s.moves()
	case s.doubt != "":
		return Unclear, s.doubt
	case s.rises && h.Missing == "breaching":
		return Unclear, "missing data breach: it is in ALARM while all is well"
	}
	return Yes, "it watches " + s.namespace + " " + s.metric
}

// moves says what the metric does when the failure happens.
func (s signal) moves() string {
	if s.rises {
		return " rises"
	}
	return " falls"
}

func (h *Have) statistic(w watch) string {
	if w.query.Function != "" {
		return w.query.Function
	}
	for _, t := range h.Math {
		if t.Series.String() == w.series.String() {
			return t.Statistic
		}
	}
	return h.Statistic
}

// notifies counts the actions that an alarm's ALARM sets off, by itself and by composite alarms that follow it; falsely with
// the reason where it reaches no person.
func (x *Index) notifies(h *Have, seen map[string]bool) (actions int, t truth, why Blindness) {
	seen[h.Name] = true
	why = h.unreachable(x.facts.Topics)
	if why.Reason == "" {
		return len(h.AlarmActions), truly, why
	}
	t = falsely
	for _, c := range x.above[h.Name] {
		if seen[c.Name] {
			continue
		}
		n, up, _ := x.notifies(c, seen)
		follow, _ := follows(c.Rule, h.Name)
		if through := min(up, follow); through > t {
			t, actions = through, n
		}
	}
	if t != falsely {
		why = Blindness{}
	}
	return actions, t, why
}

// Blind says why an alarm can never fire, or never reach anybody; nothing for one that can, or that is for no person
// but scales something.
func (x *Index) Blind(name string) []Blindness {
	h := x.names[name]
	if h == nil || h.scales() {
		return nil
	}
	out := neverFires(*h, x.facts)
	if _, t, why := x.notifies(h, map[string]bool{}); t == falsely {
		out = append(out, why)
	}
	return out
}
