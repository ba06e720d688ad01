package rollout

import (
	"math"
	"time"
)

// comparison measures new lives with a baseline's experience: which hours count, how long a task must live, and how many
// deaths were to be expected.
type comparison struct {
	Baseline
	cal    calendar
	hours  [kinds]Hour
	quiet  [kinds]bool   // kinds of hours that do not count: not seen before the change, or seen with few deaths
	bar    Ages          // that a new task must reach before anything is called effective; zero: no death is known
	moment time.Duration // how far apart deaths of one moment are
}

// exposure is a time by kind of hour.
type exposure [kinds]time.Duration

const (
	// leastAround and mostAround bound how many hours to each side an hour is judged with: half of the median lifetime, since
	// tasks that live for six hours leave six hours without a death.
	leastAround, mostAround = 3, 12
	// quietShare is the share of the average rate below which an hour counts as quiet.
	quietShare = 0.5
)

// comparison compares with this baseline. traffic is what is known of the time since; it is needed where the baseline has its own.
func (b Baseline) comparison(traffic *Traffic) *comparison {
	if b.Traffic == nil || !traffic.covers(b.From, b.To) {
		traffic = b.Traffic
	}
	c := &comparison{Baseline: b, cal: calendarOf(b.location(), b.From, b.To, traffic), bar: outlived(b.Lives)}
	var all days
	for kind, h := range b.Hours {
		c.hours[kind] = h
		all.add(kind, h)
	}
	median := medianAge(b.Lives)
	c.moment = min(momentMost, median/momentShare)
	quiet := all.quiet(min(max(int(math.Ceil(median.Hours()/2)), leastAround), mostAround))
	for kind, h := range c.hours {
		day, hour := partOf(kind)
		c.quiet[kind] = h.Time == 0 || quiet[day][hour]
	}
	return c
}

// days are the hours of the day, of working days and of weekends.
type days [2][hoursADay]Hour

// partOf is the part of the week, 0 for working days and 1 for weekends, and the hour of the day of a kind.
func partOf(kind int) (part, hour int) {
	at := weekHourOf(kind)
	if inWeekend(at) {
		part = 1
	}
	return part, at % hoursADay
}

func (d *days) add(kind int, h Hour) {
	part, hour := partOf(kind)
	d[part][hour].Time += h.Time
	d[part][hour].Moments += h.Moments
}

// quiet lists the hours of the day that do not count, because fewer deaths came within so many hours around them than half of the
// average. A weekend that is quiet as a whole does not count at all.
func (d *days) quiet(within int) (quiet [2][hoursADay]bool) {
	var sums [2]Hour
	for part, hours := range d {
		for _, h := range hours {
			sums[part].Time += h.Time
			sums[part].Moments += h.Moments
		}
	}
	rate := float64(sums[0].Moments+sums[1].Moments) / float64(max(1, sums[0].Time+sums[1].Time))
	for part := range d {
		for hour := range d[part] {
			quiet[part][hour] = part == 1 && sums[1].fewer(rate) || d.around(part, hour, within).fewer(rate)
		}
	}
	return quiet
}

// around is an hour of the day with so many of those beside it.
func (d *days) around(part, hour, within int) (sum Hour) {
	for by := -within; by <= within; by++ {
		h := d[part][(hour+by+hoursADay)%hoursADay]
		sum.Time += h.Time
		sum.Moments += h.Moments
	}
	return sum
}

// fewer reports whether fewer moments came than half of what that rate lets expect, or none.
func (h Hour) fewer(rate float64) bool {
	return h.Moments == 0 || float64(h.Moments) < quietShare*rate*float64(h.Time)
}

// counted is how much of a span of time lies in hours that count.
func (c *comparison) counted(from, to time.Time) (d time.Duration) {
	c.cal.each(from, to, func(kind int, piece time.Duration) {
		if !c.quiet[kind] {
			d += piece
		}
	})
	return d
}

// exposed is the time of these lives by kind of hour, in hours that were seen before the change.
func (c *comparison) exposed(lives []Life) *exposure {
	out := &exposure{}
	for _, l := range lives {
		c.cal.each(l.Start, l.ended(), func(kind int, d time.Duration) {
			if c.hours[kind].Time > 0 {
				out[kind] += d
			}
		})
	}
	return out
}

// noDeath is the chance that none of the baseline's moments of death would have fallen into the new exposure, had the fix
// done nothing. In each kind of hour a moment falls into the time before or after the change as that time is long, whatever
// the rate of that hour is; so hours without a death, or not seen before, say nothing. scale corrects the new exposure where
// the number of tasks changed.
func (c *comparison) noDeath(exposed *exposure, scale float64) float64 {
	log := 0.0
	for kind, d := range exposed {
		if h := c.hours[kind]; d > 0 && h.Moments > 0 {
			log -= float64(h.Moments) * math.Log1p(scale*float64(d)/float64(h.Time))
		}
	}
	return math.Exp(log)
}

// lent reports whether weekends stand for the working days' hours of that kind. More deaths there are no harm.
func (c *comparison) lent(kind int) bool { return kind < hoursADay && c.cal.lent[kind] }

// shares is the chance of each moment of death, of the baseline's and these new ones, to fall into the new exposure.
func (c *comparison) shares(exposed *exposure, scale float64, before func(Hour) int, after [kinds]int) (draws []float64, observed int) {
	for kind, d := range exposed {
		h := c.hours[kind]
		if d == 0 || c.lent(kind) {
			continue
		}
		x := scale * float64(d)
		observed += after[kind]
		for range before(h) + after[kind] {
			draws = append(draws, x/(x+float64(h.Time)))
		}
	}
	return draws, observed
}

// apart is the share of deaths that came in a moment of their own: 1 where each task dies alone, 1/n where n die as one.
func (c *comparison) apart() float64 {
	if c.Deaths == 0 {
		return 1
	}
	return float64(c.Moments) / float64(c.Deaths)
}

// draws is how many independent draws so many tasks are that started together.
func (c *comparison) draws(tasks int) int { return max(1, int(float64(tasks)*c.apart()+1e-9)) }

// immune is the highest chance, whatever share of tasks the fault does not strike, that all of so many old draws were struck
// and none of so many new ones.
func immune(old, fresh int) float64 {
	d, k := float64(old), float64(fresh)
	if d == 0 || k == 0 {
		return 1
	}
	return math.Exp(k*math.Log(k/(d+k)) + d*math.Log(d/(d+k)))
}
