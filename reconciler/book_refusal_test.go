package reconciler

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/store"
	"taskwarden/store/bolt"
)

// reads counts the items that a start reads, by kind.
type reads struct {
	store.Store
	items map[string]int
}

func (r *reads) Range(ctx context.Context, kind, prefix, after string, limit int) ([]store.Item, error) {
	items, err := r.Store.Range(ctx, kind, prefix, after, limit)
	r.items[kind] += len(items)
	return items, err
}

// A flood of rejected calls hides no approval, does not fill the store, and does not slow the next start.
func TestAFloodOfRejectedCallsHidesNoApproval(t *testing.T) {
	now := noon
	s, err := bolt.Open(t.TempDir(), bolt.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	b := openBook(t, s)
	by := func(who, text string) AuditEntry {
		return AuditEntry{At: now, Key: django, By: who, Action: "approve", Text: text}
	}
	if err := errors.Join(b.Note(t.Context(), 365*24*time.Hour, by("oncall", "proposed → approved")),
		b.NoteRefused(t.Context(), ByApprover, by("oncall", "the plan's hash is another"))); err != nil {
		t.Fatal(err)
	}
	const flood = 6 * refusalsKept
	for i := range flood {
		now = now.Add(time.Second)
		if err := b.NoteRefused(t.Context(), ByStranger, by("nobody", fmt.Sprint("a token is needed ", i))); err != nil {
			t.Fatal(err)
		}
	}
	counted := &reads{s, map[string]int{}}
	next := openBook(t, counted)
	if n := counted.items[kindRefused]; n != refusalsKept+1 || counted.items[kindAudit] != 1 {
		t.Errorf("a start reads %d refused attempts and %d audit entries", n, counted.items[kindAudit])
	}
	for name, b := range map[string]*Book{"this process": b, "the next": next} {
		if all := b.Audit(fleet.Key{}); len(all) != 1 || all[0].By != "oncall" || all[0].Refused {
			t.Errorf("%s: the audit log is %+v", name, all)
		}
		refused := b.Refusals(django, now)
		if len(refused) != refusalsKept+1 || refused[0].Text != fmt.Sprint("a token is needed ", flood-1) || refused[refusalsKept].By != "oncall" || !refused[0].Refused {
			t.Errorf("%s: %d refused attempts, the newest %+v, the oldest %+v", name, len(refused), refused[0], refused[len(refused)-1])
		}
		if n := len(b.Refusals(fleet.Key{Target: "other"}, now)); n != 0 {
			t.Errorf("%s: %d refused attempts of another target", name, n)
		}
		if n := len(b.Refusals(fleet.Key{}, now.Add(refusalsFor))); n != 0 {
			t.Errorf("%s: %d refused attempts after their time", name, n)
		}
	}
	now = now.Add(time.Second)
	if err := next.NoteRefused(t.Context(), ByStranger, by("nobody", "again")); err != nil {
		t.Fatal(err)
	}
	if refused := openBook(t, s).Refusals(fleet.Key{}, now); len(refused) != refusalsKept+1 || refused[0].Text != "again" {
		t.Errorf("the next process goes on with %d, the newest %+v", len(refused), refused[0])
	}
	now = now.Add(refusalsFor)
	if items, err := s.Range(t.Context(), kindRefused, "", "", 0); err != nil || len(items) != 0 {
		t.Errorf("%d are kept in the store after their time (%v)", len(items), err)
	}
}

// A start reads the newest audit entries alone, and shows them in their order, those of one moment too.
func TestAStartReadsTheNewestAuditEntriesAlone(t *testing.T) {
	s := openStore(t, t.TempDir())
	b := openBook(t, s)
	const more = 1200
	var batch []AuditEntry
	for i := range auditInMemory + more {
		batch = append(batch, AuditEntry{At: noon.Add(time.Duration(i/3) * time.Nanosecond), By: "taskwarden", Action: "advance", Text: fmt.Sprint(i)})
		if len(batch) == 50 {
			if err := b.Note(t.Context(), time.Hour*1e5, batch...); err != nil {
				t.Fatal(err)
			}
			batch = nil
		}
	}
	counted := &reads{s, map[string]int{}}
	next := openBook(t, counted)
	if n := counted.items[kindAudit]; n != auditInMemory {
		t.Errorf("a start reads %d entries", n)
	}
	all := next.Audit(fleet.Key{})
	if len(all) != auditInMemory {
		t.Fatalf("%d entries are shown", len(all))
	}
	for i, e := range all {
		if want := fmt.Sprint(auditInMemory + more - 1 - i); e.Text != want {
			t.Fatalf("entry %d is %s, want %s", i, e.Text, want)
		}
	}
	if err := next.Note(t.Context(), 0, AuditEntry{At: all[0].At, Text: "of the same moment"}); err != nil {
		t.Error(err)
	}
}

// stuck is a store that answers no commit.
type stuck struct{ store.Store }

func (s stuck) Commit(ctx context.Context, _ ...store.Write) error {
	<-ctx.Done()
	return ctx.Err()
}

// While the store does not answer, callers whose attempts are refused wait two seconds each, not one after the other, and the
// list can be read.
func TestAStoreThatDoesNotAnswerHoldsNoRefusedCallerUp(t *testing.T) {
	b := openBook(t, openStore(t, t.TempDir()))
	b.store = stuck{b.store}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		b.refusals.writing = make(chan struct{}, 1) // of this bubble
		done := make(chan error, 50)
		for range cap(done) {
			go func() { done <- b.NoteRefused(context.Background(), ByStranger, AuditEntry{At: noon, By: "nobody"}) }()
		}
		synctest.Wait()
		if n := len(b.Refusals(fleet.Key{}, noon)); n != 0 {
			t.Errorf("%d attempts are shown that were not saved", n)
		}
		for range cap(done) {
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > refusalWithin {
			t.Errorf("the last caller waited %s", took)
		}
	})
}
