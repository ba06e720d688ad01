package rollout

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the table's zones must load anywhere

	"github.com/robfig/cron/v3"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWindows lists when a window of a zone opens and closes, daylight saving included: each row is the last closed second
// before it opens, and its length.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone string
		lasts            time.Duration
		opens            string
	}{
		{"an ordinary day in Tokyo", "0 10 * * MON-THU", "Asia/Tokyo", 4 * time.Hour, "2026-11-23T10:00:00+09:00"},
		{"opens in the hour that New York skips", "30 2 * * *", "America/New_York", time.Hour, "2026-03-08T03:00:00-04:00"},
		{"the day after the skipped hour", "30 2 * * *", "America/New_York", time.Hour, "2026-03-09T02:30:00-04:00"},
		{"opens in the hour that New York repeats, the first time", "30 1 * * *", "America/New_York", 20 * time.Minute, "2026-11-01T01:30:00-04:00"},
		{"spans the repeated hour in elapsed time", "0 23 * * SAT", "America/New_York", 6 * time.Hour, "2026-10-31T23:00:00-04:00"},
		{"spans the skipped hour in elapsed time", "0 23 * * SAT", "America/New_York", 6 * time.Hour, "2026-03-07T23:00:00-05:00"},
		{"midnight that Beirut skips", "0 0 * * *", "Asia/Beirut", time.Hour, "2026-03-29T01:00:00+03:00"},
		{"half an hour's change on Lord Howe", "15 2 * * *", "Australia/Lord_Howe", time.Hour, "2026-10-04T02:30:00+11:00"},
		{"longer than a day", "0 22 * * FRI", "Europe/Berlin", 50 * time.Hour, "2026-10-23T22:00:00+02:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			schedule, err := cron.ParseStandard("CRON_TZ=" + c.zone + " " + c.cron)
			if err != nil {
				t.Fatal(err)
			}
			s := Settings{Windows: []Window{{schedule, c.lasts, c.cron}}}
			opens := at(t, c.opens)
			for _, moment := range []struct {
				at   time.Time
				open bool
			}{{opens.Add(-time.Second), false}, {opens, true}, {opens.Add(c.lasts - time.Second), true}, {opens.Add(c.lasts), false}} {
				why := s.windowClosed(moment.at)
				if (why == nil) != moment.open {
					t.Errorf("at %s open %v, want %v (%v)", moment.at, why == nil, moment.open, why)
				}
			}
			if why := s.windowClosed(opens.Add(-time.Second)); why != nil && !strings.Contains(why.Message, stamp(opens)) {
				t.Errorf("before it opens: %q does not name %s", why.Message, stamp(opens))
			}
		})
	}
}

// TestTheRepeatedHourOpensOnce: cron alone would open it twice.
func TestTheRepeatedHourOpensOnce(t *testing.T) {
	schedule, err := cron.ParseStandard("CRON_TZ=America/New_York 30 1 * * *")
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Windows: []Window{{schedule, 20 * time.Minute, "x"}}}
	if s.windowClosed(at(t, "2026-11-01T01:35:00-05:00")) == nil {
		t.Error("open at the second 01:35")
	}
}

func TestFreezeWinsOverWindow(t *testing.T) {
	s := Settings{Freezes: []Freeze{{at(t, "2026-12-20T00:00:00Z"), at(t, "2027-01-06T00:00:00Z"), "year end"}}}
	for when, open := range map[string]bool{"2026-12-19T23:59:59Z": true, "2026-12-20T00:00:00Z": false, "2027-01-05T23:59:59Z": false, "2027-01-06T00:00:00Z": true} {
		if why := s.windowClosed(at(t, when)); (why == nil) != open || why != nil && (why.Reason != ReasonWindow || !strings.Contains(why.Message, "year end")) {
			t.Errorf("%s: %v, want open %v", when, why, open)
		}
	}
}
