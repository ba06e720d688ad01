package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/template"
)

// linter judges the documents of one input.
type linter struct {
	app     *app
	options otel.Options
	fix     bool
	found   []located
	notes   []string // what was not judged, and what the judgement rests on
	fixed   bytes.Buffer
	failed  []error
}

// located is a problem with its place: the family where there are several documents, the resource of a plan or template.
type located struct {
	Family   string `json:"family,omitempty"`
	Resource string `json:"resource,omitempty"` // Terraform's address, or CloudFormation's logical id
	Line     int    `json:"line,omitempty"`     // of the input, from 1
	otel.Problem
}

func (l *linter) read(raw []byte) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	documents := slices.Collect(documents(raw))
	for _, d := range documents {
		if err := l.document(raw, d, len(documents) > 1); err != nil {
			l.failed = append(l.failed, at(raw, d.offset, err))
		}
	}
}

// document is a piece of the input that begins at an offset.
type document struct {
	offset int
	raw    []byte
}

// documents splits the input: one document, or several after one another. After a broken one reading goes on at the next
// line that begins with a brace. An empty input is one empty document, and one that begins like no JSON is one as well.
func documents(raw []byte) iter.Seq[document] {
	return func(yield func(document) bool) {
		if body := bytes.TrimSpace(raw); len(body) > 0 && body[0] != '{' && body[0] != '[' {
			yield(document{0, raw})
			return
		}
		for at := 0; ; {
			rest := raw[at:]
			dec := json.NewDecoder(bytes.NewReader(rest))
			var value json.RawMessage
			err := dec.Decode(&value)
			end := int(dec.InputOffset())
			if errors.Is(err, io.EOF) && at > 0 {
				return
			}
			if err != nil {
				end = len(rest)
				if next := bytes.Index(rest[min(1, len(rest)):], []byte("\n{")); next >= 0 {
					end = next + 2
				}
			}
			if !yield(document{at, rest[:end]}) || err != nil && end == len(rest) {
				return
			}
			at += end
		}
	}
}

// at moves an error's place from its document to the whole input.
func at(raw []byte, offset int, err error) error {
	before := raw[:offset]
	move := func(line, column *int) {
		if *line == 1 {
			*column += offset - bytes.LastIndexByte(before, '\n') - 1
		}
		*line += bytes.Count(before, []byte("\n"))
	}
	if e, ok := errors.AsType[*fleet.DefinitionError](err); ok {
		move(&e.Line, &e.Column)
	}
	if e, ok := errors.AsType[*template.Error](err); ok && e.Line > 0 {
		move(&e.Line, &e.Column)
	}
	return err
}

func (l *linter) document(raw []byte, doc document, several bool) error {
	allow := fleet.NewAllowList()
	reading, err := template.Read(doc.raw, allow)
	switch {
	case err != nil:
		return err
	case reading.Kind != template.TaskDefinition:
		l.template(reading, bytes.Count(raw[:doc.offset], []byte("\n")))
		return nil
	}
	d, err := fleet.ParseDefinition(doc.raw, allow)
	if err != nil {
		return err
	}
	var place located
	if several {
		place.Family = d.Family
	}
	problems := l.judge(d, place, nil)
	if !l.fix {
		return nil
	}
	out, _, err := otel.Patch(doc.raw, otel.Fixes(problems))
	if err != nil {
		return fmt.Errorf("fix %s: %w", cmp.Or(d.Family, "the task definition"), err)
	}
	return l.print(doc.raw, out)
}

// judge notes the problems of one definition, what it does not show, and what is not fixed. line gives a problem's line,
// where there are lines.
func (l *linter) judge(d fleet.Definition, place located, line func(otel.Problem) int) []otel.Problem {
	head := ""
	if place.Resource != "" {
		head = place.Resource + ": "
	}
	problems := otel.Lint(d, l.options)
	for _, p := range problems {
		place.Problem = p
		if line != nil {
			place.Line = line(p)
		}
		l.found = append(l.found, place)
		if l.fix && p.Held != "" {
			l.notes = append(l.notes, fmt.Sprintf("%s%s %s is left as it is: %s", head, p.Container, p.Rule, p.Held))
		}
	}
	for _, g := range otel.Gaps(d, l.options) {
		l.notes = append(l.notes, head+strings.TrimSpace(fmt.Sprintf("%s %s: %s; %s", g.Container, g.Subject, g.Why, g.Changes)))
	}
	return problems
}

// print writes a fixed document in the form it came in: on one line, or indented.
func (l *linter) print(raw, out []byte) error {
	raw, out = bytes.TrimSpace(raw), bytes.TrimSpace(out)
	if first := bytes.IndexByte(raw, '\n'); first >= 0 {
		line := raw[first+1:]
		indent := string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
		if err := json.Indent(&l.fixed, out, "", cmp.Or(indent, "  ")); err != nil {
			return err
		}
	} else {
		l.fixed.Write(out)
	}
	l.fixed.WriteByte('\n')
	return nil
}

// finish writes everything and says how the run ends.
func (l *linter) finish(least finding.Severity) error {
	to, format := l.app.stdout, l.app.format("jsonl")
	if l.fix {
		if _, err := l.fixed.WriteTo(l.app.stdout); err != nil {
			return fmt.Errorf("write the fixes: %w", err)
		}
		to, format = l.app.stderr, cmp.Or(l.app.output, "table")
	}
	if err := writeProblems(to, format, l.found); err != nil {
		return fmt.Errorf("write the problems: %w", err)
	}
	for _, note := range l.notes {
		fmt.Fprintf(l.app.stderr, "taskwarden: %s\n", oneLine(note))
	}
	if len(l.failed) > 0 {
		return errors.Join(l.failed...)
	}
	reached := func(p located) bool { return p.Severity.Rank() >= least.Rank() }
	if least != "" && slices.ContainsFunc(l.found, reached) {
		return &exitError{code: exitFindings}
	}
	return nil
}
