package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// watch prints whenever the answer changed, until ctx ends. The first question must be answered; after that a controller
// that is away for a while (a restart) is said once, and asked again.
func (g *get) watch(ctx context.Context) error {
	was, err := g.fetch(ctx)
	if err != nil {
		return err
	}
	if err := g.print(was); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	tick := time.NewTicker(g.every)
	defer tick.Stop()
	for away := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		is, err := g.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && lasting(err):
			return err
		case err != nil:
			if !away {
				fmt.Fprintf(g.a.stderr, "taskwarden: %v; asking again every %s\n", err, g.every)
			}
			away = true
			continue
		}
		away = false
		if slices.EqualFunc(was, is, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
			continue
		}
		was = is
		if err := g.printAgain(is); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
	}
}

// lasting reports whether asking again cannot help: the server answered, and refused.
func lasting(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && !r.passing()
}

// printAgain sets the next printing off from the one before: a terminal is cleared, YAML documents are divided, and
// tables get a line with the time. JSON needs nothing between documents.
func (g *get) printAgain(items []json.RawMessage) error {
	between := ""
	switch {
	case g.format == "yaml":
		between = "---\n"
	case g.format != "table" && g.format != "wide":
	case g.a.terminal:
		between = "\x1b[H\x1b[2J"
	default:
		between = "\n" + time.Now().Format(time.RFC3339) + "\n"
	}
	if _, err := fmt.Fprint(g.a.stdout, between); err != nil {
		return err
	}
	return g.print(items)
}
