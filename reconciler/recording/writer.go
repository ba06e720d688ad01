package recording

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"sync"
	"time"

	"taskwarden/contain"
	"taskwarden/reconciler/fleet"
)

// DefaultLimit is how large a recording grows beyond its beginning, in compressed bytes, before the next one is begun.
const DefaultLimit = 64 << 20

// Options of a Writer.
type Options struct {
	Version string
	Limit   int64                          // 0: DefaultLimit
	Open    func() (io.WriteCloser, error) // opens the next file; see Files
	Failed  func(error)                    // told once, when recording ends because it cannot be written
}

// Writer writes events. Its methods may be called from many goroutines, and never fail: a recording that cannot be written
// ends, and what it was made of goes on.
type Writer struct {
	o    Options
	seed maphash.Seed

	mu       sync.Mutex
	file     io.WriteCloser // nil: not begun, ended or failed
	gz       *gzip.Writer
	size     int64 // compressed bytes of this file
	full     int64 // size at which the next file begins
	buf      bytes.Buffer
	veil     veil
	shown    map[fleet.Key]*shown         // by cluster: what the file says so far
	alarms   map[string]map[string]uint64 // by target and name: same
	facts    map[string]uint64            // by target: same
	last     time.Time                    // of the newest event
	headed   bool                         // this file holds a Header
	began    bool                         // and a Start
	since    time.Time                    // when this file began, if another one was before it
	failed   bool
	snapshot func() iter.Seq[Event]
}

// shown is what a recording says of a cluster, by a hash of each line.
type shown struct {
	services map[string]uint64 // by name
	tasks    map[string]uint64 // by id
}

// NewWriter makes a Writer and opens its first file.
func NewWriter(o Options) (*Writer, error) {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	w := &Writer{o: o, seed: maphash.MakeSeed(), veil: veil{}}
	return w, w.open()
}

// open begins a file, which knows nothing of the ones before.
func (w *Writer) open() error {
	file, err := w.o.Open()
	if err != nil {
		return fmt.Errorf("begin a recording: %w", err)
	}
	w.file, w.size, w.full, w.began = file, 0, w.o.Limit, false
	w.gz = gzip.NewWriter(counting{w})
	w.headed = false
	w.forget()
	return nil
}

// forget makes everything be written again.
func (w *Writer) forget() {
	w.shown, w.alarms, w.facts = map[fleet.Key]*shown{}, map[string]map[string]uint64{}, map[string]uint64{}
}

type counting struct{ w *Writer }

func (c counting) Write(p []byte) (int, error) {
	n, err := c.w.file.Write(p)
	c.w.size += int64(n)
	return n, err
}

// Begin tells that a controller begins. snapshot gives what a recording has to know from its first line on: memories, one
// Start, definitions. It is asked again when a new file begins, from within any Record.
func (w *Writer) Begin(snapshot func() iter.Seq[Event]) {
	w.do(func() error {
		w.snapshot = snapshot
		if !w.began {
			return w.begin()
		}
		for e := range snapshot() {
			if e.Start != nil { // what is remembered follows from what the file holds
				return w.write(e)
			}
		}
		return nil
	})
}

func (w *Writer) begin() error {
	for e := range w.snapshot() {
		if err := w.write(e); err != nil {
			return err
		}
	}
	w.began = true
	if err := w.gz.Flush(); err != nil {
		return err
	}
	w.full = w.size + w.o.Limit
	return nil
}

// Record writes one event.
func (w *Writer) Record(e Event) {
	w.do(func() error {
		if err := w.write(e); err != nil {
			return err
		}
		if e.Look == nil && e.Definition == nil { // those come in numbers, and others after them; a crash loses no more
			if err := w.gz.Flush(); err != nil {
				return err
			}
		}
		if w.size < w.full || w.snapshot == nil {
			return nil
		}
		if err := w.shut(); err != nil {
			return err
		}
		if err := w.open(); err != nil {
			return err
		}
		w.since = w.last
		return w.begin()
	})
}

// Close ends the recording.
func (w *Writer) Close() {
	w.do(w.shut)
}

// do runs f alone, unless the recording has ended, and ends it where f fails or panics: what called it must go on.
func (w *Writer) do(f func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil || w.failed {
		return
	}
	if err := contain.Do(contain.Recording, "", f); err != nil {
		w.failed = true
		if w.file != nil {
			_ = w.file.Close() // the first error says it
			w.file = nil
		}
		if w.o.Failed != nil {
			w.o.Failed(fmt.Errorf("write the recording: %w", err))
		}
	}
}

func (w *Writer) shut() error {
	err := w.gz.Close()
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	w.file = nil
	return err
}

// encode gives the line as it will stand in the file. It is valid until the next call.
func (w *Writer) encode(l line) ([]byte, error) {
	w.buf.Reset()
	enc := json.NewEncoder(&w.buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return nil, err
	}
	return w.veil.apply(withoutPeople(w.buf.Bytes())), nil
}

func (w *Writer) line(l line) error {
	text, err := w.encode(l)
	if err != nil {
		return err
	}
	_, err = w.gz.Write(text)
	return err
}

// write turns an event into lines. Times never run backwards, whichever goroutine came first. The end of a sweep that began
// before this file is left out: without all its looks it would say that clusters are gone.
func (w *Writer) write(e Event) error {
	if e.Sweep != nil && !w.since.IsZero() && !e.Sweep.Sweep.At.After(w.since) {
		return nil
	}
	if e.At.Before(w.last) {
		e.At = w.last
	}
	w.last = e.At
	if !w.headed {
		w.headed = true
		if err := w.line(line{At: e.At.UTC(), Header: &Header{Format: Format, Version: w.o.Version}}); err != nil {
			return err
		}
	}
	l, err := w.lineOf(e)
	if err != nil {
		return err
	}
	return w.line(l)
}

// lineOf is the line that ends an event; those in front of it are written.
func (w *Writer) lineOf(e Event) (l line, err error) {
	l = line{At: e.At.UTC(), Start: e.Start, End: e.End}
	switch {
	case e.Start != nil:
		w.forget()
	case e.Memory != nil:
		for i := range e.Memory.Stops {
			if err := w.line(line{Stop: &e.Memory.Stops[i]}); err != nil {
				return l, err
			}
		}
		l.Memory = &memoryLine{Key: e.Memory.Key, Findings: maskedFindings(e.Memory.Findings)}
		if !e.Memory.Restarts.Until.IsZero() {
			l.Memory.Restarts = &e.Memory.Restarts
		}
	case e.Look != nil:
		l.Look, err = w.look(*e.Look)
	case e.Sweep != nil:
		l.Sweep = w.sweep(*e.Sweep)
	case e.Definition != nil:
		d := maskedDefinition(e.Definition.Definition)
		l.Definition = &definitionLine{Target: e.Definition.Target, ARN: e.Definition.ARN, Fault: faultOf(e.Definition.Err), Tries: e.Definition.Tries}
		if e.Definition.Err == nil {
			l.Definition.Definition = &d
		}
	case e.Tail != nil:
		t := e.Tail
		l.Tail = &tailLine{Service: t.Service, Ref: t.Ref, Fault: faultOf(t.Err), Tries: t.Tries}
		l.Tail.Lines, l.Tail.Missing = maskedTail(t.Tail)
	case e.Metrics != nil:
		l.Metrics, err = w.readings(*e.Metrics)
	case e.Alarms != nil:
		l.Alarms, err = w.listing(*e.Alarms)
	case e.Put != nil:
		l.Put = &putLine{e.Put.Target, faultOf(e.Put.Err)}
	}
	return l, err
}
