package reconciler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"taskwarden/contain"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
	"taskwarden/store"
)

const (
	// stopsPerCommit keeps a commit within the store's limits: each stop is one item with at most a few kilobytes of
	// log lines, beside the counters' and the memory's items.
	stopsPerCommit = 40
	// firstLook is how far back a sweep sees: stopped tasks stay visible for at least an hour (DescribeTasks).
	firstLook = time.Hour
	// loadsAtOnce is how many keys are read at a time when a book is opened.
	loadsAtOnce = 16
)

// Book is what the controller remembers: findings and stops of each service, counters on their way, and what it last
// wrote to alarms. Everything is durable before it is acted on; the copies in memory serve the passes and the API.
//
// One process at a time writes a book. Passes of one key never run at the same time; different keys may.
type Book struct {
	store     store.Store
	retention time.Duration // of stops
	counting  bool          // metrics are enabled: stops are counted

	mu       sync.Mutex
	memories map[fleet.Key]Memory
	blank    map[fleet.Key]bool                  // of which the store has nothing: most services, for good
	held     map[fleet.Key]map[string]churn.Held // stops that wait, in memory only; a failed write forgets none
	short    map[fleet.Key]time.Time             // since when tasks are missing, in memory only
	targets  map[string]targetBody
	counters map[string]*counter
	applied  map[string]applied

	remediation bookRollouts
	refusals    bookRefusals
}

// OpenBook reads what must be known before the first look: open findings (their gauges go on at once), counters that
// were not sent, and alarms written.
func OpenBook(ctx context.Context, s store.Store, retention time.Duration, counting bool) (*Book, error) {
	b := &Book{
		store: s, retention: retention, counting: counting, memories: map[fleet.Key]Memory{}, blank: map[fleet.Key]bool{}, held: map[fleet.Key]map[string]churn.Held{}, short: map[fleet.Key]time.Time{},
		targets: map[string]targetBody{}, counters: map[string]*counter{}, applied: map[string]applied{},
	}
	if err := b.loadAll(ctx); err != nil {
		return nil, err
	}
	for it, err := range store.All(ctx, s, kindAlarm, "") {
		if err != nil {
			return nil, fmt.Errorf("read applied alarms: %w", err)
		}
		a, err := decode[applied](it)
		if err != nil {
			return nil, err
		}
		b.applied[it.Key] = a
	}
	return b, errors.Join(b.readRollouts(ctx), b.readRefusals(ctx), b.readCounters(ctx))
}

// loadAll reads the memory of every key that has one, several at a time: a shared store answers each read in milliseconds,
// which thousands of services would add up to more than a takeover may take.
func (b *Book) loadAll(ctx context.Context) error {
	group, ctx := contain.WithContext(ctx)
	group.SetLimit(loadsAtOnce)
	for it, err := range store.All(ctx, b.store, kindMemory, "") {
		if err != nil {
			return errors.Join(fmt.Errorf("read memories: %w", err), group.Wait())
		}
		group.Go(contain.Load, it.Key, func() error {
			_, err := b.load(ctx, fleet.ParseKey(it.Key))
			return err
		}, nil)
	}
	return group.Wait()
}

// Begin notes that a target is watched, and since when: stops before its very first start are never counted. After a longer
// absence than AWS shows stopped tasks it notes the hole.
func (b *Book) Begin(ctx context.Context, target string, now time.Time) error {
	it, err := b.store.Get(ctx, kindTarget, target)
	if errors.Is(err, store.ErrNotFound) {
		it, err = encode(kindTarget, target, targetBody{FirstStart: now})
		if err == nil {
			err = b.store.Commit(ctx, store.Write{Item: it, If: store.Absent})
		}
	}
	if err != nil {
		return fmt.Errorf("note the first start of target %s: %w", target, err)
	}
	body, err := decode[targetBody](it)
	if err != nil {
		return err
	}
	body.hole(now)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets[target] = body
	return nil
}

// lookNoted is how far the noted time of the last complete look may be behind, so that looks cost few writes.
const lookNoted = 10 * time.Minute

// hole notes that stops may have come and gone unseen since the last complete look.
func (t *targetBody) hole(now time.Time) {
	if !t.Looked.IsZero() && now.Sub(t.Looked) > firstLook {
		t.Watched = now.Add(-firstLook)
	}
}

// Looked notes a complete look at a target.
func (b *Book) Looked(ctx context.Context, target string, at time.Time) error {
	body, news := b.lookedAt(target, at)
	if !news {
		return nil
	}
	it, err := encode(kindTarget, target, body)
	if err == nil {
		err = b.store.Commit(ctx, store.Write{Item: it})
	}
	if err != nil {
		return fmt.Errorf("note a look at target %s: %w", target, err)
	}
	return nil
}

// lookedAt takes a complete look into memory, and reports whether it is to be written.
func (b *Book) lookedAt(target string, at time.Time) (body targetBody, news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body = b.targets[target]
	was := body
	body.hole(at)
	if at.Sub(was.Looked) < lookNoted && body == was {
		return body, false
	}
	body.Looked = at
	b.targets[target] = body
	return body, true
}

// Load gives what is remembered of a key.
func (b *Book) Load(ctx context.Context, key fleet.Key) (Memory, error) {
	b.mu.Lock()
	m, ok := b.memories[key]
	if b.blank[key] {
		m, ok = Memory{Key: key}, true
	}
	target, held, short := b.targets[key.Target], b.held[key], b.short[key]
	b.mu.Unlock()
	if !ok {
		var err error
		if m, err = b.load(ctx, key); err != nil {
			return m, err
		}
	}
	if key.Service != "" {
		m.Rollouts, m.Reset = b.rolloutsOf(key)
	}
	m.History.Since, m.History.Watched, m.History.Held, m.History.Short = target.FirstStart.Add(-firstLook), target.Watched, held, short
	return m, nil
}

func (b *Book) load(ctx context.Context, key fleet.Key) (Memory, error) {
	m := Memory{Key: key}
	it, err := b.store.Get(ctx, kindMemory, key.String())
	switch {
	case err == nil:
		body, err := decode[memoryBody](it)
		if err != nil {
			return m, err
		}
		m.version, m.Findings, m.History.Restarts, m.written = it.Version, body.Findings, body.Restarts, body
	case !errors.Is(err, store.ErrNotFound):
		return m, fmt.Errorf("read memory of %s: %w", key, err)
	}
	if key.Service != "" {
		if m.History.Stops, err = b.readStops(ctx, key); err != nil {
			return m, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remember(m)
	return m, nil
}

// remember keeps what is in the store of a key, with b.mu held.
func (b *Book) remember(m Memory) {
	delete(b.memories, m.Key)
	delete(b.blank, m.Key)
	if m.version == 0 && len(m.History.Stops) == 0 {
		b.blank[m.Key] = true
		return
	}
	b.memories[m.Key] = m
}

func (b *Book) readStops(ctx context.Context, key fleet.Key) ([]churn.Stop, error) {
	var out []churn.Stop
	for it, err := range store.All(ctx, b.store, kindStop, key.String()+"/") {
		if err != nil {
			return nil, fmt.Errorf("read stops of %s: %w", key, err)
		}
		s, err := decode[churn.Stop](it)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return bounded(out), nil
}

// Applied gives, by alarm name, what was last written.
func (b *Book) Applied() map[string]alarm.Applied {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]alarm.Applied, len(b.applied))
	for name, a := range b.applied {
		out[name] = alarm.Applied{Hash: a.Hash, Own: a.own()}
	}
	return out
}

// SetApplied notes what was just written to an alarm; own are those of its actions that are ours.
func (b *Book) SetApplied(ctx context.Context, target string, spec alarm.Spec, own alarm.Actions, now time.Time) error {
	a := applied{Target: target, Hash: spec.Hash(), Own: &own, At: now}
	it, err := encode(kindAlarm, spec.Name, a)
	if err != nil {
		return err
	}
	if err := b.store.Commit(ctx, store.Write{Item: it}); err != nil {
		return fmt.Errorf("note alarm %s: %w", spec.Name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applied[spec.Name] = a
	return nil
}

// all gives what is remembered of every key, in order.
func (b *Book) all() []Memory {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.memories), func(x, y Memory) int { return x.Key.Compare(y.Key) })
}

// watched is what is noted of a target; zero before Begin.
func (b *Book) watched(target string) targetBody {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.targets[target]
}

// DropApplied forgets an alarm that was deleted.
func (b *Book) DropApplied(ctx context.Context, name string) error {
	if err := b.store.Commit(ctx, store.Write{Item: store.Item{Kind: kindAlarm, Key: name}, Delete: true}); err != nil {
		return fmt.Errorf("forget alarm %s: %w", name, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.applied, name)
	return nil
}

// peek gives what is remembered of a key in memory, without reading the store.
func (b *Book) peek(key fleet.Key) Memory {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.memories[key]
}

// Expire frees the bytes of items that have expired, in engines that do not do that by themselves; such items read as
// absent before.
func (b *Book) Expire(ctx context.Context) (int, error) {
	engine, ok := b.store.(interface {
		Sweep(ctx context.Context, most int) (int, error)
	})
	if !ok {
		return 0, nil
	}
	return engine.Sweep(ctx, 0)
}
