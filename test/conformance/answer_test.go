package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// answer is what the product sees of one call, by path: "Services[].ServiceName" holds the values of all services. The path
// "error" is there for every call; the other paths for those that succeeded.
type answer map[string][]string

// absent is the value of what is not there. An empty text is nothing either: the product reads both as one.
const absent = "-"

// errorPath is where the error's code is.
const errorPath = "error"

// keys order the members of lists whose order AWS does not promise.
var keys = []string{"ServiceName", "AlarmName", "LogStreamName", "TaskArn", "Name", "Key", "Id"}

// attributes are what the product reads out of maps of texts.
var attributes = []string{"SubscriptionsConfirmed", "SubscriptionsPending"}

// read gives what the product sees: the fields of f.
func (f fields) read(out any, err error) answer {
	a := answer{errorPath: {codeOf(err)}}
	if err == nil {
		f.put(a, "", reflect.ValueOf(out).Elem())
	}
	return a
}

// codeOf is the error's code, with that part of its text that the product goes by.
func codeOf(err error) string {
	if err == nil {
		return absent
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err.Error()
	}
	if text := "Unable to describe task definition"; strings.Contains(api.ErrorMessage(), text) {
		return api.ErrorCode() + ": " + text
	}
	return api.ErrorCode()
}

func (f fields) put(a answer, path string, v reflect.Value) {
	switch t := v.Type(); {
	case t == reflect.TypeFor[time.Time]():
		a[path] = append(a[path], moment(v.Interface().(time.Time)))
	case t.Kind() == reflect.Pointer && v.IsNil():
		f.put(a, path, reflect.New(t.Elem()).Elem())
		if n := len(a[path]); n > 0 { // a plain value, and there is none: not even zero
			a[path][n-1] = absent
		}
	case t.Kind() == reflect.Pointer:
		f.put(a, path, v.Elem())
	case t.Kind() == reflect.Struct:
		for name, m := range f.members(v) {
			f.put(a, strings.TrimPrefix(path+"."+name, "."), m)
		}
	case t == reflect.TypeFor[map[string]string]() && path == "Attributes":
		m := v.Interface().(map[string]string)
		for _, name := range attributes {
			a[path+"."+name] = append(a[path+"."+name], cmp.Or(m[name], absent))
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		a[path+"[]"] = append(a[path+"[]"], strconv.Itoa(v.Len()))
		for _, e := range f.sorted(v) {
			f.put(a, path+"[]", e)
		}
	default:
		a[path] = append(a[path], text(path, v))
	}
}

// paths are where answers of an output type can hold something that the product reads.
func (f fields) paths(out reflect.Type) []string {
	a := answer{}
	f.put(a, "", full(out, 0))
	return slices.Sorted(maps.Keys(a))
}

// full is a value of a type with one member in each list.
func full(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case depth > 12 || t == reflect.TypeFor[time.Time](): // the SDK's types may hold themselves
	case t.Kind() == reflect.Pointer:
		v.Set(full(t.Elem(), depth+1).Addr())
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		v.Set(reflect.Append(v, full(t.Elem(), depth+1)))
	case t.Kind() == reflect.Struct:
		for m, member := range v.Fields() {
			if m.IsExported() {
				member.Set(full(m.Type, depth+1))
			}
		}
	}
	return v
}

// reach adds the fields of f that an output type can hold.
func (f fields) reach(reached fields, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return
	}
	for m, v := range reflect.Zero(t).Fields() {
		if name := ownerName(t) + "." + m.Name; f[name] && !reached[name] {
			reached[name] = true
			f.reach(reached, v.Type())
		}
	}
}

// ownerName writes a type as fields do: "ecs/types.Service".
func ownerName(t reflect.Type) string { return strings.TrimPrefix(t.PkgPath(), sdk) + "." + t.Name() }

// members are the fields of a struct that the product reads.
func (f fields) members(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	owner := ownerName(v.Type())
	for m, member := range v.Fields() {
		if f[owner+"."+m.Name] {
			out[m.Name] = member
		}
	}
	return out
}

func (f fields) sorted(v reflect.Value) []reflect.Value {
	var list []reflect.Value
	for i := range v.Len() {
		list = append(list, v.Index(i))
	}
	slices.SortStableFunc(list, func(x, y reflect.Value) int { return cmp.Compare(keyOf(x), keyOf(y)) })
	return list
}

func keyOf(v reflect.Value) string {
	for _, k := range keys {
		if m := v.FieldByName(k); m.IsValid() && m.Kind() == reflect.Pointer && !m.IsNil() {
			return m.Elem().String()
		}
	}
	return ""
}

func text(path string, v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return normal(path, v.String())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, text(path, v.Index(i)))
		}
		if strings.HasSuffix(path, "Arns") {
			slices.Sort(parts)
		}
		return "[" + strings.Join(counted(parts), " ") + "]"
	case reflect.Map:
		var parts []string
		m := v.Interface().(map[string]string)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, k+"="+m[k])
		}
		return "{" + strings.Join(parts, " ") + "}"
	case reflect.Int64:
		if n := v.Int(); n > 1e12 && n < 1e13 { // milliseconds since 1970, in this century
			return "<ms>"
		}
	}
	return fmt.Sprint(v.Interface())
}

func moment(t time.Time) string {
	if t.IsZero() {
		return absent
	}
	if d := time.Since(t); d > -48*time.Hour && d < 400*24*time.Hour {
		return "<time>"
	}
	return t.UTC().Format(time.RFC3339)
}

// shapes replace what differs from run to run by what it looks like, so that a wrong look still shows.
var shapes = []struct {
	look *regexp.Regexp
	is   string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "<uuid>"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "<digest>"},
	{regexp.MustCompile(`\b[0-9a-f]{32}-\d{10}\b`), "<runtime>"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "<hex32>"},
	{regexp.MustCompile(`\b\d{19}\b`), "<digits>"},
	{regexp.MustCompile(`\d\d/\d\d/\d\d \d\d:\d\d:\d\d`), "<date>"},
	{regexp.MustCompile(`ecs-svc/[0-9a-f]{20}\b`), "ecs-svc/<hex20>"},
	{regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{3}$`), "<hex8-3>"},
	{regexp.MustCompile(`^us-east-1[a-f]$`), "<zone>"},
	{regexp.MustCompile(`\bASIA[A-Z0-9]{16}\b`), "<session key>"},
}

func normal(path, s string) string {
	switch {
	case s == "":
		return absent
	case strings.HasSuffix(path, "Token"), strings.HasSuffix(path, "SecretAccessKey"):
		return "<secret>"
	}
	for _, x := range shapes {
		s = x.look.ReplaceAllString(s, x.is)
	}
	return s
}

// counted writes values that repeat once.
func counted(list []string) []string {
	var out []string
	for i := 0; i < len(list); {
		n := i
		for n < len(list) && list[n] == list[i] {
			n++
		}
		if n-i > 1 {
			out = append(out, fmt.Sprintf("%s (%d×)", list[i], n-i))
		} else {
			out = append(out, list[i])
		}
		i = n
	}
	return out
}

func (a answer) at(path string) string {
	if len(a[path]) == 0 {
		return absent
	}
	return strings.Join(counted(a[path]), " | ")
}

// kinds are the distinct values of a path, sorted: what a row of differences_test.go says of it.
func (a answer) kinds(path string) string {
	var out []string
	for _, v := range a[path] {
		out = append(out, repeated.ReplaceAllString(v, ""))
	}
	slices.Sort(out)
	return cmp.Or(strings.Join(slices.Compact(out), " | "), absent)
}

// repeated is what counted writes.
var repeated = regexp.MustCompile(` \(\d+×\)`)

// empty tells that the path holds nothing that could be wrong.
func (a answer) empty(path string) bool {
	nothing := []string{absent, "0", "false", "[]", "{}"}
	if strings.HasSuffix(path, ".ExitCode") { // which says the most where it is 0
		nothing = nothing[:1]
	}
	for _, v := range a[path] {
		if !slices.Contains(nothing, v) {
			return false
		}
	}
	return true
}

// differing lists the paths on which two answers differ. Below a list of different lengths, or beside a different error,
// nothing is compared: that would be one difference told many times.
func differing(x, y answer) []string {
	if x.at(errorPath) != y.at(errorPath) {
		return []string{errorPath}
	}
	var out []string
	both := maps.Clone(x)
	maps.Copy(both, y)
	for _, p := range slices.Sorted(maps.Keys(both)) {
		under := slices.ContainsFunc(out, func(o string) bool { return strings.HasSuffix(o, "[]") && strings.HasPrefix(p, o) })
		if !under && x.at(p) != y.at(p) {
			out = append(out, p)
		}
	}
	return out
}
