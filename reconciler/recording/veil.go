package recording

import (
	"bytes"
	"fmt"
	"regexp"
)

// people are the principals whose last part names somebody: a session of a role, and a user, with or without a path. They
// stand in registeredBy and in the texts of denied calls. The role stays.
var people = regexp.MustCompile(`(arn:aws[a-z-]*:(?:sts::[0-9]*:assumed-role/[^/"\\\s]+|iam::[0-9]*:user)/)[^"\\\s]+`)

// withoutPeople gives a line of JSON with people's names hidden.
func withoutPeople(line []byte) []byte {
	if !bytes.Contains(line, []byte(":assumed-role/")) && !bytes.Contains(line, []byte(":user/")) {
		return line
	}
	return people.ReplaceAll(line, []byte("${1}***"))
}

// accountDigits is the length of an AWS account id.
const accountDigits = 12

// veil replaces account ids by others that mean nothing, the same one for the same id throughout: 000000000001 is the first
// account met. Whatever stands as a number of twelve digits in a text is taken for one, since ids stand in ARNs, in image
// and queue names, and in anybody's log lines; a few dates and order numbers go with them.
type veil map[string]string

// apply gives a line of JSON with the ids in its strings replaced. Numbers of JSON are no account ids.
func (v veil) apply(line []byte) []byte {
	out := line[:0:len(line)] // an id and what stands for it have the same length
	inside := false
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == '"':
			inside = !inside
		case inside && c == '\\':
			n := escaped(line[i:])
			out = append(out, line[i:i+n]...)
			i += n
			continue
		case inside && wordByte(c):
			n := word(line[i:])
			out = v.word(out, line[i:i+n])
			i += n
			continue
		}
		out = append(out, line[i])
		i++
	}
	return out
}

// word appends a word, or what stands for it.
func (v veil) word(out, word []byte) []byte {
	if len(word) != accountDigits || !digits(word) {
		return append(out, word...)
	}
	id := string(word)
	if v[id] == "" {
		v[id] = fmt.Sprintf("%0*d", accountDigits, len(v)+1)
	}
	return append(out, v[id]...)
}

func escaped(s []byte) int {
	if len(s) > 1 && s[1] == 'u' {
		return min(6, len(s))
	}
	return min(2, len(s))
}

func word(s []byte) int {
	n := 0
	for n < len(s) && wordByte(s[n]) {
		n++
	}
	return n
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80
}

func digits(s []byte) bool {
	for _, c := range s {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
