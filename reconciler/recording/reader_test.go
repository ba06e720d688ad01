package recording

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

// sample is a small recording with a bit of everything.
func sample(t fataler) []byte {
	web := []fleet.Service{{Name: "web", Desired: 1}}
	return written(t,
		look(1, true, web, fleet.Task{ARN: "a/1", Group: "service:web", LastStatus: "RUNNING"}),
		Event{At: at(1), Sweep: &Sweep{"prod", fleet.Sweep{Seen: fleet.Seen{At: at(1), Complete: true}, Clusters: []string{"c"}}}},
		Event{At: at(1), Definition: &Definition{Target: "prod", ARN: "td", Definition: fleet.Definition{ARN: "td"}}},
		look(2, true, web, fleet.Task{ARN: "a/2", Group: "service:web", LastStatus: "RUNNING"}),
		Event{At: at(2), Tail: &Tail{Service: fleet.Key{Target: "prod", Cluster: "c", Service: "web"}, Tail: fleet.Tail{Lines: []string{"x"}}}},
		Event{At: at(3), Alarms: &Alarms{Target: "prod"}},
		Event{At: at(4), Put: &Put{Target: "prod", Err: errors.New("throttled")}},
		Event{At: at(5), End: &End{}},
	)
}

// Cut anywhere, a recording gives what came before and says that it was cut.
func TestARecordingCutAnywhere(t *testing.T) {
	whole, err := read(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte(unzipped(t, sample(t)))
	for name, text := range map[string][]byte{"gzip": sample(t), "plain": plain} {
		longest := 0
		for n := 1; n < len(text); n++ {
			got, err := read(text[:n])
			longest = max(longest, len(got))
			clean := name == "plain" && text[n-1] == '\n'
			switch {
			case len(got) == 0 && err != nil:
			case errors.Is(err, ErrCut) && len(got) <= len(whole):
			case err == nil && clean:
			default:
				t.Fatalf("%s cut at %d of %d: %d events, %v", name, n, len(text), len(got), err)
			}
		}
		if longest < len(whole)-1 {
			t.Errorf("%s: at most %d of %d events came back", name, longest, len(whole))
		}
	}
}

// Whatever is wrong, the error names the line and what to do.
func TestDamage(t *testing.T) {
	plain := unzipped(t, sample(t))
	lines := strings.SplitAfter(plain, "\n")
	change := func(n int, from, to string) string {
		out := append([]string{}, lines...)
		if !strings.Contains(out[n-1], from) {
			t.Fatalf("line %d is %s", n, out[n-1])
		}
		out[n-1] = strings.Replace(out[n-1], from, to, 1)
		return strings.Join(out, "")
	}
	zipped := sample(t)
	flipped := bytes.Clone(zipped)
	flipped[len(flipped)-8] ^= 0x40 // of the checksum
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "line 1: the file is empty: a recording is made by 'taskwarden run --record FILE'"},
		"other":         {"apiVersion: taskwarden/v1\n", "line 1: not a recording, which begins with"},
		"json":          {`{"tasks":[]}` + "\n", "line 1: not a recording"},
		"new format":    {change(1, `"format":1,"version":"1.2.3"`, `"format":2,"version":"9.0.0","more":true`), "line 1: format 2, made by taskwarden 9.0.0, is newer than the 1 that this version reads: replay it with taskwarden 9.0.0 or newer"},
		"old format":    {change(1, `"format":1`, `"format":0`), "line 1: format 0, made by taskwarden 1.2.3, is no longer read (1 is): replay it with taskwarden 1.2.3"},
		"unknown field": {change(4, `"Group"`, `"Grape"`), `line 4: not a line of a recording of format 1 made by version "1.2.3" (json: unknown field "Grape")`},
		"wrong type":    {change(5, `"complete":true`, `"complete":"yes"`), "line 5: not a line of a recording"},
		"no json":       {change(5, `{`, `<`), "line 5: not a line of a recording"},
		"two things":    {change(5, `"look"`, `"end":{},"look"`), "line 5: it says 2 things instead of one"},
		"nothing":       {change(5, lines[4], "{}\n"), "line 5: it says 0 things"},
		"no time":       {change(5, `"at":"2026-11-22T12:01:00Z",`, ""), "line 5: it has no time"},
		"back in time":  {change(9, "12:02", "11:02"), "line 9: its time 2026-11-22T11:02:00Z is before"},
		"a leap":        {strings.ReplaceAll(plain, `{"at":"2026-11-22T12:05`, `{"at":"2027-11-22T12:05`), "is more than 31 days after the line before"},
		"lines missing": {strings.Replace(plain, lines[3], "", 1), "it says that something is gone that was never there: lines are missing"},
		"no start":      {strings.Replace(plain, lines[1], "", 1), `it is about the target "prod", which no start before it names`},
		"no target":     {change(2, `{"name":"prod","first":"2026-11-22T12:00:00Z"},{"name":"stage","first":"2026-11-22T12:00:00Z"}`, ""), "line 2: a start without a target"},
		"twice":         {change(2, `"stage"`, `"prod"`), `line 2: the target name "prod" is empty or there twice`},
		"stray":         {change(6, lines[5], lines[3]+lines[5]), "line 7: services, tasks, readings, alarms or stops are followed by another thing"},
		"long":          {lines[0] + strings.Repeat("x", maxLine+2), fmt.Sprintf("line 2: longer than %d bytes", maxLine)},
		"bit":           {string(flipped), "the compressed data are damaged here"},
		"header only":   {string(zipped[:12]), "line 1: the file ends before its first line"},
		"mixed":         {plain + strings.Replace(lines[0], `"format":1`, `"format":3`, 1), "a recording of format 3 follows one of format 1"},
	} {
		_, err := read([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", name, err, c.want)
		}
	}
}

// Recordings may follow each other in one file, zipped or not.
func TestRecordingsInARow(t *testing.T) {
	one, err := read(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	two, err := read(append(sample(t), sample(t)...))
	if err != nil || len(two) != 2*len(one) || two[len(one)].Header == nil {
		t.Errorf("%d events, then %d: %v", len(one), len(two), err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sample(f))
	f.Add([]byte(`{"at":"2026-11-22T12:00:00Z","recording":{"format":1,"version":"x"}}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		last, failed := time.Time{}, false
		for e, err := range Read(bytes.NewReader(text)) {
			if failed {
				t.Fatal("something came after the error")
			}
			if failed = err != nil; failed {
				continue
			}
			if e.Header == nil && e.At.Before(last) {
				t.Fatalf("%s after %s", e.At, last)
			}
			last = e.At
		}
	})
}
