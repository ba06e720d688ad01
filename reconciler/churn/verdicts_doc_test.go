package churn

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/reconciler/fleet"
)

// documented reads the table of docs/verdicts.md whose header begins so, a row a slice of cells without code marks.
func documented(t *testing.T, header string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/verdicts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n"+header)
	if !ok {
		t.Fatalf("docs/verdicts.md has no table %q", header)
	}
	var rows [][]string
	for i, line := range strings.Split(rest, "\n") {
		if i < 2 {
			continue // the rest of the header, and the rule under it
		}
		if !strings.HasPrefix(line, "|") {
			break
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(strings.ReplaceAll(cell, "`", "")))
		}
		rows = append(rows, cells)
	}
	return rows
}

func TestVerdictsDocumentEveryRule(t *testing.T) {
	var want, got [][]string
	for i, r := range rules {
		want = append(want, []string{fmt.Sprint(i + 1), r.id, r.source, r.example})
	}
	rows := documented(t, "| # | rule |")
	causes := map[string][]string{}
	for _, row := range rows {
		got = append(got, []string{row[0], row[1], row[5], row[6]})
		causes[row[1]] = strings.Split(row[3], ", ")
		var planned []string
		for _, cause := range causes[row[1]] {
			planned = append(planned, map[bool]string{true: "yes", false: "no"}[Cause(cause).Planned()])
		}
		if len(slices.Compact(slices.Clone(planned))) == 1 {
			planned = planned[:1] // said once where it is the same for all
		}
		if row[4] != strings.Join(planned, ", ") {
			t.Errorf("rule %s: planned %q in the document, %q by its causes %q", row[1], row[4], planned, causes[row[1]])
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("docs/verdicts.md, rules in order (-code +document):\n%s", d)
	}
	shown := map[string]bool{}
	for _, in := range manyInputs() {
		v := Explain(in, nil)
		id, _, _ := strings.Cut(strings.TrimPrefix(v.Evidence[0], "rule "), ":")
		shown[id+" "+string(v.Cause)] = true
		if !slices.Contains(causes[id], string(v.Cause)) {
			t.Errorf("rule %s gives the cause %s, which its row does not name", id, v.Cause)
		}
	}
	for id, list := range causes {
		for _, cause := range list {
			if !shown[id+" "+cause] {
				t.Errorf("the row of rule %s names the cause %s, which no input here brings", id, cause)
			}
		}
	}
}

// manyInputs are all examples of the rules under all stop codes, of a service in several states and of none.
func manyInputs() []Input {
	texts := []string{"", "Service is scaling down: desired count 1", "Task stopped by user", "Host EC2 (instance i-0123456789abcdef0) terminated."}
	for _, r := range rules {
		texts = append(texts, r.example)
	}
	deployment := func(id, reason, state string) fleet.Deployment {
		return fleet.Deployment{ID: id, Status: "PRIMARY", RolloutState: state, RolloutReason: reason}
	}
	services := []*fleet.Service{nil,
		{Name: "web", Deployments: []fleet.Deployment{deployment("ecs-svc/1", "", "COMPLETED")}},
		{Name: "web", Deployments: []fleet.Deployment{deployment("ecs-svc/2", "", "COMPLETED")}},
		{Name: "web", Deployments: []fleet.Deployment{deployment("ecs-svc/1", "ECS deployment circuit breaker: tasks failed", "FAILED")}},
	}
	codes := []string{"", "ServiceSchedulerInitiated", "TaskFailedToStart", "EssentialContainerExited", "UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth", "Brandnew"}
	var out []Input
	for _, text := range texts {
		for _, code := range codes {
			for _, s := range services {
				for _, exit := range []int{0, 1, 137, noCode} {
					spot := stopped(code, text, box("app", exit))
					spot.CapacityProvider = "FARGATE_SPOT"
					out = append(out, Input{Task: stopped(code, text, box("app", exit)), Service: s}, Input{Task: spot, Service: s})
				}
			}
			out = append(out, Input{Task: alone("family:job", "", stopped(code, text, box("job", 0)))})
		}
	}
	return out
}

func TestVerdictsDocumentTheCulpritsOrder(t *testing.T) {
	var want [][]string
	for i, c := range charges {
		want = append(want, []string{fmt.Sprint(i + 1), c.id, c.what})
	}
	if d := cmp.Diff(want, documented(t, "| # | evidence |")); d != "" {
		t.Errorf("docs/verdicts.md, the culprit's order (-code +document):\n%s", d)
	}
}

func TestVerdictsDocumentEverySignature(t *testing.T) {
	var want, got []string
	for _, p := range patterns {
		want = append(want, p.name)
	}
	slices.Sort(want)
	for _, row := range documented(t, "| signature |") {
		if len(row) != 4 || slices.Contains(row, "") {
			t.Errorf("row %q is not whole", row)
		}
		got = append(got, row[0])
	}
	slices.Sort(got)
	if d := cmp.Diff(slices.Compact(want), got); d != "" {
		t.Errorf("docs/verdicts.md, signatures (-code +document):\n%s", d)
	}
}
