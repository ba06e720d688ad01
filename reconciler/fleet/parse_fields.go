package fleet

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// fields reads an object's values by name and notes those of a wrong type instead of failing.
type fields struct {
	m     map[string]any
	path  string
	notes *[]string
}

// maxNotes bounds what is said about one document's wrong fields.
const maxNotes = 10

func (f fields) get(key string) any {
	if v, ok := f.m[key]; ok {
		return v
	}
	found, best := any(nil), ""
	for k, v := range f.m {
		if strings.EqualFold(k, key) && (best == "" || k < best) {
			found, best = v, k
		}
	}
	return found
}

func (f fields) has(key string) bool { return f.get(key) != nil }

func (f fields) note(key, want string, v any) {
	if len(*f.notes) < maxNotes {
		*f.notes = append(*f.notes, fmt.Sprintf("field %s left out: found %s where %s is needed", clip(f.path+key, 120), kindOf(v), want))
	}
}

// str reads a text; a number stands for its digits.
func (f fields) str(key string) string {
	switch v := f.get(key).(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		f.note(key, "a text", v)
		return ""
	}
}

// id is the case's own name: a text or a number.
func (f fields) id() string { return f.str("id") }

// integer reads a whole number, also one given as text; "" and "null" mean none, as null does.
func (f fields) integer(key string) *int64 {
	var text string
	switch v := f.get(key).(type) {
	case nil:
		return nil
	case json.Number:
		text = v.String()
	case string:
		if text = strings.TrimSpace(v); text == "" || text == "null" {
			return nil
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return &n
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1<<53 {
		n := int64(x)
		return &n
	}
	f.note(key, "a whole number", f.get(key))
	return nil
}

func (f fields) count(key string) int {
	if n := f.integer(key); n != nil {
		return int(*n)
	}
	return 0
}

func (f fields) object(key string) (fields, bool) {
	v := f.get(key)
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		f.note(key, "an object", v)
	}
	return fields{m: m, path: f.path + key + ".", notes: f.notes}, ok
}

// list reads a list of objects; a member that is none has a nil map.
func (f fields) list(key string) []fields {
	v := f.get(key)
	if v == nil {
		return nil
	}
	members, ok := v.([]any)
	if !ok {
		f.note(key, "a list", v)
		return nil
	}
	out := make([]fields, 0, len(members))
	for i, e := range members {
		at := key + "[" + strconv.Itoa(i) + "]"
		m, ok := e.(map[string]any)
		if !ok {
			f.note(at, "an object", e)
		}
		out = append(out, fields{m: m, path: f.path + at + ".", notes: f.notes})
	}
	return out
}

// layouts are the spellings of a time that the API, the CLI (all its output versions) and common scripts produce.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
}

// time reads a moment: RFC 3339 with any offset, or seconds (or milliseconds) since 1970 as number or text. A time
// without an offset is UTC.
func (f fields) time(key string) time.Time {
	switch v := f.get(key).(type) {
	case nil:
		return time.Time{}
	case json.Number:
		if t, ok := epoch(v.String()); ok {
			return t
		}
	case string:
		if t, ok := parseTime(strings.TrimSpace(v)); ok {
			return t
		}
	}
	f.note(key, "a time", f.get(key))
	return time.Time{}
}

func parseTime(s string) (time.Time, bool) {
	if s == "" || s == "null" {
		return time.Time{}, true
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return epoch(s)
}

// epoch reads seconds since 1970, or milliseconds: a number over 1e11 would be past the year 5000 in seconds.
func epoch(s string) (time.Time, bool) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(x) || x < 0 || x > 1e14 {
		return time.Time{}, false
	}
	if x == 0 {
		return time.Time{}, true
	}
	if x > 1e11 {
		x /= 1000
	}
	whole, part := math.Modf(x)
	return time.Unix(int64(whole), int64(math.Round(part*1e6))*1e3).UTC(), true
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a text"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}
