package cloud

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
)

// incident runs until the first task has just died of its sidecar.
func incident(t *testing.T) (*account.Account, account.Stop) {
	t.Helper()
	s, err := account.LoadScenario("../../test/scenarios/incident.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := world(t, s)
	for range 100 {
		time.Sleep(10 * time.Minute)
		w.Advance(time.Now())
		if stops := w.Stops(); len(stops) > 0 {
			return w, stops[0]
		}
	}
	t.Fatal("nothing has stopped")
	return nil, account.Stop{}
}

func TestTailOfADeadContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stop := incident(t)
		a := watching(w, Options{AllowList: fleet.NewAllowList()})
		d, err := a.Definition(t.Context(), stop.Definition)
		if err != nil {
			t.Fatal(err)
		}
		s := sweep(t.Context(), a)
		tasks := s.clusters[stop.Cluster].Tasks
		i := slices.IndexFunc(tasks, func(task fleet.Task) bool { return task.ARN == stop.TaskARN })
		if i < 0 {
			t.Fatalf("%s is not seen", stop.TaskARN)
		}
		c, _ := d.Container(stop.Culprit)
		ref, why := fleet.LogOf(tasks[i], c)
		if why != "" {
			t.Fatal(why)
		}
		tail, err := a.Tail(t.Context(), ref, stop.At.Add(-15*time.Minute), stop.At.Add(time.Minute), 100)
		if err != nil || !slices.Contains(tail.Lines, "fatal error: concurrent map writes") || tail.Missing != "" {
			t.Errorf("%v %+v", err, tail)
		}
		if two, err := a.Tail(t.Context(), ref, time.Time{}, time.Time{}, 2); err != nil || !slices.Equal(two.Lines, tail.Lines[len(tail.Lines)-2:]) {
			t.Errorf("the last two are %q, %v; want those of %q", two.Lines, err, tail.Lines)
		}
		early, err := a.Tail(t.Context(), ref, stop.At.Add(-1000*time.Hour), stop.At.Add(-999*time.Hour), 10)
		if err != nil || len(early.Lines) > 0 || early.Missing == "" {
			t.Errorf("%v %+v", err, early)
		}
		ref.Stream += "0"
		if none, err := a.Tail(t.Context(), ref, time.Time{}, time.Time{}, 2); err != nil || !strings.Contains(none.Missing, ref.Stream) {
			t.Errorf("no stream: %v %+v", err, none)
		}
		w.Deny("logs:GetLogEvents")
		denied, err := a.Tail(t.Context(), ref, time.Time{}, time.Time{}, 2)
		if fleet.DeniedAction(err) != "logs:GetLogEvents" || !strings.Contains(denied.Missing, "logs:GetLogEvents") {
			t.Errorf("denied: %v %+v", err, denied)
		}
	})
}

func TestTailAsksTheLogsOwnRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := incident(t)
		a := watching(w, Options{})
		for _, region := range []string{"", "eu-west-1", "eu-west-1"} {
			_, _ = a.Tail(t.Context(), fleet.LogRef{Region: region, Group: "g", Stream: "s"}, time.Time{}, time.Time{}, 1)
		}
		var got []string
		for _, c := range w.Calls() {
			got = append(got, c.Region)
		}
		if !slices.Equal(got, []string{"us-east-1", "eu-west-1", "eu-west-1"}) {
			t.Errorf("asked in %v", got)
		}
	})
}

func TestEmptyPagesAreFollowedTwice(t *testing.T) {
	empty := func(token string) string { return `{"events":[],"nextBackwardToken":"` + token + `"}` }
	full := `{"events":[{"timestamp":2,"message":"second\n"},{"timestamp":1,"message":"first\r\n"},{"timestamp":2,"message":"third"}],"nextBackwardToken":"z"}`
	for name, tc := range map[string]struct {
		pages []string
		lines []string
	}{
		"at once":         {[]string{full}, []string{"first", "second", "third"}},
		"after two":       {[]string{empty("a"), empty("b"), full}, []string{"first", "second", "third"}},
		"never more":      {[]string{empty("a"), empty("b"), empty("c"), full}, nil},
		"the token stays": {[]string{empty("a"), empty("a"), full}, nil},
	} {
		a := New(baseConfig(canned{"GetLogEvents": tc.pages}), Options{Allow: everything()})
		tail, err := a.Tail(t.Context(), fleet.LogRef{Group: "g", Stream: "s"}, time.Time{}, time.Time{}, 10)
		if err != nil || !slices.Equal(tail.Lines, tc.lines) || (tail.Missing == "") != (tc.lines != nil) {
			t.Errorf("%s: %v %+v", name, err, tail)
		}
	}
}

func TestTailBounds(t *testing.T) {
	var events []types.OutputLogEvent
	for i := range 100 {
		events = append(events, types.OutputLogEvent{Timestamp: aws.Int64(int64(i)), Message: aws.String(fmt.Sprintf("%03d", i) + strings.Repeat("ä", maxLine))})
	}
	got := newest(events, 100)
	size := 0
	for _, line := range got {
		if size += len(line); len(line) > maxLine || !utf8.ValidString(line) {
			t.Fatalf("a line of %d bytes, valid %v", len(line), utf8.ValidString(line))
		}
	}
	if size > maxTail || len(got) < maxTail/maxLine-1 || !strings.HasPrefix(got[len(got)-1], "099") {
		t.Errorf("%d lines of %d bytes", len(got), size)
	}
	for lines, want := range map[int]int32{-1: 1, 0: 1, 50: 50, 1_000_000: maxEvents} {
		if in := tailInput(fleet.LogRef{}, time.Time{}, time.Time{}, lines); *in.Limit != want || *in.StartFromHead {
			t.Errorf("limit %d for %d", *in.Limit, lines)
		}
	}
}

func TestTailInput(t *testing.T) {
	in := tailInput(fleet.LogRef{Group: "arn:aws:logs:us-east-1:111122223333:log-group:g", Stream: "s"}, second(1), second(2), 5)
	if diff := cmp.Diff([]any{"arn:aws:logs:us-east-1:111122223333:log-group:g", (*string)(nil), int64(1000), int64(2000)},
		[]any{*in.LogGroupIdentifier, in.LogGroupName, *in.StartTime, *in.EndTime}); diff != "" {
		t.Error(diff)
	}
}

func TestTailFailsForPassingTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := incident(t)
		fails(w, isOp("GetLogEvents"), outage())
		tail, err := watching(w, Options{}).Tail(t.Context(), fleet.LogRef{Group: "g", Stream: "s"}, time.Time{}, time.Time{}, 1)
		if f, ok := errors.AsType[*fleet.Fault](err); !ok || f.Class != nil || tail.Missing != "" {
			t.Errorf("%v %+v: an outage says nothing about the stream", err, tail)
		}
	})
}
