package reconciler

import (
	"testing"
	"time"

	"taskwarden/reconciler/alarm"
)

// Tags of few alarms are read with every look; of many, only once they are old; and no alarm is written on old tags.
func TestTagsAreReadWhenTheyMatter(t *testing.T) {
	l := newAudits().lookupsOf("t")
	listing := func(n int, now time.Time) (read int) {
		pick := l.untagged("taskwarden/me/", now)
		var have []alarm.Have
		for i := range n {
			h := alarm.Have{Spec: alarm.Spec{Name: "taskwarden/me/" + string(rune('a'+i/26)) + string(rune('a'+i%26))}}
			if pick(h.Name) {
				h.Tags = map[string]string{alarm.OwnerTag: "me"}
				read++
			}
			have = append(have, h)
		}
		l.tag(have, now)
		for _, h := range have {
			if h.Tags[alarm.OwnerTag] != "me" {
				t.Errorf("%s has no tags", h.Name)
			}
		}
		return read
	}
	at := noon
	for _, step := range []struct{ n, after, read int }{{10, 0, 10}, {10, 15, 10}, {60, 15, 60}, {60, 15, 0}, {60, 300, 0}, {60, 60, 60}} {
		at = at.Add(time.Duration(step.after) * time.Minute)
		if got := listing(step.n, at); got != step.read {
			t.Errorf("%d alarms, %d minutes later: %d read, want %d", step.n, step.after, got, step.read)
		}
	}
	write := []alarm.Row{{Name: "taskwarden/me/aa", Write: alarm.Write{Delete: "taskwarden/me/aa"}}}
	later := at.Add(15 * time.Minute)
	if !l.forget(write, later) || l.forget(write, later) {
		t.Error("an alarm is to be deleted on the tags of an earlier look")
	}
	if got := listing(60, later); got != 1 {
		t.Errorf("%d read afresh", got)
	}
	if l.forget(write, later) {
		t.Error("the tags of this look are good enough")
	}
}
