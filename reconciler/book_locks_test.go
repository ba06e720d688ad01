package reconciler

import (
	"context"
	"errors"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

// gated is a store whose commits wait at a gate, and may lose their answer behind it.
type gated struct {
	store.Store
	reached chan struct{}
	gate    chan error // what each commit answers once it took place
}

func (s *gated) Commit(ctx context.Context, w ...store.Write) error {
	if w[0].Kind == kindTarget { // noted when a book begins
		return s.Store.Commit(ctx, w...)
	}
	s.reached <- struct{}{}
	answer := <-s.gate
	if err := s.Store.Commit(ctx, w...); err != nil {
		return err
	}
	return answer
}

// remediationWrites are all writes of what is remembered of remediation.
var remediationWrites = map[string]func(context.Context, *Book) error{
	"rollout": func(ctx context.Context, b *Book) error {
		return b.WriteRollout(ctx, rollout.Rollout{ID: "1", Plan: rollout.Plan{Key: django}}, 0, AuditEntry{Action: "propose"})
	},
	"audit": func(ctx context.Context, b *Book) error { return b.Note(ctx, 0, AuditEntry{Action: "reject"}) },
	"pause": func(ctx context.Context, b *Book) error {
		return b.SetPause(ctx, "prod", true, rollout.Order{By: "ann"}, 0, AuditEntry{Action: "pause"})
	},
	"reset": func(ctx context.Context, b *Book) error {
		return b.SetReset(ctx, django, rollout.Order{By: "ann", At: noon}, 0, AuditEntry{Action: "reset"})
	},
}

// remembered is how much of a write the readers see.
func remembered(t *testing.T, b *Book) (n int) {
	t.Helper()
	m, err := b.Load(t.Context(), django)
	if err != nil {
		t.Error(err)
	}
	n = len(m.Rollouts) + len(b.Rollouts(fleet.Key{})) + len(b.Audit(fleet.Key{})) + len(b.resets())
	if _, ok := b.Rollout("1"); ok {
		n++
	}
	if _, paused := b.Paused("prod"); paused {
		n++
	}
	if !m.Reset.IsZero() {
		n++
	}
	return n
}

// While a commit is on its way every reader returns at once, with what was durable before; afterwards all see all of it.
func TestReadersNeverWaitForACommit(t *testing.T) {
	for name, write := range remediationWrites {
		t.Run(name, func(t *testing.T) {
			s := &gated{Store: openStore(t, t.TempDir()), reached: make(chan struct{}), gate: make(chan error)}
			b := openBook(t, s)
			written, read := make(chan error, 1), make(chan int, 1)
			go func() { written <- write(t.Context(), b) }()
			<-s.reached
			go func() { read <- remembered(t, b) }()
			select {
			case n := <-read:
				if n != 0 {
					t.Errorf("readers see %d things that are not durable yet", n)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("readers wait for a commit on its way")
			}
			s.gate <- nil
			if err := <-written; err != nil {
				t.Error(err)
			}
			if n := remembered(t, b); n == 0 {
				t.Error("readers see nothing of what is durable")
			}
		})
	}
}

// A commit that took place although its answer was lost: memory has what the store has, as after a restart.
func TestMemoryFollowsTheStoreAfterALostAnswer(t *testing.T) {
	for name, write := range remediationWrites {
		if name == "audit" {
			continue // after an error the entry is in the store alone, until the next start
		}
		t.Run(name, func(t *testing.T) {
			s := &gated{Store: openStore(t, t.TempDir()), reached: make(chan struct{}, 9), gate: make(chan error, 9)}
			b := openBook(t, s)
			lost := errors.New("connection reset")
			s.gate <- lost
			if err := write(t.Context(), b); !errors.Is(err, lost) {
				t.Errorf("error %v", err)
			}
			if is, want := remembered(t, b)-len(b.Audit(fleet.Key{})), remembered(t, openBook(t, s.Store))-1; is != want {
				t.Errorf("memory has %d things, a restart reads %d", is, want)
			}
			s.gate <- nil
			if err := write(t.Context(), b); err != nil {
				t.Errorf("the next write: %v", err)
			}
		})
	}
}

// Two writers of one rollout: the second one writes after the first, on its version, and its value is what stays.
func TestWritersTakeTurns(t *testing.T) {
	s := &gated{Store: openStore(t, t.TempDir()), reached: make(chan struct{}), gate: make(chan error)}
	b := openBook(t, s)
	written := make(chan error, 2)
	write := func(phase rollout.Phase) {
		written <- b.WriteRollout(t.Context(), rollout.Rollout{ID: "1", Phase: phase, Plan: rollout.Plan{Key: django}}, 0)
	}
	go write(rollout.Proposed)
	<-s.reached
	go write(rollout.Approved)
	s.gate <- nil
	<-s.reached
	if r, _ := b.Rollout("1"); r.Phase != rollout.Proposed {
		t.Errorf("phase %q while the second write is on its way", r.Phase)
	}
	s.gate <- nil
	if err := errors.Join(<-written, <-written); err != nil {
		t.Error(err)
	}
	if r, _ := b.Rollout("1"); r.Phase != rollout.Approved {
		t.Errorf("phase %q at the end", r.Phase)
	}
}
