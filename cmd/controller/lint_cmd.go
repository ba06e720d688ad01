package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// maxLintInput bounds what lint reads: a task definition has 64 KB at most.
const maxLintInput = 64 << 20

func newLintCmd(a *app) *cobra.Command {
	var file, failOn string
	var fix bool
	c := &cobra.Command{
		Use:   "lint [FILE|-]",
		Short: "Find what is wrong with the OpenTelemetry settings and sidecars of a task definition",
		Long: `Reads task definitions as JSON from FILE or stdin (DescribeTaskDefinition output, a
task definition alone, or RegisterTaskDefinition input; one or several documents) and
prints what is wrong. It calls nothing and needs no credentials.

With --fix the corrected RegisterTaskDefinition input goes to stdout and the problems
to stderr. Only the variables of the fixes change; what AWS adds to an answer is
dropped. Variables that arrive from secrets or environment files are never touched.

Rules, each to be switched in the configuration's lint.rules:
` + lintRuleHelp(),
		Example: `  aws ecs describe-task-definition --task-definition shop --include TAGS | taskwarden lint
  taskwarden lint --fail-on warning taskdef.json
  taskwarden lint --fix taskdef.json > fixed.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			least := finding.Severity(failOn)
			if failOn != "" && least.Rank() == 0 {
				return usageError("--fail-on: %q is not one of info, warning, critical", failOn)
			}
			name := cmp.Or(strings.Join(args, ""), "-")
			if name == "-" && file == "-" {
				return usageError("stdin cannot be both the configuration and the input")
			}
			options, err := a.lintOptions(file)
			if err != nil {
				return err
			}
			raw, err := a.readInput(c.Context(), name)
			if err != nil {
				return err
			}
			l := linter{app: a, options: options, fix: fix}
			l.read(raw)
			return l.finish(least)
		},
	}
	addConfigFlag(c, &file)
	c.Flags().StringVar(&failOn, "fail-on", "", "exit with 2 on a problem of at least this severity: info, warning, critical")
	c.Flags().BoolVar(&fix, "fix", false, "print the corrected registration input, and the problems on stderr")
	return c
}

func lintRuleHelp() string {
	var out strings.Builder
	for _, r := range otel.Rules() {
		fmt.Fprintf(&out, "  %s (%s): %s\n", r.ID, r.Severity, r.Means)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// lintOptions is what the configuration says of the rules and of sidecars.
func (a *app) lintOptions(file string) (otel.Options, error) {
	conf, _, err := a.loadConfig(file)
	if err != nil {
		return otel.Options{}, err
	}
	know, err := knowledge(conf.Detect)
	if err != nil {
		return otel.Options{}, &exitError{exitConfig, err}
	}
	rules, err := lintRules(conf.Lint)
	if err != nil {
		return otel.Options{}, &exitError{exitConfig, err}
	}
	return otel.Options{Sidecar: know.Sidecar, Rules: rules}, nil
}

// lintRules is the configuration's lint.rules as the rules take it.
func lintRules(l config.Lint) (map[string]finding.Severity, error) {
	in := map[string]string{}
	for id, position := range l.Rules {
		in[string(id)] = string(position)
	}
	rules, err := otel.ParseRules(in)
	if err != nil {
		return nil, fmt.Errorf("lint.rules: %w", err)
	}
	return rules, nil
}

// readInput reads the whole input, until the context ends: a read from a terminal knows no context.
func (a *app) readInput(ctx context.Context, name string) ([]byte, error) {
	in, err := a.input(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	type result struct {
		raw []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		raw, err := io.ReadAll(io.LimitReader(in, maxLintInput+1))
		done <- result{raw, err}
	}()
	select {
	case r := <-done:
		if r.err == nil && len(r.raw) > maxLintInput {
			r.err = fmt.Errorf("it has more than %d bytes", maxLintInput)
		}
		if r.err != nil {
			return nil, fmt.Errorf("read the input: %w", r.err)
		}
		return r.raw, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
}

// linter judges the documents of one input.
type linter struct {
	app     *app
	options otel.Options
	fix     bool
	found   []located
	gaps    []string
	fixed   bytes.Buffer
	failed  []error
}

// located is a problem with the family it belongs to, which is named only where there are several documents.
type located struct {
	Family string `json:"family,omitempty"`
	otel.Problem
}

func (l *linter) read(raw []byte) {
	documents := slices.Collect(documents(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	for _, d := range documents {
		if err := l.document(d, len(documents) > 1); err != nil {
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
// line that begins with a brace. An empty input is one empty document.
func documents(raw []byte) iter.Seq[document] {
	return func(yield func(document) bool) {
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
	if e, ok := errors.AsType[*fleet.DefinitionError](err); ok {
		before := raw[:offset]
		if e.Line == 1 {
			e.Column += offset - bytes.LastIndexByte(before, '\n') - 1
		}
		e.Line += bytes.Count(before, []byte("\n"))
	}
	return err
}

func (l *linter) document(doc document, several bool) error {
	d, err := fleet.ParseDefinition(doc.raw, fleet.NewAllowList())
	if err != nil {
		return err
	}
	problems := otel.Lint(d, l.options)
	family := ""
	if several {
		family = d.Family
	}
	for _, p := range problems {
		l.found = append(l.found, located{family, p})
	}
	for _, g := range otel.Gaps(d, l.options) {
		l.gaps = append(l.gaps, fmt.Sprintf("%s %s: %s; %s", g.Container, g.Subject, g.Why, g.Changes))
	}
	if !l.fix {
		return nil
	}
	out, _, err := otel.Patch(doc.raw, otel.Fixes(problems))
	if err != nil {
		return fmt.Errorf("fix %s: %w", cmp.Or(d.Family, "the task definition"), err)
	}
	return l.print(doc.raw, out)
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
			return fmt.Errorf("write the fixed task definition: %w", err)
		}
		to, format = l.app.stderr, cmp.Or(l.app.output, "table")
	}
	if err := writeProblems(to, format, l.found); err != nil {
		return fmt.Errorf("write the problems: %w", err)
	}
	for _, gap := range l.gaps {
		fmt.Fprintf(l.app.stderr, "taskwarden: %s\n", oneLine(gap))
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

func writeProblems(to io.Writer, format string, found []located) error {
	if format == "table" || format == "wide" {
		return problemTable(to, format == "wide", found)
	}
	out := explainOutput{format: format, to: to}
	for _, p := range found {
		if err := out.row(p); err != nil {
			return err
		}
	}
	return out.close()
}

func problemTable(to io.Writer, wide bool, found []located) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(to, "no problems")
		return err
	}
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	head := "SEVERITY\tCONTAINER\tRULE\tMESSAGE"
	if wide {
		head = "FAMILY\tSEVERITY\tCONTAINER\tRULE\tENV\tFIX\tMESSAGE"
	}
	fmt.Fprintln(w, head)
	for _, p := range found {
		cells := []string{string(p.Severity), p.Container, p.Rule, p.Message}
		if wide {
			fix := make([]string, 0, len(p.Fix))
			for name, value := range p.Fix {
				fix = append(fix, name+"="+value)
			}
			slices.Sort(fix)
			cells = []string{cmp.Or(p.Family, "-"), string(p.Severity), p.Container, p.Rule,
				cmp.Or(strings.Join(p.Env, ","), "-"), cmp.Or(strings.Join(fix, ","), "-"), p.Message}
		}
		fmt.Fprintln(w, oneLineCells(cells))
	}
	return w.Flush()
}

func oneLineCells(cells []string) string {
	for i := range cells {
		cells[i] = oneLine(cells[i])
	}
	return strings.Join(cells, "\t")
}
