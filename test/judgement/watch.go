package judgement

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Decider judges: reconciler.Decide, or in a test something that is broken on purpose.
type Decider func(fleet.Observation, reconciler.Memory, reconciler.Policies, time.Time) reconciler.Decision

// Case is one service's month: what was true, and what was found.
type Case struct {
	Spec     spec
	Stops    []*Stop     // all that stopped, by time
	Begun    []time.Time // deployments
	levels   []level
	Looks    []look
	dark     []outage
	Verdicts map[string]churn.Verdict // as recorded, by ARN
	Twice    int                      // stops recorded more than once
	Opened   []Span
	Decided  int // calls of the decider
}

// Span is a finding from its opening to its closing.
type Span struct {
	Type, Subject, Reason string
	From, To              time.Time // To is zero: open at the end
	Evidence              []string  // of the opening: ARNs of the stops counted by then, newest first
}

// watcher is a controller with one service.
type watcher struct {
	world   World
	decide  Decider
	policy  reconciler.Policies
	life    *life
	view    view
	memory  reconciler.Memory
	last    fleet.Observation // as judged last
	version int               // of the life, then
	looked  time.Time         // the last whole look
	waiting bool              // for logs
	skipped []look            // whole looks since, at which AWS showed the same
	out     Case
}

// Watch lives a service's time and judges it, look by look.
//
// Where AWS shows what it showed at the last look, and that was judged to its end, a look can only do one thing: notice
// that a finding's time has run out. So such looks are put aside, and once something changes the first of them that would
// have decided anything is found by bisection; a test holds that this finds what judging each look finds.
func (w World) Watch(i int, p reconciler.Policies, decide Decider) Case {
	l := w.life(i)
	c := &watcher{world: w, decide: decide, policy: p, life: l, view: view{dice: throw(w.Seed, streamViews+uint64(i))}}
	c.memory.Key, c.out.Verdicts = l.key, map[string]churn.Verdict{}
	c.memory.History.Since, c.memory.Learning = w.start().Add(-visible), true
	looks := w.looks(i / clusterSize)
	for _, at := range looks {
		l.until(at.at)
		if c.sameAs(at) && !w.EveryLook {
			c.skipped, c.looked = append(c.skipped, at), at.at
			continue
		}
		c.pass()
		if at.restarts {
			c.restart()
		}
		c.notes(at)
		c.version = l.version
		c.last = c.view.observe(l, at)
		c.judge(c.last)
		if at.kind != whole {
			c.version = -1 // the next look shows what this one did not
		}
	}
	c.pass()
	l.until(w.end())
	c.out.Spec, c.out.Stops, c.out.Begun, c.out.levels, c.out.Looks = l.spec, l.stops, l.begun, l.levels, looks
	c.out.dark = darkness(looks)
	return c.out
}

func (c *watcher) sameAs(at look) bool {
	return at.kind == whole && !at.restarts && c.version == c.life.version && !c.waiting && c.quiet(c.memory)
}

// quiet: nothing waits for the next look.
func (c *watcher) quiet(m reconciler.Memory) bool {
	return len(m.History.Held) == 0 && !slices.ContainsFunc(m.Findings, func(f finding.Finding) bool {
		return f.Status == finding.Unknown || f.Open() && !f.Missed.IsZero()
	})
}

// pass judges those of the looks put aside at which something is decided.
func (c *watcher) pass() {
	looks := c.skipped
	c.skipped = nil
	for len(looks) > 0 && slices.ContainsFunc(c.memory.Findings, finding.Finding.Open) {
		first := c.first(looks)
		if first == len(looks) {
			return
		}
		c.judge(c.again(looks[first]))
		looks = looks[first+1:]
	}
}

// first is the index of the first look that decides anything; what time has done it does not undo, so that bisection finds it.
func (c *watcher) first(looks []look) int {
	low, high := 0, len(looks)
	if !c.decides(looks[high-1]) {
		return high
	}
	for low < high {
		mid := (low + high) / 2
		if c.decides(looks[mid]) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

func (c *watcher) decides(at look) bool {
	d := c.ask(c.again(at))
	return len(d.New)+len(d.Refined)+len(d.Changes) > 0 || !c.quiet(c.memory) || !c.quiet(c.memory.After(d))
}

func (c *watcher) again(at look) fleet.Observation {
	o := c.last
	o.Seen.At = at.at
	return o
}

func (c *watcher) ask(o fleet.Observation) reconciler.Decision {
	c.out.Decided++
	return c.decide(o, c.memory, c.policy, o.At.Add(answered))
}

// answered is how long after a look's beginning it is judged; logs are read within seconds too.
const answered = 5 * time.Second

// logRounds bounds the logs read between two looks, as their rate limits do: a judgement asks for those of twenty stops.
const logRounds = 4

// judge takes one observation as the controller does: decide, record, read the logs asked for, and judge again.
func (c *watcher) judge(o fleet.Observation) {
	for range logRounds {
		d := c.ask(o)
		c.record(d)
		c.waiting = len(d.Wants) > 0
		if !c.waiting {
			return
		}
		o.Logs = c.life.logs(d.Wants, o.Logs)
	}
}

func (c *watcher) record(d reconciler.Decision) {
	for _, s := range d.New {
		if _, known := c.out.Verdicts[s.TaskARN]; known {
			c.out.Twice++
		}
		c.out.Verdicts[s.TaskARN] = s.Verdict
	}
	for _, s := range d.Refined {
		s.Verdict.Planned = c.out.Verdicts[s.TaskARN].Planned
		c.out.Verdicts[s.TaskARN] = s.Verdict
	}
	c.memory = c.memory.After(d)
	for _, t := range d.Changes {
		open := slices.IndexFunc(c.out.Opened, func(s Span) bool { return s.Type == t.Type && s.Subject == t.Subject && s.To.IsZero() })
		switch {
		case t.To == finding.False && open >= 0:
			c.out.Opened[open].To = t.At
		case t.To == finding.True && open < 0:
			c.out.Opened = append(c.out.Opened, Span{Type: t.Type, Subject: t.Subject, Reason: t.Reason, From: t.At, Evidence: c.counted(t.At)})
		}
	}
}

// counted is what may have opened a finding: the day's stops that were judged unplanned.
func (c *watcher) counted(at time.Time) []string {
	var out []string
	for _, s := range slices.Backward(c.memory.History.Stops) {
		if !s.Verdict.Planned && at.Sub(s.StoppedAt) < 24*time.Hour {
			out = append(out, s.TaskARN)
		}
	}
	return out
}

// notes keeps what the controller's book keeps of the looks themselves: nothing opens before the first whole one of a
// process, and after a hole in which stops may have come and gone the clocks start afresh.
func (c *watcher) notes(at look) {
	if at.kind != whole {
		return
	}
	if !c.looked.IsZero() && at.at.Sub(c.looked) > visible {
		c.memory.History.Watched = at.at.Add(-visible)
	}
	c.looked, c.memory.Learning = at.at, false
}

// restart forgets what is not recorded, and reads the rest as a store gives it back.
func (c *watcher) restart() {
	c.memory.Findings = stored(c.memory.Findings)
	c.memory.History.Stops, c.memory.History.Held, c.memory.History.Short = stored(c.memory.History.Stops), nil, time.Time{}
	c.memory.Learning = true
	c.view = view{dice: c.view.dice}
}

func stored[T any](v T) T {
	var out T
	body, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(body, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("what is recorded must come back: %v", err))
	}
	return out
}
