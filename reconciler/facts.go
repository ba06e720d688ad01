package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"taskwarden/contain"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// surveyors work on one target's surveys. A registry that gives no answer costs each of them up to surveyIn, and a visit nothing.
const surveyors = 4

// asked is one survey: what a policy's plan for a service needs to know.
type asked struct {
	key    fleet.Key
	policy string
}

// surveyed is what the last survey with an answer found, and why there was no answer since.
type surveyed struct {
	at    time.Time // of the answer; zero: there was none
	plan  string    // what it was made for: the base revision and the values
	facts rollout.Facts
	// counted is the end of the reading of metrics that Requests is of; a plan may be made before the first one.
	counted time.Time
	tried   time.Time
	failed  error // nil: the last questions were answered
}

// purpose is what a plan's facts are of.
func purpose(p rollout.Plan) string { return p.Base + fmt.Sprint(p.Set) }

// facts gives what is known for a plan, and asks for a survey where that is old. While questions have no answer the last facts
// stand, with their age. ready is false where nothing is known that may be used.
func (r *remediation) facts(a asked, p rollout.Plan, o fleet.Observation, cures []string) (f rollout.Facts, ready bool) {
	now := r.now()
	r.state.Lock()
	s, ok := r.surveys[a]
	r.state.Unlock()
	known := ok && !s.at.IsZero() && s.plan == purpose(p)
	young := known && now.Sub(s.at) < factsKept
	if !young || s.wantsCount(o) {
		r.surveying.of(a.key.Target).Add(a)
	}
	if !young && (!known || s.failed == nil || now.Sub(s.at) >= answersStand) {
		return rollout.Facts{}, false
	}
	f, seen := s.facts, r.seen(p, o, cures)
	f.FamilyUsers, f.Cures, f.InternalOperation, f.Losses = seen.FamilyUsers, seen.Cures, seen.InternalOperation, seen.Losses
	if !young {
		age := fmt.Sprintf("answered at %s; since then: %v", s.at.Format(time.RFC3339), s.failed)
		f.Owner.Evidence = append(slices.Clone(f.Owner.Evidence), age)
	}
	return f, true
}

// seen are the facts that need no question: what the view knows is never older than the view.
func (r *remediation) seen(p rollout.Plan, o fleet.Observation, cures []string) rollout.Facts {
	return rollout.Facts{FamilyUsers: r.c.view.familyUsers(p.Key, p.Base), Cures: cures, Losses: r.losses(),
		InternalOperation: internalOperation(o.Metrics.Signals)}
}

// surveyed notes what a survey found. What was counted of the service's requests stays.
func (r *remediation) surveyed(a asked, p rollout.Plan, facts rollout.Facts, at time.Time) surveyed {
	r.state.Lock()
	was := r.surveys[a]
	r.state.Unlock()
	facts.Requests = was.facts.Requests
	s := surveyed{at: at, plan: purpose(p), facts: facts, counted: was.counted}
	r.keepSurvey(a, s)
	return s
}

// wantsCount reports whether a newer reading of metrics may tell how many requests there are.
func (s surveyed) wantsCount(o fleet.Observation) bool {
	unknown := s.facts.Requests == (rollout.Requests{}) || s.facts.Requests.Unknown != ""
	return unknown && !s.counted.Equal(o.Metrics.Signals.At)
}

// unanswered is why nothing is known now for a policy's plan, or "".
func (r *remediation) unanswered(a asked) string {
	r.state.Lock()
	defer r.state.Unlock()
	if s := r.surveys[a]; s.failed != nil {
		return s.failed.Error()
	}
	return ""
}

// surveyLoop carries out the surveys of one target that visits ask for. No visit waits for it, so no rollback does.
func (r *remediation) surveyLoop(ctx context.Context, t Target) {
	if t.Deployer == nil { // only where remediation is off
		return
	}
	r.surveying.work(ctx, t.Name, func(a asked) (again bool) {
		return r.c.attempt(contain.Remediation, t.Name, a.key.String(), func() (again bool, err error) {
			err = contain.Do(contain.Remediation, a.key.String(), func() error { return r.answer(ctx, t, a) })
			if ctx.Err() != nil {
				return false, err
			}
			r.hinder(hindrance{a.key, "survey by policy " + a.policy}, err)
			return err != nil, err
		})
	})
}

// answer surveys a service for a policy's plan where one is wanted, and has the service visited when there is an answer.
func (r *remediation) answer(ctx context.Context, t Target, a asked) error {
	p, o, wanted, err := r.wants(ctx, a)
	if err != nil || !wanted {
		return err
	}
	now := r.now()
	r.state.Lock()
	s := r.surveys[a]
	r.state.Unlock()
	if s.at.IsZero() || s.failed != nil || s.plan != purpose(p) || now.Sub(s.at) >= factsKept {
		facts, err := r.survey(ctx, t, p, o, factsKept)
		if err != nil {
			s.failed = err
			r.keepSurvey(a, s)
			return err
		}
		s = r.surveyed(a, p, facts, now)
		// Without the requests the plan goes by the hours of the week; they are asked for again with the next survey.
		s.facts.Traffic, err = r.traffic(ctx, t, o, now.Add(-rollout.BaselineDays))
		r.hinder(hindrance{a.key, requestsUnread}, undenied(err))
	}
	if s.wantsCount(o) {
		s.facts.Requests, s.counted = requestsOf(ctx, t, o.Metrics.Signals), o.Metrics.Signals.At
	}
	r.keepSurvey(a, s)
	r.queues.of(t.Name).Add(a.key)
	return nil
}

// wants is the plan that a policy makes of what is known of a service now, if any, and that service.
func (r *remediation) wants(ctx context.Context, a asked) (p rollout.Plan, o fleet.Observation, wanted bool, err error) {
	i := slices.IndexFunc(r.o.Policies, func(p rollout.Policy) bool { return p.Name == a.policy })
	m, err := r.c.book.Load(ctx, a.key)
	if err != nil || i < 0 {
		return p, o, false, err
	}
	o = r.observed(a.key, m)
	s := rollout.Subject{Observation: o, History: m.History, Findings: m.Findings}
	p, _, wanted = rollout.Make(s, r.o.Policies[i], r.o.Settings, r.now())
	if _, read := o.Definitions[p.Base]; !wanted || !read || !o.Complete {
		r.state.Lock()
		delete(r.surveys, a)
		r.state.Unlock()
		return p, o, false, nil
	}
	return p, o, true, nil
}

// observed is what the view and the definitions show of a service.
func (r *remediation) observed(key fleet.Key, m Memory) fleet.Observation {
	o := r.c.view.observe(key)
	o.Definitions = r.c.definitions.known(o, m.Findings)
	return o
}

// keepSurvey notes a survey, and forgets those that no visit has asked for in a long time.
func (r *remediation) keepSurvey(a asked, s surveyed) {
	now := r.now()
	s.tried = now
	r.state.Lock()
	defer r.state.Unlock()
	maps.DeleteFunc(r.surveys, func(_ asked, old surveyed) bool { return now.Sub(old.tried) >= answersStand })
	r.surveys[a] = s
}
