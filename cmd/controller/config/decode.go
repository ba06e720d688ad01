package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Limits against texts that are small and grow: aliases may repeat a value, and
// a wrong file may have a problem on each line.
const (
	maxValues   = 100_000
	maxProblems = 1000
)

// decoder walks a YAML document along the Go types and notes every problem on
// its way, where a library's decoder stops at the first.
type decoder struct {
	file     string
	anchors  map[string][]*ast.AnchorNode
	at       map[string]place // where each given field's value is, by path
	problems Errors
	warnings Errors
	left     int // values that may still be read
}

// field is what is known of the place in the types that a value is read for.
type field struct {
	path string
	tag  reflect.StructTag
}

// enum is a text type with a closed list of values.
type enum interface{ Values() []string }

// load fills c from the document and notes what cannot be read.
func (d *decoder) load(root ast.Node, c *Config) {
	d.anchors, d.at = map[string][]*ast.AnchorNode{}, map[string]place{"": placeOf(root)}
	ast.Walk(d, root)
	d.value(root, reflect.ValueOf(c).Elem(), field{})
	if d.left < 0 {
		d.problem(start, "", fmt.Sprintf("more than %d values once aliases are followed", maxValues), "repeat less")
	}
}

func (d *decoder) problem(at place, path, message, hint string) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, Problem{d.file, at.line, at.column, path, message, hint, false})
	}
}

// where is the place of a field, or of the nearest thing around it that the
// text has.
func (d *decoder) where(path string) place {
	for {
		if at, ok := d.at[path]; ok {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// value reads n into v. A null and an empty list or map are the same as leaving
// the field out, except where it must not be empty; it reports whether there was
// more than a null.
func (d *decoder) value(n ast.Node, v reflect.Value, f field) bool {
	if d.left--; d.left < 0 {
		return true
	}
	if n = d.resolve(n, f.path); n == nil {
		return true
	}
	d.at[f.path] = placeOf(n)
	if n.Type() == ast.NullType {
		d.empty(v, f)
		return false
	}
	d.typed(n, v, f)
	return true
}

func (d *decoder) typed(n ast.Node, v reflect.Value, f field) {
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(n, v, f)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, f)
	case reflect.Slice:
		d.list(n, v, f)
	case reflect.Map:
		d.table(n, v, f)
	case reflect.String:
		d.text(n, v, f)
	default:
		d.scalar(n, v, f)
	}
}

func (d *decoder) empty(v reflect.Value, f field) {
	if f.tag.Get("nonempty") != "" {
		d.problem(d.at[f.path], f.path, f.path+": empty", "leave it out or give it at least one entry")
	}
	if f.path == "" && v.Kind() == reflect.Struct {
		d.required(v, f, nil)
	}
}

// object reads a map with fixed fields.
func (d *decoder) object(n ast.Node, v reflect.Value, f field) {
	entries, ok := d.entries(n, f.path)
	if !ok {
		d.mismatch(n, v, f)
		return
	}
	var given []string
	for _, e := range entries {
		sf, known := fieldNamed(v.Type(), e.key)
		if !known {
			d.problem(e.at, join(f.path, e.key), fmt.Sprintf("unknown field %s%s", quote(e.key), in(f.path)), suggest(e.key, fieldNames(v.Type())))
			continue
		}
		if d.value(e.value, v.FieldByIndex(sf.Index), field{join(f.path, e.key), sf.Tag}) {
			given = append(given, e.key)
		}
	}
	d.required(v, f, given)
}

func (d *decoder) required(v reflect.Value, f field, given []string) {
	for sf := range fields(v.Type()) {
		name := fieldName(sf)
		if sf.Tag.Get("required") == "" || slices.Contains(given, name) {
			continue
		}
		d.problem(d.where(f.path), join(f.path, name), join(f.path, name)+" is missing", "add "+name+": "+exampleFor(sf.Type, sf.Tag))
	}
}

// list reads a list; each entry starts from its type's defaults.
func (d *decoder) list(n ast.Node, v reflect.Value, f field) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mismatch(n, v, f)
		return
	}
	if len(seq.Values) == 0 {
		d.empty(v, f)
		return
	}
	if most := f.tag.Get("maxItems"); most != "" && len(seq.Values) > int(number(most)) {
		d.problem(d.at[f.path], f.path, fmt.Sprintf("%s: %d entries are more than AWS takes", f.path, len(seq.Values)), "keep at most "+most)
	}
	items := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, item := range seq.Values {
		slot := items.Index(i)
		if w, ok := slot.Addr().Interface().(defaulter); ok {
			w.setDefaults()
		}
		path := fmt.Sprintf("%s[%d]", f.path, i)
		if r := d.resolve(item, path); r != nil && r.Type() == ast.NullType {
			d.problem(placeOf(r), path, path+": an entry without a value", "remove the dash or write the entry after it")
			continue
		}
		d.value(item, slot, field{path, entryTag(f.tag)})
	}
	v.Set(items)
}

// table reads a map with keys of the user's choice.
func (d *decoder) table(n ast.Node, v reflect.Value, f field) {
	entries, ok := d.entries(n, f.path)
	if !ok {
		d.mismatch(n, v, f)
		return
	}
	if len(entries) == 0 {
		d.empty(v, f)
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(entries))
	for _, e := range entries {
		key, slot := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		path := join(f.path, e.key)
		key.SetString(e.key)
		if why, hint := textProblem(key, f.tag.Get("keys")); why != "" {
			d.problem(e.at, path, fmt.Sprintf("%s: %s %s", f.path, quote(e.key), why), hint)
			continue
		}
		if r := d.resolve(e.value, path); r != nil && r.Type() == ast.NullType {
			d.problem(placeOf(r), path, path+": no value", "give it "+exampleFor(v.Type().Elem(), f.tag))
			continue
		}
		d.value(e.value, slot, field{path, entryTag(f.tag)})
		out.SetMapIndex(key, slot)
	}
	v.Set(out)
}

// entryTag is the tag for the entries of a list or map: what is said of the
// whole does not hold for each.
func entryTag(tag reflect.StructTag) reflect.StructTag {
	return reflect.StructTag(fmt.Sprintf("format:%q secret:%q", tag.Get("format"), tag.Get("secret")))
}
