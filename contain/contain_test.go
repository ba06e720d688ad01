package contain_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/contain"
)

// told collects what is reported until the test ends.
func told(t *testing.T) func() []*contain.Panic {
	t.Helper()
	var mu sync.Mutex
	var all []*contain.Panic
	t.Cleanup(contain.Report(func(p *contain.Panic) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, p)
	}))
	return func() []*contain.Panic {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func explode() { var none map[string]int; none["x"]++ }

func TestDoReturnsWhatFReturns(t *testing.T) {
	reports, why := told(t), errors.New("denied")
	if err := contain.Do(contain.Pass, "prod/web", func() error { return nil }); err != nil {
		t.Errorf("no error became %v", err)
	}
	if err := contain.Do(contain.Pass, "prod/web", func() error { return why }); err != why || contain.In(err) != nil {
		t.Errorf("an error became %v", err)
	}
	if n := len(reports()); n != 0 {
		t.Errorf("%d panics reported without any", n)
	}
}

// An error says what panicked, where in the code, and the report has the stack, once.
func TestAPanicIsAnErrorAndIsReportedOnce(t *testing.T) {
	reports := told(t)
	err := contain.Do(contain.Pass, "prod/web", func() error { explode(); return nil })
	p := contain.In(err)
	if p == nil || p.Place != contain.Pass || p.Subject != "prod/web" {
		t.Fatalf("error %v", err)
	}
	for _, word := range []string{"pass of prod/web panicked", "nil map", "explode, contain_test.go:"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	if all := reports(); len(all) != 1 || all[0] != p || !strings.Contains(string(p.Stack), "explode") {
		t.Errorf("reported %v", all)
	}
	if long := (&contain.Panic{Value: strings.Repeat("é", 10_000)}).Error(); len(long) > 500 {
		t.Errorf("an error of %d bytes", len(long))
	}
}

// A report that panics itself changes nothing for who is contained.
func TestAReportThatPanicsIsContained(t *testing.T) {
	t.Cleanup(contain.Report(func(*contain.Panic) { panic("in the report") }))
	if err := contain.Do(contain.Log, "", func() error { panic("first") }); contain.In(err) == nil {
		t.Errorf("error %v", err)
	}
}

// The process survives a panic in a goroutine, and the waiting caller is told.
func TestGoTellsWhoWaits(t *testing.T) {
	told(t)
	done := make(chan error, 1)
	contain.Go(contain.Commit, "k", func() error { panic("boom") }, func(err error) { done <- err })
	if err := <-done; contain.In(err) == nil {
		t.Errorf("told %v", err)
	}
}

func TestGroupRunsTheOthersAndReturnsThePanic(t *testing.T) {
	reports := told(t)
	g := contain.NewGroup(2)
	var ran atomic.Int64
	for i := range 10 {
		g.Go(contain.Look, "c", func() error {
			if i == 3 {
				panic("one bad object")
			}
			ran.Add(1)
			return nil
		}, func(err error) {
			if err != nil {
				panic("in done too")
			}
		})
	}
	if err := g.Wait(); contain.In(err) == nil || contain.In(err).Value != "one bad object" {
		t.Errorf("the group ended with %v", err)
	}
	if ran.Load() != 9 || len(reports()) != 2 {
		t.Errorf("%d ran, %d panics reported", ran.Load(), len(reports()))
	}
}

func TestWithContextEndsTheOthers(t *testing.T) {
	told(t)
	g, ctx := contain.WithContext(t.Context())
	g.Go(contain.Load, "a", func() error { panic("boom") }, nil)
	g.Go(contain.Load, "b", func() error { <-ctx.Done(); return ctx.Err() }, nil)
	if err := g.Wait(); contain.In(err) == nil {
		t.Errorf("the group ended with %v", err)
	}
}

// A loop that panics begins again after a pause, until it returns or its context ends.
func TestKeepBeginsAPanickedLoopAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := told(t)
		g, runs, began := contain.NewGroup(0), 0, time.Now()
		g.Keep(t.Context(), contain.Loop, "sweeps of prod", func() error {
			if runs++; runs < 4 {
				panic("boom")
			}
			return nil
		}, nil)
		if err := g.Wait(); err != nil || runs != 4 || len(reports()) != 3 {
			t.Errorf("%v after %d runs, %d panics reported", err, runs, len(reports()))
		}
		if took := time.Since(began); took < 10*time.Second || took > time.Minute {
			t.Errorf("three panics took %s: a loop must neither spin nor stand still", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		g.Keep(ctx, contain.Loop, "ticks", func() error { panic("for ever") }, nil)
		time.Sleep(time.Minute)
		cancel()
		_ = g.Wait() // returns, or synctest finds the deadlock
	})
}
