package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"taskwarden/console"
	"taskwarden/reconciler/finding"
)

// verdict is the exit code that --fail-on asks for. Without a finding, a view that is not current and complete is said.
func (g *get) verdict(ctx context.Context, items []json.RawMessage) error {
	if g.failOn != "" {
		grave, err := g.grave(items)
		if err != nil {
			return err
		}
		if grave > 0 {
			return &exitError{exitFindings, fmt.Errorf("%s at or above %s", plural(grave, "finding"), g.failOn)}
		}
	} else if !slices.Contains([]string{"findings", "causes", "services"}, g.kind) || len(items) > 0 && g.kind != "services" {
		return nil
	}
	blind, err := g.blind(ctx)
	if err != nil || len(blind) == 0 {
		return err
	}
	message := fmt.Errorf("no current, complete view of target %s: what is not listed may still be wrong there; see 'taskwarden get targets -o wide'",
		strings.Join(blind, ", "))
	if g.failOn != "" {
		return &exitError{exitIncomplete, message}
	}
	fmt.Fprintf(g.a.stderr, "taskwarden: %v\n", message)
	return nil
}

// grave counts the findings that --fail-on is about.
func (g *get) grave(items []json.RawMessage) (int, error) {
	var found []console.Finding
	for _, raw := range items {
		if g.kind == "service" {
			var d console.ServiceDetail
			if err := json.Unmarshal(raw, &d); err != nil {
				return 0, fmt.Errorf("read the service: %w", err)
			}
			found = d.OpenFindings
			continue
		}
		var f console.Finding
		if err := json.Unmarshal(raw, &f); err != nil {
			return 0, fmt.Errorf("read the findings: %w", err)
		}
		found = append(found, f)
	}
	n := 0
	for _, f := range found {
		if f.Open() && finding.Severity(f.Severity).Rank() >= g.failOn.Rank() {
			n++
		}
	}
	return n, nil
}

// blind lists the targets without a current, complete view.
func (g *get) blind(ctx context.Context) ([]string, error) {
	items, err := g.client.list(ctx, "targets", url.Values{}, 0)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, raw := range items {
		var t console.Target
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, fmt.Errorf("read the targets: %w", err)
		}
		if !t.Ready {
			out = append(out, plainText(t.Target))
		}
	}
	return out, nil
}
