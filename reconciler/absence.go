package reconciler

import (
	"maps"
	"time"
)

const (
	// absentFirst is when a task definition that AWS did not know is asked for again: one that was registered a moment ago may
	// show late. Each further answer doubles the wait, up to absentMost.
	absentFirst = time.Minute
	absentMost  = 24 * time.Hour
)

// absences are the task definitions that AWS answered not to know: those that were deleted while tasks of them still run. Without
// them each look would ask again.
type absences map[string]absence

type absence struct {
	until time.Time // it is not asked for before
	wait  time.Duration
}

// still reports whether a definition is not to be asked for yet.
func (a absences) still(arn string, now time.Time) bool { return now.Before(a[arn].until) }

// note takes in one more answer, and forgets the definitions that no look has named for a day.
func (a absences) note(arn string, now time.Time) {
	maps.DeleteFunc(a, func(_ string, old absence) bool { return now.Sub(old.until) >= absentMost })
	wait := min(max(2*a[arn].wait, absentFirst), absentMost)
	a[arn] = absence{now.Add(wait), wait}
}
