package churn

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds a shown log line or evidence text, in bytes.
const maxLine = 500

// Mask makes a log line fit to be stored and shown: at most 500 bytes, cut at a rune; no control characters or terminal
// colours; credentials replaced by stars. It never gives more bytes than it got, and masking twice changes nothing.
//
// Masked are AWS key ids and secrets, authorization and cookie headers, JSON web tokens, tokens of known vendors,
// private keys, user and password in URLs, and values of keys that sound secret in key=value, JSON and query form. It errs
// towards masking. E-mail addresses and host names stay: they are no credentials, and often tell what failed.
func Mask(line string) string { return mask(line, maxLine) }

// maxJudged is how much of a text MaskWhole keeps: what a tail keeps of a line (cloud.Account.Tail).
const maxJudged = 8 << 10

// MaskWhole masks as Mask does and keeps up to 8 KiB, for texts that are to be judged again, as those of a recording are.
func MaskWhole(text string) string { return mask(text, maxJudged) }

func mask(line string, most int) string {
	line = clean(line[:min(len(line), 8*most)])
	for range 4 { // a cut may bring a pattern to the end of the line, where it matches only now
		next := cut(maskOnce(line), most)
		if next == line {
			break
		}
		line = next
	}
	return line
}

// secret is one kind of credential.
type secret struct {
	re expression
	// keep is the number of the group in front of the secret that stays; 0: nothing stays.
	keep int
	// only, if set, decides by the secret itself.
	only func(secret string) bool
	// run is how many characters of base64 stand in a row in every match; 0: nothing is known.
	run int
}

var secrets = []secret{
	// PEM, also cut or with escaped line breaks; and a line that is base64 throughout, as the middle of a PEM block is.
	{re: re(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*`)},
	{re: re(`^\s*[A-Za-z0-9+/]{60,}={0,2}\s*$`), run: 60},
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
	{re: re(`(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}`)},
	{re: re(`()([A-Za-z0-9/+]{40,})`), keep: 1, only: awsSecret, run: 40},
	{re: re(`eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}`)},
	// Prefixes that GitHub, GitLab, Slack, OpenAI, Stripe, Google, npm and SendGrid publish for secret scanning.
	{re: re(`(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|sk_live_|rk_live_|AIza|npm_|SG\.)[A-Za-z0-9_.-]{16,}`)},
	{re: re(`([A-Za-z][A-Za-z0-9+.-]*://)([^\s/@"'<>]+)@`), keep: 1},
	{re: re(`(?i)((?:set-)?cookie\\?["']?\s*[:=]\s*)(\S.*)`), keep: 1},
	{re: re(`(?i)(authorization\\?["']?\s*[:=]\s*\[?\\?["']?(?:bearer |basic |token |digest |apikey )?)([^"'\s\\]+)`), keep: 1},
	{re: re(`(?i)(\bbearer[ :=]+)([A-Za-z0-9._~+/=-]{6,})`), keep: 1, only: notWord},
	{re: re(`(?i)(\bbasic )([A-Za-z0-9+/=_-]{8,})`), keep: 1, only: notWord},
	{re: secretPair(`password|passwd|passphrase|pwd|secret|api[_-]?key|(?:access|private|secret|account|shared|encryption|signing)[_-]?key`, `[=:]`), keep: 1},
	{re: secretPair(`token|credentials?|signature|sig|session[_-]?id|x-amz-[a-z-]+|auth`, `=`), keep: 1},
	{re: secretPair(`token|credentials?|signature|session[_-]?id`, `:`), keep: 1, only: notWord},
	{re: re(`(?i)(--?(?:password|passwd|token|secret|api-?key)\s+)([^\s"']+)`), keep: 1},
}

// secretPair matches a key that ends in one of the words, a separator and the value: quoted, quoted inside a quoted text,
// or up to the next delimiter.
func secretPair(words, sep string) expression {
	return re(`(?i)((?:` + words + `)s?\\*["']?\s*` + sep + `>?\s*)` +
		`(\\+"[^"\\]*|"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"'&,;)}\]\\]+)`)
}

// awsSecret is the shape of a secret access key or session token, and not of a hash or a path.
func awsSecret(s string) bool {
	hasUpper := strings.ContainsFunc(s, unicode.IsUpper)
	hasLower := strings.ContainsFunc(s, unicode.IsLower)
	hasDigit := strings.ContainsFunc(s, unicode.IsDigit)
	return hasUpper && hasLower && hasDigit && strings.Count(s, "/") <= 1+len(s)/20
}

// notWord keeps plain language ("token: missing", "basic authentication") readable.
func notWord(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) || strings.ContainsAny(s, `"'=+_`) || len(s) > 24
}

// maskOnce takes each kind of secret once. What a line cannot hold is not looked for; masking one kind brings no other,
// since stars are in no word and in no base64.
func maskOnce(s string) string {
	folded, run := fold(s), longestRun(s)
	for _, p := range secrets {
		if run >= p.run && p.re.mayMatch(folded) {
			s = p.mask(s)
		}
	}
	return s
}

func (p secret) mask(s string) string {
	for _, at := range slices.Backward(p.re.re.FindAllStringSubmatchIndex(s, -1)) {
		from, to := at[0], at[1]
		if p.keep > 0 {
			from, to = at[4], at[5]
		}
		if p.only == nil || p.only(s[from:to]) {
			s = s[:from] + stars(s[from:to]) + s[to:]
		}
	}
	return s
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

// stars replaces a secret, and keeps its quotes so that structured lines stay readable.
func stars(secret string) string {
	inner := strings.TrimLeft(secret, `\"'`)
	head := secret[:len(secret)-len(inner)]
	body := strings.TrimRight(inner, `"'`)
	tail := inner[len(body):]
	return head + "***"[:min(3, len(body))] + tail
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;:?]*[ -/]*[@-~]|\x1b[@-Z\\\\-_]")

// clean drops what a terminal would act on.
func clean(s string) string {
	if strings.IndexByte(s, 0x1b) >= 0 {
		s = ansi.ReplaceAllString(s, "")
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

// cut bounds s to n bytes at a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
