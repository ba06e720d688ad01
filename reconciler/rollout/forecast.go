package rollout

import (
	"fmt"
	"time"
)

// forecast says when the lifetimes can decide, if the fix works and every task lives from start on.
type forecast struct {
	at     time.Time // zero: not within the longest soak
	needed int       // moments of death that must be known for as few tasks; 0: enough are known
	quiet  bool      // time passes that does not count
}

const (
	forecastSteps = 288              // into how many looks the longest soak is cut at least
	forecastFine  = 64               // a look comes after at least such a part of the time that has passed
	deploysIn     = 15 * time.Minute // how long a deployment takes at most, for a forecast
)

func (c *comparison) forecast(tasks int, soak Soak, start time.Time) (f forecast) {
	tasks = max(tasks, 1)
	cal := c.cal
	if cal.traffic != nil {
		cal.traffic = cal.traffic.foreseen(start.Add(soak.Max))
	}
	if immune(c.Moments, c.draws(tasks)) > quietChance {
		for f.needed = c.Moments; immune(f.needed, c.draws(tasks)) > quietChance; f.needed++ {
		}
	}
	if c.bar == (Ages{}) || f.needed > 0 {
		return f
	}
	var age Ages
	exposed := &exposure{}
	scale := 1.0
	if c.Tasks > 0 {
		scale = min(1, c.Tasks/float64(tasks))
	}
	longest := max(soak.Max/forecastSteps, time.Second)
	step := min(max(c.bar.Whole/16, time.Millisecond), longest)
	start = start.Add(min(deploysIn, c.bar.Whole/16))
	for at := start; at.Sub(start) < soak.Max; at = at.Add(step) {
		cal.each(at, at.Add(step), func(kind int, d time.Duration) {
			if c.hours[kind].Time > 0 {
				exposed[kind] += time.Duration(tasks) * d
			}
			if c.quiet[kind] {
				f.quiet = true
			} else {
				age.Counted += d
			}
		})
		age.Whole += step
		if age.reaches(c.bar) && age.Whole >= max(soak.Min, soak.Fixed) && c.noDeath(exposed, scale) <= quietChance {
			f.at = at.Add(step)
			return f
		}
		step = min(max(step, age.Whole/forecastFine), longest) // lives of a second would cost a million steps
	}
	return f
}

// power says when the soak can decide if the fix works, or why it cannot.
func (f forecast) power(b Baseline, tasks int, soak Soak) string {
	known := fmt.Sprintf("%d death(s) in %d separate moment(s) are known from %s", b.Deaths, b.Moments, human(b.To.Sub(b.From)))
	if b.Traffic != nil {
		known += ", and time is counted by the requests that " + b.Traffic.Source + " tells"
	}
	switch {
	case b.Moments == 0:
		return fmt.Sprintf("no lifetime that ended in a death is known: nothing can decide this, and it ends inconclusive after %s", human(soak.Max))
	case f.needed > 0:
		return fmt.Sprintf("too little history: %s, and %d moments are needed at %d task(s); until then it would end inconclusive after %s",
			known, f.needed, max(tasks, 1), human(soak.Max))
	case f.at.IsZero():
		return fmt.Sprintf("the longest soak of %s is too short to decide this: %s%s; it would end inconclusive", human(soak.Max), known, f.because())
	}
	zone := b.location()
	return fmt.Sprintf("decided at %s at the earliest, if the culprit does not die: %s%s", f.at.In(zone).Format("Mon 2 Jan 15:04 MST"), known, f.because())
}

func (f forecast) because() string {
	if !f.quiet {
		return ""
	}
	return ", and hours of the week without a known death do not count"
}
