package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/contain"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

func newExplainCmd(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "explain [FILE|-]",
		Aliases: []string{"why"},
		Short:   "Say why stopped tasks stopped, from JSON",
		Long: `Reads stopped tasks as JSON from FILE or stdin and prints a verdict for each: why
it stopped, whether that was planned, which container is to blame, and what shows
it. It calls nothing and needs no credentials.

A document is a DescribeTasks response, one task, an EventBridge "ECS Task State
Change" event, or a case {"id", "task", "service", "logs"}, whose logs hold the
last lines by container. Documents may stand one a line, pretty-printed, or one
after another. One that cannot be read is reported in its place, the others are
still judged, and the exit code is 1. Tasks that have not stopped are left out.`,
		Example: `  aws ecs describe-tasks --cluster prod --tasks ID | taskwarden explain
  taskwarden why -o wide tasks.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := "-"
			if len(args) == 1 {
				name = args[0]
			}
			if name == "-" && file == "-" {
				return usageError("stdin cannot be both the configuration and the input")
			}
			conf, _, err := a.loadConfig(file)
			if err != nil {
				return err
			}
			know, err := knowledge(conf.Detect)
			if err != nil {
				return &exitError{exitConfig, err}
			}
			in, err := a.input(name)
			if err != nil {
				return err
			}
			defer in.Close()
			return a.explain(c.Context(), in, know)
		},
	}
	addConfigFlag(c, &file)
	return c
}

// input opens a verb's FILE argument; "-" is stdin.
func (a *app) input(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(a.stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the input: %w", err)
	}
	return f, nil
}

// knowledge is what the configuration adds to the built-in sidecars and signatures.
func knowledge(d config.Detect) (*churn.Knowledge, error) {
	rules := make([]churn.SignatureRule, 0, len(d.Signatures))
	for _, s := range d.Signatures {
		rules = append(rules, churn.SignatureRule{Name: s.Name, Pattern: s.Pattern, Fatal: s.Fatal})
	}
	return churn.NewKnowledge(d.Sidecars, rules)
}

// explanation is one line of explain's output.
type explanation struct {
	ID      string `json:"id,omitempty"` // the case's own; other documents have none
	TaskARN string `json:"taskArn"`      // "" where only logs were given
	churn.Verdict
}

// unreadable stands in the place of what could not be judged.
type unreadable struct {
	ID    string `json:"id,omitempty"`
	Line  int    `json:"line,omitempty"` // where the document began, if it has no id
	Error string `json:"error"`
}

func (a *app) explain(ctx context.Context, in io.Reader, know *churn.Knowledge) error {
	out := explainOutput{format: a.format("jsonl"), to: a.stdout}
	failed, running := 0, 0
	for c := range casesUntil(ctx, in) {
		var err error
		switch {
		case c.Err != nil:
			failed++
			err = out.row(unreadableOf(c))
		case c.ID == "" && c.Task != nil && alive(*c.Task):
			running++
		default:
			err = out.row(explanationOf(c, know))
		}
		if err != nil {
			return fmt.Errorf("write the verdicts: %w", err)
		}
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("write the verdicts: %w", err)
	}
	if running > 0 {
		fmt.Fprintf(a.stderr, "taskwarden: left out %d task(s) that have not stopped\n", running)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	if failed > 0 {
		return fmt.Errorf("%d document(s) or task(s) could not be read", failed)
	}
	return nil
}

// casesUntil reads cases until the input or the context ends: a read from a terminal knows no context.
func casesUntil(ctx context.Context, in io.Reader) func(yield func(fleet.Case) bool) {
	return func(yield func(fleet.Case) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		cases := make(chan fleet.Case)
		send := func(c fleet.Case) bool {
			select {
			case cases <- c:
				return true
			case <-ctx.Done():
				return false
			}
		}
		contain.Go(contain.Command, "the input", func() error { fleet.Cases(in)(send); return nil }, func(panicked error) {
			if panicked != nil {
				send(fleet.Case{Err: panicked})
			}
			close(cases)
		})
		for {
			select {
			case c, ok := <-cases:
				if !ok || !yield(c) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// alive tells a task that neither stopped nor was told to.
func alive(t fleet.Task) bool {
	return t.LastStatus != "" && !t.Stopped() && t.DesiredStatus != fleet.StatusStopped && t.StopCode == ""
}

func unreadableOf(c fleet.Case) unreadable {
	u := unreadable{ID: c.ID, Error: churn.Mask(c.Err.Error())}
	if u.ID == "" {
		u.Line = c.Line
	}
	return u
}

func explanationOf(c fleet.Case, know *churn.Knowledge) explanation {
	in := churn.Input{Service: c.Service, Logs: c.Logs}
	e := explanation{ID: c.ID}
	if c.Task != nil {
		in.Task, e.TaskARN = *c.Task, c.Task.ARN
	}
	e.Verdict = churn.Explain(in, know)
	for _, note := range c.Notes {
		e.Evidence = append(e.Evidence, "input: "+churn.Mask(note))
	}
	return e
}

// explainOutput writes rows in the asked format: jsonl at once, the others when all are known.
type explainOutput struct {
	format string
	to     io.Writer
	rows   []any
}

func (o *explainOutput) row(v any) error {
	if o.format != "jsonl" {
		o.rows = append(o.rows, v)
		return nil
	}
	text, err := marshal(v)
	if err == nil {
		_, err = o.to.Write(text)
	}
	return err
}

// marshal is one line of JSON with <, > and & as they are: log lines hold them.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return out.Bytes(), err
}

func (o *explainOutput) close() error {
	switch o.format {
	case "jsonl":
		return nil
	case "table", "wide":
		return o.table()
	}
	if o.rows == nil {
		o.rows = []any{}
	}
	text, err := marshal(map[string]any{"items": o.rows})
	if err != nil {
		return err
	}
	if o.format == "yaml" {
		if text, err = yaml.JSONToYAML(text); err != nil {
			return err
		}
		_, err = o.to.Write(text)
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return err
	}
	_, err = out.WriteTo(o.to)
	return err
}

func (o *explainOutput) table() error {
	w := tabwriter.NewWriter(o.to, 0, 8, 2, ' ', 0)
	head := "TASK\tPLANNED\tCAUSE\tCULPRIT\tEXIT\tSIDECAR\tSIGNATURE\tCONFIDENCE"
	if o.format == "wide" {
		head += "\tWHY"
	}
	fmt.Fprintln(w, head)
	for _, v := range o.rows {
		switch v := v.(type) {
		case explanation:
			fmt.Fprintln(w, strings.Join(v.cells(o.format == "wide"), "\t"))
		case unreadable:
			fmt.Fprintf(w, "%s\t-\tunreadable: %s\n", oneLine(cmp.Or(v.ID, "line "+strconv.Itoa(v.Line))), oneLine(v.Error))
		}
	}
	return w.Flush()
}

func (e explanation) cells(wide bool) []string {
	culprit, exit := "-", "-"
	if e.Culprit != nil {
		culprit = e.Culprit.Container
		if e.Culprit.ExitCode != nil {
			exit = strconv.Itoa(*e.Culprit.ExitCode)
		}
	}
	var signatures []string
	for _, s := range e.Signatures {
		signatures = append(signatures, s.Name)
	}
	cells := []string{
		cmp.Or(e.ID, fleet.NameOf(e.TaskARN), "-"), strconv.FormatBool(e.Planned), string(e.Cause), culprit, exit,
		strconv.FormatBool(e.Sidecar), cmp.Or(strings.Join(signatures, ","), "-"), string(e.Confidence),
	}
	if wide {
		cells = append(cells, strings.Join(e.Evidence, "; "))
	}
	for i := range cells {
		cells[i] = oneLine(cells[i])
	}
	return cells
}

// oneLine keeps a cell in its place and a terminal safe: what comes from outside may hold anything.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
