package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"taskwarden/reconciler/otel"
)

var (
	pageSection = regexp.MustCompile("(?m)^## (.*)$")
	pageExample = regexp.MustCompile("(?ms)(\\w*):?\\s*\n\n```(json|yaml) ?([\\w-]*)\n(.*?)^```$")
)

// Every example of docs/lint.md does what the page says of it: one under a rule fails or passes that rule, one with a
// rule's id behind the language fails it, a silent one says nothing, and a configuration is one.
func TestLintPageIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	failing, passing := map[string]bool{}, map[string]bool{}
	heads := pageSection.FindAllStringSubmatchIndex(string(text), -1)
	for i, head := range heads {
		end := len(text)
		if i+1 < len(heads) {
			end = heads[i+1][0]
		}
		title := strings.Trim(string(text[head[2]:head[3]]), "`")
		for _, m := range pageExample.FindAllStringSubmatch(string(text[head[1]:end]), -1) {
			word, says, body := m[1], m[3], m[4]
			if says == "config" {
				if got := lint(t, xrayDefinition, "--config", write(t, good+body)); got.code != exitOK {
					t.Errorf("%s: %+v", title, got)
				}
				continue
			}
			got := lint(t, body)
			var found []string
			for _, rule := range rulesOf(t, got.out) {
				found = append(found, strings.TrimPrefix(rule, ":"))
			}
			switch {
			case got.code != exitOK:
				t.Errorf("%s: %+v of\n%s", title, got, body)
			case says == "silent" && len(found) > 0:
				t.Errorf("%s: %v of a silent example\n%s", title, found, body)
			case says != "" && says != "silent" && !slices.Contains(found, says):
				t.Errorf("%s: %v, want %s of\n%s", title, found, says, body)
			case word == "Fails":
				failing[title] = slices.Contains(found, title)
			case word == "Passes":
				passing[title] = !slices.Contains(found, title)
			case says == "":
				t.Errorf("%s: an example that says nothing of itself:\n%s", title, body)
			}
		}
	}
	for _, r := range otel.Rules() {
		if !failing[r.ID] || !passing[r.ID] {
			t.Errorf("%s: the failing example fails: %v; the passing one passes: %v", r.ID, failing[r.ID], passing[r.ID])
		}
	}
}
