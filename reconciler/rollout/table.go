package rollout

import (
	"fmt"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Table compares a service before and after the change. It is shown with every rollout that was deployed.
type Table struct {
	Before     Side    `json:"before"`
	After      Side    `json:"after"`
	Verdict    Verdict `json:"verdict"`
	Confidence float64 `json:"confidence"` // 1 - the chance of seeing this from a fix that does nothing; 0 while undecided
	Message    string  `json:"message"`
}

// Side is one column of a Table. Rates are per task and day, with exact bounds each of which holds with 95 % confidence.
type Side struct {
	Deaths      int           `json:"deaths"`      // of the culprit
	OtherDeaths int           `json:"otherDeaths"` // unplanned, of others
	TaskDays    float64       `json:"taskDays"`
	Rate        float64       `json:"rate"`
	Low         float64       `json:"low"`
	High        float64       `json:"high"`
	Oldest      time.Duration `json:"oldest"`                      // of all lives
	Q90         time.Duration `json:"q90"`                         // age that a tenth outlives; 0 where nobody died
	Volume      *float64      `json:"internalOperation,omitempty"` // datapoints a minute; nil: not known
	Restarts    *float64      `json:"restarts,omitempty"`          // of containers, a day; nil: not known
}

// Volumes are what the metrics say before and after; nil where they say nothing.
type Volumes struct {
	InternalOperationBefore, InternalOperationAfter *float64 // a minute
	RestartsBefore, RestartsAfter                   *float64 // a day
}

func tableOf(t Trial, a Assessment, v Volumes) *Table {
	out := &Table{Before: t.Base.side(), After: side(t.New), Verdict: a.Verdict, Message: a.Message}
	out.Before.Volume, out.After.Volume = v.InternalOperationBefore, v.InternalOperationAfter
	out.Before.Restarts, out.After.Restarts = v.RestartsBefore, v.RestartsAfter
	if a.Verdict != Undecided {
		out.Confidence = 1 - a.Chance
	}
	return out
}

// side sums the new lives up.
func side(lives []Life) Side {
	var out Side
	var total time.Duration
	for _, l := range lives {
		total += l.Age
		out.Oldest = max(out.Oldest, l.Age)
		switch l.End {
		case Culprit:
			out.Deaths++
		case Other:
			out.OtherDeaths++
		}
	}
	return out.rated(total)
}

func (b Baseline) side() Side {
	return Side{Deaths: b.Deaths, OtherDeaths: b.Others, Oldest: b.Oldest, Q90: q90(wholeAges(b.Lives))}.rated(b.Time)
}

// rated adds the rate and Garwood's exact bounds of a Poisson count (Biometrika 28, 1936).
func (s Side) rated(total time.Duration) Side {
	s.TaskDays = total.Hours() / 24
	if s.TaskDays == 0 {
		return s
	}
	s.Rate = float64(s.Deaths) / s.TaskDays
	if s.Deaths > 0 {
		s.Low = distuv.ChiSquared{K: float64(2 * s.Deaths)}.Quantile(0.05) / 2 / s.TaskDays
	}
	s.High = distuv.ChiSquared{K: float64(2*s.Deaths + 2)}.Quantile(0.95) / 2 / s.TaskDays
	return s
}

// plain writes a number as people do: 1840, 12.4, 0.031.
func plain(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// Rows are the table as texts: what, before, after.
func (t Table) Rows() [][3]string {
	row := func(what string, of func(Side) string) [3]string { return [3]string{what, of(t.Before), of(t.After)} }
	known := func(v *float64, unit string) string {
		if v == nil {
			return "unknown"
		}
		return plain(*v) + " " + unit
	}
	age := func(d time.Duration) string {
		if d == 0 {
			return "none died"
		}
		return human(d)
	}
	return [][3]string{
		row("deaths of the culprit", func(s Side) string { return fmt.Sprintf("%d in %s task days", s.Deaths, plain(s.TaskDays)) }),
		row("a task and day (95 % bounds)", func(s Side) string { return fmt.Sprintf("%.2g (%.2g to %.2g)", s.Rate, s.Low, s.High) }),
		row("other unplanned deaths", func(s Side) string { return fmt.Sprint(s.OtherDeaths) }),
		row("a tenth of the tasks outlives", func(s Side) string { return age(s.Q90) }),
		row("oldest task", func(s Side) string { return human(s.Oldest) }),
		row("InternalOperation", func(s Side) string { return known(s.Volume, "a minute") }),
		row("container restarts", func(s Side) string { return known(s.Restarts, "a day") }),
	}
}
