package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"
)

// workday is a window on Monday to Thursday from 10 to 14 UTC.
func workday(t interface{ Fatal(...any) }) Window {
	schedule, err := cron.ParseStandard("CRON_TZ=UTC 0 10 * * MON-THU")
	if err != nil {
		t.Fatal(err)
	}
	return Window{Schedule: schedule, Duration: 4 * time.Hour, Name: "workday"}
}

// disturb is what other people do: they deploy with and without the values, put revisions back, pause, resume, turn modes.
func (w *world) disturb(chance int) {
	if w.r.IntN(1000) >= chance {
		return
	}
	s := w.services[w.r.IntN(len(w.services))]
	switch w.r.IntN(7) {
	case 0:
		w.update(s, s.register("", broken, w.now))
	case 1:
		w.update(s, s.register("", wanted, w.now))
	case 2:
		w.update(s, s.revs[w.r.IntN(len(s.revs))].arn)
	case 3:
		s.primary.fails = true
	case 4:
		w.paused = "by a test"
	case 5:
		w.paused = ""
	case 6:
		w.mode = []Mode{Auto, Auto, Approve, Show}[w.r.IntN(4)]
	}
}

// story runs one random world to its end.
func story(w *world, chance int) {
	w.run(3, func() { w.disturb(chance) })
	w.mode, w.paused, w.faults, w.deaths = Approve, "", 0, 0
	w.run(5, nil)
}

func TestWhateverHappens(t *testing.T) {
	ends := map[Outcome]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 3).Draw(t, "services"))
		w.faults = rapid.SampledFrom([]int{0, 50, 300, 800}).Draw(t, "faults")
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
		story(w, rapid.SampledFrom([]int{0, 5, 50}).Draw(t, "others"))
		for _, r := range w.known() {
			if r.Live() && begun(r) {
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
