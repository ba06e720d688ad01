package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

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
	placed := slices.ContainsFunc(found, func(p located) bool { return p.Resource != "" })
	if placed {
		head = "WHERE\t" + head
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
		if placed {
			cells = append([]string{p.where()}, cells...)
		}
		fmt.Fprintln(w, oneLineCells(cells))
	}
	return w.Flush()
}

// where is the resource and the line, as far as they are known.
func (p located) where() string {
	if p.Line == 0 {
		return cmp.Or(p.Resource, "-")
	}
	return fmt.Sprintf("%s:%d", p.Resource, p.Line)
}

func oneLineCells(cells []string) string {
	for i := range cells {
		cells[i] = oneLine(cells[i])
	}
	return strings.Join(cells, "\t")
}
