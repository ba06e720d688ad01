package reconciler

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/store"
)

// kindRefused is the kind of refused attempts in the store. Key: caller + slot; one entry, written over when its turn comes
// again. They are apart from the audit log, so that no number of attempts hides an order, fills the store, or slows a start.
const kindRefused = "refused"

const (
	// refusalsKept is how many refused attempts of each kind of caller are kept.
	refusalsKept = 500
	// refusalsFor is how long a refused attempt is kept, if later ones do not take its place before.
	refusalsFor = 7 * 24 * time.Hour
	// refusalWithin bounds how long a caller waits until its refused attempt is saved, or is not.
	refusalWithin = 2 * time.Second
)

// Caller is what is known of who made a refused attempt. Each kind has slots of its own: attempts without a token do not push
// those of approvers out.
type Caller string

// Callers.
const (
	ByApprover Caller = "approver" // with an approver's token
	ByStranger Caller = "stranger" // without one: no token, a wrong one, a viewer's, or from another origin
)

// bookRefusals are the refused attempts in the store, all of them also in memory.
type bookRefusals struct {
	writing chan struct{} // holds one value while an attempt is saved; orders and readers do not wait for it
	mu      sync.Mutex    // of kept; never held while the store is asked
	kept    map[Caller]*refusalRing
}

// refusalRing is the refused attempts of one kind of caller: a slot each, the oldest written over first.
type refusalRing struct {
	slots [refusalsKept]AuditEntry // At is zero in a free one
	next  int
}

// readRefusals reads the refused attempts: at most refusalsKept of each kind of caller.
func (b *Book) readRefusals(ctx context.Context) error {
	b.refusals.writing, b.refusals.kept = make(chan struct{}, 1), map[Caller]*refusalRing{ByApprover: {}, ByStranger: {}}
	for caller, ring := range b.refusals.kept {
		items, err := b.store.Range(ctx, kindRefused, string(caller)+"/", "", refusalsKept)
		if err != nil {
			return fmt.Errorf("read refused attempts: %w", err)
		}
		newest := -1
		for _, it := range items {
			e, err := decode[AuditEntry](it)
			if err != nil {
				return err
			}
			var slot int
			if _, err := fmt.Sscanf(it.Key, string(caller)+"/%d", &slot); err != nil || slot < 0 || slot >= refusalsKept {
				continue // of a version that kept more
			}
			e.Key = fleet.ParseKey(e.Address)
			ring.slots[slot] = e
			if newest < 0 || !e.At.Before(ring.slots[newest].At) {
				newest = slot
			}
		}
		ring.next = (newest + 1) % refusalsKept
	}
	return nil
}

// NoteRefused keeps a refused attempt for a while. It waits refusalWithin at most, also where the store does not answer.
func (b *Book) NoteRefused(ctx context.Context, caller Caller, e AuditEntry) error {
	ctx, cancel := context.WithTimeout(ctx, refusalWithin)
	defer cancel()
	select {
	case b.refusals.writing <- struct{}{}:
		defer func() { <-b.refusals.writing }()
	case <-ctx.Done():
		return fmt.Errorf("save a refused attempt: others are being saved: %w", ctx.Err())
	}
	ring := b.refusals.kept[caller]
	e.Address, e.Refused = e.Key.String(), true
	it, err := encode(kindRefused, fmt.Sprintf("%s/%04d", caller, ring.next), e) // only the one who writes moves next
	if err != nil {
		return err
	}
	it.Expires = e.At.Add(refusalsFor)
	if err := b.store.Commit(ctx, store.Write{Item: it}); err != nil {
		return fmt.Errorf("save a refused attempt: %w", err)
	}
	b.refusals.mu.Lock()
	defer b.refusals.mu.Unlock()
	ring.slots[ring.next] = e
	ring.next = (ring.next + 1) % refusalsKept
	return nil
}

// Refusals lists the refused attempts of what scope names, newest first. Those of no service belong to every scope.
func (b *Book) Refusals(scope fleet.Key, now time.Time) []AuditEntry {
	b.refusals.mu.Lock()
	defer b.refusals.mu.Unlock()
	var out []AuditEntry
	for _, caller := range []Caller{ByApprover, ByStranger} {
		ring := b.refusals.kept[caller]
		for i := range refusalsKept {
			e := ring.slots[(ring.next+2*refusalsKept-1-i)%refusalsKept] // the newest first
			if !e.At.IsZero() && now.Before(e.At.Add(refusalsFor)) && (e.Key == (fleet.Key{}) || within(e.Key, scope)) {
				out = append(out, e)
			}
		}
	}
	slices.SortStableFunc(out, func(x, y AuditEntry) int { return y.At.Compare(x.At) })
	return out
}
