package reconciler

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

func planOf(id string) rollout.Rollout {
	return rollout.Rollout{ID: id, Plan: rollout.Plan{Key: django, Policy: "p", Hash: "h" + id}, Phase: rollout.Proposed, CreatedAt: noon, Since: noon}
}

// What is written is there for the next process: rollouts, the audit log in its order, pauses and resets.
func TestTheBookRemembersRollouts(t *testing.T) {
	s := openStore(t, t.TempDir())
	b := openBook(t, s)
	who := rollout.Order{By: "oncall", Reason: "why", Ticket: "T", At: noon}
	r := planOf("1")
	say := func(text string) AuditEntry {
		return AuditEntry{At: noon, Key: django, By: "oncall", Action: "approve", Text: text}
	}
	if err := errors.Join(
		b.WriteRollout(t.Context(), r, time.Hour, say("a"), say("b")),
		b.WriteRollout(t.Context(), r, time.Hour, say("c")),
		b.SetPause(t.Context(), "prod", true, who, time.Hour, say("d")),
		b.SetPause(t.Context(), "", true, who, time.Hour, say("e")),
		b.SetPause(t.Context(), "prod", false, who, time.Hour, say("f")),
		b.SetReset(t.Context(), django, who, time.Hour, say("g")),
	); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*Book{"this process": b, "the next": openBook(t, s)} {
		if got, reset := b.rolloutsOf(django); len(got) != 1 || !reflect.DeepEqual(got[0], r) || !reset.Equal(noon) {
			t.Errorf("%s: %+v, reset %s", name, got, reset)
		}
		if got, ok := b.Paused("anything"); !ok || got != who {
			t.Errorf("%s: paused %+v %t", name, got, ok)
		}
		said := ""
		for _, e := range b.Audit(fleet.Key{Target: "prod"}) {
			said += e.Text
		}
		if said != "gfedcba" || len(b.Audit(fleet.Key{Target: "other"})) != 0 {
			t.Errorf("%s: the audit log says %q", name, said)
		}
	}
	if err := openBook(t, s).Note(t.Context(), time.Hour, AuditEntry{At: noon, Text: "later"}); err != nil {
		t.Error(err) // a number that began again would meet an entry of this moment
	}
}

// A rollout that another process wrote is not written over, nothing of what was to be said with it is said, and the book knows
// it afterwards.
func TestARolloutIsWrittenOverByNobody(t *testing.T) {
	s := openStore(t, t.TempDir())
	one, other := openBook(t, s), openBook(t, s)
	r := planOf("1")
	if err := one.WriteRollout(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
	mine := r
	mine.Message = "the other's"
	if err := other.WriteRollout(t.Context(), mine, 0, AuditEntry{At: noon, Text: "never"}); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("written over: %v", err)
	}
	if got, _ := other.Rollout("1"); got.Message != "" || len(openBook(t, s).Audit(fleet.Key{})) != 0 {
		t.Errorf("%+v", got)
	}
	if err := other.WriteRollout(t.Context(), mine, 0); err != nil {
		t.Errorf("after reading it again: %v", err)
	}
}

// A write that took place though its answer was lost is known, and the next one is no conflict.
func TestALostAnswerIsNoConflict(t *testing.T) {
	lose := false
	b := openBook(t, flaky{openStore(t, t.TempDir()), func() (bool, bool) { return false, lose }})
	lose = true
	if err := b.WriteRollout(t.Context(), planOf("1"), 0); err == nil {
		t.Fatal("the answer was not lost")
	}
	lose = false
	r := planOf("1")
	r.Message = "again"
	if err := b.WriteRollout(t.Context(), r, 0); err != nil {
		t.Error(err)
	}
}

func TestCurrent(t *testing.T) {
	of := func(id, policy string, o rollout.Outcome) rollout.Rollout {
		r := planOf(id)
		r.Plan.Policy, r.Outcome = policy, o
		return r
	}
	for name, tt := range map[string]struct {
		all  []rollout.Rollout // newest first
		want string
	}{
		"none":                              {nil, ""},
		"a live one before an export":       {[]rollout.Rollout{of("2", "p", rollout.Exported), of("1", "p", "")}, "1"},
		"the newest export":                 {[]rollout.Rollout{of("2", "p", rollout.Exported), of("1", "p", rollout.Exported)}, "2"},
		"an export with something newer":    {[]rollout.Rollout{of("2", "p", rollout.Refused), of("1", "p", rollout.Exported)}, ""},
		"another policy's is nothing newer": {[]rollout.Rollout{of("2", "q", rollout.Refused), of("1", "p", rollout.Exported)}, "1"},
	} {
		if got, _ := current(tt.all, time.Now()); got.ID != tt.want {
			t.Errorf("%s: %q, want %q", name, got.ID, tt.want)
		}
	}
}

// Sick services count once, with the cause of the sidecar's crash where there is one.
func TestSick(t *testing.T) {
	other := fleet.Key{Target: "prod", Cluster: "c", Service: "other"}
	crash := func(key fleet.Key) finding.Finding {
		return finding.Finding{Key: key, Type: finding.SidecarCrash, Subject: "agent", Status: finding.True, FirstSeen: noon,
			Detail: finding.Detail{Cause: &finding.Cause{Container: "agent", Image: "i", Signature: "s"}}}
	}
	churn := finding.Finding{Key: django, Type: finding.SilentChurn, Status: finding.True, FirstSeen: noon.Add(time.Minute)}
	closed := crash(fleet.Key{Target: "prod", Cluster: "c", Service: "well"})
	closed.Status = finding.False
	got := sick([]finding.Finding{crash(django), churn, crash(other), closed, {Key: fleet.Key{Target: "prod"}, Type: finding.Unobservable, Status: finding.True}})
	if len(got) != 2 || got[0].Key != django || got[1].Key != other || got[0].Cause != got[1].Cause || got[0].Cause == "" || !got[0].Since.Equal(noon) {
		t.Errorf("%+v", got)
	}
}
