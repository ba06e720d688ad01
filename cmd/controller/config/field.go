package config

import (
	"iter"
	"reflect"
	"strings"
)

// fields yields the exported fields of a struct type in order.
func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if sf := t.Field(i); sf.IsExported() && !yield(sf) {
				return
			}
		}
	}
}

// fieldName is the name of a field in the file.
func fieldName(sf reflect.StructField) string {
	name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
	return name
}

func fieldNames(t reflect.Type) []string {
	var names []string
	for sf := range fields(t) {
		names = append(names, fieldName(sf))
	}
	return names
}

func fieldNamed(t reflect.Type, name string) (reflect.StructField, bool) {
	for sf := range fields(t) {
		if fieldName(sf) == name {
			return sf, true
		}
	}
	return reflect.StructField{}, false
}

// wanted names what a type takes, for messages.
func wanted(t reflect.Type) string {
	if e, ok := reflect.Zero(t).Interface().(enum); ok {
		return "one of " + strings.Join(e.Values(), ", ")
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return "a duration"
	case reflect.TypeFor[Auto]():
		return `a duration or "auto"`
	case reflect.TypeFor[Moment]():
		return "a date or time"
	case reflect.TypeFor[Share]():
		return "a share above 0 and at most 1"
	}
	switch t.Kind() {
	case reflect.Struct:
		return "a map with " + strings.Join(fieldNames(t), ", ")
	case reflect.Map:
		return "a map"
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "a text"
}

// exampleFor is a value that a field takes, in YAML.
func exampleFor(t reflect.Type, tag reflect.StructTag) string {
	if e, ok := reflect.Zero(t).Interface().(enum); ok {
		return e.Values()[0]
	}
	switch t {
	case reflect.TypeFor[Duration](), reflect.TypeFor[Auto]():
		return "5m"
	case reflect.TypeFor[Moment]():
		return "2027-01-05"
	case reflect.TypeFor[Share]():
		return "0.25"
	}
	return exampleOfKind(t, tag)
}

func exampleOfKind(t reflect.Type, tag reflect.StructTag) string {
	switch t.Kind() {
	case reflect.Struct:
		sf := t.Field(0)
		return "{" + fieldName(sf) + ": " + exampleFor(sf.Type, sf.Tag) + "}"
	case reflect.Map:
		return "{" + exampleKey(t.Key(), tag) + ": " + exampleFor(t.Elem(), tag) + "}"
	case reflect.Slice:
		return "[" + exampleFor(t.Elem(), tag) + "]"
	case reflect.Bool:
		return "true"
	case reflect.Int:
		return "3"
	case reflect.Float64:
		return "0.1"
	}
	if f, ok := formats[tag.Get("format")]; ok {
		return f.example
	}
	return `"text"`
}

func exampleKey(t reflect.Type, tag reflect.StructTag) string {
	if f, ok := formats[tag.Get("keys")]; ok {
		return f.example
	}
	return exampleFor(t, tag)
}
