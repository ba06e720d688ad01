package fleet

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func code(n int) *int { return &n }

// said writes cases in short: id or task id, or the error's line.
func said(cases []Case) []string {
	var out []string
	for _, c := range cases {
		switch {
		case c.Err != nil && c.ID != "":
			out = append(out, "error of "+c.ID)
		case c.Err != nil:
			out = append(out, fmt.Sprintf("error on line %d", c.Line))
		case c.ID != "":
			out = append(out, c.ID)
		case c.Task != nil:
			out = append(out, c.Task.ID())
		}
	}
	return out
}

func TestCases(t *testing.T) {
	const page = `{
  "tasks": [
    {"taskArn": "t/1"},
    {"taskArn": "t/2"}
  ],
  "failures": []
}`
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"lines", "{\"taskArn\":\"t/1\"}\n{\"taskArn\":\"t/2\"}\n", []string{"1", "2"}},
		{"no line end, blank lines", "\n\n{\"taskArn\":\"t/1\"}\r\n\r\n{\"taskArn\":\"t/2\"}", []string{"1", "2"}},
		{"concatenated", `{"taskArn":"t/1"}{"taskArn":"t/2"} {"taskArn":"t/3"}`, []string{"1", "2", "3"}},
		{"pretty", page, []string{"1", "2"}},
		{"pretty, twice", page + "\n" + page, []string{"1", "2", "1", "2"}},
		{"pretty and a line", page + "\n{\"taskArn\":\"t/3\"}", []string{"1", "2", "3"}},
		{"byte order mark", "\xef\xbb\xbf{\"taskArn\":\"t/1\"}", []string{"1"}},
		{"list", `[{"taskArn":"t/1"},{"taskArn":"t/2"}]`, []string{"1", "2"}},
		{"event", `{"detail-type":"ECS Task State Change","detail":{"taskArn":"t/1","version":3}}`, []string{"1"}},
		{"another event", `{"detail-type":"ECS Service Action","detail":{"eventName":"X"}}`, []string{"error on line 1"}},
		{"case", `{"id":"a","task":{"taskArn":"t/1"}}`, []string{"a"}},
		{"case of logs only", `{"id":"a","logs":{"c":["x"]}}`, []string{"a"}},
		{"case of nothing", `{"id":"a","task":null}`, []string{"error of a"}},
		{"other letter case", `{"Tasks":[{"TaskArn":"t/1"}]}`, []string{"1"}},
		{"garbage keeps its place", "{\"taskArn\":\"t/1\"}\ngarbage\n{\"taskArn\":\"t/2\"}", []string{"1", "error on line 2", "2"}},
		{"cut in a text", "{\"taskArn\":\"t/\n{\"taskArn\":\"t/2\"}", []string{"error on line 1", "2"}},
		{"cut in an object", "{\"id\":\"a\",\"task\":{\"x\":1\n{\"taskArn\":\"t/2\"}", []string{"error on line 1", "2"}},
		{"cut before a value", "{\"id\":\n{\"taskArn\":\"t/2\"}\n{\"taskArn\":\"t/3\"}", []string{"error on line 1", "2", "3"}},
		{"cut at the end", "{\"taskArn\":\"t/1\"}\n{\"taskArn\":", []string{"1", "error on line 2"}},
		{"brackets wrong", "{\"taskArn\":\"t/1\"]\n{\"taskArn\":\"t/2\"}", []string{"error on line 1", "2"}},
		{"not JSON inside", "{taskArn:1}\n{\"taskArn\":\"t/2\"}", []string{"error on line 1", "2"}},
		{"broken pretty one before a good one", "{\n  \"tasks\": [\n    {\"taskArn\": oops}\n  ]\n}\n{\"taskArn\":\"t/2\"}", []string{"error on line 1", "2"}},
		{"scalars", "1\nnull\n\"x\"", []string{"error on line 1", "error on line 2", "error on line 3"}},
		{"another object", `{"clusters":[]}`, []string{"error on line 1"}},
		{"missing task", `{"tasks":[{"taskArn":"t/1"}],"failures":[{"arn":"t/2","reason":"MISSING"}]}`, []string{"1", "error on line 1"}},
		{"no tasks", `{"tasks":[]}`, nil},
		{"tasks is no list", `{"tasks":7}`, []string{"error on line 1"}},
		{"a member is no object", `{"tasks":[7,{"taskArn":"t/1"}]}`, []string{"error on line 1", "1"}},
		{"empty", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := slices.Collect(Cases(strings.NewReader(c.in)))
			if d := cmp.Diff(c.want, said(got)); d != "" {
				t.Errorf("cases (-want +got):\n%s", d)
			}
		})
	}
}

func TestCasesBounds(t *testing.T) {
	long := `{"taskArn":"t/1","x":"` + strings.Repeat("y", 300) + "\"}\n{\"taskArn\":\"t/2\"}"
	if got := said(slices.Collect(casesUpTo(strings.NewReader(long), 100))); !slices.Equal(got, []string{"error on line 1", "2"}) {
		t.Errorf("after a long line: %q", got)
	}
	broken := io.MultiReader(strings.NewReader("{\"taskArn\":\"t/1\"}\n"), iotest.ErrReader(errors.New("pipe burst")))
	got := slices.Collect(Cases(broken))
	if len(got) != 2 || got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "pipe burst") {
		t.Errorf("after a failed read: %+v", got)
	}
	for range Cases(strings.NewReader("{\"taskArn\":\"t/1\"}\n{\"taskArn\":\"t/2\"}")) {
		break // must not panic
	}
}

func TestParseCasesFields(t *testing.T) {
	cases, err := ParseCases([]byte(`{"taskArn":"arn:aws:ecs:us-east-1:111122223333:task/c/1","group":"service:web","version":"6","cpu":"null","lastStatus":"STOPPED",
		"createdAt":1790812800.5,"startedAt":1790812801500,"stoppingAt":"2026-08-24T18:26:29.144000+03:00","executionStoppedAt":"2026-08-24T15:26:29Z","stoppedAt":"1790812802",
		"unknown":{"x":[1]},
		"containers":[{"name":"a","exitCode":137,"reason":"r"},{"name":"b","exitCode":null},{"name":"c","exitCode":"2"},{"name":"d","exitCode":true},{"name":7}]}`))
	if err != nil || len(cases) != 1 {
		t.Fatalf("%+v, %v", cases, err)
	}
	want := &Task{
		ARN: "arn:aws:ecs:us-east-1:111122223333:task/c/1", Group: "service:web", Version: 6, LastStatus: "STOPPED",
		CreatedAt: time.Unix(1790812800, 5e8).UTC(), StartedAt: time.Unix(1790812801, 5e8).UTC(),
		StoppingAt: time.Date(2026, 8, 24, 15, 26, 29, 144e6, time.UTC), ExecutionStopped: time.Date(2026, 8, 24, 15, 26, 29, 0, time.UTC),
		StoppedAt:  time.Unix(1790812802, 0).UTC(),
		Containers: []Container{{Name: "a", ExitCode: code(137), Reason: "r"}, {Name: "b"}, {Name: "c", ExitCode: code(2)}, {Name: "d"}, {Name: "7"}},
	}
	if d := cmp.Diff(want, cases[0].Task); d != "" {
		t.Errorf("task (-want +got):\n%s", d)
	}
	if notes := []string{"field containers[3].exitCode left out: found a boolean where a whole number is needed"}; !slices.Equal(cases[0].Notes, notes) {
		t.Errorf("notes %q", cases[0].Notes)
	}
}

func TestParseCasesWrongFieldsLoseNothingElse(t *testing.T) {
	cases, err := ParseCases([]byte(`{"id":7,"task":{"taskArn":"t/1","stoppedAt":"yesterday","containers":{"a":1},"stopCode":["x"],"stoppedReason":"kept"},
		"service":{"serviceName":"web","desiredCount":"2","deployments":[{"id":"ecs-svc/1","status":"PRIMARY","createdAt":"2026-05-01 10:00:00+00:00"},3]},
		"logs":{"a":["x",{"message":"y"},1],"b":"one\ntwo\n","c":null,"d":4}}`))
	if err != nil || len(cases) != 1 {
		t.Fatalf("%+v, %v", cases, err)
	}
	c := cases[0]
	if c.ID != "7" || c.Task.StoppedReason != "kept" || c.Service.Desired != 2 || len(c.Service.Deployments) != 1 || c.Service.Deployments[0].CreatedAt.IsZero() {
		t.Errorf("case %+v, task %+v, service %+v", c, c.Task, c.Service)
	}
	if d := cmp.Diff(map[string][]string{"a": {"x", "y"}, "b": {"one", "two"}, "c": nil}, c.Logs); d != "" {
		t.Errorf("logs (-want +got):\n%s", d)
	}
	if len(c.Notes) != 6 {
		t.Errorf("%d notes: %q", len(c.Notes), c.Notes)
	}
	if strings.Contains(strings.Join(c.Notes, " "), "yesterday") {
		t.Error("a note shows a value")
	}
}

func TestTaskSetsAreDeployments(t *testing.T) {
	cases, err := ParseCases([]byte(`{"task":{"taskArn":"t/1"},"service":{"deploymentController":{"type":"CODE_DEPLOY"},"deployments":[],"taskSets":[
		{"id":"ecs-svc/2","status":"PRIMARY","taskDefinition":"td:8","computedDesiredCount":3,"runningCount":2,"pendingCount":1,"scale":{"value":100}},
		{"id":"ecs-svc/1","status":"DRAINING"}, null]}}`))
	if err != nil || len(cases) != 1 || cases[0].Err != nil {
		t.Fatalf("%+v: %v", cases, err)
	}
	s := cases[0].Service
	want := []Deployment{{ID: "ecs-svc/2", Status: "PRIMARY", TaskDefinition: "td:8", Desired: 3, Running: 2, Pending: 1}, {ID: "ecs-svc/1", Status: "DRAINING"}}
	if !slices.Equal(s.Deployments, want) || s.Controller != "CODE_DEPLOY" {
		t.Errorf("service %+v", s)
	}
}

func FuzzCases(f *testing.F) {
	f.Add("{\"taskArn\":\"t/1\"}\ngarbage\n{\"id\":\"a\",\"logs\":{\"c\":[\"x\"]}}")
	f.Add("{\"id\":\n[{\"x\":[\n{\"a\":\"\\\"\n]}\n{}")
	f.Add(`{"tasks":[{"startedAt":1e300,"version":-1.5,"containers":[{"exitCode":1e9}]}]}`)
	f.Add("[[[[{}]]]]\n}{")
	f.Fuzz(func(t *testing.T, in string) {
		line := 0
		for c := range casesUpTo(strings.NewReader(in), 1000) {
			if c.Line < line {
				t.Fatalf("line %d after line %d", c.Line, line)
			}
			line = c.Line
			if c.Err != nil && (c.Task != nil || c.Logs != nil) {
				t.Fatalf("case %+v has an error, and something to judge", c)
			}
			if c.Err == nil && c.Task == nil && !strings.Contains(strings.ToLower(in), "logs") {
				t.Fatalf("case %+v has nothing to judge, and no error", c)
			}
		}
	})
}

// A good document is read whatever stands on the lines before it.
func FuzzCasesResync(f *testing.F) {
	f.Add("{\"a\":\"\n")
	f.Add("[[[")
	f.Add("{\"a\":{\"b\":")
	f.Fuzz(func(t *testing.T, garbage string) {
		const good = `{"id":"good one","task":{"taskArn":"t/1"}}`
		found := 0
		for c := range Cases(strings.NewReader(garbage + "\n" + good + "\n" + good + "\n")) {
			if c.ID == "good one" && c.Err == nil {
				found++
			}
		}
		if found < 2 {
			t.Fatalf("found %d of 2 good documents after %q", found, garbage)
		}
	})
}
