// Package deploy holds what is in deploy/ to what the product is: templates to the operation table and the configuration, the
// image and the unit to their promises.
package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// stack is a template with its parameters set. It knows the intrinsic functions that the templates here use; another one is
// an error.
type stack struct {
	t          *testing.T
	body       map[string]any
	parameters map[string]any
}

// load reads a template of deploy/ and sets parameters.
func load(t *testing.T, name string, set map[string]string) stack {
	t.Helper()
	text := file(t, "deploy/"+name)
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := stack{t: t, body: plain(t, f.Docs[0].Body).(map[string]any), parameters: map[string]any{
		"AWS::Partition": "aws", "AWS::AccountId": "111122223333", "AWS::Region": "eu-west-1", "AWS::StackName": "stack", "AWS::NoValue": nil}}
	for name, p := range s.body["Parameters"].(map[string]any) {
		value, isSet := set[name]
		if !isSet {
			value = fmt.Sprint(p.(map[string]any)["Default"])
		}
		s.parameters[name] = value
		if typ := p.(map[string]any)["Type"].(string); strings.Contains(typ, "List") {
			list := []any{}
			for _, v := range strings.Split(value, ",") {
				list = append(list, v)
			}
			s.parameters[name] = list
		}
	}
	return s
}

// file reads a file of the repository.
func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// plain is a YAML node as JSON would have it, with short forms of functions in their long form.
func plain(t *testing.T, n ast.Node) any {
	switch n := n.(type) {
	case *ast.MappingNode:
		out := map[string]any{}
		for _, v := range n.Values {
			key := v.Key.GetToken().Value
			if _, twice := out[key]; twice {
				t.Errorf("%s twice in line %d", key, v.Key.GetToken().Position.Line)
			}
			out[key] = plain(t, v.Value)
		}
		return out
	case *ast.MappingValueNode:
		return map[string]any{n.Key.GetToken().Value: plain(t, n.Value)}
	case *ast.SequenceNode:
		out := []any{}
		for _, v := range n.Values {
			out = append(out, plain(t, v))
		}
		return out
	case *ast.TagNode:
		name := strings.TrimPrefix(n.Start.Value, "!")
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		return map[string]any{name: plain(t, n.Value)}
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.IntegerNode:
		return n.GetToken().Value
	}
	return n.GetToken().Value
}

// eval resolves the functions in a value; what an If left out is gone from maps and lists.
func (s stack) eval(v any) any {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, e := range v {
			if r := s.eval(e); r != nil {
				out = append(out, r)
			}
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			for name, args := range v {
				if name == "Ref" || name == "Condition" && fmt.Sprintf("%T", args) == "string" || strings.HasPrefix(name, "Fn::") {
					return s.call(name, args)
				}
			}
		}
		out := map[string]any{}
		for k, e := range v {
			if r := s.eval(e); r != nil {
				out[k] = r
			}
		}
		return out
	}
	return v
}

func (s stack) call(name string, args any) any {
	list, _ := args.([]any)
	switch name {
	case "Ref":
		return s.ref(args.(string))
	case "Condition":
		return s.eval(s.body["Conditions"].(map[string]any)[args.(string)])
	case "Fn::GetAtt":
		return s.ref(strings.Replace(args.(string), ".", "/", 1))
	case "Fn::Sub":
		return s.sub(args)
	case "Fn::If":
		if s.call("Condition", list[0]).(bool) {
			return s.eval(list[1])
		}
		return s.eval(list[2])
	case "Fn::Equals":
		return fmt.Sprint(s.eval(list[0])) == fmt.Sprint(s.eval(list[1]))
	case "Fn::EachMemberEquals":
		return !slices.ContainsFunc(s.eval(list[0]).([]any), func(e any) bool { return e != list[1] })
	case "Fn::Not":
		return !s.eval(list[0]).(bool)
	case "Fn::And":
		return !slices.ContainsFunc(list, func(e any) bool { return !s.eval(e).(bool) })
	case "Fn::Or":
		return slices.ContainsFunc(list, func(e any) bool { return s.eval(e).(bool) })
	case "Fn::Join":
		var parts []string
		for _, e := range s.eval(list[1]).([]any) {
			parts = append(parts, fmt.Sprint(e))
		}
		return strings.Join(parts, list[0].(string))
	}
	s.t.Fatalf("the function %s is not known here", name)
	return nil
}

// ref is a parameter's value, or a name for a resource.
func (s stack) ref(name string) any {
	if v, ok := s.parameters[name]; ok {
		return v
	}
	resource, _, _ := strings.Cut(name, "/")
	if s.body["Resources"].(map[string]any)[resource] == nil {
		s.t.Errorf("%s refers to nothing", name)
	}
	return "<" + name + ">"
}

func (s stack) sub(args any) string {
	text, isText := args.(string)
	names := map[string]any{}
	if !isText {
		text, names = args.([]any)[0].(string), args.([]any)[1].(map[string]any)
	}
	return os.Expand(text, func(name string) string {
		if v, ok := names[name]; ok {
			return fmt.Sprint(s.eval(v))
		}
		return fmt.Sprint(s.ref(strings.Replace(name, ".", "/", 1)))
	})
}

// resource gives a resource's properties; nil where its condition leaves it out.
func (s stack) resource(name string) map[string]any {
	s.t.Helper()
	r, ok := s.body["Resources"].(map[string]any)[name].(map[string]any)
	if !ok {
		s.t.Fatalf("no resource %s", name)
	}
	if c, ok := r["Condition"].(string); ok && !s.call("Condition", c).(bool) {
		return nil
	}
	return s.eval(r["Properties"]).(map[string]any)
}

// into reads a part of a template into a Go value.
func into[T any](t *testing.T, v any) (out T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// broken are the assertions of a template's rules that do not hold.
func (s stack) broken() []string {
	var out []string
	rules := s.body["Rules"].(map[string]any)
	for _, other := range []string{"Fn::Join", "Fn::Sub", "Fn::If"} { // "Supported functions" of the page on rule functions
		if strings.Contains(fmt.Sprint(rules), other) {
			s.t.Errorf("CloudFormation takes no %s in rules", other)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		rule := rules[name].(map[string]any)
		if !s.eval(rule["RuleCondition"]).(bool) {
			continue
		}
		for _, a := range rule["Assertions"].([]any) {
			if !s.eval(a.(map[string]any)["Assert"]).(bool) {
				out = append(out, a.(map[string]any)["AssertDescription"].(string))
			}
		}
	}
	return out
}
