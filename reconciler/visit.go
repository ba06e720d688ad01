package reconciler

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// visit is one visit to one service. Its look is no older than itself.
type visit struct {
	r           *remediation
	t           Target
	key         fleet.Key
	observation fleet.Observation
	memory      Memory

	look     *rollout.Look
	searched bool // for a revision by its tag
	checked  bool // whether the plan's facts hold
	answers  []rollout.Answer
	failed   error // why there is no look
}

// visit plans what is wanted, and takes the service's rollout as far as it goes now. It gives when to come again; 0: with the
// next look that makes it worth it.
func (r *remediation) visit(ctx context.Context, t Target, key fleet.Key) (after time.Duration, err error) {
	if !r.c.view.learned(key) {
		return 0, nil
	}
	v := &visit{r: r, t: t, key: key}
	if v.memory, err = r.c.book.Load(ctx, key); err != nil {
		return 0, err
	}
	v.observation = r.observed(key, v.memory)
	if r.off() {
		if rollouts, _ := r.c.book.rolloutsOf(key); !begun(rollouts) {
			return 0, nil
		}
	}
	if err := v.propose(ctx); err != nil {
		return 0, err
	}
	for range mostTurns {
		more, err := v.advance(ctx)
		if err != nil {
			return 0, err
		}
		if !more {
			break
		}
	}
	if v.failed != nil {
		return 0, fmt.Errorf("look at %s: %w", key, v.failed)
	}
	return r.again(key), nil
}

// again is when the service's rollout is to be visited next: when its pause is over, where it has one.
func (r *remediation) again(key fleet.Key) time.Duration {
	rollouts, _ := r.c.book.rolloutsOf(key)
	is, ok := current(rollouts, r.now())
	switch {
	case !ok || !is.Live():
		return 0
	case is.Phase == rollout.Soaking:
		return soakingAgain
	case is.Phase == rollout.Proposed || is.Phase == rollout.Approved:
		return waitingAgain
	case is.Pause != nil && is.Pause.Until.After(r.now()):
		return min(is.Pause.Until.Sub(r.now()), waitingAgain)
	}
	return actingAgain
}

// propose keeps the service's rollouts in step with what the policies want.
func (v *visit) propose(ctx context.Context) error {
	live, alive := v.live()
	if alive && live.Phase != rollout.Proposed && live.Phase != rollout.Approved {
		return nil
	}
	for _, p := range v.policies(live, alive) {
		s, ready := v.subject(p, alive)
		if !ready {
			continue
		}
		proposed, err := v.r.write(ctx, v.key, func(b rollout.Brakes, now time.Time) (rollout.Rollout, []AuditEntry, bool) {
			next, ok := rollout.Propose(s, p, b, now)
			return next, v.proposed(next, p), ok
		})
		if err != nil || proposed.Live() {
			return err
		}
	}
	return nil
}

// subject is what a policy's plan is made of, with the facts where a plan is wanted; not ready: nothing can be proposed or ended
// by it yet.
func (v *visit) subject(p rollout.Policy, alive bool) (s rollout.Subject, ready bool) {
	s = rollout.Subject{Observation: v.observation, History: v.memory.History, Findings: v.memory.Findings}
	plan, bad, wanted := rollout.Make(s, p, v.r.o.Settings, v.r.now())
	switch _, read := v.observation.Definitions[plan.Base]; {
	case !wanted:
		return s, alive
	case !v.observation.Complete:
		return s, false
	case bad != nil && bad.Certain():
		s.Facts = v.r.seen(plan, v.observation, cures(v.memory.Findings, plan))
		s.Facts.Owner = rollout.Owner{State: rollout.UnknownOwner, Evidence: []string{"not asked for: the plan is refused whoever the owner is"}}
		return s, true
	case read:
		s.Facts, ready = v.r.facts(asked{v.key, p.Name}, plan, v.observation, cures(v.memory.Findings, plan))
		return s, ready
	}
	return s, v.r.c.troubles.of(v.key.Target)["DefinitionsUnreadable"].message != "" // else it is being fetched
}

// proposed is what the audit log says of a proposal; nothing of the same plan with more deaths to compare with.
func (v *visit) proposed(next rollout.Rollout, p rollout.Policy) []AuditEntry {
	if was, known := v.r.c.book.Rollout(next.ID); known && stateOf(was) == stateOf(next) && was.Message == next.Message {
		return nil
	}
	text := "plan of policy " + p.Name + ": " + stateOf(next)
	if next.Message != stateOf(next) {
		text += ": " + next.Message
	}
	return []AuditEntry{v.r.entry(next, "propose", text)}
}

// policies are those that may plan: of a live rollout its own alone. One that the configuration no longer has plans nothing.
func (v *visit) policies(live rollout.Rollout, alive bool) []rollout.Policy {
	if !alive {
		return v.r.o.Policies
	}
	i := slices.IndexFunc(v.r.o.Policies, func(p rollout.Policy) bool { return p.Name == live.Plan.Policy })
	if i < 0 {
		return []rollout.Policy{{Name: live.Plan.Policy}}
	}
	return v.r.o.Policies[i : i+1]
}

func (v *visit) live() (rollout.Rollout, bool) {
	rollouts, _ := v.r.c.book.rolloutsOf(v.key)
	r, ok := current(rollouts, v.r.now())
	return r, ok && r.Live()
}

// cures are the other cures of the open findings, best first, each once.
func cures(findings []finding.Finding, plan rollout.Plan) []string {
	var out []string
	for _, f := range findings {
		if !f.Open() {
			continue
		}
		for _, c := range f.Cures {
			if own := len(c.Set) > 0 && maps.Equal(c.Set, plan.Set[c.Container]); !own && !slices.Contains(out, c.Text) {
				out = append(out, c.Text)
			}
		}
	}
	return out
}

// advance takes the rollout one Advance on and carries out its steps; more tells that something came of them.
func (v *visit) advance(ctx context.Context) (more bool, err error) {
	rollouts, _ := v.r.c.book.rolloutsOf(v.key)
	was, ok := current(rollouts, v.r.now())
	if !ok {
		return false, nil
	}
	if was.Live() && was.Phase != rollout.Soaking && v.look == nil && !v.r.knowsTag(v.key) && !v.takeLook(ctx, was) {
		return false, nil // nobody knows what the service's owner allows now
	}
	var steps []rollout.Step
	heard := v.heard(was.ID)
	traffic, losses := v.since(ctx, was)
	next, err := v.r.write(ctx, v.key, func(b rollout.Brakes, now time.Time) (rollout.Rollout, []AuditEntry, bool) {
		is, ok := v.r.c.book.Rollout(was.ID) // a person may have had a word meanwhile
		if !ok {
			return is, nil, false
		}
		w := rollout.World{Observation: v.observation, History: v.memory.History, Findings: v.memory.Findings, Look: v.look, Answers: heard, Brakes: b,
			Unanswered: v.r.unanswered(asked{v.key, is.Plan.Policy}),
			Traffic:    traffic, Losses: losses,
			Volumes: volumesOf(is, v.observation, v.memory.History.Restarts)}
		var after rollout.Rollout
		after, steps = rollout.Advance(is, w, now)
		var entries []AuditEntry
		for _, s := range steps {
			if s.Call == rollout.Record {
				entries = append(entries, v.r.entry(after, "advance", s.Text))
			}
		}
		return after, entries, len(entries) > 0 || !reflect.DeepEqual(is, after)
	})
	if err != nil {
		return false, err
	}
	v.r.forget(was.ID)
	for _, s := range steps {
		if v.take(ctx, next, s) {
			more = true
		}
	}
	v.keep(was.ID)
	return more, nil
}

// heard are the answers that no written Advance has heard; keep puts new ones there, forget takes them away.
func (v *visit) heard(id string) []rollout.Answer {
	v.r.state.Lock()
	defer v.r.state.Unlock()
	return slices.Clone(v.r.answers[id])
}

func (v *visit) keep(id string) {
	v.r.state.Lock()
	defer v.r.state.Unlock()
	if len(v.answers) > 0 {
		v.r.answers[id] = append(v.r.answers[id], v.answers...)
	}
	v.answers = nil
}
