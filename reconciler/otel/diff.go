package otel

import (
	"cmp"
	"errors"
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

// Diff compares two documents (any of the shapes Patch takes) by what they mean to ECS, as registrations: without the fields only an
// answer has and without AWS's own tags. It is the one comparer of task definitions: of the base and what is to be registered, of what
// was sent and what ECS described, and of two revisions when one is restored.
//
// These are no differences, since ECS does not promise to keep them:
//   - the order of keys and of lists whose elements have a name of their own (identities) or are a set;
//   - the spelling of texts and numbers: \u0041 is A, 1.0 is 1, and so is "1" where ECS has a number;
//   - a field with the value that stands for nothing, beside one that is not there: 0, false, "", null, [] and {}. ECS fills in such
//     defaults, also those of fields that are new. For a few known fields nothing is no default (telling).
//
// All else is a difference: the order of other lists, such as a command, and any other value of a field, also of one that nobody knows.
// The answer is in the order of the base, then of out.
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
	if !definition.IsObject() {
		return nil, errors.New("it is no JSON object")
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
type place struct {
	container, variable string
	free                bool // in a map whose keys people choose, as those of labels: each entry counts as it is
}

// environment reports whether path is the environment of the container that at is in.
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

// freeMaps are the fields whose keys people choose.
var freeMaps = []string{"dockerLabels", "options", "driverOpts", "labels"}

// within notes the container and the variable that a path enters.
func within(path, key string, at place) place {
	switch {
	case path == ".containerDefinitions" && key[0] == '[':
		at.container = key[1 : len(key)-1]
	case at.environment(path) && key[0] == '[':
		at.variable = key[1 : len(key)-1]
	case slices.Contains(freeMaps, last(path)):
		at.free = true
	}
	return at
}

// values compares the occurrences of one key or name. An element of a list is there or it is not; a field that is not there is one with
// nothing in it.
func (d *differ) values(path string, a, b []gjson.Result, at place) {
	for i := range max(len(a), len(b)) {
		x, y := occurrence(a, i), occurrence(b, i)
		switch element := strings.HasSuffix(path, "]"); {
		case x.Exists() && y.Exists() || !element && !at.free:
			d.value(path, filled(x, y), filled(y, x), at)
		case x.Exists():
			d.add(path, Removed, at)
		default:
			d.add(path, Added, at)
		}
	}
}

// occurrence is the value with the number i, or one that does not exist.
func occurrence(values []gjson.Result, i int) gjson.Result {
	if i < len(values) {
		return values[i]
	}
	return gjson.Result{}
}

// filled is v, or an empty list or object where nothing stands beside a list or an object.
func filled(v, beside gjson.Result) gjson.Result {
	switch {
	case v.Type != gjson.Null:
	case beside.IsArray():
		return gjson.Parse("[]")
	case beside.IsObject():
		return gjson.Parse("{}")
	}
	return v
}

func (d *differ) value(path string, a, b gjson.Result, at place) {
	switch {
	case at.variable != "": // the value of a variable is one thing, and what else is in its entry another
		var inner differ
		inner.value("", a, b, place{})
		for _, f := range inner.found {
			if f.Path == "value" {
				d.add(path, Changed, at)
			} else {
				d.add(path+"."+f.Path, f.Kind, place{container: at.container})
			}
		}
	case a.IsObject() && b.IsObject():
		d.groups(path, fields(a), fields(b), at)
	case a.IsArray() && b.IsArray():
		key := identity(path)
		d.groups(path, groupBy(indexed(a), key, "["), groupBy(indexed(b), key, "["), at)
	case scalar(path, a, at) != scalar(path, b, at):
		d.add(path, kindOf(a, b), at)
	}
}

func kindOf(a, b gjson.Result) DifferenceKind {
	switch {
	case !a.Exists():
		return Added
	case !b.Exists():
		return Removed
	}
	return Changed
}

func fields(v gjson.Result) []group {
	return groupBy(membersOf(v), func(m member) string { return m.key }, ".")
}

// telling are the fields where 0 or false says something else than a field that is not there (ContainerDefinition and LinuxParameters in
// the ECS API reference).
var telling = []string{"essential", "swappiness", "maxSwap", "stopTimeout", "startTimeout"}

// nothing reports whether a value is what a field that is not there has as well.
func nothing(path string, v gjson.Result) bool {
	switch {
	case v.Type == gjson.Null:
		return true
	case slices.Contains(telling, last(path)):
		return false
	case v.IsArray() || v.IsObject():
		return len(membersOf(v)) == 0
	case v.Type == gjson.Number:
		return number(v.Raw) == "0"
	}
	return v.Type == gjson.False || v.Type == gjson.String && v.Str == ""
}

// last is the name of the field that a path ends in.
func last(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// indexed lists a list's elements with their positions as keys.
func indexed(v gjson.Result) []member {
	members := membersOf(v)
	for i := range members {
		members[i].key = strconv.Itoa(i)
	}
	return members
}

// identities are the fields by which the elements of a list are told apart, where their order has no meaning (ECS API reference,
// RegisterTaskDefinition). Elements that agree in them keep their order. Lists that are not here are compared by position: the order of
// a command has a meaning, and so has that of name servers and of environment files.
var identities = map[string][]string{
	"containerDefinitions": {"name"}, "volumes": {"name"}, "placementConstraints": {"type", "expression"},
	"inferenceAccelerators": {"deviceName"}, "properties": {"name"}, "environment": {"name"}, "secrets": {"name"}, "secretOptions": {"name"},
	"portMappings": {"containerPort", "containerPortRange", "protocol", "hostPort"}, "mountPoints": {"containerPath"},
	"volumesFrom": {"sourceContainer"}, "dependsOn": {"containerName"}, "ulimits": {"name"}, "systemControls": {"namespace"},
	"resourceRequirements": {"type"}, "extraHosts": {"hostname"}, "devices": {"hostPath", "containerPath"}, "tmpfs": {"containerPath"},
}

// sets are the lists of texts and numbers whose order has no meaning.
var sets = []string{"requiresCompatibilities", "add", "drop", "permissions", "dockerSecurityOptions", "links", "ignoredExitCodes"}

// identity is how the elements of a list are matched. An element of another kind than its list ought to have is matched by position.
func identity(path string) func(member) string {
	field := last(path)
	if names, ok := identities[field]; ok {
		return func(m member) string {
			if !m.value.IsObject() {
				return m.key
			}
			var key []string
			for _, name := range names {
				if v, _, _ := find(m.value, name); v.value.Exists() && !nothing(name, v.value) {
					key = append(key, shownKey(v.value))
				}
			}
			return strings.Join(key, " ")
		}
	}
	if slices.Contains(sets, field) {
		return func(m member) string { return shownKey(m.value) }
	}
	return func(m member) string { return m.key }
}

// shownKey is a value as a path shows it.
func shownKey(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	if v.Type == gjson.Number {
		return strconv.FormatFloat(v.Num+0, 'f', -1, 64) // -0 becomes 0
	}
	return v.Raw
}

// numbers are the fields that are numbers to ECS: a text with a number in it means the same.
var numbers = []string{
	"cpu", "memory", "memoryReservation", "containerPort", "hostPort", "softLimit", "hardLimit", "size", "sizeInGiB", "interval",
	"timeout", "retries",
	"startPeriod", "startTimeout", "stopTimeout", "maxSwap", "swappiness", "sharedMemorySize", "restartAttemptPeriod",
	"transitEncryptionPort",
}

// scalar is a value's meaning in one spelling, "" for nothing; objects and arrays keep theirs.
func scalar(path string, v gjson.Result, at place) string {
	switch {
	case !at.free && !strings.HasSuffix(path, "]") && nothing(path, v):
		return ""
	case v.Type == gjson.String && !at.free && slices.Contains(numbers, last(path)) && numeral(v.Str):
		return number(v.Str)
	case v.Type == gjson.String:
		return quoted(v.Str)
	case v.Type == gjson.Number:
		return number(v.Raw)
	}
	return v.Raw
}

// numeral reports whether a text is a JSON number.
func numeral(s string) bool {
	v := gjson.Parse(s)
	return v.Type == gjson.Number && v.Raw == s && gjson.Valid(s)
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
