package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
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
	return b, errors.Join(b.readRollouts(ctx), b.readCounters(ctx))
}

// loadAll reads the memory of every key that has one, several at a time: a shared store answers each read in milliseconds,
// which thousands of services would add up to more than a takeover may take.
func (b *Book) loadAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(loadsAtOnce)
	for it, err := range store.All(ctx, b.store, kindMemory, "") {
		if err != nil {
			return errors.Join(fmt.Errorf("read memories: %w", err), group.Wait())
		}
		group.Go(func() error {
			_, err := b.load(ctx, fleet.ParseKey(it.Key))
			return err
		})
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
	b.mu.Lock()
	body := b.targets[target]
	was := body
	body.hole(at)
	if at.Sub(was.Looked) < lookNoted && body == was {
		b.mu.Unlock()
		return nil
	}
	body.Looked = at
	b.targets[target] = body
	b.mu.Unlock()
	it, err := encode(kindTarget, target, body)
	if err == nil {
		err = b.store.Commit(ctx, store.Write{Item: it})
	}
	if err != nil {
		return fmt.Errorf("note a look at target %s: %w", target, err)
	}
	return nil
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

// Record makes a decision durable: the new stops with their counters, in commits that hold both or neither, then the
// refined stops and the findings. A decision that changes nothing writes nothing. After an error the key is read afresh
// from the store, and the next pass decides again.
func (b *Book) Record(ctx context.Context, d Decision) error {
	m, err := b.Load(ctx, d.Key)
	if err != nil {
		return err
	}
	if err := b.record(ctx, d, &m); err != nil {
		b.mu.Lock()
		delete(b.memories, d.Key)
		delete(b.blank, d.Key)
		b.mu.Unlock()
		return fmt.Errorf("record %s: %w", d.Key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remember(m)
	b.held[d.Key], b.short[d.Key] = d.Held, d.Short
	if len(d.Held) == 0 {
		delete(b.held, d.Key)
	}
	if d.Short.IsZero() {
		delete(b.short, d.Key)
	}
	return nil
}

func (b *Book) record(ctx context.Context, d Decision, m *Memory) error {
	next, refined := m.after(d)
	for batch := range slices.Chunk(d.New, stopsPerCommit) {
		if err := b.recordStops(ctx, d, batch); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(refined, stopsPerCommit) {
		if err := b.rewriteStops(ctx, d.Key, batch); err != nil {
			return err
		}
	}
	if is := (memoryBody{d.Findings, d.Restarts}); !m.written.same(is) {
		if err := b.writeMemory(ctx, d, is, m); err != nil {
			return err
		}
	}
	m.Findings, m.History = next.Findings, next.History
	return nil
}

// recordStops writes new stops and what they add to the counters in one commit.
func (b *Book) recordStops(ctx context.Context, d Decision, batch []churn.Stop) error {
	writes := make([]store.Write, 0, len(batch)+4)
	for _, s := range batch {
		w, err := b.stopItem(d.Key, s)
		if err != nil {
			return err
		}
		writes = append(writes, store.Write{Item: w, If: store.Absent})
	}
	return b.commitCounted(ctx, writes, b.count(d, batch, nil))
}

func (b *Book) rewriteStops(ctx context.Context, key fleet.Key, batch []churn.Stop) error {
	writes := make([]store.Write, 0, len(batch))
	for _, s := range batch {
		item, err := b.stopItem(key, s)
		if err != nil {
			return err
		}
		writes = append(writes, store.Write{Item: item})
	}
	return b.store.Commit(ctx, writes...)
}

func (b *Book) stopItem(key fleet.Key, s churn.Stop) (store.Item, error) {
	it, err := encode(kindStop, key.String()+"/"+fleet.NameOf(s.TaskARN), s)
	if !s.StoppedAt.IsZero() {
		it.Expires = s.StoppedAt.Add(b.retention)
	}
	return it, err
}

// writeMemory writes what a key's memory is now, and what new restarts add to the counters, in one commit: how far they are
// counted is part of the memory.
func (b *Book) writeMemory(ctx context.Context, d Decision, is memoryBody, m *Memory) error {
	it, err := encode(kindMemory, d.Key.String(), is)
	if err != nil {
		return err
	}
	w := store.Write{Item: it, If: store.Absent}
	if m.version > 0 {
		w.If, w.Version = store.IfVersion, m.version
	}
	if err := b.commitCounted(ctx, []store.Write{w}, b.count(d, nil, d.Restarted)); err != nil {
		return err
	}
	m.version++
	m.written = is
	return nil
}

// same leaves out what changes with each reading without a restart: reading it again counts nothing.
func (m memoryBody) same(is memoryBody) bool {
	was := m.Restarts
	recent := is.Restarts.Until.Sub(was.Until) < time.Hour
	return sameFindings(m.Findings, is.Findings) && recent && was.Means == is.Restarts.Means &&
		maps.Equal(was.Values, is.Restarts.Values) && slices.Equal(was.Recent, is.Restarts.Recent)
}

// sameFindings leaves out what changes with each look without saying anything new, LastSeen, the rates and the traits: they
// are written with the first change of something else, or after an hour, so that a lasting finding does not cost a
// write with each look.
func sameFindings(a, b []finding.Finding) bool {
	return slices.EqualFunc(a, b, func(x, y finding.Finding) bool {
		recent := y.LastSeen.Sub(x.LastSeen) < time.Hour
		return x.Compare(y) == 0 && x.Status == y.Status && x.Severity == y.Severity && x.Reason == y.Reason &&
			x.Count == y.Count && x.FirstSeen.Equal(y.FirstSeen) && recent && reflect.DeepEqual(x.Cause, y.Cause)
	})
}

// Findings lists the findings of a target ("" : of all), open and closed, in order.
func (b *Book) Findings(target string) []finding.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []finding.Finding
	for key, m := range b.memories {
		if target == "" || key.Target == target {
			out = append(out, m.Findings...)
		}
	}
	slices.SortFunc(out, finding.Finding.Compare)
	return out
}

// OpenKeys lists the services of a target that have an open finding.
func (b *Book) OpenKeys(target string) []fleet.Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []fleet.Key
	for key, m := range b.memories {
		if key.Target == target && key.Service != "" && slices.ContainsFunc(m.Findings, finding.Finding.Open) {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, fleet.Key.Compare)
	return out
}

// Recorded is one recorded stop with its service.
type Recorded struct {
	Key  fleet.Key
	Stop churn.Stop
}

// Stops lists the recorded stops of what scope names (a service, a cluster or a target by the parts that are set),
// newest first.
func (b *Book) Stops(scope fleet.Key) []Recorded {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Recorded
	for key, m := range b.memories {
		if !within(key, scope) {
			continue
		}
		for _, s := range m.History.Stops {
			out = append(out, Recorded{key, s})
		}
	}
	slices.SortFunc(out, func(x, y Recorded) int {
		return cmp.Or(y.Stop.StoppedAt.Compare(x.Stop.StoppedAt), strings.Compare(x.Stop.TaskARN, y.Stop.TaskARN))
	})
	return out
}

func within(key, scope fleet.Key) bool {
	return (scope.Target == "" || scope.Target == key.Target) && (scope.Cluster == "" || scope.Cluster == key.Cluster) &&
		(scope.Service == "" || scope.Service == key.Service)
}

// Applied gives, by alarm name, what was last written.
func (b *Book) Applied() map[string]alarm.Applied {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]alarm.Applied, len(b.applied))
	for name, a := range b.applied {
		out[name] = alarm.Applied{Hash: a.Hash, Actions: a.Actions}
	}
	return out
}

// SetApplied notes what was just written to an alarm; own are the actions of it that are ours.
func (b *Book) SetApplied(ctx context.Context, target string, spec alarm.Spec, own []string, now time.Time) error {
	a := applied{Target: target, Hash: spec.Hash(), Actions: own, At: now}
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
