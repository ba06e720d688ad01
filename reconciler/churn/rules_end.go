package churn

import (
	"strings"

	"taskwarden/reconciler/fleet"
)

// The rules for tasks that ended by themselves: work that is done, and processes that died.

// standalone tells a task that no service runs; sure is false where the fields that would say so are missing.
func (f facts) standalone() (alone, sure bool) {
	if f.Task.ServiceName() != "" || strings.HasPrefix(f.Task.StartedBy, "ecs-svc/") || f.Service != nil {
		return false, true
	}
	return true, f.Task.Group != "" || f.Task.StartedBy != ""
}

// work is how the containers of a task ended that nobody but itself stopped.
type work struct {
	ended  int  // with 0
	agents int  // of those that ended with 0
	untold int  // no exit code is given
	failed bool // one failed by itself, or a reason says more than that the task ended
}

func (f facts) work() work {
	var w work
	for _, c := range f.Task.Containers {
		switch {
		case c.Reason != "" && !strings.Contains(strings.ToLower(c.Reason), "essential container"):
			w.failed = true
		case c.ExitCode == nil:
			w.untold++
		case *c.ExitCode == 0:
			w.ended++
			if (*Knowledge)(nil).Sidecar(c.Name, f.image(c)) {
				w.agents++
			}
		case !victimCode(*c.ExitCode):
			w.failed = true
		}
	}
	return w
}

// scheduledEnd: a task of nobody's service that did its work: somebody ended with 0, the others ended well or were told
// to, and no text says otherwise.
func scheduledEnd(f facts) (ruling, bool) {
	alone, sure := f.standalone()
	w := f.work()
	if !alone || w.failed || f.code == "serviceschedulerinitiated" || f.text != "" && !strings.Contains(f.text, "essential container") {
		return ruling{}, false
	}
	r := ruling{TaskScheduledEnd, High, "no service runs the task, and its work ended with 0"}
	switch {
	case !sure:
		r.confidence, r.why = Low, "its work ended with 0, and nothing says whether a service runs it"
	case w.untold > 0 || w.agents == w.ended && len(f.Task.Containers) > 1:
		r.confidence, r.why = Low, "no service runs the task, and not all exit codes of its work are told"
	case f.code != "essentialcontainerexited":
		r.confidence = Medium
	}
	return r, w.ended > 0
}

// essentialExit: of a service, any end is a death. A task of nobody's service may have done its work: without a failed exit
// nothing tells.
func essentialExit(f facts) (ruling, bool) {
	r := ruling{EssentialContainerExited, High, "an essential container ended, and with it the task"}
	if alone, _ := f.standalone(); alone && !failedExit(f.Task) {
		r.confidence = Low
	}
	return r, strings.Contains(f.text, "essential container") || f.code == "essentialcontainerexited"
}

// ownEnd: without code and text, a process that ended before the stop began was not told to.
func ownEnd(f facts) (ruling, bool) {
	t := f.Task
	if f.code != "" && f.code != "serviceschedulerinitiated" || f.text != "" || !failedExit(t) {
		return ruling{}, false
	}
	r := ruling{EssentialContainerExited, Low, "a container failed before the stop began"}
	if t.ExecutionStopped.IsZero() || t.StoppingAt.IsZero() || t.ExecutionStopped.After(t.StoppingAt) {
		r.why = "a container failed, and nothing says who stopped the task"
	}
	return r, f.code == ""
}

func failedExit(t fleet.Task) bool {
	for _, c := range t.Containers {
		if c.ExitCode != nil && !victimCode(*c.ExitCode) && *c.ExitCode != 0 {
			return true
		}
	}
	return false
}
