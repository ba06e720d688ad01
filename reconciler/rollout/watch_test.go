package rollout

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

const newARN = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/web:8"

// underway is a rollout of the plain scene in a phase, its revision registered.
func underway(s *scene, p Phase) Rollout {
	r, _ := s.propose()
	r.StartedAt, r.Revision = s.now, newARN
	r.enter(p, s.now, time.Hour)
	if p == Soaking {
		r.Arrived, r.Soak.From, r.Soak.Tasks, r.Deadline = true, s.now, 0, s.now.Add(maxSoak)
	}
	return r
}

// seen is a fresh look at the plain service: which revision is primary, in which state, and its service deployment.
func seen(s *scene, revision, rollout string, d Deployment, carries bool) *Look {
	svc := s.Service
	svc.TaskDefinition = revision
	svc.Deployments = []fleet.Deployment{{ID: "ecs-svc/2", Status: "PRIMARY", TaskDefinition: revision, RolloutState: rollout, Running: 4, Desired: 4}}
	return &Look{At: s.now, Service: svc, Deployment: d, Carries: carries}
}

func TestWatching(t *testing.T) {
	const other = "arn:aws:ecs:ap-northeast-1:123456789012:task-definition/web:9"
	for _, c := range []struct {
		name     string
		from     Phase
		arrived  bool
		revision string
		rollout  string
		d        Deployment
		carries  bool
		want     string // phase or outcome
		says     string
	}{
		{"complete by its status", Rolling, false, newARN, "IN_PROGRESS", Deployment{Status: "SUCCESSFUL", Target: newARN}, false, "soaking", "deployed"},
		{"complete by the rollout state", Rolling, false, newARN, "COMPLETED", Deployment{}, false, "soaking", "deployed"},
		{"baking", Rolling, false, newARN, "COMPLETED", Deployment{Status: "IN_PROGRESS", Target: newARN, Stage: "BAKE_TIME"}, false, "rolling", "4 of 4"},
		{"a status nobody knows", Rolling, false, newARN, "COMPLETED", Deployment{Status: "NOVEL", Target: newARN}, false, "rolling", "4 of 4"},
		{"waits for a hook", Rolling, false, newARN, "IN_PROGRESS", Deployment{Status: "AWAITING_ACTION", Target: newARN, Stage: "PRE_SCALE_UP"}, false, "rolling", "lifecycle hook"},
		{"ECS takes it back", Rolling, true, newARN, "IN_PROGRESS", Deployment{Status: "ROLLBACK_IN_PROGRESS", Target: newARN, Reason: "circuit breaker"}, false, "rolling", "circuit breaker"},
		{"ECS took it back", Rolling, true, baseARN, "COMPLETED", Deployment{Status: "ROLLBACK_SUCCESSFUL", Target: newARN, Reason: "circuit breaker"}, false, "rolling_back", "ECS rolled it back: circuit breaker"},
		{"ECS took it back unseen", Rolling, false, baseARN, "COMPLETED", Deployment{Status: "ROLLBACK_SUCCESSFUL", Target: newARN}, false, "rolling_back", "ECS rolled it back"},
		{"stable on the old revision is no success", Rolling, true, baseARN, "COMPLETED", Deployment{Status: "SUCCESSFUL", Target: baseARN}, false, "rolling_back", "or by somebody"},
		{"failed", Rolling, true, newARN, "FAILED", Deployment{}, false, "rolling_back", "failed"},
		{"stopped", Rolling, true, newARN, "IN_PROGRESS", Deployment{Status: "STOPPED", Target: newARN}, false, "rolling_back", "failed"},
		{"ECS could not take it back", Rolling, true, newARN, "IN_PROGRESS", Deployment{Status: "ROLLBACK_FAILED", Target: newARN}, false, "rolling_back", "failed"},
		{"somebody else's without the values", Rolling, true, other, "IN_PROGRESS", Deployment{}, false, "superseded", "does not carry"},
		{"somebody else's with the values, under way", Rolling, true, other, "IN_PROGRESS", Deployment{}, true, "rolling", "carries the values too"},
		{"somebody else's with the values", Rolling, true, other, "COMPLETED", Deployment{}, true, "soaking", "goes on"},
		{"soak: somebody else's without the values", Soaking, true, other, "COMPLETED", Deployment{}, false, "superseded", "does not carry"},
		{"soak: somebody else's with the values", Soaking, true, other, "COMPLETED", Deployment{}, true, "soaking", ""},
		{"soak: ECS took it back", Soaking, true, baseARN, "COMPLETED", Deployment{Status: "ROLLBACK_SUCCESSFUL", Target: newARN}, false, "rolling_back", "ECS rolled it back"},
		{"back: the old revision runs", RollingBack, true, baseARN, "COMPLETED", Deployment{}, false, "rolling_back", "restore sent"},
		{"back: over nobody", RollingBack, true, other, "COMPLETED", Deployment{}, false, "superseded", "left alone"},
		{"back: ECS is at it", RollingBack, true, newARN, "IN_PROGRESS", Deployment{Status: "ROLLBACK_IN_PROGRESS", Target: newARN}, false, "rolling_back", ""},
		{"back: ours to do", RollingBack, true, newARN, "COMPLETED", Deployment{}, false, "rolling_back", "update sent"},
		{"back: the old revision fails", RollingBack, true, baseARN, "FAILED", Deployment{}, false, "failed", "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene()
			r := underway(s, c.from)
			r.Arrived, r.Ending = c.arrived, &Conclusion{Outcome: RolledBack, Message: "worse"}
			s.now = s.now.Add(time.Minute)
			s.At, s.Service.TaskDefinition = s.now, c.revision
			r.Intent = &Intent{Call: Update, At: s.now.Add(-2 * time.Minute), Tries: 1}
			w := World{Observation: s.Observation, Look: seen(s, c.revision, c.rollout, c.d, c.carries), Brakes: s.brakes}
			before, _ := json.Marshal(r)
			got, steps := Advance(r, w, s.now)
			again, twice := Advance(r, w, s.now)
			if after, _ := json.Marshal(r); string(before) != string(after) {
				t.Errorf("Advance changed its argument: %s", after)
			}
			if diff := cmp.Diff(got, again) + cmp.Diff(steps, twice); diff != "" {
				t.Errorf("twice the same gives another answer: %s", diff)
			}
			if state(got) != c.want || !strings.Contains(got.Message, c.says) {
				t.Errorf("%s: %s", state(got), got.Message)
			}
			for _, step := range steps {
				if (step.Call == Update || step.Call == Restore) && !strings.Contains(c.says, string(step.Call)+" sent") {
					t.Errorf("sends %s %s", step.Call, step.Revision)
				}
			}
		})
	}
}

func TestExportedThenAdopted(t *testing.T) {
	s := newScene()
	s.policy.OnOwner = nil
	s.Facts.Owner = Owner{State: Owned, Name: "stack web"}
	r, ok := s.propose()
	if !ok || r.Outcome != Exported {
		t.Fatalf("%v %s", ok, state(r))
	}
	w := World{Observation: s.Observation, History: s.History, Brakes: s.brakes}
	if r, _ = Advance(r, w, s.now); r.Outcome != Exported {
		t.Fatalf("adopted before anybody applied it: %s", r.Message)
	}
	d := fleet.Definition{ARN: newARN, Containers: []fleet.ContainerDefinition{{Name: "app"}}}
	for name, value := range wanted {
		d.Containers[0].Env = append(d.Containers[0].Env, fleet.EnvVar{Name: name, Value: value, Kept: true})
	}
	w.Observation.Definitions[newARN] = d
	w.Observation.Service = seen(s, newARN, fleet.RolloutCompleted, Deployment{}, true).Service
	for i := range 4 {
		w.Observation.Tasks = append(w.Observation.Tasks, fleet.Task{ARN: "task/n" + string(rune('0'+i)), TaskDefinition: newARN, LastStatus: fleet.StatusRunning, StartedAt: s.now})
	}
	for range 34 {
		var steps []Step
		r, steps = Advance(r, w, s.now)
		for _, step := range steps {
			if step.Call != Record {
				t.Fatalf("an adopted export sends %s", step.Call)
			}
		}
		s.now = s.now.Add(time.Hour)
		w.Observation.At = s.now
	}
	if r.Outcome != Adopted || !strings.Contains(r.Message, "effective") || r.Soak.Table == nil || r.Soak.Table.Confidence < 0.95 {
		t.Errorf("%s: %s", state(r), r.Message)
	}
	for _, row := range r.Soak.Table.Rows() {
		if row[0] == "" || row[1] == "" || row[2] == "" {
			t.Errorf("row %q", row)
		}
	}
}

func TestOrders(t *testing.T) {
	s := newScene()
	s.brakes.Mode = Approve
	r, _ := s.propose()
	who := Order{By: "oncall", At: s.now}
	for name, try := range map[string]func() error{
		"stale hash":                   func() error { _, err := ApproveBy(r, "0000", who, time.Hour); return err },
		"no hash":                      func() error { _, err := ApproveBy(r, "", who, time.Hour); return err },
		"too late":                     func() error { _, err := ApproveBy(r, r.Plan.Hash, Order{At: r.Deadline}, time.Hour); return err },
		"roll back what did not begin": func() error { _, err := RollBackBy(r, "", who); return err },
		"reject what rolls":            func() error { _, err := RejectBy(underway(s, Rolling), who); return err },
	} {
		if err := try(); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	yes, err := ApproveBy(r, r.Plan.Hash, who, time.Hour)
	if err != nil || yes.Phase != Approved {
		t.Fatal(err, yes.Phase)
	}
	if _, err := ApproveBy(yes, r.Plan.Hash, who, time.Hour); !errors.Is(err, ErrConflict) {
		t.Errorf("approved twice: %v", err)
	}
	if no, err := RejectBy(yes, who); err != nil || no.Outcome != Rejected {
		t.Error(err, no.Outcome)
	}
}

// TestPauseAndAnOrder: a pause stops an automatic rollback, and an approver's passes it.
func TestPauseAndAnOrder(t *testing.T) {
	s := newScene()
	r := underway(s, RollingBack)
	s.brakes.Paused = "by a test"
	r.Ending = &Conclusion{Outcome: RolledBack, Message: "worse"}
	w := World{Observation: s.Observation, Look: seen(s, newARN, fleet.RolloutCompleted, Deployment{}, false), Brakes: s.brakes}
	waits, steps := Advance(r, w, s.now)
	if len(steps) > 0 || waits.Reason != ReasonPaused {
		t.Errorf("paused, and %s: %v", waits.Message, steps)
	}
	ordered, err := RollBackBy(waits, "", Order{By: "oncall", At: s.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, steps = Advance(ordered, w, s.now); len(steps) != 2 || steps[1].Call != Update || steps[1].Revision != baseARN {
		t.Errorf("ordered, and the steps are %v", steps)
	}
}

func TestClaims(t *testing.T) {
	end := func(o Outcome, arrived, ineffective bool) Rollout {
		r := Rollout{ID: "x", Outcome: o, Arrived: arrived, Since: start, StartedAt: start}
		r.Soak.Assessment.Ineffective = ineffective
		return r
	}
	worse := end(Superseded, true, false) // in somebody's revision, which is left alone
	worse.Ending, worse.Soak.Assessment.Verdict = &Conclusion{Outcome: RolledBack}, Worse
	for _, c := range []struct {
		r    Rollout
		want string
	}{
		{worse, "RemediationHeld FixIneffective"},
		{end(RolledBack, true, false), "RemediationHeld"}, {end(Failed, false, false), "RemediationHeld"}, {end(Superseded, true, false), "RemediationHeld FixReverted"},
		{end(Superseded, false, false), ""}, {end(Inconclusive, true, true), "FixIneffective"}, {end(Inconclusive, true, false), ""}, {end(Succeeded, true, false), ""},
	} {
		var got []string
		for _, claim := range Claims([]Rollout{c.r}, time.Time{}, fleet.Observation{}) {
			got = append(got, claim.Type)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.r.Outcome, got, c.want)
		}
		if after := Claims([]Rollout{c.r}, start.Add(time.Second), fleet.Observation{}); len(after) > 0 {
			t.Errorf("%s: %v after a reset", c.r.Outcome, after)
		}
	}
}

// A fix that was proven and then taken out by somebody's deployment is said, and holds the service, until the values run again
// or a person resets it.
func TestAProvenFixIsTakenOut(t *testing.T) {
	s := newScene()
	r := underway(s, Soaking)
	r.end(Succeeded, "", "effective", s.now)
	definition := func(env ...fleet.EnvVar) fleet.Definition {
		d := s.Definitions[s.Service.TaskDefinition]
		d.Containers = slices.Clone(d.Containers)
		for i := range d.Containers {
			if _, ours := r.Plan.Set[d.Containers[i].Name]; ours {
				d.Containers[i].Env = env
			}
		}
		return d
	}
	runs := func(revision string, d *fleet.Definition) fleet.Observation {
		o := s.Observation
		o.Service.TaskDefinition, o.Definitions = revision, map[string]fleet.Definition{}
		if d != nil {
			o.Definitions[revision] = *d
		}
		return o
	}
	with := definition(fleet.EnvVar{Name: otel.Sampler, Value: wanted[otel.Sampler], Kept: true}, fleet.EnvVar{Name: otel.SamplerArg, Value: wanted[otel.SamplerArg], Kept: true})
	without := definition(fleet.EnvVar{Name: otel.Sampler, Value: "xray", Kept: true})
	gone := runs("web:9", &without)
	gone.Gone = true
	for name, c := range map[string]struct {
		o     fleet.Observation
		reset time.Time
		want  string
		held  bool
	}{
		"our revision":                    {runs(newARN, nil), time.Time{}, "", false},
		"another one with the values":     {runs("web:9", &with), time.Time{}, "", false},
		"one without":                     {runs("web:9", &without), time.Time{}, "FixReverted RemediationHeld", true},
		"one that is not read yet":        {runs("web:9", nil), time.Time{}, "FixReverted? RemediationHeld?", true},
		"one without, and a later reset":  {runs("web:9", &without), s.now.Add(time.Second), "", false},
		"one without, of a service gone ": {gone, time.Time{}, "", false},
	} {
		var got []string
		for _, claim := range Claims([]Rollout{r}, c.reset, c.o) {
			got = append(got, claim.Type+map[bool]string{true: "?"}[claim.Keeps])
		}
		b := Brakes{Known: []Rollout{r}, Resets: map[string]time.Time{r.Key().String(): c.reset}}
		if held := b.held(r.Key(), c.o); strings.Join(got, " ") != c.want || (held != "") != c.held {
			t.Errorf("%s: %v, held: %q", name, got, held)
		}
	}
}
