package finding

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat/combin"

	"taskwarden/reconciler/fleet"
)

// Group is the findings of one target that have one cause: one page, with the services listed (CONTRACT section 3).
type Group struct {
	ID        string // as each of its findings carries it; stable while culprit, signature and image are
	Target    string
	Severity  Severity // the gravest
	Types     []string // each once, in order
	Reason    string   // of the gravest finding
	Message   string   // of the gravest finding
	Cause     Cause    // as the newest finding shows it; zero where none is known
	Cures     []Cure
	Services  []fleet.Key // each once, in order; none for findings of a whole target
	FirstSeen time.Time
	LastSeen  time.Time
	Deaths    int      // of all services
	Shared    []Shared // what the tasks that died have in common and those that live have less
	Findings  []Finding
}

// Shared is a trait that tasks which died have far more often than those that live.
type Shared struct {
	Trait
	OfDeaths int // deaths that tell the trait
	OfAlive  int // tasks that run and tell it
}

// String says it with its numbers: "12 of 12 deaths in zone ap-northeast-1a, where 4 of 10 running tasks are".
func (s Shared) String() string {
	how := map[string][2]string{"zone": {"in zone", "where"}, "node": {"on node", "where"}}[s.Name]
	if how == [2]string{} {
		return fmt.Sprintf("%d of %d deaths with %s %s, as have %d of %d tasks that run", s.Deaths, s.OfDeaths, s.Name, s.Value, s.Alive, s.OfAlive)
	}
	return fmt.Sprintf("%d of %d deaths %s %s, %s %d of %d tasks run", s.Deaths, s.OfDeaths, how[0], s.Value, how[1], s.Alive, s.OfAlive)
}

// Groups puts open findings together by cause, the gravest and largest first. A finding whose log could not be read yet
// joins the only crash that others show for the same container and image.
func Groups(findings []Finding) []Group {
	ids := CauseIDs(findings)
	by := map[string]*Group{}
	for i, f := range findings {
		if !f.Open() {
			continue
		}
		g := by[ids[i]]
		if g == nil {
			g = &Group{ID: ids[i], Target: f.Key.Target}
			by[ids[i]] = g
		}
		g.Findings = append(g.Findings, f)
	}
	out := make([]Group, 0, len(by))
	for _, g := range by {
		g.sum()
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(b.Severity.Rank(), a.Severity.Rank()), cmp.Compare(len(b.Services), len(a.Services)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// CauseIDs gives the id of each finding's cause. Closed findings have ids too, and say nothing about others' crashes.
func CauseIDs(findings []Finding) []string {
	type place struct{ target, container, image string }
	placeOf := func(f Finding) place { return place{f.Key.Target, f.Cause.Container, f.Cause.Image} }
	crashes := map[place]map[string]bool{}
	for _, f := range findings {
		if !f.Open() || f.Cause == nil || f.Cause.Signature == "" {
			continue
		}
		if crashes[placeOf(f)] == nil {
			crashes[placeOf(f)] = map[string]bool{}
		}
		crashes[placeOf(f)][f.Cause.Signature] = true
	}
	out := make([]string, len(findings))
	hashed := map[string]string{} // most findings share their cause
	causeID := func(parts ...string) string {
		text := strings.Join(parts, "\x00")
		if hashed[text] == "" {
			hashed[text] = causeID(text)
		}
		return hashed[text]
	}
	for i, f := range findings {
		switch {
		case f.Cause != nil && f.Cause.Container != "":
			signature := f.Cause.Signature
			if known := crashes[placeOf(f)]; signature == "" && len(known) == 1 {
				signature = slices.Collect(maps.Keys(known))[0]
			}
			out[i] = causeID(f.Key.Target, f.Cause.Container, signature, f.Cause.Image)
		case f.Type == SilentChurn: // nobody to blame: nothing that services could have in common
			out[i] = causeID(f.Key.String(), f.Type)
		default:
			out[i] = causeID(f.Key.Target, f.Type, f.Reason)
		}
	}
	return out
}

func causeID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// sum fills a group from its findings.
func (g *Group) sum() {
	slices.SortFunc(g.Findings, Finding.Compare)
	deaths, types := map[fleet.Key]int{}, map[string]bool{}
	traits := map[fleet.Key][]Trait{}
	var newest Finding // of those with a cause
	for _, f := range g.Findings {
		types[f.Type] = true
		if f.Severity.Rank() > g.Severity.Rank() {
			g.Severity, g.Reason, g.Message = f.Severity, f.Reason, f.Message
		}
		if g.FirstSeen.IsZero() || f.FirstSeen.Before(g.FirstSeen) {
			g.FirstSeen = f.FirstSeen
		}
		if f.LastSeen.After(g.LastSeen) {
			g.LastSeen = f.LastSeen
		}
		if f.tellsMore(newest) {
			newest = f
		}
		if f.Key.Service == "" {
			continue
		}
		deaths[f.Key] = max(deaths[f.Key], f.Count)
		if traits[f.Key] == nil {
			traits[f.Key] = f.Traits // of a service's findings the first has them: a sidecar's crash, else the churn
		}
	}
	if newest.Cause != nil {
		g.Cause, g.Cures = *newest.Cause, newest.Cures
	}
	g.Types = slices.Sorted(maps.Keys(types))
	g.Services = slices.SortedFunc(maps.Keys(deaths), fleet.Key.Compare)
	for _, key := range g.Services {
		g.Deaths += deaths[key]
	}
	g.Shared = shared(slices.Concat(slices.Collect(maps.Values(traits))...))
}

// tellsMore tells whether a finding's cause is better to show than another's: with a crash before without, then the newer.
func (f Finding) tellsMore(than Finding) bool {
	if f.Cause == nil || than.Cause == nil {
		return f.Cause != nil
	}
	if known, other := f.Cause.Signature != "", than.Cause.Signature != ""; known != other {
		return known
	}
	return f.Last.After(than.Last)
}

const (
	// sharedBy is the share of the deaths that must have a trait for it to be worth telling.
	sharedBy = 0.8
	// chance is how likely it may be that the dead have a trait that often by chance alone.
	chance = 0.01
)

// shared picks the traits that the dead have in common: most of them have it, and by Fisher's exact test it is unlikely
// that they only happen to have it more often than the tasks that live.
func shared(traits []Trait) []Shared {
	type id struct{ name, value string }
	sums := map[id]Trait{}
	dead, alive := map[string]int{}, map[string]int{}
	for _, t := range traits {
		s := sums[id{t.Name, t.Value}]
		sums[id{t.Name, t.Value}] = Trait{t.Name, t.Value, s.Deaths + t.Deaths, s.Alive + t.Alive}
		dead[t.Name], alive[t.Name] = dead[t.Name]+t.Deaths, alive[t.Name]+t.Alive
	}
	var out []Shared
	for _, t := range sums {
		s := Shared{t, dead[t.Name], alive[t.Name]}
		if t.Value != "" && float64(t.Deaths) >= sharedBy*float64(s.OfDeaths) && t.Deaths > 0 && s.byChance() < chance {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Shared) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value)) })
	return out
}

// byChance is the probability that at least so many of the dead have the trait if it had nothing to do with dying: the
// upper tail of the hypergeometric distribution (R. Fisher, Statistical Methods for Research Workers, 1934).
func (s Shared) byChance() float64 {
	all, with := float64(s.OfDeaths+s.OfAlive), float64(s.Deaths+s.Alive)
	p := 0.0
	for k := s.Deaths; k <= min(s.OfDeaths, s.Deaths+s.Alive); k++ {
		if float64(s.OfDeaths-k) > all-with {
			continue
		}
		p += math.Exp(combin.LogGeneralizedBinomial(with, float64(k)) + combin.LogGeneralizedBinomial(all-with, float64(s.OfDeaths-k)) -
			combin.LogGeneralizedBinomial(all, float64(s.OfDeaths)))
	}
	return p
}
