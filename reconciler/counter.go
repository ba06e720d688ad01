package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/store"
)

// Counters count stops for graphs. PutMetricData has no client token, so "exactly once" across a crash does not exist;
// what exists is a datum whose value and timestamp never change once it may have been sent. So each metric, dimensions
// and minute of recording has one row, whose total is fixed by the commits that record the stops, and which is sent
// after its minute has closed:
//
//	pending --intent--> sending --accepted--> sent
//	   ^ grows while its minute lasts    found after a crash: read back, and repeated unchanged if it is not there
//
// The Maximum of each minute is then the number of stops recorded in it, whatever happened in between.

// counterLife is how long an unsent row is worth keeping: CloudWatch refuses data older than two weeks (PutMetricData).
const counterLife = 13 * 24 * time.Hour

// dueAtOnce bounds how many rows one pass sends, so that its commits stay within the store's limits.
const dueAtOnce = 90

type counter struct {
	key     string
	target  string
	body    counterBody
	version uint64 // 0: not yet written
	busy    int    // commits under way that change it
}

func counterKey(target string, d alarm.Datum) string {
	parts := []string{target, minuteOf(d.At), d.Metric}
	for _, dim := range d.Dimensions {
		parts = append(parts, dim.Value)
	}
	return strings.Join(parts, "/")
}

func minuteOf(at time.Time) string { return at.UTC().Truncate(time.Minute).Format(time.RFC3339) }

func (c *counter) write() (store.Write, error) {
	it, err := encode(kindCounter, c.key, c.body)
	it.Expires = c.body.Datum.At.Add(counterLife)
	w := store.Write{Item: it, If: store.Absent}
	if c.version > 0 {
		w.If, w.Version = store.IfVersion, c.version
	}
	return w, err
}

func (b *Book) readCounters(ctx context.Context) error {
	for it, err := range store.All(ctx, b.store, kindCounter, "") {
		if err != nil {
			return fmt.Errorf("read counters: %w", err)
		}
		body, err := decode[counterBody](it)
		if err != nil {
			return err
		}
		if body.State != counterSent {
			target, _, _ := strings.Cut(it.Key, "/")
			b.counters[it.Key] = &counter{key: it.Key, target: target, body: body, version: it.Version}
		}
	}
	return nil
}

// count gives copies of the rows as they will be when the stops are recorded. Rows are marked busy, so that they are
// not sent meanwhile; release ends that.
func (b *Book) count(d Decision, stops []churn.Stop) []*counter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.counting {
		return nil
	}
	added := map[string]*counter{}
	for _, s := range stops {
		if s.Verdict.Planned || s.StoppedAt.Before(b.targets[d.Key.Target].FirstStart) {
			continue
		}
		b.grow(added, d, alarm.UnplannedStops, alarm.ServiceDimensions(d.Key.Cluster, d.Key.Service))
		if s.Verdict.Sidecar && s.Verdict.Culprit != nil {
			b.grow(added, d, alarm.SidecarCrashes, alarm.ContainerDimensions(d.Key.Cluster, d.Key.Service, s.Verdict.Culprit.Container))
		}
	}
	out := make([]*counter, 0, len(added))
	for _, c := range added {
		out = append(out, c)
	}
	slices.SortFunc(out, func(x, y *counter) int { return strings.Compare(x.key, y.key) })
	return out
}

// grow adds one to the row of the minute. A row of that minute that is already on its way stays as it is, and the next
// minute's takes the stop.
func (b *Book) grow(added map[string]*counter, d Decision, metric string, dims []alarm.Dimension) {
	at := d.At.UTC().Truncate(time.Minute)
	for ; ; at = at.Add(time.Minute) {
		datum := alarm.Datum{Metric: metric, Dimensions: dims, At: at, Unit: "Count"}
		key := counterKey(d.Key.Target, datum)
		if c := added[key]; c != nil {
			c.body.Datum.Value++
			return
		}
		row := b.counters[key]
		if row == nil {
			row = &counter{key: key, target: d.Key.Target, body: counterBody{Datum: datum, State: counterPending}}
			b.counters[key] = row
		}
		if row.body.State == counterPending {
			row.busy++
			grown := *row
			grown.body.Datum.Value++
			added[key] = &grown
			return
		}
	}
}

func (b *Book) committed(rows []*counter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range rows {
		if row := b.counters[c.key]; row != nil {
			row.body, row.version = c.body, c.version+1
		}
	}
}

func (b *Book) release(rows []*counter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range rows {
		if row := b.counters[c.key]; row != nil {
			row.busy--
			if row.version == 0 && row.busy == 0 {
				delete(b.counters, c.key) // the commit that would have made it failed
			}
		}
	}
}

// forget reads rows afresh after a commit of unknown outcome. One that was written and is there no longer has expired,
// which is as final as one that was sent: kept, it would fail every later commit of its target.
func (b *Book) forget(ctx context.Context, rows []*counter) error {
	for _, c := range rows {
		it, err := b.store.Get(ctx, kindCounter, c.key)
		gone := errors.Is(err, store.ErrNotFound)
		if err != nil && !gone {
			return fmt.Errorf("read counter %s again: %w", c.key, err)
		}
		var body counterBody
		if !gone {
			if body, err = decode[counterBody](it); err != nil {
				return err
			}
		}
		b.reread(c.key, body, it.Version)
	}
	return nil
}

// reread takes over what the store has of a row; version 0: nothing.
func (b *Book) reread(key string, body counterBody, version uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	row := b.counters[key]
	switch {
	case row == nil:
	case version == 0 && row.version == 0: // never written: release lets it go
	case version == 0 || body.State == counterSent:
		delete(b.counters, key)
	default:
		row.body, row.version = body, version
	}
}

// due lists copies of a target's rows that may be sent: their minute has closed and nothing is changing them.
func (b *Book) due(target string, now time.Time) []counter {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []counter
	for _, c := range b.counters {
		if c.target == target && c.busy == 0 && c.body.Datum.At.Before(now.Truncate(time.Minute)) {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(x, y counter) int { return strings.Compare(x.key, y.key) })
	return out[:min(len(out), dueAtOnce)]
}

// mark moves rows to a state, durably. Rows that were sent are let go.
func (b *Book) mark(ctx context.Context, rows []counter, state counterState, now time.Time) error {
	var writes []store.Write
	for _, c := range rows {
		c.body.State = state
		w, err := c.write()
		if err != nil {
			return err
		}
		if state == counterSent {
			w.Expires = now.Add(24 * time.Hour)
		}
		writes = append(writes, w)
	}
	if err := b.store.Commit(ctx, writes...); err != nil {
		again := make([]*counter, len(rows))
		for i := range rows {
			again[i] = &rows[i]
		}
		return errors.Join(fmt.Errorf("mark counters %s: %w", state, err), b.forget(ctx, again))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range rows {
		if state == counterSent {
			delete(b.counters, c.key)
		} else if row := b.counters[c.key]; row != nil {
			row.body.State, row.version = state, c.version+1
		}
	}
	return nil
}
