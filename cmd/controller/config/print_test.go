package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// full is the shipped file with its examples in force, as far as this version
// has what they ask for.
func full(t *testing.T) Config {
	t.Helper()
	c, err := Load("config.yaml", []byte(strings.ReplaceAll(uncommented(t), "  queueUrl:", "  # queueUrl:")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Every text of a secret field is filled with a marker, which must not be printed.
func TestMaskedHidesEverySecretField(t *testing.T) {
	c := full(t)
	c.Remediation.Policies[0].Match.Env = map[string][]string{"PASSWORD": {"x"}}
	c.Remediation.Policies[0].Set = map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x", "TOKEN": "x"}
	marked := mark(reflect.ValueOf(&c).Elem(), false)
	if marked < 5 {
		t.Fatalf("only %d secrets were marked", marked)
	}
	before := fmt.Sprint(c)
	text, err := c.Masked().YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "s3cret") {
		t.Errorf("a secret is printed:\n%s", text)
	}
	if fmt.Sprint(c) != before {
		t.Error("masking changed the original")
	}
}

func mark(v reflect.Value, secret bool) (n int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if sf := v.Type().Field(i); sf.IsExported() {
				n += mark(v.Field(i), sf.Tag.Get("secret") != "")
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += mark(v.Index(i), secret)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			n += mark(value, secret)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		if secret {
			v.SetString("s3cret")
			n++
		}
	}
	return n
}

func TestMaskedShowsTheRest(t *testing.T) {
	c := full(t).Masked()
	p := c.Remediation.Policies[0]
	if p.Set[samplerVar] != "parentbased_traceidratio" || p.Match.Env[samplerVar][0] != "xray" {
		t.Errorf("OpenTelemetry settings are masked: %+v", p)
	}
	if c.Targets[0].RoleARN == hidden || c.Targets[0].ExternalID != hidden || c.Server.Tokens[0].SHA256 != hidden {
		t.Errorf("masked = %+v %+v", c.Targets[0], c.Server.Tokens[0])
	}
	if empty := (Config{Targets: []Target{{}}}).Masked(); empty.Targets[0].ExternalID != "" {
		t.Error("an absent secret looks like one")
	}
}

func TestPrintedConfigurationIsTheSame(t *testing.T) {
	c := full(t)
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load("printed", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c, again); diff != "" {
		t.Errorf("changed by printing (-was +is):\n%s", diff)
	}
}

type node struct {
	Properties           map[string]*node
	Items                *node
	AdditionalProperties json.RawMessage
	Description          string
	Type, Pattern        string
	Enum                 []string
	Required             []string
	MinItems             int
	Minimum              *float64
}

func schema(t *testing.T) *node {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Schema string `json:"$schema"`
		node
	}
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	if root.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %q", root.Schema)
	}
	return &root.node
}

func names(n *node, path string, out map[string]bool) {
	for name, child := range n.Properties {
		out[join(path, name)] = true
		names(child, join(path, name), out)
	}
	if n.Items != nil {
		names(n.Items, path, out)
	}
}

func given(v any, path string, out map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, child := range v {
			out[join(path, name)] = true
			given(child, join(path, name), out)
		}
	case []any:
		for _, child := range v {
			given(child, path, out)
		}
	}
}

// The shipped file, examples included, names every field of the schema and no other.
func TestSchemaAndShippedFileAgree(t *testing.T) {
	inSchema, inFile := map[string]bool{}, map[string]bool{}
	names(schema(t), "", inSchema)
	var file any
	if err := yaml.Unmarshal([]byte(uncommented(t)), &file); err != nil {
		t.Fatal(err)
	}
	given(file, "", inFile)
	// Keys of the user's choice are no fields.
	maps.DeleteFunc(inFile, func(path string, _ bool) bool {
		return strings.HasPrefix(path, "lint.rules.") || strings.Contains(path, ".OTEL_")
	})
	if diff := cmp.Diff(slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(inFile))); diff != "" {
		t.Errorf("fields (-schema +file):\n%s", diff)
	}
}

func TestSchemaDescribesEveryField(t *testing.T) {
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for name, child := range n.Properties {
			if p := join(path, name); child.Description == "" {
				t.Errorf("%s has no description", p)
			} else {
				walk(child, p)
			}
		}
		if n.Items != nil {
			walk(n.Items, path+"[]")
		}
		if n.Properties != nil && string(n.AdditionalProperties) != "false" {
			t.Errorf("%s takes unknown fields", path)
		}
	}
	walk(schema(t), "")
}

func TestSchemaHoldsTheRules(t *testing.T) {
	s := schema(t)
	if !slices.Equal(s.Required, []string{"apiVersion", "kind"}) {
		t.Errorf("required = %v", s.Required)
	}
	target := s.Properties["targets"].Items
	if !slices.Equal(target.Required, []string{"name", "region"}) || target.Properties["clusters"].MinItems != 1 {
		t.Errorf("target = %+v", target)
	}
	if got := s.Properties["alarms"].Properties["mode"].Enum; !slices.Equal(got, AlarmMode("").Values()) {
		t.Errorf("alarm modes = %v", got)
	}
	if low := s.Properties["detect"].Properties["threshold"].Minimum; low == nil || *low != 1 {
		t.Errorf("threshold's minimum = %v", low)
	}
	durations := regexp.MustCompile(s.Properties["watch"].Properties["resync"].Pattern)
	for text, want := range map[string]bool{"5m": true, "7d": true, "1d12h": true, "1.5h": true, "": false, "5": false, "-5m": false} {
		if durations.MatchString(text) != want {
			t.Errorf("the pattern of a duration matches %q: %v", text, !want)
		}
	}
}
