package scan

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// What a service event tells (Amazon ECS guide, "Amazon ECS service event messages").
type eventKind string

const (
	eventStarted   eventKind = "started"   // has started N tasks: (task …) (task …)
	eventStopped   eventKind = "stopped"   // has stopped N running tasks: (task …): the scheduler did it
	eventUnhealthy eventKind = "unhealthy" // is unhealthy in (target-group …), failed container health checks
	eventCompleted eventKind = "completed" // (deployment …) deployment completed.
	eventOther     eventKind = "other"
)

// maxEvent bounds what is read of one message; a start names ten tasks at most.
const maxEvent = 8 << 10

var eventTasks = regexp.MustCompile(`\(task ([0-9a-f-]{8,64})\)`)

var eventDeployment = regexp.MustCompile(`\(deployment (ecs-svc/[0-9]{1,24})\)`)

// eventOf reads one message: what it tells, and the tasks or the deployment it names. A text that nobody has seen before is other, never an error.
func eventOf(message string) (eventKind, []string) {
	message = message[:min(len(message), maxEvent)]
	kind := eventOther
	switch {
	case strings.Contains(message, " has started "):
		kind = eventStarted
	case strings.Contains(message, " has stopped "):
		kind = eventStopped
	case strings.Contains(message, " is unhealthy in "), strings.Contains(message, " failed container health checks"),
		strings.Contains(message, " failed ELB health checks"):
		return eventUnhealthy, nil
	case strings.Contains(message, ") deployment completed"):
		return eventCompleted, names(eventDeployment, message)
	default:
		return kind, nil
	}
	return kind, names(eventTasks, message)
}

func names(re *regexp.Regexp, message string) []string {
	var ids []string
	for _, m := range re.FindAllStringSubmatch(message, -1) {
		if id := m[1]; !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// start is one task's start by the scheduler.
type start struct {
	task  string
	at    time.Time
	crowd int // how many started in the same event
}

// ledger is what the service events say of tasks.
type ledger struct {
	from    time.Time // the oldest event; zero: there are none
	events  int
	starts  []start              // oldest first
	stopped map[string]time.Time // by the scheduler: deployments, scale-in, and what failed a health check
	sick    map[string]bool      // of those stopped, the ones that failed a health check
	ended   map[string]time.Time // deployments that completed
}

// soon is how close a stop follows on the event that says why.
const soon = 3 * time.Minute

func ledgerOf(events []fleet.ServiceEvent) ledger {
	l := ledger{events: len(events), stopped: map[string]time.Time{}, sick: map[string]bool{}, ended: map[string]time.Time{}}
	ordered := slices.Clone(events)
	slices.Reverse(ordered) // AWS gives the newest first, also of those with one time
	slices.SortStableFunc(ordered, func(a, b fleet.ServiceEvent) int { return a.At.Compare(b.At) })
	if len(ordered) > 0 {
		l.from = ordered[0].At
	}
	var ill time.Time
	for _, e := range ordered {
		kind, tasks := eventOf(e.Message)
		switch kind {
		case eventUnhealthy:
			ill = e.At
		case eventCompleted:
			for _, id := range tasks {
				l.ended[id] = e.At
			}
		case eventStarted:
			for _, id := range tasks {
				l.starts = append(l.starts, start{id, e.At, len(tasks)})
			}
		case eventStopped:
			for _, id := range tasks {
				l.stopped[id] = e.At
				l.sick[id] = !ill.IsZero() && e.At.Sub(ill) <= soon
			}
		}
	}
	return l
}
