package fleet

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		name     string
		a, b     Scope
		overlaps bool
	}{
		{"all and all", Scope{}, Scope{}, true},
		{"one and all", Scope{Clusters: []string{"prod"}}, Scope{Clusters: []string{"*"}}, true},
		{"other prefixes", Scope{Clusters: []string{"prod-*"}}, Scope{Clusters: []string{"dev-*"}}, false},
		{"prefix and suffix", Scope{Clusters: []string{"prod-*"}}, Scope{Clusters: []string{"*-eu"}}, true},
		{"all but the other's", Scope{Clusters: []string{"*"}, ExcludeClusters: []string{"prod"}}, Scope{Clusters: []string{"prod"}}, false},
		{"all but one of the other's", Scope{Clusters: []string{"*"}, ExcludeClusters: []string{"prod"}}, Scope{Clusters: []string{"prod*"}}, true},
		{"all but a pattern that covers the other's", Scope{ExcludeClusters: []string{"prod*"}}, Scope{Clusters: []string{"prod-*", "prod"}}, false},
		{"excluded in two parts", Scope{ExcludeClusters: []string{"?", "??*"}}, Scope{}, false},
		{"classes apart", Scope{Clusters: []string{"web-[a-m]*"}}, Scope{Clusters: []string{"web-[n-z]*"}}, false},
		{"classes that meet", Scope{Clusters: []string{"web-[a-m]*"}}, Scope{Clusters: []string{"web-[^a-l]*"}}, true},
		{"other services of one cluster", Scope{Services: []string{"web"}}, Scope{Services: []string{"api"}}, false},
		{"same services, other clusters", Scope{Clusters: []string{"a"}, Services: []string{"web"}}, Scope{Clusters: []string{"b"}, Services: []string{"web"}}, false},
		{"excluded services", Scope{ExcludeServices: []string{"batch-*"}}, Scope{Services: []string{"batch-?"}}, false},
		{"an escaped letter", Scope{Clusters: []string{`\prod`}}, Scope{Clusters: []string{"prod"}}, true},
		{"a star that stands for nothing", Scope{Clusters: []string{"*prod*"}}, Scope{Clusters: []string{"prod"}}, true},
		{"another length", Scope{Clusters: []string{"???"}}, Scope{Clusters: []string{"prod"}}, false},
		{"characters that no name has", Scope{Clusters: []string{"a.b"}}, Scope{Clusters: []string{"a.b"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, pair := range [][2]Scope{{c.a, c.b}, {c.b, c.a}} {
				cluster, service, overlaps, sure := Overlap(pair[0], pair[1])
				if overlaps != c.overlaps || !sure {
					t.Errorf("%t (sure: %t), with %s/%s", overlaps, sure, cluster, service)
				}
				if overlaps {
					watchedByBoth(t.Errorf, pair[0], pair[1], cluster, service)
				}
			}
		})
	}
}

func watchedByBoth(fail func(string, ...any), a, b Scope, cluster, service string) {
	if !a.Cluster(cluster) || !b.Cluster(cluster) || !a.Service(service) || !b.Service(service) {
		fail("%s/%s is not in both %+v and %+v", cluster, service, a, b)
	}
}

// Whatever the patterns: a name that is given is in both scopes, and where there is none, no name of three letters is in both.
func TestOverlapAgreesWithMatching(t *testing.T) {
	var names []string
	for _, x := range []string{"", "a", "b", "-"} {
		for _, y := range []string{"", "a", "b", "-"} {
			for _, z := range []string{"a", "b", "-"} {
				names = append(names, x+y+z)
			}
		}
	}
	pattern := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "-", "?", "*", "[ab]", "[^a]", `\a`}), 1, 4)
	list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return strings.Join(pattern.Draw(t, "pattern"), "") }), 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		a := Scope{Clusters: list.Draw(t, "a"), ExcludeClusters: list.Draw(t, "a out")}
		b := Scope{Clusters: list.Draw(t, "b"), ExcludeClusters: list.Draw(t, "b out")}
		cluster, service, overlaps, sure := Overlap(a, b)
		switch {
		case !sure:
			t.Skip("too many")
		case overlaps:
			watchedByBoth(t.Fatalf, a, b, cluster, service)
		default:
			for _, name := range names {
				if a.Cluster(name) && b.Cluster(name) {
					t.Fatalf("%s is in both %+v and %+v", name, a, b)
				}
			}
		}
	})
}

// Patterns that are made to be hard are given up on after a bounded search, and said to be so.
func TestOverlapIsBounded(t *testing.T) {
	hard := []string{}
	for i := range 12 {
		hard = append(hard, "*a"+strings.Repeat("?", i+3)+"*b"+strings.Repeat("?", i+5))
	}
	if _, _, overlaps, sure := Overlap(Scope{Clusters: hard, ExcludeClusters: []string{"*"}}, Scope{Clusters: hard}); overlaps || sure {
		t.Errorf("overlaps: %t, sure: %t", overlaps, sure)
	}
}
