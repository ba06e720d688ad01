package reconciler

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"

	"taskwarden/contain"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// reported counts the panics by place until the test ends.
func reported(t *testing.T) func() map[contain.Place]int {
	t.Helper()
	var mu sync.Mutex
	all := map[contain.Place]int{}
	t.Cleanup(contain.Report(func(p *contain.Panic) {
		mu.Lock()
		defer mu.Unlock()
		all[p.Place]++
	}))
	return func() map[contain.Place]int {
		mu.Lock()
		defer mu.Unlock()
		out := map[contain.Place]int{}
		for place, n := range all {
			out[place] = n
		}
		return out
	}
}

func targetReport(t *testing.T, c *Controller, name string) TargetReport {
	t.Helper()
	all := c.Targets()
	i := slices.IndexFunc(all, func(r TargetReport) bool { return r.Target == name })
	if i < 0 {
		t.Fatalf("no target %s among %v", name, all)
	}
	return all[i]
}

func panicking(r TargetReport) bool {
	return slices.ContainsFunc(r.Troubles, func(s string) bool { return strings.HasPrefix(s, "Panicking: ") })
}

// planted is where one part of one target's world panics, while bad is set.
type planted struct{ bad atomic.Bool }

func (p *planted) explode() {
	if p.bad.Load() {
		panic("one bad object")
	}
}

// crashing is an account with a service whose task died of its agent, so that definitions, logs, alarms and metrics are read.
func crashing(name string) account {
	return account{
		sweep: func(_ context.Context, visit func(fleet.Cluster)) fleet.Sweep {
			dead := crashed("1", time.Now().Add(-time.Hour), time.Now().Add(-time.Minute))
			dead.TaskDefinition = "arn:aws:ecs:r:1:task-definition/" + name + ":1"
			return lookAt(visit, true, dead)
		},
		def: func(arn string) fleet.Definition { return fleet.Definition{ARN: arn, Family: "web"} },
	}
}

// For each kind of the controller's work: while it panics for one target, the other target is seen whole at every look and the
// panicking target says so; once it no longer panics, the target is as whole as the other and says nothing.
func TestAPanicLeavesTheOtherTargetAlone(t *testing.T) {
	kinds := map[contain.Place]func(*account, *planted){
		contain.Sweep: func(a *account, p *planted) {
			sweep := a.sweep
			a.sweep = func(ctx context.Context, visit func(fleet.Cluster)) fleet.Sweep {
				p.explode()
				return sweep(ctx, visit)
			}
		},
		contain.Pass: func(a *account, p *planted) { a.put = func([]alarm.Datum) error { p.explode(); return nil } },
		contain.Definition: func(a *account, p *planted) {
			def := a.def
			a.def = func(arn string) fleet.Definition { p.explode(); return def(arn) }
		},
		contain.Alarms: func(a *account, p *planted) { a.alarms = p.explode },
	}
	for place, plant := range kinds {
		t.Run(string(place), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				panics := reported(t)
				bad, p := crashing("bad"), &planted{}
				p.bad.Store(true)
				plant(&bad, p)
				c, _, stop := start(t, time.Minute, map[string]account{"good": crashing("good"), "bad": bad})
				defer stop()
				time.Sleep(30 * time.Minute)
				if r := targetReport(t, c, "good"); !r.Ready || !r.Complete || time.Since(r.LastComplete) > 2*time.Minute || panicking(r) {
					t.Errorf("the other target: %+v", r)
				}
				if r := targetReport(t, c, "bad"); !panicking(r) || place == contain.Sweep && r.Ready {
					t.Errorf("the target with the panics: %+v", r)
				}
				n := panics()[place]
				if n < 2 || n > 100 { // again and again, with a growing pause
					t.Errorf("%d panics in half an hour", n)
				}
				p.bad.Store(false)
				time.Sleep(30 * time.Minute)
				if r := targetReport(t, c, "bad"); !r.Ready || !r.Complete || len(r.Troubles) > 0 {
					t.Errorf("after the last panic: %+v", r)
				}
			})
		})
	}
}

// A look that panics is an incomplete one: what was seen before stands, and nothing closes or is gone because of it.
func TestAPanicIsAnIncompleteView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reported(t)
		a, p := crashing("t"), &planted{}
		sweep := a.sweep
		a.sweep = func(ctx context.Context, visit func(fleet.Cluster)) fleet.Sweep {
			p.explode()
			return sweep(ctx, visit)
		}
		c, _, stop := start(t, time.Minute, map[string]account{"t": a})
		defer stop()
		time.Sleep(10 * time.Minute)
		before := targetReport(t, c, "t")
		p.bad.Store(true)
		time.Sleep(24 * time.Hour)
		r := targetReport(t, c, "t")
		if r.Complete || r.Ready || r.Services != before.Services || r.Tasks != before.Tasks || r.Services == 0 {
			t.Errorf("before %+v, after a day of panics %+v", before, r)
		}
		if s := c.Services(); len(s) != 1 || s[0].Gone || time.Since(s[0].Seen.At) < 23*time.Hour {
			t.Errorf("the service: %+v", s)
		}
	})
}

// exploding is a recorder that panics at some events: it stands for a defect where an answer of AWS is taken in.
type exploding struct {
	*planted
	at func(recording.Event) bool
}

func (e exploding) Begin(func() iter.Seq[recording.Event]) {}
func (e exploding) Record(is recording.Event) {
	if e.at(is) {
		e.explode()
	}
}

// A panic outside of the calls to AWS, where an answer is taken in, is contained too, and the same work is done afterwards: no queue
// loses an item, or keeps one that is never done.
func TestAPanicWhereAnswersAreTakenIn(t *testing.T) {
	for place, at := range map[contain.Place]func(recording.Event) bool{
		contain.Sweep:      func(e recording.Event) bool { return e.Look != nil }, // this account calls the visitor on the sweep's own goroutine
		contain.Intake:     func(e recording.Event) bool { return e.Sweep != nil },
		contain.Definition: func(e recording.Event) bool { return e.Definition != nil },
		contain.Alarms:     func(e recording.Event) bool { return e.Alarms != nil },
		contain.Metrics:    func(e recording.Event) bool { return e.Metrics != nil },
	} {
		t.Run(string(place), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				panics, p := reported(t), &planted{}
				p.bad.Store(true)
				c, _, stop := startWith(t, time.Minute, map[string]account{"t": crashing("t")}, func(o *Options) { o.Recorder = exploding{p, at} })
				defer stop()
				time.Sleep(30 * time.Minute)
				if r := targetReport(t, c, "t"); panics()[place] < 2 || !panicking(r) {
					t.Errorf("panics: %v, %+v", panics(), r)
				}
				p.bad.Store(false)
				time.Sleep(30 * time.Minute)
				r := targetReport(t, c, "t")
				if !r.Ready || !r.Complete || len(r.Troubles) > 0 || r.Waiting > 0 || r.Definitions != 1 || r.Coverage == nil {
					t.Errorf("after the last panic: %+v", r)
				}
			})
		})
	}
}

// A pass that panicked is tried again, with the same backoff as after an error.
func TestAPanicInAPassIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := reported(t)
		a, puts := crashing("t"), atomic.Int64{}
		a.put = func([]alarm.Datum) error {
			if puts.Add(1) == 1 {
				panic("the first put")
			}
			return nil
		}
		_, logs, stop := start(t, time.Minute, map[string]account{"t": a})
		time.Sleep(5 * time.Minute)
		stop()
		if panics()[contain.Pass] != 1 || logs.FilterMessage("pass failed").Len() != 1 || puts.Load() < 3 {
			t.Errorf("%v, %d puts, logged: %v", panics(), puts.Load(), logs.All())
		}
	})
}

// A cron job that panics leaves the schedules and the process alone.
func TestAPanicInACronJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := reported(t)
		c, logs, stop := start(t, time.Minute, map[string]account{"t": crashing("t")})
		defer stop()
		time.Sleep(time.Minute)
		runs := 0
		job := c.job("the report", func() {
			if runs++; runs == 1 {
				panic("the first report")
			}
			c.report()
		})
		job.Run()
		if !panicking(targetReport(t, c, "t")) || panics()[contain.Schedule] != 1 {
			t.Errorf("%v, %+v", panics(), targetReport(t, c, "t"))
		}
		job.Run()
		if panicking(targetReport(t, c, "t")) || logs.FilterMessage("report").Len() == 0 {
			t.Errorf("after a run without a panic: %+v", targetReport(t, c, "t"))
		}
	})
}

// What panicked once and never runs again is not said for ever.
func TestAPanicThatDoesNotRepeatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reported(t)
		c, _, stop := start(t, time.Minute, map[string]account{"t": crashing("t")})
		defer stop()
		_ = c.contain(contain.Pass, "t", "t/c/gone", func() error { panic("boom") })
		time.Sleep(5 * time.Minute)
		if !panicking(targetReport(t, c, "t")) {
			t.Error("not said while it may repeat")
		}
		time.Sleep(30 * time.Minute)
		if panicking(targetReport(t, c, "t")) {
			t.Error("still said after half an hour")
		}
	})
}

// After a shutdown the workers run nothing more, however many keys are queued.
func TestNothingRunsAfterAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, stop := start(t, time.Hour, map[string]account{"t": crashing("t")})
		time.Sleep(time.Minute)
		stop()
		c = newController(c.o, time.Now)
		for i := range 1000 {
			c.queue.Add(fleet.Key{Target: "t", Cluster: "c", Service: fmt.Sprint(i)})
			c.definitions.queues.of("t").Add(fmt.Sprint(i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c.shutDown()
		c.passLoop(ctx)
		read := 0
		c.definitions.queues.work(ctx, "t", func(string) bool { read++; return false })
		var passes dto.Metric
		if err := c.metrics.passSeconds.Write(&passes); err != nil {
			t.Fatal(err)
		}
		if n := passes.GetHistogram().GetSampleCount(); n > 0 || read > 0 {
			t.Errorf("%d passes and %d reads ran after the shutdown", n, read)
		}
	})
}
