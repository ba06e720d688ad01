package reconciler

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/store"
)

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
