package rollout

import (
	"time"
)

// A crash that needs traffic does not come at night or at the weekend. Time is therefore compared by the hour of the week:
// an hour without a death proves something only where the same kind of hour had deaths before the change.

const (
	hoursADay  = 24
	hoursAWeek = 7 * hoursADay
	kinds      = hoursADay + hoursAWeek // of hours
	nano       = int64(time.Hour)
	// weekendFrom and weekendTo bound the weekend, in hours since Monday 00:00. They are wider than Saturday and Sunday,
	// because offices empty on Friday afternoon and fill on Monday morning.
	weekendFrom = 4*hoursADay + 17
	weekendTo   = 9
	// wholeWeek is the history from which on each hour of the week is compared with itself alone. Before that, the hours of
	// working days count as alike, and an hour of the weekend, if there was one, is still compared with itself alone.
	wholeWeek = 7 * 24 * time.Hour
)

// calendar sorts time into kinds of hours.
type calendar struct {
	zone   *time.Location
	shift  int64 // nanoseconds after the full hour at which an hour of this calendar begins
	weekly bool  // each hour of the week is a kind of its own
	// lent are the hours of the day that the history knows from weekends alone. Weekends then stand for working days: what
	// dies while little happens dies on a working day too. The reverse does not hold.
	lent [hoursADay]bool
	// traffic takes the place of all of that where it is known: time is then counted in hours of mean traffic.
	traffic *Traffic
	mean    float64
}

// calendarOf is the calendar of a baseline. Its hours begin half an hour before the change, so that the minutes before and
// after the change are of one kind.
func calendarOf(zone *time.Location, from, to time.Time, traffic *Traffic) calendar {
	if traffic.covers(from, to) {
		return calendar{traffic: traffic, mean: traffic.mean(from, to)}
	}
	if zone == nil {
		zone = time.UTC
	}
	c := calendar{zone: zone, weekly: to.Sub(from) >= wholeWeek}
	c.shift = ((c.local(to.UnixNano())-nano/2)%nano + nano) % nano
	if c.weekly {
		return c
	}
	for h := range c.lent {
		c.lent[h] = true
	}
	c.hoursOf(from, to, func(hour int, _ time.Duration) {
		if !inWeekend(hour) {
			c.lent[hour%hoursADay] = false
		}
	})
	return c
}

// local is a time as nanoseconds of its zone's wall clock, counted so that hours of the calendar begin at full ones.
func (c calendar) local(unix int64) int64 {
	if c.zone == time.UTC {
		return unix - c.shift
	}
	_, offset := time.Unix(0, unix).In(c.zone).Zone()
	return unix + int64(offset)*int64(time.Second) - c.shift
}

// weekHour is the hour of the week, 0 to 167 from Monday 00:00, of a local time.
func weekHour(local int64) int { return int((local/nano + 3*hoursADay) % hoursAWeek) } // 1970-01-01 was a Thursday

// kind is the kind of an hour of the week: on working days the hour of the day, otherwise the hour of the week after all
// hours of the day.
func (c calendar) kind(weekHour int) int {
	if c.weekly || inWeekend(weekHour) && !c.lent[weekHour%hoursADay] {
		return hoursADay + weekHour
	}
	return weekHour % hoursADay
}

func inWeekend(weekHour int) bool { return weekHour >= weekendFrom || weekHour < weekendTo }

// weekHourOf is an hour of the week of that kind.
func weekHourOf(kind int) int {
	if kind < hoursADay {
		return hoursADay + kind // of Tuesday
	}
	return kind - hoursADay
}

// each cuts a span of time into pieces of one kind.
func (c calendar) each(from, to time.Time, piece func(kind int, d time.Duration)) {
	if c.traffic != nil {
		c.traffic.pieces(from, to, func(d time.Duration, requests float64) {
			piece(0, time.Duration(float64(d)*requests/c.mean))
		})
		return
	}
	c.hoursOf(from, to, func(weekHour int, d time.Duration) { piece(c.kind(weekHour), d) })
}

// hoursOf cuts a span of time at the calendar's hours.
func (c calendar) hoursOf(from, to time.Time, piece func(weekHour int, d time.Duration)) {
	end := to.UnixNano()
	for t := from.UnixNano(); t < end; {
		local := c.local(t)
		left := min(nano-local%nano, end-t)
		piece(weekHour(local), time.Duration(left))
		t += left
	}
}

// kindAt is the kind of hour that a time belongs to.
func (c calendar) kindAt(t time.Time) int {
	if c.traffic != nil {
		return 0
	}
	return c.kind(weekHour(c.local(t.UnixNano())))
}
