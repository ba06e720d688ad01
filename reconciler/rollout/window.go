package rollout

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// Window is a recurring time in which rollouts may start. It opens when the schedule fires and stays open for Duration of
// elapsed time, whatever clocks do meanwhile.
//
// Times of day are those of a wall clock: an opening in the hour that a change to summer time skips comes when the hour is
// over, one in the hour that is there twice comes the first time only. (cron's own schedules lose the first and fire the
// second twice.)
type Window struct {
	Schedule cron.Schedule // a *cron.SpecSchedule carries its time zone
	Duration time.Duration
	Name     string // as the configuration wrote it
}

// Freeze is a time in which no rollout starts: From is in it, To is not.
type Freeze struct {
	From, To time.Time
	Reason   string
}

// clockChange is more than any clock has been set back or forth at once (a day, where a zone crossed the date line).
const clockChange = 25 * time.Hour

// next is the first opening after at, or zero where there is none in five years.
func (w Window) next(at time.Time) time.Time {
	spec, ok := w.Schedule.(*cron.SpecSchedule)
	if !ok {
		return w.Schedule.Next(at)
	}
	loc := spec.Location
	if loc == time.Local {
		loc = at.Location()
	}
	wall := *spec
	wall.Location = time.UTC // the schedule is asked in a zone without changes, in which wall-clock times are plain numbers
	t := asWall(at, loc).Add(-clockChange)
	for {
		if t = wall.Next(t); t.IsZero() {
			return t
		}
		if opening := fromWall(t, loc); opening.After(at) {
			return opening
		}
	}
}

// asWall is what a clock on the wall shows, as if it were UTC.
func asWall(at time.Time, loc *time.Location) time.Time {
	l := at.In(loc)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), 0, time.UTC)
}

// fromWall is the first moment at which a clock on the wall shows that time or a later one.
func fromWall(wall time.Time, loc *time.Location) time.Time {
	_, before := wall.Add(-clockChange).In(loc).Zone()
	_, after := wall.Add(clockChange).In(loc).Zone()
	early := wall.Add(-time.Duration(max(before, after)) * time.Second)
	late := wall.Add(-time.Duration(min(before, after)) * time.Second)
	if !asWall(early, loc).Before(wall) {
		return early.In(loc)
	}
	for late.Sub(early) > time.Second { // the change lies between them: from here on the clock shows no earlier time
		middle := early.Add(late.Sub(early) / 2).Truncate(time.Second)
		if asWall(middle, loc).Before(wall) {
			early = middle
		} else {
			late = middle
		}
	}
	return late.In(loc)
}

// open reports whether at lies in the window.
func (w Window) open(at time.Time) bool {
	opened := w.next(at.Add(-w.Duration))
	return !opened.IsZero() && !opened.After(at)
}

// windowClosed is the refusal of a start at now, or nil where windows and freezes allow it.
func (s Settings) windowClosed(now time.Time) *Refusal {
	for _, f := range s.Freezes {
		if !now.Before(f.From) && now.Before(f.To) {
			return refuse(ReasonWindow, nil, "no start before %s: frozen since %s (%s)", stamp(f.To), stamp(f.From), f.Reason)
		}
	}
	if len(s.Windows) == 0 {
		return nil
	}
	var first time.Time
	var names []string
	for _, w := range s.Windows {
		if w.open(now) {
			return nil
		}
		names = append(names, fmt.Sprintf("window %q for %s", w.Name, human(w.Duration)))
		if next := w.next(now); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	if first.IsZero() {
		return refuse(ReasonWindow, names, "no window opens in the next five years")
	}
	return refuse(ReasonWindow, names, "no window is open; the next one opens at %s", stamp(first))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
