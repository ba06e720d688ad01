package main

import (
	"fmt"
	"maps"
	"slices"

	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/template"
)

// template judges the task definitions of a plan or a template whose first line is the input's line before+1.
func (l *linter) template(reading template.Reading, before int) {
	for _, r := range reading.Resources {
		if r.Open != "" {
			l.notes = append(l.notes, fmt.Sprintf("%s: containerDefinitions: %s: not judged; lint the registered task definition as well", r.Address, r.Open))
			continue
		}
		line := func(p otel.Problem) int {
			if line := r.LineOf(p.Container, p.Env); line > 0 {
				return before + line
			}
			return 0
		}
		problems := l.judge(r.Definition, located{Resource: r.Address}, line)
		if l.fix {
			l.propose(reading.Kind, r, otel.Fixes(problems), before)
		}
	}
	if len(reading.Resources) == 0 {
		l.notes = append(l.notes, "the "+string(reading.Kind)+" document declares no task definition")
	}
	l.notes = append(l.notes, reading.Notes...)
}

// propose prints what to set, in the words of the kind: a template is its author's to write, with its functions and
// comments.
func (l *linter) propose(kind template.Kind, r template.Resource, fixes map[string]map[string]string, before int) {
	for _, c := range r.Definition.Containers {
		fix := fixes[c.Name]
		if fix == nil {
			continue
		}
		names := slices.Sorted(maps.Keys(fix))
		where := fmt.Sprintf("%s, container %s", r.Address, c.Name)
		if line := r.LineOf(c.Name, names); line > 0 {
			where += fmt.Sprintf(", line %d", before+line)
		}
		list, form := "Environment", "- Name: %s\n  Value: %q\n"
		if kind == template.Terraform {
			list, form = "environment", "{ name = %q, value = %q },\n"
		}
		fmt.Fprintf(&l.fixed, "# %s: set in %s\n", oneLine(where), list)
		for _, name := range names {
			fmt.Fprintf(&l.fixed, form, name, fix[name])
		}
	}
}
