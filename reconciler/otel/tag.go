package otel

import (
	"bytes"

	"github.com/tidwall/gjson"
)

// Tag puts one tag into RegisterTaskDefinition input, as Patch writes it; one with the same key goes. Every other byte stays.
func Tag(document []byte, key, value string) ([]byte, error) {
	definition, tags, err := root(document)
	if err != nil {
		return nil, err
	}
	tag := `{"key":` + quoted(key) + `,"value":` + quoted(value) + `}`
	if !tags.Exists() {
		return apply(document, span{0, len(document)}, []edit{add(document, definition, `"tags":[`+tag+`]`)}), nil
	}
	if !tags.IsArray() {
		return nil, &Refusal{Reason: Malformed, Name: "tags", Message: "tags is no list"}
	}
	same := func(m member) bool { k, _ := text(m.value, "key"); return k == key }
	edits := remove(membersOf(tags), same)
	kept := bytes.TrimSpace(apply(document, span{tags.Index, tags.Index + len(tags.Raw)}, edits))
	list := gjson.ParseBytes(kept)
	with := apply(kept, span{0, len(kept)}, []edit{add(kept, list, tag)})
	return apply(document, span{0, len(document)}, []edit{{span{tags.Index, tags.Index + len(tags.Raw)}, string(with)}}), nil
}
