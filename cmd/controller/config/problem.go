package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Problem is one thing wrong with a configuration, or one that is allowed and does not do what it seems to.
type Problem struct {
	File    string // name given to [Load]
	Line    int    // from 1
	Column  int    // from 1, in characters
	Field   string // path of the field, as targets[0].region; empty for the document
	Message string // what is wrong, naming the field
	Hint    string // how to put it right; may be empty
	Warning bool   // the configuration is taken all the same
}

// String writes the problem on one line, as compilers do, so that editors can
// jump to its place.
func (p Problem) String() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	s := fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, kind, p.Message)
	if p.Hint != "" {
		s += ": " + p.Hint
	}
	return s
}

// Errors is every problem of one text, in the order of their places, never empty.
type Errors []Problem

// Error writes one problem a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders the problems by place and drops repetitions, which arise where
// one anchor is used twice.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(e, func(a, b Problem) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Message == b.Message
	})
}

// suggest writes the hint for a name that is not among names: the nearest one
// if it is near enough to be meant, else all of them.
func suggest(got string, names []string) string {
	if near := nearest(got, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "want one of " + strings.Join(names, ", ")
}

// nearest is the name that was probably meant, or empty: the one with the fewest
// edits, at most a third of its length (1 below four characters, else at least
// 2, which a swap of neighbours costs); among equals the one with the longest
// common beginning. A name that begins with the other is near too. Case counts
// for nothing.
func nearest(got string, names []string) string {
	if len(got) > maxShown {
		return ""
	}
	best, fewest, longest := "", 0, 0
	for _, name := range names {
		edits, prefix, _ := levenshtein.Calculate([]rune(strings.ToLower(got)), []rune(strings.ToLower(name)), 0, 1, 1, 1)
		limit := 1
		if len(name) > 3 {
			limit = max(2, len(name)/3)
		}
		near := edits <= limit || prefix >= 3 && prefix == min(len(got), len(name))
		if near && (best == "" || edits < fewest || edits == fewest && prefix > longest) {
			best, fewest, longest = name, edits, prefix
		}
	}
	return best
}

// maxShown is how many characters of a value a message repeats.
const maxShown = 80

func quote(s string) string {
	if r := []rune(s); len(r) > maxShown {
		s = string(r[:maxShown]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
