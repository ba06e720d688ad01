package cloudwatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// points reads the user guide's notation: 0 within, X breaching, - missing, oldest first.
func points(text string) []datapoint {
	var out []datapoint
	for i, c := range strings.Fields(text) {
		out = append(out, datapoint{at: int64(i) * 60, present: c != "-", breaching: c == "X"})
	}
	return out
}

// The rows are those of the user guide's tables in "Configuring how CloudWatch alarms treat missing data", and its two
// sentences on premature transitions; "" keeps the state.
func TestDecideFollowsTheUserGuide(t *testing.T) {
	for _, tc := range []struct {
		m                                        int
		points                                   string
		filled                                   int
		missing, ignore, breaching, notBreaching string
	}{
		{3, "0 - X - X", 0, "OK", "OK", "OK", "OK"},
		{3, "0 - - - -", 2, "OK", "OK", "OK", "OK"},
		{3, "- - - - -", 3, "INSUFFICIENT_DATA", "", "ALARM", "OK"},
		{3, "0 X X - X", 0, "ALARM", "ALARM", "ALARM", "ALARM"},
		{3, "- - X - -", 2, "ALARM", "", "ALARM", "OK"},
		{2, "0 - X - X", 0, "ALARM", "ALARM", "ALARM", "ALARM"},
		{2, "0 0 X 0 X", 0, "ALARM", "ALARM", "ALARM", "ALARM"},
		{2, "0 - X - -", 1, "OK", "OK", "ALARM", "OK"},
		{2, "- - - - 0", 2, "OK", "OK", "ALARM", "OK"},
		{2, "- - - X -", 2, "ALARM", "", "ALARM", "OK"},
		{3, "- - - - X", 2, "", "", "ALARM", "OK"},
		{3, "- - - X -", 2, "", "", "ALARM", "OK"},
		{3, "X X 0 0 0", 0, "OK", "OK", "OK", "OK"},
	} {
		for mode, want := range map[string]string{
			treatMissing: tc.missing, treatIgnore: tc.ignore, treatBreaching: tc.breaching, treatNotBreaching: tc.notBreaching,
		} {
			t.Run(fmt.Sprintf("%d of 3 %s %s", tc.m, tc.points, mode), func(t *testing.T) {
				v := rule{n: 3, m: tc.m, treat: mode}.decide(points(tc.points))
				if v.state != want || v.filled != tc.filled {
					t.Errorf("state %q filled %d, want %q filled %d", v.state, v.filled, want, tc.filled)
				}
			})
		}
	}
}

func TestEvaluationRangeOfTheUserGuide(t *testing.T) {
	if got := evaluationRange(3); got != 5 {
		t.Errorf("evaluation range of 3 is %d, the user guide says 5", got)
	}
}

// Without missing data the alarm is ALARM exactly when M of the last N data points breach, whatever the treatment.
func TestMOfNWithoutMissingData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		r := rule{n: n, m: rapid.IntRange(1, n).Draw(t, "m"), treat: rapid.SampledFrom(treatments).Draw(t, "treat")}
		list := make([]datapoint, evaluationRange(n))
		for i := range list {
			list[i] = datapoint{present: true, breaching: rapid.Bool().Draw(t, "breaching")}
		}
		breaching := 0
		for _, p := range list[len(list)-n:] {
			if p.breaching {
				breaching++
			}
		}
		want := stateOK
		if breaching >= r.m {
			want = stateAlarm
		}
		if got := r.decide(list).state; got != want {
			t.Errorf("%d of the last %d breach, %d needed: %q", breaching, n, r.m, got)
		}
	})
}

var treatments = []string{treatMissing, treatIgnore, treatBreaching, treatNotBreaching}

// The life of an alarm on a gauge, minute by minute: each treatment when data comes, stops and comes again.
func TestAlarmLife(t *testing.T) {
	for treat, want := range map[string][]string{
		"missing": {
			"1 INSUFFICIENT_DATA -> OK", "3 OK -> ALARM", "7 ALARM -> INSUFFICIENT_DATA", "9 INSUFFICIENT_DATA -> OK"},
		"ignore":       {"1 INSUFFICIENT_DATA -> OK", "3 OK -> ALARM", "9 ALARM -> OK"},
		"breaching":    {"1 INSUFFICIENT_DATA -> OK", "3 OK -> ALARM", "9 ALARM -> OK"},
		"notBreaching": {"1 INSUFFICIENT_DATA -> OK", "3 OK -> ALARM", "7 ALARM -> OK"},
	} {
		t.Run(treat, func(t *testing.T) {
			s := newService()
			do(t, s, "PutMetricAlarm", alarmInput("a", m{"TreatMissingData": treat}), noon)
			for i, v := range []float64{0, 0, 1, 1, -1, -1, -1, -1, 0} { // -1: no data in that minute
				if v >= 0 {
					put(t, s, "Level", minute(i).Add(time.Second), v)
				}
			}
			s.Advance(minute(9))
			if diff := cmp.Diff(want, story(s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// story words the transitions by the minute they happened in.
func story(s *Service) []string {
	var out []string
	for _, tr := range s.Transitions() {
		out = append(out, fmt.Sprintf("%d %s -> %s", int(tr.At.Sub(noon).Minutes()), tr.From, tr.To))
	}
	return out
}

// A heartbeat alarm fires once the last beat has left the evaluation range.
func TestHeartbeatAlarmFiresWhenTheBeatStops(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("beat", m{
		"EvaluationPeriods": int64(3), "Threshold": 1.0, "ComparisonOperator": "LessThanThreshold", "TreatMissingData": "breaching",
		"AlarmActions": []any{"arn:aws:sns:eu-west-1:111122223333:page"},
	}), noon)
	for i := range 5 {
		put(t, s, "Level", minute(i).Add(time.Second), 1)
	}
	s.Advance(minute(9))
	if got := stateOf(t, s, "beat"); got != stateOK {
		t.Errorf("state %s while the beat of minute 4 is in the range", got)
	}
	s.Advance(minute(10))
	all := s.Transitions()
	last := all[len(all)-1]
	if last.To != stateAlarm || len(last.Actions) != 1 || !strings.Contains(last.Reason, "no datapoints were received for 3 periods") {
		t.Errorf("last transition %+v", last)
	}
}

func TestOperators(t *testing.T) {
	for op, want := range map[string]string{ // of 1, 2, 3 against 2
		"GreaterThanThreshold": "001", "GreaterThanOrEqualToThreshold": "011", "LessThanThreshold": "100", "LessThanOrEqualToThreshold": "110",
	} {
		got := ""
		for _, v := range []float64{1, 2, 3} {
			if (rule{operator: op, threshold: 2}).breaches(v) {
				got += "1"
			} else {
				got += "0"
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", op, got, want)
		}
	}
}

// Periods above a minute slide by the minute, or stick to the clock when the alarm asks for it.
func TestEvaluationWindows(t *testing.T) {
	for name, tc := range map[string]struct {
		window m
		want   int // the minute of the transition
	}{
		"sliding":    {nil, 3},
		"wall clock": {m{"WallClockWindow": m{}}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			in := alarmInput("a", m{"Period": int64(300)})
			if tc.window != nil {
				in["EvaluationWindow"] = tc.window
			}
			do(t, s, "PutMetricAlarm", in, noon)
			put(t, s, "Level", minute(2).Add(time.Second), 1)
			s.Advance(minute(30))
			if all := s.Transitions(); len(all) == 0 || !all[0].At.Equal(minute(tc.want)) || all[0].To != stateAlarm {
				t.Errorf("transitions %+v, want ALARM in minute %d", all, tc.want)
			}
		})
	}
}

// Alarms with short periods are evaluated between the minutes.
func TestHighResolution(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"Period": int64(10)}), noon)
	do(t, s, "PutMetricData", m{"Namespace": "Test", "MetricData": []any{
		m{"MetricName": "Level", "Value": 1.0, "StorageResolution": int64(1), "Timestamp": noon.Add(5 * time.Second)},
	}}, noon.Add(5*time.Second))
	s.Advance(noon.Add(10 * time.Second))
	if got := stateOf(t, s, "a"); got != stateAlarm {
		t.Errorf("state %s ten seconds in", got)
	}
}

// EvaluateEvery shows data that came late sooner than the next minute.
func TestEvaluateEvery(t *testing.T) {
	s := newService()
	s.EvaluateEvery = 5 * time.Second
	do(t, s, "PutMetricAlarm", alarmInput("a", nil), minute(1))
	do(t, s, "PutMetricData", m{"Namespace": "Test", "MetricData": []any{
		m{"MetricName": "Level", "Value": 1.0, "Timestamp": noon},
	}}, minute(1).Add(2*time.Second))
	s.Advance(minute(1).Add(5 * time.Second))
	if got := stateOf(t, s, "a"); got != stateAlarm {
		t.Errorf("state %s", got)
	}
}

// However often Advance is called, the world ends the same.
func TestAdvanceAsOftenAsYouLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quiet, busy := newService(), newService()
		both := func(op string, in m, now time.Time) {
			for _, s := range []*Service{quiet, busy} {
				if _, err := s.Do(op, in, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, treat := range treatments {
			both("PutMetricAlarm", alarmInput(fmt.Sprint("a", i), m{"TreatMissingData": treat, "EvaluationPeriods": int64(i + 1)}), noon)
		}
		both("PutMetricAlarm", fleetInput("fleet", nil), noon)
		now := noon
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			if rapid.Bool().Draw(t, "put") {
				both("PutMetricData", m{"Namespace": "Test", "MetricData": []any{m{"MetricName": "Level", "Value": float64(rapid.IntRange(0, 1).Draw(t, "v"))},
					m{"MetricName": "Level", "Value": float64(rapid.IntRange(0, 1).Draw(t, "w")), "Dimensions": dims("Service", rapid.SampledFrom([]string{"x", "y"}).Draw(t, "service"))}}}, now)
			}
			if rapid.Bool().Draw(t, "advance") {
				busy.Advance(now)
			}
		}
		quiet.Advance(now)
		busy.Advance(now)
		if diff := cmp.Diff(quiet.Transitions(), busy.Transitions()); diff != "" {
			t.Errorf("transitions differ: %s", diff)
		}
		if diff := cmp.Diff(quiet.Alarms(), busy.Alarms()); diff != "" {
			t.Errorf("alarms differ: %s", diff)
		}
	})
}
