package rollout

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// scene is one service that the policy matches and nothing stands against, and the brakes off.
type scene struct {
	Subject
	policy Policy
	brakes Brakes
	now    time.Time
}

const baseARN = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/web:7"

func newScene() *scene {
	s := &scene{policy: policy, now: start}
	s.policy.OnOwner = map[Ownership]Handling{NoOwner: Apply, UnknownOwner: Refuse, Owned: Refuse}
	s.Key, s.Seen = fleet.Key{Target: "prod", Cluster: "main", Service: "web"}, fleet.Seen{At: start, Complete: true}
	s.Service = fleet.Service{ARN: "arn:aws:ecs:ap-northeast-1:123456789012:service/main/web", Name: "web", Controller: "ECS", TaskDefinition: baseARN, Desired: 4, Running: 4,
		Deployments: []fleet.Deployment{{ID: "ecs-svc/1", Status: "PRIMARY", TaskDefinition: baseARN, RolloutState: fleet.RolloutCompleted}}}
	s.Definitions = map[string]fleet.Definition{baseARN: {ARN: baseARN, Family: "web", Containers: []fleet.ContainerDefinition{
		{Name: "app", Env: []fleet.EnvVar{{Name: otel.Sampler, Value: "xray", Kept: true}, {Name: otel.SamplerArg, Value: "endpoint=http://localhost:2000", Kept: true}}},
		{Name: "worker", Env: []fleet.EnvVar{{Name: otel.Sampler, Value: "always_on", Kept: true}}},
		{Name: "ecs-cwagent"}}}}
	s.Findings = []finding.Finding{{Key: s.Key, Type: finding.SidecarCrash, Subject: "ecs-cwagent", Status: finding.True, FirstSeen: start.Add(-20 * time.Hour), Message: "the agent dies"}}
	s.Facts.Owner = Owner{State: NoOwner, Evidence: []string{"DescribeStackResources: no stack"}}
	for i := range 8 {
		died := start.Add(time.Duration(i-8) * 6 * time.Hour)
		life := 6*time.Hour + time.Duration(i*5)*time.Minute
		s.History.Stops = append(s.History.Stops, churn.Stop{TaskARN: "task/" + string(rune('a'+i)), TaskDefinition: baseARN, StartedAt: died.Add(-life), StoppedAt: died, Lifetime: life,
			Verdict: churn.Verdict{Culprit: &churn.Culprit{Container: "ecs-cwagent"}}})
	}
	s.brakes = Brakes{Mode: Auto, ViewAge: 15 * time.Minute, Fleet: Fleet{Complete: true, Services: 20},
		Settings: Settings{MaxConcurrent: 1, MaxSoaking: 20, MaxPerDay: 10, Canary: 1, MinSoak: time.Hour, MaxSoak: maxSoak, PlanTTL: 24 * time.Hour, FleetSick: 0.2}}
	return s
}

func (s *scene) app() *fleet.ContainerDefinition { return &s.Definitions[baseARN].Containers[0] }

func (s *scene) propose() (Rollout, bool) { return Propose(s.Subject, s.policy, s.brakes, s.now) }

// sick is n services that fell sick a while ago, each of its own cause or all of this service's.
func sick(n int, common bool, ago time.Duration) []Sick {
	out := []Sick{{fleet.Key{Target: "prod", Cluster: "main", Service: "web"}, start.Add(-ago), "agent"}}
	for i := 1; i < n; i++ {
		cause := "agent"
		if !common {
			cause = string(rune('a' + i))
		}
		out = append(out, Sick{fleet.Key{Service: string(rune('a' + i))}, start.Add(-ago), cause})
	}
	return out
}

// refusals has a world for each refusal. Nothing is registered in any of them.
var refusals = []struct {
	reason Reason
	with   func(*scene)
}{
	{ReasonController, func(s *scene) { s.Service.Controller = "CODE_DEPLOY" }},
	{ReasonController, func(s *scene) { s.Service.Controller = "EXTERNAL" }},
	{ReasonExpress, func(s *scene) { s.Facts.Express = true }},
	{ReasonStrategy, func(s *scene) { s.Facts.PauseHooks = []string{"hook POST_SCALE_UP"} }},
	{ReasonOwned, func(s *scene) {
		s.Facts.Owner = Owner{State: Owned, Name: "stack web", Evidence: []string{"stack web"}}
	}},
	{ReasonOwnerUnknown, func(s *scene) { s.Facts.Owner = Owner{} }},
	{ReasonSecrets, func(s *scene) { s.app().Secrets = []string{otel.SamplerArg} }},
	{ReasonEnvFile, func(s *scene) { s.app().Env, s.app().EnvFiles = s.app().Env[:1], 1 }},
	{ReasonDuplicate, func(s *scene) { s.app().Env = append(s.app().Env, s.app().Env[1]) }},
	{ReasonPair, func(s *scene) { s.policy.Set = map[string]string{otel.Sampler: "always_off"} }},
	{ReasonUnseen, func(s *scene) { s.Definitions = nil }},
	{ReasonUnseen, func(s *scene) { s.app().Env[1].Kept = false }},
	{ReasonField, func(s *scene) { s.Facts.UnknownFields = []string{"containerDefinitions[app].novel"} }},
	{ReasonTags, func(s *scene) { s.Facts.Registration = refuse(ReasonTags, nil, "51 tags") }},
	{ReasonLarge, func(s *scene) { s.Facts.Registration = refuse(ReasonLarge, nil, "70000 bytes") }},
	{ReasonDrift, func(s *scene) { s.Facts.MovingImages = []string{"app"} }},
	{ReasonShared, func(s *scene) { s.Facts.FamilyUsers = []string{"rule nightly"} }},
	{ReasonInactive, func(s *scene) { s.Facts.Base = "INACTIVE" }},
	{ReasonInactive, func(s *scene) { s.Facts.Base = "DELETE_IN_PROGRESS" }},
	{ReasonDeleted, func(s *scene) { s.Facts.Deleted = true }},
	{ReasonDeleted, func(s *scene) { s.Service.Status = "DRAINING" }},
	{ReasonDeploying, func(s *scene) { s.Service.Deployments[0].RolloutState = fleet.RolloutInProgress }},
	{ReasonWindow, func(s *scene) { s.brakes.Settings.Freezes = []Freeze{{start, start.Add(time.Hour), "a test"}} }},
	{ReasonPaused, func(s *scene) { s.brakes.Paused = "by oncall" }},
	{ReasonTag, func(s *scene) { s.brakes.Mode, s.brakes.ModeBy = ModeOf(Auto, Auto, "off") }},
	{ReasonTag, func(s *scene) { s.brakes.Mode, s.brakes.ModeBy = ModeOf(Auto, Auto, "yes") }},
	{ReasonSick, func(s *scene) { s.brakes.Fleet.Sick = sick(5, false, time.Minute) }},
	{ReasonStale, func(s *scene) { s.At = start.Add(-16 * time.Minute) }},
	{ReasonStale, func(s *scene) { s.brakes.Fleet.Complete = false }},
	{ReasonHeld, func(s *scene) {
		s.brakes.Known = []Rollout{{ID: "old", Plan: Plan{Key: s.Key}, Outcome: RolledBack, Since: start.Add(-time.Hour)}}
	}},
	{ReasonHeld, func(s *scene) {
		s.brakes.Known = []Rollout{{ID: "old", Plan: Plan{Key: s.Key}, Outcome: Superseded, Arrived: true, Since: start.Add(-time.Hour)}}
	}},
	{ReasonCanary, func(s *scene) {
		plan, _, _ := Make(s.Subject, s.policy, s.brakes.Settings, s.now)
		plan.Key.Service = "first"
		s.brakes.Known = []Rollout{{ID: "old", Plan: plan, Outcome: RolledBack, Canary: true, Wrote: start.Add(-2 * time.Hour), Since: start.Add(-time.Hour)}}
	}},
}

func TestRefusals(t *testing.T) {
	plain := newScene()
	if r, ok := plain.propose(); !ok || r.Phase != Proposed || !r.Live() {
		t.Fatalf("the plain scene is %s %s (%s)", r.Phase, r.Outcome, r.Reason)
	}
	for _, c := range refusals {
		t.Run(string(c.reason), func(t *testing.T) {
			s := newScene()
			c.with(s)
			r, ok := s.propose()
			if !ok || r.Outcome != Refused || r.Reason != c.reason || r.Message == "" || r.Remedy == "" {
				t.Fatalf("%v %s %s: %s; remedy %s", ok, r.Outcome, r.Reason, r.Message, r.Remedy)
			}
			s.brakes.Known = append(s.brakes.Known, r)
			s.now = s.now.Add(time.Second)
			if again, ok := s.propose(); ok {
				t.Errorf("said again: %s %s", again.Outcome, again.Reason)
			}
			if next, steps := Advance(r, World{Observation: s.Observation, Brakes: s.brakes}, s.now); len(steps) > 0 || next.Outcome != Refused {
				t.Errorf("a refusal acts: %v", steps)
			}
			clean := newScene()
			clean.brakes.Known, clean.now = []Rollout{r}, s.now
			if back, ok := clean.propose(); !ok || !back.Live() || back.Plan.Hash == r.Plan.Hash && back.ID != r.ID {
				t.Errorf("without the reason: %v %s %s", ok, back.Outcome, back.Reason)
			}
		})
	}
}

// TestWaits: whose turn it is refuses nothing; the rollout keeps its place.
func TestWaits(t *testing.T) {
	other := func(phase Phase, started time.Duration) Rollout {
		return Rollout{ID: "other", Plan: Plan{Key: fleet.Key{Service: "other"}, Policy: "another"}, Phase: phase, StartedAt: start.Add(-started)}
	}
	for _, c := range []struct {
		name   string
		reason Reason
		known  func(Plan) Rollout
		tune   func(*Settings)
	}{
		{"slots", ReasonSlots, func(Plan) Rollout { return other(Rolling, time.Hour) }, func(*Settings) {}},
		{"rolling back takes a slot", ReasonSlots, func(Plan) Rollout { return other(RollingBack, time.Hour) }, func(*Settings) {}},
		{"a canary's soak takes a slot", ReasonSlots, func(Plan) Rollout { r := other(Soaking, time.Hour); r.Canary = true; return r }, func(*Settings) {}},
		{"soaks", ReasonSlots, func(Plan) Rollout { return other(Soaking, time.Hour) }, func(s *Settings) { s.MaxSoaking, s.Canary = 1, 0 }},
		{"per day", ReasonPerDay, func(Plan) Rollout { r := other(Soaking, 23*time.Hour); r.Outcome = Succeeded; return r }, func(s *Settings) { s.MaxPerDay = 1 }},
		{"first wave", ReasonWave, func(p Plan) Rollout {
			r := other(Soaking, time.Hour)
			r.Plan.Policy, r.Plan.Set, r.Canary = p.Policy, p.Set, true
			return r
		}, func(s *Settings) { s.MaxConcurrent = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene()
			c.tune(&s.brakes.Settings)
			r, _ := s.propose()
			s.brakes.Known = []Rollout{r, c.known(r.Plan)}
			for range 3 {
				r, _ = Advance(r, World{Observation: s.Observation, History: s.History, Brakes: s.brakes}, s.now)
			}
			if r.Phase != Approved || r.Reason != c.reason || r.Remedy == "" {
				t.Fatalf("%s %s: %s", r.Phase, r.Reason, r.Message)
			}
			s.brakes.Known = []Rollout{r}
			if r, _ = Advance(r, World{Observation: s.Observation, Brakes: s.brakes}, s.now); r.Phase != Registering || r.Canary != (s.brakes.Settings.Canary > 0) {
				t.Errorf("its turn, and it is %s (canary %v)", r.Phase, r.Canary)
			}
		})
	}
}

func TestTheFleetBrake(t *testing.T) {
	for _, c := range []struct {
		name     string
		sick     []Sick
		services int
		stops    bool
	}{
		{"five causes in twenty services", sick(5, false, time.Minute), 20, true},
		{"one cause, many services", sick(20, true, time.Minute), 20, false},
		{"four causes", sick(4, false, time.Minute), 10, false},
		{"five causes, a large fleet", sick(5, false, time.Minute), 25, false},
		{"five causes, long ago", sick(5, false, 31*time.Minute), 20, false},
	} {
		s := newScene()
		s.brakes.Fleet = Fleet{Complete: true, Services: c.services, Sick: c.sick}
		if r, _ := s.propose(); (r.Reason == ReasonSick) != c.stops {
			t.Errorf("%s: %s %s", c.name, r.Outcome, r.Message)
		}
	}
}

func TestModes(t *testing.T) {
	for _, c := range []struct {
		ceiling, standard Mode
		tag               string
		mode              Mode
		by                Reason
	}{
		{Auto, "", "", Auto, ReasonMode}, {Auto, Show, "", Show, ReasonMode}, {Auto, Show, "auto", Auto, ReasonMode}, {Approve, Show, "auto", Approve, ReasonMode},
		{Auto, Auto, "off", Off, ReasonTag}, {Auto, Auto, "perhaps", Off, ReasonTag}, {Off, Auto, "auto", Off, ReasonMode}, {Auto, Show, "approve", Approve, ReasonTag},
	} {
		if mode, by := ModeOf(c.ceiling, c.standard, c.tag); mode != c.mode || by != c.by {
			t.Errorf("ceiling %s, default %q, tag %q: %s by %s, want %s by %s", c.ceiling, c.standard, c.tag, mode, by, c.mode, c.by)
		}
	}
	s := newScene()
	s.brakes.Mode = Off
	if r, ok := s.propose(); ok {
		t.Errorf("mode off plans %s", r.ID)
	}
}

// TestAutoWaitsForHistory: what cannot be proven is a person's decision.
func TestAutoWaitsForHistory(t *testing.T) {
	s := newScene()
	s.Service.Desired, s.History.Stops = 1, s.History.Stops[:3]
	r, _ := s.propose()
	step := func() {
		s.now = s.now.Add(time.Minute)
		s.At, s.brakes.Known = s.now, []Rollout{r}
		r, _ = Advance(r, World{Observation: s.Observation, History: s.History, Brakes: s.brakes}, s.now)
	}
	if step(); r.Phase != Proposed || r.Reason != ReasonHistory || !strings.Contains(r.Message, "7 moments are needed") || r.Remedy == "" {
		t.Fatalf("%s %s: %s", r.Phase, r.Reason, r.Message)
	}
	approved, err := ApproveBy(r, r.Plan.Hash, Order{By: "oncall", At: s.now}, time.Hour)
	if err != nil || approved.Phase != Approved {
		t.Errorf("a person approves it: %s: %v", state(approved), err)
	}
	s.History = newScene().History
	if step(); r.Phase != Approved {
		t.Errorf("with more history: %s %s: %s", r.Phase, r.Reason, r.Message)
	}
}

// TestEveryReasonHasARemedy holds docs/remediation.md to the code.
func TestEveryReasonHasARemedy(t *testing.T) {
	page, err := os.ReadFile("../../docs/remediation.md")
	if err != nil {
		t.Fatal(err)
	}
	for reason, remedy := range remedies {
		if !strings.Contains(string(page), "| `"+string(reason)+"` |") || !strings.Contains(string(page), remedy) {
			t.Errorf("docs/remediation.md lacks `%s` or its remedy %q", reason, remedy)
		}
		waits := refuse(reason, nil, "").Waits()
		tested := slices.ContainsFunc(refusals, func(c struct {
			reason Reason
			with   func(*scene)
		}) bool {
			return c.reason == reason
		})
		if !waits && !tested && reason != ReasonMode { // mode refuses nothing by itself: it plans nothing, or shows
			t.Errorf("%s has no row in refusals", reason)
		}
	}
}

// A refusal is kept once for each plan and reason; which image moves, or why nobody can tell, is said anew under the same
// rollout.
func TestARefusalSaysWhatHoldsNow(t *testing.T) {
	s := newScene()
	s.Facts.MovingImages = []string{"app (app:1): denied"}
	was, ok := s.propose()
	if !ok || was.Reason != ReasonDrift {
		t.Fatalf("%s: %s", was.Reason, was.Message)
	}
	s.brakes.Known, s.now = []Rollout{was}, s.now.Add(time.Hour)
	if r, again := s.propose(); again {
		t.Errorf("said twice: %s", r.Message)
	}
	s.Facts.MovingImages = []string{"app (app:1): sha256:1 runs, and the tag means sha256:2 now"}
	if r, again := s.propose(); !again || r.ID != was.ID || r.Outcome != Refused || !strings.Contains(r.Message, "sha256:2") {
		t.Errorf("%t %s %s: %s", again, r.ID, r.Outcome, r.Message)
	}
}
