package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// text reads a scalar that is written as text: plain texts, enums, and types
// with a syntax of their own such as [Duration].
func (d *decoder) text(n ast.Node, v reflect.Value, f field) {
	var s string
	switch n := n.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	default:
		d.mismatch(n, v, f)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(s)); err != nil {
			d.problem(d.at[f.path], f.path, f.path+": "+shown(s, f)+" is "+err.Error(), "")
			return
		}
		d.bounds(v, f)
		return
	}
	v.SetString(s)
	if why, hint := textProblem(v, f.tag.Get("format")); why != "" {
		d.problem(d.at[f.path], f.path, f.path+": "+shown(s, f)+" "+why, hint)
	}
}

// textProblem says what is wrong with a text of an enum type or of a named
// format, and how to put it right; nothing if all is well.
func textProblem(v reflect.Value, name string) (why, hint string) {
	if e, ok := v.Interface().(enum); ok {
		if values := e.Values(); !slices.Contains(values, v.String()) {
			return "is not a known value", suggest(v.String(), values)
		}
		return "", ""
	}
	f, ok := formats[name]
	if !ok {
		return "", ""
	}
	if err := f.check(v.String()); err != nil {
		return "is not " + f.what + reason(err), "write it as " + f.example
	}
	return "", ""
}

func reason(err error) string {
	if errors.Is(err, errSyntax) {
		return ""
	}
	return " (" + err.Error() + ")"
}

// scalar reads numbers and booleans.
func (d *decoder) scalar(n ast.Node, v reflect.Value, f field) {
	switch v.Kind() {
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
			return
		}
	case reflect.Int:
		if whole, ok := integer(n); ok {
			v.SetInt(whole)
			d.bounds(v, f)
			return
		}
	case reflect.Float64:
		if x, ok := float(n); ok {
			v.SetFloat(x)
			d.bounds(v, f)
			return
		}
	}
	d.mismatch(n, v, f)
}

func integer(n ast.Node) (int64, bool) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	switch x := i.Value.(type) {
	case int64:
		return x, true
	case uint64:
		return int64(min(x, math.MaxInt64)), true
	}
	return 0, false
}

func float(n ast.Node) (float64, bool) {
	if f, ok := n.(*ast.FloatNode); ok {
		return f.Value, true
	}
	i, ok := integer(n)
	return float64(i), ok
}

// bounds checks a value against the field's min and max; a [Share]'s are its own.
func (d *decoder) bounds(v reflect.Value, f field) {
	low, high := f.tag.Get("min"), f.tag.Get("max")
	at, shown := d.at[f.path], fmt.Sprint(v.Interface())
	switch x := v.Interface().(type) {
	case Share:
		if !(x > 0 && x <= 1) {
			d.problem(at, f.path, fmt.Sprintf("%s: %s is not a share", f.path, shown), "write a number above 0 and at most 1, as 0.25")
		}
		return
	case Auto:
		if x == 0 {
			return
		}
	}
	if low == "" && high == "" {
		return
	}
	got := magnitude(v)
	if low != "" && got < number(low) {
		d.problem(at, f.path, fmt.Sprintf("%s: %s is too little", f.path, shown), "write at least "+low)
	}
	if high != "" && got > number(high) {
		d.problem(at, f.path, fmt.Sprintf("%s: %s is too much", f.path, shown), "write at most "+high)
	}
}

// magnitude makes values and bounds comparable; durations count in nanoseconds.
func magnitude(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}

// number reads a bound from a tag, which a test has checked.
func number(bound string) float64 {
	if x, err := strconv.ParseFloat(bound, 64); err == nil {
		return x
	}
	d, _ := ParseDuration(bound)
	return float64(d)
}

// mismatch notes a value of the wrong type, with what was expected.
func (d *decoder) mismatch(n ast.Node, v reflect.Value, f field) {
	name := f.path + ": "
	if f.path == "" {
		name = "the document: "
	}
	d.problem(placeOf(n), f.path, name+"want "+wanted(v.Type())+", got "+d.got(n, f), remedy(n, v.Type(), f))
}

func remedy(n ast.Node, t reflect.Type, f field) string {
	_, isEnum := reflect.Zero(t).Interface().(enum)
	b, isBool := n.(*ast.BoolNode)
	tk := n.GetToken()
	switch {
	case isEnum && isBool && !b.Value:
		return `write "off" in quotes where a tool turns it into false`
	case t == reflect.TypeFor[string]() && isScalar(n):
		return "put it in quotes"
	case t == reflect.TypeFor[Duration]() && n.Type() == ast.IntegerType:
		return fmt.Sprintf("write it with its unit, as %ss", tk.Value)
	case t == reflect.TypeFor[Share]() && n.Type() == ast.StringType && strings.HasSuffix(tk.Value, "%"):
		return "write 25% as 0.25"
	}
	if f.path == "" {
		return "begin with apiVersion: " + string(APIVersionV1)
	}
	return "write it as " + exampleFor(t, f.tag)
}

func isScalar(n ast.Node) bool {
	_, ok := n.(ast.ScalarNode)
	return ok
}

// got names the kind of a value, and the value itself where it is short and no secret.
func (d *decoder) got(n ast.Node, f field) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode:
		if f.tag.Get("secret") != "" {
			return "a text"
		}
		return "the text " + shown(n.Value, f)
	case *ast.LiteralNode:
		return "a text of several lines"
	case *ast.BoolNode:
		return fmt.Sprint(n.Value)
	}
	if f.tag.Get("secret") != "" || n.GetToken() == nil {
		return "a number"
	}
	return "the number " + strings.Trim(quote(n.GetToken().Value), `"`)
}

// shown repeats a value in a message unless it is a secret or a URL that may
// hold one.
func shown(s string, f field) string {
	if f.tag.Get("secret") != "" || strings.Contains(s, "://") && strings.Contains(s, "@") {
		return "the value"
	}
	return quote(s)
}
