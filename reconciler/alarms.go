package reconciler

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"taskwarden/reconciler/alarm"
)

// errPlanOnly is what the writer of mode plan answers.
var errPlanOnly = errors.New("alarms.mode is plan: nothing is written")

// planner is the writer that refuses: the same code runs in mode plan and in mode ensure.
type planner struct{}

func (planner) PutAlarm(context.Context, alarm.Spec, map[string]string) error { return errPlanOnly }
func (planner) TagAlarm(context.Context, string, map[string]string) error     { return errPlanOnly }

// homeAlarms stands for the controller's own account among the targets' alarm plans.
const homeAlarms = ""

// alarmPlans holds, per target, whether its alarms are to be looked at and what the last look planned.
type alarmPlans struct {
	mu   sync.Mutex
	want map[string]bool
	rows map[string][]alarm.Row
	can  func(target string) bool // whether a look can be taken now; nil: always
}

func newAlarmPlans() *alarmPlans {
	return &alarmPlans{want: map[string]bool{}, rows: map[string][]alarm.Row{}}
}

// due asks for a look at a target's alarms and at the controller's own; dueAll, for one at all that were looked at.
func (p *alarmPlans) due(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want[target], p.want[homeAlarms] = true, true
}

func (p *alarmPlans) dueAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for target := range p.rows {
		p.want[target] = true
	}
}

// take tells whether a look is due, and takes the task.
func (p *alarmPlans) take(target string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.want[target] && (p.can == nil || p.can(target))
	if !due {
		return false
	}
	delete(p.want, target)
	return true
}

func (p *alarmPlans) again(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.want[target] = true
}

// set keeps what a look planned and returns the rows that are not as the look before had them.
func (p *alarmPlans) set(target string, rows []alarm.Row) []alarm.Row {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := map[string]alarm.Row{}
	for _, r := range p.rows[target] {
		before[r.Name] = r
	}
	p.rows[target] = rows
	var changed []alarm.Row
	for _, r := range rows {
		if was, ok := before[r.Name]; !ok || was.Status != r.Status || was.Reason != r.Reason {
			changed = append(changed, r)
		}
	}
	return changed
}

// keepAlarms compares the wanted alarms with a whole listing and writes what is missing or drifted. It is the one place
// that turns an alarm plan into writes; in mode plan the writer refuses, and everything before it is the same.
func (c *Controller) keepAlarms(ctx context.Context, cw CloudWatch, target string, want []alarm.Spec) error {
	have, err := cw.Alarms(ctx, alarm.Prefix(c.o.ID))
	if err != nil {
		c.alarms.again(target)
		return fmt.Errorf("list alarms: %w", err)
	}
	rows := alarm.Plan(want, have, c.o.ID, c.book.Applied())
	for _, r := range c.alarms.set(target, rows) {
		c.o.Log.Info("alarm", zap.String("name", r.Name), zap.String("status", string(r.Status)), zap.String("reason", r.Reason),
			zap.Bool("write", r.Write.Needed()), zap.String("mode", string(c.o.Alarms)))
	}
	var writer AlarmWriter = planner{}
	if c.o.Alarms == Ensure {
		writer = cw
	}
	wrote := false
	for _, r := range rows {
		err := c.writeAlarm(ctx, writer, target, r)
		if errors.Is(err, errPlanOnly) {
			continue
		}
		if err != nil {
			c.alarms.again(target)
			return fmt.Errorf("alarm %s: %w", r.Name, err)
		}
		wrote = wrote || r.Write.Needed()
	}
	if wrote {
		c.alarms.again(target) // look once more at what was written
	}
	return nil
}

func (c *Controller) writeAlarm(ctx context.Context, writer AlarmWriter, target string, r alarm.Row) error {
	if r.Write.Put != nil {
		tags := r.Write.Tags
		if r.Write.ARN != "" {
			tags = nil // the alarm exists: a put ignores tags
		}
		if err := writer.PutAlarm(ctx, *r.Write.Put, tags); err != nil {
			return err
		}
		c.o.Log.Info("alarm written", zap.String("name", r.Name), zap.String("was", string(r.Status)), zap.String("reason", r.Reason))
		if err := c.book.SetApplied(ctx, target, *r.Write.Put, c.now()); err != nil {
			return err
		}
	}
	if r.Write.ARN != "" {
		return writer.TagAlarm(ctx, r.Write.ARN, r.Write.Tags)
	}
	return nil
}
