package scan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

// drawn is any history at all: starts, stops and running tasks in any order, with or without deployments.
func drawn(t *rapid.T) *past {
	p := newPast(rapid.IntRange(0, 5).Draw(t, "desired"))
	p.f.Complete = rapid.Bool().Draw(t, "complete")
	hours := rapid.IntRange(0, 400)
	for range rapid.IntRange(0, 30).Draw(t, "events") {
		at := ago(time.Duration(hours.Draw(t, "h"))*time.Hour + time.Duration(rapid.IntRange(0, 3599).Draw(t, "s"))*time.Second)
		n := rapid.IntRange(0, 12).Draw(t, "n")
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0, 1:
			p.started(at, n)
		case 2:
			p.started(at, n, n+1)
		case 3:
			p.stopped(at, n)
		default:
			p.say(at, "%s", rapid.String().Draw(t, "text"))
		}
	}
	for n := range rapid.IntRange(0, 4).Draw(t, "running") {
		p.running(n, ago(time.Duration(hours.Draw(t, "age"))*time.Hour))
	}
	for range rapid.IntRange(0, 3).Draw(t, "deployments") {
		at := ago(time.Duration(hours.Draw(t, "deployed")) * time.Hour)
		d := fleet.ServiceDeployment{ARN: at.String(), Target: "r" + at.String(), CreatedAt: at, Status: rapid.SampledFrom([]string{"SUCCESSFUL", "STOPPED", "NEW"}).Draw(t, "status")}
		if rapid.Bool().Draw(t, "over") {
			d.FinishedAt = at.Add(time.Hour)
		}
		p.f.Deployments = append(p.f.Deployments, d)
	}
	return p
}

// TestJudgeHolds: Judge is total and deterministic, its numbers fit each other, and a partial list of tasks proves nothing.
func TestJudgeHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawn(t)
		s := Judge(p.f, policy(), noon)
		if diff := cmp.Diff(s, Judge(p.f, policy(), noon), cmpopts.IgnoreUnexported(Service{})); diff != "" {
			t.Fatalf("not deterministic:\n%s", diff)
		}
		if s.NamedDeaths > s.Deaths || s.Deaths > 0 != (s.Onset != nil) || s.Status == "" || s.Reason == "" {
			t.Errorf("%+v", s)
		}
		if r := s.Rate; r != nil && (r.Low > r.PerTaskDay || r.High < r.PerTaskDay || r.PerTaskDay < 0 || r.From.After(noon)) {
			t.Errorf("rate %+v", r)
		}
		if l := s.Lifetimes; l != nil && (l.P10 > l.P50 || l.P50 > l.P90 || l.P10 < 0) {
			t.Errorf("lifetimes %+v", l)
		}
		if !p.f.Complete && (s.Status == Quiet || s.SeenSince != nil || s.NamedDeaths > 0 || s.Status == Churning) {
			t.Errorf("a partial list says %s, %d named, since %v", s.Status, s.NamedDeaths, s.SeenSince)
		}
		if s.Status == Quiet && (s.Deaths > 0 || s.SeenSince == nil || noon.Sub(*s.SeenSince) < 24*time.Hour) {
			t.Errorf("quiet: %+v", s)
		}
	})
}

// TestWantsEnd: whatever is answered, in vain or not, reading comes to an end, and nothing is asked twice.
func TestWantsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawn(t).f
		asked := map[Want]bool{}
		for round := 0; ; round++ {
			wants := Wants(f, policy(), noon)
			if len(wants) == 0 {
				return
			}
			if round > 12 {
				t.Fatalf("round %d still wants %v", round, wants)
			}
			for _, w := range wants {
				if asked[w.same()] {
					t.Fatalf("%+v is wanted again", w)
				}
				asked[w.same()] = true
				var gap *Gap
				switch rapid.IntRange(0, 3).Draw(t, "answer") {
				case 0:
					gap = &Gap{Source: w.Source, Action: "ecs:Some", Reason: "denied"}
				case 1:
					f.Definitions[w.ARN] = fleet.Definition{ARN: w.ARN, Containers: []fleet.ContainerDefinition{{Name: "app", LogDriver: "awslogs",
						LogOptions: map[string]string{"awslogs-group": "g", "awslogs-stream-prefix": "p"}}, {Name: "cwagent", LogDriver: "awslogs",
						LogOptions: map[string]string{"awslogs-group": "g", "awslogs-stream-prefix": "p"}}}}
				case 2:
					f.Logs[w.Ref] = fleet.Tail{Lines: []string{"fatal error: concurrent map writes"}}
					f.Streams[w.Ref] = fleet.LogStream{CreatedAt: ago(20 * time.Hour), LastEvent: ago(15 * time.Hour)}
				}
				f.Answered(w, gap)
			}
		}
	})
}
