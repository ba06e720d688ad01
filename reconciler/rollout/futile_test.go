package rollout

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

func cronOf(t *testing.T, s string) cron.Schedule {
	t.Helper()
	out, err := cron.ParseStandard("CRON_TZ=UTC " + s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// An approval after which nothing would be sent is refused with the reason and the remedy.
func TestAFutileApprovalIsRefusedWithTheRemedy(t *testing.T) {
	earlier := func(s *scene, o Outcome, key string) Rollout {
		k := Rollout{ID: "before", Outcome: o, Since: s.now.Add(-time.Hour), Message: "it was worse", Canary: true, Plan: Plan{Key: s.Key, Policy: s.policy.Name}}
		k.Plan.Key.Service = key
		return k
	}
	for name, c := range map[string]struct {
		spoil  func(*testing.T, *scene, *Rollout)
		says   string
		remedy string
	}{
		"the ceiling is plan": {func(_ *testing.T, s *scene, _ *Rollout) {
			s.brakes.Ceiling, s.brakes.Mode, s.brakes.ModeBy = Show, Show, ReasonMode
		},
			"remediation.mode is plan", "set remediation.mode to approve"},
		"the default is plan": {func(_ *testing.T, s *scene, _ *Rollout) { s.brakes.Mode, s.brakes.ModeBy = Show, ReasonMode },
			"remediation.default is plan", "set remediation.default to approve"},
		"the tag says off": {func(_ *testing.T, s *scene, _ *Rollout) { s.brakes.Mode, s.brakes.ModeBy = Off, ReasonTag },
			"tag taskwarden:remediation makes its mode off", "set the tag to approve or auto"},
		"the policy only exports": {func(_ *testing.T, s *scene, _ *Rollout) { s.policy.OnOwner = map[Ownership]Handling{NoOwner: Export} },
			"says export", "set onOwner.none of policy otel-sampler to apply"},
		"the policy is gone": {func(_ *testing.T, s *scene, _ *Rollout) { s.policy.Name = "another" }, "no policy otel-sampler any more", "put the policy back"},
		"the service is held": {func(_ *testing.T, s *scene, r *Rollout) {
			s.brakes.Known = append(s.brakes.Known, earlier(s, RolledBack, s.Key.Service))
		}, "the service is held", "taskwarden reset " + newScene().Key.String()},
		"the first wave failed": {func(_ *testing.T, s *scene, r *Rollout) {
			k := earlier(s, RolledBack, "other")
			k.Plan = r.Plan
			k.Plan.Key.Service, k.Wrote = "other", k.Since
			s.brakes.Known = append(s.brakes.Known, k)
		}, "first wave", "taskwarden reset"},
		"another revision runs": {func(_ *testing.T, s *scene, _ *Rollout) { s.Service.TaskDefinition = newARN }, "the plan is for", "approve the plan for the revision that runs"},
		"the service is gone":   {func(_ *testing.T, s *scene, _ *Rollout) { s.Gone = true }, "the service is gone", ""},
		"frozen for ever": {func(_ *testing.T, s *scene, _ *Rollout) {
			s.brakes.Settings.Freezes = []Freeze{{From: s.now.Add(-time.Hour), To: s.now.AddDate(3, 0, 0)}}
		}, "no start within a year", "remediation.windows, freezes"},
		"the window opens after the approval's end": {func(t *testing.T, s *scene, _ *Rollout) {
			s.brakes.Settings.Windows = []Window{{Schedule: cronOf(t, "0 10 1 * *"), Duration: time.Hour}}
		}, "2026-12-01T10:00:00Z", "planTTL"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.brakes.Mode, s.brakes.Ceiling, s.brakes.Settings.PlanTTL = Approve, Approve, 24*time.Hour
			r, ok := s.propose()
			if !ok || r.Phase != Proposed || r.Outcome != "" {
				t.Fatalf("%t %s", ok, state(r))
			}
			if why := s.brakes.Futile(r, []Policy{s.policy}, s.Observation, s.now); why != nil {
				t.Fatalf("refused before anything stands in the way: %v", why)
			}
			c.spoil(t, s, &r)
			why := s.brakes.Futile(r, []Policy{s.policy}, s.Observation, s.now)
			if !errors.Is(why, ErrConflict) || !strings.Contains(why.Error(), c.says) || !strings.Contains(why.Error(), c.remedy) {
				t.Errorf("%v, want %q and %q", why, c.says, c.remedy)
			}
		})
	}
}

// What passes by itself is no reason against an approval.
func TestAnApprovalThatOnlyHasToWaitIsTaken(t *testing.T) {
	for name, hinder := range map[string]func(*testing.T, *scene){
		"paused":      func(_ *testing.T, s *scene) { s.brakes.Paused = "by a test" },
		"a full slot": func(_ *testing.T, s *scene) { s.brakes.Settings.MaxConcurrent = 0 },
		"the view is not whole yet": func(_ *testing.T, s *scene) {
			s.Complete, s.Service.TaskDefinition, s.brakes.Fleet.Complete = false, "", false
		},
		"a window that opens in time": func(t *testing.T, s *scene) {
			s.brakes.Settings.Windows = []Window{{Schedule: cronOf(t, "0 8 * * *"), Duration: time.Hour}}
		},
		"a window in which a freeze ends": func(t *testing.T, s *scene) {
			s.brakes.Settings.Windows = []Window{{Schedule: cronOf(t, "0 10 25 * *"), Duration: 10 * time.Hour}}
			s.brakes.Settings.Freezes = []Freeze{{From: s.now.Add(-time.Hour), To: s.now.Add(5 * time.Hour)}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			s.brakes.Mode, s.brakes.Ceiling, s.brakes.Settings.PlanTTL = Approve, Approve, 24*time.Hour
			r, _ := s.propose()
			hinder(t, s)
			if why := s.brakes.Futile(r, []Policy{s.policy}, s.Observation, s.now); why != nil {
				t.Error(why)
			}
		})
	}
}
