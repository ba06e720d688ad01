package reconciler

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"taskwarden/contain"
)

// panicLasts is how long after its last panic something counts as panicking that did not run again since. What fails is tried
// again within five minutes.
const panicLasts = 15 * time.Minute

// panics holds what panicked and did not succeed since, by target and by what was worked on.
type panics struct {
	mu  sync.Mutex
	all map[string]map[string]lastPanic
}

type lastPanic struct {
	at  time.Time
	err *contain.Panic
}

// note keeps a panic, or forgets the ones of something that now ran without one (is nil). changed reports whether the target's
// panics are other ones than before.
func (p *panics) note(target, what string, is *contain.Panic, now time.Time) (changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, was := p.all[target][what]
	if is == nil {
		delete(p.all[target], what)
		return was
	}
	if p.all == nil {
		p.all = map[string]map[string]lastPanic{}
	}
	if p.all[target] == nil {
		p.all[target] = map[string]lastPanic{}
	}
	p.all[target][what] = lastPanic{now, is}
	return true
}

// of returns a target's panics, oldest name first, and forgets those that did not come again since before.
func (p *panics) of(target string, before time.Time) []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.all[target], func(_ string, last lastPanic) bool { return last.at.Before(before) })
	var out []error
	for _, what := range slices.Sorted(maps.Keys(p.all[target])) {
		out = append(out, p.all[target][what].err)
	}
	return out
}

// contain runs f, which works on a target. A panic becomes an error, and a condition of the target until the same work
// succeeds or is no longer tried.
func (c *Controller) contain(place contain.Place, target, subject string, f func() error) error {
	err := contain.Do(place, subject, f)
	c.notePanic(target, string(place)+" of "+subject, err)
	return err
}

// notePanic sets or clears the condition that something of a target panics. The work of no target, and of the controller's own
// account, shows under the first target.
func (c *Controller) notePanic(target, what string, err error) {
	if target == homeAlarms && len(c.o.Targets) > 0 {
		target = c.o.Targets[0].Name
	}
	if c.panics.note(target, what, contain.In(err), c.now()) {
		c.reportPanics(target)
	}
}

// shownPanics bounds the evidence of the condition.
const shownPanics = 5

func (c *Controller) reportPanics(target string) {
	lasts := max(panicLasts, 2*c.effective(target))
	all := c.panics.of(target, c.now().Add(-lasts))
	if len(all) == 0 {
		c.settled(target, "Panicking")
		return
	}
	c.trouble(target, "Panicking", "taskwarden's own code panics while it works on this target; the work is tried again, and everything else goes on. "+
		"Please report the stack in the controller's log", fmt.Errorf("%d kinds of work panic: %w", len(all), errors.Join(all[:min(len(all), shownPanics)]...)))
}

// attempt runs one try of something that is queued, and reports whether to try again. After a panic it is tried again.
func (c *Controller) attempt(place contain.Place, target, subject string, f func() (again bool, err error)) bool {
	again := true
	// The error is for the condition: f itself has dealt with it.
	_ = c.contain(place, target, subject, func() (err error) { again, err = f(); return err })
	return again
}

// job is a cron job.
func (c *Controller) job(name string, f func()) cron.Job {
	return cron.FuncJob(func() {
		_ = c.contain(contain.Schedule, homeAlarms, name, func() error { f(); return nil }) // it runs again at its next time
	})
}
