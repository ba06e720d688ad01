package cloudwatch

import (
	"cmp"
	"slices"
	"time"
)

// How missing data is treated (API reference, PutMetricAlarm, TreatMissingData).
const (
	treatMissing      = "missing"
	treatIgnore       = "ignore"
	treatBreaching    = "breaching"
	treatNotBreaching = "notBreaching"
)

// States of an alarm (API reference, StateValue).
const (
	stateOK           = "OK"
	stateAlarm        = "ALARM"
	stateInsufficient = "INSUFFICIENT_DATA"
)

// lookBack is how far the evaluation of a Metrics Insights alarm sees, in seconds (user guide, alarm-limits).
const lookBack = 3 * 60 * 60

// rule is what the evaluation needs of an alarm's settings.
type rule struct {
	query     *Query // of a Metrics Insights alarm
	metric    string // the key of the series otherwise
	unit      string
	stat      statistic
	period    int64 // seconds
	n, m      int   // EvaluationPeriods, DatapointsToAlarm
	operator  string
	threshold float64
	treat     string
	wallClock bool
}

// datapoint is one period of an evaluation range.
type datapoint struct {
	at        int64 // start of the period, seconds since 1970
	value     float64
	present   bool
	breaching bool
}

// verdict is what an evaluation concludes; state "" keeps the current one.
type verdict struct {
	state     string
	evaluated []datapoint // the real ones that counted, oldest first
	filled    int         // missing ones filled in
}

// evaluationRange is how many periods are looked at to find n data points. AWS documents 5 for n = 3 and says that the
// number depends on the period; n plus a third, at least two more, is an assumption that meets the documented example.
func evaluationRange(n int) int { return n + max(n/3, 2) }

// decide follows the user guide's "Configuring how CloudWatch alarms treat missing data" on the data points of the whole
// evaluation range, oldest first: the n most recent real ones count; only when there are fewer, missing ones are filled
// in, as few as possible.
func (r rule) decide(points []datapoint) verdict {
	var v verdict
	breaching := 0
	for _, p := range slices.Backward(points) {
		if p.present && len(v.evaluated) < r.n {
			v.evaluated = append(v.evaluated, p)
			if p.breaching {
				breaching++
			}
		}
	}
	slices.Reverse(v.evaluated)
	v.filled = r.n - len(v.evaluated)
	if v.filled > 0 && r.treat == treatBreaching {
		breaching += v.filled
	}
	within := slices.ContainsFunc(v.evaluated, func(p datapoint) bool { return !p.breaching })
	switch {
	case breaching >= r.m:
		v.state = stateAlarm
	case v.filled == 0 || within || r.treat == treatBreaching || r.treat == treatNotBreaching:
		v.state = stateOK
	case r.treat == treatMissing:
		v.state = r.decideMissing(points)
	}
	return v
}

// decideMissing covers what is left when missing data counts as missing: no real data point, or a few that all breach.
// Those are "premature": ALARM once the oldest of them is at least DatapointsToAlarm periods old, the current state until then.
func (r rule) decideMissing(points []datapoint) string {
	oldest := slices.IndexFunc(points, func(p datapoint) bool { return p.present })
	switch {
	case oldest < 0:
		return stateInsufficient
	case len(points)-oldest >= r.m:
		return stateAlarm
	}
	return ""
}

// end is where the newest complete period ends at an instant. Windows slide by a minute (by 10 seconds for periods below a
// minute) unless the alarm aligns them to the clock.
func (r rule) end(at time.Time) int64 {
	step := int64(60)
	switch {
	case r.wallClock:
		step = r.period
	case r.period < 60:
		step = 10
	}
	return floor(at.Unix(), step)
}

// points reads the evaluation range up to end; data older than notBefore is not seen.
func (r rule) points(read func(from, to int64) [][]bucket, end, notBefore int64) []datapoint {
	out := make([]datapoint, evaluationRange(r.n))
	for i := range out {
		from := end - int64(len(out)-i)*r.period
		v, ok := r.stat.of(r.unit, read(max(from, notBefore), from+r.period)...)
		out[i] = datapoint{at: from, value: v, present: ok, breaching: ok && r.breaches(v)}
	}
	return out
}

func (r rule) breaches(v float64) bool {
	switch r.operator {
	case "GreaterThanOrEqualToThreshold":
		return v >= r.threshold
	case "GreaterThanThreshold":
		return v > r.threshold
	case "LessThanThreshold":
		return v < r.threshold
	default: // LessThanOrEqualToThreshold; PutMetricAlarm takes no other
		return v <= r.threshold
	}
}

// evaluate brings an alarm to the state its data gives at an instant.
func (s *Service) evaluate(a *alarm, at time.Time) {
	if a.multiSeries() {
		s.evaluateContributors(a, at)
		return
	}
	end := a.rule.end(at)
	v := a.rule.decide(s.read(a.rule, end))
	if v.state == "" || v.state == a.state {
		return
	}
	s.transit(a, change{at: at, to: v.state, reason: a.rule.reason(v), data: a.rule.reasonData(v, at)}, nil)
}

// read gives the evaluation range of a rule with a single time series.
func (s *Service) read(r rule, end int64) []datapoint {
	if r.query == nil {
		return r.points(func(from, to int64) [][]bucket {
			if sr := s.store.byKey[r.metric]; sr != nil {
				return [][]bucket{sr.between(from, to)}
			}
			return nil
		}, end, 0)
	}
	all := group{}
	if found, _ := r.query.groups(s.store, end-lookBack, end); len(found) > 0 {
		all = found[0]
	}
	return r.points(all.between, end, end-lookBack)
}

// evaluateContributors evaluates a multi-series alarm (user guide, "Missing Data in CloudWatch Metrics Insights alarms"):
// each time series with data in the look-back is a contributor, OK or ALARM by itself; one that is gone turns OK and is
// forgotten; the alarm is ALARM while a contributor is, and INSUFFICIENT_DATA when the query returns nothing.
func (s *Service) evaluateContributors(a *alarm, at time.Time) {
	end := a.rule.end(at)
	found, partial := a.rule.query.groups(s.store, end-lookBack, end)
	s.setEvaluationState(a, partial, at)
	present := map[string]bool{}
	var moves []ContributorTransition
	for _, g := range found {
		id := contributorID(a.name, g)
		present[id] = true
		c := a.contributors[id]
		if c == nil {
			c = &contributor{id: id, attributes: g.attributes(), state: stateOK, since: at}
			a.contributors[id] = c
		}
		v := a.rule.decide(a.rule.points(g.between, end, end-lookBack))
		if v.state != c.state && (v.state == stateOK || v.state == stateAlarm) {
			moves = c.move(moves, at, v.state, a.rule.reason(v))
		}
	}
	for id, c := range a.contributors {
		if !present[id] {
			moves = c.move(moves, at, stateOK, "No data was returned for this contributor")
			delete(a.contributors, id)
		}
	}
	slices.SortFunc(moves, func(x, y ContributorTransition) int { return cmp.Compare(x.ID, y.ID) })
	to, reason := a.summary()
	if to != a.state || len(moves) > 0 {
		s.transit(a, change{at: at, to: to, reason: reason}, moves)
	}
}
