package cloudwatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func describe(t testing.TB, s *Service, in m, now time.Time) []m {
	t.Helper()
	var out []m
	for _, a := range do(t, s, "DescribeAlarms", in, now)["MetricAlarms"].([]any) {
		out = append(out, a.(m))
	}
	return out
}

func names(alarms []m) []string {
	var out []string
	for _, a := range alarms {
		out = append(out, a["AlarmName"].(string))
	}
	return out
}

func TestPutMetricAlarmValidation(t *testing.T) {
	arns := func(n int) []any {
		var out []any
		for i := range n {
			out = append(out, fmt.Sprint("arn:aws:sns:eu-west-1:111122223333:t", i))
		}
		return out
	}
	single := m{"Namespace": nil, "MetricName": nil, "Statistic": nil, "Period": nil}
	with := func(metrics ...any) m {
		c := m{"Metrics": metrics}
		for k := range single {
			c[k] = nil
		}
		return c
	}
	sql := func(text string, period int64) m { return m{"Id": "q", "Expression": text, "Period": period} }
	hidden := metricQuery("b", "X", "Sum", 60)
	hidden["ReturnData"] = false
	for name, tc := range map[string]struct {
		changes m
		want    string
	}{
		"good":                  {nil, ""},
		"no name":               {m{"AlarmName": ""}, "ValidationError"},
		"255 characters":        {m{"AlarmName": strings.Repeat("é", 255)}, ""},
		"256 characters":        {m{"AlarmName": strings.Repeat("é", 256)}, "ValidationError"},
		"control character":     {m{"AlarmName": "a\nb"}, "ValidationError"},
		"description 1024":      {m{"AlarmDescription": strings.Repeat("x", 1024)}, ""},
		"description 1025":      {m{"AlarmDescription": strings.Repeat("x", 1025)}, "ValidationError"},
		"5 actions":             {m{"OKActions": arns(5)}, ""},
		"6 actions":             {m{"AlarmActions": arns(6)}, "ValidationError"},
		"bad arn":               {m{"AlarmActions": []any{"page me"}}, "ValidationError"},
		"period 10":             {m{"Period": int64(10)}, ""},
		"period 5":              {m{"Period": int64(5)}, "ValidationError"},
		"period 90":             {m{"Period": int64(90)}, "ValidationError"},
		"period 120":            {m{"Period": 120.0}, ""},
		"a day":                 {m{"EvaluationPeriods": int64(1440)}, ""},
		"more than a day":       {m{"EvaluationPeriods": int64(1441)}, "ValidationError"},
		"a week of hours":       {m{"Period": int64(3600), "EvaluationPeriods": int64(168)}, ""},
		"more than a week":      {m{"Period": int64(3600), "EvaluationPeriods": int64(169)}, "ValidationError"},
		"no periods":            {m{"EvaluationPeriods": nil}, "ValidationError"},
		"M above N":             {m{"DatapointsToAlarm": int64(2)}, "ValidationError"},
		"no threshold":          {m{"Threshold": nil}, "ValidationError"},
		"treatment":             {m{"TreatMissingData": "Breaching"}, "ValidationError"},
		"operator":              {m{"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError"},
		"no statistic":          {m{"Statistic": nil}, "ValidationError"},
		"percentile":            {m{"Statistic": nil, "ExtendedStatistic": "p99"}, ""},
		"percentile as simple":  {m{"Statistic": "p99"}, "ValidationError"},
		"both statistics":       {m{"ExtendedStatistic": "p99"}, "ValidationError"},
		"metric and metrics":    {m{"Metrics": []any{metricQuery("a", "X", "Sum", 60)}}, "ValidationError"},
		"one metric query":      {with(metricQuery("a", "X", "Sum", 60)), ""},
		"hidden and reference":  {with(hidden, m{"Id": "a", "Expression": "b"}), ""},
		"two returned":          {with(metricQuery("a", "X", "Sum", 60), metricQuery("c", "X", "Sum", 60)), "ValidationError"},
		"none returned":         {with(hidden), "ValidationError"},
		"query period 5":        {with(metricQuery("a", "X", "Sum", 5)), "ValidationError"},
		"math":                  {with(hidden, m{"Id": "a", "Expression": "b * 2"}), "ValidationError"},
		"insights":              {with(sql(fleetQuery, 60)), ""},
		"insights period":       {with(sql(fleetQuery, 30)), "ValidationError"},
		"group without order":   {with(sql(`SELECT MAX(x) FROM "a" GROUP BY b`, 60)), "ValidationError"},
		"neither metric":        {single, "ValidationError"},
		"promql":                {m{"EvaluationCriteria": m{"PromQLCriteria": m{}}}, "ValidationError"},
		"wall clock other zone": {m{"EvaluationWindow": m{"WallClockWindow": m{"Timezone": "Europe/Berlin"}}}, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			if got := code(t, s, "PutMetricAlarm", alarmInput("a", tc.changes), noon); got != tc.want {
				t.Errorf("code %q, want %q", got, tc.want)
			}
			if n := len(s.Alarms()); n != b2i(tc.want == "") {
				t.Errorf("%d alarms stored", n)
			}
		})
	}
}

func TestDescribedAsPut(t *testing.T) {
	s := newService()
	in := alarmInput("a", m{
		"AlarmDescription": "why", "ActionsEnabled": false, "AlarmActions": []any{"arn:aws:sns:eu-west-1:111122223333:page"},
		"Dimensions": dims("B", "2", "A", "1"), "DatapointsToAlarm": int64(1), "TreatMissingData": "breaching", "Unit": "Count",
		"Tags": []any{m{"Key": "k", "Value": "v"}},
	})
	do(t, s, "PutMetricAlarm", in, noon)
	want := m{
		"AlarmName": "a", "AlarmArn": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a", "AlarmDescription": "why", "ActionsEnabled": false,
		"OKActions": []any{}, "AlarmActions": []any{"arn:aws:sns:eu-west-1:111122223333:page"}, "InsufficientDataActions": []any{},
		"Namespace": "Test", "MetricName": "Level", "Dimensions": dims("A", "1", "B", "2"), "Statistic": "Maximum", "Period": int64(60),
		"EvaluationPeriods": int64(1), "DatapointsToAlarm": int64(1), "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
		"TreatMissingData": "breaching", "Unit": "Count", "StateValue": "INSUFFICIENT_DATA", "StateReason": "Unchecked: Initial alarm creation",
		"StateUpdatedTimestamp": noon, "StateTransitionedTimestamp": noon, "AlarmConfigurationUpdatedTimestamp": noon,
	}
	if diff := cmp.Diff([]m{want}, describe(t, s, m{}, noon)); diff != "" {
		t.Error(diff)
	}
	do(t, s, "PutMetricAlarm", fleetInput("f", nil), noon)
	got := describe(t, s, m{"AlarmNames": []any{"f"}}, noon)[0]["Metrics"]
	if diff := cmp.Diff([]any{m{"Id": "q1", "Expression": fleetQuery, "Period": int64(60), "ReturnData": true}}, got); diff != "" {
		t.Error(diff)
	}
}

// An update overwrites every setting, what is left out falls back to its default; state and tags stay.
func TestUpdateOverwritesEverythingButStateAndTags(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"AlarmDescription": "old", "TreatMissingData": "breaching", "ActionsEnabled": false,
		"OKActions": []any{"arn:aws:sns:eu-west-1:111122223333:t"}, "Tags": []any{m{"Key": "owner", "Value": "me"}}}), noon)
	s.Advance(minute(1))
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"Threshold": 7.0, "Tags": []any{m{"Key": "owner", "Value": "you"}}}), minute(1).Add(time.Second))
	a, _ := s.Alarm("a")
	if a.State != stateAlarm || a.Description != "" || a.TreatMissingData != "missing" || !a.ActionsEnabled || a.Threshold != 7 {
		t.Errorf("alarm %+v", a)
	}
	if !a.Transitioned.Equal(minute(1)) || a.Tags["owner"] != "me" {
		t.Errorf("transitioned %s, tags %v", a.Transitioned, a.Tags)
	}
	if got := describe(t, s, m{}, minute(1).Add(time.Second))[0]["OKActions"]; len(got.([]any)) != 0 {
		t.Errorf("actions %v", got)
	}
}

// Putting the same alarm again, at any time, changes nothing but the time of configuration.
func TestPutMetricAlarmIsIdempotent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		once, again := newService(), newService()
		in := alarmInput("a", m{"TreatMissingData": rapid.SampledFrom(treatments).Draw(rt, "treat"), "EvaluationPeriods": int64(rapid.IntRange(1, 4).Draw(rt, "n"))})
		if rapid.Bool().Draw(rt, "fleet") {
			in = fleetInput("a", nil)
		}
		for _, s := range []*Service{once, again} {
			do(t, s, "PutMetricAlarm", in, noon)
		}
		for i := range rapid.IntRange(1, 12).Draw(rt, "minutes") {
			now := minute(i).Add(30 * time.Second)
			if v := rapid.IntRange(-1, 1).Draw(rt, "value"); v >= 0 {
				for _, s := range []*Service{once, again} {
					put(t, s, "Level", now, float64(v))
					put(t, s, "Level", now, float64(v), "Service", "x")
				}
			}
			if rapid.Bool().Draw(rt, "again") {
				do(t, again, "PutMetricAlarm", in, now)
			}
		}
		for _, s := range []*Service{once, again} {
			s.Advance(minute(20))
		}
		if diff := cmp.Diff(once.Alarms(), again.Alarms()); diff != "" {
			rt.Error(diff)
		}
		if diff := cmp.Diff(once.Transitions(), again.Transitions()); diff != "" {
			rt.Error(diff)
		}
	})
}

func TestDescribeAlarms(t *testing.T) {
	s := newService()
	for i := range 120 {
		do(t, s, "PutMetricAlarm", alarmInput(fmt.Sprintf("tw-%03d", i), m{"AlarmActions": []any{fmt.Sprint("arn:aws:sns:eu-west-1:1:t", i%2)}}), noon)
	}
	do(t, s, "PutMetricAlarm", alarmInput("other", nil), noon)
	do(t, s, "SetAlarmState", m{"AlarmName": "tw-007", "StateValue": "ALARM", "StateReason": "test"}, noon)
	hundredAndOne := make([]any, 101)
	for i := range hundredAndOne {
		hundredAndOne[i] = fmt.Sprint(i)
	}
	for name, tc := range map[string]struct {
		in     m
		first  int // in the first page
		total  int
		failed string
	}{
		"default page":    {m{}, 50, 121, ""},
		"page of 100":     {m{"MaxRecords": int64(100)}, 100, 121, ""},
		"page of 0":       {m{"MaxRecords": int64(0)}, 0, 0, "ValidationError"},
		"page of 101":     {m{"MaxRecords": int64(101)}, 0, 0, "ValidationError"},
		"prefix":          {m{"AlarmNamePrefix": "tw-01"}, 10, 10, ""},
		"names":           {m{"AlarmNames": []any{"other", "absent", "tw-000"}}, 2, 2, ""},
		"names, prefix":   {m{"AlarmNames": []any{"other"}, "AlarmNamePrefix": "o"}, 0, 0, "InvalidParameterCombinationException"},
		"101 names":       {m{"AlarmNames": hundredAndOne}, 0, 0, "ValidationError"},
		"state":           {m{"StateValue": "ALARM"}, 1, 1, ""},
		"bad state":       {m{"StateValue": "FINE"}, 0, 0, "ValidationError"},
		"action":          {m{"ActionPrefix": "arn:aws:sns:eu-west-1:1:t1"}, 50, 60, ""},
		"composites":      {m{"AlarmTypes": []any{"CompositeAlarm"}}, 0, 0, ""},
		"both types":      {m{"AlarmTypes": []any{"CompositeAlarm", "MetricAlarm"}, "AlarmNamePrefix": "o"}, 1, 1, ""},
		"bad type":        {m{"AlarmTypes": []any{"Fire"}}, 0, 0, "ValidationError"},
		"bad token":       {m{"NextToken": "%"}, 0, 0, "InvalidNextToken"},
		"children of one": {m{"ChildrenOfAlarmName": "x"}, 0, 0, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.failed != "" {
				if got := code(t, s, "DescribeAlarms", tc.in, noon); got != tc.failed {
					t.Errorf("code %q, want %q", got, tc.failed)
				}
				return
			}
			seen := map[string]bool{}
			for page := 0; ; page++ {
				out := do(t, s, "DescribeAlarms", tc.in, noon)
				list := out["MetricAlarms"].([]any)
				if page == 0 && len(list) != tc.first {
					t.Errorf("%d in the first page, want %d", len(list), tc.first)
				}
				for _, a := range list {
					seen[a.(m)["AlarmName"].(string)] = true
				}
				if out["NextToken"] == nil {
					break
				}
				tc.in["NextToken"] = out["NextToken"]
			}
			if len(seen) != tc.total {
				t.Errorf("%d alarms, want %d", len(seen), tc.total)
			}
		})
	}
}

// A page goes on after the last name shown, whatever was created or deleted in between.
func TestDescribeAlarmsPagesSurviveChanges(t *testing.T) {
	s := newService()
	for _, n := range []string{"b", "d", "f"} {
		do(t, s, "PutMetricAlarm", alarmInput(n, nil), noon)
	}
	out := do(t, s, "DescribeAlarms", m{"MaxRecords": int64(2)}, noon)
	do(t, s, "DeleteAlarms", m{"AlarmNames": []any{"d"}}, noon)
	do(t, s, "PutMetricAlarm", alarmInput("a", nil), noon)
	do(t, s, "PutMetricAlarm", alarmInput("e", nil), noon)
	got := names(describe(t, s, m{"MaxRecords": int64(2), "NextToken": out["NextToken"]}, noon))
	if diff := cmp.Diff([]string{"e", "f"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeAlarmsForMetric(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("plain", nil), noon)
	do(t, s, "PutMetricAlarm", alarmInput("dims", m{"Dimensions": dims("A", "1"), "Period": int64(120)}), noon)
	do(t, s, "PutMetricAlarm", fleetInput("fleet", nil), noon)
	for name, tc := range map[string]struct {
		in   m
		want []string
	}{
		"no dimensions": {m{}, []string{"plain"}},
		"dimensions":    {m{"Dimensions": dims("A", "1")}, []string{"dims"}},
		"period":        {m{"Dimensions": dims("A", "1"), "Period": int64(60)}, nil},
		"statistic":     {m{"Statistic": "Sum"}, nil},
		"same":          {m{"Statistic": "Maximum", "Period": int64(60)}, []string{"plain"}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in["Namespace"], tc.in["MetricName"] = "Test", "Level"
			var got []string
			for _, a := range do(t, s, "DescribeAlarmsForMetric", tc.in, noon)["MetricAlarms"].([]any) {
				got = append(got, a.(m)["AlarmName"].(string))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The alarms that exist are deleted even when a name is wrong; their history stays.
func TestDeleteAlarms(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", nil), noon)
	do(t, s, "PutMetricAlarm", alarmInput("b", nil), noon)
	if got := code(t, s, "DeleteAlarms", m{"AlarmNames": []any{"absent", "a"}}, noon); got != "ResourceNotFound" {
		t.Errorf("code %q", got)
	}
	if diff := cmp.Diff([]string{"b"}, names(describe(t, s, m{}, noon))); diff != "" {
		t.Error(diff)
	}
	items := do(t, s, "DescribeAlarmHistory", m{"AlarmName": "a"}, noon)["AlarmHistoryItems"].([]any)
	if len(items) != 2 || items[0].(m)["HistorySummary"] != `Alarm "a" deleted` {
		t.Errorf("history %v", items)
	}
	if got := code(t, s, "DeleteAlarms", m{"AlarmNames": make([]any, 0)}, noon); got != "MissingRequiredParameterException" {
		t.Errorf("code %q without names", got)
	}
}

// A forced state lasts until an evaluation concludes another one; nothing happens while its data is missing and ignored.
func TestSetAlarmState(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"TreatMissingData": "ignore"}), noon)
	do(t, s, "PutMetricAlarm", alarmInput("b", nil), noon)
	for _, n := range []string{"a", "b"} {
		do(t, s, "SetAlarmState", m{"AlarmName": n, "StateValue": "ALARM", "StateReason": "a drill"}, noon)
	}
	if a, _ := s.Alarm("a"); a.State != stateAlarm || a.Reason != "a drill" {
		t.Errorf("alarm %+v", a)
	}
	s.Advance(minute(1))
	if got := stateOf(t, s, "a") + " " + stateOf(t, s, "b"); got != "ALARM INSUFFICIENT_DATA" {
		t.Errorf("states %s", got)
	}
	for _, tc := range []struct {
		in   m
		want string
	}{
		{m{"AlarmName": "absent", "StateValue": "OK", "StateReason": "x"}, "ResourceNotFound"},
		{m{"AlarmName": "a", "StateValue": "FINE", "StateReason": "x"}, "ValidationError"},
		{m{"AlarmName": "a", "StateValue": "OK"}, "MissingRequiredParameterException"},
	} {
		if got := code(t, s, "SetAlarmState", tc.in, minute(1)); got != tc.want {
			t.Errorf("%v: code %q, want %q", tc.in, got, tc.want)
		}
	}
}

// With actions off the state still changes, nobody would be told.
func TestDisableAlarmActions(t *testing.T) {
	s := newService()
	arn := "arn:aws:sns:eu-west-1:111122223333:t"
	do(t, s, "PutMetricAlarm", alarmInput("a", m{"AlarmActions": []any{arn}, "OKActions": []any{arn}}), noon)
	do(t, s, "DisableAlarmActions", m{"AlarmNames": []any{"a", "absent"}}, noon)
	put(t, s, "Level", noon, 1)
	s.Advance(minute(1))
	do(t, s, "EnableAlarmActions", m{"AlarmNames": []any{"a"}}, minute(1))
	put(t, s, "Level", minute(1).Add(time.Second), 0)
	s.Advance(minute(2))
	var got []string
	for _, tr := range s.Transitions() {
		got = append(got, fmt.Sprint(tr.To, len(tr.Actions)))
	}
	if diff := cmp.Diff([]string{"ALARM0", "OK1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeAlarmHistory(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a", nil), noon)
	for i := range 5 {
		put(t, s, "Level", minute(i).Add(time.Second), float64(i%2))
	}
	s.Advance(minute(5))
	in := m{"AlarmName": "a", "HistoryItemType": "StateUpdate", "MaxRecords": int64(2), "StartDate": minute(2), "EndDate": minute(4)}
	var got []string
	for {
		out := do(t, s, "DescribeAlarmHistory", in, minute(5))
		for _, h := range out["AlarmHistoryItems"].([]any) {
			got = append(got, h.(m)["HistorySummary"].(string))
		}
		if out["NextToken"] == nil {
			break
		}
		in["NextToken"] = out["NextToken"]
	}
	want := []string{"Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK", "Alarm updated from OK to ALARM"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTags(t *testing.T) {
	s := newService()
	do(t, s, "PutMetricAlarm", alarmInput("a:b", m{"Tags": []any{m{"Key": "x", "Value": "1"}}}), noon)
	arn := "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a:b"
	do(t, s, "TagResource", m{"ResourceARN": arn, "Tags": []any{m{"Key": "y", "Value": "2"}, m{"Key": "x", "Value": "3"}}}, noon)
	do(t, s, "UntagResource", m{"ResourceARN": arn, "TagKeys": []any{"y", "absent"}}, noon)
	got := do(t, s, "ListTagsForResource", m{"ResourceARN": arn}, noon)["Tags"]
	if diff := cmp.Diff([]any{m{"Key": "x", "Value": "3"}}, got); diff != "" {
		t.Error(diff)
	}
	var many []any
	for i := range 50 {
		many = append(many, m{"Key": fmt.Sprint(i), "Value": "v"})
	}
	for name, tc := range map[string]struct {
		in   m
		want string
	}{
		"absent alarm":    {m{"ResourceARN": arn + "c"}, "ResourceNotFoundException"},
		"other region":    {m{"ResourceARN": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:a:b"}, "InvalidParameterValueException"},
		"no arn":          {m{}, "MissingRequiredParameterException"},
		"aws: key":        {m{"ResourceARN": arn, "Tags": []any{m{"Key": "aws:x", "Value": "1"}}}, "InvalidParameterValueException"},
		"the 51st tag":    {m{"ResourceARN": arn, "Tags": many}, "InvalidParameterValueException"},
		"the 50th tag":    {m{"ResourceARN": arn, "Tags": many[:49]}, ""},
		"without any tag": {m{"ResourceARN": arn}, ""},
	} {
		if got := code(t, s, "TagResource", tc.in, noon); got != tc.want {
			t.Errorf("%s: code %q, want %q", name, got, tc.want)
		}
	}
}
