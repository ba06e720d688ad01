package cloudwatch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseQuery(t *testing.T) {
	for text, want := range map[string]Query{
		`SELECT AVG(CPU) FROM "AWS/EC2"`: {Function: "AVG", Metric: "CPU", Namespace: "AWS/EC2"},
		`select max(SilentChurn) from schema("Task/Warden", ClusterName, ServiceName)
		 where ClusterName = 'prod' and ServiceName != 'it''s' group by ClusterName, ServiceName order by max() desc limit 10;`: {
			Function: "MAX", Metric: "SilentChurn", Namespace: "Task/Warden", Exact: true, Schema: []string{"ClusterName", "ServiceName"},
			Where:   []Condition{{Dimension: "ClusterName", Value: "prod"}, {Dimension: "ServiceName", Not: true, Value: "it's"}},
			GroupBy: []string{"ClusterName", "ServiceName"}, OrderBy: "MAX", Descending: true, Limit: 10,
		},
		`SELECT COUNT("p99 \ of ""x""") FROM SCHEMA(Plain) ORDER BY COUNT() ASC`: {
			Function: "COUNT", Metric: `p99 \ of "x"`, Namespace: "Plain", Exact: true, OrderBy: "COUNT"},
		`SELECT SUM("select") FROM "where" GROUP BY "group"`: {Function: "SUM", Metric: "select", Namespace: "where", GroupBy: []string{"group"}},
	} {
		got, err := ParseQuery(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestParseQueryErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:                                                 "position 1: expected SELECT, found the end of the query",
		`SELECT MEDIAN(x) FROM "a"`:                        `position 8: expected AVG, SUM, MIN, MAX or COUNT, found "MEDIAN"`,
		`SELECT MAX x FROM "a"`:                            `position 12: expected "("`,
		`SELECT MAX(x) FROM AWS/EC2`:                       `position 23: unexpected '/'`,
		`SELECT MAX(1x) FROM "a"`:                          `position 12: expected a metric name`,
		`SELECT MAX(x) FROM "a`:                            `position 20: the quote " is not closed`,
		`SELECT MAX(x) FROM "a" WHERE b = "c"`:             `position 34: expected a value in single quotes`,
		`SELECT MAX(x) FROM "a" LIMIT 501`:                 `expected a number from 1 to 500`,
		`SELECT MAX(x) FROM "a" GROUP c`:                   `expected BY`,
		`SELECT MAX(x) FROM "a" ORDER BY MAX`:              `expected "("`,
		`SELECT MAX(x) FROM "a" LIMIT 5 6`:                 `expected the end of the query, found "6"`,
		`SELECT MAX(x) FROM SCHEMA("a", b) GROUP BY c`:     "GROUP BY c: the dimension is not in SCHEMA",
		`SELECT MAX(x) FROM SCHEMA("a", b) WHERE c = 'd'`:  "WHERE c: the dimension is not in SCHEMA",
		`SELECT MAX(x) FROM "a" WHERE b = 'c' OR d = 'e'`:  `found "OR"`,
		`SELECT MAX(x) FROM "a" WHERE b = 'c' AND LIMIT 3`: `expected a dimension name, found "LIMIT"`,
	} {
		_, err := ParseQuery(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// format writes a query so that it reads back the same.
func (q Query) format() string {
	name := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	names := func(list []string) string {
		var out []string
		for _, n := range list {
			out = append(out, name(n))
		}
		return strings.Join(out, ",")
	}
	text := "SELECT " + q.Function + "(" + name(q.Metric) + ") FROM "
	if q.Exact {
		text += "SCHEMA(" + names(append([]string{q.Namespace}, q.Schema...)) + ")"
	} else {
		text += name(q.Namespace)
	}
	for i, w := range q.Where {
		text += []string{" AND ", " WHERE "}[b2i(i == 0)] + name(w.Dimension) + []string{"=", "!="}[b2i(w.Not)] + "'" + strings.ReplaceAll(w.Value, "'", "''") + "'"
	}
	if len(q.GroupBy) > 0 {
		text += " GROUP BY " + names(q.GroupBy)
	}
	if q.OrderBy != "" {
		text += " ORDER BY " + q.OrderBy + "()" + []string{"", " DESC"}[b2i(q.Descending)]
	}
	if q.Limit > 0 {
		text += " LIMIT " + string(rune('0'+q.Limit/100)) + string(rune('0'+q.Limit/10%10)) + string(rune('0'+q.Limit%10))
	}
	return text
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestParseQueryReadsBackWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~]{1,8}`)
		function := rapid.SampledFrom([]string{"AVG", "SUM", "MIN", "MAX", "COUNT"})
		q := Query{Function: function.Draw(t, "function"), Metric: text.Draw(t, "metric"), Namespace: text.Draw(t, "namespace")}
		keys := rapid.SliceOfNDistinct(text, 1, 4, rapid.ID[string]).Draw(t, "dimensions")
		if q.Exact = rapid.Bool().Draw(t, "exact"); q.Exact {
			q.Schema = keys
		}
		if rapid.Bool().Draw(t, "where") {
			q.Where = []Condition{{Dimension: keys[0], Not: rapid.Bool().Draw(t, "not"), Value: text.Draw(t, "value")}}
		}
		if rapid.Bool().Draw(t, "group") {
			q.GroupBy = keys[:1]
		}
		if rapid.Bool().Draw(t, "order") {
			q.OrderBy, q.Descending = function.Draw(t, "by"), rapid.Bool().Draw(t, "descending")
		}
		q.Limit = rapid.IntRange(0, 500).Draw(t, "limit")
		got, err := ParseQuery(q.format())
		if err != nil {
			t.Fatalf("%s: %v", q.format(), err)
		}
		if diff := cmp.Diff(q, got); diff != "" {
			t.Errorf("%s: %s", q.format(), diff)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	f.Add(fleetQuery)
	f.Add(`SELECT SUM("a b") FROM "x" WHERE d != 'it''s' AND e = '' ORDER BY AVG() LIMIT 7;`)
	f.Add(`SELECT MAX(x FROM "`)
	f.Fuzz(func(t *testing.T, text string) {
		q, err := ParseQuery(text)
		if err != nil {
			if diff := cmp.Diff(Query{}, q); diff != "" {
				t.Errorf("an error and a query: %s", diff)
			}
			return
		}
		again, err := ParseQuery(q.format())
		if err != nil {
			t.Fatalf("%q does not read back as %q: %v", text, q.format(), err)
		}
		if diff := cmp.Diff(q, again); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	})
}
