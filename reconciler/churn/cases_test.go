package churn

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"taskwarden/reconciler/fleet"
)

// expectation is what a labelled case should get. Accept holds answers that are right too, where the input cannot decide.
type expectation struct {
	Planned   *bool   `json:"planned"`
	Cause     Cause   `json:"cause"`
	Culprit   *string `json:"culprit"`
	Fatal     *bool   `json:"fatal"`
	Signature string  `json:"signature"` // "none": none at all
	Accept    struct {
		Planned   []bool    `json:"planned"`
		Cause     []Cause   `json:"cause"`
		Culprit   []*string `json:"culprit"`
		Fatal     []bool    `json:"fatal"`
		Signature []string  `json:"signature"`
	} `json:"accept"`
}

// labelled is one line of testdata/cases.jsonl: stopped tasks and log tails from public material or built after it, each
// labelled before the rules had seen it. Its source says where it comes from, its provenance how real it is: captured,
// reported, fixture, aws-doc or derived.
type labelled struct {
	id     string
	input  Input
	expect expectation
}

func labelledCases(t testing.TB) []labelled {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var out []labelled
	for line := range bytes.Lines(text) {
		var c struct {
			ID, Provenance, Source string
			Expect                 *expectation
		}
		if err := json.Unmarshal(line, &c); err != nil || c.Expect == nil || c.Source == "" || c.Provenance == "" {
			t.Fatalf("case %q is not whole: %v", c.ID, err)
		}
		read, err := fleet.ParseCases(line)
		if err != nil || len(read) != 1 || read[0].Err != nil {
			t.Fatalf("case %s: %v %+v", c.ID, err, read)
		}
		in := Input{Service: read[0].Service, Logs: read[0].Logs}
		if read[0].Task != nil {
			in.Task = *read[0].Task
		}
		out = append(out, labelled{c.ID, in, *c.Expect})
	}
	return out
}

func TestLabelledCases(t *testing.T) {
	cases := labelledCases(t)
	if len(cases) < 150 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		v := Explain(c.input, nil)
		if c.expect.Planned != nil {
			c.task(t, v)
		}
		if c.expect.Fatal != nil {
			c.logs(t, v)
		}
	}
}

func (c labelled) task(t *testing.T, v Verdict) {
	e := c.expect
	if v.Planned != *e.Planned && !slices.Contains(e.Accept.Planned, v.Planned) {
		t.Errorf("%s: planned %v\n%q", c.id, v.Planned, v.Evidence)
	}
	if v.Cause != e.Cause && !slices.Contains(e.Accept.Cause, v.Cause) {
		t.Errorf("%s: cause %s, want %s\n%q", c.id, v.Cause, e.Cause, v.Evidence)
	}
	is := func(want *string) bool {
		return want == nil && v.Culprit == nil || want != nil && v.Culprit != nil && *want == v.Culprit.Container
	}
	if !is(e.Culprit) && !slices.ContainsFunc(e.Accept.Culprit, is) {
		t.Errorf("%s: culprit %+v\n%q", c.id, v.Culprit, v.Evidence)
	}
}

func (c labelled) logs(t *testing.T, v Verdict) {
	e := c.expect
	_, fatal := fatalSignature(v.Signatures)
	if fatal != *e.Fatal && !slices.Contains(e.Accept.Fatal, fatal) {
		t.Errorf("%s: fatal %v: %+v", c.id, fatal, v.Signatures)
	}
	names := []string{"none"}
	if len(v.Signatures) > 0 {
		names = nil
	}
	for _, s := range v.Signatures {
		names = append(names, s.Name)
	}
	right := func(name string) bool { return name == e.Signature || slices.Contains(e.Accept.Signature, name) }
	if !slices.ContainsFunc(names, right) {
		t.Errorf("%s: signatures %q, want %s", c.id, names, e.Signature)
	}
}
