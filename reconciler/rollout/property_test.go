package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

// workday is a window on Monday to Thursday from 10 to 14 UTC.
func workday(t interface{ Fatal(...any) }) Window {
	schedule, err := cron.ParseStandard("CRON_TZ=UTC 0 10 * * MON-THU")
	if err != nil {
		t.Fatal(err)
	}
	return Window{Schedule: schedule, Duration: 4 * time.Hour, Name: "workday"}
}

// disturb is what other people do: they deploy with and without the values, put revisions back, register without deploying,
// deregister, pause, resume, turn modes and tags, and order rollbacks.
func (w *world) disturb(chance int) {
	if w.r.IntN(1000) >= chance {
		return
	}
	s := w.services[w.r.IntN(len(w.services))]
	switch w.r.IntN(14) {
	case 0:
		w.release(s, s.register("", broken, w.now))
	case 1:
		w.release(s, s.register("", wanted, w.now))
	case 2:
		if a := s.active(); len(a) > 0 {
			w.release(s, a[w.r.IntN(len(a))].arn)
		}
	case 3:
		s.primary.fails = true
	case 4, 13:
		w.paused = "by a test"
	case 5:
		w.paused = ""
	case 6:
		w.mode, w.modeBy = []Mode{Auto, Auto, Approve, Show, Off}[w.r.IntN(5)], ""
	case 7:
		w.mode, w.modeBy = Off, ReasonTag
	case 8:
		w.mode, w.modeBy = Auto, ""
	case 9, 12: // a new version that is not deployed yet
		s.register("", broken, w.now)
		s.revs[len(s.revs)-1].image = len(s.revs)
	case 10: // a clean-up job; most keep the newest ones
		s.revs[w.r.IntN(len(s.revs))].inactive = true
		for i := range s.revs {
			s.revs[i].inactive = s.revs[i].inactive || i < len(s.revs)-3
		}
	case 11:
		w.order()
	}
}

// tidy is a tool that deregisters what ran before, once a deployment is complete (as ecs-deploy does by default).
func (w *world) tidy() {
	for _, s := range w.services {
		if s.primary.RolloutState != fleet.RolloutCompleted {
			continue
		}
		for i := range s.revs {
			if s.revs[i].arn == s.primary.TaskDefinition {
				break
			}
			s.revs[i].inactive = true
		}
	}
}

// release is somebody else's deployment.
func (w *world) release(s *service, arn string) {
	if s.primary.TaskDefinition != arn {
		w.update(s, arn)
		s.primary.others = true
	}
}

// order is an approver's rollback of any rollout, at any time, also after its end.
func (w *world) order() {
	if len(w.stored) == 0 {
		return
	}
	r := w.stored[w.r.IntN(len(w.stored))]
	i := slices.IndexFunc(w.services, func(s *service) bool { return s.key == r.Key() })
	is, err := RollBackBy(r, w.services[i].primary.TaskDefinition, Order{By: "oncall", At: w.now})
	if err != nil {
		return
	}
	for _, other := range w.known() {
		if r.Live() || !other.Live() || other.Key() != r.Key() {
			continue
		}
		if other, err = MakeWay(other, is, *is.Order); err != nil {
			return
		}
		w.store(other)
	}
	w.watch(r, is)
	w.store(is)
}

// story runs one random world to its end.
func story(w *world, chance int, tidy bool) {
	w.run(3, func() {
		if w.disturb(chance); tidy {
			w.tidy()
		}
	})
	w.mode, w.modeBy, w.paused, w.faults, w.deaths = Approve, "", "", 0, 0
	w.run(5, nil)
}

// tookBack checks a world that came to rest: whatever was to be taken back does not run any more, unless somebody else deployed it.
func (w *world) tookBack() {
	for _, r := range w.known() {
		i := slices.IndexFunc(w.services, func(s *service) bool { return s.key == r.Key() })
		s := w.services[i]
		decided := r.Ending != nil && (r.Outcome == RolledBack || r.Outcome == Failed)
		w.promise(!decided || s.primary.TaskDefinition != r.Revision || s.primary.others, "%s: %s runs, which was to be taken back: %s %s: %s",
			r.ID, s.primary.TaskDefinition, r.Phase, r.Outcome, r.Message)
	}
}

func TestWhateverHappens(t *testing.T) {
	ends := map[Outcome]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 3).Draw(t, "services"))
		faults := rapid.SampledFrom([]int{0, 50, 300, 800}).Draw(t, "faults")
		w.faults = faults
		w.deaths = rapid.SampledFrom([]int{0, 50, 300}).Draw(t, "deaths")
		w.settings.MaxConcurrent = rapid.IntRange(1, 2).Draw(t, "maxConcurrent")
		w.settings.MaxSoaking = rapid.IntRange(1, 2).Draw(t, "maxSoaking")
		w.settings.MaxPerDay = rapid.IntRange(1, 3).Draw(t, "maxPerDay")
		w.settings.Canary = rapid.IntRange(1, 2).Draw(t, "canary")
		w.worse, w.noCure = rapid.Bool().Draw(t, "worse"), rapid.Bool().Draw(t, "noCure")
		if rapid.Bool().Draw(t, "window") {
			w.settings.Windows = []Window{workday(t)}
			w.settings.Freezes = []Freeze{{start.Add(26 * time.Hour), start.Add(28 * time.Hour), "a test"}}
		}
		story(w, rapid.SampledFrom([]int{0, 15, 60}).Draw(t, "others"), rapid.SampledFrom([]bool{false, false, true}).Draw(t, "tidy"))
		if faults <= 50 {
			w.tookBack()
		}
		for _, r := range w.known() {
			if r.Live() && begun(r) && len(w.wrong) == 0 {
				t.Fatalf("%s is still %s: %s\n%s", r.ID, r.Phase, r.Message, strings.Join(w.log, "\n"))
			}
			ends[r.Outcome]++
		}
		if len(w.wrong) > 0 {
			t.Fatalf("%s\n%s", strings.Join(w.wrong, "\n"), strings.Join(w.log, "\n"))
		}
	})
	t.Logf("outcomes: %v", ends)
}
