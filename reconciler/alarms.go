package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// errPlanOnly is what the writer of mode plan answers.
var errPlanOnly = errors.New("alarms.mode is plan: nothing is written")

// planner is the writer that refuses: the same code runs in mode plan and in mode ensure.
type planner struct{}

func (planner) PutAlarm(context.Context, alarm.Spec, map[string]string) error { return errPlanOnly }
func (planner) TagAlarm(context.Context, string, map[string]string) error     { return errPlanOnly }
func (planner) DeleteAlarm(context.Context, string, string, string) error     { return errPlanOnly }

// homeAlarms stands for the controller's own account among the targets' alarm audits.
const homeAlarms = ""

// audit is what a look at a target's alarms found.
type audit struct {
	seen   fleet.Seen // of the listing: complete, or not to be concluded from
	rows   []alarm.Row
	index  *alarm.Index // nil before the first look
	claims []finding.Claim
	missed map[string]time.Time // as alarm.Basis has it

	coverage []alarm.Summary
	cost     alarm.Cost
}

// audits holds, per target, whether its alarms are to be looked at, what the last look found, and what is looked up more
// rarely. Looks run behind the passes, one at a time for each target: a thousand writes take their time, and gauges must
// not wait for them.
type audits struct {
	mu      sync.Mutex
	want    map[string]bool
	last    map[string]audit
	lookups map[string]*lookups // only the target's own loop uses one
	queues  queues[string]
}

func newAudits() *audits {
	return &audits{want: map[string]bool{}, last: map[string]audit{}, lookups: map[string]*lookups{}}
}

// due asks for a look at a target's alarms and at the controller's own; dueAll, for one at all that were looked at.
func (a *audits) due(target string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.want[target], a.want[homeAlarms] = true, true
}

func (a *audits) dueAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for target := range a.last {
		a.want[target] = true
	}
}

// begin hands a look that is due to the target's loop.
func (a *audits) begin(target string) {
	a.mu.Lock()
	due := a.want[target]
	delete(a.want, target)
	a.mu.Unlock()
	if due {
		a.queues.of(target).Add(target)
	}
}

func (a *audits) of(target string) audit {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last[target]
}

// failed marks what is known as no longer current.
func (a *audits) failed(target string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.last[target]
	was.seen = fleet.Seen{At: now}
	a.last[target] = was
}

// set keeps what a look found and returns the rows that are not as the look before had them.
func (a *audits) set(target string, is audit) []alarm.Row {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := map[string]alarm.Row{}
	for _, r := range a.last[target].rows {
		before[r.Name] = r
	}
	a.last[target] = is
	var changed []alarm.Row
	for _, r := range is.rows {
		if was, ok := before[r.Name]; !ok || was.Status != r.Status || was.Reason != r.Reason {
			changed = append(changed, r)
		}
	}
	return changed
}

// auditLoop looks at a target's alarms whenever that is due. A look that failed, or that wrote something, is taken again.
func (c *Controller) auditLoop(ctx context.Context, target string, cw CloudWatch, reason, message string) {
	c.audits.queues.work(target, func(string) (again bool) {
		err := c.fence("alarms of "+target, func() (err error) {
			again, err = c.keepAlarms(ctx, cw, target)
			return err
		})
		if ctx.Err() != nil {
			return false
		}
		c.lookedAtAlarms(target, reason, message, err)
		return again || err != nil
	})
}

// lookedAtAlarms takes in how a look ended: what it says concerns the target and the services with findings.
func (c *Controller) lookedAtAlarms(target, reason, message string, err error) {
	said, _ := c.saidOf(target)
	c.outcome(said, reason, message, err)
	c.heed(target)
}

// heed has a target and its services with findings judged anew, for what a look at alarms says of them.
func (c *Controller) heed(target string) {
	said, _ := c.saidOf(target)
	c.queue.Add(fleet.Key{Target: said})
	c.enqueue(c.book.OpenKeys(said))
}

// saidOf is the target whose findings show what is wrong: of the controller's own account, the first one's, told apart by
// how its reasons begin.
func (c *Controller) saidOf(target string) (said, whose string) {
	if target == homeAlarms {
		return c.o.Targets[0].Name, "Home"
	}
	return target, ""
}

// keepAlarms takes one look: it compares what is wanted with a whole listing, writes what is missing or drifted, and says
// what the alarms there are would tell. It is the one place that turns an alarm plan into writes; in mode plan the writer
// refuses, and everything before it is the same. again asks for another look, at what was written.
func (c *Controller) keepAlarms(ctx context.Context, cw CloudWatch, target string) (again bool, err error) {
	now := c.now()
	l := c.audits.lookupsOf(target)
	have, err := cw.Alarms(ctx, l.untagged(alarm.Prefix(c.o.ID), now))
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		c.record(recording.Event{Alarms: &recording.Alarms{Target: target, Looked: now, Err: err}})
		c.audits.failed(target, now)
		return false, fmt.Errorf("list alarms: %w", err)
	}
	l.tag(have, now)
	d := c.demand(target, have)
	facts, data, topics := l.facts(ctx, cw, alarm.Ask(have, d.places, d.scope), now)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	said, whose := c.saidOf(target)
	c.outcome(said, whose+"AlarmDataUnread", "whether alarms have data is not known", data)
	c.outcome(said, whose+"TopicsUnread", "whether the topics that alarms notify reach anybody is not known", topics)
	c.record(recording.Event{Alarms: &recording.Alarms{Target: target, Looked: now, Have: have, Facts: facts}})
	return c.audited(ctx, cw, target, have, facts, now)
}

// audited takes in what a look that began at now read.
func (c *Controller) audited(
	ctx context.Context, cw CloudWatch, target string, have []alarm.Have, facts alarm.Facts, now time.Time,
) (again bool, err error) {
	l, d := c.audits.lookupsOf(target), c.demand(target, have)
	is := audit{seen: fleet.Seen{At: now, Complete: true}, index: alarm.NewIndex(have, facts)}
	is.rows, is.missed = alarm.Plan(d.want, have, alarm.Basis{
		Owner: c.o.ID, Applied: c.book.Applied(), Scope: d.scope, Blind: is.index.Blind,
		Covered: func(s alarm.Spec) string { return is.index.Elsewhere(s, d.places) },
		Seen:    d.seen, Missed: c.audits.of(target).missed, Delete: c.o.Alarms == Sync,
	})
	writes := is.rows
	soon := c.o.Alarms != Plan && !l.unwritten && slices.ContainsFunc(writes, func(r alarm.Row) bool { return r.Write.Put != nil })
	is.claims = append(alarm.DriftClaims(is.rows), is.index.BlindClaims(d.places, d.scope)...)
	if target != homeAlarms {
		is.coverage = is.index.Summaries(d.places)
		if !soon { // what is made at once, and looked at again, is no news
			is.claims = append(is.claims, alarm.MissingClaims(is.coverage)...)
		}
		is.rows = append(is.rows, is.index.Others(d.places, c.o.ID)...)
	}
	is.cost = c.price(target, d, len(have), l)
	for _, r := range c.audits.set(target, is) {
		c.o.Log.Info("alarm", zap.String("name", r.Name), zap.String("status", string(r.Status)), zap.String("reason", r.Reason),
			zap.Bool("write", r.Write.Needed()), zap.String("mode", string(c.o.Alarms)))
	}
	c.heed(target) // before what may be a thousand writes
	if c.o.Alarms != Plan && l.forget(writes, now) {
		return true, nil // tags of an earlier look may be out of date: those to be written are looked at afresh first
	}
	again, err = c.writeAlarms(ctx, cw, target, writes, l)
	l.unwritten = err != nil
	return again, err
}

// writeAlarms does what the rows say, and asks for another look at what was written.
func (c *Controller) writeAlarms(ctx context.Context, cw CloudWatch, target string, rows []alarm.Row, l *lookups) (again bool, err error) {
	var writer AlarmWriter = planner{}
	if c.o.Alarms == Ensure || c.o.Alarms == Sync {
		writer = cw
	}
	for _, r := range rows {
		err := c.writeAlarm(ctx, writer, target, r)
		if errors.Is(err, errPlanOnly) {
			continue
		}
		if err != nil {
			return true, fmt.Errorf("alarm %s: %w", r.Name, err)
		}
		if r.Write.Needed() {
			l.written(r.Name)
			again = true
		}
	}
	return again, nil
}

func (c *Controller) writeAlarm(ctx context.Context, writer AlarmWriter, target string, r alarm.Row) error {
	if r.Write.Delete != "" {
		if err := writer.DeleteAlarm(ctx, r.Write.Delete, r.Write.ARN, c.o.ID); err != nil {
			return err
		}
		c.o.Log.Info("alarm deleted", zap.String("name", r.Name), zap.String("reason", r.Reason))
		return c.book.DropApplied(ctx, r.Name)
	}
	if r.Write.Put != nil {
		tags := r.Write.Tags
		if r.Status != alarm.Missing {
			tags = nil // the alarm exists: a put ignores tags
		}
		if err := writer.PutAlarm(ctx, *r.Write.Put, tags); err != nil {
			return err
		}
		c.o.Log.Info("alarm written", zap.String("name", r.Name), zap.String("was", string(r.Status)), zap.String("reason", r.Reason))
		if err := c.book.SetApplied(ctx, target, *r.Write.Put, r.Write.Own, c.now()); err != nil {
			return err
		}
	}
	if r.Write.ARN != "" {
		return writer.TagAlarm(ctx, r.Write.ARN, r.Write.Tags)
	}
	return nil
}
