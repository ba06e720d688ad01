package account

import (
	"maps"
	"slices"
	"time"

	"taskwarden/test/account/cloudwatch"
	"taskwarden/test/account/wire"
)

// Call is one API call that reached the account.
type Call struct {
	At        time.Time
	Service   string // the IAM prefix: ecs, cloudwatch, logs, sns, sts
	Op        string
	Input     map[string]any // as decoded; not to be changed
	Region    string         // of the signature
	AccessKey string         // of the signature
	UserAgent string         // how the caller names itself
	Caller    string         // the ARN of the role that the access key was given for, or of the account's own caller
	Code      string         // the error's code; empty where the call succeeded
	Cut       bool           // applied, but the reply was withheld
}

// Action is the call's name in IAM, such as "ecs:ListClusters".
func (c Call) Action() string { return c.Service + ":" + c.Op }

// Stop is the truth about one stopped task.
type Stop struct {
	At         time.Time // stoppedAt
	Cluster    string
	Service    string
	TaskARN    string
	Definition string // family:revision
	Deployment string // the deployment that had started it
	Cause      string // deployment, scale_in, operator_stop, spot_interruption, maintenance, host_drain, essential_container_exited, oom_killed, elb_health_check, container_health_check, image_pull, resource_init, placement or circuit_breaker
	Culprit    string // the container to blame; empty: none
	ExitCode   *int   // of the culprit; nil: none, or it never ran
	Planned    bool
	Code, Text string // what ECS says: stopCode and stoppedReason
	Ran        time.Duration
}

// Restart is the truth about one restart of a container under its restart policy, which no ECS API shows.
type Restart struct {
	At        time.Time
	Cluster   string
	Service   string
	TaskARN   string
	Container string
	ExitCode  int
}

// Event is something that happened in the account, told as it happens.
type Event struct {
	At      time.Time
	Kind    string // step, stop, restart, container, deployment, scale or alarm
	Cluster string
	Service string
	Text    string
	Stop    *Stop // with kind stop
}

// callsKept bounds the record of calls: a server that runs for days forgets the oldest.
const callsKept = 200_000

// Calls gives every call so far (the newest 200,000), in the order in which they were applied.
func (a *Account) Calls() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// CallCounts counts the calls by action, such as "ecs:ListTasks", failed ones included.
func (a *Account) CallCounts() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.counts)
}

// Stops gives the truth: every task that has stopped, in the order of time.
func (a *Account) Stops() []Stop {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.stops)
}

// Restarts gives every container restart under a restart policy, in the order of time.
func (a *Account) Restarts() []Restart {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.restarts)
}

// Narrate has every event told to tell, from now on. It is called after the account's lock is released, so it may call the
// account, and it must not block for long.
func (a *Account) Narrate(tell func(Event)) {
	a.mu.Lock()
	a.tellers = append(a.tellers, tell)
	a.alarms = len(a.metrics.Transitions())
	a.mu.Unlock()
}

func (a *Account) emit(e Event) {
	if len(a.tellers) == 0 {
		return
	}
	e.At = a.now
	a.pending = append(a.pending, e)
}

// alarmEvents turns the alarms' transitions since the last time into events.
func (a *Account) alarmEvents() []Event {
	var events []Event
	all := a.metrics.Transitions()
	for _, t := range all[min(a.alarms, len(all)):] {
		events = append(events, Event{At: t.At, Kind: "alarm", Text: t.Alarm + ": " + t.From + " to " + t.To + ", " + t.Reason})
	}
	a.alarms = len(all)
	return events
}

func (a *Account) callOf(req wire.Request, at time.Time) Call {
	return Call{At: at, Service: req.Service, Op: req.Op, Input: req.Input, Region: req.Region, AccessKey: req.AccessKey, UserAgent: req.UserAgent, Caller: a.caller(req.AccessKey)}
}

func (a *Account) recordCall(req wire.Request, at time.Time, err *wire.Error, cut bool) {
	c := a.callOf(req, at)
	c.Cut = cut
	if err != nil {
		c.Code = err.Code
	}
	a.counts[c.Action()]++
	if len(a.calls) >= callsKept {
		a.calls = slices.Delete(a.calls, 0, callsKept/10)
	}
	a.calls = append(a.calls, c)
}

func (a *Account) recordStop(t *task) {
	s := Stop{
		At: t.stopped, Cluster: t.service.cluster.name, Service: t.service.Name, TaskARN: t.arn,
		Definition: t.def.name(), Deployment: t.startedBy,
		Cause: t.why.Cause, Culprit: t.why.Culprit, Planned: t.why.Planned, Code: t.why.Code, Text: t.why.Text,
	}
	if !t.started.IsZero() {
		s.Ran = t.stopping.Sub(t.started)
	}
	for _, c := range t.containers {
		if c.spec.name == s.Culprit {
			s.ExitCode = c.exit
		}
	}
	a.stops = append(a.stops, s)
	a.emit(Event{Kind: "stop", Cluster: s.Cluster, Service: s.Service, Stop: &s, Text: s.Code + ": " + s.Text + " (" + s.Cause + ")"})
}

func (a *Account) recordRestart(c *container, exit int) {
	r := Restart{At: a.now, Cluster: c.task.service.cluster.name, Service: c.task.service.Name, TaskARN: c.task.arn, Container: c.spec.name, ExitCode: exit}
	a.restarts = append(a.restarts, r)
	c.restarted++
	a.emit(Event{Kind: "restart", Cluster: r.Cluster, Service: r.Service, Text: "container " + r.Container + " restarted by its policy"})
}

// Transitions gives what the alarms did, in the order of time.
func (a *Account) Transitions() []cloudwatch.Transition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.metrics.Transitions())
}
