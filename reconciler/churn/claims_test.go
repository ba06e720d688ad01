package churn

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// fleetOf is what a look at a service shows of tasks with given lives: those that run, and those that stopped within the
// last hour.
func fleetOf(offset time.Duration, desired int, lives []fleet.Task) fleet.Observation {
	o := look(offset)
	for _, t := range lives {
		switch {
		case t.StartedAt.After(o.At) || t.StoppedAt.Before(o.At.Add(-time.Hour)):
		case t.StoppedAt.After(o.At):
			alive := running(0)
			alive.ARN, alive.StartedAt = t.ARN, t.StartedAt
			o.Tasks = append(o.Tasks, alive)
			o.Service.Running++
		default:
			o.Tasks = append(o.Tasks, t)
		}
	}
	o.Service.Desired, o.Service.Running = desired, desired
	return o
}

// slots gives tasks that follow one another in each of so many places, from a time on; each lives as long as life says.
func slots(n int, from, to time.Duration, life func(n int) time.Duration) []fleet.Task {
	var out []fleet.Task
	for slot := range n {
		for at := from + time.Duration(slot)*time.Hour/time.Duration(n); at < to; {
			l := life(len(out))
			out = append(out, crash(len(out), at+l, l))
			at += l + time.Minute
		}
	}
	return out
}

// Sparse deaths of services of all sizes: opened by the third death where that puts the rate beyond doubt, later where the
// tasks are many, and never for three deaths among two hundred.
func TestSparseDeaths(t *testing.T) {
	sevenHours := func(n int) time.Duration { return 6*time.Hour + time.Duration(n*7%60)*time.Minute }
	rarely := func(n int) time.Duration {
		if n == 7 || n == 77 || n == 133 {
			return time.Duration(n) * 10 * time.Minute
		}
		return 1000 * time.Hour
	}
	for _, c := range []struct {
		name       string
		tasks      int
		life       func(int) time.Duration
		closed, by int // closed below so many deaths, open from so many on
	}{
		{"one task", 1, sevenHours, 3, 3}, {"four tasks", 4, sevenHours, 3, 3},
		{"two hundred tasks", 200, sevenHours, 4, 30}, {"three of two hundred", 200, rarely, 4, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{h: History{Since: at(0)}, p: policy()}
			lives := slots(c.tasks, 0, 24*time.Hour, c.life)
			deaths := 0
			for offset := time.Duration(0); offset < 24*time.Hour && deaths < 40; offset += 20 * time.Minute {
				j := w.judge(fleetOf(offset, c.tasks, lives))
				deaths = len(w.h.Stops)
				open := len(j.Claims) > 0 && j.Claims[0].Type == finding.SilentChurn && !j.Claims[0].Keeps
				if open && deaths < c.closed || !open && deaths >= c.by {
					t.Fatalf("%d deaths, open %v at %s: %s", deaths, open, offset, claimed(j.Claims))
				}
			}
			if deaths < 3 {
				t.Fatalf("%d deaths", deaths)
			}
		})
	}
}

// Whatever stops and looks come, deployments and partial views among them: a finding of deaths opens at most once for each
// death, closes only after the clearing time without one, and not for a deployment or a window that slid.
func TestFindingsDoNotFlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		desired := rapid.SampledFrom([]int{1, 4}).Draw(t, "tasks")
		mean := rapid.SampledFrom([]time.Duration{3 * time.Minute, time.Hour, 7 * time.Hour}).Draw(t, "life")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		lives := slots(desired, 0, 50*mean, func(int) time.Duration { return time.Minute + time.Duration(r.ExpFloat64()*float64(mean)) })
		deployed := at(-time.Hour)
		w := world{h: History{Since: at(0)}, p: policy()}
		var findings []finding.Finding
		opened := map[string]int{}
		offset := time.Duration(0)
		for range 80 {
			offset += time.Duration(rapid.IntRange(1, 55).Draw(t, "minutes")) * time.Minute // no stop goes unseen
			o := fleetOf(offset, desired, lives)
			o.Complete = rapid.IntRange(0, 4).Draw(t, "partial") > 0
			if rapid.IntRange(0, 60).Draw(t, "deployed") == 0 {
				deployed = o.At
			}
			o.Service.Deployments[0].CreatedAt = deployed
			j := w.judge(o)
			is := finding.Merge(o.Key, findings, j.Claims, o.Seen, o.At)
			for _, tr := range finding.Transitions(findings, is, o.At) {
				id := tr.Type + tr.Subject
				last := w.h.Stops[len(w.h.Stops)-1].StoppedAt
				if tr.To == finding.True && tr.From != finding.Unknown {
					opened[id]++
				}
				if i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Type+f.Subject == id }); tr.To == finding.False && o.At.Before(findings[i].ClearsAt) {
					t.Fatalf("%s closed at %s, %s after the last death, and was to last until %s", id, o.At, o.At.Sub(last), findings[i].ClearsAt)
				}
			}
			for id, n := range opened {
				if n > len(w.h.Stops) {
					t.Fatalf("%s opened %d times at %d deaths", id, n, len(w.h.Stops))
				}
			}
			// Nothing more happens: what is over stays over.
			for _, later := range []time.Duration{time.Minute, time.Hour, 3 * time.Hour} {
				calm := o
				calm.At, calm.Tasks, calm.Complete = o.At.Add(later), slices.DeleteFunc(slices.Clone(o.Tasks), fleet.Task.Stopped), true
				after := finding.Merge(o.Key, is, Judge(calm, w.h, w.p, calm.At).Claims, calm.Seen, calm.At)
				for _, tr := range finding.Transitions(is, after, calm.At) {
					if tr.To == finding.True && tr.From != finding.Unknown {
						t.Fatalf("%s opened without a death, %s later", tr.Type, later)
					}
				}
			}
			findings = is
		}
	})
}

// A hole in what was seen restarts the clock, unless the tasks that run have outlived it.
func TestClockKnowsWhatWasNotSeen(t *testing.T) {
	deaths := []fleet.Task{crash(1, -3*time.Hour, 6*time.Hour), crash(2, -2*time.Hour, 6*time.Hour), crash(3, -time.Hour, 6*time.Hour)}
	for _, c := range []struct {
		name    string
		watched time.Duration
		started time.Duration // of the tasks that run at the look
		want    string
	}{
		{"watched all the time", 0, 0, ""},
		{"away for ten hours: nobody knows", 11 * time.Hour, 10 * time.Hour, "SilentChurn? warning UnplannedStops; SidecarCrash/ecs-cwagent? warning SidecarExited"},
		{"away for ten hours: none was replaced", 11 * time.Hour, -90 * time.Minute, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world{h: History{Since: at(-24 * time.Hour)}, p: policy()}
			w.judge(look(0, deaths...))
			if c.watched > 0 {
				w.h.Watched = at(c.watched)
			}
			var alive []fleet.Task
			for n := range 4 {
				task := running(10 + n)
				task.StartedAt = at(c.started)
				alive = append(alive, task)
			}
			if got := claimed(w.judge(look(12*time.Hour, alive...)).Claims); got != c.want {
				t.Errorf("claims %q, want %q", got, c.want)
			}
		})
	}
}

// Tasks that never come up while their deployment is not through are its own news; later they are churn.
func TestStartFailuresOfADeployment(t *testing.T) {
	var tasks []fleet.Task
	for n := range 4 {
		task := crash(n, -time.Duration(n+1)*time.Minute, 0)
		task.StartedAt, task.StopCode, task.StoppedReason = time.Time{}, "TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 5 time(s)"
		tasks = append(tasks, task)
	}
	for state, want := range map[string]string{fleet.RolloutInProgress: "", fleet.RolloutFailed: "", fleet.RolloutCompleted: "SilentChurn critical UnplannedStops"} {
		o := look(0, tasks...)
		o.Service.Deployments[0].RolloutState = state
		if got := claimed(Judge(o, History{Since: at(-time.Hour)}, policy(), o.At).Claims); got != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
	next := []fleet.Deployment{{ID: "ecs-svc/2", Status: "PRIMARY", RolloutState: fleet.RolloutCompleted, CreatedAt: at(0)}}
	w := world{h: History{Since: at(-time.Hour)}, p: policy()}
	failing := look(0, tasks...)
	failing.Service.Deployments[0].RolloutState = fleet.RolloutFailed
	w.judge(failing)
	corrected := look(5*time.Minute, tasks...)
	corrected.Service.Deployments = next
	if got := claimed(w.judge(corrected).Claims); got != "" {
		t.Errorf("the correction makes the failed deployment's tasks churn: %s", got)
	}
	late := look(0, tasks...)
	late.Service.Deployments = next
	if got := claimed(Judge(late, History{Since: at(-time.Hour)}, policy(), late.At).Claims); got != "" {
		t.Errorf("first seen when the correction was through: %s", got)
	}
	crashes := look(0, crash(1, -3*time.Minute, time.Minute), crash(2, -2*time.Minute, time.Minute), crash(3, -time.Minute, time.Minute))
	crashes.Service.Deployments[0].RolloutState = fleet.RolloutInProgress
	if got := claimed(Judge(crashes, History{Since: at(-time.Hour)}, policy(), crashes.At).Claims); !strings.HasPrefix(got, "SilentChurn critical") {
		t.Errorf("a crash during a rollout is churn: %s", got)
	}
}

// Services whose tasks others take away: hosts that go, spot capacity that is taken back, a daemon on each instance.
func TestOtherKindsOfServices(t *testing.T) {
	var taken, drained []fleet.Task
	for n := range 6 {
		spot := crash(n, -time.Duration(n)*10*time.Minute, time.Hour)
		spot.StopCode, spot.StoppedReason, spot.CapacityProvider = "SpotInterruption", "Your Spot Task was interrupted.", "FARGATE_SPOT"
		taken = append(taken, spot)
		host := crash(n, -time.Duration(n)*10*time.Minute, time.Hour)
		host.StopCode, host.StoppedReason = "TerminationNotice", "Host EC2 (instance i-0123456789abcdef0) terminated."
		drained = append(drained, host)
	}
	for name, c := range map[string]struct {
		tasks []fleet.Task
		edit  func(*fleet.Service)
		want  string
	}{
		"spot alone":                      {taken, func(s *fleet.Service) { s.Running = 1 }, ""},
		"hosts that go":                   {drained, func(s *fleet.Service) { s.SchedulingStrategy, s.LaunchType = "DAEMON", "EC2" }, ""},
		"a daemon whose instance is new":  {nil, func(s *fleet.Service) { s.SchedulingStrategy, s.Desired = "DAEMON", 5 }, ""},
		"a daemon that crashes, as often": {slots(2, -20*time.Hour, -7*time.Hour, func(int) time.Duration { return 6 * time.Hour }), func(s *fleet.Service) { s.SchedulingStrategy = "DAEMON" }, "SilentChurn warning UnplannedStops; SidecarCrash/ecs-cwagent warning SidecarExited"},
	} {
		o := look(0, c.tasks...)
		c.edit(&o.Service)
		if got := claimed(Judge(o, History{Since: at(-24 * time.Hour)}, policy(), o.At).Claims); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCompletedLoopSpeaksOfNoCrash(t *testing.T) {
	var loop []fleet.Task
	for i := range 10 {
		done := crash(i, -time.Duration(i+1)*time.Hour, 50*time.Minute)
		done.Containers = []fleet.Container{box("app", 0)}
		loop = append(loop, done)
	}
	lost := crash(20, -30*time.Minute, 50*time.Minute) // one in eleven is another's doing
	c := Judge(look(0, append(loop, lost)...), History{}, policy(), at(0)).Claims[0]
	if c.Reason != "CompletedLoop" || c.Cause.Container != "app" || *c.Cause.ExitCode != 0 {
		t.Fatalf("%+v", c)
	}
	if !strings.HasPrefix(c.Message, "container app ends by itself with exit 0, and ECS starts it again: 11 times since") && !strings.Contains(c.Message, "ends by itself with exit 0") {
		t.Errorf("message %q", c.Message)
	}
	for _, word := range []string{"crash", "die", "death"} {
		if strings.Contains(c.Message, word) {
			t.Errorf("%q in %q", word, c.Message)
		}
	}
	if got := claimed(Judge(look(0, append(loop[:3], crash(20, -time.Minute, time.Hour), crash(21, -2*time.Minute, time.Hour))...), History{}, policy(), at(0)).Claims[:1]); !strings.Contains(got, "UnplannedStops") {
		t.Errorf("two crashes of five: %s", got)
	}
}

// What is silently lost depends on what died.
func TestLostWith(t *testing.T) {
	for _, c := range []struct{ name, image, want string }{
		{"ecs-cwagent", "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1", "metrics, traces"},
		{"log_router", "public.ecr.aws/aws-observability/aws-for-fluent-bit:2", "log lines"},
		{"envoy", "public.ecr.aws/appmesh/aws-appmesh-envoy:v1", "traffic"},
		{"ecs-service-connect-x7", "", "traffic"},
		{"aws-guardduty-agent-1", "", "security"},
		{"splunk-otel-collector", "quay.io/signalfx/splunk-otel-collector:1", "metrics, traces"},
		{"vault-agent", "", "secrets"},
	} {
		if got := lostWith(c.name, c.image, true); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if got := lostWith("shipper", "corp/shipper:1", false); !strings.Contains(got, "no known agent") {
		t.Errorf("%q", got)
	}
}
