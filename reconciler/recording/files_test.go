package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"taskwarden/reconciler/fleet"
)

// However long it records, there are at most four files of about the limit, each a recording by itself and private.
func TestRecordingsAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.rec")
	const limit = 8 << 10
	record := func() {
		w, err := NewWriter(Options{Version: "1", Limit: limit, Open: Files(path), Failed: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		w.Begin(starting())
		for i := range 400 {
			var tasks []fleet.Task
			for j := range 10 {
				tasks = append(tasks, fleet.Task{ARN: fmt.Sprintf("arn:aws:ecs:eu-west-1:111122223333:task/c/%032x", (i*10+j)*7919*104729), Group: "service:web"})
			}
			w.Record(look(i, true, nil, tasks...))
			w.Record(Event{At: at(i), Sweep: &Sweep{"prod", fleet.Sweep{Seen: fleet.Seen{At: at(i), Complete: true}, Clusters: []string{"c"}}}})
		}
		w.Close()
	}
	record()
	record() // a restart keeps what is there
	all, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(all) != kept {
		t.Fatalf("%d files: %v", len(all), err)
	}
	for n := range kept {
		name := numbered(path, n)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		info, _ := os.Stat(name)
		events, err := read(text)
		if err != nil || len(text) > 2*limit || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %d bytes, mode %s: %v", name, len(text), info.Mode(), err)
		}
		if len(events) < 4 || events[0].Header == nil || events[1].Start == nil {
			t.Errorf("%s does not begin as a recording of its own", name)
		}
		looks := 0
		for _, e := range events {
			switch {
			case e.Look != nil:
				if looks++; len(e.Look.Cluster.Tasks) != 10 {
					t.Errorf("%s: a look of %d tasks", name, len(e.Look.Cluster.Tasks))
				}
			case e.Sweep != nil && looks == 0:
				t.Errorf("%s: a sweep ends whose looks are in the file before", name)
			}
		}
	}
}

// What is no recording is neither overwritten nor moved.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	for _, name := range []string{"config.yaml", "config.yaml.1"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, written(t), 0o600); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(dir, name)
		if err := os.WriteFile(other, []byte("detect: {}"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewWriter(Options{Open: Files(path)})
		if err == nil || !strings.Contains(err.Error(), other+" is there and is no recording: choose another file") {
			t.Errorf("%s: %v", name, err)
		}
		if text, _ := os.ReadFile(other); string(text) != "detect: {}" {
			t.Errorf("%s now holds %q", name, text)
		}
	}
}

// full is a disk that takes so many bytes.
type full struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return f.Buffer.Write(p)
}
func (*full) Close() error { return nil }

// A disk that is full ends the recording, once, and nothing else. What is there can be read.
func TestAFullDiskEndsTheRecordingAlone(t *testing.T) {
	f := &full{left: 2000}
	told := 0
	w, err := NewWriter(Options{Open: func() (io.WriteCloser, error) { return f, nil }, Failed: func(err error) {
		if told++; !errors.Is(err, errFull) {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Begin(starting())
	for i := range 1000 {
		w.Record(Event{At: at(i), Sweep: &Sweep{"prod", fleet.Sweep{Calls: i}}})
	}
	w.Close()
	events, err := read(f.Bytes())
	if told != 1 || !errors.Is(err, ErrCut) || len(events) < 10 {
		t.Errorf("told %d times, %d events, %v", told, len(events), err)
	}
}
