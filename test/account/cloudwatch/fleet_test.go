package cloudwatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const fleetQuery = `SELECT MAX(Level) FROM SCHEMA("Test", Service) GROUP BY Service ORDER BY MAX() DESC`

// fleetInput is a valid multi-series alarm.
func fleetInput(name string, changes m) m {
	in := m{
		"AlarmName": name, "EvaluationPeriods": int64(1), "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
		"TreatMissingData": "notBreaching", "AlarmActions": []any{"arn:aws:sns:eu-west-1:111122223333:page"},
		"Metrics": []any{m{"Id": "q1", "Expression": fleetQuery, "Period": int64(60), "ReturnData": true}},
	}
	for k, v := range changes {
		in[k] = v
	}
	return in
}

// Each group is a contributor by itself; the alarm is ALARM while one of them is; a group without data for three hours is
// gone, and without any group there is insufficient data.
func TestContributors(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", fleetInput("fleet", nil), noon)
	put(t, s, "Level", noon, 0, "Service", "a")
	put(t, s, "Level", noon, 1, "Service", "b")
	put(t, s, "Level", noon, 9, "Service", "c", "Other", "dimension") // not in SCHEMA
	s.Advance(minute(1))
	a, _ := s.Alarm("fleet")
	if a.State != stateAlarm || a.Reason != "1 out of 2 time series evaluated to ALARM" {
		t.Errorf("state %s, reason %q", a.State, a.Reason)
	}
	if diff := cmp.Diff([]map[string]string{{"Service": "b"}}, a.Contributors); diff != "" {
		t.Error(diff)
	}
	put(t, s, "Level", minute(1).Add(time.Second), 1, "Service", "a")
	put(t, s, "Level", minute(1).Add(time.Second), 1, "Service", "b")
	s.Advance(minute(2))
	out := do(t, s, "DescribeAlarmContributors", m{"AlarmName": "fleet"}, minute(2))["AlarmContributors"].([]any)
	if len(out) != 2 || out[0].(m)["ContributorAttributes"].(m)["Service"] != "b" {
		t.Errorf("contributors %v: b has been in ALARM for longest", out)
	}
	s.Advance(minute(20)) // the evaluation range is empty: not breaching
	if got := stateOf(t, s, "fleet"); got != stateOK {
		t.Errorf("state %s after the data stopped", got)
	}
	s.Advance(minute(181))
	if got := stateOf(t, s, "fleet"); got != stateOK {
		t.Errorf("state %s while data is in the look-back", got)
	}
	s.Advance(minute(182))
	if got := stateOf(t, s, "fleet"); got != stateInsufficient {
		t.Errorf("state %s without any time series", got)
	}
}

// A contributor that joins an alarm already in ALARM is its own transition, with the actions AWS runs for it.
func TestContributorTransitions(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", fleetInput("fleet", nil), noon)
	put(t, s, "Level", noon, 1, "Service", "a")
	put(t, s, "Level", minute(1).Add(time.Second), 1, "Service", "a")
	put(t, s, "Level", minute(1).Add(time.Second), 1, "Service", "b")
	s.Advance(minute(2))
	all := s.Transitions()
	if len(all) != 2 {
		t.Fatalf("transitions %+v", all)
	}
	joined := all[1]
	if joined.From != stateAlarm || joined.To != stateAlarm || len(joined.Actions) != 0 || len(joined.Contributors) != 1 {
		t.Fatalf("second transition %+v", joined)
	}
	if c := joined.Contributors[0]; c.Attributes["Service"] != "b" || c.To != stateAlarm || len(c.Actions) != 1 {
		t.Errorf("contributor %+v", c)
	}
	items := do(t, s, "DescribeAlarmHistory", m{"HistoryItemType": "AlarmContributorStateUpdate", "AlarmContributorId": joined.Contributors[0].ID}, minute(2))["AlarmHistoryItems"].([]any)
	if len(items) != 1 {
		t.Errorf("history of the contributor: %v", items)
	}
}

// With treatment missing or ignore a contributor in ALARM stays so until it leaves the look-back, and is OK then.
func TestGoneContributorTurnsOK(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", fleetInput("fleet", m{"TreatMissingData": "ignore"}), noon)
	put(t, s, "Level", noon, 1, "Service", "a")
	s.Advance(minute(180))
	if got := stateOf(t, s, "fleet"); got != stateAlarm {
		t.Errorf("state %s within the look-back", got)
	}
	s.Advance(minute(181))
	all := s.Transitions()
	last := all[len(all)-1]
	if last.To != stateInsufficient || len(last.Contributors) != 1 || last.Contributors[0].To != stateOK ||
		last.Contributors[0].Reason != "No data was returned for this contributor" {
		t.Errorf("last transition %+v", last)
	}
}

func TestManyContributors(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", fleetInput("fleet", nil), noon)
	for i := range 501 {
		put(t, s, "Level", noon, 1, "Service", fmt.Sprint("s", i))
	}
	s.Advance(minute(1))
	a, _ := s.Alarm("fleet")
	if a.EvaluationState != "PARTIAL_DATA" || a.Reason != "100+ time series evaluated to ALARM" || len(a.Contributors) != 500 {
		t.Errorf("evaluation state %q, reason %q, %d contributors", a.EvaluationState, a.Reason, len(a.Contributors))
	}
	out := do(t, s, "DescribeAlarmContributors", m{"AlarmName": "fleet"}, minute(1))["AlarmContributors"].([]any)
	if len(out) != 100 {
		t.Errorf("%d contributors listed", len(out))
	}
}

// A query without GROUP BY is one time series with the ordinary treatment of missing data.
func TestAggregatedQueryAlarm(t *testing.T) {
	s := newService()
	in := fleetInput("sum", m{"Threshold": 2.0, "TreatMissingData": "missing",
		"Metrics": []any{m{"Id": "q1", "Expression": `SELECT SUM(Level) FROM "Test" WHERE Cluster = 'prod'`, "Period": int64(60)}}})
	do(t, s, "PutMetricAlarm", in, noon)
	put(t, s, "Level", noon, 1, "Cluster", "prod", "Service", "a")
	put(t, s, "Level", noon, 1, "Cluster", "prod", "Service", "b")
	put(t, s, "Level", noon, 5, "Cluster", "dev", "Service", "b")
	s.Advance(minute(1))
	if got := stateOf(t, s, "sum"); got != stateAlarm {
		t.Errorf("state %s", got)
	}
	s.Advance(minute(10))
	if got := stateOf(t, s, "sum"); got != stateInsufficient {
		t.Errorf("state %s without data", got)
	}
}

func TestInsightsQuota(t *testing.T) {
	s := newService()
	for i := range 200 {
		do(t, s, "PutMetricAlarm", fleetInput(fmt.Sprint("fleet", i), nil), noon)
	}
	if got := code(t, s, "PutMetricAlarm", fleetInput("one more", nil), noon); got != "LimitExceededFault" {
		t.Errorf("code %q for the 201st", got)
	}
	if got := code(t, s, "PutMetricAlarm", fleetInput("fleet7", nil), noon); got != "" {
		t.Errorf("code %q for an update", got)
	}
}
