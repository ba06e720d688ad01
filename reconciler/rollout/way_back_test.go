package rollout

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	againARN = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/web:9" // the base's content, registered again
	otherARN = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/web:10"
)

// goingBack is a rollout whose fix was found to be worse and runs; nothing of its way back was sent yet.
func goingBack(s *scene) Rollout {
	r := underway(s, RollingBack)
	r.Wrote, r.Arrived, r.Ending = s.now.Add(-time.Hour), true, &Conclusion{Outcome: RolledBack, Message: "worse"}
	r.Deadline = s.now.Add(rollIn)
	return r
}

// account is the little of AWS that a way back meets: which revision runs, and what is answered to each call.
type backAccount struct {
	runs   string
	d      Deployment
	answer func(Step) Answer
	calls  []Step
}

// drive advances the rollout in steps of 15 seconds, as a controller does, until it ends or the time is over.
func (b *backAccount) drive(s *scene, r Rollout, within time.Duration) Rollout {
	w := World{Brakes: s.brakes}
	for end := s.now.Add(within); s.now.Before(end) && r.Live(); s.now = s.now.Add(15 * time.Second) {
		for range 12 {
			s.At, s.Service.TaskDefinition = s.now, b.runs
			w.Observation, w.Look, w.Brakes = s.Observation, seen(s, b.runs, fleet.RolloutCompleted, b.d, false), s.brakes
			next, steps := Advance(r, w, s.now)
			r, w.Answers = next, nil
			for _, step := range steps {
				if step.Call == Fresh || step.Call == Record {
					continue
				}
				b.calls = append(b.calls, step)
				a := b.answer(step)
				a.Call, a.At = step.Call, s.now
				w.Answers = append(w.Answers, a)
			}
			if len(w.Answers) == 0 {
				break
			}
		}
	}
	return r
}

// sent counts the calls of a kind.
func (b *backAccount) sent(c Call) (n int) {
	for _, s := range b.calls {
		if s.Call == c {
			n++
		}
	}
	return n
}

// The base is INACTIVE: whether the edge sees that or AWS says it, its content is registered once and that revision is deployed.
func TestAnInactiveBaseIsRegisteredAgain(t *testing.T) {
	for name, refusal := range map[string]Answer{
		"the edge sees it": {Refusal: BaseInactive(baseARN, "INACTIVE")},
		"AWS says it":      {Err: fleet.ErrTerminal},
	} {
		s := newScene()
		b := &backAccount{runs: newARN}
		b.answer = func(step Step) Answer {
			switch {
			case step.Call == Update && step.Revision == baseARN:
				return refusal
			case step.Call == Update:
				b.runs = step.Revision
				return Answer{}
			}
			return Answer{Revision: againARN}
		}
		r := b.drive(s, goingBack(s), 3*time.Hour)
		if r.Outcome != RolledBack || b.runs != againARN || b.sent(Reregister) != 1 || b.sent(Update) != 2 {
			t.Errorf("%s: %s, %s runs, %d registrations, %d UpdateService: %s", name, state(r), fleet.NameOf(b.runs), b.sent(Reregister), b.sent(Update), r.Message)
		}
		if !strings.Contains(r.Message, "web:9 runs, which has the content of web:7") {
			t.Errorf("%s: %s", name, r.Message)
		}
		for _, c := range b.calls {
			if c.Call == Restore && c.Base != againARN {
				t.Errorf("%s: the family is restored from %s", name, c.Base)
			}
		}
	}
}

// AWS refuses the base though it is ACTIVE: the calls become rarer, and the outcome says why.
func TestARefusedWayBackIsNotAskedForEachMinute(t *testing.T) {
	for _, err := range []error{fleet.ErrTerminal, fleet.ErrDenied} {
		s := newScene()
		b := &backAccount{runs: newARN}
		b.answer = func(step Step) Answer {
			if step.Call == Update {
				return Answer{Err: errors.Join(err, errors.New("AWS says no"))}
			}
			return Answer{Revision: baseARN}
		}
		r := b.drive(s, goingBack(s), 4*time.Hour)
		if n := len(b.calls); r.Outcome != Failed || n > 40 || b.sent(Update) < 8 || !strings.Contains(r.Message, "AWS says no") {
			t.Errorf("%v: %s after %d calls, %d of them UpdateService: %s", err, state(r), n, b.sent(Update), r.Message)
		}
	}
}

// Neither a pause, nor a tag, nor a mode lets the time of a way back run out, the family's restoration included. Each says since
// when it holds the rollout up, and that an approver can go past it.
func TestWhatHoldsAWayBackUpMovesItsDeadline(t *testing.T) {
	for name, hold := range map[string]func(*Brakes){
		"pause":     func(b *Brakes) { b.Paused = "by oncall" },
		"tag off":   func(b *Brakes) { b.Mode, b.ModeBy = Off, ReasonTag },
		"mode off":  func(b *Brakes) { b.Mode, b.ModeBy = Off, ReasonMode },
		"mode plan": func(b *Brakes) { b.Mode, b.ModeBy = Show, ReasonMode },
	} {
		for _, restoring := range []bool{false, true} {
			s := newScene()
			free := s.brakes
			b := &backAccount{runs: newARN}
			b.answer = func(step Step) Answer {
				if step.Call == Update {
					b.runs = step.Revision
				}
				return Answer{Revision: againARN}
			}
			r := goingBack(s)
			if restoring {
				b.runs, r.Ending.Restored = baseARN, true
			}
			since := s.now
			hold(&s.brakes)
			r = b.drive(s, r, 9*time.Hour)
			if !r.Live() || len(b.calls) > 0 || !r.WaitsSince.Equal(since) || !strings.Contains(r.Message, stamp(since)) || !strings.Contains(r.Remedy, "taskwarden rollback "+r.ID) {
				t.Fatalf("%s, restoring %t: %s, %v: %s; %s", name, restoring, state(r), b.calls, r.Message, r.Remedy)
			}
			ordered, err := RollBackBy(r, "", Order{By: "oncall", At: s.now})
			if err != nil {
				t.Fatal(err)
			}
			runs, held := b.runs, s.brakes
			now := s.now
			if is := b.drive(s, ordered, time.Hour); is.Outcome != RolledBack || b.runs != baseARN {
				t.Errorf("%s, restoring %t, ordered: %s: %s", name, restoring, state(is), is.Message)
			}
			s.now, s.brakes, b.runs, b.calls = now, held, runs, nil
			s.brakes = free
			if r = b.drive(s, r, time.Hour); r.Outcome != RolledBack || b.runs != baseARN {
				t.Errorf("%s, restoring %t, over: %s: %s", name, restoring, state(r), r.Message)
			}
		}
	}
}

// Nobody looked for half a day: the way back is tried before its deadline means anything, and a deployment that was completed
// meanwhile is not taken back.
func TestADeadlineCountsWhileAControllerLooks(t *testing.T) {
	s := newScene()
	b := &backAccount{runs: newARN}
	b.answer = func(step Step) Answer {
		if step.Call == Update {
			b.runs = step.Revision
		}
		return Answer{Revision: againARN}
	}
	r := goingBack(s)
	s.now = s.now.Add(12 * time.Hour)
	if r = b.drive(s, r, time.Hour); r.Outcome != RolledBack {
		t.Errorf("%s: %s", state(r), r.Message)
	}
	s = newScene()
	r = underway(s, Rolling)
	r.Wrote, r.Intent = s.now, &Intent{Call: Update, At: s.now, Tries: 1}
	s.now = s.now.Add(12 * time.Hour)
	r, _ = Advance(r, World{Observation: s.Observation, Brakes: s.brakes, Look: seen(s, newARN, fleet.RolloutCompleted, Deployment{Status: "SUCCESSFUL", Target: newARN}, false)}, s.now)
	if r.Phase != Soaking {
		t.Errorf("%s: %s", state(r), r.Message)
	}
}

// A blue/green deployment of the fix that is under way is rolled back by ECS; where AWS refuses that or nothing comes of it, the
// old revision is deployed.
func TestADeploymentWithStagesIsStopped(t *testing.T) {
	for name, c := range map[string]struct {
		stop    Answer
		rolls   bool // ECS rolls it back once it was asked
		stops   int
		updates int
	}{
		"ECS rolls back": {rolls: true, stops: 1},
		"refused":        {stop: Answer{Err: fleet.ErrTerminal}, stops: 1, updates: 1},
		"denied":         {stop: Answer{Err: fleet.ErrDenied}, stops: 1, updates: 1},
		"nothing came":   {stops: 1, updates: 1},
		"lost":           {stop: Answer{Err: errNoAnswer}, stops: 1, updates: 1},
	} {
		s := newScene()
		b := &backAccount{runs: newARN, d: Deployment{ARN: "service-deployment/1", Status: "IN_PROGRESS", Target: newARN, Stage: "BAKE_TIME"}}
		b.answer = func(step Step) Answer {
			switch step.Call {
			case Stop:
				if step.Stops != "service-deployment/1" {
					t.Errorf("%s: stops %s", name, step.Stops)
				}
				if c.rolls {
					b.runs, b.d.Status, b.d.Stage = baseARN, "ROLLBACK_SUCCESSFUL", ""
				}
				return c.stop
			case Update:
				b.runs, b.d = step.Revision, Deployment{}
			}
			return Answer{Revision: againARN}
		}
		r := b.drive(s, goingBack(s), time.Hour)
		if r.Outcome != RolledBack || b.sent(Stop) != c.stops || b.sent(Update) != c.updates {
			t.Errorf("%s: %s, %d StopServiceDeployment, %d UpdateService: %s", name, state(r), b.sent(Stop), b.sent(Update), r.Message)
		}
	}
	s := newScene()
	b := &backAccount{runs: newARN, d: Deployment{ARN: "service-deployment/1", Status: "IN_PROGRESS", Target: newARN}, answer: func(Step) Answer { return Answer{} }}
	if b.drive(s, goingBack(s), time.Minute); b.sent(Stop) != 0 || b.sent(Update) != 1 {
		t.Errorf("a rolling deployment: %v", b.calls)
	}
}

// The newest revision is somebody else's: the outcome says which, and that it was left.
func TestAForeignNewestRevisionIsNamed(t *testing.T) {
	s := newScene()
	b := &backAccount{runs: baseARN, answer: func(Step) Answer { return Answer{Foreign: otherARN} }}
	if r := b.drive(s, goingBack(s), time.Hour); r.Outcome != RolledBack || !strings.Contains(r.Message, "web:10, which this rollout did not register") {
		t.Errorf("%s: %s", state(r), r.Message)
	}
}

// A deployment of last week says "rolling back" still. Before our UpdateService, and in the moments after it, that is not about
// our revision.
func TestAnOldRollbackIsNotOurs(t *testing.T) {
	for _, wrote := range []bool{false, true} {
		s := newScene()
		r := underway(s, Rolling)
		s.now = s.now.Add(10 * time.Second)
		r.Checked = s.now
		look := seen(s, baseARN, fleet.RolloutCompleted, Deployment{Status: "SUCCESSFUL", Target: baseARN, Started: s.now.Add(-7 * 24 * time.Hour)}, false)
		look.Service.Deployments[0].RolloutReason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
		look.Service.Deployments[0].CreatedAt = s.now.Add(-7 * 24 * time.Hour)
		if wrote {
			r.Wrote, r.Intent = s.now.Add(-5*time.Second), &Intent{Call: Update, At: s.now.Add(-5 * time.Second), Tries: 1}
		}
		s.At = s.now
		is, steps := Advance(r, World{Observation: s.Observation, Brakes: s.brakes, Look: look}, s.now)
		sends := slices.ContainsFunc(steps, func(step Step) bool { return step.Call == Update })
		if is.Phase != Rolling || sends == wrote {
			t.Errorf("UpdateService sent %t: %s, sends %t: %s", wrote, state(is), sends, is.Message)
		}
	}
}

// An approver takes back a rollout that has ended, while its revision runs; what somebody else deployed is left alone, and then
// the rollout keeps the end that it had.
func TestARolloutThatHasEndedIsTakenBack(t *testing.T) {
	who := Order{By: "oncall", Reason: "latency"}
	for _, o := range []Outcome{Succeeded, Inconclusive, Failed} {
		s := newScene()
		r := goingBack(s)
		r.Ending = nil
		r.end(o, "", "as it ended", s.now)
		s.now = s.now.Add(240 * time.Hour)
		who.At = s.now
		for name, runs := range map[string]string{"another revision": otherARN, "the base": baseARN, "not known": ""} {
			if is, err := RollBackBy(r, runs, who); !errors.Is(err, ErrConflict) || is.Outcome != o {
				t.Errorf("%s, %s runs: %s, %v", o, name, state(is), err)
			}
		}
		back, err := RollBackBy(r, newARN, who)
		if err != nil || back.Phase != RollingBack || !back.Live() {
			t.Fatalf("%s: %s, %v", o, state(back), err)
		}
		if _, err := RollBackBy(back, newARN, who); !errors.Is(err, ErrConflict) {
			t.Errorf("%s, ordered twice: %v", o, err)
		}
		b := &backAccount{runs: newARN}
		b.answer = func(step Step) Answer {
			if step.Call == Update {
				b.runs = step.Revision
			}
			return Answer{Revision: againARN}
		}
		now := s.now
		if is := b.drive(s, back, time.Hour); is.Outcome != RolledBack || b.runs != baseARN || !strings.Contains(is.Message, "oncall") {
			t.Errorf("%s: %s: %s", o, state(is), is.Message)
		}
		s.now, b.runs, b.calls = now, otherARN, nil
		if is := b.drive(s, back, time.Hour); is.Outcome != o || len(b.calls) > 0 || !strings.Contains(is.Message, "as it ended; the rollback that oncall ordered was not carried out: web:10 runs") {
			t.Errorf("%s, over somebody: %s, %v: %s", o, state(is), b.calls, is.Message)
		}
	}
	for _, o := range []Outcome{RolledBack, Superseded, Rejected, Expired, Refused, Exported, Adopted} {
		r := Rollout{ID: "x", Outcome: o, Revision: newARN}
		if _, err := RollBackBy(r, newARN, who); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", o, err)
		}
	}
}

// One live rollout a service: a plan that waits makes way, one that has begun is to be taken back itself.
func TestAWaitingPlanMakesWay(t *testing.T) {
	s := newScene()
	for _, p := range []Phase{Proposed, Approved, Registering, Rolling, Soaking, RollingBack} {
		waits := underway(s, p)
		is, err := MakeWay(waits, Rollout{ID: "back"}, Order{By: "oncall", At: s.now})
		if begun := p != Proposed && p != Approved; errors.Is(err, ErrConflict) != begun || is.Live() != begun {
			t.Errorf("%s: %s, %v", p, state(is), err)
		}
	}
}

// Any bad end of a canary after its UpdateService stops the policy until that service is reset.
func TestABadCanaryStopsItsPolicy(t *testing.T) {
	for _, c := range []struct {
		outcome     Outcome
		reason      Reason
		sent        bool
		ineffective bool
		stops       bool
	}{
		{outcome: RolledBack, sent: true, stops: true}, {outcome: Failed, sent: true, stops: true}, {outcome: Superseded, sent: true, stops: true},
		{outcome: Inconclusive, sent: true, ineffective: true, stops: true}, {outcome: Inconclusive, sent: true},
		{outcome: Failed}, {outcome: RolledBack}, {outcome: Superseded}, {outcome: Superseded, sent: true, reason: ReasonDeleted},
		{outcome: Succeeded, sent: true}, {outcome: Refused}, {outcome: Expired},
	} {
		s := newScene()
		plan, _, _ := Make(s.Subject, s.policy, s.brakes.Settings, s.now)
		plan.Key.Service = "first"
		k := Rollout{ID: "old", Plan: plan, Outcome: c.outcome, Reason: c.reason, Canary: true, Since: start.Add(-time.Hour)}
		if k.Soak.Assessment.Ineffective = c.ineffective; c.sent {
			k.Wrote = start.Add(-2 * time.Hour)
		}
		s.brakes.Known = []Rollout{k}
		r, _ := s.propose()
		if (r.Reason == ReasonCanary) != c.stops {
			t.Errorf("%+v: %s %s: %s", c, state(r), r.Reason, r.Message)
		}
		s.brakes.Resets = map[string]time.Time{plan.Key.String(): start.Add(-time.Minute)}
		if r, _ := s.propose(); r.Reason == ReasonCanary {
			t.Errorf("%+v, reset: %s", c, r.Message)
		}
	}
}

// Whoever waits for a canary reads which, since when, for what, and until when at the latest. The text stands still while the
// canary does, since each change of a waiting rollout is written.
func TestAWaitingPlanNamesTheCanary(t *testing.T) {
	for _, concurrent := range []int{1, 2} {
		s := newScene()
		s.brakes.Settings.MaxConcurrent = concurrent
		r, _ := s.propose()
		canary := underway(s, Soaking)
		canary.ID, canary.Plan.Key.Service, canary.Canary = "c0ffee", "first", true
		s.brakes.Known = []Rollout{r, canary}
		for range 3 {
			r, _ = Advance(r, World{Observation: s.Observation, History: s.History, Brakes: s.brakes}, s.now)
		}
		for _, want := range []string{"c0ffee", "first", stamp(canary.Soak.From), canary.Plan.Power, stamp(canary.Deadline), "inconclusive, the next service takes its place"} {
			if !strings.Contains(r.Message, want) {
				t.Errorf("maxConcurrent %d: %q is missing in: %s", concurrent, want, r.Message)
			}
		}
		was := r
		s.now = s.now.Add(10 * time.Minute)
		s.At = s.now
		s.brakes.Known[1].Message = "the oldest new task is older now"
		if r, _ = Advance(r, World{Observation: s.Observation, History: s.History, Brakes: s.brakes}, s.now); r.Message != was.Message || !r.WaitsSince.Equal(was.WaitsSince) {
			t.Errorf("it changed: %s", r.Message)
		}
	}
}
