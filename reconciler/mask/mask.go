// Package mask takes credentials out of text before it is kept, logged, shown or sent. Nothing else in taskwarden does. It is pure.
//
// Two kinds of text pass it. Line and Text take what a program or a person wrote, such as a log line or a reason of AWS: what is known
// as a credential becomes stars, and the rest stays. Value takes the value of an environment variable, which is a setting and has a
// grammar: what does not fit the grammar is not kept at all.
package mask

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"taskwarden/reconciler/regex"
)

// Stars stands in the place of a credential.
const Stars = "***"

// MaxLine bounds a shown log line or evidence text, in bytes.
const MaxLine = 500

// Line makes a log line fit to be stored and shown: at most 500 bytes, cut at a rune; no control characters or terminal
// colours; credentials replaced by stars. It never gives more bytes than it got, and masking twice changes nothing.
//
// Masked are AWS key ids and secrets, authorization and cookie headers, JSON web tokens, tokens of known vendors,
// private keys, user and password before an @, and values of keys that sound secret in key=value, JSON and query form. It errs
// towards masking. E-mail addresses, host names and public keys stay: they are no credentials, and often say what failed.
func Line(line string) string { return text(line, MaxLine) }

// maxText is how much of a text Text keeps: what a tail keeps of a line (cloud.Account.Tail).
const maxText = 8 << 10

// Text masks as Line does and keeps up to 8 KiB, for texts that are to be judged again, as those of a recording are.
func Text(s string) string { return text(s, maxText) }

func text(line string, most int) string {
	line = clean(line[:min(len(line), 8*most)])
	for range 4 { // a cut may bring a pattern to the end of the line, where it matches only now
		next := Cut(once(line), most)
		if next == line {
			break
		}
		line = next
	}
	return line
}

// once takes each kind of credential once. What a line cannot hold is not looked for; masking one kind brings no other,
// since stars are in no word and in no base64.
func once(s string) string {
	folded, run := regex.Fold(s), longestRun(s)
	may := func(r rule) bool { return run >= r.run && r.re.MayMatch(folded) }
	var found [][2]int
	for _, r := range tokens { // all are looked for in the text as it is: one may begin inside another
		if may(r) {
			found = append(found, r.find(s)...)
		}
	}
	s = replace(s, found)
	for _, r := range places {
		if may(r) {
			s = replace(s, r.find(s))
		}
	}
	return s
}

// find gives where the credentials of one kind stand, from and to.
func (r rule) find(s string) [][2]int {
	var out [][2]int
	for _, at := range r.re.Regexp.FindAllStringSubmatchIndex(s, -1) {
		from, to := at[0], at[1]
		if r.keep {
			from, to = at[4], at[5]
		}
		if (r.only == nil || r.only(s[from:to])) && !(r.keep && public(s[:at[3]])) {
			out = append(out, [2]int{from, to})
		}
	}
	return out
}

// replace puts stars into the places, which may overlap.
func replace(s string, places [][2]int) string {
	slices.SortFunc(places, func(a, b [2]int) int { return a[0] - b[0] })
	var out strings.Builder
	at := 0
	for i := 0; i < len(places); {
		from, to := places[i][0], places[i][1]
		for i++; i < len(places) && places[i][0] < to; i++ {
			to = max(to, places[i][1])
		}
		out.WriteString(s[at:from])
		out.WriteString(stars(s[from:to]))
		at = to
	}
	if at == 0 {
		return s
	}
	out.WriteString(s[at:])
	return out.String()
}

// longestRun is the number of characters of base64 that stand in a row.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, b := range []byte(s) {
		if 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '/' || b == '+' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// stars replaces a credential, and keeps its quotes so that structured lines stay readable.
func stars(secret string) string {
	inner := strings.TrimLeft(secret, `\"'`)
	head := secret[:len(secret)-len(inner)]
	body := strings.TrimRight(inner, `"'`)
	tail := inner[len(body):]
	return head + Stars[:min(len(Stars), len(body))] + tail
}

var colours = regexp.MustCompile("\x1b\\[[0-9;:?]*[ -/]*[@-~]|\x1b[@-Z\\\\-_]")

// WithoutColours drops the sequences that colour a terminal.
func WithoutColours(s string) string { return colours.ReplaceAllString(s, "") }

// clean drops what a terminal would act on.
func clean(s string) string {
	if strings.IndexByte(s, 0x1b) >= 0 {
		s = WithoutColours(s)
	}
	return strings.TrimRight(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r), r == '\u2028', r == '\u2029', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1
		}
		return r
	}, s), " ")
}

// Cut bounds s to n bytes at a rune.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
