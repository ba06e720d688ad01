package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

var (
	start  = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	broken = map[string]string{otel.Sampler: "xray", otel.SamplerArg: "endpoint=http://localhost:2000"}
	wanted = map[string]string{otel.Sampler: "parentbased_traceidratio", otel.SamplerArg: "0.01"}
	policy = Policy{Name: "otel-sampler", Env: map[string][]string{otel.Sampler: {"xray"}}, When: []string{finding.SidecarCrash}, Set: wanted}
)

// world is a simulated account with services whose tasks die, other people who deploy, calls that fail in every way, and the
// edge that takes a rollout's steps. What it stores survives a death of the controller; answers and looks do not.
type world struct {
	r        *rand.Rand
	now      time.Time
	services []*service
	stored   []Rollout // as they came back from JSON, oldest first
	mode     Mode
	modeBy   Reason
	paused   string
	settings Settings
	faults   int  // chance in 1000 that a call goes wrong
	deaths   int  // chance in 1000 that the controller dies between two steps
	killAt   int  // the call with this number kills the controller; 0: none
	killDone bool // and was carried out
	failFrom int  // from the call with this number on all fail with failWith; 0: none
	failWith fate
	worse    bool
	noCure   bool
	tidies   bool // a tool deregisters what ran before each completed deployment
	calls    int
	lie      lie
	wrong    []string // broken promises
	log      []string
}

// lie is a brake taken off: the edge that tells the machine less than is true.
type lie struct{ windows, known, deploying, tags, pause, foreign bool }

type service struct {
	key      fleet.Key
	n        int
	revs     []revision
	primary  deployment
	previous string // revision of the last completed deployment
	tasks    []task
	stops    []churn.Stop
	look     *Look
	answers  []Answer
	late     []func()
	lateAt   []time.Time
	updates  map[string]int       // effective updates to the new revision, by rollout
	sent     map[string]time.Time // last Register, by rollout
}

type revision struct {
	arn, tag string
	env      map[string]string
	image    int // 0: the one that every fix keeps; otherwise somebody's release
	inactive bool
	shows    time.Time
}

// same reports whether two revisions would start the same tasks.
func (r revision) same(as revision) bool { return maps.Equal(r.env, as.env) && r.image == as.image }

// foreign reports whether the rollout did not register the revision.
func (r revision) foreign(id string) bool { return r.tag != id && r.tag != id+"/restore" }

type deployment struct {
	fleet.Deployment
	arn, status, reason string
	done                time.Time
	fails               bool
	others              bool // somebody else deployed it
}

type task struct {
	arn, revision string
	started, dies time.Time
}

func newWorld(seed uint64, services int) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 7)), now: start, mode: Auto,
		settings: Settings{MaxConcurrent: 1, MaxSoaking: 20, MaxPerDay: 10, Canary: 1, MinSoak: time.Hour, MaxSoak: 72 * time.Hour,
			PlanTTL: 24 * time.Hour, FleetSick: 0.2}}
	for i := range services {
		s := &service{key: fleet.Key{Target: "prod", Cluster: "main", Service: fmt.Sprintf("web%d", i)}, n: 1 + w.r.IntN(4),
			updates: map[string]int{}, sent: map[string]time.Time{}}
		s.register("", broken, start)
		s.previous = s.revs[0].arn
		s.primary = deployment{Deployment: fleet.Deployment{ID: "ecs-svc/0", Status: "PRIMARY", TaskDefinition: s.previous, RolloutState: fleet.RolloutCompleted,
			CreatedAt: start.Add(-48 * time.Hour)}, arn: "dep/0", status: "SUCCESSFUL"}
		for range s.n {
			for at := start.Add(-48 * time.Hour); at.Before(start); {
				t := w.born(s, at)
				s.tasks = append(s.tasks, t)
				at = t.dies
			}
		}
		w.services = append(w.services, s)
	}
	w.live()
	return w
}

func (s *service) register(tag string, env map[string]string, shows time.Time) string {
	arn := fmt.Sprintf("arn:aws:ecs:ap-northeast-1:123456789012:task-definition/%s:%d", s.key.Service, len(s.revs)+1)
	s.revs = append(s.revs, revision{arn: arn, tag: tag, env: env, shows: shows})
	return arn
}

// active lists the revisions that ECS deploys, newest first.
func (s *service) active() []revision {
	var out []revision
	for _, r := range slices.Backward(s.revs) {
		if !r.inactive {
			out = append(out, r)
		}
	}
	return out
}

func (s *service) rev(arn string) revision {
	i := slices.IndexFunc(s.revs, func(r revision) bool { return r.arn == arn })
	return s.revs[i]
}

func (s *service) definition(arn string) fleet.Definition {
	c := fleet.ContainerDefinition{Name: "app", Essential: true}
	for _, name := range []string{otel.Sampler, otel.SamplerArg} {
		c.Env = append(c.Env, fleet.EnvVar{Name: name, Value: s.rev(arn).env[name], Kept: true})
	}
	return fleet.Definition{ARN: arn, Family: s.key.Service, Containers: []fleet.ContainerDefinition{c, {Name: "ecs-cwagent", Essential: true}}}
}

func (s *service) good(arn string) bool { return s.rev(arn).env[otel.Sampler] == "xray" }

// born is a new task and when it will die: 6 to 7 hours later, or never where the fix works, or soon where it harms.
func (w *world) born(s *service, at time.Time) task {
	life := 6*time.Hour + time.Duration(w.r.Float64()*float64(time.Hour))
	switch fixed := !s.good(s.primary.TaskDefinition) && s.primary.TaskDefinition != ""; {
	case fixed && w.worse:
		life = 30*time.Minute + time.Duration(w.r.Float64()*float64(time.Minute))
	case fixed && !w.noCure:
		life = 1000 * time.Hour
	}
	return task{fmt.Sprintf("task/%s/%d", s.key.Service, w.r.Uint64()), s.primary.TaskDefinition, at, at.Add(life)}
}

// live lets everything happen that is due by now.
func (w *world) live() {
	for _, s := range w.services {
		for i := 0; i < len(s.late); i++ {
			if !s.lateAt[i].After(w.now) {
				now := w.now
				w.now = s.lateAt[i] // not when somebody looks next: what it makes shows within 30 s of it
				s.late[i]()
				w.now = now
				s.late, s.lateAt = slices.Delete(s.late, i, i+1), slices.Delete(s.lateAt, i, i+1)
				i--
			}
		}
		w.deploy(s)
		for i := 0; i < len(s.tasks); i++ {
			if t := s.tasks[i]; !t.dies.After(w.now) {
				s.stop(t, t.dies, false)
				s.tasks[i] = w.born(s, t.dies)
				i--
			}
		}
	}
}

func (s *service) stop(t task, at time.Time, planned bool) {
	code := 2
	s.stops = append(s.stops, churn.Stop{TaskARN: t.arn, TaskDefinition: t.revision, StartedAt: t.started, StoppedAt: at, Lifetime: at.Sub(t.started),
		Verdict: churn.Verdict{Planned: planned, Culprit: &churn.Culprit{Container: "ecs-cwagent", ExitCode: &code}}})
}

// deploy finishes the deployment under way.
func (w *world) deploy(s *service) {
	d := &s.primary
	if d.RolloutState != fleet.RolloutInProgress || d.done.After(w.now) {
		return
	}
	if d.fails {
		old := s.previous
		d.RolloutState, d.TaskDefinition, d.status, d.reason = fleet.RolloutCompleted, old, "ROLLBACK_SUCCESSFUL", "circuit breaker"
		return
	}
	d.RolloutState, d.status, s.previous = fleet.RolloutCompleted, "SUCCESSFUL", d.TaskDefinition
	for i, t := range s.tasks {
		s.stop(t, w.now, true)
		s.tasks[i] = w.born(s, w.now)
	}
}

// update is UpdateService as ECS carries it out.
func (w *world) update(s *service, arn string) {
	if s.primary.TaskDefinition == arn {
		return
	}
	target := arn
	s.primary = deployment{Deployment: fleet.Deployment{ID: fmt.Sprint("ecs-svc/", w.r.Uint64()), Status: "PRIMARY", TaskDefinition: arn,
		RolloutState: fleet.RolloutInProgress, CreatedAt: w.now}, arn: target, status: "IN_PROGRESS", done: w.now.Add(time.Duration(1+w.r.IntN(10)) * time.Minute)}
}

func (w *world) promise(ok bool, format string, args ...any) {
	if !ok {
		w.wrong = append(w.wrong, fmt.Sprintf("%s: ", stamp(w.now))+fmt.Sprintf(format, args...))
	}
}

// known are the stored rollouts; store keeps what JSON kept of one.
func (w *world) known() []Rollout { return w.stored }

func (w *world) store(r Rollout) {
	i := slices.IndexFunc(w.stored, func(k Rollout) bool { return k.ID == r.ID })
	w.stored = slices.Clone(w.stored)
	if i >= 0 && w.stored[i].Phase == r.Phase && same(r.Intent, w.stored[i].Intent) {
		w.stored[i] = r // only what it says has changed
		return
	}
	body, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	var back Rollout
	if err := json.Unmarshal(body, &back); err != nil {
		panic(err)
	}
	if i >= 0 {
		w.stored[i] = back
		return
	}
	w.stored = append(w.stored, back)
}

func same(a, b *Intent) bool { return a == b || a != nil && b != nil && *a == *b }

func (w *world) brakes() Brakes {
	b := Brakes{Mode: w.mode, ModeBy: w.modeBy, Paused: w.paused, Settings: w.settings, Known: w.known(), ViewAge: 15 * time.Minute,
		Fleet: Fleet{Complete: true, Services: len(w.services)}}
	if w.lie.windows {
		b.Settings.Windows, b.Settings.Freezes = nil, nil
	}
	if w.lie.known {
		b.Known = nil
	}
	if w.lie.pause {
		b.Paused = ""
	}
	return b
}

func (w *world) observe(s *service) fleet.Observation {
	o := fleet.Observation{Key: s.key, Seen: fleet.Seen{At: w.now, Complete: true}, Definitions: map[string]fleet.Definition{}}
	o.Service = fleet.Service{ARN: "arn:aws:ecs:ap-northeast-1:123456789012:service/main/" + s.key.Service, Name: s.key.Service, Status: "ACTIVE", Controller: "ECS",
		TaskDefinition: s.primary.TaskDefinition, Desired: s.n, Running: s.n, Deployments: []fleet.Deployment{s.primary.Deployment}}
	o.Service.Deployments[0].Running, o.Service.Deployments[0].Desired = s.n, s.n
	if s.primary.RolloutState == fleet.RolloutInProgress {
		o.Service.Deployments = append(o.Service.Deployments, fleet.Deployment{Status: "ACTIVE", TaskDefinition: s.previous, RolloutState: fleet.RolloutCompleted})
	}
	if w.lie.deploying {
		o.Service.Deployments = o.Service.Deployments[:1]
		o.Service.Deployments[0].RolloutState, o.Service.Deployments[0].TaskDefinition = fleet.RolloutCompleted, s.previous
		o.Service.TaskDefinition = s.previous
	}
	for _, t := range s.tasks {
		o.Tasks = append(o.Tasks, fleet.Task{ARN: t.arn, TaskDefinition: t.revision, LastStatus: fleet.StatusRunning, StartedAt: t.started})
	}
	for _, r := range s.revs {
		o.Definitions[r.arn] = s.definition(r.arn)
	}
	return o
}

// pass is one service pass of the edge: propose, then advance and act until nothing fresh comes of it.
func (w *world) pass(s *service) {
	o := w.observe(s)
	h := churn.History{Stops: s.stops, Since: start.Add(-48 * time.Hour)}
	f := []finding.Finding{{Key: s.key, Type: finding.SidecarCrash, Subject: "ecs-cwagent", Status: finding.True, FirstSeen: start}}
	facts := Facts{Owner: Owner{State: NoOwner}, Base: s.status(s.primary.TaskDefinition)}
	if r, ok := Propose(Subject{Observation: o, History: h, Findings: f, Facts: facts}, policy, w.brakes(), w.now); ok {
		w.store(r)
	}
	for _, r := range w.known() {
		for range 4 {
			if r.Key() != s.key || !r.Live() {
				break
			}
			was := r
			next, steps := Advance(r, World{Observation: o, History: h, Findings: f, Look: s.look, Answers: s.answers, Brakes: w.brakes()}, w.now)
			s.answers = nil
			w.watch(was, next)
			w.store(next)
			r = next
			if !w.act(s, r, steps) || s.look == nil || !s.look.At.Equal(w.now) && len(s.answers) == 0 {
				break
			}
		}
	}
}

// watch checks what must hold whenever a rollout changes.
func (w *world) watch(was, is Rollout) {
	if was.Phase == Approved && is.Phase == Registering {
		open := w.settings
		w.promise(open.windowClosed(w.now) == nil, "%s starts outside a window", is.ID)
		w.promise(w.paused == "", "%s starts while paused", is.ID)
		for _, k := range w.known() {
			bad := k.Outcome == RolledBack || k.Outcome == Failed || k.Outcome == Superseded
			w.promise(!k.Canary || !bad || k.Wrote.IsZero(), "%s starts after the canary %s ended %s", is.ID, k.ID, k.Outcome)
		}
		acting, today := 1, 1
		for _, k := range w.known() {
			if k.ID == is.ID {
				continue
			}
			if k.acting() || k.Live() && k.Phase == Soaking && k.Canary {
				acting++
			}
			if !k.StartedAt.IsZero() && w.now.Sub(k.StartedAt) < 24*time.Hour {
				today++
			}
		}
		w.promise(acting <= w.settings.MaxConcurrent, "%d act at once, %d may", acting, w.settings.MaxConcurrent)
		w.promise(today <= w.settings.MaxPerDay, "%d started in a day, %d may", today, w.settings.MaxPerDay)
	}
	live, soaking := 0, 0
	for _, k := range w.known() {
		if k.ID == is.ID {
			k = is
		}
		if k.Live() && k.Key() == is.Key() {
			live++
		}
		if k.Live() && k.Phase == Soaking && !k.Canary {
			soaking++
		}
	}
	w.promise(live <= 1, "%d live rollouts on %s", live, is.Key())
	w.promise(soaking <= w.settings.MaxSoaking, "%d soak at once, %d may", soaking, w.settings.MaxSoaking)
}

// fate is what happens to one call.
type fate int

const (
	works fate = iota
	throttled
	denied
	lostBefore // no answer, nothing was done
	lostAfter  // no answer, it was done
	lostLate   // no answer, it will be done
	kills      // the controller dies after the call was sent
)

func (w *world) fate() fate {
	w.calls++
	switch {
	case w.failFrom > 0 && w.calls >= w.failFrom:
		return w.failWith
	case w.calls == w.killAt:
		return kills
	case w.r.IntN(1000) < w.deaths:
		return kills
	case w.r.IntN(1000) < w.faults:
		return []fate{throttled, throttled, denied, lostBefore, lostAfter, lostLate}[w.r.IntN(6)]
	}
	return works
}

var errNoAnswer = errors.New("no answer within 30s")

// act takes the steps. It is false where the controller died on the way: then nothing of what it knew is left.
func (w *world) act(s *service, r Rollout, steps []Step) (alive bool) {
	for _, step := range steps {
		if step.Call == Record {
			w.log = append(w.log, stamp(w.now)+" "+step.Text)
			continue
		}
		w.allowed(r, step)
		f := w.fate()
		do := func() Answer { return w.do(s, r, step) }
		switch f {
		case works:
			s.answers = append(s.answers, do())
		case throttled:
			s.answers = append(s.answers, Answer{Call: step.Call, At: w.now, Err: fleet.ErrThrottled})
		case denied:
			s.answers = append(s.answers, Answer{Call: step.Call, At: w.now, Err: fleet.ErrDenied})
		case lostBefore:
			s.answers = append(s.answers, Answer{Call: step.Call, At: w.now, Err: errNoAnswer})
		case lostAfter:
			do()
			s.answers = append(s.answers, Answer{Call: step.Call, At: w.now, Err: errNoAnswer})
		case lostLate:
			s.late, s.lateAt = append(s.late, func() { do() }), append(s.lateAt, w.now.Add(time.Duration(w.r.IntN(30))*time.Second))
			s.answers = append(s.answers, Answer{Call: step.Call, At: w.now, Err: errNoAnswer})
		case kills:
			if w.calls == w.killAt && w.killDone || w.calls != w.killAt && w.r.IntN(2) == 0 {
				do()
			}
			for _, other := range w.services {
				other.answers, other.look = nil, nil
			}
			return false
		}
	}
	return true
}

// allowed checks a write at the moment that it is sent. Only a way back that an approver ordered passes a pause or the mode.
func (w *world) allowed(r Rollout, step Step) {
	if step.Call == Fresh || step.Call == FindByTag || r.Order != nil && r.Phase == RollingBack {
		return
	}
	w.promise(w.paused == "" || w.lie.pause, "%s: %s while paused", r.ID, step.Call)
	w.promise(w.mode == Approve || w.mode == Auto, "%s: %s in mode %s", r.ID, step.Call, w.mode)
}

// again is RegisterTaskDefinition of the content that a revision has.
func (s *service) again(of revision, tag string, now time.Time) string {
	arn := s.register(tag, of.env, now)
	s.revs[len(s.revs)-1].image = of.image
	return arn
}

// restore is the edge's part of Restore.
func (w *world) restore(s *service, r Rollout, step Step, a *Answer) {
	base, newest := s.rev(step.Base), s.active()
	switch {
	case len(newest) > 0 && newest[0].same(base):
		a.Revision = newest[0].arn
	case len(newest) > 0 && newest[0].foreign(r.ID) && !w.lie.foreign:
		a.Foreign = newest[0].arn
	default:
		w.promise(len(newest) == 0 || !newest[0].foreign(r.ID), "%s: covers a revision that somebody else registered", r.ID)
		a.Revision = s.again(base, step.Tag, w.now)
	}
}

// reregister is the edge's part of Reregister.
func (w *world) reregister(s *service, r Rollout, step Step, a *Answer) {
	base, newest := s.rev(step.Base), s.active()
	i := slices.IndexFunc(newest, base.same)
	switch {
	case !base.inactive:
		a.Revision = base.arn
	case i >= 0:
		a.Revision = newest[i].arn
	default:
		if len(newest) > 0 && newest[0].foreign(r.ID) {
			a.Foreign = newest[0].arn
		}
		a.Revision = s.again(base, step.Tag, w.now)
	}
}

func (s *service) status(arn string) string {
	if s.rev(arn).inactive {
		return "INACTIVE"
	}
	return fleet.RevisionActive
}

// do carries a call out.
func (w *world) do(s *service, r Rollout, step Step) Answer {
	a := Answer{Call: step.Call, At: w.now}
	forward := step.Call == Register || step.Call == Update && step.Revision == r.Revision
	switch step.Call {
	case Fresh:
		o := w.observe(s)
		s.look = &Look{At: w.now, Service: o.Service, Carries: r.Plan.Carries(s.definition(s.primary.TaskDefinition)),
			Deployment: Deployment{ARN: s.primary.arn, Status: s.primary.status, Reason: s.primary.reason, Target: s.primary.arn, Started: s.primary.CreatedAt}}
		if w.lie.deploying {
			s.look.Deployment = Deployment{}
		}
	case FindByTag:
		for _, rev := range s.revs {
			if rev.tag == step.Tag && !rev.shows.After(w.now) && !w.lie.tags {
				a.Revision = rev.arn
			}
		}
	case Register:
		if s.rev(step.Base).inactive {
			return Answer{Call: step.Call, At: w.now, Refusal: BaseInactive(step.Base, "INACTIVE")}
		}
		a.Revision = s.register(step.Tag, step.Set["app"], w.now.Add(time.Duration(w.r.IntN(30))*time.Second))
		n := 0
		for _, rev := range s.revs {
			if rev.tag == step.Tag {
				n++
			}
		}
		w.promise(n == 1, "%s: %d revisions registered", r.ID, n)
	case Reregister:
		w.reregister(s, r, step, &a)
	case Restore:
		w.restore(s, r, step, &a)
	case Update:
		switch back := !forward && s.rev(step.Revision).inactive; {
		case forward && s.rev(r.Plan.Base).inactive, back && w.r.IntN(2) == 0: // the edge looks
			return Answer{Call: step.Call, At: w.now, Refusal: BaseInactive(step.Revision, "INACTIVE")}
		case back, s.rev(step.Revision).inactive:
			return Answer{Call: step.Call, At: w.now, Err: fleet.ErrTerminal}
		}
		if forward {
			w.promise(s.primary.TaskDefinition == r.Plan.Base || s.primary.TaskDefinition == step.Revision, "%s: deployed over %s", r.ID, s.primary.TaskDefinition)
			w.promise(s.primary.RolloutState == fleet.RolloutCompleted || s.primary.TaskDefinition == step.Revision, "%s: deployed into another deployment", r.ID)
			if s.primary.TaskDefinition != step.Revision {
				s.updates[r.ID]++
			}
			w.promise(s.updates[r.ID] <= 1, "%s: %d effective updates", r.ID, s.updates[r.ID])
		} else {
			ours := slices.Contains([]string{r.Revision, r.Plan.Base, r.Ending.To}, s.primary.TaskDefinition)
			w.promise(ours, "%s: rolled back over %s", r.ID, s.primary.TaskDefinition)
		}
		w.update(s, step.Revision)
	}
	return a
}

// tick lets time pass and everybody act.
func (w *world) tick(d time.Duration) {
	w.now = w.now.Add(d)
	w.live()
	for _, s := range w.services {
		w.pass(s)
	}
}

// begun reports whether a rollout is on its way beyond approval.
func begun(r Rollout) bool { return r.Phase != Proposed && r.Phase != Approved }

// run goes on until every rollout has ended and stays so for a while, or for so many days.
func (w *world) run(days int, between func()) {
	quiet := 0
	for end := w.now.Add(time.Duration(days) * 24 * time.Hour); w.now.Before(end) && quiet < 30 && len(w.wrong) == 0; {
		step := 10 * time.Minute
		quiet++
		for _, r := range w.known() {
			if r.Live() && begun(r) {
				quiet = 0
			}
			switch {
			case r.acting() && w.now.Sub(r.Since) < 10*time.Minute:
				step = 20 * time.Second
			case r.acting() && step > 2*time.Minute:
				step = 2 * time.Minute
			}
		}
		if between != nil {
			between()
		}
		w.tick(step)
	}
}
