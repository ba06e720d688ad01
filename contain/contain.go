// Package contain keeps a panic from ending the process. Go ends a process when a panic reaches the top of any goroutine,
// so every goroutine of the product starts here (TestEveryGoroutineIsContained), and each unit of work runs in Do.
// There a panic becomes an error: the caller goes on as it does after any other error.
//
// The package knows nothing of ours, so that every package, the stores included, may import it.
package contain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Panic is the error that a contained panic becomes.
type Panic struct {
	Place   Place
	Subject string // what was worked on: a service, a cluster, a task definition
	Value   any    // what the code panicked with
	At      string // the function, file and line that panicked
	Stack   []byte
}

// longest is how many bytes of a panic's value an error shows: a value may be a whole page of an answer.
const longest = 300

func (p *Panic) Error() string {
	text := fmt.Sprint(p.Value)
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	of := string(p.Place)
	if p.Subject != "" {
		of += " of " + p.Subject
	}
	return fmt.Sprintf("%s panicked: %s (a defect of taskwarden, at %s)", of, text, p.At)
}

// In returns the panic that err carries, or nil.
func In(err error) *Panic {
	p, _ := errors.AsType[*Panic](err)
	return p
}

// report is told each panic once, where it is contained.
var report atomic.Pointer[func(*Panic)]

// Report has f told of every panic from now on, and returns a function that ends that. Without it panics are written to
// stderr, so that none is ever silent. f may run on many goroutines.
//
// It belongs to the process, not to a controller: a goroutine must never start without it.
func Report(f func(*Panic)) (end func()) {
	before := report.Swap(&f)
	return func() { report.Store(before) }
}

func tell(p *Panic) {
	defer func() { _ = recover() }() // a defect of the report must not undo the containment
	if f := report.Load(); f != nil {
		(*f)(p)
		return
	}
	fmt.Fprintf(os.Stderr, "taskwarden: %v\n%s", p, p.Stack)
}

// Do runs f and returns its error, or a *Panic if f panicked.
func Do(place Place, subject string, f func() error) error {
	return do(place, subject, func() error { planted(place, subject); return f() })
}

func do(place Place, subject string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p := &Panic{Place: place, Subject: subject, Value: v, At: origin(), Stack: debug.Stack()}
			tell(p)
			err = p
		}
	}()
	return f()
}

// origin names the frame that panicked: the first one below the runtime's own.
func origin() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		inRuntime := strings.HasPrefix(f.Function, "runtime.")
		switch {
		case f.Function == "runtime.gopanic" || f.Function == "runtime.sigpanic":
			panicking = true
		case panicking && !inRuntime:
			return fmt.Sprintf("%s, %s:%d", f.Function, f.File[strings.LastIndex(f.File, "/")+1:], f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// Go runs f in a goroutine of its own. done, if not nil, is told there how f ended.
func Go(place Place, subject string, f func() error, done func(error)) {
	go func() { _ = run(place, subject, f, done) }() // done was told
}

// run is Do, then done. done is contained as well.
func run(place Place, subject string, f func() error, done func(error)) error {
	err := Do(place, subject, f)
	if done == nil {
		return err
	}
	ofDone := do(place, subject, func() error { done(err); return nil })
	return cmp.Or(err, ofDone)
}

// Group runs functions side by side, as errgroup.Group does, which lets a panic end the process.
type Group struct{ group *errgroup.Group }

// NewGroup returns a Group of which at most limit functions run at the same time; 0: all.
func NewGroup(limit int) *Group {
	g := &Group{new(errgroup.Group)}
	if limit > 0 {
		g.group.SetLimit(limit)
	}
	return g
}

// WithContext returns a Group and a context that ends when a function of the group fails or Wait returns.
func WithContext(ctx context.Context) (*Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	return &Group{group}, ctx
}

// SetLimit bounds how many functions run at the same time.
func (g *Group) SetLimit(n int) { g.group.SetLimit(n) }

// Go runs f in a goroutine of its own, once the limit allows. done, if not nil, is told there how f ended.
func (g *Group) Go(place Place, subject string, f func() error, done func(error)) {
	g.group.Go(func() error { return run(place, subject, f, done) })
}

// Keep runs a loop in a goroutine of its own. A loop that panics is begun again after a pause, until it returns or ctx ends.
// each, if not nil, is told of each end.
func (g *Group) Keep(ctx context.Context, place Place, subject string, loop func() error, each func(error)) {
	g.group.Go(func() error {
		for {
			err := run(place, subject, loop, each)
			if In(err) == nil || !Pause(ctx) {
				return err
			}
		}
	})
}

// pause is how long a loop that panicked stands still: long enough not to fill the log, and short beside what loops wait for.
const pause = 5 * time.Second

// Pause waits before what panicked is begun again, and reports false when ctx ended first.
func Pause(ctx context.Context) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Wait waits for all functions and returns the first error.
func (g *Group) Wait() error { return g.group.Wait() }
