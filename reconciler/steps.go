package reconciler

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// What follows is the one place where the steps of rollouts become calls. Each rollout was committed before; what becomes of
// a call goes into the visit's answers, for the next Advance.

// take carries out one step, and reports whether it was one that gives the rollout something new.
func (v *visit) take(ctx context.Context, r rollout.Rollout, s rollout.Step) bool {
	if r.Order != nil && r.Phase == rollout.RollingBack {
		ctx = v.t.Deployer.Ordered(ctx)
	}
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
	case rollout.Stop:
		v.answer(s.Call, func(a *rollout.Answer) { a.Err = v.t.Deployer.StopDeployment(ctx, s.Stops) })
	case rollout.Reregister:
		v.answer(s.Call, func(a *rollout.Answer) { a.Err = v.reregister(ctx, s, a) })
	case rollout.Restore:
		v.answer(s.Call, func(a *rollout.Answer) { a.Err = v.restore(ctx, r, s, a) })
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
	document, err := rollout.Registration(base, s.Set, s.Tag)
	if err != nil {
		a.Err = err
		return
	}
	if !v.justLooked() {
		a.Err = notSent(errLookedTooLongAgo)
		return
	}
	if a.Revision, a.Err = v.t.Deployer.Register(ctx, document); a.Err == nil {
		v.compare(ctx, document, a)
	}
}

var errLookedTooLongAgo = errors.New("the look at the service is older than " + rollout.Freshness.String())

// justLooked reports whether a write may still rely on the visit's look.
func (v *visit) justLooked() bool {
	return v.look != nil && v.r.now().Sub(v.look.At) <= rollout.Freshness
}

// stillOnBase looks at the service once more, right before its deployment: the questions before it took time, in which a person may
// have deployed.
func (v *visit) stillOnBase(ctx context.Context, r rollout.Rollout) error {
	look, err := v.lookAt(ctx, r)
	switch {
	case err != nil:
		return notSent(err)
	case !look.Settled(r.Plan.Base):
		return unsent{errDeployedMeanwhile}
	}
	return nil
}

var errDeployedMeanwhile = errors.New("the service does not run the base revision alone any more, by a look right before the deployment")

// deploy points the service at a revision. Nothing holds up the way back.
func (v *visit) deploy(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) {
	if a.Refusal, a.Err = v.wayBack(ctx, r, s); a.Refusal != nil || a.Err != nil {
		return
	}
	if r.Phase == rollout.Rolling {
		if a.Err = v.stillOnBase(ctx, r); a.Err != nil {
			return
		}
	}
	a.Err = v.t.Deployer.Deploy(ctx, s.Key.Cluster, s.Service, s.Revision)
}

// wayBack reads the status of the revision that the service must be able to come back to: the base on the way forward, what is to
// be deployed on the way back. On the way back nothing but that status holds the call up: where it cannot be read, AWS decides.
func (v *visit) wayBack(ctx context.Context, r rollout.Rollout, s rollout.Step) (*rollout.Refusal, error) {
	forward := r.Phase == rollout.Rolling
	arn := s.Revision
	if forward {
		arn = r.Plan.Base
	}
	raw, err := v.t.Deployer.RawDefinition(ctx, arn)
	switch {
	case err == nil && statusIn(raw) != fleet.RevisionActive:
		return rollout.BaseInactive(arn, statusIn(raw)), nil
	case err != nil && forward:
		return nil, notSent(err)
	case errors.Is(err, fleet.ErrNotFound):
		return rollout.BaseInactive(arn, "not described by AWS any more"), nil
	}
	return nil, nil
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

// restore makes the base's content the family's newest ACTIVE revision where the newest is one that this rollout registered. What
// somebody else registered since then is left as it is.
func (v *visit) restore(ctx context.Context, r rollout.Rollout, s rollout.Step, a *rollout.Answer) error {
	base, err := v.t.Deployer.RawDefinition(ctx, s.Base)
	if err != nil {
		return notSent(err)
	}
	newest, err := v.newest(ctx, s.Base, 1)
	if err != nil {
		return err
	}
	if len(newest) > 0 {
		same, err := rollout.SameContent(base, newest[0].raw)
		if same || err != nil {
			a.Revision = newest[0].arn
			return err
		}
		if newest[0].foreign(r.ID) {
			a.Foreign = newest[0].arn
			return nil
		}
	}
	return v.registerAgain(ctx, base, s.Tag, a)
}

// reregister gives an ACTIVE revision with the base's content: the base itself, one of the family that has the content already
// (an earlier call of this step may have made it), or the content registered again.
func (v *visit) reregister(ctx context.Context, s rollout.Step, a *rollout.Answer) error {
	base, err := v.t.Deployer.RawDefinition(ctx, s.Base)
	switch {
	case err != nil:
		return notSent(err)
	case statusIn(base) == fleet.RevisionActive:
		a.Revision = s.Base
		return nil
	}
	newest, err := v.newest(ctx, s.Base, familyLooked)
	if err != nil {
		return err
	}
	id := strings.TrimSuffix(s.Tag, "/restore")
	for _, is := range newest {
		same, err := rollout.SameContent(base, is.raw)
		if err != nil {
			return err
		}
		if same {
			a.Revision = is.arn
			return nil
		}
	}
	if len(newest) > 0 && newest[0].foreign(id) {
		a.Foreign = newest[0].arn
	}
	return v.registerAgain(ctx, base, s.Tag, a)
}

// registerAgain registers the content of a revision as the family's newest.
func (v *visit) registerAgain(ctx context.Context, base []byte, tag string, a *rollout.Answer) error {
	document, err := rollout.Registration(base, nil, tag)
	if err != nil {
		return err
	}
	a.Revision, err = v.t.Deployer.Register(ctx, document)
	return err
}

// familyLooked is how many of a family's newest ACTIVE revisions are compared with the base: each is one call.
const familyLooked = 10

// revision is one revision of a family as AWS describes it.
type revision struct {
	arn string
	raw []byte
}

// foreign reports whether the rollout with that id did not register the revision.
func (r revision) foreign(id string) bool {
	tag := tagsIn(r.raw)[rollout.RolloutTag]
	return tag != id && tag != id+"/restore"
}

// newest describes the newest ACTIVE revisions of the base's family, newest first. Those that AWS stopped describing meanwhile are
// left out.
func (v *visit) newest(ctx context.Context, base string, most int) ([]revision, error) {
	arns, err := v.t.Deployer.NewestRevisions(ctx, familyOf(base))
	if err != nil {
		return nil, notSent(err)
	}
	var out []revision
	for _, arn := range arns {
		raw, err := v.t.Deployer.RawDefinition(ctx, arn)
		switch {
		case errors.Is(err, fleet.ErrNotFound):
			continue
		case err != nil:
			return nil, notSent(err)
		}
		if out = append(out, revision{arn, raw}); len(out) == most {
			break
		}
	}
	return out, nil
}
