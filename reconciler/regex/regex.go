// Package regex is regular expressions that know the words which every match holds. It is pure.
package regex

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Expression is a regular expression with the words that every match must hold. Looking for words first makes hundreds of
// patterns a line affordable: RE2 without a literal beginning reads each line byte by byte, for each pattern.
type Expression struct {
	Regexp *regexp.Regexp
	// needs holds sets of folded words: every text that matches has a word of each set. None: nothing is known.
	needs [][]string
}

// Must compiles an expression. It panics on one that cannot be read, so it is for those written in the code.
func Must(s string) Expression { return Of(regexp.MustCompile(s)) }

// Of adds the words to a compiled expression.
func Of(compiled *regexp.Regexp) Expression {
	tree, err := syntax.Parse(compiled.String(), syntax.Perl)
	if err != nil {
		return Expression{Regexp: compiled}
	}
	return Expression{compiled, needsOf(tree)}
}

// MatchString reports whether the text matches.
func (x Expression) MatchString(s string) bool { return x.Match(s, Fold(s)) }

// Match is MatchString for a text whose folded form is at hand.
func (x Expression) Match(s, folded string) bool {
	return x.MayMatch(folded) && x.Regexp.MatchString(s)
}

// MayMatch is false only for a text that cannot match.
func (x Expression) MayMatch(folded string) bool {
	for _, words := range x.needs {
		if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(folded, w) }) {
			return false
		}
	}
	return true
}

// Fold brings texts that RE2 takes for the same under (?i) to one form, as far as ASCII words need it: beside the capital
// letters, k is also the Kelvin sign and s also the long s (unicode.SimpleFold).
func Fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ſ", "s") }

// maxWords bounds a set: beyond it, looking for the words costs what it saves.
const maxWords = 64

// needsOf derives the words from the parsed expression, the most telling set first.
func needsOf(r *syntax.Regexp) [][]string {
	if words, ok := exact(r); ok {
		return telling(words)
	}
	switch r.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return needsOf(r.Sub[0])
	case syntax.OpRepeat:
		if r.Min > 0 {
			return needsOf(r.Sub[0])
		}
	case syntax.OpConcat:
		return needsOfSequence(r.Sub)
	case syntax.OpAlternate:
		var either []string
		for _, sub := range r.Sub {
			needs := needsOf(sub)
			if len(needs) == 0 {
				return nil
			}
			either = append(either, needs[0]...)
		}
		return telling(either)
	default:
	}
	return nil
}

// needsOfSequence joins neighbours whose texts are few into words, and takes the others' sets as they are.
func needsOfSequence(subs []*syntax.Regexp) [][]string {
	var all [][]string
	words := []string{""}
	for _, sub := range subs {
		next, ok := exact(sub)
		if ok && len(words)*len(next) <= maxWords {
			words = product(words, next)
			continue
		}
		all = append(all, telling(words)...)
		words = []string{""}
		if ok {
			words = next
		} else {
			all = append(all, needsOf(sub)...)
		}
	}
	all = append(all, telling(words)...)
	slices.SortStableFunc(all, func(a, b []string) int { return shortest(b) - shortest(a) })
	return all
}

// exact lists, folded, all texts that the expression matches, if they are few. What stands for a place has the text "".
func exact(r *syntax.Regexp) ([]string, bool) {
	switch r.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return []string{""}, true
	case syntax.OpLiteral:
		// A sign beyond ASCII folds in more ways than fold knows, so nothing is concluded from it.
		return []string{Fold(string(r.Rune))}, !slices.ContainsFunc(r.Rune, beyondASCII)
	case syntax.OpCharClass:
		return signs(r.Rune)
	case syntax.OpCapture:
		return exact(r.Sub[0])
	case syntax.OpQuest:
		words, ok := exact(r.Sub[0])
		return append(words, ""), ok
	case syntax.OpConcat, syntax.OpAlternate:
		return exactOf(r.Op, r.Sub)
	default:
		return nil, false
	}
}

func exactOf(op syntax.Op, subs []*syntax.Regexp) ([]string, bool) {
	var words []string
	if op == syntax.OpConcat {
		words = []string{""}
	}
	for _, sub := range subs {
		next, ok := exact(sub)
		if !ok || len(words)*len(next) > maxWords {
			return nil, false
		}
		if op == syntax.OpConcat {
			words = product(words, next)
		} else {
			words = append(words, next...)
		}
	}
	return words, len(words) <= maxWords
}

func beyondASCII(r rune) bool { return r > 0x7f }

// signs lists the signs of a class given as pairs of first and last; the Kelvin sign and the long s fold into ASCII.
func signs(class []rune) ([]string, bool) {
	var out []string
	for i := 0; i < len(class); i += 2 {
		for r := class[i]; r <= class[i+1]; r++ {
			s := Fold(string(r))
			if len(out) > 8 || slices.ContainsFunc([]rune(s), beyondASCII) {
				return nil, false
			}
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out, len(out) > 0
}

func product(heads, tails []string) []string {
	out := make([]string, 0, len(heads)*len(tails))
	for _, h := range heads {
		for _, t := range tails {
			out = append(out, h+t)
		}
	}
	return out
}

// telling is the one set of these words, without those that hold another; none if any text would do.
func telling(words []string) [][]string {
	var out []string
	for _, w := range words {
		holds := func(o string) bool { return o != w && strings.Contains(w, o) }
		if w == "" {
			return nil
		}
		if !slices.ContainsFunc(words, holds) && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return [][]string{out}
}

func shortest(words []string) int {
	return len(slices.MinFunc(words, func(a, b string) int { return len(a) - len(b) }))
}
