package recording

import (
	"io"
	"testing"
	"time"

	"taskwarden/contain"
	"taskwarden/reconciler/fleet"
)

// brittle is a file whose writes panic.
type brittle struct{ io.WriteCloser }

func (brittle) Write([]byte) (int, error) { panic("a defect below the recording") }
func (brittle) Close() error              { return nil }

// A recorder never fails: where it panics the recording ends, says so once, and its callers go on.
func TestAPanicEndsTheRecordingAlone(t *testing.T) {
	t.Cleanup(contain.Report(func(*contain.Panic) {}))
	var failed []error
	w, err := NewWriter(Options{Open: func() (io.WriteCloser, error) { return brittle{}, nil }, Failed: func(err error) { failed = append(failed, err) }})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.Record(Event{At: time.Now(), Sweep: &Sweep{Target: "t", Sweep: fleet.Sweep{}}})
	}
	w.Close()
	if len(failed) != 1 || contain.In(failed[0]) == nil {
		t.Errorf("told %v", failed)
	}
}
