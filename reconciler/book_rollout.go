package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

// Kinds of items of remediation in the store.
const (
	kindRollout = "rollout" // key: rollout id; one rollout
	kindAudit   = "audit"   // key: see auditKey, the newest first; one entry, never written again
	kindPause   = "pause"   // key: target, or everyTarget; there while remediation is paused
	kindReset   = "reset"   // key: fleet.Key; the last reset
)

const (
	// everyTarget is the key of a pause of all targets: no target's name has a star.
	everyTarget = "*"
	// auditInMemory bounds what the API shows; older entries stay in the store for as long as retention.audit says.
	auditInMemory = 5000
	// unbegunKept is how long a rollout that never wrote anything is kept after its end.
	unbegunKept = 30 * 24 * time.Hour
)

// AuditEntry is one line of the audit log (what was planned, said, sent or answered, and by whom), or one refused attempt.
type AuditEntry struct {
	At      time.Time `json:"at"`
	Key     fleet.Key `json:"-"`
	Address string    `json:"service,omitempty"` // of Key
	Rollout string    `json:"rollout,omitempty"` // its id
	By      string    `json:"by"`                // name of the token, or taskwarden
	Action  string    `json:"action"`            // propose, advance, approve, reject, rollback, reset, pause, resume, …
	Hash    string    `json:"hash,omitempty"`    // that the person gave
	Reason  string    `json:"reason,omitempty"`
	Ticket  string    `json:"ticket,omitempty"`
	Text    string    `json:"text"`              // what came of it
	Refused bool      `json:"refused,omitempty"` // a refused attempt: nothing was changed, and it is kept apart (NoteRefused)
}

// bookRollouts is what is remembered of remediation, all of it also in memory. Memory changes only once the store has: no reader
// sees what is not durable, and none waits for the store.
type bookRollouts struct {
	writing sync.Mutex // held by one writer at a time, from before it reads memory until memory has its result
	number  uint64     // of entries ever, so that those of one moment keep their order; guarded by writing

	mu       sync.Mutex // guards what follows; never held while the store is called
	rollouts map[string]*keptRollout
	audit    []AuditEntry // oldest first
	paused   map[string]rollout.Order
	resets   map[string]time.Time
}

type keptRollout struct {
	rollout.Rollout
	version uint64
}

// readRollouts reads what a controller must know of remediation before its first step.
func (b *Book) readRollouts(ctx context.Context) error {
	r := &b.remediation
	r.rollouts, r.paused, r.resets = map[string]*keptRollout{}, map[string]rollout.Order{}, map[string]time.Time{}
	return errors.Join(
		readAll(ctx, b.store, kindRollout, func(it store.Item, v rollout.Rollout) {
			v.Plan.MaskOld()
			r.rollouts[v.ID] = &keptRollout{v, it.Version}
		}),
		readAll(ctx, b.store, kindPause, func(it store.Item, v rollout.Order) { r.paused[it.Key] = v }),
		readAll(ctx, b.store, kindReset, func(it store.Item, v rollout.Order) { r.resets[it.Key] = v.At }),
		b.readAudit(ctx))
}

// auditKey orders entries newest first, so that a start reads the newest ones and no others. number tells those of one moment
// apart.
func auditKey(at time.Time, number uint64) string {
	left := auditNumbers - number%auditNumbers
	return fmt.Sprintf("%s%019d/%010d", auditPrefix, math.MaxInt64-at.UnixNano(), left)
}

const (
	auditPrefix  = "newest/"
	auditNumbers = 1_000_000_000 // ten digits
)

// readAudit reads the newest auditInMemory entries of the audit log.
func (b *Book) readAudit(ctx context.Context) error {
	r := &b.remediation
	r.audit, r.number = nil, 0
	for it, err := range store.All(ctx, b.store, kindAudit, auditPrefix) {
		if err != nil {
			return fmt.Errorf("read %s: %w", kindAudit, err)
		}
		v, err := decode[AuditEntry](it)
		if err != nil {
			return err
		}
		v.Key = fleet.ParseKey(v.Address)
		r.audit = append(r.audit, v)
		if left, err := strconv.ParseUint(it.Key[strings.LastIndex(it.Key, "/")+1:], 10, 64); err == nil {
			r.number = max(r.number, auditNumbers-left)
		}
		if len(r.audit) == auditInMemory {
			break
		}
	}
	slices.Reverse(r.audit) // in memory the oldest comes first
	return nil
}

func readAll[T any](ctx context.Context, s store.Store, kind string, each func(store.Item, T)) error {
	for it, err := range store.All(ctx, s, kind, "") {
		if err != nil {
			return fmt.Errorf("read %s: %w", kind, err)
		}
		v, err := decode[T](it)
		if err != nil {
			return err
		}
		each(it, v)
	}
	return nil
}

// Rollouts lists the rollouts of what scope names, newest first.
func (b *Book) Rollouts(scope fleet.Key) []rollout.Rollout {
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	var out []rollout.Rollout
	for _, k := range b.remediation.rollouts {
		if within(k.Key(), scope) {
			out = append(out, k.Rollout)
		}
	}
	slices.SortFunc(out, func(x, y rollout.Rollout) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), strings.Compare(x.ID, y.ID))
	})
	return out
}

// Rollout gives one rollout by its id.
func (b *Book) Rollout(id string) (rollout.Rollout, bool) {
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	k, ok := b.remediation.rollouts[id]
	if !ok {
		return rollout.Rollout{}, false
	}
	return k.Rollout, true
}

// Audit lists the newest audit entries of what scope names, newest first. Entries of no service belong to every scope.
func (b *Book) Audit(scope fleet.Key) []AuditEntry {
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	var out []AuditEntry
	for _, e := range slices.Backward(b.remediation.audit) {
		if e.Key == (fleet.Key{}) || within(e.Key, scope) {
			out = append(out, e)
		}
	}
	return out
}

// Paused gives who paused remediation of a target and why; of the target alone before all.
func (b *Book) Paused(target string) (rollout.Order, bool) {
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	for _, key := range []string{target, everyTarget} {
		if o, ok := b.remediation.paused[key]; ok {
			return o, true
		}
	}
	return rollout.Order{}, false
}

// rolloutsOf gives the rollouts of one service and when it was last reset.
func (b *Book) rolloutsOf(key fleet.Key) (of []rollout.Rollout, reset time.Time) {
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	for _, k := range b.remediation.rollouts {
		if k.Key() == key {
			of = append(of, k.Rollout)
		}
	}
	slices.SortFunc(of, func(x, y rollout.Rollout) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), strings.Compare(x.ID, y.ID))
	})
	return of, b.remediation.resets[key.String()]
}

// resets gives the last resets by the service's address.
func (b *Book) resets() map[string]time.Time {
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	return maps.Clone(b.remediation.resets)
}

// WriteRollout makes a rollout durable together with what is said of it, or neither. It fails with store.ErrConflict where
// another process wrote the rollout meanwhile; steps of one that was not written must not be taken.
func (b *Book) WriteRollout(ctx context.Context, r rollout.Rollout, keep time.Duration, entries ...AuditEntry) error {
	m := &b.remediation
	m.writing.Lock()
	defer m.writing.Unlock()
	it, err := encode(kindRollout, r.ID, r)
	if err != nil {
		return err
	}
	if !r.Live() && r.Outcome != rollout.Exported && r.StartedAt.IsZero() {
		it.Expires = r.Since.Add(unbegunKept)
	}
	w := store.Write{Item: it, If: store.Absent}
	if w.Version = m.version(r.ID); w.Version > 0 {
		w.If = store.IfVersion
	}
	is := &keptRollout{r, w.Version + 1}
	if err := b.commitAudited(ctx, keep, entries, func() { m.rollouts[r.ID] = is }, w); err != nil {
		return errors.Join(fmt.Errorf("write rollout %s: %w", r.ID, err), b.rereadRollout(ctx, r.ID))
	}
	return nil
}

// version is the stored version of a rollout; 0: there is none.
func (m *bookRollouts) version(id string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if was, ok := m.rollouts[id]; ok {
		return was.version
	}
	return 0
}

// rereadRollout takes in what the store has of one after a commit whose outcome is unknown.
func (b *Book) rereadRollout(ctx context.Context, id string) error {
	r, version, err := reread[rollout.Rollout](ctx, b.store, kindRollout, id)
	if err != nil {
		return err
	}
	m := &b.remediation
	m.mu.Lock()
	defer m.mu.Unlock()
	if version == 0 {
		delete(m.rollouts, id)
	} else {
		m.rollouts[id] = &keptRollout{r, version}
	}
	return nil
}

// reread reads one item; version 0: there is none.
func reread[T any](ctx context.Context, s store.Store, kind, key string) (v T, version uint64, err error) {
	it, err := s.Get(ctx, kind, key)
	if errors.Is(err, store.ErrNotFound) {
		return v, 0, nil
	}
	if err != nil {
		return v, 0, fmt.Errorf("read %s %s again: %w", kind, key, err)
	}
	v, err = decode[T](it)
	return v, it.Version, err
}

// Note appends to the audit log.
func (b *Book) Note(ctx context.Context, keep time.Duration, entries ...AuditEntry) error {
	b.remediation.writing.Lock()
	defer b.remediation.writing.Unlock()
	if err := b.commitAudited(ctx, keep, entries, func() {}); err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// SetPause pauses a target ("": all), or ends the pause.
func (b *Book) SetPause(ctx context.Context, target string, on bool, who rollout.Order, keep time.Duration, e AuditEntry) error {
	key := cmp.Or(target, everyTarget)
	m := &b.remediation
	m.writing.Lock()
	defer m.writing.Unlock()
	it, err := encode(kindPause, key, who)
	if err != nil {
		return err
	}
	apply := func() { setOrDelete(m.paused, key, who, on) }
	if err := b.commitAudited(ctx, keep, []AuditEntry{e}, apply, store.Write{Item: it, Delete: !on}); err != nil {
		return errors.Join(fmt.Errorf("note the pause of %s: %w", key, err), b.rereadPause(ctx, key))
	}
	return nil
}

// rereadPause takes in what the store has of a pause after a commit whose outcome is unknown.
func (b *Book) rereadPause(ctx context.Context, key string) error {
	who, version, err := reread[rollout.Order](ctx, b.store, kindPause, key)
	if err != nil {
		return err
	}
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	setOrDelete(b.remediation.paused, key, who, version > 0)
	return nil
}

// SetReset notes that a person looked at why a service's last try ended as it did.
func (b *Book) SetReset(ctx context.Context, key fleet.Key, who rollout.Order, keep time.Duration, e AuditEntry) error {
	m := &b.remediation
	m.writing.Lock()
	defer m.writing.Unlock()
	it, err := encode(kindReset, key.String(), who)
	if err != nil {
		return err
	}
	apply := func() { m.resets[key.String()] = who.At }
	if err := b.commitAudited(ctx, keep, []AuditEntry{e}, apply, store.Write{Item: it}); err != nil {
		return errors.Join(fmt.Errorf("note the reset of %s: %w", key, err), b.rereadReset(ctx, key.String()))
	}
	return nil
}

// rereadReset takes in what the store has of a reset after a commit whose outcome is unknown.
func (b *Book) rereadReset(ctx context.Context, key string) error {
	who, version, err := reread[rollout.Order](ctx, b.store, kindReset, key)
	if err != nil {
		return err
	}
	b.remediation.mu.Lock()
	defer b.remediation.mu.Unlock()
	setOrDelete(b.remediation.resets, key, who.At, version > 0)
	return nil
}

func setOrDelete[V any](m map[string]V, key string, v V, set bool) {
	if set {
		m[key] = v
	} else {
		delete(m, key)
	}
}

// commitAudited makes writes and audit entries durable in one commit, then applies them to memory in one step. The caller holds
// writing: entries keep their order. apply is called with mu held.
func (b *Book) commitAudited(ctx context.Context, keep time.Duration, entries []AuditEntry, apply func(), writes ...store.Write) error {
	m := &b.remediation
	for i := range entries {
		e := &entries[i]
		e.Address = e.Key.String()
		m.number++
		it, err := encode(kindAudit, auditKey(e.At, m.number), *e)
		if err != nil {
			return err
		}
		if keep > 0 {
			it.Expires = e.At.Add(keep)
		}
		writes = append(writes, store.Write{Item: it, If: store.Absent})
	}
	if err := b.store.Commit(ctx, writes...); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	apply()
	m.audit = append(m.audit, entries...)
	m.audit = m.audit[max(0, len(m.audit)-auditInMemory):]
	return nil
}
