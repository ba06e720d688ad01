package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
)

// print writes the items as --output asks: json and yaml as one document, jsonl one item a line. What the server sent is
// passed on whole, so that a field this version does not know is not lost.
func (g *get) print(items []json.RawMessage) error {
	switch g.format {
	case "table", "wide":
		return g.printTable(items)
	case "jsonl":
		for _, it := range items {
			if err := g.a.printValue(it, "jsonl"); err != nil {
				return err
			}
		}
		return nil
	}
	if g.path != "" {
		return g.a.printValue(items[0], g.format)
	}
	return g.a.printValue(map[string][]json.RawMessage{"items": items}, g.format)
}

// printValue writes a value as one document: json (indented), jsonl or yaml.
func (a *app) printValue(v any, format string) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if format == "json" {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := buf.Bytes()
	if format == "yaml" {
		var err error
		if text, err = yaml.JSONToYAML(text); err != nil {
			return err
		}
	}
	_, err := a.stdout.Write(text)
	return err
}

// printTable writes a table of a list, or the sections of what is described.
func (g *get) printTable(items []json.RawMessage) error {
	wide := g.format == "wide"
	switch {
	case g.path != "" && g.kind == "rollout":
		return describeRollout(g.a.stdout, items[0], wide)
	case g.path != "":
		return describeService(g.a.stdout, items[0], wide)
	}
	if len(items) == 0 {
		_, err := fmt.Fprintf(g.a.stderr, "No %s found.\n", strings.Replace(g.kind, "audit", "audit entries", 1))
		return err
	}
	return tables[g.kind](g.a.stdout, items, wide)
}

// decoded reads items into the API's own type.
func decoded[T any](items []json.RawMessage) ([]T, error) {
	out := make([]T, len(items))
	for i, raw := range items {
		if err := json.Unmarshal(raw, &out[i]); err != nil {
			return nil, fmt.Errorf("read item %d of the answer: %w", i+1, err)
		}
	}
	return out, nil
}

// tableOf makes the printer of one kind of item.
func tableOf[T any](columns []column[T]) func(io.Writer, []json.RawMessage, bool) error {
	return func(w io.Writer, raw []json.RawMessage, wide bool) error {
		items, err := decoded[T](raw)
		if err != nil {
			return err
		}
		return writeTable(w, columns, items, wide)
	}
}
