package churn

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"taskwarden/reconciler/regex"
)

// ours are all expressions that are looked for through their words.
func ours() []regex.Expression {
	out := []regex.Expression{recovered, raceReport, javaFlags, javaEnds, pythonEnds, pythonFrame, worker, warned, shutdownBegan, gaveUpText, memoryText, hostText, placementText, startText, ownStartError, deployText, spotText}
	for _, p := range patterns {
		out = append(out, p.re)
	}
	return out
}

// Looking for words first must change no answer: texts are made from each regex.Expression itself, so that most match, with
// other cases and with the signs that fold to k and s.
func TestExpressionsMatchAsTheirRegexp(t *testing.T) {
	for _, x := range ours() {
		made := textsOf(x.Regexp)
		matched := 0
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.StringMatching(`[ -~]{0,8}`).Draw(t, "head") + recase(t, made.Draw(t, "text")) + rapid.StringMatching(`[ -~]{0,8}`).Draw(t, "tail")
			if rapid.Bool().Draw(t, "bare") {
				text = made.Draw(t, "bare text")
			}
			want := x.Regexp.MatchString(text)
			if want {
				matched++
			}
			if got := x.MatchString(text); got != want {
				t.Fatalf("%s on %q: %v, its regexp says %v", x.Regexp, text, got, want)
			}
		})
		if matched == 0 {
			t.Errorf("no text of %s matched: the test shows nothing", x.Regexp)
		}
	}
}

// textsOf makes texts of an regex.Expression; anchors and word borders have no text of their own.
func textsOf(x *regexp.Regexp) *rapid.Generator[string] {
	anchors := regexp.MustCompile(`\\b|\^|\$`)
	classes := regexp.MustCompile(`\[[^\]]*\]`)
	plain := ""
	last := 0
	for _, at := range classes.FindAllStringIndex(x.String(), -1) {
		plain += anchors.ReplaceAllString(x.String()[last:at[0]], "") + x.String()[at[0]:at[1]]
		last = at[1]
	}
	return rapid.StringMatching(plain + anchors.ReplaceAllString(x.String()[last:], ""))
}

func recase(t *rapid.T, s string) string {
	mode := rapid.IntRange(0, 3).Draw(t, "case")
	out := []rune(s)
	for i, r := range out {
		switch {
		case mode == 1 && r >= 'a' && r <= 'z':
			out[i] = r - 'a' + 'A'
		case mode == 2 && (r == 'k' || r == 'K'):
			out[i] = '\u212a'
		case mode == 2 && (r == 's' || r == 'S'):
			out[i] = 'ſ'
		case mode == 3 && i%2 == 0 && r >= 'A' && r <= 'Z':
			out[i] = r - 'A' + 'a'
		}
	}
	return string(out)
}
