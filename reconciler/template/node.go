package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"sort"
	"strings"
)

// kind is what a node is.
type kind int

const (
	null kind = iota
	text
	list
	object
	unseen  // why says why; content is what is known of a text, with ? for the rest
	removed // Ref: AWS::NoValue
)

// node is one value of a document, JSON or YAML alike.
type node struct {
	kind    kind
	content string // of a text; numbers and truth values as they are written
	why     string
	members []member // of an object; of a list, with empty keys
	line    int      // from 1; 0: not known
}

type member struct {
	key   string
	value node
}

func textNode(s string) node { return node{kind: text, content: s} }

func open(why string) node { return node{kind: unseen, content: "?", why: why} }

// get is the object's member of that key, null where there is none. Of a key that is there twice the last counts.
func (n node) get(key string) node {
	for _, m := range slices.Backward(n.members) {
		if n.kind == object && m.key == key {
			return m.value
		}
	}
	return node{}
}

// field is like get, in any spelling: ContainerDefinitions, containerDefinitions, container_definitions.
func (n node) field(key string) node {
	for _, m := range slices.Backward(n.members) {
		if n.kind == object && plain(m.key) == plain(key) {
			return m.value
		}
	}
	return node{}
}

func plain(key string) string { return strings.ToLower(strings.ReplaceAll(key, "_", "")) }

// is tells whether the node is the text.
func (n node) is(s string) bool { return n.kind == text && n.content == s }

// maxDepth is how deep a document may nest: far above what any template does, and far below what a stack holds.
const maxDepth = 200

var errDeep = errors.New("nested too deeply")

// parseJSON reads one JSON value. lineOf gives the line of an offset.
func parseJSON(raw []byte, lineOf func(int64) int) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	return jsonValue(dec, lineOf, 0)
}

func jsonValue(dec *json.Decoder, lineOf func(int64) int, depth int) (node, error) {
	if depth > maxDepth {
		return node{}, errDeep
	}
	token, err := dec.Token()
	if err != nil {
		return node{}, err
	}
	n := node{line: lineOf(dec.InputOffset())}
	switch v := token.(type) {
	case nil:
	case string:
		n.kind, n.content = text, v
	case json.Number:
		n.kind, n.content = text, v.String()
	case bool:
		n.kind, n.content = text, map[bool]string{true: "true", false: "false"}[v]
	case json.Delim:
		n.kind = map[json.Delim]kind{'{': object, '[': list}[v]
		for dec.More() {
			var m member
			if n.kind == object {
				key, err := dec.Token()
				if err != nil {
					return node{}, err
				}
				m.key, _ = key.(string)
			}
			if m.value, err = jsonValue(dec, lineOf, depth+1); err != nil {
				return node{}, err
			}
			n.members = append(n.members, m)
		}
		_, err = dec.Token() // the closing bracket
	}
	return n, err
}

// liner gives the line, from 1, of an offset of raw; 0 where raw is one line, which tells nobody anything.
func liner(raw []byte) func(int64) int {
	var breaks []int
	for i, b := range raw {
		if b == '\n' && i < len(raw)-1 {
			breaks = append(breaks, i)
		}
	}
	return func(offset int64) int {
		if len(breaks) == 0 {
			return 0
		}
		return sort.SearchInts(breaks, int(offset)) + 1
	}
}
