package alarm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

// cloud is alarms as CloudWatch keeps them: a put overwrites everything but the tags, which it takes on creation only.
type cloud map[string]Have

func (c cloud) list() []Have {
	var out []Have
	for _, name := range slices.Sorted(maps.Keys(c)) {
		out = append(out, c[name])
	}
	return out
}

func (c cloud) apply(w Write) {
	switch {
	case w.Delete != "":
		delete(c, w.Delete)
	case w.Put != nil:
		was, there := c[w.Put.Name]
		h := Have{Spec: *w.Put, ARN: "arn:aws:cloudwatch:us-east-1:111122223333:alarm:" + w.Put.Name, State: "OK", Tags: was.Tags}
		h.Kind, h.Cluster, h.Service = "", "", ""
		if !there {
			h.Tags = w.Tags
		}
		if h.Metric != "" {
			h.Namespace = Namespace
		}
		c[w.Put.Name] = h
	}
	if w.Delete == "" && w.ARN != "" {
		name := strings.SplitN(w.ARN, ":alarm:", 2)[1]
		h := c[name]
		h.Tags = maps.Clone(h.Tags)
		maps.Copy(h.Tags, w.Tags)
		c[name] = h
	}
}

// story is a world that changes between looks.
type story struct {
	*rapid.T
	world    cloud
	applied  map[string]Applied
	missed   map[string]time.Time
	services map[string]bool
	absent   map[string]int // by name of ours, complete looks in a row that did not want it
	at       time.Time
	owner    string
	layout   Layout
}

func (s *story) places() []Place {
	var out []Place
	for _, name := range slices.Sorted(maps.Keys(s.services)) {
		out = append(out, Place{Cluster: "c", Service: name, Seen: map[Kind][]string{SidecarCrash: {"cwagent"}}})
	}
	return out
}

// look plans, checks the plan against what must hold, and carries it out. It returns how many writes there were.
func (s *story) look(complete bool) (writes int) {
	s.at = s.at.Add(15 * time.Minute)
	have := s.world.list()
	index := NewIndex(have, Facts{})
	places := s.places()
	want := Want(Demand{Owner: s.owner, Target: "prod", Layout: s.layout, Places: places, Actions: Actions{Alarm: []string{topic}}})
	rows, missed := Plan(want, have, Basis{Owner: s.owner, Applied: s.applied, Scope: ScopeOf(s.owner, "prod"), Blind: index.Blind,
		Covered: func(w Spec) string { return index.CoveredBy(w, places) },
		Seen:    fleet.Seen{At: s.at, Complete: complete}, Missed: s.missed, Delete: true})
	s.missed = missed
	wanted := map[string]bool{}
	for _, w := range want {
		wanted[w.Name] = true
	}
	for name := range s.world {
		switch {
		case wanted[name]:
			delete(s.absent, name)
		case complete && len(wanted) > 0:
			s.absent[name]++
		}
	}
	deleted, ours := 0, 0
	for _, h := range have {
		if h.Tags[OwnerTag] == s.owner && strings.HasPrefix(h.Name, Prefix(s.owner)) {
			ours++
		}
	}
	for _, r := range rows {
		if !r.Write.Needed() {
			continue
		}
		writes++
		h, there := s.world[r.Name]
		mine := h.Tags[OwnerTag] == s.owner || s.applied[r.Name].Hash != "" && h.Tags[OwnerTag] == ""
		if there && !mine || !strings.HasPrefix(r.Name, Prefix(s.owner)) {
			s.Fatalf("a write to a foreign alarm: %+v", r)
		}
		if r.Write.Delete != "" {
			deleted++
			if !complete || s.absent[r.Name] < 2 || wanted[r.Name] || h.Tags[OwnerTag] != s.owner || r.Write.Delete != r.Name {
				s.Fatalf("deleted after %d complete looks without it (this one complete: %t): %+v", s.absent[r.Name], complete, r)
			}
			delete(s.applied, r.Name)
		}
		if r.Write.Put != nil {
			s.applied[r.Name] = Applied{r.Write.Put.Hash(), &r.Write.Own}
		}
		s.world.apply(r.Write)
	}
	if deleted > max(1, ours/10) {
		s.Fatalf("%d of %d deleted at once", deleted, ours)
	}
	return writes
}

// people change alarms: ours and their own.
func (s *story) people() {
	names := slices.Sorted(maps.Keys(s.world))
	if len(names) == 0 || rapid.Bool().Draw(s.T, "idle") {
		return
	}
	name := rapid.SampledFrom(names).Draw(s.T, "alarm")
	h := s.world[name]
	switch rapid.SampledFrom([]string{"threshold", "action", "no action", "text", "mute", "untag", "steal", "delete"}).Draw(s.T, "edit") {
	case "threshold":
		h.Threshold += 3
	case "action":
		h.AlarmActions = append(slices.Clone(h.AlarmActions), "arn:aws:sns:us-east-1:111122223333:people")[:min(perState, len(h.AlarmActions)+1)]
	case "no action":
		h.AlarmActions = nil
	case "text":
		h.Description = "ask Ann"
	case "mute":
		h.ActionsDisabled = true
	case "untag":
		h.Tags = map[string]string{}
	case "steal":
		h.Tags = map[string]string{OwnerTag: "another"}
	case "delete":
		delete(s.world, name)
		return
	}
	s.world[name] = h
}

// Over random worlds: no write to a foreign alarm, deletions only after two complete looks and few at once, two controllers
// never touch each other's, and once everybody is quiet a second plan is idle.
func TestPlanOverRandomWorlds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &story{T: t, world: cloud{}, applied: map[string]Applied{}, services: map[string]bool{}, absent: map[string]int{}, at: now, owner: owner,
			layout: rapid.SampledFrom([]Layout{FleetLayout, ServiceLayout}).Draw(t, "layout")}
		other := &story{T: t, world: s.world, applied: map[string]Applied{}, services: s.services, absent: map[string]int{}, at: now, owner: "another", layout: s.layout}
		for i := range rapid.IntRange(0, 4).Draw(t, "theirs") {
			h := on(Namespace, "SilentChurn", atLeast, 1, ServiceDimensions("c", fmt.Sprintf("s%d", i))...)
			h.Name = rapid.SampledFrom([]string{fmt.Sprintf("theirs-%d", i), Name(owner, "prod", SilentChurn, "c", fmt.Sprintf("s%d", i))}).Draw(t, "name")
			s.world[h.Name] = h
		}
		for range rapid.IntRange(1, 25).Draw(t, "looks") {
			name := fmt.Sprintf("s%d", rapid.IntRange(0, 30).Draw(t, "service"))
			if rapid.Bool().Draw(t, "there") {
				s.services[name] = true
			} else {
				delete(s.services, name)
			}
			if rapid.IntRange(0, 9).Draw(t, "switch") == 0 {
				s.layout = rapid.SampledFrom([]Layout{FleetLayout, ServiceLayout}).Draw(t, "layout now")
			}
			s.people()
			s.look(rapid.Bool().Draw(t, "complete"))
			if rapid.Bool().Draw(t, "other") {
				other.look(rapid.Bool().Draw(t, "other complete"))
			}
		}
		for idle, looks := 0, 0; idle < 3; looks++ { // a first look at what is gone only notes it
			if idle++; s.look(true) > 0 {
				idle = 0
			}
			if looks > 200 {
				t.Fatal("never idle")
			}
		}
	})
}

func plan(t *testing.T, h Have, w Spec, applied map[string]Applied) Row {
	t.Helper()
	rows, _ := Plan([]Spec{w}, []Have{h}, Basis{Owner: owner, Applied: applied})
	if len(rows) != 1 {
		t.Fatalf("%+v", rows)
	}
	return rows[0]
}

// A change of our own wish is brought up to date, a change by somebody is drift: the hash tells them apart.
func TestDriftIsNotUpgrade(t *testing.T) {
	newer := wanted()
	newer.Threshold = 2
	if r := plan(t, have(wanted()), newer, nil); r.Status != Present || r.Write.Put == nil || r.Write.ARN == "" || !strings.Contains(r.Reason, "up to date") {
		t.Errorf("a wish that changed: %+v", r)
	}
	edited := have(wanted())
	edited.Period = 300
	if r := plan(t, edited, newer, nil); r.Status != Drifted {
		t.Errorf("both changed: %+v", r)
	}
	more := wanted()
	more.AlarmActions = []string{topic, "arn:aws:sns:us-east-1:111122223333:new"}
	put := map[string]Applied{wanted().Name: {Hash: wanted().Hash(), Own: &Actions{Alarm: []string{topic}}}}
	if r := plan(t, have(wanted()), more, put); r.Status != Present || r.Write.Put == nil {
		t.Errorf("a topic added to the configuration: %+v", r)
	}
	lost := have(wanted())
	lost.AlarmActions = nil
	if r := plan(t, lost, wanted(), put); r.Status != Drifted || r.Write.Put == nil {
		t.Errorf("a topic taken away by hand: %+v", r)
	}
}

// A topic that leaves the configuration leaves the alarms; a person's stays, and never more than CloudWatch allows.
func TestActionsChangeWithTheConfiguration(t *testing.T) {
	people := "arn:aws:sns:us-east-1:111122223333:people"
	h := have(wanted())
	h.AlarmActions = []string{topic, people}
	next := wanted()
	next.AlarmActions = []string{"arn:aws:sns:us-east-1:111122223333:new"}
	r := plan(t, h, next, map[string]Applied{h.Name: {Hash: wanted().Hash(), Own: &Actions{Alarm: []string{topic}}}})
	if d := cmp.Diff([]string{people, next.AlarmActions[0]}, r.Write.Put.AlarmActions); d != "" {
		t.Error(d)
	}
	h.AlarmActions = []string{"arn:1", "arn:2", "arn:3", "arn:4", "arn:5"}
	if r := plan(t, h, next, nil); r.Write.Put != nil {
		t.Errorf("a full list of people's actions: %+v", r.Write.Put.AlarmActions)
	}
}

func TestNothingIsDuplicated(t *testing.T) {
	fleetAlarm := Fleet(owner, "prod", Actions{})[0]
	theirs := query(`SELECT MAX(SilentChurn) FROM SCHEMA(TaskWarden, ServiceName, ClusterName) GROUP BY ServiceName`)
	places := []Place{{Cluster: "c", Service: "web"}, {Cluster: "c", Service: "api"}}
	beat := Own(owner, []string{"prod"}, 5*time.Minute, Actions{})[0]
	template := on(Namespace, HeartbeatName, below, 1, Dimension{"Controller", owner})
	template.Missing = "breaching"
	perService := Want(Demand{Owner: owner, Target: "prod", Layout: ServiceLayout, Places: places})[0]
	onWeb, onAPI := on(Namespace, "SilentChurn", above, 0, ofWeb...), on(Namespace, "SilentChurn", atLeast, 1, ServiceDimensions("c", "api")...)
	onWeb.Name, onAPI.Name = "on-web", "on-api"
	ours := func(h Have) Have { h.Name = "taskwarden/another/prod/silent-churn"; return h }
	for name, c := range map[string]struct {
		want Spec
		have []Have
		by   string
	}{
		"a query over all":                     {fleetAlarm, []Have{theirs}, "theirs"},
		"a query that tells nobody":            {fleetAlarm, []Have{with(theirs, func(h *Have) { h.AlarmActions = nil })}, ""},
		"a query over some":                    {fleetAlarm, []Have{query(`SELECT MAX(SilentChurn) FROM TaskWarden WHERE ServiceName = 'web'`)}, ""},
		"an alarm for each service":            {fleetAlarm, []Have{onWeb, onAPI}, "on-api"},
		"an alarm for one of two services":     {fleetAlarm, []Have{onWeb}, ""},
		"another controller's":                 {fleetAlarm, []Have{ours(theirs)}, ""},
		"a service's":                          {perService, []Have{onAPI}, ""},
		"the service's":                        {perService, []Have{onWeb}, "on-web"},
		"the service's, the wrong way round":   {perService, []Have{with(onWeb, func(h *Have) { h.Comparison, h.Threshold = below, 1 })}, ""},
		"a template's heartbeat":               {beat, []Have{template}, "theirs"},
		"a heartbeat whose silence is no news": {beat, []Have{with(template, func(h *Have) { h.Missing = "missing" })}, ""},
		"another controller's heartbeat":       {beat, []Have{with(template, func(h *Have) { h.Dimensions = []Dimension{{"Controller", "x"}} })}, ""},
	} {
		if got := NewIndex(c.have, Facts{}).CoveredBy(c.want, places); got != c.by {
			t.Errorf("%s: %q, want %q", name, got, c.by)
		}
	}
}

// A fleet alarm is split by cluster before it watches 400 open series, and joined when there are few again.
func TestFleetAlarmsAreSplit(t *testing.T) {
	d := Demand{Owner: owner, Target: "prod", Layout: FleetLayout, Open: map[Kind]map[string]int{SilentChurn: {"a": 100, "it's": 150, "b": 160}}}
	specs := Want(d)
	if len(specs) != len(gaugeAlarms)+1 || specs[1].Name != Name(owner, "prod", SilentChurn, "b") || !strings.Contains(specs[1].Query, " WHERE ClusterName = 'b' GROUP") ||
		!strings.Contains(specs[0].Query, " WHERE ClusterName != 'b' GROUP") {
		t.Fatalf("%+v", specs)
	}
	d.Open[SilentChurn]["it's"] = 500
	specs = Want(d)
	if got := len(specs) - len(gaugeAlarms); got != 1 || !strings.Contains(specs[0].Query, "ClusterName != 'it''s'") {
		t.Errorf("%d split: %s", got, specs[0].Query)
	}
	var there []Have
	for _, s := range specs {
		there = append(there, have(s))
	}
	d.Split = SplitNow(there, owner, "prod")
	if d := cmp.Diff(map[Kind][]string{SilentChurn: {"it's"}}, d.Split); d != "" {
		t.Fatal(d)
	}
	d.Open[SilentChurn] = map[string]int{"a": 100, "it's": 150}
	if specs = Want(d); len(specs) != len(gaugeAlarms)+1 {
		t.Errorf("joined at 250: it would be written to and fro")
	}
	d.Open[SilentChurn] = map[string]int{"a": 40}
	if specs = Want(d); len(specs) != len(gaugeAlarms) {
		t.Errorf("still split at 40")
	}
	for _, s := range Want(Demand{Layout: FleetLayout, Open: map[Kind]map[string]int{SidecarCrash: {"a": 400}}}) {
		if _, ok := ParseQuery(s.Query); !ok {
			t.Errorf("not a query: %s", s.Query)
		}
	}
}

func TestServiceLayout(t *testing.T) {
	places := []Place{{Cluster: "c", Service: "web", Seen: map[Kind][]string{SidecarCrash: {"cwagent", "envoy"}}}, {Cluster: "c", Service: "api"}}
	var got []string
	for _, s := range Want(Demand{Owner: owner, Target: "prod", Layout: ServiceLayout, Places: places}) {
		got = append(got, s.Name)
		if s.Query != "" || s.Metric == "" || s.Cluster != "c" || s.Service == "" {
			t.Errorf("%+v", s)
		}
	}
	want := []string{"taskwarden/taskwarden/prod/silent-churn/c/web", "taskwarden/taskwarden/prod/silent-churn/c/api",
		"taskwarden/taskwarden/prod/sidecar-crash/c/web/cwagent", "taskwarden/taskwarden/prod/sidecar-crash/c/web/envoy"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The price of docs/alarms.md's table.
func TestPrice(t *testing.T) {
	use := Use{Series: 20, Spoken: 60, Specs: Fleet(owner, "prod", Actions{}), Calls: 190, Resync: 5 * time.Minute, Alarms: 500, Listed: 12, Audit: 15 * time.Minute}
	own := Use{Own: 2, Specs: Own(owner, []string{"prod"}, 5*time.Minute, Actions{}), Audit: 15 * time.Minute, Alarms: 500}
	c := PriceOf(use).Plus(PriceOf(own))
	if c.Low < 8 || c.High > 25 || c.Low >= c.High || c.Extra() < 30 || c.Extra() > 35 {
		t.Errorf("$%.2f to $%.2f, extra $%.2f: %+v", c.Low, c.High, c.Extra(), c.Items)
	}
	perService := use
	perService.Specs = nil
	for i := range 1000 {
		perService.Specs = append(perService.Specs, Spec{Name: fmt.Sprint(i), Metric: "SilentChurn"})
	}
	if c := PriceOf(perService); c.Low < 100 || c.High > 205 {
		t.Errorf("a thousand alarms cost $%.2f to $%.2f", c.Low, c.High)
	}
}
