package otel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// span is the half-open range of bytes [from, to) of a document.
type span struct{ from, to int }

// member is one key of an object, or one element of an array (with no key).
type member struct {
	key   string
	value gjson.Result
	span  // from the key's quote (an element: the value) to the end of the value
}

// membersOf lists what an object or array holds, in order, duplicates included.
func membersOf(v gjson.Result) []member {
	var out []member
	if !v.IsObject() && !v.IsArray() {
		return nil
	}
	v.ForEach(func(key, value gjson.Result) bool {
		m := member{key: key.Str, value: value, span: span{value.Index, value.Index + len(value.Raw)}}
		if v.IsObject() {
			m.from = key.Index
		}
		out = append(out, m)
		return true
	})
	return out
}

// find is the member of that key. A key that is there twice is refused where it matters: readers differ on which counts.
func find(v gjson.Result, key string) (member, bool, error) {
	var found member
	var ok bool
	for _, m := range membersOf(v) {
		if m.key == key && ok {
			return member{}, false, &Refusal{Reason: DuplicateKey, Name: key, Message: fmt.Sprintf("the key %q is there twice in one object", key)}
		}
		if m.key == key {
			found, ok = m, true
		}
	}
	return found, ok, nil
}

// text is the string member of that key, "" where there is none.
func text(v gjson.Result, key string) (string, error) {
	m, ok, err := find(v, key)
	if err != nil || !ok || m.value.Type != gjson.String {
		return "", err
	}
	return m.value.Str, nil
}

// edit replaces a span of the document.
type edit struct {
	span
	with string
}

// apply makes the edits, which do not overlap, within the range of whole, and returns that range.
func apply(raw []byte, whole span, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out bytes.Buffer
	at := whole.from
	for _, e := range edits {
		out.Write(raw[at:e.from])
		out.WriteString(e.with)
		at = e.to
	}
	out.Write(raw[at:whole.to])
	return out.Bytes()
}

// remove drops members with the comma that separates them, and leaves the others as they are.
func remove(members []member, drop func(member) bool) []edit {
	var out []edit
	kept := false
	for i, m := range members {
		switch {
		case !drop(m):
			kept = true
		case kept:
			out = append(out, edit{span: span{members[i-1].to, m.to}})
		case i+1 < len(members):
			out = append(out, edit{span: span{m.from, members[i+1].from}})
		default:
			out = append(out, edit{span: m.span})
		}
	}
	return out
}

// add appends a member or an element to an object or array with the spacing of the last one that is there.
func add(raw []byte, v gjson.Result, with string) edit {
	members := membersOf(v)
	if len(members) == 0 {
		at := v.Index + 1
		return edit{span{at, at}, with}
	}
	last := members[len(members)-1]
	return edit{span{last.to, last.to}, "," + spacing(raw, last.from) + with}
}

// spacing is the white space before the byte at.
func spacing(raw []byte, at int) string {
	head := raw[:at]
	return string(head[len(bytes.TrimRight(head, " \t\r\n")):])
}

// quoted is s as a JSON string, without HTML escapes.
func quoted(s string) string {
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(out.String(), "\n")
}

// root reads raw and finds the task definition in it and the tags beside it.
func root(raw []byte) (definition, tags gjson.Result, err error) {
	if !json.Valid(raw) {
		var v any
		return definition, tags, fmt.Errorf("read the task definition: %w", json.Unmarshal(raw, &v))
	}
	top := gjson.ParseBytes(raw)
	inner, wrapped, err := find(top, "taskDefinition")
	if err != nil {
		return definition, tags, err
	}
	if wrapped = wrapped && inner.value.IsObject(); !wrapped {
		inner.value = top
	}
	own, hasOwn, err := find(inner.value, "tags")
	if err != nil {
		return definition, tags, err
	}
	if !wrapped {
		return inner.value, own.value, nil
	}
	outer, hasOuter, err := find(top, "tags")
	if err == nil && hasOwn && hasOuter {
		err = &Refusal{Reason: DuplicateKey, Name: "tags", Message: "tags are given both inside taskDefinition and beside it"}
	}
	if hasOwn {
		outer = own
	}
	return inner.value, outer.value, err
}
