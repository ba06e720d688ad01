package mask

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValue bounds a value: a longer one is no setting that is judged.
const maxValue = 4096

// Value is what may be kept of the value of an environment variable. Credentials in places where nothing else stands become stars: the
// user part before an @, everything after the name of the first query parameter or after a #, and everything after a key that sounds
// secret. ok is false where nothing may be kept: the value does not fit the grammar below, or holds something that looks like a
// credential. What is kept is masked already: Value leaves it as it is.
//
//	value  = item { separator item }        separators are white space, comma and semicolon
//	item   = [ key "=" ] word               in quotes or without
//	word   = URL | host [ ":" port ] [ path ] | name | number [ "%" ] | ARN | image | placeholder
//
// An @ may stand in the first item only. Whatever else could be a part of a password makes the value one that is not kept.
func Value(value string) (kept string, ok bool) {
	if len(value) > maxValue || !utf8.ValidString(value) || strings.ContainsFunc(value, unprintable) {
		return "", false
	}
	head, rest := user(value)
	if head == "" && strings.Contains(value, "@") && !imageDigest.MatchString(value) {
		return "", false
	}
	out, ok := items(rest)
	if out = head + out; !ok || once(out) != out {
		return "", false
	}
	return out, true
}

// Credential reports whether the value surely holds a credential, not only something that Value cannot read.
func Credential(value string) bool {
	kept, ok := Value(value)
	return ok && kept != value || once(value) != value
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) && r != '\t' && r != '\r' && r != '\n' }

var (
	userPart = regexp.MustCompile(`(?s)^(\s*["']?(?:[A-Za-z][\w.]*=(?:https?|grpcs?|tcp|udp)://|endpoint=|(?i:https?|grpcs?|tcp|udp)://)?)` +
		`[^\s,;/?#"']*@([^@]*)$`)
	// imageDigest is an image by digest: the one thing with an @ that has no user part.
	imageDigest = regexp.MustCompile(`^([a-z0-9][a-z0-9._:/-]*)@sha256:[0-9a-f]{64}$`)
)

// user masks the user part of the first item and gives what follows it. head is "" where no host follows an @.
func user(value string) (head, rest string) {
	m := userPart.FindStringSubmatch(value)
	if m == nil || imageDigest.MatchString(value) {
		return "", value
	}
	if k := keyed.FindStringSubmatch(strings.TrimSpace(value)); k != nil && Secret(k[1]) {
		return "", value // the @ belongs to the credential, and so may what follows it
	}
	host := m[2]
	if end := strings.IndexFunc(host, func(r rune) bool { return separator(r) || r == '?' || r == '#' }); end >= 0 {
		host = host[:end]
	}
	if !address(host) {
		return "", value
	}
	return m[1] + Stars + "@", m[2]
}

// items masks what follows, item by item.
func items(s string) (string, bool) {
	var out strings.Builder
	for s != "" {
		end := strings.IndexFunc(s, separator)
		if end < 0 {
			end = len(s)
		}
		item, last, ok := maskItem(s[:end])
		if !ok || announces(item) && strings.TrimSpace(s[end:]) != "" {
			return "", false
		}
		out.WriteString(item)
		if last { // a credential may hold a separator, so all that follows is part of it
			break
		}
		for end < len(s) && separator(rune(s[end])) {
			out.WriteByte(s[end])
			end++
		}
		s = s[end:]
	}
	return out.String(), true
}

func separator(r rune) bool { return strings.ContainsRune(" \t\r\n,;", r) }

// announces reports whether the next item is a credential.
func announces(item string) bool {
	switch strings.ToLower(strings.Trim(item, `"'`)) {
	case "bearer", "basic", "token", "digest", "apikey":
		return true
	}
	return false
}

var keyed = regexp.MustCompile(`(?s)^(["']?[A-Za-z_][\w.-]{0,63}=)(.*)$`)

// maskItem is one item; last says that a credential begins in it, to which all that follows belongs.
func maskItem(item string) (out string, last, ok bool) {
	key, word := "", item
	if m := keyed.FindStringSubmatch(item); m != nil {
		key, word = m[1], m[2]
	}
	if Secret(key) {
		return key + Stars, true, true
	}
	at := strings.IndexAny(word, "?#")
	if at < 0 {
		return item, false, plain(word)
	}
	return key + word[:at] + query(word[at:]), true, address(word[:at])
}

var parameter = regexp.MustCompile(`^\?[A-Za-z]{1,16}(?:[_-][A-Za-z]{1,16}){0,3}=`)

// query masks what follows a path: the name of the first parameter stays.
func query(s string) string {
	if name := parameter.FindString(s); name != "" {
		return name + Stars
	}
	return s[:1] + Stars
}

var (
	words = []*regexp.Regexp{
		regexp.MustCompile(`^(?:[\p{L}\p{N}_.+/*-]|\$\{[\w.!:-]{1,64}\})+$`),                                          // names, paths, ${PARTS}
		regexp.MustCompile(`^[+-]?[0-9.]*%$`),                                                                         // 5 %
		regexp.MustCompile(`^\{\{[\w.-]{1,64}\}\}$|^\$\([\w.]{1,64}\)$|^\$[A-Z][A-Z0-9_]*$|^<[A-Za-z][\w.-]{0,64}>$`), // other placeholders
		regexp.MustCompile(`^arn:[\w*-]*(?::[\w*/.-]*){4,}$`),
		regexp.MustCompile(`^(?:ecs|eks|ec2|k8s|lambda|generic):[\w./-]+$`),                                       // aws.hostedin.environment
		regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*(?::\d+)?/[a-z0-9._/-]*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$`), // images
	}
	addresses = regexp.MustCompile(`^(?:(?i:[a-z][a-z0-9+.-]{0,15})://)?(?:(?:tcp|udp):)?` +
		`(?:[\w.*-]+|\[[0-9A-Fa-f:.]+\]|\$\{\w+\})(?::(?:\d{1,5}|\$\{\w+\}))?(?:/[\w.~*+/-]*)?$`)
	unixAddress = regexp.MustCompile(`^(?:unix|file):/{0,3}[\w./-]+$`)
	runs        = regexp.MustCompile(`[A-Za-z0-9]+`)
	hexadecimal = regexp.MustCompile(`^(?:[0-9a-f]+|[0-9A-F]+)$`)
)

// plain reports whether a word is of the grammar, and looks like no credential.
func plain(word string) bool {
	if word = unquoted(word); word == "" {
		return true
	}
	if opaque(word) {
		return false
	}
	for _, w := range words {
		if w.MatchString(word) {
			return true
		}
	}
	return address(word)
}

func unquoted(word string) string { return strings.Trim(word, `"'`) }

// address reports whether a word is a URL, or a host with a port and a path.
func address(word string) bool {
	word = unquoted(word)
	return !opaque(word) && (addresses.MatchString(word) || unixAddress.MatchString(word))
}

// opaque reports whether letters and digits stand mixed as only a generated text mixes them. Hexadecimal digits are those of ids and
// hashes, which are public.
func opaque(word string) bool {
	for _, run := range runs.FindAllString(word, -1) {
		if len(run) >= 16 && !hexadecimal.MatchString(run) && changes(run) >= 4 {
			return true
		}
	}
	return false
}

// changes counts how often the kind of sign changes: small letter, capital letter, digit. A capital before small letters begins a word
// and is no change.
func changes(run string) int {
	kind := func(b byte) int {
		switch {
		case b >= '0' && b <= '9':
			return 0
		case b >= 'a':
			return 1
		}
		return 2
	}
	n, digits := 0, 0
	for i := range len(run) {
		if kind(run[i]) == 0 {
			digits++
		}
		if i > 0 && kind(run[i]) != kind(run[i-1]) && !(kind(run[i-1]) == 2 && kind(run[i]) == 1) {
			n++
		}
	}
	if digits == 0 { // CamelCase has no digits
		return 0
	}
	return n
}

var (
	secretKey = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|auth|cred|cookie|` +
		`signature|signing|session|jwt|bearer|dsn|licen[cs]e|honeycomb|headers`)
	publicOne = regexp.MustCompile(`(?i)^["']?public_?key(?:_?token)?=?$`)
)

// Secret reports whether the name of a variable or a key says that its value is a credential. OTEL_EXPORTER_OTLP_HEADERS is such a name:
// the headers carry the keys of vendors.
func Secret(name string) bool { return secretKey.MatchString(name) && !publicOne.MatchString(name) }
