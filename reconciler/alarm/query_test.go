package alarm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseQuery(t *testing.T) {
	ours := []string{"ClusterName", "ServiceName"}
	for text, want := range map[string]*Query{
		`SELECT MAX(SilentChurn) FROM SCHEMA("TaskWarden", ClusterName, ServiceName) GROUP BY ClusterName, ServiceName ORDER BY MAX() DESC`: {
			Function: "MAX", Metric: "SilentChurn", Namespace: "TaskWarden", Schema: ours, GroupBy: ours},
		"select max( SilentChurn )\nfrom TaskWarden": {Function: "MAX", Metric: "SilentChurn", Namespace: "TaskWarden"},
		`SELECT SUM("A b") FROM "AWS/ECS" WHERE ClusterName != 'it''s' AND "Service Name" = 'x' LIMIT 10`: {Function: "SUM", Metric: "A b", Namespace: "AWS/ECS",
			Where: []Condition{{"ClusterName", "it's", true}, {"Service Name", "x", false}}, Limited: true},
		`SELECT MAX(M) FROM SCHEMA(N)`:                  {Function: "MAX", Metric: "M", Namespace: "N", Schema: []string{}},
		`SELECT MAX(M) FROM N WHERE a = 'x' OR b = 'y'`: nil,
		`SELECT MAX(M) FROM N WHERE a IN ('x', 'y')`:    nil,
		`SELECT MAX(M) FROM N WHERE tag.env = 'prod'`:   nil,
		`SELECT MAX(M) FROM N WHERE (a = 'x')`:          nil,
		`SELECT MAX(M) FROM N WHERE a = "x"`:            nil,
		`SELECT MEDIAN(M) FROM N`:                       nil,
		`SELECT MAX(M) FROM N GROUP BY`:                 nil,
		`SELECT MAX(M) FROM N; DROP`:                    nil,
		`SELECT MAX('M') FROM N`:                        nil,
		`SELECT MAX(M) FROM N WHERE a = 'x`:             nil,
		`m1 + m2`:                                       nil,
		``:                                              nil,
	} {
		got, ok := ParseQuery(text)
		if ok != (want != nil) {
			t.Errorf("%s: understood: %t (%+v)", text, ok, got)
		} else if ok {
			if d := cmp.Diff(*want, got); d != "" {
				t.Errorf("%s: %s", text, d)
			}
		}
	}
}

func TestQueryReads(t *testing.T) {
	at := func(dims ...Dimension) Series { return Series{"N", "M", dims} }
	web := at(Dimension{"ClusterName", "c"}, Dimension{"ServiceName", "web"})
	any := at(Dimension{"ClusterName", "c"}, Dimension{"ContainerName", ""}, Dimension{"ServiceName", "web"})
	for text, want := range map[string][2]bool{
		`SELECT MAX(M) FROM N`: {true, true},
		`SELECT MAX(M) FROM SCHEMA(N, ServiceName, ClusterName)`:                {true, false},
		`SELECT MAX(M) FROM SCHEMA(N, ServiceName, ClusterName, ContainerName)`: {false, true},
		`SELECT MAX(M) FROM N WHERE ClusterName = 'c'`:                          {true, true},
		`SELECT MAX(M) FROM N WHERE ClusterName != 'c'`:                         {false, false},
		`SELECT MAX(M) FROM N WHERE ServiceName = 'api'`:                        {false, false},
		`SELECT MAX(M) FROM N WHERE ContainerName != 'x'`:                       {false, false}, // of any container it is not sure
		`SELECT MAX(M) FROM N WHERE Region = 'x'`:                               {false, false},
		`SELECT MAX(M) FROM N GROUP BY ContainerName`:                           {false, true},
		`SELECT MAX(M) FROM Other`:                                              {false, false},
		`SELECT MAX(X) FROM N`:                                                  {false, false},
		`SELECT MAX(M) FROM N GROUP BY ServiceName ORDER BY MAX() DESC LIMIT 5`: {false, false},
	} {
		q, ok := ParseQuery(text)
		if got := [2]bool{q.Reads(web), q.Reads(any)}; !ok || got != want {
			t.Errorf("%s reads %v, want %v (understood: %t)", text, got, want, ok)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, s := range Fleet("o", "t", Actions{}) {
		f.Add(s.Query)
	}
	f.Add(`SELECT SUM("A") FROM "B" WHERE c != 'it''s' LIMIT 3`)
	f.Fuzz(func(t *testing.T, text string) {
		q, ok := ParseQuery(text)
		if ok && (q.Metric == "" || q.Namespace == "" || q.Function == "") {
			t.Errorf("%q is understood as %+v", text, q)
		}
	})
}

func TestCompositeRules(t *testing.T) {
	for rule, want := range map[string]struct {
		follows   truth
		mentioned bool
	}{
		`ALARM("a")`:                                   {truly, true},
		`ALARM(a)`:                                     {truly, true},
		`ALARM('a') OR ALARM(b)`:                       {truly, true},
		`ALARM(b) OR (ALARM(c) OR ALARM("a"))`:         {truly, true},
		`ALARM(a) AND ALARM(b)`:                        {unsure, true},
		`ALARM(a) AND TRUE`:                            {truly, true},
		`ALARM(a) AND FALSE`:                           {falsely, true},
		`ALARM(a) AND NOT ALARM(DeploymentInProgress)`: {unsure, true},
		`NOT ALARM(a)`:                                 {falsely, true},
		`OK(a) OR ALARM(b)`:                            {unsure, true},
		`ALARM(b)`:                                     {unsure, false},
		`ALARM(arn:aws:cloudwatch:us-east-1:111122223333:alarm:a)`: {truly, true},
		`ALARM(a) XOR ALARM(b)`: {unsure, true},
		`(ALARM(a)`:             {unsure, true},
		``:                      {unsure, false},
	} {
		if f, m := follows(rule, "a"); f != want.follows || m != want.mentioned {
			t.Errorf("%s: %d %t, want %+v", rule, f, m, want)
		}
	}
	if d := cmp.Diff([]string{"x y", "b", "c"}, children(`ALARM("x y") AND (NOT OK(b) OR INSUFFICIENT_DATA(arn:aws:cloudwatch:r:1:alarm:c) OR ALARM(b))`)); d != "" {
		t.Error(d)
	}
}
