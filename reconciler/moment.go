package reconciler

import (
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// Moment is one thing that a replay shows. Exactly one of the pointers is set.
type Moment struct {
	At        time.Time
	Recording *recording.Header // a recording begins
	Start     *recording.Start  // a controller begins, or begins again with another configuration
	Stop      *Recorded         // a stop is recorded; with Refined, one recorded before is explained better
	Refined   bool
	Finding   *Turn
	Gauge     *Gauge
	Alarm     *Planned
}

// Turn is a change of a finding's status, severity or reason.
type Turn struct {
	finding.Finding
	From         finding.Status // "": never seen before
	FromSeverity finding.Severity
}

// Gauge is a change of what a metric says. A gauge keeps its value each minute until the next such moment.
type Gauge struct {
	Target     string // "" for the controller's own account
	Metric     string
	Dimensions []alarm.Dimension
	Value      *float64 // nil: it falls silent
}

// Planned is a wanted alarm whose plan changed.
type Planned struct {
	AlarmReport
	Written bool // the configuration allows it and the replay's account took it
}

// Summary is what a replay comes to.
type Summary struct {
	From, To  time.Time
	Cut       string // why the recording ends early; "" where it does not
	Looks     int    // at targets, whole ones
	Partial   int    // those that were not whole
	Services  int    // in view at the end
	Planned   int    // stops
	Unplanned int
	Causes    map[churn.Cause]int
	Opened    map[string]int    // findings by type
	Closed    map[string]int    // same
	Open      []finding.Finding // at the end, in order
}

func (s *Summary) looked(sweep fleet.Sweep) {
	if sweep.Complete {
		s.Looks++
	} else {
		s.Partial++
	}
}

func (s *Summary) stopped(stop churn.Stop) {
	if s.Causes == nil {
		s.Causes = map[churn.Cause]int{}
	}
	s.Causes[stop.Verdict.Cause]++
	if stop.Verdict.Planned {
		s.Planned++
	} else {
		s.Unplanned++
	}
}

func (s *Summary) turned(was, is finding.Finding) {
	if s.Opened == nil {
		s.Opened, s.Closed = map[string]int{}, map[string]int{}
	}
	if open := was.Status != "" && was.Open(); open != is.Open() {
		if open {
			s.Closed[is.Type]++
		} else {
			s.Opened[is.Type]++
		}
	}
}
