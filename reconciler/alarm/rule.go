package alarm

import (
	"regexp"
	"slices"
	"strings"
)

// truth is a three-valued answer: what is not known stays not known.
type truth int8

const (
	falsely truth = iota - 1
	unsure
	truly
)

// ruleToken is a word of a composite alarm's rule: a bracket, an operator, TRUE, FALSE, or STATE("name").
var ruleToken = regexp.MustCompile(`^\s*(?:(AND|OR|NOT|TRUE|FALSE|[()])|(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"([^"]+)"|'([^']+)'|([^\s"'()]+))\s*\))`)

// ruleReader reads a composite alarm's rule, with one alarm in ALARM and every other in an unknown state.
type ruleReader struct {
	rest, raised string
	broken       bool
	names        bool // the rule names the raised alarm
}

// follows reports whether a composite alarm with the rule is in ALARM whenever the alarm with the name is. unsure: it
// depends on other alarms, or the rule cannot be read. mentioned says whether the rule has to do with it at all.
//
// Source: CloudWatch API, PutCompositeAlarm, AlarmRule. Names may be ARNs.
func follows(rule, name string) (t truth, mentioned bool) {
	r := ruleReader{rest: rule, raised: name}
	t = r.either()
	if r.broken || strings.TrimSpace(r.rest) != "" {
		return unsure, strings.Contains(rule, name)
	}
	return t, r.names
}

func (r *ruleReader) either() truth {
	t := r.both()
	for r.accept("OR") {
		t = max(t, r.both())
	}
	return t
}

func (r *ruleReader) both() truth {
	t := r.one()
	for r.accept("AND") {
		t = min(t, r.one())
	}
	return t
}

func (r *ruleReader) one() truth {
	m := ruleToken.FindStringSubmatch(r.rest)
	if m == nil {
		r.broken = true
		return unsure
	}
	r.rest = r.rest[len(m[0]):]
	switch m[1] {
	case "NOT":
		return -r.one()
	case "TRUE":
		return truly
	case "FALSE":
		return falsely
	case "(":
		t := r.either()
		r.broken = !r.accept(")") || r.broken
		return t
	case "":
		return r.state(m[2], m[3]+m[4]+m[5])
	}
	r.broken = true
	return unsure
}

// state is what STATE(name) says of the raised alarm.
func (r *ruleReader) state(state, name string) truth {
	if _, after, ok := strings.Cut(name, ":alarm:"); ok && strings.HasPrefix(name, "arn:") {
		name = after
	}
	if name != r.raised {
		return unsure
	}
	r.names = true
	if state == "ALARM" {
		return truly
	}
	return falsely
}

func (r *ruleReader) accept(word string) bool {
	m := ruleToken.FindStringSubmatch(r.rest)
	if m == nil || m[1] != word {
		return false
	}
	r.rest = r.rest[len(m[0]):]
	return true
}

// children are the names in a composite alarm's rule, each once.
func children(rule string) []string {
	var out []string
	for _, m := range childName.FindAllStringSubmatch(rule, -1) {
		name := m[1] + m[2] + m[3]
		if _, after, ok := strings.Cut(name, ":alarm:"); ok && strings.HasPrefix(name, "arn:") {
			name = after
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

var childName = regexp.MustCompile(`\b(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:"([^"]+)"|'([^']+)'|([^\s"'()]+))\s*\)`)
