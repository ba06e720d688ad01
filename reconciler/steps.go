package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// register makes the new revision: facts first, then the document, compared with the base before it is sent and again after
// ECS described what it made of it.
func (v *visit) register(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) {
	o := v.observation
	facts, err := v.r.surveyed(ctx, v.t, r.Plan, o, r.Plan.Cures, 0)
	if err != nil {
		a.Err = notSent(err)
		return
	}
	if a.Refusal = (rollout.Subject{Observation: o, Facts: facts}).Against(r.Plan); a.Refusal != nil {
		return
	}
	base, err := v.t.Deployer.RawDefinition(ctx, s.Base)
	if err != nil {
		a.Err = notSent(err)
		return
	}
	document, err := rollout.Registration(base, s.Set, s.Tag)
	if err != nil {
		a.Err = err
		return
	}
	if a.Revision, a.Err = v.t.Deployer.Register(ctx, document); a.Err == nil {
		v.compare(ctx, document, a)
	}
}

// stillTrue is how old facts may be when the new revision is deployed: it follows the registration at once, unless a brake or a
// throttled call came between.
const stillTrue = 2 * time.Minute

// deploy points the service at a revision. On the way forward the facts must still hold: a tag may have moved since. Nothing
// holds up the way back.
func (v *visit) deploy(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) {
	if r.Phase == rollout.Rolling {
		facts, err := v.r.surveyed(ctx, v.t, r.Plan, v.observation, r.Plan.Cures, stillTrue)
		if err != nil {
			a.Err = notSent(err)
			return
		}
		if a.Refusal = (rollout.Subject{Observation: v.observation, Facts: facts}).Against(r.Plan); a.Refusal != nil {
			return
		}
	}
	a.Err = v.t.Deployer.Deploy(ctx, s.Key.Cluster, s.Service, s.Revision)
}

// notSent marks an error from before the write: nothing was done for certain, so it may be tried again at once.
func notSent(err error) error {
	if errors.Is(err, fleet.ErrDenied) || errors.Is(err, fleet.ErrTerminal) || errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	return unsent{err}
}

// unsent is an error from before a write. Its class is that of calls which AWS turned away: they may be sent again.
type unsent struct{ err error }

// Error says that nothing was sent, and why.
func (u unsent) Error() string { return "nothing was sent: " + u.err.Error() }

// Unwrap gives the class and the error.
func (u unsent) Unwrap() []error { return []error{fleet.ErrThrottled, u.err} }

// compare holds the new revision, as ECS describes it, against what was sent. One that cannot be read is not known: it is looked
// for by its tag.
func (v *visit) compare(ctx context.Context, sent []byte, a *rollout.Answer) {
	is, err := v.t.Deployer.RawDefinition(ctx, a.Revision)
	if err != nil {
		a.Revision, a.Err = "", fmt.Errorf("compare the new revision: %w", passing(err))
		return
	}
	err = rollout.Matches(sent, is)
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
		sent, err := rollout.Registration(base, r.Plan.Set, s.Tag)
		if a.Err = err; err == nil {
			v.compare(ctx, sent, a)
		}
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
		if same, err := rollout.SameContent(base, is); same || err != nil {
			return newest[0], err
		}
	}
	document, err := rollout.Registration(base, nil, s.Tag)
	if err != nil {
		return "", err
	}
	return v.t.Deployer.Register(ctx, document)
}
