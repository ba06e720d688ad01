package judgement

import (
	"flag"
	"reflect"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// bar is the least precision and recall. In a world of a few dozen episodes one wrong one is below it and proves nothing, so
// one is let pass; the benchmark's world has hundreds.
const bar = 0.99

func below(right, of int) bool { return of-right > 1 && share(right, of) < bar }

var (
	services = flag.Int("services", 60, "services in the benchmark's world")
	days     = flag.Int("days", 4, "days in the benchmark's world")
	seed     = flag.Uint64("seed", 1, "the world's seed")
	story    = flag.Int("story", -1, "print one service's truth and what was found of it")
)

func shippedPolicy(t testing.TB) reconciler.Policies {
	t.Helper()
	p, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// world is small enough for the ordinary suite.
func world(services, days int) World {
	if raceDetector {
		services, days = services/4, min(days, 3)
	}
	return World{Seed: 7, Services: services, Days: days}
}

// notUnderRace leaves a test to the run without the race detector, which `make test` has too: nothing in it is concurrent.
func notUnderRace(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("runs without the race detector, some eight times faster")
	}
}

// failures lists the bars that a result does not reach.
func failures(r Result) []string {
	var out []string
	for _, kind := range []string{finding.SilentChurn, finding.SidecarCrash} {
		t := r.Types[kind]
		if below(t.Right, t.Opened) {
			out = append(out, "precision of "+kind)
		}
		if below(t.Found, t.True) {
			out = append(out, "recall of "+kind)
		}
		if below(t.Opened-t.Split, t.Opened) {
			out = append(out, "flapping of "+kind)
		}
	}
	if share(r.Types[finding.SilentChurn].AtOnce, r.Types[finding.SilentChurn].Found) < 0.95 {
		out = append(out, "delay")
	}
	if len(r.Planned) > 0 || len(r.Stops.PlannedAsDeath) > 0 {
		out = append(out, "planned stops")
	}
	if r.Stops.Twice > 0 || r.Stops.Recorded != r.Stops.Shown {
		out = append(out, "recording")
	}
	return out
}

// The bars of the judging on a world that nobody tuned it to.
func TestJudgement(t *testing.T) {
	r := world(120, 4).Run(shippedPolicy(t), reconciler.Decide)
	churn, crash := r.Types[finding.SilentChurn], r.Types[finding.SidecarCrash]
	if churn.True < 10 || crash.True < 3 || r.Stops.Shown < 1000 {
		t.Fatalf("the world shows too little:\n%s", r.Table())
	}
	if f := failures(r); len(f) > 0 {
		t.Errorf("below the bar: %s\n%s\n%s%s", strings.Join(f, ", "), r.Table(), churn.Misses(), crash.Misses())
	}
	for _, n := range r.Naive {
		if s := n.Types[finding.SilentChurn]; s.Precision() >= bar {
			t.Errorf("%s reaches a precision of %.3f: the world is too easy to show anything", n.Name, s.Precision())
		}
	}
}

// through has each task pass through a change before it is judged.
func through(change func(*fleet.Task)) Decider {
	return func(o fleet.Observation, m reconciler.Memory, p reconciler.Policies, now time.Time) reconciler.Decision {
		tasks := make([]fleet.Task, len(o.Tasks))
		for i, t := range o.Tasks {
			change(&t)
			tasks[i] = t
		}
		o.Tasks = tasks
		return reconciler.Decide(o, m, p, now)
	}
}

// A judge that is wrong on purpose falls below the bar that its mistake is about.
func TestTheBarsCanFail(t *testing.T) {
	notUnderRace(t)
	for name, c := range map[string]struct {
		decide Decider
		policy func(*reconciler.Policies)
		below  string
	}{
		"one stop is enough":         {reconciler.Decide, func(p *reconciler.Policies) { p.Churn.Threshold, p.Churn.RatePerTaskDay = 1, 1e-6 }, "precision of SilentChurn"},
		"ten stops are needed":       {reconciler.Decide, func(p *reconciler.Policies) { p.Churn.Threshold = 10 }, "recall of SilentChurn"},
		"findings clear in a minute": {reconciler.Decide, func(p *reconciler.Policies) { p.Churn.ClearAfter = time.Minute }, "flapping of SilentChurn"},
		"the scheduler's words lost": {through(func(t *fleet.Task) { t.StopCode, t.StoppedReason = "", "" }), nil, "planned stops"},
		"failed checks read as drain": {through(func(t *fleet.Task) {
			t.StoppedReason = strings.ReplaceAll(t.StoppedReason, "Essential container in task exited", "container instance is in DRAINING state")
		}), nil, "recall of SilentChurn"},
		"agents go by other names": {through(renamed), nil, "recall of SidecarCrash"},
	} {
		t.Run(name, func(t *testing.T) {
			p := shippedPolicy(t)
			if c.policy != nil {
				c.policy(&p)
			}
			w := World{Seed: 3, Services: 24, Days: 3, Sick: 4, Largest: 5}
			r := w.Run(p, c.decide)
			if got := strings.Join(failures(r), ", "); !strings.Contains(got, c.below) {
				t.Errorf("below the bar: %q, want %s\n%s", got, c.below, r.Table())
			}
		})
	}
}

func renamed(t *fleet.Task) {
	boxes := make([]fleet.Container, len(t.Containers))
	for i, c := range t.Containers {
		if i > 0 {
			c.Name, c.Image = "helper", "corp/helper:1"
		}
		boxes[i] = c
	}
	t.Containers = boxes
}

// Passing over looks at which nothing can happen finds what judging each look finds, to the look.
func TestSkippingChangesNothing(t *testing.T) {
	notUnderRace(t)
	w := World{Seed: 4, Services: 20, Days: 2, Sick: 4, Largest: 5}
	p := shippedPolicy(t)
	every := w
	every.EveryLook = true
	opened := 0
	for i := range w.Services {
		a, b := w.Watch(i, p, reconciler.Decide), every.Watch(i, p, reconciler.Decide)
		if b.Decided < 3*a.Decided/2 && b.Decided < len(b.Looks) {
			t.Errorf("service %d: %d decisions of %d looks", i, b.Decided, len(b.Looks))
		}
		opened += len(a.Opened)
		if !reflect.DeepEqual(a.Opened, b.Opened) || !reflect.DeepEqual(a.Verdicts, b.Verdicts) {
			t.Errorf("service %d: passing over looks found\n%+v\nand each look\n%+v", i, a.Opened, b.Opened)
		}
	}
	if opened == 0 {
		t.Error("nothing opened: this shows nothing")
	}
}

// The same seed is the same world, however often and on how many processors.
func TestAWorldIsDeterministic(t *testing.T) {
	w := World{Seed: 5, Services: 12, Days: 2}
	p := shippedPolicy(t)
	if a, b := w.Run(p, reconciler.Decide).Table(), w.Run(p, reconciler.Decide).Table(); a != b {
		t.Errorf("twice the same world:\n%s\n%s", a, b)
	}
	other := w
	other.Seed = 6
	if w.Run(p, reconciler.Decide).Stops.Shown == other.Run(p, reconciler.Decide).Stops.Shown {
		t.Error("another seed is another world")
	}
}

// BenchmarkJudgement prints the figures of docs/judgement.md; -args -services 1000 -days 30 makes them those of the acceptance.
func BenchmarkJudgement(b *testing.B) {
	w, p := World{Seed: *seed, Services: *services, Days: *days}, shippedPolicy(b)
	if *story >= 0 {
		b.Log(w.Watch(*story, p, reconciler.Decide).Story())
		return
	}
	var r Result
	for b.Loop() {
		r = w.Run(p, reconciler.Decide)
	}
	churn, crash := r.Types[finding.SilentChurn], r.Types[finding.SidecarCrash]
	b.Logf("\n%s\n%s%s", r.Table(), churn.Misses(), crash.Misses())
	b.ReportMetric(churn.Precision(), "churn-precision")
	b.ReportMetric(churn.Recall(), "churn-recall")
	b.ReportMetric(crash.Precision(), "sidecar-precision")
	b.ReportMetric(crash.Recall(), "sidecar-recall")
	b.ReportMetric(float64(median(churn.Deaths)), "deaths-to-detect")
	b.ReportMetric(w.daily(churn.Opened+crash.Opened), "findings/day/1000")
	b.ReportMetric(float64(len(r.Planned)), "planned-causes-paged")
}
