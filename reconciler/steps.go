package reconciler

import (
	"context"
	"errors"
	"fmt"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// What follows is the one place where the steps of rollouts become calls. Each rollout was committed before; what becomes of
// a call goes into the visit's answers, for the next Advance.

// take carries out one step, and tells whether it was one that gives the rollout something new.
func (v *visit) take(ctx context.Context, r rollout.Rollout, s rollout.Step) bool {
	switch s.Call {
	case rollout.Fresh:
		return v.takeLook(ctx, r)
	case rollout.FindByTag:
		if v.searched {
			return false // the next visit looks again
		}
		v.searched = true
		v.answer(s.Call, func(a *rollout.Answer) { v.findByTag(ctx, r, s, a) })
	case rollout.Check:
		return v.takeCheck(ctx, r)
	case rollout.Register:
		v.answer(s.Call, func(a *rollout.Answer) { v.register(ctx, r, s, a) })
	case rollout.Update:
		v.answer(s.Call, func(a *rollout.Answer) { v.deploy(ctx, r, s, a) })
	case rollout.Restore:
		v.answer(s.Call, func(a *rollout.Answer) { a.Revision, a.Err = v.restore(ctx, s) })
	default: // Record was committed with the rollout
		return false
	}
	return true
}

// answer keeps what became of a call. Its time is from before the call, so that what a look did not find is never dated later
// than the look.
func (v *visit) answer(c rollout.Call, do func(*rollout.Answer)) {
	a := rollout.Answer{Call: c, At: v.r.now()}
	do(&a)
	if refusal, ok := errors.AsType[*rollout.Refusal](a.Err); ok {
		a.Refusal, a.Err = refusal, nil
	}
	v.answers = append(v.answers, a)
}

// takeLook makes the visit's fresh look, one for each phase: what changes by waiting is looked at by the next visit.
func (v *visit) takeLook(ctx context.Context, r rollout.Rollout) bool {
	if v.look != nil && !r.Since.After(v.look.At) || v.failed != nil {
		return false
	}
	look, err := v.lookAt(ctx, r)
	if err != nil {
		v.failed = err
		return false
	}
	v.look = &look
	return true
}

func (v *visit) lookAt(ctx context.Context, r rollout.Rollout) (rollout.Look, error) {
	at := v.r.now()
	f, err := v.r.fresh(ctx, v.t, v.key)
	if err != nil {
		return rollout.Look{}, err
	}
	d := f.Deployment
	look := rollout.Look{At: at, Gone: f.Gone, Service: f.Service, Deployment: rollout.Deployment{
		ARN: d.ARN, Status: d.Status, Reason: d.StatusReason, Target: f.Brings, Stage: d.Stage, Started: d.StartedAt}}
	p, ok := f.Service.Primary()
	if f.Gone || !ok || p.TaskDefinition == r.Plan.Base || p.TaskDefinition == r.Revision {
		return look, nil
	}
	definition, err := v.r.c.definitions.fetch(ctx, v.t, p.TaskDefinition)
	if err != nil {
		return rollout.Look{}, fmt.Errorf("read what somebody deployed: %w", err)
	}
	look.Carries = r.Plan.Carries(definition)
	return look, nil
}

// takeCheck finds out the plan's facts anew, once a visit, and looks at the service after that: the questions may take a minute,
// and nothing is sent on a look from before them.
func (v *visit) takeCheck(ctx context.Context, r rollout.Rollout) bool {
	if v.checked {
		return false // the next visit asks again
	}
	v.checked = true
	v.answer(rollout.Check, func(a *rollout.Answer) {
		facts, err := v.r.survey(ctx, v.t, r.Plan, v.observation, 0)
		if err != nil {
			a.Err = err
			return
		}
		v.r.surveyed(asked{v.key, r.Plan.Policy}, r.Plan, facts, a.At)
		facts.FamilyUsers = v.r.seen(r.Plan, v.observation, nil).FamilyUsers
		a.Refusal = (rollout.Subject{Observation: v.observation, Facts: facts}).Against(r.Plan)
	})
	v.look = nil
	v.takeLook(ctx, r)
	return true
}

// register makes the new revision: the document is compared with the base before it is sent, and again after ECS described
// what it made of it.
func (v *visit) register(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) {
	base, err := v.t.Deployer.RawDefinition(ctx, s.Base)
	if err != nil {
		a.Err = notSent(err)
		return
	}
	document, err := registrationOf(base, s.Set, s.Tag)
	if err != nil {
		a.Err = err
		return
	}
	if !v.justLooked() {
		a.Err = notSent(errLookedTooLongAgo)
		return
	}
	if a.Revision, a.Err = v.t.Deployer.Register(ctx, document); a.Err == nil {
		v.compare(ctx, base, s, r, a)
	}
}

var errLookedTooLongAgo = errors.New("the look at the service is older than " + rollout.Freshness.String())

// justLooked reports whether a write may still rely on the visit's look.
func (v *visit) justLooked() bool {
	return v.look != nil && v.r.now().Sub(v.look.At) <= rollout.Freshness
}

// deploy points the service at a revision. Nothing holds up the way back.
func (v *visit) deploy(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) {
	if r.Phase == rollout.Rolling && !v.justLooked() {
		a.Err = notSent(errLookedTooLongAgo)
		return
	}
	a.Err = v.t.Deployer.Deploy(ctx, s.Key.Cluster, s.Service, s.Revision)
}

// notSent marks an error from before the write: nothing was done for certain, so it may be tried again.
func notSent(err error) error {
	if fleet.Permanent(err) {
		return err
	}
	return unsent{err}
}

// unsent is an error from before a write.
type unsent struct{ err error }

// Error says that nothing was sent, and why.
func (u unsent) Error() string { return "nothing was sent: " + u.err.Error() }

// Unwrap gives the class and the error.
func (u unsent) Unwrap() []error { return []error{fleet.ErrUnsent, u.err} }

// compare holds the new revision, as ECS describes it, against the base. One that cannot be read is not known: it is looked
// for by its tag.
func (v *visit) compare(ctx context.Context, base []byte, s rollout.Step, r rollout.Rollout, a *rollout.Answer) {
	is, err := v.t.Deployer.RawDefinition(ctx, a.Revision)
	if err != nil {
		a.Revision, a.Err = "", fmt.Errorf("compare the new revision: %w", passing(err))
		return
	}
	err = strayed(base, is, r.Plan.Set, s.Tag)
	if refusal, ok := errors.AsType[*rollout.Refusal](err); ok {
		a.Refusal = refusal
		return
	}
	if err != nil {
		a.Revision, a.Err = "", err
	}
}

// passing takes an error's class away: the call before it was carried out, so none of them means that nothing was done.
func passing(err error) error { return errors.New(err.Error()) }

// findByTag looks for the revision that an earlier Register may have made.
func (v *visit) findByTag(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) {
	newest, err := v.t.Deployer.NewestRevisions(ctx, familyOf(s.Base))
	if err != nil {
		a.Err = err
		return
	}
	for _, arn := range newest {
		raw, err := v.t.Deployer.RawDefinition(ctx, arn)
		if errors.Is(err, fleet.ErrNotFound) {
			continue
		}
		if err != nil {
			a.Err = err
			return
		}
		if tagsIn(raw)[rollout.RolloutTag] != s.Tag {
			continue
		}
		base, err := v.t.Deployer.RawDefinition(ctx, s.Base)
		if err != nil {
			a.Err = err
			return
		}
		a.Revision = arn
		v.compare(ctx, base, s, r, a)
		return
	}
}

// restore makes the base's content the family's newest ACTIVE revision, unless it is.
func (v *visit) restore(ctx context.Context, s rollout.Step) (arn string, err error) {
	base, err := v.t.Deployer.RawDefinition(ctx, s.Base)
	if err != nil {
		return "", notSent(err)
	}
	newest, err := v.t.Deployer.NewestRevisions(ctx, familyOf(s.Base))
	if err != nil {
		return "", notSent(err)
	}
	if len(newest) > 0 {
		is, err := v.t.Deployer.RawDefinition(ctx, newest[0])
		if err != nil {
			return "", notSent(err)
		}
		if same, err := sameContent(base, is); same || err != nil {
			return newest[0], err
		}
	}
	document, err := registrationOf(base, nil, s.Tag)
	if err != nil {
		return "", err
	}
	return v.t.Deployer.Register(ctx, document)
}
