package rollout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	// pauseFirst is the pause after the first call that was turned away; each further one doubles it.
	pauseFirst = 20 * time.Second
	// pauseMost bounds the pauses; on the way back, which is urgent, pauseBack does.
	pauseMost = 4 * time.Minute
	pauseBack = 48 * time.Second
)

// Pause is the time in which nothing is sent or asked, because a call was turned away or a question was not answered.
type Pause struct {
	Until time.Time `json:"until"`
	Times int       `json:"times"` // how many calls and questions of this phase went so
}

// pausing reports whether the pause lasts.
func (m *machine) pausing() bool { return m.Pause != nil && m.now.Before(m.Pause.Until) }

// pause is how long the rollout waits when it has met so many refusals: a quarter more or less than a doubling step. The
// difference depends on the rollout alone, so that rollouts that were turned away together do not come back together.
func (r Rollout) pause(times int) time.Duration {
	most := pauseMost
	if r.Phase == RollingBack {
		most = pauseBack
	}
	step := min(pauseFirst<<min(times-1, 10), most)
	h := fnv.New64a()
	_, _ = h.Write(binary.AppendVarint([]byte(r.ID), int64(times)))
	return step*3/4 + time.Duration(h.Sum64()%uint64(step/2))
}

// hold begins a pause that is longer than the last one, and says why.
func (m *machine) hold(reason Reason, why string) {
	times := 1
	if m.Pause != nil {
		times = m.Pause.Times + 1
	}
	m.Pause = &Pause{m.now.Add(m.pause(times)), times}
	m.wait(refuse(reason, nil, "%s; the next try is at %s", why, stamp(m.Pause.Until)))
}

// turnedAway notes that the pending call was certainly not carried out: it may be sent again after a pause.
func (m *machine) turnedAway(err error) {
	m.undone()
	if errors.Is(err, fleet.ErrUnsent) {
		m.Intent.Refused = true
		m.hold(ReasonUnanswered, err.Error())
		m.stay()
		return
	}
	m.unheard(fmt.Sprintf("AWS turned %s away %d time(s), the last time with: %v", m.Intent.Call, m.Intent.Tries, err))
}

// undone notes that the pending call was certainly not carried out. On the way back the fix was deployed before, so that nothing
// is taken back from what is known.
func (m *machine) undone() {
	if m.Phase != RollingBack {
		m.Wrote = m.Intent.Before
	}
}

// unheard lets the pending call be sent again after a pause.
func (m *machine) unheard(why string) {
	m.Intent.Refused = true
	m.hold(ReasonTurnedAway, why)
}

// stay moves the deadline of a rollout that has registered nothing: to wait for a brake or an answer is no failure while
// the plan is good.
func (m *machine) stay() {
	if m.Phase == Registering && !m.pending(Register) && m.now.Sub(m.StartedAt) < m.w.Brakes.Settings.PlanTTL {
		m.Deadline = m.now.Add(registerIn)
	}
}

// giveUp ends a rollout whose phase's time is over, and says what it waited for to the end.
func (m *machine) giveUp(what string) {
	m.Untouched = m.Wrote.IsZero()
	m.conclude(Failed, m.Reason, what+": "+m.Message)
}

// untouched reports whether an outcome is a failure before anything was done to the service: no UpdateService can have been
// carried out, and either nothing was registered, or AWS never took the deployment.
func (r Rollout) untouched(o Outcome) bool {
	nothing := r.Revision == "" && r.Ending == nil
	return o == Failed && r.Wrote.IsZero() && (nothing || r.Untouched)
}
