package rollout

import (
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// A revision that came back otherwise than it was sent is never deployed: what was there is made the newest again, and the
// service waits for a person. So is one that is only found by its tag.
func TestAStrayedRevisionIsNeverDeployed(t *testing.T) {
	for _, call := range []Call{Register, FindByTag} {
		s := newScene()
		r := underway(s, Registering)
		r.Revision, r.Intent = "", &Intent{Call: Register, At: s.now, Tries: 1}
		w := World{Observation: s.Observation, Brakes: s.brakes,
			Answers: []Answer{{Call: call, At: s.now, Revision: newARN, Refusal: refuse(ReasonField, []string{"cpu"}, "it differs")}}}
		for range 8 {
			var steps []Step
			r, steps = Advance(r, w, s.now)
			w.Answers, w.Look = nil, nil
			s.now = s.now.Add(time.Second)
			for _, step := range steps {
				switch step.Call {
				case Fresh:
					w.Look = seen(s, baseARN, fleet.RolloutCompleted, Deployment{}, false)
				case Restore:
					w.Answers = []Answer{{Call: Restore, At: s.now, Revision: "web:4"}}
				case Register, Update:
					t.Errorf("%s: %s is sent", call, step.Call)
				}
			}
		}
		if r.Outcome != Failed || r.Reason != ReasonField || r.Revision != newARN || !slices.ContainsFunc(Claims([]Rollout{r}, time.Time{}, fleet.Observation{}), func(c finding.Claim) bool { return c.Type == finding.RemediationHeld }) {
			t.Errorf("%s: %s %s: %s", call, state(r), r.Reason, r.Message)
		}
	}
}

// A rollback that a pause holds up keeps its place for as long as the pause lasts, and goes on after it.
func TestAPausedRollbackKeepsItsPlace(t *testing.T) {
	s := newScene()
	r := underway(s, RollingBack)
	r.Ending = &Conclusion{Outcome: RolledBack, Message: "worse"}
	turn := func() (steps []Step) {
		s.At = s.now
		r, steps = Advance(r, World{Observation: s.Observation, Brakes: s.brakes, Look: seen(s, newARN, fleet.RolloutCompleted, Deployment{}, false)}, s.now)
		return steps
	}
	s.brakes.Paused = "by oncall"
	for range 48 {
		s.now = s.now.Add(30 * time.Minute)
		if turn(); r.Reason != ReasonPaused || !r.Live() {
			t.Fatalf("%s: %s", state(r), r.Message)
		}
	}
	s.brakes.Paused = ""
	if steps := turn(); !slices.ContainsFunc(steps, func(s Step) bool { return s.Call == Update && s.Revision == baseARN }) {
		t.Errorf("after the pause: %s %s, %v", state(r), r.Message, steps)
	}
}
