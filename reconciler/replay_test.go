package reconciler

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
)

// replayOf replays events with a policy of one death, and gives the moments.
func replayOf(t *testing.T, mode Mode, events ...recording.Event) ([]Moment, Summary, error) {
	t.Helper()
	var out []Moment
	r := Replay{Each: func(m Moment) error { out = append(out, m); return nil }, Options: func(s recording.Start) (Options, error) {
		o := Options{ID: "me", Resync: time.Minute, Metrics: true, Alarms: mode, AlarmAudit: cron.Every(15 * time.Minute),
			Policies: Policies{Churn: churn.Policy{Window: 24 * time.Hour, Threshold: 1}}}
		for _, target := range s.Targets {
			o.Targets = append(o.Targets, Target{Name: target.Name})
		}
		return o, nil
	}}
	sum, err := r.Run(t.Context(), func(yield func(recording.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	})
	return out, sum, err
}

func beginning(listed bool, memories ...recording.Memory) []recording.Event {
	out := []recording.Event{{At: noon, Header: &recording.Header{Format: recording.Format}}}
	for _, m := range memories {
		out = append(out, recording.Event{At: noon, Memory: &m})
	}
	return append(out, recording.Event{At: noon, Start: &recording.Start{Targets: []recording.StartTarget{{Name: "prod", First: noon.Add(-90 * 24 * time.Hour)}}, Listed: listed}})
}

func sweptAt(at time.Time, tasks ...fleet.Task) []recording.Event {
	seen := fleet.Seen{At: at, Complete: true}
	return []recording.Event{
		{At: at, Look: &recording.Look{Target: "prod", Cluster: fleet.Cluster{Name: "prod", Seen: seen, Services: []fleet.Service{{Name: "django", Desired: 4, Running: 4}}, Tasks: tasks}}},
		{At: at, Sweep: &recording.Sweep{Target: "prod", Sweep: fleet.Sweep{Seen: seen, Clusters: []string{"prod"}}}},
	}
}

// A finding that was open when the recording began is open from the first moment, and closes by the recorded looks; its
// gauge is 1 each minute, 0 for ten minutes, and then silent.
func TestAReplayGoesOnFromWhatWasRemembered(t *testing.T) {
	open := finding.Finding{Key: django, Type: finding.SilentChurn, Status: finding.True, Severity: finding.Warning, FirstSeen: noon.Add(-time.Hour)}
	events := beginning(false, recording.Memory{Key: django, Findings: []finding.Finding{open}})
	for minute := range 30 {
		events = append(events, sweptAt(noon.Add(time.Duration(minute)*time.Minute+10*time.Second))...)
	}
	moments, sum, err := replayOf(t, Off, events...)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range moments {
		switch {
		case m.Finding != nil:
			got = append(got, m.At.Format("15:04:05")+" "+string(m.Finding.Status))
		case m.Gauge != nil && m.Gauge.Metric == finding.SilentChurn && m.Gauge.Value == nil:
			got = append(got, m.At.Format("15:04:05")+" silent")
		case m.Gauge != nil && m.Gauge.Metric == finding.SilentChurn:
			got = append(got, m.At.Format("15:04:05")+map[float64]string{0: " 0", 1: " 1"}[*m.Gauge.Value])
		}
	}
	if want := []string{"12:00:10 1", "12:01:10 False", "12:02:02 0", "12:12:02 silent"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if sum.Closed[finding.SilentChurn] != 1 || len(sum.Open) != 0 || sum.Looks != 30 || sum.Services != 1 {
		t.Errorf("%+v", sum)
	}
}

// With alarms that were recorded, plans follow the recorded listings and nothing else; what the replay writes beside them
// stays there. Without, the account is taken to have none.
func TestAReplayPlansAgainstTheRecordedAlarms(t *testing.T) {
	mine := alarm.Fleet("me", "prod", alarm.Actions{})[0]
	have := alarm.Have{Spec: mine, Namespace: alarm.Namespace, Tags: map[string]string{alarm.OwnerTag: "me", alarm.SpecTag: mine.Hash()}}
	statuses := func(moments []Moment) map[string][]string {
		out := map[string][]string{}
		for _, m := range moments {
			if m.Alarm != nil && m.Alarm.Target == "prod" {
				out[string(m.Alarm.Status)] = append(out[string(m.Alarm.Status)], m.At.Format("15:04:05 ")+string(m.Alarm.Kind))
			}
		}
		return out
	}
	gone := func(at string) (out []string) { // and blind once written: they have no actions
		for _, kind := range []alarm.Kind{alarm.SidecarCrash, alarm.SidecarDown, alarm.SidecarRestart, alarm.TelemetryFlood} {
			out = append(out, at+" "+string(kind))
		}
		return out
	}
	listing := recording.Event{At: noon.Add(90 * time.Second), Alarms: &recording.Alarms{Target: "prod", Looked: noon.Add(90 * time.Second), Have: []alarm.Have{have}}}
	late := sweptAt(noon.Add(40 * time.Minute))
	for name, c := range map[string]struct {
		mode   Mode
		listed bool
		more   []recording.Event
		want   map[string][]string
	}{
		"recorded": {Plan, true, []recording.Event{listing}, map[string][]string{"blind": {"12:01:30 silent-churn"}, "missing": gone("12:01:30")}},
		"written":  {Ensure, true, []recording.Event{listing, {At: noon.Add(2 * time.Minute), Alarms: listing.Alarms}}, map[string][]string{"blind": append([]string{"12:01:30 silent-churn"}, gone("12:02:00")...), "missing": gone("12:01:30")}},
		"none":     {Plan, false, nil, map[string][]string{"missing": append(gone("12:00:10")[:3:3], "12:00:10 silent-churn", "12:00:10 telemetry-flood")}},
		"silence":  {Plan, true, nil, map[string][]string{}},
		"off":      {Off, true, []recording.Event{listing}, map[string][]string{}},
	} {
		events := slices.Concat(beginning(c.listed), sweptAt(noon.Add(10*time.Second)), c.more, late)
		moments, _, err := replayOf(t, c.mode, events...)
		if err != nil {
			t.Fatal(err)
		}
		got := statuses(moments)
		same := len(got) == len(c.want)
		for s := range c.want {
			same = same && slices.Equal(got[s], c.want[s])
		}
		if !same {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Time passes between looks: a target that nobody could look at for two hours is blind then, not at the next event.
func TestAReplayLivesThroughSilence(t *testing.T) {
	events := slices.Concat(beginning(false), sweptAt(noon), []recording.Event{{At: noon.Add(5 * time.Hour), Put: &recording.Put{Err: errors.New("no")}}, {At: noon.Add(6 * time.Hour), End: &recording.End{}}})
	moments, sum, err := replayOf(t, Off, events...)
	if err != nil || len(sum.Open) != 2 {
		t.Fatalf("%v, open %+v", err, sum.Open)
	}
	var got []string
	for _, m := range moments {
		if m.Finding != nil {
			got = append(got, m.At.Format("15:04 ")+m.Finding.Reason)
		}
		if m.Gauge != nil && m.Gauge.Metric == alarm.HeartbeatName && m.Gauge.Value == nil {
			got = append(got, m.At.Format("15:04 ")+"no heartbeat")
		}
	}
	if want := []string{"12:03 no heartbeat", "14:00 TargetBlind", "17:00 HeartbeatRefused"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever lines a file has, a replay ends without a panic, and twice the same way.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"at":"2026-11-22T12:00:00Z","recording":{"format":1,"version":"x"}}
{"at":"2026-11-22T12:00:00Z","start":{"config":"","targets":[{"name":"p","first":"2026-11-22T12:00:00Z"}],"listed":false}}
{"service":{"Name":"web","Desired":1}}
{"task":{"ARN":"a/1","Group":"service:web","LastStatus":"STOPPED","StopCode":"EssentialContainerExited","StoppedAt":"2026-11-22T12:00:00Z"}}
{"at":"2026-11-22T12:00:01Z","look":{"target":"p","cluster":"c","seen":"2026-11-22T12:00:00Z","complete":true}}
{"at":"2026-11-22T12:00:01Z","sweep":{"target":"p","seen":"2026-11-22T12:00:00Z","complete":true,"clusters":["c"],"calls":1,"took":1,"floor":1}}
`))
	if text, err := os.ReadFile("../cmd/controller/testdata/incident.rec"); err != nil {
		f.Fatal(err)
	} else {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var events []recording.Event
		for e, err := range recording.Read(bytes.NewReader(text)) {
			if err != nil || len(events) == 200 || len(events) > 0 && e.At.Sub(events[0].At) > 48*time.Hour {
				break
			}
			events = append(events, e)
		}
		one, sum, err := replayOf(t, Ensure, events...)
		two, again, err2 := replayOf(t, Ensure, events...)
		if len(one) != len(two) || (err == nil) != (err2 == nil) || sum.Planned != again.Planned || sum.Unplanned != again.Unplanned || len(sum.Open) != len(again.Open) {
			t.Fatalf("%d moments, %v, %+v; then %d, %v, %+v", len(one), err, sum, len(two), err2, again)
		}
	})
}
