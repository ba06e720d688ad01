package wire

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// Input is a decoded request: the members by their names on the wire. Numbers are json.Number, int64, uint64 or float64,
// timestamps time.Time or seconds since 1970, whatever the protocol gives; the getters hide that. A member that is absent,
// null or of another type reads as the zero value.
type Input map[string]any

// String reads a string member.
func (in Input) String(name string) string { s, _ := in[name].(string); return s }

// Bool reads a boolean member; the form protocol's "true" counts.
func (in Input) Bool(name string) bool {
	switch v := in[name].(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

// Has says whether the member is present and not null.
func (in Input) Has(name string) bool { return in[name] != nil }

// Int reads a whole number, or def where it is absent.
func (in Input) Int(name string, def int) int {
	if f, ok := number(in[name]); ok {
		return int(f)
	}
	return def
}

// Map reads a structure.
func (in Input) Map(name string) Input {
	switch v := in[name].(type) {
	case map[string]any:
		return v
	case Input:
		return v
	}
	return nil
}

// List reads a list.
func (in Input) List(name string) []any { l, _ := in[name].([]any); return l }

// Strings reads a list of strings; other elements are left out.
func (in Input) Strings(name string) []string {
	var out []string
	for _, e := range in.List(name) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Maps reads a list of structures; other elements are left out.
func (in Input) Maps(name string) []Input {
	var out []Input
	for _, e := range in.List(name) {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Time reads a timestamp, to the millisecond; ok is false where it is absent.
func (in Input) Time(name string) (t time.Time, ok bool) {
	if t, ok := in[name].(time.Time); ok {
		return t, true
	}
	f, ok := number(in[name])
	if !ok {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case float64:
		return n, true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case int:
		return float64(n), true
	case string: // awsQuery writes every scalar as text
		f, err := strconv.ParseFloat(n, 64)
		return f, err == nil
	}
	return 0, false
}
