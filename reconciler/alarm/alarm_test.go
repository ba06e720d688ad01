package alarm

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

const (
	owner = "taskwarden"
	topic = "arn:aws:sns:us-east-1:111122223333:oncall"
)

var now = time.Date(2026, 11, 22, 12, 30, 40, 0, time.UTC)

func wanted() Spec { return Fleet(owner, "prod", Actions{Alarm: []string{topic}})[0] }

// have is the wanted alarm as CloudWatch would answer it after this product put it.
func have(s Spec) Have {
	h := Have{Spec: s, ARN: "arn:aws:cloudwatch:us-east-1:111122223333:alarm:" + s.Name, State: "OK",
		Tags: map[string]string{OwnerTag: owner, SpecTag: s.Hash()}}
	if s.Metric != "" {
		h.Namespace = Namespace
	}
	return h
}

func TestNames(t *testing.T) {
	for want, got := range map[string]string{
		"taskwarden/taskwarden/prod/silent-churn":         Name(owner, "prod", SilentChurn),
		"taskwarden/a%2Fb/prod/silent-churn":              Name("a/b", "prod", SilentChurn),
		"taskwarden/taskwarden/prod/silent-churn/c%25/s":  Name(owner, "prod", SilentChurn, "c%", "s"),
		"taskwarden/taskwarden/p%20q/silent-churn/c/s%2F": Name(owner, "p q", SilentChurn, "c", "s/"),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestNamesNeverCollideAndFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringN(1, 200, 200)
		a := [4]string{part.Draw(t, "owner"), part.Draw(t, "target"), part.Draw(t, "cluster"), part.Draw(t, "service")}
		b := [4]string{part.Draw(t, "owner2"), part.Draw(t, "target2"), part.Draw(t, "cluster2"), part.Draw(t, "service2")}
		na := Name(a[0], a[1], SilentChurn, a[2], a[3])
		nb := Name(b[0], b[1], SilentChurn, b[2], b[3])
		if a != b && na == nb {
			t.Fatalf("%q and %q share the name %s", a, b, na)
		}
		if len(na) > nameLimit {
			t.Fatalf("%d characters: %s", len(na), na)
		}
	})
}

func TestPlan(t *testing.T) {
	const another = "arn:aws:sns:us-east-1:111122223333:people"
	edit := func(f func(*Have)) []Have { h := have(wanted()); f(&h); return []Have{h} }
	for name, c := range map[string]struct {
		have    []Have
		applied map[string]Applied
		status  Status
		put     bool
		tag     bool
		reason  string
	}{
		"missing":                    {nil, nil, Missing, true, false, "no alarm"},
		"as wanted":                  {edit(func(*Have) {}), nil, Present, false, false, "as wanted"},
		"threshold changed by hand":  {edit(func(h *Have) { h.Threshold = 5 }), nil, Drifted, true, false, "threshold is 5, wanted 1"},
		"action taken away":          {edit(func(h *Have) { h.AlarmActions = nil }), nil, Drifted, true, false, topic},
		"a person added an action":   {edit(func(h *Have) { h.AlarmActions = []string{another, topic} }), nil, Present, false, false, ""},
		"a person edited the text":   {edit(func(h *Have) { h.Description = "ask Ann" }), nil, Present, false, false, ""},
		"a person disabled actions":  {edit(func(h *Have) { h.ActionsDisabled = true }), nil, Present, false, false, ""},
		"somebody else's":            {edit(func(h *Have) { h.Tags = map[string]string{OwnerTag: "other"} }), nil, Foreign, false, false, "no tag"},
		"no tags, never written":     {edit(func(h *Have) { h.Tags = map[string]string{} }), nil, Foreign, false, false, "no tag"},
		"tags unread, never written": {edit(func(h *Have) { h.Tags = nil; h.Threshold = 5 }), nil, Foreign, false, false, "no tag"},
		"tags lost, written by us":   {edit(func(h *Have) { h.Tags = map[string]string{} }), map[string]Applied{wanted().Name: {Hash: "x"}}, Present, false, true, ""},
		"tags unread, written by us": {edit(func(h *Have) { h.Tags = nil }), map[string]Applied{wanted().Name: {Hash: "x"}}, Present, false, false, ""},
		"spec tag of an older want":  {edit(func(h *Have) { h.Tags[SpecTag] = "old" }), nil, Present, false, true, ""},
		"of another shape":           {edit(func(h *Have) { h.Foreign = true }), nil, Foreign, false, false, "shape"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, _ := Plan([]Spec{wanted()}, c.have, Basis{Owner: owner, Applied: c.applied})
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			r := rows[0]
			if r.Status != c.status || (r.Write.Put != nil) != c.put || (r.Write.ARN != "") != c.tag || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func TestRepairKeepsWhatPeopleAdded(t *testing.T) {
	h := have(wanted())
	h.Threshold, h.Description, h.ActionsDisabled = 9, "ask Ann", true
	h.AlarmActions = []string{"arn:aws:sns:us-east-1:111122223333:people"}
	rows, _ := Plan([]Spec{wanted()}, []Have{h}, Basis{Owner: owner})
	put := rows[0].Write.Put
	want := wanted()
	want.Description, want.ActionsDisabled = "ask Ann", true
	want.AlarmActions = []string{"arn:aws:sns:us-east-1:111122223333:people", topic}
	if d := cmp.Diff(want, *put); d != "" {
		t.Error(d)
	}
}

func TestGauges(t *testing.T) {
	key := fleet.Key{Target: "prod", Cluster: "c", Service: "s"}
	minute := now.Truncate(time.Minute)
	for name, c := range map[string]struct {
		f    finding.Finding
		want []Datum
	}{
		"open": {finding.Finding{Key: key, Type: finding.SilentChurn, Status: finding.True},
			[]Datum{{"SilentChurn", ServiceDimensions("c", "s"), minute, 1, "Count"}}},
		"unknown is not closed": {finding.Finding{Key: key, Type: finding.SilentChurn, Status: finding.Unknown},
			[]Datum{{"SilentChurn", ServiceDimensions("c", "s"), minute, 1, "Count"}}},
		"by container": {finding.Finding{Key: key, Type: finding.SidecarCrash, Subject: "cwagent", Status: finding.True},
			[]Datum{{"SidecarCrash", ContainerDimensions("c", "s", "cwagent"), minute, 1, "Count"}}},
		"closed nine minutes ago": {finding.Finding{Key: key, Type: finding.SilentChurn, Status: finding.False, ClosedAt: now.Add(-9 * time.Minute)},
			[]Datum{{"SilentChurn", ServiceDimensions("c", "s"), minute, 0, "Count"}}},
		"closed ten minutes ago": {finding.Finding{Key: key, Type: finding.SilentChurn, Status: finding.False, ClosedAt: now.Add(-10 * time.Minute)}, nil},
		"no gauge for it":        {finding.Finding{Key: key, Type: finding.Unobservable, Status: finding.True}, nil},
		"a target's":             {finding.Finding{Key: fleet.Key{Target: "prod"}, Type: finding.SilentChurn, Status: finding.True}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, Gauges([]finding.Finding{c.f}, now)); d != "" {
				t.Error(d)
			}
		})
	}
}

// Each gauge has a fleet alarm that reads its metric with its dimensions, and each description says what OK may mean.
func TestFleetAlarmsReadTheGauges(t *testing.T) {
	specs := Fleet(owner, "prod", Actions{})
	if len(specs) != len(gauges) {
		t.Fatalf("%d alarms for %d gauges", len(specs), len(gauges))
	}
	for gauge, perContainer := range gauges {
		dims := "ClusterName, ServiceName"
		if perContainer {
			dims = "ClusterName, ContainerName, ServiceName"
		}
		want := `SELECT MAX(` + gauge + `) FROM SCHEMA("TaskWarden", ` + dims + `) GROUP BY ` + dims + ` ORDER BY MAX() DESC`
		found := false
		for _, s := range specs {
			if s.Query == want {
				found = true
				for _, must := range []string{string(s.Kind), "Run-book", "controller stopped"} {
					if !strings.Contains(s.Description, must) {
						t.Errorf("%s: description lacks %q: %s", s.Kind, must, s.Description)
					}
				}
			}
		}
		if !found {
			t.Errorf("no alarm reads %s by %s", gauge, dims)
		}
	}
}
