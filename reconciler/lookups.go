package reconciler

import (
	"context"
	"strings"
	"time"

	"taskwarden/reconciler/alarm"
)

// How long what was looked up is good for. Neither data nor topics are asked for with every look, nor the tags of many
// alarms: a call for each would cost more than all the rest.
const (
	tagsFor     = 6 * time.Hour
	fewTags     = 50 // alarms of ours whose tags are read with every look
	activityFor = time.Hour
	twoWeeksFor = 24 * time.Hour
	topicsFor   = time.Hour
)

// lookups is what is known of alarms beside their listing, and since when.
type lookups struct {
	tags   map[string]tagged // by alarm name
	active map[[2]string]time.Time
	data   map[string]known // by alarm.Series.String
	topics map[string]topic // by ARN

	unwritten bool // the last look could not write what it wanted to
}

type tagged struct {
	tags map[string]string
	at   time.Time // of the look that read them
}

type known struct {
	data alarm.Data
	at   time.Time // of the list of two weeks
}

type topic struct {
	alarm.Topic
	at time.Time
}

func (a *audits) lookupsOf(target string) *lookups {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lookups[target] == nil {
		a.lookups[target] = &lookups{tags: map[string]tagged{}, active: map[[2]string]time.Time{}, data: map[string]known{}, topics: map[string]topic{}}
	}
	return a.lookups[target]
}

// untagged picks the alarms of ours whose tags are to be read.
func (l *lookups) untagged(prefix string, now time.Time) func(name string) bool {
	return func(name string) bool {
		return strings.HasPrefix(name, prefix) && (len(l.tags) <= fewTags || now.Sub(l.tags[name].at) >= tagsFor)
	}
}

// tag keeps the tags that a listing read, where they say an owner, and gives it those of earlier ones.
func (l *lookups) tag(have []alarm.Have, now time.Time) {
	is := make(map[string]tagged, len(l.tags))
	for i, h := range have {
		if h.Tags[alarm.OwnerTag] != "" {
			is[h.Name] = tagged{h.Tags, now}
		} else if h.Tags != nil {
			continue // asked for again with the next look
		} else if t, ok := l.tags[h.Name]; ok && now.Sub(t.at) < tagsFor {
			is[h.Name], have[i].Tags = t, t.tags
		}
	}
	l.tags = is
}

// forget lets go of the tags that an earlier look than that of now read, of the alarms that are to be written. It reports
// whether there were any.
func (l *lookups) forget(rows []alarm.Row, now time.Time) (any bool) {
	for _, r := range rows {
		if t, ok := l.tags[r.Name]; ok && r.Write.Needed() && t.at.Before(now) {
			delete(l.tags, r.Name)
			any = true
		}
	}
	return any
}

// written lets go of what was known of an alarm that is not what it was.
func (l *lookups) written(name string) { delete(l.tags, name) }

// facts looks up what is asked and no longer known. What cannot be read stays unknown; the errors say why, of data and of
// topics.
func (l *lookups) facts(ctx context.Context, cw CloudWatch, ask alarm.Asked, now time.Time) (f alarm.Facts, data, topics error) {
	f = alarm.Facts{Data: map[string]alarm.Data{}, Topics: map[string]alarm.Topic{}}
	for metric, series := range ask.Metrics {
		if data == nil { // one that is denied is denied for all
			data = l.refresh(ctx, cw, metric, series, now)
		}
		for _, s := range series {
			if k, ok := l.data[s.String()]; ok {
				f.Data[s.String()] = k.data
			}
		}
	}
	for _, arn := range ask.Topics {
		t, ok := l.topics[arn]
		if topics == nil && (!ok || now.Sub(t.at) >= topicsFor) {
			is, err := cw.Topic(ctx, arn)
			if topics = err; err == nil {
				t = topic{is, now}
				l.topics[arn] = t
			}
			ok = err == nil
		}
		if ok && now.Sub(t.at) < topicsFor {
			f.Topics[arn] = t.Topic
		}
	}
	return f, data, topics
}

// refresh lists the series of a metric with recent data, and where some are not among them those of two weeks, once a day.
func (l *lookups) refresh(ctx context.Context, cw CloudWatch, metric [2]string, asked []alarm.Series, now time.Time) error {
	fresh := now.Sub(l.active[metric]) < activityFor
	for _, s := range asked {
		_, ok := l.data[s.String()]
		fresh = fresh && ok
	}
	if fresh {
		return nil
	}
	recent, err := cw.Active(ctx, metric[0], metric[1], true)
	if err != nil {
		return err
	}
	is := setOf(recent)
	old := false
	for _, s := range asked {
		k := l.data[s.String()]
		if is[s.String()] {
			l.data[s.String()] = known{data: alarm.Recent}
		} else if k.data == alarm.Recent || now.Sub(k.at) >= twoWeeksFor {
			old = true
		}
	}
	if old {
		older, err := cw.Active(ctx, metric[0], metric[1], false)
		if err != nil {
			return err
		}
		two := setOf(older)
		for _, s := range asked {
			switch name := s.String(); {
			case is[name]:
			case two[name]:
				l.data[name] = known{alarm.Older, now}
			default:
				l.data[name] = known{alarm.None, now}
			}
		}
	}
	l.active[metric] = now
	return nil
}

func setOf(all []alarm.Series) map[string]bool {
	out := make(map[string]bool, len(all))
	for _, s := range all {
		out[s.String()] = true
	}
	return out
}
