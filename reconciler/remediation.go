package reconciler

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"taskwarden/contain"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Remediation is which fixes are rolled out and how. The zero value is off: nothing is planned, nothing is asked for.
type Remediation struct {
	Ceiling  rollout.Mode // of every service
	Default  rollout.Mode // of services without a tag; "": the ceiling
	Settings rollout.Settings
	Policies []rollout.Policy
	Audit    time.Duration // how long audit entries are kept; 0: for ever
}

const (
	actingAgain  = 15 * time.Second // between two visits of a rollout that registers, rolls or rolls back
	waitingAgain = time.Minute      // of one that waits for approval, its turn or a brake
	soakingAgain = 5 * time.Minute  // of one that soaks, beside the looks
	// mostTurns bounds a visit: no rollout gets further in one than from its start to its deployment.
	mostTurns = 16
	// visitors visit one target's services. A visit asks only for what its own rollout needs now.
	visitors = 4
)

// remediation takes rollouts from plan to end, behind the service passes. A queue never gives one service to two visitors.
// Surveys for plans have a queue and workers of their own: what acts never waits for them.
type remediation struct {
	c         *Controller
	o         Remediation
	queues    queues[fleet.Key]
	surveying queues[asked]

	// deciding is held while a rollout is decided on and written: each start sees the one before (rollout.Brakes.Known), and
	// a person's word never meets a decision half way.
	deciding sync.Mutex

	state   sync.Mutex
	surveys map[asked]surveyed
	images  map[imageAsked]imageAnswer
	tags    map[fleet.Key]modeTag
	answers map[string][]rollout.Answer // by rollout, those that no written Advance has heard

	hindrances map[hindrance]hindered
	requests   map[fleet.Key]trafficRead
	outages    lossesRead
}

func newRemediation(c *Controller) *remediation {
	return &remediation{c: c, o: c.o.Remediation, surveys: map[asked]surveyed{}, images: map[imageAsked]imageAnswer{}, tags: map[fleet.Key]modeTag{},
		answers: map[string][]rollout.Answer{}, hindrances: map[hindrance]hindered{}, requests: map[fleet.Key]trafficRead{}}
}

// off reports whether nothing is planned and nothing may start. Rollouts that were begun before are still watched, and taken back
// where an approver orders it.
func (r *remediation) off() bool { return r.o.Ceiling == "" || r.o.Ceiling == rollout.Off }

// now is a time as it comes back from the store.
func (r *remediation) now() time.Time { return r.c.now().Round(0).UTC() }

// want queues a service that may need a visit: a rollout of it lives or was exported, or a policy may match it.
func (r *remediation) want(key fleet.Key, m Memory, findings []finding.Finding) {
	if r.off() {
		if begun(m.Rollouts) {
			r.queues.of(key.Target).Add(key)
		}
		return
	}
	if _, ok := current(m.Rollouts, r.now()); ok || slices.ContainsFunc(r.o.Policies, func(p rollout.Policy) bool { return mayMatch(p, key, findings) }) {
		r.queues.of(key.Target).Add(key)
	}
}

// begun reports whether one of the rollouts is on its way beyond approval.
func begun(rollouts []rollout.Rollout) bool {
	return slices.ContainsFunc(rollouts, func(r rollout.Rollout) bool {
		return r.Live() && r.Phase != rollout.Proposed && r.Phase != rollout.Approved
	})
}

func mayMatch(p rollout.Policy, key fleet.Key, findings []finding.Finding) bool {
	if !p.Match.Cluster(key.Cluster) || !p.Match.Service(key.Service) {
		return false
	}
	for _, typ := range p.When {
		if !slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Type == typ && f.Status == finding.True }) {
			return false
		}
	}
	return true
}

// current is the rollout that is to be advanced: the live one, else the newest of a policy that is an export, or a success
// that is still judged. rollouts are newest first.
func current(rollouts []rollout.Rollout, now time.Time) (rollout.Rollout, bool) {
	if i := slices.IndexFunc(rollouts, rollout.Rollout.Live); i >= 0 {
		return rollouts[i], true
	}
	newer := map[string]bool{} // policies with a newer rollout
	for _, r := range rollouts {
		if (r.Outcome == rollout.Exported || r.JudgedOn(now)) && !newer[r.Plan.Policy] {
			return r, true
		}
		newer[r.Plan.Policy] = true
	}
	return rollout.Rollout{}, false
}

func (r *remediation) shutDown() {
	r.queues.shutDown()
	r.surveying.shutDown()
}

// visitLoop visits the services of one target that are queued.
func (r *remediation) visitLoop(ctx context.Context, t Target) {
	if t.Deployer == nil { // only where remediation is off
		return
	}
	r.queues.work(ctx, t.Name, func(key fleet.Key) (again bool) {
		return r.c.attempt(contain.Remediation, t.Name, key.String(), func() (again bool, err error) {
			var after time.Duration
			err = contain.Do(contain.Remediation, key.String(), func() (err error) { after, err = r.visit(ctx, t, key); return err })
			if ctx.Err() != nil {
				return false, err
			}
			r.hinder(hindrance{key, "visit"}, err)
			if err == nil && after > 0 {
				r.queues.of(t.Name).AddAfter(key, after)
			}
			return err != nil, err
		})
	})
}

func (r *remediation) forget(id string) {
	r.state.Lock()
	defer r.state.Unlock()
	delete(r.answers, id)
}

func (r *remediation) knowsTag(key fleet.Key) bool {
	r.state.Lock()
	defer r.state.Unlock()
	tag, ok := r.tags[key]
	return ok && r.now().Sub(tag.at) < factsKept
}

// write decides on one service and makes the decision durable, one after the other. decide's rollout is written only where it
// says so; what it gives is given back.
func (r *remediation) write(ctx context.Context, key fleet.Key, decide func(rollout.Brakes, time.Time) (rollout.Rollout, []AuditEntry, bool)) (rollout.Rollout, error) {
	r.deciding.Lock()
	defer r.deciding.Unlock()
	now := r.now()
	next, entries, ok := decide(r.brakes(key, now), now)
	if !ok {
		return next, nil
	}
	was, _ := r.c.book.Rollout(next.ID)
	if err := r.c.book.WriteRollout(ctx, next, r.o.Audit, entries...); err != nil {
		return rollout.Rollout{}, err
	}
	r.announce(was, next)
	return next, nil
}

// brakes are what stands between plans and production now, for one service.
func (r *remediation) brakes(key fleet.Key, now time.Time) rollout.Brakes {
	r.state.Lock()
	tag := r.tags[key].value
	r.state.Unlock()
	b := rollout.Brakes{Settings: r.o.Settings, Known: r.c.book.Rollouts(fleet.Key{}), Resets: r.c.book.resets(), Fleet: r.c.fleet(now), ViewAge: 3 * r.c.effective(key.Target)}
	b.Ceiling = r.o.Ceiling
	b.Mode, b.ModeBy = rollout.ModeOf(r.o.Ceiling, r.o.Default, tag)
	if who, paused := r.c.book.Paused(key.Target); paused {
		b.Paused = fmt.Sprintf("by %s at %s (%s)", who.By, who.At.UTC().Format(time.RFC3339), who.Reason)
	}
	return b
}

// announce logs a transition once, shows it in the metrics, and wakes whoever it concerns.
func (r *remediation) announce(was, is rollout.Rollout) {
	if was.Phase == is.Phase && was.Outcome == is.Outcome {
		return
	}
	r.c.metrics.rolledOut(r.c.book.Rollouts(fleet.Key{}))
	r.c.o.Log.Info("rollout", zap.String("id", is.ID), zap.Stringer("service", is.Key()), zap.String("policy", is.Plan.Policy),
		zap.String("from", stateOf(was)), zap.String("to", stateOf(is)), zap.String("reason", string(is.Reason)), zap.String("message", is.Message))
	if is.Live() {
		return
	}
	r.c.queue.Add(is.Key()) // its findings say what became of it
	for _, k := range r.c.book.Rollouts(fleet.Key{}) {
		if k.Live() && k.Phase == rollout.Approved {
			r.queues.of(k.Key().Target).Add(k.Key()) // it may be its turn
		}
	}
}

func stateOf(r rollout.Rollout) string {
	if r.Outcome != "" {
		return string(r.Outcome)
	}
	return string(r.Phase)
}

// entry is what the controller itself says in the audit log.
func (r *remediation) entry(of rollout.Rollout, action, text string) AuditEntry {
	return AuditEntry{At: r.now(), Key: of.Key(), Rollout: of.ID, By: "taskwarden", Action: action, Hash: of.Plan.Hash, Reason: string(of.Reason), Text: text}
}
