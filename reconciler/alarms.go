package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"taskwarden/contain"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// errPlanOnly is what the writer of mode plan answers.
var errPlanOnly = errors.New("alarms.mode is plan: nothing is written")

// dryRunWriter refuses every write: so the same code runs in mode plan and in mode ensure.
type dryRunWriter struct{}

func (dryRunWriter) PutAlarm(context.Context, alarm.Spec, *alarm.Have, map[string]string) error {
	return errPlanOnly
}
func (dryRunWriter) TagAlarm(context.Context, string, map[string]string) error { return errPlanOnly }
func (dryRunWriter) DeleteAlarm(context.Context, string, string, string) error { return errPlanOnly }

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
	c.audits.queues.work(ctx, target, func(string) (again bool) {
		return c.attempt(contain.Alarms, target, target, func() (again bool, err error) {
			err = contain.Do(contain.Alarms, target, func() (err error) {
				again, err = c.lookAtAlarms(ctx, cw, target)
				return err
			})
			if ctx.Err() != nil {
				return false, err
			}
			c.lookedAtAlarms(target, reason, message, err)
			return again || err != nil, err
		})
	})
}

// lookedAtAlarms takes in how a look ended: what it says concerns the target and the services with findings.
func (c *Controller) lookedAtAlarms(target, reason, message string, err error) {
	shown, _ := c.reportedUnder(target)
	c.outcome(shown, reason, message, err)
	c.requeueAlarmed(target)
}

// requeueAlarmed has a target and its services with findings judged anew, because a look at alarms says something of them.
func (c *Controller) requeueAlarmed(target string) {
	shown, _ := c.reportedUnder(target)
	c.queue.Add(fleet.Key{Target: shown})
	c.enqueue(c.book.OpenKeys(shown))
}

// reportedUnder is the target whose findings show what is wrong with a target's alarms. What is wrong in the controller's own
// account is shown by the first target; the beginning of its reasons tells it apart.
func (c *Controller) reportedUnder(target string) (shown, prefix string) {
	if target == homeAlarms {
		return c.o.Targets[0].Name, "Home"
	}
	return target, ""
}

// alarmLook is what one look at a target's alarms read, and what is wanted there.
type alarmLook struct {
	target string
	at     time.Time // when it began
	have   []alarm.Have
	facts  alarm.Facts
	desired
}

// lookAtAlarms takes one look: it reads a whole listing and what else is needed to judge it, and acts on it. again asks for
// another look, at what was written.
func (c *Controller) lookAtAlarms(ctx context.Context, cw CloudWatch, target string) (again bool, err error) {
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
	look := alarmLook{target: target, at: now, have: have, desired: c.desiredAlarms(target, have)}
	var data, topics error
	look.facts, data, topics = l.facts(ctx, cw, alarm.Ask(have, look.want, look.places, look.scope), now)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	shown, prefix := c.reportedUnder(target)
	c.outcome(shown, prefix+"AlarmDataUnread", "whether alarms have data is not known", data)
	c.outcome(shown, prefix+"TopicsUnread", "whether the topics that alarms notify reach anybody is not known", topics)
	c.record(recording.Event{Alarms: &recording.Alarms{Target: target, Looked: now, Have: have, Facts: look.facts}})
	return c.act(ctx, cw, look)
}

// act compares what is wanted with what a look read, keeps what that says, and writes what is missing or drifted. It is the
// one place that turns an alarm plan into writes. In mode plan the writer refuses, and everything before it is the same.
func (c *Controller) act(ctx context.Context, cw CloudWatch, look alarmLook) (again bool, err error) {
	l := c.audits.lookupsOf(look.target)
	writes, is := c.plan(look, l.unwritten)
	is.cost = c.price(look.target, look.desired, len(look.have), l)
	for _, r := range c.audits.set(look.target, is) {
		c.o.Log.Info("an alarm's status changed", zap.String("name", r.Name), zap.String("status", string(r.Status)),
			zap.String("reason", r.Reason), zap.Bool("write", r.Write.Needed()), zap.String("mode", string(c.o.Alarms)))
	}
	c.requeueAlarmed(look.target) // before what may be a thousand writes
	if c.o.Alarms != Plan && l.forget(writes, look.at) {
		return true, nil // tags of an earlier look may be out of date: those to be written are looked at afresh first
	}
	again, err = c.writeAlarms(ctx, cw, look.target, writes, l)
	l.unwritten = err != nil
	return again, err
}

// plan is what to write, and what a look says. unwritten: the look before could not write what it wanted to.
func (c *Controller) plan(look alarmLook, unwritten bool) (writes []alarm.Row, is audit) {
	is = audit{seen: fleet.Seen{At: look.at, Complete: true}, index: alarm.NewIndex(look.have, look.facts)}
	is.rows, is.missed = alarm.Plan(look.want, look.have, alarm.Basis{
		Owner: c.o.ID, Applied: c.book.Applied(), Scope: look.scope, Blind: is.index.Blind, Topics: look.facts.Topics,
		Covered: func(s alarm.Spec) string { return is.index.CoveredBy(s, look.places) },
		Seen:    look.seen, Missed: c.audits.of(look.target).missed, Delete: c.o.Alarms == Sync,
	})
	writes = is.rows
	soon := c.o.Alarms != Plan && !unwritten && slices.ContainsFunc(writes, func(r alarm.Row) bool { return r.Write.Put != nil })
	is.claims = slices.Concat(alarm.DriftClaims(writes), alarm.TakenClaims(writes, look.places),
		is.index.BlindClaims(look.places, look.scope, writes))
	if look.target != homeAlarms {
		is.coverage = is.index.Summaries(look.places)
		if !soon { // what is made at once, and looked at again, is no news
			is.claims = append(is.claims, alarm.MissingClaims(is.coverage)...)
		}
		is.rows = append(is.rows, is.index.ForeignRows(look.places, c.o.ID)...)
	}
	return writes, is
}

// writeAlarms does what the rows say, and asks for another look at what was written.
func (c *Controller) writeAlarms(ctx context.Context, cw CloudWatch, target string, rows []alarm.Row, l *lookups) (again bool, err error) {
	var writer AlarmWriter = dryRunWriter{}
	if c.o.Alarms == Ensure || c.o.Alarms == Sync {
		writer = cw
	}
	for _, r := range rows {
		err := c.writeAlarm(ctx, writer, target, r)
		if errors.Is(err, errPlanOnly) {
			continue
		}
		if errors.Is(err, fleet.ErrConflict) && r.Write.Was != nil { // a person was faster: the next look keeps what they did
			c.o.Log.Info("left an alarm to the next look", zap.String("name", r.Name), zap.Error(err))
			again = true
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
		if err := writer.PutAlarm(ctx, *r.Write.Put, r.Write.Was, tags); err != nil {
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
