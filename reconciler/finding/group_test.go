package finding

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

const agentImage = "amazon/cloudwatch-agent:1.300058.0b1088"

func blames(service, typ, signature string, traits ...Trait) Finding {
	return Finding{Key: fleet.Key{Target: "prod", Cluster: "c", Service: service}, Type: typ, Subject: "cwagent", Status: True, Severity: Warning,
		FirstSeen: now, LastSeen: now, Count: 4, Detail: Detail{Last: now, Traits: traits, Cause: &Cause{Container: "cwagent", Sidecar: true, Signature: signature, Image: agentImage}}}
}

func TestGroups(t *testing.T) {
	other := blames("own", SidecarCrash, "go-panic")
	other.Cause.Image = "amazon/cloudwatch-agent:1.300071.0"
	closed := blames("gone", SidecarCrash, "oom")
	closed.Status = False
	elsewhere := blames("web", SidecarCrash, "go-concurrent-map-writes")
	elsewhere.Key.Target = "test"
	blind := func(reason string) Finding {
		return Finding{Key: fleet.Key{Target: "prod"}, Type: Unobservable, Reason: reason, Status: True, Severity: Info}
	}
	nobody := func(service string) Finding {
		return Finding{Key: fleet.Key{Target: "prod", Service: service}, Type: SilentChurn, Reason: "UnplannedStops", Status: True, Severity: Warning, Detail: Detail{Cause: &Cause{}}}
	}
	churn := blames("web", SilentChurn, "go-concurrent-map-writes")
	churn.Severity = Critical
	got := Groups([]Finding{
		blames("web", SidecarCrash, "go-concurrent-map-writes"), churn, blames("api", SidecarCrash, ""), // its log is not read yet
		other, closed, elsewhere, blind("LogsUnreadable"), blind("LogsUnreadable"), nobody("a"), nobody("b"),
	})
	var rows []string
	for _, g := range got {
		row := g.Target + " " + string(g.Severity) + " " + g.Cause.Container + " " + g.Cause.Signature
		for _, s := range g.Services {
			row += " " + s.Service
		}
		rows = append(rows, row)
	}
	slices.Sort(rows)
	want := []string{
		"prod critical cwagent go-concurrent-map-writes api web",
		"prod info  ",
		"prod warning   a", "prod warning   b",
		"prod warning cwagent go-panic own",
		"test warning cwagent go-concurrent-map-writes web",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("groups\n%q, want\n%q", rows, want)
	}
	if got[0].Deaths != 8 || !slices.Equal(got[0].Types, []string{SidecarCrash, SilentChurn}) {
		t.Errorf("a service's deaths count once: %+v", got[0])
	}
}

func TestSharedTraits(t *testing.T) {
	zone := func(value string, deaths, alive int) Trait { return Trait{"zone", value, deaths, alive} }
	for name, c := range map[string]struct {
		traits []Trait
		want   string
	}{
		"one zone":                {[]Trait{zone("a", 7, 2), zone("a", 5, 2), zone("b", 0, 3), zone("c", 0, 3)}, "12 of 12 deaths in zone a, where 4 of 10 tasks run"},
		"all zones alike":         {[]Trait{zone("a", 4, 4), zone("b", 4, 3), zone("c", 4, 3)}, ""},
		"all tasks are there":     {[]Trait{zone("a", 12, 10)}, ""},
		"too few to tell":         {[]Trait{zone("a", 2, 4), zone("b", 0, 6)}, ""},
		"an old revision":         {[]Trait{{"revision", "web:41", 12, 0}, {"revision", "web:42", 0, 4}}, "12 of 12 deaths with revision web:41, as have 0 of 4 tasks that run"},
		"the rest is not a value": {[]Trait{{"node", "", 12, 0}, {"node", "i-1", 0, 10}}, ""},
	} {
		got := ""
		for _, s := range shared(c.traits) {
			got += s.String()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// Fisher's tea: all four cups right by chance, 1 in 70.
	if p := (Shared{Trait{"milk", "first", 4, 0}, 4, 4}).byChance(); math.Abs(p-1.0/70) > 1e-12 {
		t.Errorf("p = %v", p)
	}
}

// Each open finding is in one group, whose id it carries, whatever the order of the findings.
func TestGroupsAreAPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Finding
		for _, service := range []string{"a", "b", "c", "d"} {
			f := blames(service, rapid.SampledFrom([]string{SidecarCrash, SilentChurn, SidecarDown}).Draw(t, "type"), rapid.SampledFrom([]string{"", "oom", "go-panic"}).Draw(t, "signature"))
			f.Status = rapid.SampledFrom([]Status{True, Unknown, False}).Draw(t, "status")
			all = append(all, f)
		}
		groups := Groups(all)
		ids := map[string]string{}
		for i, id := range CauseIDs(all) {
			ids[all[i].Key.Service] = id
		}
		n := 0
		for _, g := range groups {
			for _, f := range g.Findings {
				if n++; ids[f.Key.Service] != g.ID || !f.Open() {
					t.Fatalf("%+v is in group %s", f, g.ID)
				}
			}
		}
		if open := len(slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return !f.Open() })); n != open {
			t.Fatalf("%d findings in groups, %d open", n, open)
		}
		slices.Reverse(all)
		for i, id := range CauseIDs(all) {
			if ids[all[i].Key.Service] != id {
				t.Fatal("the order of the findings changes an id")
			}
		}
	})
}
