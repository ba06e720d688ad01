package judgement

import (
	"runtime"
	"sync"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
)

// Result is a world's score, and those of the naive rules on the same world.
type Result struct {
	*Score
	Naive []NaiveScore
}

// NaiveScore is one naive rule's.
type NaiveScore struct {
	Name string
	*Score
}

// Shipped is the shipped configuration's way of judging.
func Shipped() (reconciler.Policies, error) {
	k, err := churn.NewKnowledge(nil, nil)
	return reconciler.Policies{Churn: churn.Policy{
		Window: window, Threshold: threshold, RatePerTaskDay: perTaskDay, StormStops: 3, StormWithin: 15 * time.Minute,
		Logs: true, LogLines: 100, TailLines: 20, Knowledge: k,
	}}, err
}

// Run lives and judges every service of the world, on all processors, and scores it. The outcome does not depend on how
// many there are.
func (w World) Run(p reconciler.Policies, decide Decider) Result {
	cases := make([]*Result, w.Services)
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				cases[i] = w.one(i, p, decide)
			}
		})
	}
	for i := range w.Services {
		next <- i
	}
	close(next)
	wg.Wait()
	total := w.none()
	for _, r := range cases {
		total.merge(r)
	}
	return *total
}

func (w World) none() *Result {
	r := &Result{Score: newScore(w)}
	for _, n := range naives {
		r.Naive = append(r.Naive, NaiveScore{n.name, newScore(w)})
	}
	return r
}

// one scores a service; what it lived through is let go.
func (w World) one(i int, p reconciler.Policies, decide Decider) *Result {
	c := w.Watch(i, p, decide)
	r := w.none()
	r.add(c)
	truths, stops := c.churning(), stopsByARN(c)
	for k, n := range naives {
		s := r.Naive[k].Score
		s.match(s.Types[finding.SilentChurn], c, truths, n.opened(c), finding.SilentChurn, stops)
	}
	return r
}

func (r *Result) merge(o *Result) {
	r.Score.merge(o.Score)
	for i := range r.Naive {
		r.Naive[i].merge(o.Naive[i].Score)
	}
}

func (s *Score) merge(o *Score) {
	for kind, t := range o.Types {
		s.Types[kind].merge(t)
	}
	addAll(s.Others, o.Others)
	addAll(s.Planned, o.Planned)
	s.Decided += o.Decided
	v, w := &s.Stops, o.Stops
	v.Shown, v.Recorded, v.Twice, v.Planned, v.Cause = v.Shown+w.Shown, v.Recorded+w.Recorded, v.Twice+w.Twice, v.Planned+w.Planned, v.Cause+w.Cause
	v.Culprit, v.WithCulprit = v.Culprit+w.Culprit, v.WithCulprit+w.WithCulprit
	addAll(v.Confused, w.Confused)
	addAll(v.PlannedAsDeath, w.PlannedAsDeath)
	addAll(v.DeathAsPlanned, w.DeathAsPlanned)
}

func (t *Tally) merge(o *Tally) {
	t.True, t.Found, t.Late, t.Opened, t.Right, t.Split, t.Early = t.True+o.True, t.Found+o.Found, t.Late+o.Late, t.Opened+o.Opened, t.Right+o.Right, t.Split+o.Split, t.Early+o.Early
	t.Over, t.AtOnce = t.Over+o.Over, t.AtOnce+o.AtOnce
	t.Deaths, t.ToOpen, t.ToClear = append(t.Deaths, o.Deaths...), append(t.ToOpen, o.ToOpen...), append(t.ToClear, o.ToClear...)
	for name, f := range o.Faults {
		by := t.fault(name)
		by.True, by.Found = by.True+f.True, by.Found+f.Found
		by.Deaths, by.Hours = append(by.Deaths, f.Deaths...), append(by.Hours, f.Hours...)
	}
	t.Missed, t.False = append(t.Missed, o.Missed...), append(t.False, o.False...)
}

func addAll[K comparable](to, from map[K]int) {
	for k, n := range from {
		to[k] += n
	}
}
