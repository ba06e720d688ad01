package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/store"
	"taskwarden/store/bolt"
)

var django = fleet.Key{Target: "prod", Cluster: "c", Service: "django"}

func openStore(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := bolt.Open(dir, bolt.Options{Now: func() time.Time { return noon }}) // nothing expires by the day the test runs on
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openBook(t testing.TB, s store.Store) *Book {
	t.Helper()
	b, err := OpenBook(t.Context(), s, 90*24*time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Begin(t.Context(), "prod", noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	return b
}

// death is a stop that the sidecar caused.
func death(id string, at time.Time) churn.Stop {
	return churn.Stop{TaskARN: "arn:aws:ecs:r:1:task/c/" + id, StoppedAt: at, Lifetime: time.Hour,
		Verdict: churn.Verdict{Cause: churn.EssentialContainerExited, Sidecar: true, Culprit: &churn.Culprit{Container: "cwagent"}}}
}

func planned(id string, at time.Time) churn.Stop {
	s := death(id, at)
	s.Verdict = churn.Verdict{Planned: true, Cause: churn.Deployment}
	return s
}

func record(t testing.TB, b *Book, at time.Time, stops ...churn.Stop) {
	t.Helper()
	if err := b.Record(t.Context(), Decision{Key: django, At: at, New: stops}); err != nil {
		t.Fatal(err)
	}
}

// rows gives the counters' values by metric and minute, summed over dimensions.
func rows(b *Book) map[string]float64 {
	out := map[string]float64{}
	for _, c := range b.due("prod", noon.Add(1000*time.Hour)) {
		out[c.body.Datum.Metric+c.body.Datum.At.Format(" 15:04")] += c.body.Datum.Value
	}
	return out
}

func TestCountersFollowTheRecord(t *testing.T) {
	b := openBook(t, openStore(t, t.TempDir()))
	record(t, b, noon.Add(5*time.Second), death("a", noon), planned("b", noon), death("old", noon.Add(-2*time.Hour)))
	record(t, b, noon.Add(50*time.Second), death("c", noon.Add(20*time.Second)))
	record(t, b, noon.Add(70*time.Second), death("d", noon.Add(65*time.Second)))
	want := map[string]float64{"UnplannedStops 12:00": 2, "SidecarCrashes 12:00": 2, "UnplannedStops 12:01": 1, "SidecarCrashes 12:01": 1}
	if got := rows(b); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v (planned stops and those before the very first start are not counted)", got, want)
	}
	if n := len(b.Stops(fleet.Key{})); n != 5 {
		t.Errorf("%d stops recorded, want all 5", n)
	}
	if due := b.due("prod", noon.Add(59*time.Second)); len(due) != 0 {
		t.Errorf("a minute that is not over is due: %+v", due)
	}
}

// A row on its way is never changed: a late stop goes to the next minute.
func TestARowOnItsWayIsFrozen(t *testing.T) {
	b := openBook(t, openStore(t, t.TempDir()))
	record(t, b, noon.Add(5*time.Second), death("a", noon))
	sent := b.due("prod", noon.Add(61*time.Second))
	if err := b.mark(t.Context(), sent, counterSending, noon); err != nil {
		t.Fatal(err)
	}
	record(t, b, noon.Add(59*time.Second), death("late", noon.Add(50*time.Second)))
	want := map[string]float64{"UnplannedStops 12:00": 1, "SidecarCrashes 12:00": 1, "UnplannedStops 12:01": 1, "SidecarCrashes 12:01": 1}
	if got := rows(b); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestABookOpenedAgainKnowsEverything(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	b := openBook(t, s)
	record(t, b, noon, death("a", noon))
	open := []finding.Finding{{Key: django, Type: finding.SilentChurn, Status: finding.True, FirstSeen: noon, LastSeen: noon}}
	if err := b.Record(t.Context(), Decision{Key: django, At: noon, Findings: open}); err != nil {
		t.Fatal(err)
	}
	spec := alarm.Spec{Name: "taskwarden/x", Period: 60}
	if err := b.SetApplied(t.Context(), "prod", spec, alarm.Actions{OK: []string{"arn"}}, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBook(t, openStore(t, dir))
	if f := b.Findings("prod"); len(f) != 1 || !f[0].Open() {
		t.Errorf("findings before any look: %+v", f)
	}
	if len(b.Stops(django)) != 1 || len(rows(b)) != 2 || !slices.Equal(b.Applied()[spec.Name].Own.OK, []string{"arn"}) || b.Applied()[spec.Name].Hash != spec.Hash() {
		t.Errorf("stops %v, counters %v, alarms %v", b.Stops(django), rows(b), b.Applied())
	}
	if err := b.Record(t.Context(), Decision{Key: django, At: noon, New: []churn.Stop{death("a", noon)}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a stop recorded before was recorded again: %v", err)
	}
	if got := rows(b)["UnplannedStops 12:00"]; got != 1 {
		t.Errorf("and counted: %v", got)
	}
}

// A refined verdict never turns a planned stop into an unplanned one, or back.
func TestPlannedIsFixedWhenRecorded(t *testing.T) {
	b := openBook(t, openStore(t, t.TempDir()))
	record(t, b, noon, death("a", noon))
	better := death("a", noon)
	better.Verdict.Planned, better.Verdict.Cause, better.Tail = true, churn.OOMKilled, []string{"killed"}
	if err := b.Record(t.Context(), Decision{Key: django, At: noon, Refined: []churn.Stop{better}}); err != nil {
		t.Fatal(err)
	}
	got := b.Stops(django)[0].Stop
	if got.Verdict.Planned || got.Verdict.Cause != churn.OOMKilled || len(got.Tail) != 1 {
		t.Errorf("got %+v", got)
	}
}

// flaky is a store whose commits fail now and then, some of them after they took place.
type flaky struct {
	store.Store
	fail func() (before, after bool)
}

var errFlaky = errors.New("the network broke")

func (f flaky) Commit(ctx context.Context, w ...store.Write) error {
	before, after := f.fail()
	if before {
		return errFlaky
	}
	err := f.Store.Commit(ctx, w...)
	if err == nil && after {
		return errFlaky
	}
	return err
}

// Whatever commits fail, before or after they took place, and however often the process starts again: each stop is
// recorded once, and the counters' total is the number of stops.
func TestRecordsAndCountersAgreeWhateverFails(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		inner := openStore(t, dir)
		s := flaky{inner, func() (bool, bool) {
			return rapid.IntRange(0, 9).Draw(rt, "before") == 0, rapid.IntRange(0, 9).Draw(rt, "after") == 0
		}}
		b, err := OpenBook(t.Context(), s, time.Hour*24*90, true)
		for err != nil {
			b, err = OpenBook(t.Context(), s, time.Hour*24*90, true)
		}
		for b.Begin(t.Context(), "prod", noon.Add(-time.Hour)) != nil {
		}
		at, n := noon, 0
		var all []churn.Stop
		for range rapid.IntRange(1, 12).Draw(rt, "looks") {
			at = at.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second)
			for range rapid.IntRange(0, 60).Draw(rt, "deaths") {
				n++
				all = append(all, death(fmt.Sprint(n), at))
			}
			if rapid.IntRange(0, 4).Draw(rt, "restart") == 0 {
				if b, err = OpenBook(t.Context(), s, time.Hour*24*90, true); err != nil {
					rt.Fatal(err)
				}
				for b.Begin(t.Context(), "prod", at) != nil {
				}
			}
			recordAll(rt, t, b, all, at)
		}
		for try := 0; !recordAll(rt, t, b, all, at); try++ {
			if try > 1000 {
				rt.Fatal("the record never completes")
			}
			at = at.Add(time.Second)
		}
		total := sendAll(rt, t, b, at)
		if got := len(b.Stops(django)); got != n || total != float64(n) {
			rt.Fatalf("%d stops: %d recorded, %v counted", n, got, total)
		}
		if err := inner.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// sendAll sends what is due as a pass does: intent, call, mark. It adds up what the account got, where a repeat of a datum
// must carry the same value.
func sendAll(rt *rapid.T, t *testing.T, b *Book, at time.Time) (stops float64) {
	put := map[string]float64{}
	for due := b.due("prod", at.Add(100*time.Hour)); len(due) > 0; due = b.due("prod", at.Add(100*time.Hour)) {
		if b.mark(t.Context(), due, counterSending, at) != nil {
			continue
		}
		for i, c := range due {
			due[i].version++
			if was, ok := put[c.key]; ok && was != c.body.Datum.Value {
				rt.Fatalf("%s was put as %v and then as %v", c.key, was, c.body.Datum.Value)
			}
			put[c.key] = c.body.Datum.Value
		}
		_ = b.mark(t.Context(), due, counterSent, at) // a failed one shows as due once more, or has happened all the same
	}
	for key, value := range put {
		if strings.Contains(key, "/"+alarm.UnplannedStops+"/") {
			stops += value
		}
	}
	return stops
}

// A row that the store has let go (a target that refuses metrics for its whole life) holds up no other one.
func TestAnExpiredRowIsLetGo(t *testing.T) {
	now := noon
	s, err := bolt.Open(t.TempDir(), bolt.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := openBook(t, s)
	if err := errors.Join(b.Begin(t.Context(), "prod", noon.Add(-time.Hour)), b.Record(t.Context(), Decision{Key: django, At: noon, New: []churn.Stop{death("1", noon)}})); err != nil {
		t.Fatal(err)
	}
	now = noon.Add(counterLife + time.Hour)
	due := b.due("prod", now)
	if len(due) == 0 || b.mark(t.Context(), due, counterSending, now) == nil {
		t.Fatalf("%d rows are due, and marking expired ones succeeds", len(due))
	}
	if due = b.due("prod", now); len(due) > 0 {
		t.Errorf("still due: %+v", due)
	}
}

// recordAll records what is not yet recorded, as a pass does, and tells whether that is all.
func recordAll(rt *rapid.T, t *testing.T, b *Book, all []churn.Stop, at time.Time) bool {
	m, err := b.Load(t.Context(), django)
	if err != nil {
		rt.Fatal(err)
	}
	var fresh []churn.Stop
	for _, s := range all {
		if !slices.ContainsFunc(m.History.Stops, func(r churn.Stop) bool { return r.TaskARN == s.TaskARN }) {
			fresh = append(fresh, s)
		}
	}
	return b.Record(t.Context(), Decision{Key: django, At: at, New: fresh}) == nil
}

// Counters that were sent are freed a day later, stops after their retention.
func TestExpire(t *testing.T) {
	now := noon
	s, err := bolt.Open(t.TempDir(), bolt.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b := openBook(t, s)
	record(t, b, noon, death("a", noon))
	if err := b.mark(t.Context(), b.due("prod", noon.Add(time.Hour)), counterSent, noon); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		freed int
	}{{23 * time.Hour, 0}, {25 * time.Hour, 2}, {89 * 24 * time.Hour, 0}, {91 * 24 * time.Hour, 1}} {
		now = noon.Add(c.after)
		if n, err := b.Expire(t.Context()); n != c.freed || err != nil {
			t.Errorf("after %s: %d freed, %v; want %d", c.after, n, err, c.freed)
		}
	}
}

// Restarts are counted in the commit that remembers up to where they were counted, and those of before the first start are not.
func TestRestartsAreCountedWithTheirMemory(t *testing.T) {
	s := openStore(t, t.TempDir())
	fails := false
	b := openBook(t, flaky{s, func() (bool, bool) { return fails, false }})
	restart := func(at time.Time) churn.Restart { return churn.Restart{At: at, Container: "cwagent", Task: "t1"} }
	before, first, second := restart(noon.Add(-2*time.Hour)), restart(noon.Add(-3*time.Minute)), restart(noon.Add(-2*time.Minute))
	d := Decision{Key: django, At: noon, Restarted: []churn.Restart{before, first, second},
		Restarts: churn.Restarts{Until: noon, Means: churn.Each, Recent: []churn.Restart{before, first, second}}}
	fails = true
	if err := b.Record(t.Context(), d); err == nil || len(b.due("prod", noon.Add(time.Hour))) != 0 {
		t.Fatalf("%v, due %v", err, b.due("prod", noon.Add(time.Hour)))
	}
	fails = false
	if err := b.Record(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d.Restarted, d.Restarts.Until = nil, noon.Add(15*time.Minute) // the next reading found nothing: nothing is written
	if err := b.Record(t.Context(), d); err != nil || b.peek(django).version != 1 {
		t.Fatalf("version %d, %v", b.peek(django).version, err)
	}
	again := openBook(t, s)
	due := again.due("prod", noon.Add(time.Hour))
	if len(due) != 1 || due[0].body.Datum.Metric != alarm.SidecarRestarts || due[0].body.Datum.Value != 2 || len(due[0].body.Datum.Dimensions) != 3 {
		t.Errorf("due: %+v", due)
	}
	if r := again.peek(django).History.Restarts; len(r.Recent) != 3 || !r.Until.Equal(noon) || r.Means != churn.Each {
		t.Errorf("remembered: %+v", r)
	}
}
