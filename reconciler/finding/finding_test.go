package finding

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
)

var (
	now  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key  = fleet.Key{Target: "prod", Cluster: "c", Service: "s"}
	full = fleet.Seen{At: now, Complete: true}
	part = fleet.Seen{At: now}
)

func open(status Status, lastSeen time.Time) Finding {
	return Finding{Key: key, Type: SilentChurn, Status: status, Severity: Warning, FirstSeen: now.Add(-time.Hour), LastSeen: lastSeen, Count: 3}
}

// missed is an open finding that a complete look did not show at a time.
func missed(status Status, at time.Time) Finding {
	f := open(status, now.Add(-time.Hour))
	f.Missed = at
	return f
}

func closed(at time.Time) Finding {
	f := open(False, at)
	f.ClosedAt = at
	return f
}

func TestMerge(t *testing.T) {
	claim := Claim{Type: SilentChurn, Severity: Warning, Since: now.Add(-2 * time.Hour), Count: 4}
	keeps := claim
	keeps.Keeps = true
	old, news := claim, claim
	old.Last, news.Last = now.Add(-3*time.Hour), now.Add(-time.Hour)
	knew := func(f Finding) Finding { f.Last = now.Add(-3 * time.Hour); return f }
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, c := range map[string]struct {
		was    []Finding
		claims []Claim
		seen   fleet.Seen
		status Status // "" : no finding
		first  time.Time
	}{
		"a claim opens":                                   {nil, []Claim{claim}, full, True, ago(2 * time.Hour)},
		"a claim opens on a partial view too":             {nil, []Claim{claim}, part, True, ago(2 * time.Hour)},
		"a weak claim opens nothing":                      {nil, []Claim{keeps}, full, "", time.Time{}},
		"a weak claim keeps open":                         {[]Finding{open(True, ago(time.Hour))}, []Claim{keeps}, full, True, ago(time.Hour)},
		"a weak claim does not reopen":                    {[]Finding{closed(ago(time.Hour))}, []Claim{keeps}, full, False, ago(time.Hour)},
		"a claim reopens, with its own beginning":         {[]Finding{closed(ago(time.Hour))}, []Claim{claim}, full, True, ago(2 * time.Hour)},
		"a closed one knew all of it":                     {[]Finding{knew(closed(ago(time.Hour)))}, []Claim{old}, full, False, ago(time.Hour)},
		"however long ago it closed":                      {[]Finding{knew(closed(ago(30 * 24 * time.Hour)))}, []Claim{old}, full, False, ago(time.Hour)},
		"a closed one, and news":                          {[]Finding{knew(closed(ago(time.Hour)))}, []Claim{news}, full, True, ago(2 * time.Hour)},
		"unknown becomes open again":                      {[]Finding{open(Unknown, ago(time.Hour))}, []Claim{claim}, full, True, ago(time.Hour)},
		"no claim on a partial view is unknown":           {[]Finding{open(True, ago(time.Hour))}, nil, part, Unknown, ago(time.Hour)},
		"one complete look without it closes nothing":     {[]Finding{open(True, ago(5*time.Minute))}, nil, full, True, ago(time.Hour)},
		"nor do two within a minute":                      {[]Finding{missed(True, ago(59*time.Second))}, nil, full, True, ago(time.Hour)},
		"no claim on complete views for a minute closes":  {[]Finding{missed(True, ago(60*time.Second))}, nil, full, False, ago(time.Hour)},
		"an unknown one closes on complete views as well": {[]Finding{missed(Unknown, ago(60*time.Second))}, nil, full, False, ago(time.Hour)},
		"a claim between the two begins the count afresh": {[]Finding{missed(True, ago(60*time.Second))}, []Claim{keeps}, full, True, ago(time.Hour)},
		"a closed one is kept a week":                     {[]Finding{closed(ago(6 * 24 * time.Hour))}, nil, full, False, ago(time.Hour)},
		"and then let go":                                 {[]Finding{closed(ago(8 * 24 * time.Hour))}, nil, full, "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Merge(key, c.was, c.claims, c.seen, now)
			if c.status == "" {
				if len(got) != 0 {
					t.Fatalf("got %+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Status != c.status || !got[0].FirstSeen.Equal(c.first) {
				t.Fatalf("got %+v, want %s since %s", got, c.status, c.first)
			}
			if (got[0].Status == False) == got[0].ClosedAt.IsZero() {
				t.Errorf("status %s with ClosedAt %s", got[0].Status, got[0].ClosedAt)
			}
		})
	}
}

func TestTransitions(t *testing.T) {
	was := []Finding{open(True, now)}
	is := Merge(key, was, nil, fleet.Seen{At: now.Add(time.Hour)}, now.Add(time.Hour))
	got := Transitions(was, is, now.Add(time.Hour))
	if len(got) != 1 || got[0].From != True || got[0].To != Unknown {
		t.Errorf("got %+v", got)
	}
	if again := Transitions(is, is, now); len(again) != 0 {
		t.Errorf("nothing changed, and %+v", again)
	}
}

// Whatever the looks were: only a complete one closes, identity is unique, order is fixed, and the arguments are left alone.
func TestMergeOnlyClosesOnACompleteView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var was []Finding
		at := now
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			at = at.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			seen := fleet.Seen{At: at, Complete: rapid.Bool().Draw(t, "complete")}
			var claims []Claim
			for _, typ := range []string{SilentChurn, SidecarCrash, SidecarDown} {
				for _, subject := range []string{"a", "b"} {
					if rapid.Bool().Draw(t, typ+subject) {
						claims = append(claims, Claim{Type: typ, Subject: subject, Keeps: rapid.Bool().Draw(t, "keeps")})
					}
				}
			}
			before := slices.Clone(was)
			is := Merge(key, was, claims, seen, at)
			for _, f := range is {
				if seen.Complete && f.Open() != f.Missed.Equal(seen.At) && slices.ContainsFunc(was, func(w Finding) bool {
					return w.Compare(f) == 0 && w.Open() && w.Missed.IsZero()
				}) && !slices.ContainsFunc(claims, func(c Claim) bool { return c.Type == f.Type && c.Subject == f.Subject }) {
					t.Fatalf("one look without it: %+v", f)
				}
			}
			if d := cmp.Diff(before, was); d != "" {
				t.Fatalf("the argument changed: %s", d)
			}
			if !slices.IsSortedFunc(is, Finding.Compare) {
				t.Fatal("not in order")
			}
			for i := 1; i < len(is); i++ {
				if is[i-1].Compare(is[i]) == 0 {
					t.Fatalf("twice: %+v", is[i])
				}
			}
			for _, tr := range Transitions(was, is, at) {
				if tr.To == False && !seen.Complete {
					t.Fatalf("closed on a partial view: %+v", tr)
				}
				if tr.From == "" && tr.To != True {
					t.Fatalf("began as %s", tr.To)
				}
			}
			was = is
		}
	})
}
