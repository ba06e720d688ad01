package console

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// node is a part of the document.
type node = map[string]any

func readDocument(t *testing.T) node {
	t.Helper()
	status, _, body := ask(t, serve(t, world()), openapiPath)
	var doc node
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != 200 {
		t.Fatalf("%d %v", status, err)
	}
	return doc
}

// deref follows references within the document.
func deref(t *testing.T, doc node, v any) node {
	t.Helper()
	n, _ := v.(node)
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	at := doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := at[part].(node)
		if !ok {
			t.Fatalf("reference %s leads nowhere", ref)
		}
		at = next
	}
	return at
}

// examples are, for each path of the document, what to ask so that every field is served.
var examples = map[string]string{
	"/": "", "/metrics": "", "/healthz": "/healthz", "/readyz": "/readyz", openapiPath: openapiPath,
	exportPath:                "", // TestExport: it needs a token
	servicePath + "{address}": "/api/v1/services/prod/main/web", servicesPath: servicesPath + "?limit=2",
	apiPath + "findings": apiPath + "findings?status=all&limit=2", apiPath + "stops": apiPath + "stops?limit=2",
	apiPath + "causes": apiPath + "causes", apiPath + "alarms": apiPath + "alarms", apiPath + "targets": apiPath + "targets",
	rolloutsPath: rolloutsPath, rolloutPath + "{id}": rolloutPath + "whole", apiPath + "audit": apiPath + "audit",
}

func TestDocumentHoldsEveryRouteAndField(t *testing.T) {
	doc := readDocument(t)
	if doc["openapi"] != "3.1.0" || doc["info"].(node)["version"] != "v1.2.3" {
		t.Errorf("%v %v", doc["openapi"], doc["info"])
	}
	paths := doc["paths"].(node)
	reads := maps.Clone(paths)
	for _, o := range operations {
		if reads[apiPath+o.path].(node)["post"] == nil {
			t.Errorf("%s is not in the document", o.path)
		}
		delete(reads, apiPath+o.path)
	}
	if got, want := slices.Sorted(maps.Keys(reads)), slices.Sorted(maps.Keys(examples)); !slices.Equal(got, want) {
		t.Fatalf("paths in the document %q, examples here %q", got, want)
	}
	for _, l := range lists {
		if paths[l.path] == nil {
			t.Errorf("%s is served and not in the document", l.path)
		}
	}
	s := serve(t, world())
	for path, asked := range examples {
		if asked == "" || asked == openapiPath || asked == "/healthz" {
			continue
		}
		status, _, body := ask(t, s, asked)
		var served any
		if err := json.Unmarshal([]byte(body), &served); err != nil || status != 200 {
			t.Fatalf("%s: %d %v", asked, status, err)
		}
		op := paths[path].(node)["get"].(node)
		answered := op["responses"].(node)["200"].(node)["content"].(node)["application/json"].(node)["schema"]
		agree(t, doc, path, answered, served)
	}
}

// agree checks that a value has only fields of the schema, all the required ones, and the types it says.
func agree(t *testing.T, doc node, where string, schema, value any) {
	t.Helper()
	s := deref(t, doc, schema)
	if choice, ok := s["oneOf"].([]any); ok { // a value, or null
		if value == nil {
			return
		}
		s = deref(t, doc, choice[0])
	}
	kind, _ := s["type"].(string)
	switch v := value.(type) {
	case node:
		props, _ := s["properties"].(node)
		if more, ok := s["additionalProperties"].(node); ok && len(props) == 0 { // a map
			for name, field := range v {
				agree(t, doc, where+"."+name, more, field)
			}
			return
		}
		if kind != "object" || len(props) == 0 {
			t.Errorf("%s: an object is served, the schema says %q with %d fields", where, kind, len(props))
		}
		for name, field := range v {
			if props[name] == nil {
				t.Errorf("%s: field %q is served and not in the document", where, name)
			} else {
				agree(t, doc, where+"."+name, props[name], field)
			}
			if p := deref(t, doc, props[name]); p["description"] == nil && p["items"] == nil && p["oneOf"] == nil {
				t.Errorf("%s.%s has no description", where, name)
			}
		}
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				t.Errorf("%s: field %q is required and not served", where, name)
			}
		}
	case []any:
		for _, item := range v {
			agree(t, doc, where+"[]", s["items"], item)
		}
	case string:
		if enum, ok := s["enum"].([]any); kind != "string" || ok && !slices.Contains(enum, any(v)) {
			t.Errorf("%s: %q does not fit %v", where, v, s)
		}
	case nil:
		t.Errorf("%s: null is served, the schema says %q", where, kind)
	case bool:
		if kind != "boolean" {
			t.Errorf("%s: a boolean, the schema says %q", where, kind)
		}
	case float64:
		if kind != "number" && kind != "integer" {
			t.Errorf("%s: a number, the schema says %q", where, kind)
		}
	}
}

func TestDocumentReferencesAndParametersHold(t *testing.T) {
	doc := readDocument(t)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case node:
			deref(t, doc, v)
			if v["$schema"] != nil || v["$id"] != nil {
				t.Errorf("a schema of its own dialect or id: %v", v)
			}
			for _, sub := range v {
				walk(sub)
			}
		case []any:
			for _, sub := range v {
				walk(sub)
			}
		}
	}
	walk(doc)
	for _, l := range lists {
		var said []string
		for _, p := range doc["paths"].(node)[l.path].(node)["get"].(node)["parameters"].([]any) {
			p := p.(node)
			said = append(said, p["name"].(string))
			if p["in"] != "query" || p["schema"].(node)["type"] == nil || p["description"] == "" {
				t.Errorf("%s: parameter %v", l.path, p)
			}
		}
		if !slices.Equal(said, l.params) {
			t.Errorf("%s takes %q, the document says %q", l.path, l.params, said)
		}
	}
}
