package otel

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// DifferenceKind says how a place differs.
type DifferenceKind string

// Kinds.
const (
	Added   DifferenceKind = "added"
	Removed DifferenceKind = "removed"
	Changed DifferenceKind = "changed"
)

// Difference is one place where two task definitions differ. It carries no values: they may be secret.
type Difference struct {
	Path      string         `json:"path"` // containerDefinitions[app].environment[NAME]
	Kind      DifferenceKind `json:"kind"`
	Container string         `json:"container,omitempty"` // of a difference inside a container
	Variable  string         `json:"variable,omitempty"`  // of a difference in its environment
}

// Diff compares two documents (any of the shapes Patch takes) as registrations: without the fields only an answer has
// and without AWS's own tags. Fields nobody knows count like all others. Spelling does not count (1.0 is 1, \u0041 is A),
// nor does the order of keys, containers, variables, secrets, tags and compatibilities, which ECS does not promise to
// keep; the order of other lists does. The answer is in the order of the base, then of out.
//
// Its uses: base against Patch's output before registering, and what was sent against a fresh describe afterwards, where
// nothing may be left.
func Diff(base, out []byte) ([]Difference, error) {
	a, err := registration(base)
	if err != nil {
		return nil, fmt.Errorf("compare task definitions: the base: %w", err)
	}
	b, err := registration(out)
	if err != nil {
		return nil, fmt.Errorf("compare task definitions: the new one: %w", err)
	}
	var d differ
	d.groups("", a, b, place{})
	return d.found, nil
}

// registration lists the members of a document that are registered.
func registration(raw []byte) ([]group, error) {
	definition, tags, err := root(raw)
	if err != nil {
		return nil, err
	}
	members := slices.DeleteFunc(membersOf(definition), func(m member) bool {
		return m.key == "tags" || slices.Contains(outputOnly, m.key)
	})
	own := slices.DeleteFunc(membersOf(tags), func(m member) bool {
		key, _ := text(m.value, "key")
		return strings.HasPrefix(strings.ToLower(key), "aws:")
	})
	out := groupBy(members, func(m member) string { return m.key }, ".")
	for _, g := range groupBy(own, keyOf("key"), "[") {
		g.key = "tags" + g.key
		out = append(out, g)
	}
	return out, nil
}

// group holds the values of one key, in order: more than one only where a key or a name is there twice.
type group struct {
	key    string // as the path shows it: ".cpu", "[app]"
	values []gjson.Result
}

func groupBy(members []member, key func(member) string, open string) []group {
	var out []group
	index := map[string]int{}
	for _, m := range members {
		k := key(m)
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			shown := open + k
			if open == "[" {
				shown += "]"
			}
			out = append(out, group{key: shown})
		}
		out[i].values = append(out[i].values, m.value)
	}
	return out
}

// keyOf identifies an element by one of its fields; elements without it share the key "".
func keyOf(field string) func(member) string {
	return func(m member) string {
		key, _ := text(m.value, field)
		return key
	}
}

// place is what a Difference says beside its path.
type place struct{ container, variable string }

// environment tells whether path is the environment of the container that at is in.
func (at place) environment(path string) bool {
	return at.container != "" && at.variable == "" && path == ".containerDefinitions["+at.container+"].environment"
}

type differ struct{ found []Difference }

func (d *differ) add(path string, kind DifferenceKind, at place) {
	d.found = append(d.found, Difference{Path: strings.TrimPrefix(path, "."), Kind: kind, Container: at.container, Variable: at.variable})
}

// groups compares what two objects or keyed lists hold.
func (d *differ) groups(path string, a, b []group, at place) {
	other := map[string]group{}
	for _, g := range b {
		other[g.key] = g
	}
	seen := map[string]bool{}
	for _, g := range a {
		seen[g.key] = true
		d.values(path+g.key, g.values, other[g.key].values, within(path, g.key, at))
	}
	for _, g := range b {
		if !seen[g.key] {
			d.values(path+g.key, nil, g.values, within(path, g.key, at))
		}
	}
}

// within notes the container and the variable that a path enters.
func within(path, key string, at place) place {
	switch {
	case path == ".containerDefinitions" && key[0] == '[':
		at.container = key[1 : len(key)-1]
	case at.environment(path) && key[0] == '[':
		at.variable = key[1 : len(key)-1]
	}
	return at
}

// values compares the occurrences of one key. No environment, null and an empty one are the same: no variables.
func (d *differ) values(path string, a, b []gjson.Result, at place) {
	if at.environment(path) {
		a, b = list(a), list(b)
	}
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			d.add(path, Added, at)
		case i >= len(b):
			d.add(path, Removed, at)
		default:
			d.value(path, a[i], b[i], at)
		}
	}
}

func list(values []gjson.Result) []gjson.Result {
	if len(values) == 0 || len(values) == 1 && values[0].Type == gjson.Null {
		return []gjson.Result{gjson.Parse("[]")}
	}
	return values
}

func (d *differ) value(path string, a, b gjson.Result, at place) {
	switch {
	case at.variable != "": // one difference a variable, whatever differs in its entry
		var inner differ
		inner.value(path, a, b, place{})
		if len(inner.found) > 0 {
			d.add(path, Changed, at)
		}
	case a.IsObject() && b.IsObject():
		object := func(v gjson.Result) []group {
			return groupBy(membersOf(v), func(m member) string { return m.key }, ".")
		}
		d.groups(path, object(a), object(b), at)
	case a.IsArray() && b.IsArray():
		key := identity(path)
		d.groups(path, groupBy(indexed(a), key, "["), groupBy(indexed(b), key, "["), at)
	case scalar(a) != scalar(b):
		d.add(path, Changed, at)
	}
}

// indexed lists a list's elements with their positions as keys.
func indexed(v gjson.Result) []member {
	members := membersOf(v)
	for i := range members {
		members[i].key = strconv.Itoa(i)
	}
	return members
}

// identity is how the elements of a list are matched: by name where ECS gives them one, otherwise by position.
func identity(path string) func(member) string {
	field := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case path == ".containerDefinitions", strings.HasPrefix(path, ".containerDefinitions[") && (field == "environment" || field == "secrets"):
		return keyOf("name")
	case path == ".requiresCompatibilities":
		return func(m member) string { return scalar(m.value) }
	}
	return func(m member) string { return m.key }
}

// scalar is a value's meaning in one spelling; objects and arrays keep theirs.
func scalar(v gjson.Result) string {
	switch v.Type {
	case gjson.String:
		return quoted(v.Str)
	case gjson.Number:
		return number(v.Raw)
	}
	return v.Raw
}

// number spells a JSON number as digits and a power of ten, exactly: big integers and tiny fractions keep their worth.
func number(raw string) string {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(raw), "e")
	power, err := strconv.ParseInt(strings.TrimPrefix(cmp.Or(exponent, "0"), "+"), 10, 32)
	if err != nil {
		return raw
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	power -= int64(len(fraction))
	digits = strings.TrimLeft(whole+fraction, "0")
	trimmed := strings.TrimRight(digits, "0")
	if trimmed == "" {
		return "0"
	}
	power += int64(len(digits) - len(trimmed))
	if negative {
		trimmed = "-" + trimmed
	}
	return trimmed + "e" + strconv.FormatInt(power, 10)
}
