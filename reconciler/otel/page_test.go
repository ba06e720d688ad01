package otel

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// docs/lint.md has a section a rule, in order, with the row's severity, meaning, source and examples, and a row a
// language with its signs.
func TestPageIsTheTable(t *testing.T) {
	raw, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\n# Rules\n")
	for _, r := range rules {
		head := "\n## `" + r.ID + "`\n"
		_, after, ok := strings.Cut(rest, head)
		if !ok {
			t.Fatalf("no section %s, or not in its place", r.ID)
		}
		rest = after
		body, _, _ := strings.Cut(rest, "\n## ")
		raised := strings.Contains(body, "a warning while a sidecar crash of the service is open")
		if !strings.HasPrefix(strings.TrimSpace(body), "**"+string(r.Severity)+"**") || raised != r.Raised {
			t.Errorf("%s: not its severity", r.ID)
		}
		means := strings.ToUpper(r.Means[:1]) + r.Means[1:]
		for _, text := range []string{means + ".", "*Why:* " + r.Why + "."} {
			if !strings.Contains(body, text) {
				t.Errorf("%s: the page lacks %q", r.ID, text)
			}
		}
		for i, want := range []string{r.Fails, r.Passes} {
			blocks := strings.Split(body, "```json\n")
			if len(blocks) != 3 {
				t.Fatalf("%s: %d examples", r.ID, len(blocks)-1)
			}
			got, _, _ := strings.Cut(blocks[i+1], "```")
			if a, b := compact(t, want), compact(t, got); a != b {
				t.Errorf("%s: example %d is\n%s, and on the page\n%s", r.ID, i, a, b)
			}
		}
	}
	for _, l := range languages {
		_, row, _ := strings.Cut(string(raw), "\n| "+l.Name+" |")
		row, _, _ = strings.Cut(row, "\n")
		if want := "`" + strings.Join(l.Signs, "`, `") + "`"; !strings.Contains(row, want) {
			t.Errorf("%s: the page lacks %s", l.Name, want)
		}
	}
}

func compact(t *testing.T, s string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(s)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
