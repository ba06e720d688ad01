package console

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
)

// operated is the part of the fake that people may change: real rollouts under the real rules, in memory.
type operated struct {
	mu       sync.Mutex
	rollouts map[string]rollout.Rollout
	audit    []reconciler.AuditEntry // newest first
	refused  []reconciler.AuditEntry // newest first
	callers  []reconciler.Caller     // of refused by the API, in order
	paused   map[string]bool
	resets   []fleet.Key
	full     error // of the next write, where the disk is full
}

func (f *fake) Rollouts(scope fleet.Key) []rollout.Rollout {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []rollout.Rollout
	for _, r := range f.rollouts {
		if names(scope, r.Key()) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b rollout.Rollout) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (f *fake) Rollout(id string) (rollout.Rollout, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.rollouts[id]
	return r, ok
}

func (f *fake) Paused(target string) (rollout.Order, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return rollout.Order{By: "oncall", Reason: "storm", Ticket: "OPS-3", At: at}, f.paused[target] || target == "prod"
}

func (f *fake) Audit(fleet.Key) []reconciler.AuditEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.audit)
}

func (f *fake) log(e reconciler.AuditEntry, err error) error {
	if err != nil {
		e.Text, e.Refused = err.Error(), true
		f.refused = slices.Insert(f.refused, 0, e)
		return err
	}
	f.audit = slices.Insert(f.audit, 0, e)
	return nil
}

func (f *fake) order(id string, e reconciler.AuditEntry, who rollout.Order, do func(rollout.Rollout) (rollout.Rollout, error)) (rollout.Rollout, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.At, e.By, e.Reason, e.Ticket, e.Rollout = at, who.By, who.Reason, who.Ticket, id
	was, ok := f.rollouts[id]
	if !ok {
		return was, f.log(e, rollout.NotFound("no rollout %q", id))
	}
	e.Key = was.Key()
	is, err := do(was)
	if err == nil && f.full == nil {
		f.rollouts[id] = is
	}
	return is, f.log(e, errors.Join(err, f.full))
}

func (f *fake) Approve(_ context.Context, id, hash string, who rollout.Order) (rollout.Rollout, error) {
	who.At = at
	return f.order(id, reconciler.AuditEntry{Action: "approve", Hash: hash}, who, func(r rollout.Rollout) (rollout.Rollout, error) {
		return rollout.ApproveBy(r, hash, who, time.Hour)
	})
}

func (f *fake) Reject(_ context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	who.At = at
	return f.order(id, reconciler.AuditEntry{Action: "reject"}, who, func(r rollout.Rollout) (rollout.Rollout, error) { return rollout.RejectBy(r, who) })
}

func (f *fake) RollBack(_ context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	who.At = at
	return f.order(id, reconciler.AuditEntry{Action: "rollback"}, who, func(r rollout.Rollout) (rollout.Rollout, error) { return rollout.RollBackBy(r, r.Revision, who) })
}

func (f *fake) Reset(_ context.Context, key fleet.Key, who rollout.Order) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resets = append(f.resets, key)
	return f.log(reconciler.AuditEntry{At: at, Key: key, Action: "reset", By: who.By, Reason: who.Reason}, nil)
}

func (f *fake) Pause(_ context.Context, target string, who rollout.Order) error {
	return f.pause("pause", target, true, who)
}

func (f *fake) Resume(_ context.Context, target string, who rollout.Order) error {
	return f.pause("resume", target, false, who)
}

func (f *fake) pause(action, target string, on bool, who rollout.Order) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := reconciler.AuditEntry{At: at, Key: fleet.Key{Target: target}, Action: action, By: who.By, Reason: who.Reason}
	if target != "" && target != "prod" {
		return f.log(e, rollout.NotFound("no target %q", target))
	}
	f.paused[target] = on
	return f.log(e, nil)
}

func (f *fake) Refused(_ context.Context, caller reconciler.Caller, e reconciler.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.At, e.Refused = at, true
	f.refused, f.callers = slices.Insert(f.refused, 0, e), append(f.callers, caller)
	return f.full
}

func (f *fake) Refusals(fleet.Key) []reconciler.AuditEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.refused)
}

// remediated has a rollout with every field set, one that waits for a yes, and one that was refused with as little as there can be.
func remediated() operated {
	volume := 12.5
	plan := rollout.Plan{Key: web, ServiceARN: arn(web), Policy: "otel-sampler", Base: "arn:aws:ecs:eu-west-1:1111:task-definition/web:7",
		Changes: []otel.Change{{Container: "app", Name: "OTEL_TRACES_SAMPLER", Old: "xray", New: "parentbased_traceidratio", Existed: true},
			{Container: "app", Name: "OTEL_TRACES_SAMPLER_ARG", New: "0.01"}},
		LeftAlone: []string{"cwagent carries none of the settings"}, Why: []string{"SidecarCrash since yesterday"}, Culprits: []string{"cwagent"},
		Owner:    rollout.Owner{State: rollout.NoOwner, Name: "nobody", Evidence: []string{"registered by a person"}},
		Handling: rollout.Apply, Expected: []string{"the deaths end"}, Lost: []string{"traces"}, Cures: []string{"a newer agent"},
		Power: "12 h decide this at 4 tasks", Hash: "00000000000000aa"}
	whole := rollout.Rollout{ID: "whole", Plan: plan, Phase: rollout.Soaking, Since: at, Deadline: at.Add(72 * time.Hour), Reason: "paused", Message: "waits", Remedy: "resume",
		CreatedAt: at.Add(-time.Hour), Canary: true, Approval: &rollout.Order{By: "oncall", Reason: "go", Ticket: "OPS-1", At: at},
		Order: &rollout.Order{By: "boss", Reason: "no", Ticket: "OPS-2", At: at}, Revision: "arn:aws:ecs:eu-west-1:1111:task-definition/web:8",
		Soak: rollout.Progress{Table: &rollout.Table{Verdict: "effective", Confidence: 0.96, Message: "nobody died",
			Before: rollout.Side{Deaths: 28, OtherDeaths: 1, TaskDays: 8, Rate: 3.5, Low: 2.5, High: 4.8, Oldest: 7 * time.Hour, Q90: 390 * time.Minute, Volume: &volume, Restarts: &volume},
			After:  rollout.Side{TaskDays: 2, High: 1.5, Oldest: 12 * time.Hour, Volume: &volume}}}}
	asks := rollout.Rollout{ID: "asks", Plan: plan, Phase: rollout.Proposed, Since: at, Deadline: at.Add(24 * time.Hour), CreatedAt: at}
	no := rollout.Rollout{ID: "no", Plan: rollout.Plan{Key: other, Policy: "otel-sampler", Hash: "00000000000000bb"}, Phase: rollout.Proposed, Since: at,
		CreatedAt: at, Outcome: rollout.Refused, Reason: "owned", Message: "a stack owns it", Remedy: "export it"}
	return operated{rollouts: map[string]rollout.Rollout{"whole": whole, "asks": asks, "no": no}, paused: map[string]bool{}, audit: []reconciler.AuditEntry{
		{At: at, Key: web, Rollout: "whole", By: "oncall", Action: "approve", Hash: "00000000000000aa", Reason: "go", Ticket: "OPS-1", Text: "proposed → approved"},
		{At: at, Key: web, Rollout: "whole", By: "taskwarden", Action: "propose", Text: "plan of policy otel-sampler"},
		{At: at.Add(-time.Hour), Key: fleet.Key{Target: "prod"}, By: "oncall", Action: "resume", Text: "target prod"},
	}, refused: []reconciler.AuditEntry{
		{At: at.Add(-2 * time.Hour), By: "nobody", Action: "pause", Text: "a token is needed", Refused: true},
	}}
}
