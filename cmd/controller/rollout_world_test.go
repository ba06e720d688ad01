package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
)

// operated is the part of the world that people may change: real rollouts under the real rules, in memory.
type operated struct {
	rollouts []rollout.Rollout
	audit    []reconciler.AuditEntry // newest first
	refused  []reconciler.AuditEntry // newest first
	resets   []fleet.Key
	paused   map[string]bool
}

func (f *shownWorld) Rollouts(scope fleet.Key) []rollout.Rollout {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []rollout.Rollout
	for _, r := range f.rollouts {
		if scope == (fleet.Key{}) || scope == r.Key() {
			out = append(out, r)
		}
	}
	return out
}

func (f *shownWorld) Paused(target string) (rollout.Order, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return rollout.Order{By: "oncall", At: time.Now()}, f.paused[target] || f.paused[""]
}

func (f *shownWorld) Rollout(id string) (rollout.Rollout, bool) {
	for _, r := range f.Rollouts(fleet.Key{}) {
		if r.ID == id {
			return r, true
		}
	}
	return rollout.Rollout{}, false
}

func (f *shownWorld) Audit(fleet.Key) []reconciler.AuditEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]reconciler.AuditEntry{}, f.audit...)
}

func (f *shownWorld) note(e reconciler.AuditEntry, who rollout.Order, err error) error {
	e.At, e.By, e.Reason, e.Ticket, e.Text = time.Now(), who.By, who.Reason, who.Ticket, "done"
	if err != nil {
		e.Text, e.Refused = err.Error(), true
		f.refused = append([]reconciler.AuditEntry{e}, f.refused...)
		return err
	}
	f.audit = append([]reconciler.AuditEntry{e}, f.audit...)
	return err
}

func (f *shownWorld) order(action, id string, who rollout.Order, do func(rollout.Rollout, rollout.Order) (rollout.Rollout, error)) (rollout.Rollout, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	who.At = time.Now()
	for i, r := range f.rollouts {
		if r.ID == id {
			is, err := do(r, who)
			f.rollouts[i] = is
			return is, f.note(reconciler.AuditEntry{Key: r.Key(), Action: action, Rollout: id}, who, err)
		}
	}
	return rollout.Rollout{}, f.note(reconciler.AuditEntry{Action: action, Rollout: id}, who, rollout.NotFound("no rollout %q", id))
}

func (f *shownWorld) Approve(_ context.Context, id, hash string, who rollout.Order) (rollout.Rollout, error) {
	return f.order("approve", id, who, func(r rollout.Rollout, who rollout.Order) (rollout.Rollout, error) {
		return rollout.ApproveBy(r, hash, who, time.Hour)
	})
}
func (f *shownWorld) Reject(_ context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	return f.order("reject", id, who, rollout.RejectBy)
}
func (f *shownWorld) RollBack(_ context.Context, id string, who rollout.Order) (rollout.Rollout, error) {
	return f.order("rollback", id, who, func(r rollout.Rollout, who rollout.Order) (rollout.Rollout, error) {
		return rollout.RollBackBy(r, r.Revision, who)
	})
}

func (f *shownWorld) Reset(_ context.Context, key fleet.Key, who rollout.Order) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resets = append(f.resets, key)
	return f.note(reconciler.AuditEntry{Key: key, Action: "reset"}, who, nil)
}
func (f *shownWorld) Pause(_ context.Context, target string, who rollout.Order) error {
	return f.pause("pause", target, true, who)
}
func (f *shownWorld) Resume(_ context.Context, target string, who rollout.Order) error {
	return f.pause("resume", target, false, who)
}

func (f *shownWorld) pause(action, target string, on bool, who rollout.Order) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if target == "nope" {
		return f.note(reconciler.AuditEntry{Action: action}, who, rollout.NotFound("no target %q", target))
	}
	f.paused[target] = on
	return f.note(reconciler.AuditEntry{Key: fleet.Key{Target: target}, Action: action}, who, nil)
}

func (f *shownWorld) Refused(_ context.Context, _ reconciler.Caller, e reconciler.AuditEntry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.note(e, rollout.Order{By: e.By}, errors.New(e.Text))
	return nil
}
func (f *shownWorld) Refusals(fleet.Key) []reconciler.AuditEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.refused)
}

// remediated is a fix that soaks, a plan that waits for a yes, and a refusal.
func remediated() operated {
	now := time.Now()
	web := fleet.Key{Target: "prod", Cluster: "main", Service: "web"}
	before, after := 1840.0, 1795.0
	plan := rollout.Plan{Key: web, ServiceARN: "arn:aws:ecs:eu-west-1:1:service/main/web", Policy: "otel-sampler",
		Base: "arn:aws:ecs:eu-west-1:1:task-definition/web:41", Changes: []otel.Change{
			{Container: "app", Name: "OTEL_TRACES_SAMPLER", Old: "xray", New: "parentbased_traceidratio", Existed: true},
			{Container: "app", Name: "OTEL_TRACES_SAMPLER_ARG", New: "0.01"}},
		LeftAlone: []string{"cwagent carries none of the settings"},
		Why:       []string{"SidecarCrash since 2026-11-23T06:00:00Z: cwagent crashed\x1b[2J 28 times"},
		Owner:     rollout.Owner{State: rollout.NoOwner, Evidence: []string{"the running revision was registered by arn:aws:iam::1:user/ana"}},
		Handling:  rollout.Apply, Expected: []string{"the deaths of cwagent are expected to end; nothing is promised, the lifetimes decide", "one deployment replaces every task"},
		Lost:  []string{"X-Ray's central sampling rules, their reservoir and adaptive boost no longer apply to app"},
		Cures: []string{"a newer agent: 1.300059.0 or later"}, Power: "12 h decide this at 4 tasks; at 1 task 30 h", Hash: "5f0c7e2b9a1d4c36"}
	asks := rollout.Rollout{ID: "a1b2c3d4e5f6", Plan: plan, Phase: rollout.Proposed, Since: now.Add(-10 * time.Minute), Deadline: now.Add(24 * time.Hour),
		CreatedAt: now.Add(-10 * time.Minute), Reason: "mode", Message: "waits for an approval", Remedy: "taskwarden approve a1b2c3d4e5f6 --hash 5f0c7e2b9a1d4c36"}
	soaks := rollout.Rollout{ID: "0011223344aa", Plan: plan, Phase: rollout.Soaking, Since: now.Add(-12 * time.Hour), Deadline: now.Add(60 * time.Hour), CreatedAt: now.Add(-13 * time.Hour),
		Canary: true, Approval: &rollout.Order{By: "oncall", Reason: "go", Ticket: "OPS-1", At: now.Add(-13 * time.Hour)}, Revision: "arn:aws:ecs:eu-west-1:1:task-definition/web:42",
		Soak: rollout.Progress{Table: &rollout.Table{Verdict: "effective", Confidence: 0.962, Message: "nobody died of cwagent in 2 task days, at 3.5 a task and day before",
			Before: rollout.Side{Deaths: 28, OtherDeaths: 1, TaskDays: 8, Rate: 3.5, Low: 2.49, High: 4.81, Oldest: 7 * time.Hour, Q90: 7 * time.Hour, Volume: &before},
			After:  rollout.Side{TaskDays: 2, High: 1.5, Oldest: 12 * time.Hour, Volume: &after}}}}
	owned := plan
	owned.Key.Service, owned.Base, owned.Hash = "api", "arn:aws:ecs:eu-west-1:1:task-definition/api:7", "aaaaaaaaaaaaaaaa"
	owned.Owner = rollout.Owner{State: rollout.Owned, Name: "CloudFormation stack shop", Evidence: []string{"CloudFormation lists the service as a resource of stack shop"}}
	owned.Handling = rollout.Refuse
	no := rollout.Rollout{ID: "ffeeddccbbaa", Plan: owned, Phase: rollout.Proposed, Since: now.Add(-time.Hour), CreatedAt: now.Add(-time.Hour), Outcome: rollout.Refused,
		Reason: rollout.ReasonOwned, Message: "CloudFormation stack shop owns the task definition", Remedy: "set the values in the stack"}
	return operated{rollouts: []rollout.Rollout{asks, no, soaks}, paused: map[string]bool{}, audit: []reconciler.AuditEntry{
		{At: now.Add(-13 * time.Hour), Key: web, Rollout: "0011223344aa", By: "oncall", Action: "approve", Hash: "5f0c7e2b9a1d4c36", Reason: "go", Ticket: "OPS-1", Text: "proposed → approved"}}}
}
