package alarm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskwarden/reconciler/finding"
)

// Whatever people put into the three lists stays, whatever is ours and wanted is there as far as there is room, and a second
// repair has nothing to do. An action that is ours in one list is a person's in another one.
func TestARepairKeepsEveryListOfPeoples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := func(name string, most int) []string {
			of := rapid.SampledFrom([]string{"arn:a", "arn:b", "arn:c", "arn:d", "arn:e", "arn:f", "arn:g"})
			return rapid.SliceOfNDistinct(of, 0, most, rapid.ID[string]).Draw(t, name)
		}
		w := wanted()
		was := Applied{Hash: w.Hash(), Own: &Actions{Alarm: some("ours for ALARM", 3), OK: some("ours for OK", 3)}}
		w.AlarmActions, w.OKActions = some("wanted for ALARM", 3), some("wanted for OK", 3)
		h := have(wanted())
		h.AlarmActions, h.OKActions = some("there for ALARM", 5), some("there for OK", 5)
		h.InsufficientActions = some("there for INSUFFICIENT_DATA", 5)
		h.Threshold = 9
		planned := func(h Have, was Applied) Row {
			rows, _ := Plan([]Spec{w}, []Have{h}, Basis{Owner: owner, Applied: map[string]Applied{w.Name: was}})
			return rows[0]
		}
		r := planned(h, was)
		if r.Write.Put == nil {
			t.Fatal("a changed threshold is not repaired")
		}
		put := *r.Write.Put
		if !slices.Equal(put.InsufficientActions, h.InsufficientActions) {
			t.Fatalf("INSUFFICIENT_DATA: %v became %v", h.InsufficientActions, put.InsufficientActions)
		}
		for _, l := range []struct{ there, want, ours, now []string }{
			{h.AlarmActions, w.AlarmActions, was.Own.Alarm, put.AlarmActions}, {h.OKActions, w.OKActions, was.Own.OK, put.OKActions},
		} {
			for _, arn := range l.there {
				if gone := slices.Contains(l.ours, arn) && !slices.Contains(l.want, arn); gone == slices.Contains(l.now, arn) {
					t.Fatalf("%s: there %v, ours %v, wanted %v: %v", arn, l.there, l.ours, l.want, l.now)
				}
			}
			for _, arn := range l.want {
				if !slices.Contains(l.now, arn) && len(l.now) < perState {
					t.Fatalf("%s is wanted and has room: %v", arn, l.now)
				}
			}
			if len(l.now) > perState {
				t.Fatalf("%v", l.now)
			}
		}
		again := planned(have(put), Applied{Hash: w.Hash(), Own: &r.Write.Own})
		if again.Write.Put != nil {
			t.Fatalf("a second repair: %s", again.Reason)
		}
	})
}

// A topic that the configuration drops leaves the list that it was ours in, without any other reason for a repair.
func TestADroppedTopicGoesFromItsOwnListAlone(t *testing.T) {
	h := have(wanted())
	h.OKActions, h.InsufficientActions = []string{topic}, []string{topic}
	next := wanted()
	next.AlarmActions = nil
	r := plan(t, h, next, map[string]Applied{h.Name: {Hash: h.Hash(), Own: &Actions{Alarm: []string{topic}}}})
	if put := r.Write.Put; put == nil || len(put.AlarmActions) > 0 || len(put.OKActions) != 1 || len(put.InsufficientActions) != 1 {
		t.Errorf("%+v", r)
	}
	if r.Status != Present || !strings.Contains(r.Reason, "ALARM action "+topic+" is no longer wanted") {
		t.Errorf("%s: %s", r.Status, r.Reason)
	}
}

// The plan says which of people's edits a repair keeps, and which wanted action has no room beside them.
func TestAPlanSaysWhatPeopleOwn(t *testing.T) {
	h := have(wanted())
	h.Threshold, h.ActionsDisabled, h.Description, h.Label, h.TagsSent = 9, true, "ask Ann", "churn", &TagsSent{Enabled: true}
	h.AlarmActions = []string{"arn:1", "arn:2", "arn:3", "arn:4", "arn:5"}
	h.InsufficientActions = []string{"arn:6"}
	r := plan(t, h, wanted(), nil)
	for _, want := range []string{"threshold is 9, wanted 1", "kept, since people own it: ALARM action arn:1",
		"INSUFFICIENT_DATA action arn:6", "disabled actions", "the description", "the query's label", "the tags that notifications carry", "no room for the ALARM action " + topic} {
		if !strings.Contains(r.Reason, want) {
			t.Errorf("%q is not said: %s", want, r.Reason)
		}
	}
	if r.Write.Was == nil || r.Write.Was.Description != "ask Ann" {
		t.Errorf("the repair does not say what it repairs: %+v", r.Write)
	}
}

// A wanted name that is not ours is reported as a conflict, whatever type of alarm has it, and nothing is written.
func TestATakenNameIsAConflict(t *testing.T) {
	name := wanted().Name
	for says, h := range map[string]Have{
		"a log alarm's":                         logAlarm("/ecs/web"),
		"a PromQL alarm's":                      with(promQL("up == 0"), func(h *Have) { h.Tags = have(wanted()).Tags }),
		"a composite alarm's":                   {Type: CompositeType, Foreign: true, Rule: "TRUE"},
		"a shape that this product never makes": with(have(wanted()), func(h *Have) { h.Foreign = true }),
		"carries no tag " + OwnerTag:            with(have(wanted()), func(h *Have) { h.Tags = map[string]string{} }),
	} {
		h.Name = name
		r := plan(t, h, wanted(), nil)
		said := strings.Contains(r.Reason, says) && strings.Contains(r.Reason, "never overwritten")
		if r.Status != Foreign || !r.Taken || r.Write.Needed() || !said {
			t.Errorf("%s: %+v", says, r)
		}
		got := TakenClaims([]Row{r}, []Place{{Cluster: "c", Service: "web", Churns: true}})
		if len(got) != 1 || got[0].Type != finding.AlarmMissing || got[0].Reason != NameTaken || got[0].Severity != finding.Warning ||
			got[0].Count != 1 || !strings.Contains(got[0].Message, name) {
			t.Errorf("%s: %+v", says, got)
		}
	}
	unread := with(have(wanted()), func(h *Have) { h.Tags = nil })
	if r := plan(t, unread, wanted(), nil); r.Taken || r.Status != Foreign {
		t.Errorf("tags that were not read prove nothing: %+v", r)
	}
	if got := TakenClaims([]Row{{Status: Present}}, nil); got != nil {
		t.Errorf("%+v", got)
	}
}

// An alarm that is planned and would reach nobody is blind before it is made.
func TestAPlannedAlarmThatReachesNobodyIsBlind(t *testing.T) {
	places := []Place{{Cluster: "c", Service: "web", Churns: true}}
	for name, c := range map[string]struct {
		actions []string
		topics  map[string]Topic
		reason  string
	}{
		"no action":              {nil, nil, NoActions},
		"a topic that is gone":   {[]string{topic}, map[string]Topic{topic: {Missing: true}}, DeadActions},
		"nobody has confirmed":   {[]string{topic}, map[string]Topic{topic: {Pending: 2}}, DeadActions},
		"somebody has":           {[]string{topic}, map[string]Topic{topic: {Confirmed: 1}}, ""},
		"a topic not looked up":  {[]string{topic}, nil, ""},
		"one of two reaches one": {[]string{topic, topic + "2"}, map[string]Topic{topic: {Missing: true}, topic + "2": {Confirmed: 1}}, ""},
	} {
		want := Want(Demand{Owner: owner, Target: "prod", Layout: FleetLayout, Actions: Actions{Alarm: c.actions}})
		want = append(want, Own(owner, []string{"prod"}, 5*time.Minute, Actions{Alarm: c.actions})...)
		rows, _ := Plan(want, nil, Basis{Owner: owner, Topics: c.topics})
		got := NewIndex(nil, Facts{}).BlindClaims(places, func(string) bool { return true }, rows)
		if c.reason == "" {
			if len(got) > 0 || strings.Contains(rows[0].Reason, "no person") {
				t.Errorf("%s: %+v, %s", name, got, rows[0].Reason)
			}
			continue
		}
		if len(got) != 1 || got[0].Type != finding.AlarmBlind || got[0].Reason != c.reason || got[0].Count != len(want) ||
			got[0].Severity != finding.Warning {
			t.Errorf("%s: %+v", name, got)
		}
		for _, r := range rows {
			if r.Status != Missing || !strings.Contains(r.Reason, "it would reach no person") {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if asked := Ask(nil, want, places, func(string) bool { return true }).Topics; len(asked) != len(c.actions) {
			t.Errorf("%s: topics asked for: %v", name, asked)
		}
	}
}
