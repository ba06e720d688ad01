package test

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"

	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/recording"
	"taskwarden/test/account"
)

// file is a recording in memory.
type file struct{ bytes.Buffer }

func (*file) Close() error { return nil }

// recorder makes the controllers of a world record into a file.
func recorder(t *testing.T, f *file) *recording.Writer {
	t.Helper()
	w, err := recording.NewWriter(recording.Options{Version: "test", Open: func() (io.WriteCloser, error) { return f, nil },
		Failed: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// replayed is what a replay shows.
type replayed struct {
	moments []reconciler.Moment
	summary reconciler.Summary
	text    string // all of it
}

func replay(t *testing.T, text []byte, change func(*reconciler.Options)) replayed {
	t.Helper()
	var out replayed
	r := reconciler.Replay{
		Options: func(s recording.Start) (reconciler.Options, error) {
			o := reconciler.Options{ID: "taskwarden", Policies: reconciler.Policies{Churn: policy(t)}, Resync: 5 * time.Minute, Metrics: true,
				Alarms: reconciler.Ensure, AlarmAudit: cron.Every(15 * time.Minute)}
			for _, target := range s.Targets {
				o.Targets = append(o.Targets, reconciler.Target{Name: target.Name})
			}
			if change != nil {
				change(&o)
			}
			return o, nil
		},
		Each: func(m reconciler.Moment) error { out.moments = append(out.moments, m); return nil },
	}
	var err error
	if out.summary, err = r.Run(t.Context(), recording.Read(bytes.NewReader(text))); err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal([]any{out.moments, out.summary})
	if err != nil {
		t.Fatal(err)
	}
	out.text = string(all)
	return out
}

// stops and findings of a replay as its book ended, from the moments alone.
func (r replayed) stops() map[string]reconciler.Recorded {
	out := map[string]reconciler.Recorded{}
	for _, m := range r.moments {
		if m.Stop != nil {
			out[m.Stop.Stop.TaskARN] = *m.Stop
		}
	}
	return out
}

func (r replayed) turns() []string {
	var out []string
	for _, m := range r.moments {
		if m.Finding != nil && m.Finding.From != m.Finding.Status {
			out = append(out, strings.Join([]string{m.At.UTC().Format(time.RFC3339Nano), m.Finding.Key.String(), m.Finding.Type, m.Finding.Subject, string(m.Finding.Status)}, " "))
		}
	}
	return out
}

// veiled is a value of the live run as a recording has it.
func veiled(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "111122223333", "000000000001")
}

// The incident, recorded by a live controller that is started twice, replays to what the live one concluded: the same
// stops with the same verdicts, and the same turns of the same findings at the same times.
func TestAReplayConcludesWhatTheLiveRunDid(t *testing.T) {
	t.Parallel()
	s, err := account.LoadScenario("scenarios/incident.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Timeline = append(s.Timeline,
		account.Step{At: account.Exactly(26 * time.Hour), Do: account.DoDeny, Actions: []string{"ecs:DescribeTasks"}, Why: "somebody tidies up the policies"},
		account.Step{At: account.Exactly(29 * time.Hour), Do: account.DoAllow, Actions: []string{"ecs:DescribeTasks"}, Why: "and is told"},
		account.Step{At: account.Exactly(40 * time.Hour), Do: account.DoDeploy, Service: "prod/django",
			Set: map[string]map[string]string{"django": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}, Why: "the cure"})
	var f file
	var liveStops []reconciler.Recorded
	var live []finding.Finding
	var turns []string
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		writer := recorder(t, &f)
		on := func(o *reconciler.Options) { o.Recorder = writer }
		c := w.run(on)
		time.Sleep(20*time.Hour + 7*time.Second)
		c.stop()
		turns = append(turns, turnsLogged(w)...)
		c = w.run(on)
		time.Sleep(76 * time.Hour)
		c.stop()
		turns = append(turns, turnsLogged(w)...)
		liveStops, live = c.Stops(fleet.Key{}), c.Findings()
		writer.Close()
	})
	t.Logf("%d bytes of recording for 96 h", f.Len())
	r := replay(t, f.Bytes(), nil)
	if d := cmp.Diff(turns, r.turns()); d != "" || len(turns) < 8 {
		t.Errorf("turns of findings, live and replayed (of %d):\n%s", len(turns), d)
	}
	if len(liveStops) < 20 || len(liveStops) != len(r.stops()) {
		t.Errorf("%d stops live, %d replayed", len(liveStops), len(r.stops()))
	}
	stops := r.stops()
	for _, l := range liveStops {
		got := stops[strings.ReplaceAll(l.Stop.TaskARN, "111122223333", "000000000001")]
		if d := cmp.Diff(veiled(t, l), veiled(t, got)); d != "" {
			t.Fatalf("a stop, live and replayed: %s", d)
		}
	}
	var open, replayedOpen []finding.Finding
	for _, f := range live {
		if f.Open() {
			open = append(open, f)
		}
	}
	replayedOpen = r.summary.Open
	if d := cmp.Diff(veiled(t, open), veiled(t, replayedOpen)); d != "" {
		t.Errorf("findings at the end: %s", d)
	}
	same(t, f.Bytes(), r.text)
}

// turnsLogged are the turns of findings that a live controller said.
func turnsLogged(w *world) []string {
	status := map[string]finding.Status{"finding opened": finding.True, "finding closed": finding.False, "finding unknown": finding.Unknown}
	var out []string
	for _, l := range w.logs.All() {
		if is, ok := status[l.Message]; ok {
			m := l.ContextMap()
			out = append(out, strings.Join([]string{l.Time.UTC().Format(time.RFC3339Nano), m["on"].(string), m["type"].(string), m["subject"].(string), string(is)}, " "))
		}
	}
	return out
}

// same replays again, with one processor and with several: the same bytes must come out.
func same(t *testing.T, text []byte, want string) {
	t.Helper()
	for _, n := range []int{1, 2, 8} {
		was := runtime.GOMAXPROCS(n)
		got := replay(t, text, nil).text
		runtime.GOMAXPROCS(was)
		if got != want {
			t.Errorf("with %d processors the replay differs: %s", n, cmp.Diff(want, got))
		}
	}
}
