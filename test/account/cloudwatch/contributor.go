package cloudwatch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxContributors is how many contributors in ALARM an alarm lists (user guide, alarm-limits).
const maxContributors = 100

// contributor is one time series of a multi-series alarm.
type contributor struct {
	id         string
	attributes map[string]string
	state      string // OK or ALARM
	reason     string
	since      time.Time
}

// ContributorTransition is the change of one time series of a multi-series alarm.
type ContributorTransition struct {
	ID         string
	Attributes map[string]string // the dimensions of GROUP BY
	From, To   string            // OK or ALARM
	Reason     string
	Actions    []string // that AWS would have notified for this contributor
}

// multiSeries says whether the alarm's query returns a time series for each group.
func (a *alarm) multiSeries() bool { return a.rule.query != nil && len(a.rule.query.GroupBy) > 0 }

// contributorID stays the same for the same alarm and group.
func contributorID(alarm string, g group) string {
	sum := sha256.Sum256([]byte(alarm + "\x00" + g.key()))
	return hex.EncodeToString(sum[:16])
}

// move changes the state of a contributor and notes it; the same state again changes nothing.
func (c *contributor) move(moves []ContributorTransition, at time.Time, to, reason string) []ContributorTransition {
	if c.state == to {
		return moves
	}
	m := ContributorTransition{ID: c.id, Attributes: maps.Clone(c.attributes), From: c.state, To: to, Reason: reason}
	c.state, c.reason, c.since = to, reason, at
	return append(moves, m)
}

// alarming lists the contributors in ALARM, the one that has been for longest first.
func (a *alarm) alarming() []*contributor {
	var list []*contributor
	for _, c := range a.contributors {
		if c.state == stateAlarm {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(x, y *contributor) int {
		return cmp.Or(x.since.Compare(y.since), cmp.Compare(x.id, y.id))
	})
	return list
}

// summary is the state of a multi-series alarm and the user guide's wording of the reason.
func (a *alarm) summary() (state, reason string) {
	in, of := len(a.alarming()), len(a.contributors)
	switch {
	case of == 0:
		return stateInsufficient, "Insufficient Data: the query returned no time series."
	case in == 0:
		return stateOK, fmt.Sprintf("0 out of %d time series evaluated to ALARM", of)
	case in > maxContributors:
		return stateAlarm, fmt.Sprintf("%d+ time series evaluated to ALARM", maxContributors)
	}
	return stateAlarm, fmt.Sprintf("%d out of %d time series evaluated to ALARM", in, of)
}
