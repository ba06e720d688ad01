package churn

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"taskwarden/reconciler/fleet"
)

// mutator damages a case's JSON as exports, scripts and other readers' versions do.
type mutator struct{ *rand.Rand }

// damage changes one value of the tree below v: a field goes missing, becomes null, gets its name in other letters or its
// number as text; a list is reordered; a field that nobody knows appears.
func (m mutator) damage(v any) {
	var objects []map[string]any
	var lists [][]any
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			objects = append(objects, v)
			for _, k := range sortedKeys(v) {
				walk(v[k])
			}
		case []any:
			lists = append(lists, v)
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	o := objects[m.IntN(len(objects))]
	keys := sortedKeys(o)
	if len(keys) == 0 {
		return
	}
	key := keys[m.IntN(len(keys))]
	switch m.IntN(7) {
	case 0, 1:
		delete(o, key)
	case 2:
		o[key] = nil
	case 3:
		value := o[key]
		delete(o, key)
		o[[]string{strings.ToUpper(key), strings.ToLower(key), strings.ToUpper(key[:1]) + key[1:]}[m.IntN(3)]] = value
	case 4:
		if n, ok := o[key].(json.Number); ok {
			o[key] = n.String()
		}
	case 5:
		o["aFieldOfTomorrow"] = []any{nil, true, map[string]any{"stopCode": "UserInitiated", "exitCode": 1, "stoppedReason": "Task stopped by user"}, "x"}[m.IntN(4)]
	case 6:
		if len(lists) > 0 {
			l := lists[m.IntN(len(lists))]
			m.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
		}
	}
}

func sortedKeys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// A damaged case may say less, never the contrary: no planned stop becomes a confident unplanned one, and no unplanned one a
// confident planned one. Cases that may be either are left out.
func TestDamagedCasesNeverTurnConfidently(t *testing.T) {
	text, err := os.ReadFile("testdata/cases.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	m := mutator{rand.New(rand.NewPCG(4, 2000))}
	tried, told := 0, 0
	for line := range bytes.Lines(text) {
		var c struct {
			ID     string
			Expect expectation
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		if c.Expect.Planned == nil || len(c.Expect.Accept.Planned) > 0 {
			continue
		}
		for range 60 {
			tried++
			damaged := m.damaged(t, line)
			v := judged(t, damaged)
			if v.Planned == *c.Expect.Planned {
				told++
			} else if v.Confidence != Low {
				t.Errorf("%s: planned %v with %s confidence: %s\n%s\n%q", c.ID, v.Planned, v.Confidence, v.Cause, damaged, v.Evidence)
			}
		}
	}
	if tried < 2000 || told < tried*8/10 {
		t.Errorf("of %d damaged cases %d kept their verdict", tried, told)
	}
}

// damaged is the case with up to four damages in its task and service.
func (m mutator) damaged(t *testing.T, line []byte) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var whole map[string]any
	if err := dec.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	delete(whole, "expect")
	for range 1 + m.IntN(4) {
		if service, ok := whole["service"]; ok && m.IntN(4) == 0 {
			m.damage(service)
			continue
		}
		m.damage(whole["task"])
	}
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func judged(t *testing.T, doc []byte) Verdict {
	t.Helper()
	read, err := fleet.ParseCases(doc)
	if err != nil || len(read) != 1 || read[0].Err != nil {
		t.Fatalf("%v %+v\n%s", err, read, doc)
	}
	return Explain(Input{Task: *read[0].Task, Service: read[0].Service, Logs: read[0].Logs}, nil)
}
