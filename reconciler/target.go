package reconciler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// perPut is CloudWatch's limit of metrics in one PutMetricData call.
const perPut = 1000

// targetPass does what concerns a target as a whole: its own findings, its gauges and counters, its alarms.
func (c *Controller) targetPass(ctx context.Context, name string) error {
	t, err := c.target(name)
	if err != nil {
		return err
	}
	now := c.now()
	c.reportPanics(name) // some may be over
	if err := c.judgeTarget(ctx, name, now); err != nil {
		return err
	}
	c.metrics.findings(name, c.book.Findings(name))
	if c.o.Metrics {
		// Refused or lost data are a trouble of CloudWatch's side: they are noted, and looking goes on.
		c.outcome(name, "MetricsRefused", "metrics cannot be put, so gauges are silent and alarms cannot fire",
			errors.Join(c.putGauges(ctx, t, now), c.putCounters(ctx, t, now)))
	}
	if c.o.Alarms != Off {
		c.audits.begin(name)
	}
	return nil
}

// outcome notes that something did not work, or that it does again.
func (c *Controller) outcome(target, reason, message string, err error) {
	switch {
	case err == nil:
		c.settled(target, reason)
	case !errors.Is(err, context.Canceled):
		c.trouble(target, reason, message, err)
	}
}

// judgeTarget records what a target's troubles mean. They are known exactly, so that look is always a complete one.
func (c *Controller) judgeTarget(ctx context.Context, name string, now time.Time) error {
	key := fleet.Key{Target: name}
	m, err := c.book.Load(ctx, key)
	if err != nil {
		return err
	}
	_, whole := c.view.sweep(name)
	claims := targetClaims(now, whole.At, c.started, c.troubles.of(name))
	is := mergeAll(key, m.Findings, claims, fleet.Seen{At: now, Complete: true}, now, c.targetSights(name)...)
	d := Decision{Key: key, At: now, Findings: is, Changes: finding.Transitions(m.Findings, is, now)}
	if err := c.book.Record(ctx, d); err != nil {
		return err
	}
	c.announce(d)
	return nil
}

// putGauges says each gauge once a minute, however many passes there are in it; a 1 after a 0 is said at once.
func (c *Controller) putGauges(ctx context.Context, t Target, now time.Time) error {
	said := c.said(t.Name)
	data := slices.DeleteFunc(alarm.Gauges(c.book.Findings(t.Name), now), func(d alarm.Datum) bool {
		was, ok := said[counterKey(t.Name, d)]
		return ok && was >= d.Value
	})
	for part := range slices.Chunk(data, perPut) {
		if err := t.CloudWatch.PutData(ctx, part); err != nil {
			return fmt.Errorf("put gauges: %w", err)
		}
	}
	for _, d := range data {
		said[counterKey(t.Name, d)] = d.Value
	}
	maps.DeleteFunc(said, func(key string, _ float64) bool { return !strings.Contains(key, minuteOf(now)) })
	c.metrics.data.Add(float64(len(data)))
	return nil
}

// said holds the gauges that a target's account accepted in this minute. A target's passes never run at the same time.
func (c *Controller) said(target string) map[string]float64 {
	m, _ := c.gauges.LoadOrStore(target, map[string]float64{})
	return m.(map[string]float64)
}

// putCounters sends the rows whose minute has closed: intent, call, mark. Rows that an earlier attempt may have sent
// are read back first and only repeated, unchanged, where they are not there.
func (c *Controller) putCounters(ctx context.Context, t Target, now time.Time) error {
	for {
		rows := c.book.due(t.Name, now)
		if len(rows) == 0 {
			c.settled(t.Name, "MetricsUnreadable") // nothing is in doubt any more
			return nil
		}
		rows, err := c.settleSent(ctx, t, rows, now)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			continue
		}
		if err := c.book.mark(ctx, rows, counterSending, now); err != nil {
			return err
		}
		for i := range rows {
			rows[i].version++
		}
		if err := t.CloudWatch.PutData(ctx, dataOf(rows)); err != nil {
			return fmt.Errorf("put counters: %w", err)
		}
		if err := c.book.mark(ctx, rows, counterSent, now); err != nil {
			return err
		}
		c.metrics.data.Add(float64(len(rows)))
	}
}

// settleSent marks as sent those rows in doubt that can be read back, and returns the rows still to be sent. That they
// cannot be read is no reason to wait: a repeat carries the same value and timestamp.
func (c *Controller) settleSent(ctx context.Context, t Target, rows []counter, now time.Time) ([]counter, error) {
	doubt := slices.DeleteFunc(slices.Clone(rows), func(r counter) bool { return r.body.State != counterSending })
	if len(doubt) == 0 {
		return rows, nil
	}
	there, err := t.CloudWatch.Maxima(ctx, dataOf(doubt))
	if err != nil {
		c.trouble(t.Name, "MetricsUnreadable", "counters in doubt after an interruption cannot be read back, and are repeated", err)
		return rows, nil
	}
	c.settled(t.Name, "MetricsUnreadable")
	var sent []counter
	for i, r := range doubt {
		if there[i] == r.body.Datum.Value {
			sent = append(sent, r)
		}
	}
	if len(sent) == 0 {
		return rows, nil
	}
	isSent := func(r counter) bool {
		return slices.ContainsFunc(sent, func(s counter) bool { return s.key == r.key })
	}
	return slices.DeleteFunc(rows, isSent), c.book.mark(ctx, sent, counterSent, now)
}

func dataOf(rows []counter) []alarm.Datum {
	out := make([]alarm.Datum, len(rows))
	for i, r := range rows {
		out[i] = r.body.Datum
	}
	return out
}

// homePass says that the controller lives, how old each target's last complete sweep is, and keeps the alarms on that.
func (c *Controller) homePass(ctx context.Context) error {
	now := c.now()
	home := c.o.Targets[0].Name // whose findings show the troubles of the controller's own account
	if c.o.Metrics {
		vitals, alive := c.vitals(now)
		err := c.o.Home.PutData(ctx, vitals)
		c.outcome(home, "HeartbeatRefused", "the heartbeat cannot be put, so nobody hears when the controller stops", err)
		if alive && err == nil && c.firstBeat.IsZero() {
			c.firstBeat = now
		}
	}
	// The heartbeat's missing data breach: its alarm waits for a beat in a minute that is over, or it would fire at once.
	beaten := !c.firstBeat.IsZero() && now.Truncate(time.Minute).After(c.firstBeat)
	if c.o.Alarms != Off && beaten {
		c.audits.begin(homeAlarms)
	}
	return nil
}

// vitals are the heartbeat, where every target's last complete sweep is young enough, and the sweep ages.
func (c *Controller) vitals(now time.Time) (out []alarm.Datum, alive bool) {
	alive = true
	for _, t := range c.o.Targets {
		_, whole := c.view.sweep(t.Name)
		since := whole.At
		if since.IsZero() {
			since = c.started
		}
		age := now.Sub(since)
		alive = alive && !whole.At.IsZero() && age < 3*c.effective(t.Name)
		out = append(out, alarm.SweepAgeDatum(c.o.ID, t.Name, age, now))
	}
	if alive {
		out = append(out, alarm.HeartbeatDatum(c.o.ID, now))
	}
	return out, alive
}
