package reconciler

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/recording"
)

// standIn stands for an account's CloudWatch in a replay. It knows the alarms of the latest recorded listing and those
// that the replay itself wrote, takes data as the recorded account did, and keeps the level of each gauge.
type standIn struct {
	r       *Replay
	target  string
	have    []alarm.Have
	err     error // of the listing
	written map[string]alarm.Have
	refusal error // what putting data answers
	levels  map[string]level
}

// level is a series as CloudWatch last heard of it.
type level struct {
	datum  alarm.Datum
	minute time.Time
}

// listing takes in what an account answered.
func (a *standIn) listing(l *recording.Alarms) {
	a.have, a.err = l.Have, l.Err
	for _, h := range l.Have {
		delete(a.written, h.Name)
	}
}

// alarms are what was recorded, and beside it what only the replay wrote.
func (a *standIn) alarms() []alarm.Have {
	out := slices.Clone(a.have)
	for _, name := range slices.Sorted(maps.Keys(a.written)) {
		out = append(out, a.written[name])
	}
	return out
}

// Alarms is never asked, as Active and Topic: looks come with what was recorded.
func (a *standIn) Alarms(context.Context, func(string) bool) ([]alarm.Have, error) {
	return nil, errRecorded
}

// Active is never asked.
func (a *standIn) Active(context.Context, string, string, bool) ([]alarm.Series, error) {
	return nil, errRecorded
}

// Topic is never asked.
func (a *standIn) Topic(context.Context, string) (alarm.Topic, error) {
	return alarm.Topic{}, errRecorded
}

var errRecorded = errors.New("a replay asks nothing: it was recorded")

// DeleteAlarm takes the alarm out of both.
func (a *standIn) DeleteAlarm(_ context.Context, name, _, _ string) error {
	delete(a.written, name)
	a.have = slices.DeleteFunc(slices.Clone(a.have), func(h alarm.Have) bool { return h.Name == name })
	return nil
}

// look does with a recorded listing what the controller did with its own.
func (r *Replay) look(ctx context.Context, target string, facts alarm.Facts, began time.Time) error {
	c, a := r.c, r.account(target)
	if c.o.Alarms == Off {
		return nil
	}
	err := a.err
	if err == nil {
		have := a.alarms()
		_, err = c.act(ctx, a, alarmLook{target: target, at: began, have: have, facts: facts, desired: c.desiredAlarms(target, have)})
		r.replan = true
	} else {
		c.audits.failed(target, began)
	}
	reason, message := "AlarmsUnkept", "alarms cannot be read or kept"
	if target == homeAlarms {
		reason, message = "HomeAlarmsUnkept", "the alarms on the controller itself cannot be read or kept"
	}
	c.lookedAtAlarms(target, reason, message, err)
	return ctx.Err()
}

// lookUnlisted takes the looks at alarms that are due, where the recorded controller took none: as if there were no alarms
// but the replay's own.
func (r *Replay) lookUnlisted(ctx context.Context) (looked bool, err error) {
	targets := []string{homeAlarms}
	for _, t := range r.c.o.Targets {
		targets = append(targets, t.Name)
	}
	for _, t := range targets {
		due := r.c.audits.queues.of(t)
		if r.listed || due.Len() == 0 {
			continue
		}
		item, _ := due.Get()
		due.Done(item)
		looked = true
		if err := r.look(ctx, t, alarm.Facts{}, r.now); err != nil {
			return looked, err
		}
	}
	return looked, nil
}

// PutAlarm keeps the alarm as CloudWatch would.
func (a *standIn) PutAlarm(_ context.Context, spec alarm.Spec, _ *alarm.Have, tags map[string]string) error {
	h := alarm.Have{Spec: spec, ARN: spec.Name, Namespace: alarm.Namespace, State: "INSUFFICIENT_DATA", Tags: tags}
	h.Kind = ""
	if i := slices.IndexFunc(a.have, func(is alarm.Have) bool { return is.Name == spec.Name }); i >= 0 {
		h.ARN, h.State, h.Tags = a.have[i].ARN, a.have[i].State, a.have[i].Tags
		a.have = slices.Delete(slices.Clone(a.have), i, i+1)
	}
	if a.written == nil {
		a.written = map[string]alarm.Have{}
	}
	a.written[spec.Name] = h
	return nil
}

// TagAlarm keeps the tags.
func (a *standIn) TagAlarm(_ context.Context, arn string, tags map[string]string) error {
	a.have = slices.Clone(a.have)
	for i := range a.have {
		if a.have[i].ARN == arn {
			a.have[i].Tags = tags
		}
	}
	for name, h := range a.written {
		if h.ARN == arn {
			h.Tags = tags
			a.written[name] = h
		}
	}
	return nil
}

// PutData takes data, unless the account refused them then. Gauges and the heartbeat are levels; a counter's value is
// nothing that lasts, and its stops are told one by one.
func (a *standIn) PutData(_ context.Context, data []alarm.Datum) error {
	if a.refusal != nil {
		return a.refusal
	}
	for _, d := range data {
		if !alarm.Level(d.Metric) {
			continue
		}
		name := seriesOf(d)
		was, known := a.levels[name]
		a.levels[name] = level{d, d.At}
		if !known || was.datum.Value != d.Value {
			a.r.say(Moment{Gauge: &Gauge{Target: a.target, Metric: d.Metric, Dimensions: d.Dimensions, Value: &d.Value}})
		}
	}
	return nil
}

// Maxima knows of no data: a replay has nothing in doubt.
func (a *standIn) Maxima(_ context.Context, data []alarm.Datum) ([]float64, error) {
	return slices.Repeat([]float64{math.NaN()}, len(data)), nil
}

func seriesOf(d alarm.Datum) string {
	parts := []string{d.Metric}
	for _, dim := range d.Dimensions {
		parts = append(parts, dim.Name, dim.Value)
	}
	return strings.Join(parts, "\x00")
}

// silent tells the series of which this minute's tick said nothing.
func (r *Replay) silent() {
	for _, target := range slices.Sorted(maps.Keys(r.accounts)) {
		levels := r.accounts[target].levels
		for _, name := range slices.Sorted(maps.Keys(levels)) {
			l := levels[name]
			if l.minute.Before(r.now.Truncate(time.Minute)) {
				delete(levels, name)
				r.say(Moment{Gauge: &Gauge{Target: target, Metric: l.datum.Metric, Dimensions: l.datum.Dimensions}})
			}
		}
	}
}

// planned tells what is new in the alarm plans.
func (r *Replay) planned() {
	if !r.replan {
		return
	}
	r.replan = false
	for _, a := range r.c.Alarms() {
		id := [2]string{a.Target, a.Name}
		was, known := r.plans[id]
		if known && cmp.Or(strings.Compare(string(was.Status), string(a.Status)), strings.Compare(was.Reason, a.Reason)) == 0 {
			continue
		}
		r.plans[id] = a.Row
		r.say(Moment{Alarm: &Planned{AlarmReport: a, Written: a.Write.Needed() && (r.c.o.Alarms == Ensure || r.c.o.Alarms == Sync)}})
	}
}
