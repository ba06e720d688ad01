package rollout

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// The simulated service: its tasks, the traffic that they meet, and how they die of it.

const maxSoak = 72 * time.Hour

// monday is the beginning of simulated time.
var monday = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)

// hour is a number of hours since monday.
type hour = float64

func onClock(h hour) time.Time { return monday.Add(time.Duration(h * float64(time.Hour))) }

// traffic is the load of each hour of the week, 1 at its highest.
type traffic struct {
	name string
	load [hoursAWeek]float64
}

var (
	flat     = trafficOf("flat", func(int) float64 { return 1 })
	dayNight = trafficOf("day and night", func(h int) float64 {
		if h%24 >= 8 && h%24 < 22 {
			return 1
		}
		return 0.15
	})
	weekend = trafficOf("weekdays and weekend", func(h int) float64 { // Friday 18:00 to Monday 08:00
		if h >= 8 && h < 4*24+18 {
			return 1
		}
		return 0.1
	})
	traffics = []traffic{flat, dayNight, weekend}
)

func trafficOf(name string, load func(int) float64) traffic {
	t := traffic{name: name}
	for h := range t.load {
		t.load[h] = load(h)
	}
	return t
}

func (t traffic) at(h hour) float64 { return t.load[int(h)%hoursAWeek] }

// until is the requests of each hour, 1,000 at the highest.
func (t traffic) until(now hour) *Traffic {
	out := &Traffic{Source: "RequestCountPerTarget", From: monday, To: onClock(now)}
	for h := 0.0; h < now; h++ {
		out.Hours = append(out.Hours, 1000*t.at(h)*min(1, now-h))
	}
	return out
}

func busy(load float64) float64 {
	if load >= 0.5 {
		return 1
	}
	return 0
}

func asItIs(load float64) float64 { return load }

// after is the time at which so much of the weighted load has passed since a time.
func (t traffic) after(from hour, amount float64, weight func(float64) float64) hour {
	for h := from; h < from+6*hoursAWeek; {
		next := math.Floor(h) + 1
		w := weight(t.at(h))
		if w*(next-h) >= amount {
			return h + amount/w
		}
		amount -= w * (next - h)
		h = next
	}
	return math.Inf(1)
}

// nature is how the tasks of a service die.
type nature struct {
	name string
	// death is when the task of a slot that started at a time dies.
	death func(s *simulated, slot int, start hour) hour
}

// simulated is one service without a fix.
type simulated struct {
	r      *rand.Rand
	load   traffic
	tasks  int
	nature nature
	shocks []hour
}

var natures = []nature{
	{"6 to 7 h after the start, while there is traffic", (*simulated).clock},
	{"memoryless, by traffic", func(s *simulated, _ int, start hour) hour {
		return s.load.after(start, 6.5*s.r.ExpFloat64(), asItIs)
	}},
	{"leak by requests", func(s *simulated, _ int, start hour) hour { return s.load.after(start, 6+s.r.Float64(), asItIs) }},
	{"crash under traffic only", func(s *simulated, _ int, start hour) hour {
		return s.load.after(start, 6.5*s.r.ExpFloat64(), busy)
	}},
	{"common shocks", func(s *simulated, _ int, start hour) hour {
		for len(s.shocks) == 0 || s.shocks[len(s.shocks)-1] <= start {
			last := start - 100
			if len(s.shocks) > 0 {
				last = s.shocks[len(s.shocks)-1]
			}
			s.shocks = append(s.shocks, s.load.after(last, 6.5*s.r.ExpFloat64(), asItIs))
		}
		i, _ := slices.BinarySearch(s.shocks, start+1e-9)
		return s.shocks[i] + s.r.Float64()/60
	}},
	{"half the fleet immune", func(s *simulated, slot int, start hour) hour {
		if s.tasks > 1 && slot%2 == 0 || s.tasks == 1 && s.r.IntN(2) == 0 {
			return math.Inf(1)
		}
		return s.clock(slot, start)
	}},
}

func (s *simulated) clock(_ int, start hour) hour {
	d := start + 6 + s.r.Float64()
	if s.load.at(d) < 0.5 {
		d = s.load.after(d, 1e-9+s.r.Float64(), busy)
	}
	return d
}

// span is one task's life, without an end that is known.
type span struct{ start, death hour }

// live runs the service from a time on: a task that dies is replaced at once.
func (s *simulated) live(from []hour, until hour) (out []span) {
	for slot, start := range from {
		for start < until {
			d := s.nature.death(s, slot, start)
			out = append(out, span{start, d})
			start = d + 1.0/120
		}
	}
	return out
}

// lives is what is known of these tasks at a time, of those that died since a time or live.
func livesAt(spans []span, since, now hour) (out []Life) {
	for _, x := range spans {
		switch {
		case x.start >= now || x.death < since:
		case x.death <= now:
			out = append(out, Life{Start: onClock(x.start), Age: onClock(x.death).Sub(onClock(x.start)), End: Culprit})
		default:
			out = append(out, Life{Start: onClock(x.start), Age: onClock(now).Sub(onClock(x.start)), End: Alive})
		}
	}
	return out
}

// cell is one kind of world in which a fix is tried.
type cell struct {
	nature   nature
	load     traffic
	history  hour
	deployed string
	tasks    int
	together bool // the tasks of the history started together
	counted  bool // the requests are counted by a metric
}

// deployments are when the fix is deployed, in the fifth week, so that there is a history.
var deployments = map[string]hour{"Monday 10:00": 4*hoursAWeek + 10, "weeknight": 4*hoursAWeek + 2*24 + 22, "Friday 18:05": 4*hoursAWeek + 4*24 + 18 + 1.0/12,
	"Saturday": 4*hoursAWeek + 5*24 + 10}

func grid() (out []cell) {
	for _, n := range natures {
		for _, load := range traffics {
			for _, history := range []hour{8, 24, 96, 336} {
				for _, deployed := range []string{"Monday 10:00", "weeknight", "Friday 18:05", "Saturday"} {
					for _, tasks := range []int{1, 4, 40} {
						for _, together := range []bool{true, false} {
							out = append(out, cell{n, load, history, deployed, tasks, together, false})
						}
					}
				}
			}
		}
	}
	return out
}

// played is how one rollout went.
type played struct {
	verdict Verdict
	named   bool // the plan named a time
	cured   bool // a fix that works is called effective by then
}

// threshold is how many deaths within a day open a finding, without which there is no plan (detect.threshold).
const threshold = 3

// nextLook is when a rollout is looked at next: each hour of the first day, then each three hours, as often as the rule for few
// deaths may answer.
func nextLook(now hour) hour {
	if now < 24 {
		return now + 1
	}
	return now + 72.0/looks
}

// play plays one rollout. ok is false where the history shows too few deaths for a plan.
func (c cell) play(r *rand.Rand) (p played, ok bool) {
	s := &simulated{r: r, load: c.load, tasks: c.tasks, nature: c.nature}
	deploy := deployments[c.deployed]
	since := deploy - c.history
	starts := make([]hour, c.tasks)
	for i := range starts {
		if starts[i] = since + r.Float64()/12; !c.together {
			starts[i] = since - 26*r.Float64()
		}
	}
	before := livesAt(s.live(starts, deploy), since, deploy)
	recent := 0
	for _, l := range before {
		if l.End == Culprit && onClock(deploy).Sub(l.ended()) < 24*time.Hour {
			recent++
		}
	}
	if recent < threshold {
		return p, false
	}
	soak := Soak{Min: time.Hour, Max: maxSoak}
	seen := func(now hour) *Traffic {
		if !c.counted {
			return nil
		}
		return c.load.until(now)
	}
	base := newBaseline(before, onClock(since), onClock(deploy), nil, seen(deploy))
	compared := base.comparison(nil)
	f := compared.forecast(c.tasks, soak, onClock(deploy))
	p.named = !f.at.IsZero()

	for i := range starts {
		starts[i] = deploy + r.Float64()/6
	}
	after := s.live(starts, deploy+72)
	p.verdict = Undecided
	spent := 0.0
	for now := 1.0; now <= 72 && p.verdict == Undecided; now = nextLook(now) {
		compared, t := compared, seen(deploy+now)
		if t != nil {
			compared = base.comparison(t)
		}
		a := compared.verify(Trial{Base: base, Traffic: t, New: livesAt(after, deploy, deploy+now), Spent: spent, Elapsed: now / 72})
		spent, p.verdict = a.Spent, a.Verdict
	}
	if p.named {
		var forever []span
		for _, start := range starts {
			forever = append(forever, span{start, math.Inf(1)})
		}
		now := f.at.Sub(monday).Hours()
		t := seen(now)
		p.cured = base.comparison(t).verify(Trial{Base: base, Traffic: t, New: livesAt(forever, deploy, now), Elapsed: 0.9}).Verdict == Effective
	}
	return p, true
}
