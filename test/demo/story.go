package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// step is something the demo must show, in the order in which it is told.
type step struct {
	id   string
	what string
	at   time.Duration // 0: not yet
	told string
}

// story is what has happened so far.
type story struct {
	mu    sync.Mutex
	start time.Time
	steps []step
}

func newStory(start time.Time) *story {
	return &story{start: start, steps: []step{
		{id: "silent", what: "tasks of django die and are replaced; ECS reports the service as healthy"},
		{id: "verdict", what: "each stop gets a verdict: unplanned, cwagent to blame"},
		{id: "signature", what: "the culprit's last log lines name the crash: go-concurrent-map-writes"},
		{id: "crash", what: "finding SidecarCrash opens"},
		{id: "churn", what: "finding SilentChurn opens"},
		{id: "gauge", what: "the gauges say 1 in CloudWatch"},
		{id: "created", what: "the alarm that was missing is created, with its owner's tag"},
		{id: "alarm", what: "CloudWatch puts the alarm in ALARM"},
		{id: "heartbeat", what: "the controller's own heartbeat is there, and an alarm watches it"},
		{id: "plan", what: "a fix is proposed, and waits for approval"},
		{id: "approved", what: "an approver says yes to exactly that plan, by its hash"},
		{id: "rolled", what: "one new revision is rolled out, which differs in the two values alone"},
		{id: "verified", what: "the lifetimes of the new tasks prove the fix"},
	}}
}

// say prints one line of what happens.
func (s *story) say(who, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line(who, fmt.Sprintf(format, args...))
}

func (s *story) line(who, text string) {
	fmt.Printf("%6.1fs  %-10s  %s\n", time.Since(s.start).Seconds(), who, text)
}

// print shows what a verb printed.
func (s *story) print(text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(string(text)) {
		fmt.Print("                       │ ", line)
	}
}

// show notes that a step happened, and tells it the first time.
func (s *story) show(id, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.steps {
		if st := &s.steps[i]; st.id == id && st.at == 0 {
			st.at, st.told = time.Since(s.start), fmt.Sprintf(format, args...)
			s.line("✔", st.what)
			s.line("", "  "+st.told)
		}
	}
}

// shown tells whether all of these steps happened.
func (s *story) shown(ids ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.steps, func(st step) bool { return st.at == 0 && slices.Contains(ids, st.id) })
}

func (s *story) complete() bool { return s.missing() == "" }

// missing names the steps that have not happened.
func (s *story) missing() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, st := range s.steps {
		if st.at == 0 {
			out = append(out, st.what)
		}
	}
	return strings.Join(out, "; ")
}

// summary prints what happened when.
func (s *story) summary() {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Printf("\nWhat was shown, in %.0f seconds (the containers lived for seconds; in the incident it was 6 to 7 hours):\n", time.Since(s.start).Seconds())
	for _, st := range s.steps {
		mark, at := "✔", fmt.Sprintf("%5.1fs", st.at.Seconds())
		if st.at == 0 {
			mark, at = "✘", "  never"
		}
		fmt.Printf("  %s %s  %s\n", mark, at, st.what)
	}
}
