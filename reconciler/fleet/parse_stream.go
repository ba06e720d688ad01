package fleet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxDocument bounds one JSON document of a stream, in bytes: a DescribeTasks page of 100 tasks has well under 1 MB.
const MaxDocument = 16 << 20

// Cases reads documents (see ParseCases) one after another: JSON lines, pretty-printed ones, or several without a break.
// A document that cannot be read yields a Case with Err in its place and costs nothing else: reading goes on at the next
// line, or, where the broken document ran over several lines, at the next line that begins with { or [. A read error of r
// is the last Case.
func Cases(r io.Reader) iter.Seq[Case] { return casesUpTo(r, MaxDocument) }

func casesUpTo(r io.Reader, limit int) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		s := &splitter{in: bufio.NewReaderSize(r, 64<<10), limit: limit}
		for {
			doc, line, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			var cases []Case
			if err == nil {
				cases, err = ParseCases(doc)
			}
			if err != nil {
				cases = []Case{{Err: err}}
				s.resync()
			}
			for _, c := range cases {
				c.Line = line
				if !yield(c) {
					return
				}
			}
		}
	}
}

// splitter cuts a stream into documents by brackets alone; whether a document is good JSON is not its business.
type splitter struct {
	in     *bufio.Reader
	limit  int
	queue  []line // read, and not used yet
	taken  []line // of the present document: what a broken one gives back
	number int    // of the last line read
	over   bool   // the input ended
	failed error  // why it ended early; reported once
}

type line struct {
	number int
	text   []byte
}

// pop gives the next line with its line end. A line over the limit is cut to it; the rest is dropped.
func (s *splitter) pop() (line, bool) {
	if len(s.queue) > 0 {
		l := s.queue[0]
		s.queue = s.queue[1:]
		return l, true
	}
	var text []byte
	for !s.over {
		part, err := s.in.ReadSlice('\n')
		if len(text) <= s.limit {
			text = append(text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) && !s.over {
			s.failed = err
		}
		s.over = s.over || err != nil
		break
	}
	if len(text) == 0 {
		return line{}, false
	}
	s.number++
	if s.number == 1 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	return line{s.number, text}, true
}

// next is the following document and the line it began on.
func (s *splitter) next() ([]byte, int, error) {
	s.taken = nil
	var b brackets
	var doc []byte
	for {
		l, ok := s.pop()
		if !ok {
			return s.end(doc)
		}
		if len(doc) == 0 {
			if l.text = bytes.TrimLeft(l.text, " \t\r\n"); len(l.text) == 0 {
				continue
			}
			if l.text[0] != '{' && l.text[0] != '[' {
				return nil, l.number, fmt.Errorf("a JSON object must begin with {: %s", shapes)
			}
		} else if b.restarts(l.text) {
			s.queue = append([]line{l}, s.queue...)
			return nil, s.taken[0].number, errors.New("the document breaks off before a new one begins")
		}
		s.taken = append(s.taken, l)
		if len(doc)+len(l.text) > s.limit {
			return nil, s.taken[0].number, fmt.Errorf("the document is larger than %d bytes", s.limit)
		}
		end, done := b.scan(l.text)
		doc = append(doc, l.text[:end]...)
		if done {
			if rest := l.text[end:]; len(bytes.TrimSpace(rest)) > 0 {
				s.queue = append([]line{{l.number, rest}}, s.queue...)
			}
			return doc, s.taken[0].number, nil
		}
		if b.text {
			return nil, s.taken[0].number, errors.New("a text is not closed at the end of its line")
		}
	}
}

// end is what the end of the input means: a document cut short, a failed read (once), or nothing more.
func (s *splitter) end(doc []byte) ([]byte, int, error) {
	if s.failed != nil {
		err := fmt.Errorf("read the input: %w", s.failed)
		s.failed, s.taken = nil, nil
		return nil, s.number + 1, err
	}
	if len(doc) > 0 {
		return nil, s.taken[0].number, errors.New("the document breaks off at the end of the input")
	}
	return nil, 0, io.EOF
}

// resync goes on behind a broken document: at the next of its lines that begins with a bracket, if any.
func (s *splitter) resync() {
	if len(s.taken) < 2 {
		return
	}
	first := s.taken[0].number
	for i, l := range s.taken[1:] {
		if l.number != first && opens(l.text) {
			rest := append([]line{}, s.taken[1+i:]...)
			if len(s.queue) > 0 && s.queue[0].number == rest[len(rest)-1].number {
				s.queue = s.queue[1:] // the part behind the document belongs to a line that is read again
			}
			s.queue = append(rest, s.queue...)
			return
		}
	}
}

func opens(text []byte) bool { return len(text) > 0 && (text[0] == '{' || text[0] == '[') }

// brackets follows nesting and texts.
type brackets struct {
	depth   int
	text    bool // inside a text
	escaped bool
	last    byte // the last byte that is no blank
}

// restarts tells a new document where the present one would need a comma or an end: the line begins with a bracket, and
// what came before does not ask for a value.
func (b *brackets) restarts(text []byte) bool {
	return opens(text) && b.last != ',' && b.last != ':' && b.last != '[' && b.last != 0
}

// scan reads on and tells where the document ends, if it does within text.
func (b *brackets) scan(text []byte) (int, bool) {
	for i, c := range text {
		switch {
		case b.escaped:
			b.escaped = false
		case b.text:
			b.escaped = c == '\\'
			b.text = c != '"'
		case c == '"':
			b.text = true
		case c == '{' || c == '[':
			b.depth++
		case c == '}' || c == ']':
			b.depth--
			if b.depth <= 0 {
				return i + 1, true
			}
		}
		if c > ' ' {
			b.last = c
		}
	}
	return len(text), false
}
