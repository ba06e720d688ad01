package otel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// writer makes JSON of the shape of the SDK's types, with keys in any order, any spacing, many spellings of a value and
// fields that the SDK does not know.
type writer struct {
	t   *rapid.T
	out strings.Builder
}

func (w *writer) chance(percent int) bool { return rapid.IntRange(0, 99).Draw(w.t, "chance") < percent }

func (w *writer) space() {
	w.out.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n  ", "\t"}).Draw(w.t, "space"))
}

func (w *writer) pick(of ...string) string { return rapid.SampledFrom(of).Draw(w.t, "pick") }

func (w *writer) str() string {
	return w.pick(`""`, `"plain"`, `"<&>"`, `"\u003c\u00e9\ud83d\ude00"`, `"é😀"`, `"\/a\"b\\\n"`, `"aws:x"`, `"]},{["`)
}

// object writes members in a random order.
func (w *writer) object(members map[string]func()) {
	keys := rapid.Permutation(slices.Sorted(maps.Keys(members))).Draw(w.t, "order")
	w.out.WriteString("{")
	for i, key := range keys {
		if i > 0 {
			w.out.WriteString(",")
		}
		w.space()
		fmt.Fprintf(&w.out, "%q", key)
		w.space()
		w.out.WriteString(":")
		w.space()
		members[key]()
		w.space()
	}
	w.out.WriteString("}")
}

func (w *writer) list(n int, element func(i int)) {
	w.out.WriteString("[")
	for i := range n {
		if i > 0 {
			w.out.WriteString(",")
		}
		w.space()
		element(i)
		w.space()
	}
	w.out.WriteString("]")
}

// novel is a field of tomorrow.
func (w *writer) novel(depth int) {
	if depth > 3 || w.chance(50) {
		w.out.WriteString(w.pick("null", "true", "1.0", "1", "1e3", "12345678901234567890.10", "-0", `"x"`, "[]", "{}"))
		return
	}
	if w.chance(50) {
		w.list(2, func(int) { w.novel(depth + 1) })
		return
	}
	w.object(map[string]func(){
		"name": func() { w.novel(depth + 1) }, "environment": func() { w.novel(depth + 1) }, "tags": func() { w.novel(depth + 1) },
	})
}

// fields lists a random part of a struct's fields, and sometimes an invented one.
func (w *writer) fields(t reflect.Type, depth int) map[string]func() {
	out := map[string]func(){}
	for f := range t.Fields() {
		if !f.IsExported() || !w.chance(max(10, 60-15*depth)) {
			continue
		}
		name := []rune(f.Name)
		name[0] = unicode.ToLower(name[0])
		out[string(name)] = func() { w.value(f.Type, depth+1) }
	}
	if w.chance(20) {
		out["inventedField"] = func() { w.novel(0) }
	}
	return out
}

func (w *writer) value(t reflect.Type, depth int) {
	switch {
	case t == reflect.TypeFor[time.Time]():
		w.out.WriteString(w.pick("1.7000000001E9", "1700000000.123", "1700000000"))
	case t.Kind() == reflect.Pointer:
		w.value(t.Elem(), depth)
	case t.Kind() == reflect.Struct:
		w.object(w.fields(t, depth))
	case t.Kind() == reflect.Slice:
		w.list(rapid.IntRange(0, 2).Draw(w.t, "n"), func(int) { w.value(t.Elem(), depth+1) })
	case t.Kind() == reflect.Map:
		w.object(map[string]func(){"k": func() { w.value(t.Elem(), depth+1) }, "environment": func() { w.value(t.Elem(), depth+1) }})
	case t.Kind() == reflect.String:
		w.out.WriteString(w.str())
	case t.Kind() == reflect.Bool:
		w.out.WriteString(w.pick("true", "false"))
	default:
		w.out.WriteString(w.pick("0", "1", "1.0", "1e3", "512", "9007199254740993"))
	}
}

func (w *writer) variable(name string) {
	w.object(map[string]func(){"name": func() { fmt.Fprintf(&w.out, "%q", name) }, "value": func() { w.out.WriteString(w.str()) }})
}

func (w *writer) container(i int) {
	members := w.fields(reflect.TypeFor[types.ContainerDefinition](), 1)
	delete(members, "environmentFiles")
	members["name"] = func() { fmt.Fprintf(&w.out, "%q", fmt.Sprintf("c%d", i)) }
	members["secrets"] = func() { w.list(1, func(int) { w.out.WriteString(`{"name":"SECRET","valueFrom":"arn"}`) }) }
	delete(members, "environment")
	if w.chance(80) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "C", "D"}), 0, 4, rapid.ID[string]).Draw(w.t, "names")
		members["environment"] = func() { w.list(len(names), func(i int) { w.variable(names[i]) }) }
	}
	w.object(members)
}

// document writes a describe response, or the task definition alone.
func (w *writer) document() {
	members := w.fields(reflect.TypeFor[types.TaskDefinition](), 0)
	members["containerDefinitions"] = func() { w.list(rapid.IntRange(1, 3).Draw(w.t, "containers"), w.container) }
	if w.chance(30) {
		w.object(members)
		return
	}
	top := map[string]func(){"taskDefinition": func() { w.object(members) }}
	if w.chance(70) {
		top["tags"] = func() {
			w.list(rapid.IntRange(0, 3).Draw(w.t, "tags"), func(int) {
				fmt.Fprintf(&w.out, `{"key":%s,"value":%s}`, w.str(), w.str())
			})
		}
	}
	w.object(top)
}

type tree = map[string]any

// decode keeps the spelling of numbers.
func decode(t *rapid.T, raw []byte) tree {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out tree
	if err := dec.Decode(&out); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	return out
}

// model is Patch once more, by another way: on the decoded tree.
func model(doc tree, set settings) (tree, []Change) {
	inner := doc
	if wrapped, ok := doc["taskDefinition"].(tree); ok {
		inner = wrapped
		if tags, ok := doc["tags"].([]any); ok {
			inner["tags"] = tags
		}
	}
	for _, field := range outputOnly {
		delete(inner, field)
	}
	tags, _ := inner["tags"].([]any)
	if tags = slices.DeleteFunc(tags, func(tag any) bool {
		key, _ := tag.(tree)["key"].(string)
		return strings.HasPrefix(key, "aws:")
	}); len(tags) == 0 {
		delete(inner, "tags")
	} else {
		inner["tags"] = tags
	}
	var changes []Change
	for _, c := range inner["containerDefinitions"].([]any) {
		changes = append(changes, modelContainer(c.(tree), set)...)
	}
	return inner, changes
}

func modelContainer(c tree, set settings) []Change {
	container := c["name"].(string)
	environment, _ := c["environment"].([]any)
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(set[container])) {
		value := set[container][name]
		i := slices.IndexFunc(environment, func(e any) bool { return e.(tree)["name"] == name })
		if i < 0 {
			environment = append(environment, tree{"name": name, "value": value})
			changes = append(changes, Change{Container: container, Name: name, New: value})
		} else if old := environment[i].(tree)["value"].(string); old != value {
			environment[i].(tree)["value"] = value
			changes = append(changes, Change{container, name, old, value, true})
		}
		c["environment"] = environment
	}
	return changes
}

// On any task definition of the SDK's shape, with fields of tomorrow in it: the output is what the model says, the
// differences are the policy's variables and nothing else, and values that nobody named keep every byte.
func TestPatchIsLossless(t *testing.T) {
	for range 6 { // rapid draws 100 documents a check
		rapid.Check(t, checkLossless)
	}
}

func checkLossless(t *rapid.T) {
	w := &writer{t: t}
	w.document()
	raw := []byte(w.out.String())
	set := settings{"c0": rapid.MapOfN(rapid.SampledFrom([]string{"A", "B", "E"}), rapid.SampledFrom([]string{"", "plain", "<&>", "0.01", "é😀", "\"\\\n"}), 1, 3).Draw(t, "set")}

	out, changes, err := Patch(raw, set)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	want, wantChanges := model(decode(t, raw), set)
	if diff := cmp.Diff(want, decode(t, out)); diff != "" {
		t.Fatalf("-want +got:\n%s\nin  %s\nout %s", diff, raw, out)
	}
	if diff := cmp.Diff(wantChanges, changes); diff != "" {
		t.Fatalf("changes -want +got:\n%s", diff)
	}
	checkDiff(t, raw, out, changes)
	checkBytes(t, raw, out)
}

func checkDiff(t *rapid.T, raw, out []byte, changes []Change) {
	found, err := Diff(raw, out)
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[Change]bool{}, map[Change]bool{}
	for _, c := range changes {
		if c.Existed && c.Old == c.New {
			continue // no value became an empty one, which is the same
		}
		want[Change{Container: c.Container, Name: c.Name, Existed: c.Existed}] = true
	}
	for _, d := range found {
		got[Change{Container: d.Container, Name: d.Variable, Existed: d.Kind == Changed}] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Diff -want +got:\n%s\nin  %s\nout %s", diff, raw, out)
	}
}

// checkBytes: the members of the definition keep their order and, but for containers and tags, their text; so do the
// containers that no policy names.
func checkBytes(t *rapid.T, raw, out []byte) {
	before, after := top(t, raw), top(t, out)
	before = slices.DeleteFunc(before, func(m member) bool { return slices.Contains(outputOnly, m.key) || m.key == "tags" })
	after = slices.DeleteFunc(after, func(m member) bool { return m.key == "tags" })
	if len(before) != len(after) {
		t.Fatalf("%d members became %d: %s", len(before), len(after), out)
	}
	for i, m := range before {
		if m.key != after[i].key || m.key != "containerDefinitions" && m.value.Raw != after[i].value.Raw {
			t.Fatalf("%s %s became %s %s", m.key, m.value.Raw, after[i].key, after[i].value.Raw)
		}
		if m.key != "containerDefinitions" {
			continue
		}
		was, is := m.value.Array(), after[i].value.Array()
		for j := 1; j < len(was); j++ {
			if was[j].Raw != is[j].Raw {
				t.Fatalf("container %s became %s", was[j].Raw, is[j].Raw)
			}
		}
	}
}

func top(t *rapid.T, raw []byte) []member {
	definition, _, err := root(raw)
	if err != nil {
		t.Fatal(err)
	}
	return membersOf(definition)
}
