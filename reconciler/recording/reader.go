package recording

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	maxLine = 16 << 20            // bytes; the longest line a Writer makes is one log tail
	maxGap  = 31 * 24 * time.Hour // between two events: a controller looks at least that often
)

// Error is why a recording cannot be read, and where.
type Error struct {
	Line int // of the decompressed text
	Err  error
}

// Error names the line.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// ErrCut says that the recording ends in the middle: the process was killed, or the file was copied while it grew. What
// came before is good.
var ErrCut = errors.New("the recording ends in the middle; what came before is whole")

// Read gives the events of a recording, gzip'ed or not; several recordings may follow each other. An *Error is given
// last, with a zero Event; one that is ErrCut takes nothing from the events before it.
func Read(from io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := &reader{}
		text, err := decompressed(from)
		for err == nil {
			var l line
			var e Event
			var whole bool
			if l, err = r.next(text); err != nil {
				break
			}
			if e, whole, err = r.take(l); err != nil {
				break
			}
			if whole && !yield(e, nil) {
				return
			}
		}
		if errors.Is(err, io.EOF) && r.begun {
			if !r.pending() {
				return
			}
			err = ErrCut
		}
		yield(Event{}, &Error{max(r.n, 1), r.explain(err)})
	}
}

// decompressed is the text of a recording.
func decompressed(from io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(from, 1<<16)
	if magic, _ := in.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return in, nil
	}
	gz, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(gz, 1<<16), nil
}

// explain says what an error of the file means and what to do about it.
func (r *reader) explain(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the file is empty: a recording is made by 'taskwarden run --record FILE'")
	case errors.Is(err, io.ErrUnexpectedEOF) && r.begun:
		return ErrCut
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file ends before its first line: nothing was recorded")
	case corrupt, errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("the compressed data are damaged here (%w): copy the file again, or replay what is before: "+
			"gzip -dc FILE | taskwarden replay -", err)
	}
	return err
}

// next reads one line.
func (r *reader) next(text *bufio.Reader) (line, error) {
	var raw []byte
	for {
		part, err := text.ReadSlice('\n')
		raw = append(raw, part...)
		switch {
		case len(raw) > maxLine:
			r.n++
			return line{}, fmt.Errorf("longer than %d bytes: not a line of a recording", maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(raw) > 0:
			err = io.ErrUnexpectedEOF // every line ends with a line break
		case err == nil && len(bytes.TrimSpace(raw)) == 0:
			r.n++
			raw = raw[:0]
			continue
		}
		if err != nil {
			r.n += min(len(raw), 1)
			return line{}, err
		}
		break
	}
	r.n++
	return r.decode(raw)
}

func (r *reader) decode(raw []byte) (l line, err error) {
	if !r.begun { // whatever it is, its first line says so: other formats need not decode
		if err := checkHeader(raw); err != nil {
			return l, err
		}
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, fmt.Errorf("not a line of a recording of format %d made by version %q (%w): "+
			"if a newer taskwarden made it, replay it with that one; if it was edited or damaged, mend the line or copy the file again", Format, r.version, err)
	}
	if dec.More() {
		return l, errors.New("more than one JSON value: put each on a line of its own")
	}
	return l, nil
}

// checkHeader accepts the first line of a recording in a format that can be read.
func checkHeader(raw []byte) error {
	var first struct {
		Recording *Header `json:"recording"`
	}
	if err := json.Unmarshal(raw, &first); err != nil || first.Recording == nil {
		return errors.New(`not a recording, which begins with {"at":…,"recording":…}: one is made by 'taskwarden run --record FILE'`)
	}
	switch h := first.Recording; {
	case h.Format > Format:
		return fmt.Errorf("format %d, made by taskwarden %s, is newer than the %d that this version reads: replay it with taskwarden %s or newer",
			h.Format, h.Version, Format, h.Version)
	case h.Format < Format:
		return fmt.Errorf("format %d, made by taskwarden %s, is no longer read (%d is): replay it with taskwarden %s",
			h.Format, h.Version, Format, h.Version)
	}
	return nil
}

// clusterState is a cluster as the lines so far tell it, in the order in which things were first seen.
type clusterState struct {
	services ordered[fleet.Service]
	tasks    ordered[fleet.Task]
}

// ordered is a map that remembers the order of its keys' first appearance.
type ordered[T any] struct {
	keys []string
	at   map[string]T
}

func (o *ordered[T]) set(key string, v T) {
	if o.at == nil {
		o.at = map[string]T{}
	}
	if _, ok := o.at[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.at[key] = v
}

// drop takes keys out and tells whether all were there.
func (o *ordered[T]) drop(gone []string) bool {
	if len(gone) == 0 {
		return true
	}
	all := true
	for _, key := range gone {
		_, ok := o.at[key]
		all = all && ok
		delete(o.at, key)
	}
	left := o.keys[:0]
	for _, key := range o.keys {
		if _, ok := o.at[key]; ok {
			left = append(left, key)
		}
	}
	o.keys = left
	return all
}

func (o *ordered[T]) all() []T {
	out := make([]T, 0, len(o.keys))
	for _, key := range o.keys {
		out = append(out, o.at[key])
	}
	return out
}
