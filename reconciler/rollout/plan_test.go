package rollout

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

var update = flag.Bool("update", false, "write the golden plans")

// TestGoldenPlans shows whole plans as people and scripts see them.
func TestGoldenPlans(t *testing.T) {
	for name, with := range map[string]func(*scene){
		"incident": func(s *scene) {
			internal := 580.0
			s.Facts.Requests, s.Facts.InternalOperation = Requests{PerMinute: 600}, &internal
			s.Facts.Cures = []string{"upgrade ecs-cwagent to 1.300059.0"}
		},
		"one_task": func(s *scene) { s.Service.Desired = 1; s.History.Stops = s.History.Stops[:3] },
		"exported": func(s *scene) {
			s.policy.OnOwner = nil
			s.Facts.Owner = Owner{State: Owned, Name: "stack web", Evidence: []string{"stack web"}}
			s.Facts.Requests.Unknown = "Application Signals has no metric of it"
		},
		"no_deaths": func(s *scene) { s.policy.When = nil; s.History.Stops = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene()
			with(s)
			plan, refusal, ok := Make(s.Subject, s.policy, s.brakes.Settings, s.now)
			if !ok || refusal != nil {
				t.Fatalf("ok %v, refusal %v", ok, refusal)
			}
			got, err := json.MarshalIndent(plan, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			file := "testdata/plan_" + name + ".json"
			if *update {
				if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(got)+"\n" {
				t.Errorf("the plan changed (-update writes it):\n%s", got)
			}
		})
	}
}

func TestNothingToPlan(t *testing.T) {
	for name, with := range map[string]func(*scene){
		"another cluster":      func(s *scene) { s.policy.Match.Clusters = []string{"batch-*"} },
		"another service":      func(s *scene) { s.policy.Match.ExcludeServices = []string{"web"} },
		"finding closed":       func(s *scene) { s.Findings[0].Status = finding.False },
		"finding unknown":      func(s *scene) { s.Findings[0].Status = finding.Unknown },
		"one of two findings":  func(s *scene) { s.policy.When = []string{finding.SidecarCrash, finding.SilentChurn} },
		"gone":                 func(s *scene) { s.Gone = true },
		"no container carries": func(s *scene) { s.app().Env = nil },
		"another sampler":      func(s *scene) { s.app().Env[0].Value = "always_off" },
		"everything set already": func(s *scene) {
			s.policy.Set = map[string]string{otel.Sampler: "xray", otel.SamplerArg: "endpoint=http://localhost:2000"}
		},
		"partial view": func(s *scene) { s.Complete = false },
	} {
		s := newScene()
		with(s)
		if r, ok := s.propose(); ok {
			t.Errorf("%s: %s %s", name, state(r), r.Message)
		}
	}
}

// A plan that waits is kept with the deaths that are known now, and stays the plan that an approval is for.
func TestAWaitingPlanLearns(t *testing.T) {
	s := newScene()
	stops := s.History.Stops
	s.History.Stops = stops[:1]
	s.brakes.Mode = Approve
	first, _ := s.propose()
	first.enter(Approved, s.now, time.Hour)
	first.Approval = &Order{By: "oncall"}
	s.brakes.Known = []Rollout{first}
	if again, ok := s.propose(); ok {
		t.Fatalf("nothing new, and it was written: %+v", again)
	}
	s.History.Stops = stops
	next, ok := s.propose()
	if !ok || next.ID != first.ID || next.Plan.Hash != first.Plan.Hash || next.Phase != Approved || next.Approval == nil || !next.Deadline.Equal(first.Deadline) {
		t.Errorf("%t %+v", ok, next)
	}
	was, is := first.Plan.Before.Deaths, next.Plan.Before.Deaths
	if was != 1 || is != len(stops) || next.Plan.Power == first.Plan.Power {
		t.Errorf("%d deaths (%s), then %d (%s)", was, first.Plan.Power, is, next.Plan.Power)
	}
	next.enter(Soaking, s.now, time.Hour)
	s.brakes.Known, s.History.Stops = []Rollout{next}, append(stops, stops[0])
	if _, ok := s.propose(); ok {
		t.Error("what soaks is compared with what it was planned by")
	}
}

// TestTheHash moves with all that an approval is for, and with nothing else.
func TestTheHash(t *testing.T) {
	hash := func(with func(*scene)) string {
		s := newScene()
		with(s)
		plan, _, _ := Make(s.Subject, s.policy, s.brakes.Settings, s.now)
		return plan.Hash
	}
	plain := hash(func(*scene) {})
	for name, with := range map[string]func(*scene){
		"service": func(s *scene) { s.Service.ARN += "2" },
		"policy":  func(s *scene) { s.policy.Name = "other" },
		"value": func(s *scene) {
			s.policy.Set = map[string]string{otel.Sampler: "parentbased_traceidratio", otel.SamplerArg: "0.02"}
		},
		"old":      func(s *scene) { s.app().Env[1].Value = "endpoint=http://localhost:2001" },
		"soak":     func(s *scene) { s.brakes.Settings.MinSoak = 2 * time.Hour },
		"max soak": func(s *scene) { s.brakes.Settings.MaxSoak = 2 * time.Hour },
		"handling": func(s *scene) { s.policy.OnOwner = map[Ownership]Handling{NoOwner: Export} },
		"base": func(s *scene) {
			s.Service.TaskDefinition = baseARN + "8"
			s.Definitions[baseARN+"8"] = s.Definitions[baseARN]
		},
	} {
		if hash(with) == plain {
			t.Errorf("%s does not change the hash", name)
		}
	}
	for name, with := range map[string]func(*scene){
		"evidence": func(s *scene) { s.Findings[0].Message = "more" }, "history": func(s *scene) { s.History.Stops = s.History.Stops[:4] },
		"rate": func(s *scene) { s.Facts.Requests = Requests{PerMinute: 1} }, "desired": func(s *scene) { s.Service.Desired = 40 },
	} {
		if hash(with) != plain {
			t.Errorf("%s changes the hash", name)
		}
	}
}

// TestTheChangeIsWhatPatchMakes: the plan from the reduced definition and the patch of the raw document agree.
func TestTheChangeIsWhatPatchMakes(t *testing.T) {
	raw := []byte(`{"taskDefinition":{"containerDefinitions":[{"name":"app","environment":[{"name":"OTEL_TRACES_SAMPLER","value":"xray"}]},{"name":"ecs-cwagent"}]}}`)
	d, err := fleet.ParseDefinition(raw, fleet.NewAllowList())
	if err != nil {
		t.Fatal(err)
	}
	s := newScene()
	s.Definitions = map[string]fleet.Definition{baseARN: d}
	plan, refusal, ok := Make(s.Subject, s.policy, s.brakes.Settings, s.now)
	if !ok || refusal != nil {
		t.Fatal(ok, refusal)
	}
	out, changes, err := otel.Patch(raw, plan.Set)
	if err != nil || !slices.Equal(changes, plan.Changes) || len(changes) != 2 {
		t.Fatalf("%v: planned %v, patched %v", err, plan.Changes, changes)
	}
	after, err := fleet.ParseDefinition(out, fleet.NewAllowList())
	if err != nil || !plan.Carries(after) || plan.Carries(d) {
		t.Errorf("%v: carries after %v, before %v", err, plan.Carries(after), plan.Carries(d))
	}
}
