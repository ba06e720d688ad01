package config

import (
	"embed"
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// typeFiles hold the types of the format, whose comments are its documentation.
//
//go:embed config.go detect.go remediation.go
var typeFiles embed.FS

// durationPattern is what [ParseDuration] takes, as far as a pattern can say.
const (
	durationPattern = `^([0-9]+d(` + unitPattern + `)*|(` + unitPattern + `)+)$`
	unitPattern     = `([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)`
)

// Schema is the JSON Schema (draft 2020-12) of the format, for editors and for
// checks outside this program. It is made from the Go types; rules between
// fields are [Load]'s alone.
func Schema() ([]byte, error) {
	comments, err := typeComments()
	if err != nil {
		return nil, err
	}
	r := jsonschema.Reflector{
		Anonymous:                  true,
		DoNotReference:             true,
		RequiredFromJSONSchemaTags: true,
		FieldNameTag:               "yaml",
		Mapper:                     textSchema,
		LookupComment: func(t reflect.Type, name string) string {
			return comments[strings.TrimSuffix(t.Name()+"."+name, ".")]
		},
	}
	s := r.Reflect(Config{})
	s.Title = "taskwarden ControllerConfig"
	decorate(s, reflect.TypeFor[Config](), "")
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(text, '\n'), nil
}

// typeComments reads the doc comments of the types ("Target") and their fields
// ("Target.Region") on one line each.
func typeComments() (map[string]string, error) {
	out := map[string]string{}
	files, err := typeFiles.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("list the types: %w", err)
	}
	for _, f := range files {
		src, err := typeFiles.ReadFile(f.Name())
		if err != nil {
			return nil, fmt.Errorf("read the types: %w", err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read the types: %w", err)
		}
		for _, decl := range parsed.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				commentType(out, g)
			}
		}
	}
	return out, nil
}

func commentType(out map[string]string, g *ast.GenDecl) {
	for _, spec := range g.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		out[t.Name.Name] = oneLine(g.Doc)
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range s.Fields.List {
			for _, name := range f.Names {
				out[t.Name.Name+"."+name.Name] = oneLine(f.Doc)
			}
		}
	}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// textSchema describes the types that are written as text.
func textSchema(t reflect.Type) *jsonschema.Schema {
	if e, ok := reflect.Zero(t).Interface().(enum); ok {
		s := &jsonschema.Schema{Type: "string"}
		for _, v := range e.Values() {
			s.Enum = append(s.Enum, v)
		}
		return s
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: durationPattern, Examples: []any{"90s", "5m", "7d"}}
	case reflect.TypeFor[Auto]():
		return &jsonschema.Schema{Type: "string", Pattern: "^auto$|" + durationPattern, Examples: []any{"auto", "6h"}}
	case reflect.TypeFor[Moment]():
		return &jsonschema.Schema{Type: "string", Examples: []any{"2027-01-05", "2027-01-05T18:00:00+09:00"}}
	case reflect.TypeFor[Share]():
		return &jsonschema.Schema{Type: "number", ExclusiveMinimum: "0", Maximum: "1"}
	}
	return nil
}

// decorate adds to a schema what the field's tags say, and goes on with the
// fields of t.
func decorate(s *jsonschema.Schema, t reflect.Type, tag reflect.StructTag) {
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
	case t.Kind() == reflect.Struct:
		for sf := range fields(t) {
			child, _ := s.Properties.Get(fieldName(sf))
			decorate(child, sf.Type, sf.Tag)
			if sf.Tag.Get("required") != "" {
				s.Required = append(s.Required, fieldName(sf))
			}
		}
		s.Description = strings.TrimSpace(s.Description)
	case t.Kind() == reflect.Slice:
		decorateList(s, t, tag)
	case t.Kind() == reflect.Map:
		decorateMap(s, t, tag)
	case t.Kind() == reflect.String:
		if f, ok := formats[tag.Get("format")]; ok {
			s.Pattern = f.pattern
		}
	case t != reflect.TypeFor[Share]():
		s.Minimum, s.Maximum = json.Number(tag.Get("min")), json.Number(tag.Get("max"))
	}
}

func decorateList(s *jsonschema.Schema, t reflect.Type, tag reflect.StructTag) {
	decorate(s.Items, t.Elem(), entryTag(tag))
	if tag.Get("nonempty") != "" {
		one := uint64(1)
		s.MinItems = &one
	}
	if most := tag.Get("maxItems"); most != "" {
		n := uint64(number(most))
		s.MaxItems = &n
	}
}

func decorateMap(s *jsonschema.Schema, t reflect.Type, tag reflect.StructTag) {
	decorate(s.AdditionalProperties, t.Elem(), entryTag(tag))
	s.PropertyNames = textSchema(t.Key())
	if f, ok := formats[tag.Get("keys")]; ok {
		s.PropertyNames = &jsonschema.Schema{Pattern: f.pattern}
	}
	if tag.Get("nonempty") != "" {
		one := uint64(1)
		s.MinProperties = &one
	}
}
