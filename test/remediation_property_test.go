package test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

// drawn is one random world: services that churn, a policy that cures, harms or does nothing, and what else goes on.
type drawn struct {
	services int
	mode     rollout.Mode
	effect   string
	settings rollout.Settings
	events   []event

	misfortunes []misfortune
}

// event is something that happens while fixes are rolled out.
type event struct {
	at      time.Duration
	service int
	what    string
}

// Events of the account alone: no person and no call is in them.
const (
	outage         = "an outage of a dependency" // all tasks fail the load balancer's health check once
	trafficStops   = "the traffic stops"         // and without it no task dies
	trafficReturns = "the traffic returns"
)

func (e event) String() string { return fmt.Sprintf("%s %s %d", e.at, e.what, e.service) }

var (
	old   = map[string]string{"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost:2000"}
	image = map[string]string{"nginx": "public.ecr.aws/nginx/nginx:1.28@sha256:" + strings.Repeat("cd", 32)}
)

func draw(t *rapid.T) drawn {
	d := drawn{services: rapid.IntRange(1, 3).Draw(t, "services"), effect: rapid.SampledFrom([]string{"cures", "harms", "nothing"}).Draw(t, "effect"),
		mode: rapid.SampledFrom([]rollout.Mode{rollout.Auto, rollout.Auto, rollout.Auto, rollout.Auto, rollout.Approve, rollout.Show, rollout.Off}).Draw(t, "mode"),
		settings: rollout.Settings{MaxConcurrent: rapid.IntRange(1, 2).Draw(t, "maxConcurrent"), MaxSoaking: rapid.IntRange(1, 2).Draw(t, "maxSoaking"),
			MaxPerDay: rapid.IntRange(1, 3).Draw(t, "maxPerDay"), Canary: rapid.IntRange(1, 2).Draw(t, "canary"),
			MinSoak: 30 * time.Minute, MaxSoak: 4 * time.Hour, PlanTTL: 6 * time.Hour, FleetSick: 1}}
	if rapid.Bool().Draw(t, "window") {
		schedule, err := cron.ParseStandard("CRON_TZ=UTC 0 */3 * * *")
		if err != nil {
			t.Fatal(err)
		}
		d.settings.Windows = []rollout.Window{{Schedule: schedule, Duration: time.Hour, Name: "an hour of three"}}
	}
	kinds := []string{"somebody deploys without", "somebody deploys with", "somebody deploys an image", "pause", "resume", "restart", "restart", "calls fail", "answers are lost", "denied", "all is well",
		"the base is deregistered", "the base is deregistered", "somebody registers", "somebody registers", "tag off", "tag auto", "a person takes it back",
		outage, trafficStops, trafficReturns}
	d.events = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{time.Duration(rapid.IntRange(1, 600).Draw(t, "at")) * time.Minute, rapid.IntRange(0, d.services-1).Draw(t, "service"), rapid.SampledFrom(kinds).Draw(t, "what")}
	}), 0, 10).Draw(t, "events")
	d.misfortunes = drawMisfortunes(t, d.services)
	slices.SortStableFunc(d.events, func(a, b event) int { return int(a.at - b.at) })
	return d
}

// scenario is the incident with shorter lives, once for each service.
func (d drawn) scenario(t *testing.T) account.Scenario {
	s := fixable(t)
	first := s.Clusters[0].Services[0]
	s.Clusters[0].Services = nil
	for i := range d.services {
		v := first
		v.Name, v.TaskDefinition.Family = fmt.Sprintf("django%d", i), fmt.Sprintf("django%d", i)
		v.Models = maps.Clone(first.Models)
		byTag(&v)
		m := v.Models["cwagent"]
		m.Cases = slices.Clone(m.Cases)
		m.Cases[0].Lifetime = account.Between(50*time.Minute, 60*time.Minute)
		fixed := account.Case{When: map[string]string{"OTEL_TRACES_SAMPLER": cure["OTEL_TRACES_SAMPLER"]}, Exit: 2}
		switch d.effect {
		case "harms":
			fixed.Lifetime = account.Between(5*time.Minute, 8*time.Minute)
			m.Cases = append(m.Cases, fixed)
		case "nothing":
			fixed.Lifetime = m.Cases[0].Lifetime
			m.Cases = append(m.Cases, fixed)
		}
		v.Models["cwagent"] = m
		s.Clusters[0].Services = append(s.Clusters[0].Services, v)
	}
	s.History = account.Exactly(6 * time.Hour)
	for _, e := range d.events {
		step := account.Step{At: account.Exactly(e.at), Do: account.DoDeploy, Service: fmt.Sprintf("django%d", e.service), Why: e.what}
		switch e.what {
		case "somebody deploys without":
			step.Set = map[string]map[string]string{"django": old}
		case "somebody deploys with":
			step.Set = map[string]map[string]string{"django": cure}
		case "somebody deploys an image":
			step.Image = image
		case outage:
			step.Do, step.Count = account.DoELB, 4
		case trafficStops, trafficReturns:
			m := s.Clusters[0].Services[e.service].Models["cwagent"]
			if e.what == trafficStops {
				m.Cases = nil
			}
			step.Do, step.Container, step.Model = account.DoSetModel, "cwagent", m
		default:
			continue
		}
		s.Timeline = append(s.Timeline, step)
	}
	return s
}

// witness looks at each write as it reaches the account, and notes what it must not have been.
type witness struct {
	*world
	d   drawn
	ecs *ecs.Client

	mu       sync.Mutex
	running  running
	paused   bool
	off      map[string]time.Time // since when a service's tag says off
	trouble  string
	troubled bool // calls failed at some time: a way back may have run out of time
	writes   int
	wrong    []string
	fortune  *fortune
}

func (w *witness) complain(format string, args ...any) {
	w.wrong = append(w.wrong, time.Now().UTC().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

// see is asked about each write before it is carried out.
func (w *witness) see(c account.Call) account.Gate {
	if c.AccessKey == personsKey || somebodys(c) {
		return account.Gate{}
	}
	meets := w.fortune.meets(c)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	r, ok := w.rolloutOf(c)
	if !ok {
		w.complain("%s that belongs to no live rollout: %v", c.Op, c.Input)
		return account.Gate{}
	}
	w.judge(c, r)
	w.paced(c)
	w.registersOverNobody(c, r)
	if c.Op == "UpdateService" {
		w.overNobody(c, r)
	} else {
		w.coversNothing(c, r)
	}
	switch w.trouble {
	case "calls fail":
		return account.Gate{Err: wire.Bad("ServerException", "a test")}
	case "answers are lost":
		return account.Gate{Cut: true}
	}
	return meets
}

// somebodys reports whether the event "somebody registers" made the call: its revision has one container.
func somebodys(c account.Call) bool { return len(asList(c.Input["containerDefinitions"])) == 1 }

// rolloutOf is the one live rollout that a write is of.
func (w *witness) rolloutOf(c account.Call) (rollout.Rollout, bool) {
	var of []rollout.Rollout
	for _, r := range w.running.Rollouts(fleet.Key{}) {
		tagged := slices.ContainsFunc(asList(c.Input["tags"]), func(tag any) bool {
			m, _ := tag.(map[string]any)
			return m["key"] == rollout.RolloutTag && (m["value"] == r.ID || m["value"] == r.ID+"/restore")
		})
		if r.Live() && (tagged || c.Input["service"] == r.Plan.ServiceARN) {
			of = append(of, r)
		}
	}
	if len(of) != 1 {
		return rollout.Rollout{}, false
	}
	return of[0], true
}

func asList(v any) []any { l, _ := v.([]any); return l }

// judge holds a write against modes, pause, windows and caps. A way back is free of the last two.
func (w *witness) judge(c account.Call, r rollout.Rollout) {
	if w.d.mode != rollout.Auto && (w.d.mode != rollout.Approve || r.Approval == nil || r.Approval.By != "oncall") {
		w.complain("%s in mode %s", c.Op, w.d.mode)
	}
	if ordered := r.Order != nil && r.Phase == rollout.RollingBack; !ordered {
		if w.paused {
			w.complain("%s while paused", c.Op)
		}
		// The tag is read with each look, and what was read serves for ten minutes.
		if since, off := w.off[r.Key().Service]; off && time.Since(since) > 11*time.Minute {
			w.complain("%s of %s (%s) under the tag off since %s", c.Op, r.ID, r.Phase, since.UTC().Format("15:04:05"))
		}
	}
	if r.Phase == rollout.RollingBack {
		return
	}
	w.afterABadCanary(c, r)
	if len(w.d.settings.Windows) > 0 && time.Now().UTC().Hour()%3 != 0 {
		w.complain("%s of %s (%s) outside the window", c.Op, r.ID, r.Phase)
	}
	acting, soaking, today := 1, 1, 1
	if r.Canary {
		soaking = 0
	}
	for _, k := range w.running.Rollouts(fleet.Key{}) {
		if k.ID == r.ID || k.StartedAt.IsZero() || k.StartedAt.After(r.StartedAt) || k.Foreign {
			continue
		}
		begun := k.Phase == rollout.Registering || k.Phase == rollout.Rolling
		if k.Live() && (begun || k.Phase == rollout.Soaking && k.Canary) {
			acting++
		}
		if k.Live() && !k.Canary && (begun || k.Phase == rollout.Soaking) {
			soaking++
		}
		if r.StartedAt.Sub(k.StartedAt) < 24*time.Hour {
			today++
		}
	}
	if s := w.d.settings; acting > s.MaxConcurrent || soaking > s.MaxSoaking || today > s.MaxPerDay {
		w.complain("%s of %s: %d acting, %d soaking, %d today, caps %+v", c.Op, r.ID, acting, soaking, today, s)
	}
}

// afterABadCanary looks for a canary of the fix that ended badly: nobody resets anything here.
func (w *witness) afterABadCanary(c account.Call, r rollout.Rollout) {
	for _, k := range w.running.Rollouts(fleet.Key{}) {
		bad := k.Outcome == rollout.RolledBack || k.Outcome == rollout.Failed || k.Outcome == rollout.Superseded
		if bad && k.Canary && !k.Wrote.IsZero() && k.Since.Before(r.StartedAt) {
			w.complain("%s of %s, though the canary %s ended %s: %s", c.Op, r.ID, k.ID, k.Outcome, k.Message)
		}
	}
}

// coversNothing asks the account for the family's newest revision when the old content is registered again: that must be one of
// the rollout, unless production needs the content and its base cannot be deployed any more.
func (w *witness) coversNothing(c account.Call, r rollout.Rollout) {
	if r.Phase != rollout.RollingBack {
		return
	}
	describe := func(revision string) (*ecs.DescribeTaskDefinitionOutput, bool) {
		out, err := w.ecs.DescribeTaskDefinition(w.t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: &revision,
			Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}})
		if err != nil {
			w.complain("describe %s: %v", revision, err)
		}
		return out, err == nil
	}
	newest, ok := describe(aws.ToString(familyOf(r.Plan.Base)))
	base, read := describe(r.Plan.Base)
	if !ok || !read || base.TaskDefinition.Status != types.TaskDefinitionStatusActive && !r.Ending.Restored {
		return
	}
	for _, tag := range newest.Tags {
		if aws.ToString(tag.Key) == rollout.RolloutTag && strings.HasPrefix(aws.ToString(tag.Value), r.ID) {
			return
		}
	}
	w.complain("%s of %s covers %s", c.Op, r.ID, aws.ToString(newest.TaskDefinition.TaskDefinitionArn))
}

// familyOf is the family of a revision's ARN.
func familyOf(arn string) *string {
	family, _, _ := strings.Cut(fleet.NameOf(arn), ":")
	return &family
}

// overNobody asks the account what runs at the moment of an UpdateService.
func (w *witness) overNobody(c account.Call, r rollout.Rollout) {
	out, err := w.ecs.DescribeServices(w.t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{r.Plan.ServiceARN}})
	if err != nil || len(out.Services) != 1 {
		w.complain("describe %s: %v", r.Plan.ServiceARN, err)
		return
	}
	deployments := out.Services[0].Deployments
	runs, to := aws.ToString(deployments[0].TaskDefinition), c.Input["taskDefinition"]
	switch {
	case to == r.Revision && runs == r.Plan.Base && len(deployments) == 1:
	case r.Phase == rollout.RollingBack && runs == r.Revision && (to == r.Plan.Base || to == r.Ending.To):
	default:
		w.complain("UpdateService of %s (%s) to %v over %s, %d deployments", r.ID, r.Phase, to, runs, len(deployments))
	}
}

// live is the world until its events are over and everything had time to come to rest.
func (w *witness) live() {
	begin := time.Now()
	w.start()
	rests := func(until time.Duration) {
		for time.Since(begin) < until {
			time.Sleep(min(10*time.Minute, until-time.Since(begin)))
			w.oneEach()
		}
	}
	for _, e := range w.d.events {
		rests(e.at)
		w.happens(e)
	}
	rests(11 * time.Hour)
	w.happens(event{what: "all is well"})
	w.happens(event{what: "resume"})
	for i := range w.d.services {
		w.happens(event{service: i, what: "tag auto"})
	}
	rests(22 * time.Hour)
}

func (w *witness) start() {
	base := w.remediate(w.d.mode, cure)
	c := w.run(func(o *reconciler.Options) {
		base(o)
		o.Remediation.Settings, o.Targets[0].Registry = w.d.settings, w.fortune
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = c
}

func (w *witness) happens(e event) {
	who := rollout.Order{By: "oncall", Reason: e.what}
	service := fmt.Sprintf("django%d", e.service)
	set := func(f func()) { w.mu.Lock(); defer w.mu.Unlock(); f() }
	switch e.what {
	case "pause":
		if err := w.running.Pause(w.t.Context(), "", who); err != nil {
			w.t.Error(err)
		}
		time.Sleep(time.Second) // a pass that began before it may still send
		set(func() { w.paused = true })
	case "resume":
		set(func() { w.paused = false })
		if err := w.running.Resume(w.t.Context(), "", who); err != nil {
			w.t.Error(err)
		}
	case "restart":
		w.running.stop()
		w.start()
	case "calls fail", "answers are lost":
		set(func() { w.trouble, w.troubled = e.what, true })
	case "tag off":
		w.tagged(w.t, service, "off")
		set(func() { w.off[service] = time.Now() })
	case "tag auto":
		set(func() { delete(w.off, service) })
		w.tagged(w.t, service, "auto")
	case "the base is deregistered":
		w.deregister(w.t, w.base(service))
	case "somebody registers":
		_, err := w.ecs.RegisterTaskDefinition(w.t.Context(), &ecs.RegisterTaskDefinitionInput{Family: &service,
			ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("nginx"), Image: aws.String(image["nginx"])}}})
		if err != nil {
			w.t.Error(err)
		}
	case "a person takes it back":
		if all := w.running.Rollouts(fleet.Key{Target: "prod", Cluster: "prod", Service: service}); len(all) > 0 {
			if _, err := w.running.RollBack(w.t.Context(), all[0].ID, who); err != nil && !errors.Is(err, rollout.ErrConflict) {
				w.t.Error(err)
			}
		}
	case "denied":
		set(func() { w.troubled = true })
		w.account.Deny("ecs:UpdateService", "ecs:DescribeServiceRevisions")
	case "all is well":
		set(func() { w.trouble = "" })
		w.account.Allow("ecs:UpdateService", "ecs:DescribeServiceRevisions")
	}
}

// base is the revision that the service's newest rollout started from, or the one that runs.
func (w *witness) base(service string) string {
	for _, r := range w.running.Rollouts(fleet.Key{Target: "prod", Cluster: "prod", Service: service}) {
		if !r.StartedAt.IsZero() {
			return r.Plan.Base
		}
	}
	return w.runs(w.t, service)
}

// oneEach looks for two live rollouts of one service.
func (w *witness) oneEach() {
	w.approves()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noErrorIsAnAnswer()
	live := map[fleet.Key]string{}
	for _, r := range w.running.Rollouts(fleet.Key{}) {
		if other := live[r.Key()]; r.Live() && other != "" {
			w.complain("%s and %s both live on %s", other, r.ID, r.Key())
		} else if r.Live() {
			live[r.Key()] = r.ID
		}
	}
}

// settled looks at what is left: nothing half way, one revision and one deployment a rollout, and no changed byte.
func (w *witness) settled(t *testing.T) {
	w.concluded()
	registered, deployed := map[string]int{}, map[string]int{}
	for _, c := range w.carriedOut("RegisterTaskDefinition") {
		for _, tag := range asList(c.Input["tags"]) {
			if m, _ := tag.(map[string]any); m["key"] == rollout.RolloutTag {
				registered[m["value"].(string)]++
			}
		}
	}
	for _, c := range w.carriedOut("UpdateService") {
		deployed[c.Input["taskDefinition"].(string)]++
	}
	for _, r := range w.running.Rollouts(fleet.Key{}) {
		if r.Live() && (r.Phase == rollout.Registering || r.Phase == rollout.Rolling || r.Phase == rollout.RollingBack) {
			w.complain("%s is still %s: %s", r.ID, r.Phase, r.Message)
		}
		if fix, again := registered[r.ID], registered[r.ID+"/restore"]; fix > 1 || again > 1 {
			w.complain("%s registered the fix %d times and the old content %d times", r.ID, fix, again)
		}
		if n := deployed[r.Revision]; r.Revision != "" && n > 1 {
			w.complain("%s deployed %s %d times", r.ID, r.Revision, n)
		}
		if r.Revision != "" && !r.Foreign {
			w.onlyThePolicy(t, r)
		}
		ended := r.Outcome == rollout.RolledBack || r.Outcome == rollout.Failed
		if ended && r.Ending != nil && !w.troubled && w.runs(t, r.Key().Service) == fleet.NameOf(r.Revision) {
			w.complain("%s ended %s, and its %s still runs: %s", r.ID, r.Outcome, fleet.NameOf(r.Revision), r.Message)
		}
	}
}

func (w *witness) carriedOut(op string) []account.Call {
	return slices.DeleteFunc(w.account.Calls(), func(c account.Call) bool { return c.Op != op || c.AccessKey == personsKey || c.Code != "" && !c.Cut })
}

// onlyThePolicy compares the revision of a rollout with its base, changed by hand.
func (w *witness) onlyThePolicy(t *testing.T, r rollout.Rollout) {
	want, is := w.document(t, r.Plan.Base), w.document(t, r.Revision)
	for _, c := range want["taskDefinition"].(map[string]any)["containerDefinitions"].([]any) {
		container := c.(map[string]any)
		for _, e := range asList(container["environment"]) {
			entry := e.(map[string]any)
			if value, ok := r.Plan.Set[container["name"].(string)][entry["name"].(string)]; ok {
				entry["value"] = value
			}
		}
	}
	delete(want, "tags") // compared below: ours stands beside them
	tags := asList(is["tags"])
	delete(is, "tags")
	for _, key := range []string{"status", "deregisteredAt"} {
		delete(want["taskDefinition"].(map[string]any), key)
		delete(is["taskDefinition"].(map[string]any), key)
	}
	if d := cmp.Diff(want, is); d != "" || !slices.ContainsFunc(tags, func(tag any) bool { return tag.(map[string]any)["value"] == "web" }) {
		w.complain("%s is not its base with the policy's values; tags %v: %s", r.Revision, tags, d)
	}
}

// Whatever happens: one live rollout a service, never above the caps, outside a window, while paused, under a tag or mode that
// forbids it or after a bad canary, never over somebody's deployment or newest revision, never a changed byte outside the policy.
// What was to be taken back does not run, and nothing stays half way. What a person orders is carried out at any moment.
// provesNothing holds a success against what the fix does. Only a time without traffic may hide that it does nothing.
func (w *witness) provesNothing(r rollout.Rollout) {
	quiet := slices.ContainsFunc(w.d.events, func(e event) bool { return e.what == trafficStops })
	if r.Outcome == rollout.Succeeded && w.d.effect != "cures" && !quiet {
		w.complain("%s is %s, and its fix is one that %s: %s", r.ID, r.Outcome, w.d.effect, r.Message)
	}
}

func TestWhateverHappensToAFix(t *testing.T) {
	t.Parallel()
	seen := map[rollout.Outcome]int{}
	writes := 0
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		var wrong []string
		bubble(t, func(t *testing.T) {
			base := newWorld(t, d.scenario(t))
			w := &witness{world: base, d: d, off: map[string]time.Time{}, ecs: base.keyed(testsKey)}
			defer w.befall()()
			defer w.account.Gate(func(c account.Call) bool { return c.Op == "RegisterTaskDefinition" || c.Op == "UpdateService" }, w.see)()
			w.live()
			w.settled(t)
			for _, r := range w.running.Rollouts(fleet.Key{}) {
				seen[r.Outcome]++
				w.provesNothing(r)
			}
			w.running.stop()
			writes += w.writes
			wrong = w.wrong
		})
		if len(wrong) > 0 {
			rt.Fatalf("%s, events %v, misfortunes %v:\n%s", d.effect, d.events, d.misfortunes, strings.Join(wrong, "\n"))
		}
	})
	t.Logf("outcomes %v, %d writes", seen, writes)
	if writes == 0 {
		t.Error("nothing was ever written: the test shows nothing")
	}
}
