package rollout

import (
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

const (
	// BaselineDays is how far back lifetimes are compared with.
	BaselineDays  = 14 * 24 * time.Hour
	baselineLives = 400 // how many of them are kept with a rollout, newest first
	fewDeaths     = 3   // fewer deaths of the base revision, and earlier revisions are taken in
)

// Baseline is what is known of the tasks before the change.
type Baseline struct {
	From    time.Time     `json:"from,omitzero"` // stops since then are known without a gap
	To      time.Time     `json:"to,omitzero"`
	Zone    string        `json:"zone,omitempty"`    // IANA time zone of the working week; "": UTC
	Traffic *Traffic      `json:"traffic,omitempty"` // nil: not known, and time is compared by the hour of the week
	Tasks   float64       `json:"tasks"`             // how many ran at a time, on average
	Deaths  int           `json:"deaths"`            // of the culprit
	Moments int           `json:"moments"`           // in which they came: deaths of one moment are one draw
	Others  int           `json:"others"`            // other unplanned deaths
	Time    time.Duration `json:"time"`              // of all tasks together
	Oldest  time.Duration `json:"oldest"`
	Hours   map[int]Hour  `json:"hours,omitempty"` // by kind of hour
	Last    Hour          `json:"last,omitzero"`   // the last hours before the change (beside)
	Lives   []Life        `json:"-"`               // the newest; stored as Plan.Baseline
}

// Hour is what happened in all hours of one kind.
type Hour struct {
	Time    time.Duration `json:"time"`    // of all tasks together
	Moments int           `json:"moments"` // in which the culprit died
	Any     int           `json:"any"`     // in which a task died unplanned, the culprit's included
}

// baseline is the lives of a revision before the change: those of the last 14 days. Where the revision is too young to have
// shown how its tasks die, those of earlier revisions count too, from the birth of the first that died of the culprit on:
// older ones may be from before the fault began.
func baseline(o fleet.Observation, h churn.History, revision string, by blame, zone *time.Location, traffic *Traffic, to time.Time) Baseline {
	since := to.Add(-BaselineDays)
	lives := livesOf(o, h, by, since, func(of string, _ time.Time) bool { return of == revision })
	if deaths(lives) < fewDeaths {
		var onset time.Time
		for _, d := range h.Stops {
			if by.ending(d) == Culprit && d.StoppedAt.After(since) && (onset.IsZero() || d.StartedAt.Before(onset)) && !d.StartedAt.IsZero() {
				onset = d.StartedAt
			}
		}
		lives = livesOf(o, h, by, since, func(_ string, born time.Time) bool { return !onset.IsZero() && !born.Before(onset) })
	}
	for _, t := range []time.Time{h.Since, h.Watched} {
		if t.After(since) {
			since = t
		}
	}
	return newBaseline(until(lives, to), since, to, zone, traffic)
}

// until is these lives as they were known at a time.
func until(lives []Life, at time.Time) (out []Life) {
	for _, l := range lives {
		if l.ended().After(at) {
			l.Age, l.End = at.Sub(l.Start), Alive
		}
		if l.Age > 0 {
			out = append(out, l)
		}
	}
	return out
}

func deaths(lives []Life) (n int) {
	for _, l := range lives {
		if l.End == Culprit {
			n++
		}
	}
	return n
}

// newBaseline sums these lives up. Only what happened between from and to counts as exposure, since deaths before were not
// all seen; ages count in whole.
func newBaseline(lives []Life, from, to time.Time, zone *time.Location, traffic *Traffic) Baseline {
	b := Baseline{To: to, Hours: map[int]Hour{}}
	if zone != nil && zone != time.UTC {
		b.Zone = zone.String()
	}
	if len(lives) == 0 {
		return b
	}
	first := slices.MinFunc(lives, func(a, b Life) int { return a.Start.Compare(b.Start) }).Start
	if b.From = from; first.After(from) {
		b.From = first
	}
	markMoments(lives, moment(lives))
	if traffic.covers(b.From, to) && traffic.counted(lives, b.From) {
		b.Traffic = traffic
	}
	cal := calendarOf(zone, b.From, b.To, b.Traffic)
	var covered time.Duration
	for _, l := range lives {
		b.Time += l.Age
		b.Oldest = max(b.Oldest, l.Age)
		if l.End == Other {
			b.Others++
		}
		b.expose(cal, l, &covered)
	}
	b.Last = between(lives, to.Add(-beside), to)
	if span := to.Sub(b.From); span > 0 {
		b.Tasks = float64(covered) / float64(span)
	}
	b.Lives = lives[max(0, len(lives)-baselineLives):]
	c := b.comparison(nil)
	for i, l := range b.Lives {
		b.Lives[i].Counted = c.counted(l.Start, l.ended())
	}
	return b
}

// between is what happened to these lives in a span of time.
func between(lives []Life, from, to time.Time) (h Hour) {
	for _, l := range lives {
		start, end := l.Start, l.ended()
		if start.Before(from) {
			start = from
		}
		if l.End != Alive && !l.Shared && end.After(from) && !end.After(to) {
			h.Any++
		}
		if end.After(to) {
			end = to
		}
		h.Time += max(0, end.Sub(start))
	}
	return h
}

// expose adds one life to the hours that it passed through.
func (b *Baseline) expose(cal calendar, l Life, covered *time.Duration) {
	start, end := l.Start, l.ended()
	if start.Before(b.From) {
		start = b.From
	}
	cal.each(start, end, func(kind int, d time.Duration) {
		h := b.Hours[kind]
		h.Time += d
		b.Hours[kind] = h
		*covered += d
	})
	if l.End == Alive || end.Before(b.From) {
		return
	}
	h := b.Hours[cal.kindAt(end)]
	if l.End == Culprit {
		b.Deaths++
	}
	if l.End == Culprit && !l.Shared {
		b.Moments++
		h.Moments++
	}
	if !l.Shared {
		h.Any++
	}
	b.Hours[cal.kindAt(end)] = h
}

// location is the time zone of the working week. One that this machine does not know is UTC.
func (b Baseline) location() *time.Location {
	if zone, err := time.LoadLocation(b.Zone); err == nil {
		return zone
	}
	return time.UTC
}
