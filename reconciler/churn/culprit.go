package churn

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// victimCode tells exit codes of processes that were told to stop: 143 is SIGTERM obeyed, 130 SIGINT, and 137 SIGKILL, which
// also is what Docker does after the stop timeout (Amazon ECS guide, "Stopped tasks error messages"). 137 proves no lack of
// memory: only the container's reason does. On Windows a stop ends a process with STATUS_CONTROL_C_EXIT, 0xC000013A.
func victimCode(code int) bool {
	return code == 143 || code == 137 || code == 130 || uint32(code) == 0xC000013A
}

// stopTimeoutSeconds is ECS's default between SIGTERM and SIGKILL (ContainerDefinition.stopTimeout).
const stopTimeoutSeconds = 30

// suspect is one container of a task that ended with a container, and what is known of it.
type suspect struct {
	facts
	box     fleet.Container
	agent   bool // a known agent or proxy
	crashed bool // its log ends in a fatal crash
}

// exited tells whether AWS gave the exit code, and that is the one meant.
func (s suspect) exited(meant func(code int) bool) bool {
	return s.box.ExitCode != nil && meant(*s.box.ExitCode)
}

func (s suspect) failed() bool { return s.exited(func(c int) bool { return c != 0 && !victimCode(c) }) }
func (s suspect) ended() bool  { return s.exited(func(c int) bool { return c == 0 }) }
func (s suspect) killed() bool { return s.exited(func(c int) bool { return c == 137 }) }

// charge is one kind of evidence against a container.
type charge struct {
	id    string
	what  string // for the documentation
	holds func(s suspect) bool
	why   string                 // for the verdict
	exact func(s suspect) string // in place of why, where the container's own words or code belong in it
}

// charges are in order, strongest first: the first that holds is the container's, and the container with the strongest
// one alone is the culprit. Two with the same: nobody. The last row holds for all, and accuses nobody.
var charges = []charge{
	{id: "own-reason", what: "AWS itself names the container's failure",
		holds: func(s suspect) bool { return failingReason(s.box.Reason) },
		exact: func(s suspect) string { return "AWS names its failure: " + Mask(s.box.Reason) }},
	{id: "fatal-signature", what: "its log ends in a fatal crash",
		holds: func(s suspect) bool { return s.crashed }, why: "its log ends in a crash"},
	{id: "signal", what: "it died of a signal that nobody sends to stop a task: SEGV, ABRT, TRAP, ILL, FPE, BUS (exit 131 to 139)",
		holds: func(s suspect) bool { return s.exited(func(c int) bool { return c >= 131 && c <= 139 && c != 137 }) },
		exact: func(s suspect) string {
			return fmt.Sprintf("exit %d: it died of signal %d", *s.box.ExitCode, *s.box.ExitCode-128)
		}},
	{id: "agent-failed", what: "a known agent that failed: agents end well when told to stop",
		holds: func(s suspect) bool { return s.agent && s.failed() },
		exact: func(s suspect) string {
			return fmt.Sprintf("exit %d: an agent that failed by itself", *s.box.ExitCode)
		}},
	{id: "failed", what: "it failed; applications may also do so when told to stop",
		holds: suspect.failed,
		exact: func(s suspect) string {
			return fmt.Sprintf("exit %d, which no other container had first", *s.box.ExitCode)
		}},
	{id: "no-exit-code", what: "it has no exit code, beside others that were told to stop",
		holds: func(s suspect) bool { return s.box.ExitCode == nil }, why: "it has no exit code, and the others were told to stop"},
	{id: "killed-early", what: "SIGKILL (137), too early for a stop timeout",
		holds: func(s suspect) bool { return s.killed() && !s.Task.StoppingAt.IsZero() && !s.timedOut() },
		why:   "exit 137: it was killed before a stop timeout"},
	{id: "ended", what: "it ended with 0 and all others were told to stop",
		holds: func(s suspect) bool { return s.ended() && !s.agent }, why: "it ended with 0, the others were told to stop"},
	{id: "killed", what: "SIGKILL (137), and no times tell whether it was the stop timeout's; of a known agent only where no time of the stop is given",
		holds: func(s suspect) bool { return s.killed() && (s.Task.StoppingAt.IsZero() || !s.agent && s.tornDown()) },
		why:   "exit 137: it was killed, and the others ended well or were told to stop"},
	{id: "agent-ended", what: "a known agent that ended with 0",
		holds: suspect.ended, why: "it ended with 0, the others were told to stop"},
	{id: "victim", what: "an exit code of a process that was told to stop (143, 130, 137 after the stop timeout): never the culprit",
		holds: func(suspect) bool { return true }},
}

// against is the index of the strongest charge that holds against the container.
func (s suspect) against() int {
	return slices.IndexFunc(charges, func(c charge) bool { return c.holds(s) })
}

func (s suspect) evidence(i int) string {
	if exact := charges[i].exact; exact != nil {
		return exact(s)
	}
	return charges[i].why
}

// culprit finds whose end made the task stop, and says why in one sentence. nil: nobody, or it cannot be told.
func culprit(f facts, cause Cause, k *Knowledge, sigs []Signature) (*fleet.Container, string) {
	switch cause {
	case EssentialContainerExited:
		return f.byEvidence(k, sigs)
	case OOMKilled:
		return f.outOfMemory()
	case ImagePull:
		return f.pulling()
	case ResourceInit:
		return f.starting()
	case ELBHealthCheck, ContainerHealthCheck:
		return f.unhealthy(k)
	default:
		return nil, ""
	}
}

// byEvidence weighs the containers; helpers that did their work and containers known not to be essential do not count.
func (f facts) byEvidence(k *Knowledge, sigs []Signature) (*fleet.Container, string) {
	if len(f.Task.Containers) == 1 {
		return f.only()
	}
	victim := len(charges) - 1
	strongest, why, tie := victim, "", false
	var guilty *fleet.Container
	for i := range f.Task.Containers {
		c := &f.Task.Containers[i]
		if f.innocent(*c) {
			continue
		}
		s := suspect{facts: f, box: *c, agent: k.Sidecar(c.Name, f.image(*c)), crashed: hasFatal(sigs, c.Name)}
		switch at := s.against(); {
		case at < strongest:
			guilty, strongest, why, tie = c, at, s.evidence(at), false
		case at == strongest:
			tie = true
		}
	}
	if tie || guilty == nil {
		return nil, "the exit codes do not tell which container ended first"
	}
	return guilty, why
}

func (f facts) innocent(c fleet.Container) bool {
	if c.LastStatus != "" && c.LastStatus != fleet.StatusStopped && c.ExitCode == nil {
		return true
	}
	if f.Definition == nil {
		return false
	}
	d, ok := f.Definition.Container(c.Name)
	return ok && (!d.Essential || f.Definition.Helper(c.Name) && c.ExitCode != nil && *c.ExitCode == 0)
}

func hasFatal(sigs []Signature, container string) bool {
	return slices.ContainsFunc(sigs, func(s Signature) bool { return s.Container == container && s.Fatal })
}

// failingReason: the container's reason tells its own failure, not what happened to it while the task stopped.
func failingReason(reason string) bool {
	r := strings.ToLower(reason)
	return memoryText.MatchString(r) || ownStartError.MatchString(r) || strings.Contains(r, "cannotpull")
}

// timedOut tells whether the stop took so long that a SIGKILL is the stop timeout's.
func (f facts) timedOut() bool {
	t := f.Task
	end := t.StoppedAt
	if t.ExecutionStopped.After(t.StoppingAt) {
		end = t.ExecutionStopped
	}
	return end.Sub(t.StoppingAt).Seconds() >= stopTimeoutSeconds
}

// tornDown tells that only stoppedAt says how long the stop took: that has the task's tear-down in it, 10 to 40 seconds, and
// so proves no stop timeout.
func (f facts) tornDown() bool { return !f.Task.ExecutionStopped.After(f.Task.StoppingAt) }

// image is the container's image, from the definition where the task does not say it.
func (f facts) image(c fleet.Container) string {
	if c.Image == "" && f.Definition != nil {
		d, _ := f.Definition.Container(c.Name)
		return d.Image
	}
	return c.Image
}

// byReason is the container whose own reason matches: an essential one first. Without any, the only container is meant.
func (f facts) byReason(match func(string) bool) (*fleet.Container, string) {
	var found *fleet.Container
	for i := range f.Task.Containers {
		c := &f.Task.Containers[i]
		if match(strings.ToLower(c.Reason)) && (found == nil || f.innocent(*found) && !f.innocent(*c)) {
			found = c
		}
	}
	if found != nil {
		return found, "its reason says so: " + Mask(found.Reason)
	}
	return f.only()
}

// outOfMemory is the container whose reason speaks of memory or, where only the task's text does, the one that SIGKILL ended:
// it is what the kernel sends.
func (f facts) outOfMemory() (*fleet.Container, string) {
	c, why := f.byReason(memoryText.MatchString)
	if c != nil {
		return c, why
	}
	for i := range f.Task.Containers {
		if code := f.Task.Containers[i].ExitCode; code == nil || *code != 137 {
			continue
		}
		if c != nil {
			return nil, why
		}
		c = &f.Task.Containers[i]
	}
	if c == nil {
		return nil, why
	}
	return c, "the text speaks of memory, and it alone was killed (137)"
}

func (f facts) only() (*fleet.Container, string) {
	if len(f.Task.Containers) == 1 {
		return &f.Task.Containers[0], "it is the task's only container"
	}
	return nil, "the text names no container"
}

// pulling is the container whose image could not be pulled: by its reason, by the image that the text names, or alone.
func (f facts) pulling() (*fleet.Container, string) {
	c, why := f.byReason(func(r string) bool { return strings.Contains(r, "pull") })
	if c != nil {
		return c, why
	}
	for i := range f.Task.Containers {
		image := strings.ToLower(f.image(f.Task.Containers[i]))
		if image != "" && strings.Contains(f.text, image) {
			return &f.Task.Containers[i], "the text names its image"
		}
	}
	return nil, why
}

// starting is the container that could not be started. What belongs to the task (secrets, network, volumes) is nobody's.
func (f facts) starting() (*fleet.Container, string) {
	for i := range f.Task.Containers {
		if r := strings.ToLower(f.Task.Containers[i].Reason); ownStartError.MatchString(r) {
			return &f.Task.Containers[i], "its reason says so: " + Mask(f.Task.Containers[i].Reason)
		}
	}
	if strings.Contains(f.text, "startcontainer") || strings.Contains(f.text, "createcontainer") {
		return f.only()
	}
	var failed []*fleet.Container
	for i := range f.Task.Containers {
		if code := f.Task.Containers[i].ExitCode; code != nil && *code != 0 && !victimCode(*code) {
			failed = append(failed, &f.Task.Containers[i])
		}
	}
	if len(failed) == 1 {
		return failed[0], "it is the only container that ran and failed"
	}
	return nil, "the task's resources belong to no container"
}

// unhealthy is the container that failed its check: the only one, the one reported unhealthy or named, the only essential
// one, or the only one that is no known agent.
func (f facts) unhealthy(k *Knowledge) (*fleet.Container, string) {
	for _, pick := range []struct {
		why  string
		take func(fleet.Container) bool
	}{
		{"it is the task's only container", func(fleet.Container) bool { return true }},
		{"it is reported unhealthy", func(c fleet.Container) bool { return strings.EqualFold(c.Health, "UNHEALTHY") }},
		{"the text names it", func(c fleet.Container) bool {
			return c.Name != "" && (strings.Contains(f.text, "(container "+strings.ToLower(c.Name)+")") || strings.Contains(f.text, "container "+strings.ToLower(c.Name)+" "))
		}},
		{"it is the only essential container", func(c fleet.Container) bool { return f.Definition != nil && !f.innocent(c) }},
		{"it is the only container that is no known agent", func(c fleet.Container) bool { return !k.Sidecar(c.Name, f.image(c)) }},
	} {
		var found *fleet.Container
		n := 0
		for i := range f.Task.Containers {
			if pick.take(f.Task.Containers[i]) {
				found = &f.Task.Containers[i]
				n++
			}
		}
		if n == 1 {
			return found, pick.why
		}
	}
	return nil, "more than one container may have failed the check"
}
