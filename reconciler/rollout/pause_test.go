package rollout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

// A pause begins at a quarter of a minute, grows, and is bounded; on the way back by a minute. It is the same for the same rollout,
// and differs between rollouts.
func TestPausesGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rollout{ID: rapid.StringN(1, 12, -1).Draw(t, "id"), Phase: rapid.SampledFrom([]Phase{Registering, Rolling, RollingBack}).Draw(t, "phase")}
		most := 5 * time.Minute
		if r.Phase == RollingBack {
			most = time.Minute
		}
		var was time.Duration
		for times := 1; times < 100; times++ {
			is := r.pause(times)
			if is < 15*time.Second || is > most || is != r.pause(times) || is*10 < was*6 || times == 1 && is > 25*time.Second {
				t.Fatalf("pause %d is %s, the one before %s", times, is, was)
			}
			was = is
		}
		if was < most*6/10 {
			t.Errorf("the pauses end at %s", was)
		}
	})
	if (Rollout{ID: "a"}).pause(4) == (Rollout{ID: "b"}).pause(4) {
		t.Error("two rollouts that were turned away together come back together")
	}
}

// turn advances a rollout once with what the world answers to each step, and gives the calls that would be sent.
func (s *scene) turn(r Rollout, w World, answer func(Step) []Answer) (Rollout, []Call) {
	var calls []Call
	for range 8 {
		s.At, w.Observation.Seen = s.now, fleet.Seen{At: s.now, Complete: true}
		is, steps := Advance(r, w, s.now)
		r, w.Answers = is, nil
		for _, step := range steps {
			switch step.Call {
			case Record:
			case Fresh:
				w.Look = seen(s, baseARN, fleet.RolloutCompleted, Deployment{}, false)
			default:
				calls = append(calls, step.Call)
				w.Answers = append(w.Answers, answer(step)...)
			}
		}
		if len(w.Answers) == 0 && w.Look != nil && w.Look.At.Equal(s.now) && !slices.ContainsFunc(steps, func(s Step) bool { return s.Call == Fresh }) {
			break
		}
	}
	return r, calls
}

// Each write waits when AWS turns it away, is not sent again before the pause is over, and ends at the phase's deadline. Then the
// rollout holds nothing where no UpdateService can have been carried out.
func TestAWriteThatIsTurnedAwayWaits(t *testing.T) {
	for _, class := range []error{fleet.ErrThrottled, fleet.ErrConflict, fleet.ErrUnsent} {
		for call, phase := range map[Call]Phase{Register: Registering, Update: Rolling} {
			t.Run(fmt.Sprintf("%s %s", call, class), func(t *testing.T) {
				s := newScene()
				r := underway(s, phase)
				if phase == Registering {
					r.Revision = ""
				}
				r.Deadline = s.now.Add(time.Hour)
				w := World{Observation: s.Observation, Brakes: s.brakes}
				sent := 0
				for until := s.now.Add(30 * time.Hour); r.Live() && r.Phase == phase && s.now.Before(until); s.now = s.now.Add(5 * time.Second) {
					before := r.Pause
					var calls []Call
					r, calls = s.turn(r, w, func(step Step) []Answer {
						a := Answer{Call: step.Call, At: s.now}
						if step.Call == call {
							a.Err = fmt.Errorf("AWS: %w", class)
						}
						return []Answer{a}
					})
					n := 0
					for _, c := range calls {
						if c == call {
							n++
						}
					}
					if sent += n; n > 1 || n == 1 && before != nil && s.now.Before(before.Until) {
						t.Fatalf("%s sent %d times at %s, in the pause %+v", call, n, s.now, before)
					}
				}
				if sent < 8 {
					t.Errorf("sent %d times", sent)
				}
				if r.Phase == phase && r.Outcome != Failed || r.Phase != phase && r.Ending.Outcome != Failed {
					t.Errorf("%s: %s", state(r), r.Message)
				}
				if !r.Wrote.IsZero() || !r.Untouched || !strings.Contains(r.Message, "AWS") {
					t.Errorf("wrote %s, untouched %t: %s", r.Wrote, r.Untouched, r.Message)
				}
			})
		}
	}
}

// An UpdateService that had no answer may have been carried out: what fails after it holds the service.
func TestALostUpdateHolds(t *testing.T) {
	s := newScene()
	r := underway(s, Rolling)
	w := World{Observation: s.Observation, Brakes: s.brakes}
	n := 0
	for until := s.now.Add(6 * time.Hour); r.Phase == Rolling && s.now.Before(until); s.now = s.now.Add(15 * time.Second) {
		r, _ = s.turn(r, w, func(step Step) []Answer {
			a := Answer{Call: step.Call, At: s.now}
			if step.Call == Update {
				if a.Err = errors.New("no answer"); n > 0 {
					a.Err = fleet.ErrThrottled
				}
				n++
			}
			return []Answer{a}
		})
	}
	if r.Phase != RollingBack || r.Wrote.IsZero() || r.Untouched || n < 5 {
		t.Errorf("%s after %d tries: wrote %s, untouched %t: %s", state(r), n, r.Wrote, r.Untouched, r.Message)
	}
	r.end(Failed, r.Reason, r.Message, s.now)
	if !r.holds() {
		t.Error("nothing is held")
	}
}

// What failed before anything was done is planned again after planTTL, or after a reset, and no sooner.
func TestWhatWasNotTouchedIsPlannedAgain(t *testing.T) {
	s := newScene()
	r := underway(s, Registering)
	r.Revision = ""
	r.end(Failed, ReasonTurnedAway, "throttled", s.now)
	if !r.Untouched || r.holds() {
		t.Fatalf("untouched %t, holds %t", r.Untouched, r.holds())
	}
	s.brakes.Known = []Rollout{r}
	ttl := s.brakes.Settings.PlanTTL
	for after, want := range map[time.Duration]bool{time.Minute: false, ttl - time.Minute: false, ttl: true} {
		if got := s.brakes.again(r, r.Since.Add(after)); got != want {
			t.Errorf("%s later: %t", after, got)
		}
	}
	s.brakes.Resets = map[string]time.Time{r.Key().String(): r.Since.Add(time.Second)}
	if !s.brakes.again(r, r.Since.Add(time.Minute)) {
		t.Error("a reset does not have it planned again")
	}
}

// The plan's facts are found out anew before each write that they have not held for in the last two minutes. A question without an
// answer keeps the rollout's place; a refusal ends it.
func TestFactsAreCheckedBeforeAWrite(t *testing.T) {
	for name, c := range map[string]struct {
		phase   Phase
		checked time.Duration // ago; 0: never
		answer  Answer
		sends   bool
		want    string
	}{
		"never":                           {Registering, 0, Answer{}, true, "registering"},
		"long ago":                        {Rolling, 3 * time.Minute, Answer{}, true, "rolling"},
		"a minute ago":                    {Rolling, time.Minute, Answer{Err: errors.New("not to be asked")}, true, "rolling"},
		"no answer":                       {Registering, 0, Answer{Err: errors.New("503")}, false, "registering"},
		"no answer, and it is registered": {Rolling, 0, Answer{Err: errors.New("503")}, false, "rolling"},
		"no":                              {Registering, 0, Answer{Refusal: refuse(ReasonDrift, nil, "it moves")}, false, "refused"},
		"no, and it is registered":        {Rolling, 0, Answer{Refusal: refuse(ReasonDrift, nil, "it moves")}, false, "rolling_back"},
	} {
		s := newScene()
		r := underway(s, c.phase)
		if c.phase == Registering {
			r.Revision = ""
		}
		if c.checked > 0 {
			r.Checked = s.now.Add(-c.checked)
		}
		s.now = s.now.Add(time.Second)
		got, calls := s.turn(r, World{Observation: s.Observation, Brakes: s.brakes}, func(step Step) []Answer {
			if step.Call != Check {
				return nil
			}
			c.answer.Call, c.answer.At = Check, s.now
			return []Answer{c.answer}
		})
		sends := slices.ContainsFunc(calls, func(c Call) bool { return c == Register || c == Update })
		if sends != c.sends || state(got) != c.want {
			t.Errorf("%s: calls %v, %s: %s", name, calls, state(got), got.Message)
		}
		if c.answer.Err != nil && !sends && (got.Reason != ReasonUnanswered || !strings.Contains(got.Message, "503") || got.Pause == nil) {
			t.Errorf("%s: %s %s, pause %+v", name, got.Reason, got.Message, got.Pause)
		}
	}
}

// An approved rollout waits for its questions to be answered, and keeps its approval.
func TestAnApprovedRolloutWaitsForAnswers(t *testing.T) {
	s := newScene()
	r := underway(s, Approved)
	r.StartedAt, r.Revision, r.Approval = time.Time{}, "", &Order{By: "oncall"}
	w := World{Observation: s.Observation, Brakes: s.brakes, Unanswered: "CloudFormation answers 503"}
	is, steps := Advance(r, w, s.now)
	if is.Phase != Approved || is.Reason != ReasonUnanswered || is.Approval == nil || !strings.Contains(is.Message, "503") || len(steps) > 0 {
		t.Errorf("%s %s: %s, %v", state(is), is.Reason, is.Message, steps)
	}
	w.Unanswered = ""
	if is, _ = Advance(is, w, s.now); is.Phase != Registering || is.Reason != "" {
		t.Errorf("%s %s: %s", state(is), is.Reason, is.Message)
	}
}

// A plan is for the owner it was made for: another one that is found right before a write is a refusal, unless there is none now.
func TestAnotherOwnerIsSeenBeforeAWrite(t *testing.T) {
	for was, row := range map[Ownership]map[Ownership]Reason{
		NoOwner:      {Owned: ReasonOwned, UnknownOwner: ReasonOwnerUnknown, NoOwner: "", "": ""},
		UnknownOwner: {Owned: ReasonOwned, UnknownOwner: "", NoOwner: "", "": ""},
	} {
		for is, want := range row {
			s := newScene()
			r, _ := s.propose()
			r.Plan.Owner, r.Plan.Handling, s.Facts.Owner = Owner{State: was}, Apply, Owner{State: is}
			got := s.Against(r.Plan)
			if got == nil && want != "" || got != nil && got.Reason != want {
				t.Errorf("%s, now %s: %v, want %q", was, is, got, want)
			}
		}
	}
}
