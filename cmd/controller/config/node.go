package config

import (
	"cmp"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is a position in the text, both parts from 1.
type place struct{ line, column int }

var start = place{1, 1}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.line, o.line), cmp.Compare(p.column, o.column))
}

func placeOfToken(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return start
	}
	return place{max(1, tk.Position.Line), max(1, tk.Position.Column)}
}

// placeOf is where a value begins: a block map begins at its first key, for
// which the parser names the colon.
func placeOf(n ast.Node) place {
	switch n := n.(type) {
	case nil:
		return start
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return placeOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		return placeOfToken(n.Key.GetToken())
	}
	return placeOfToken(n.GetToken())
}

// Visit collects anchors; the decoder is the [ast.Visitor] of its own document.
func (d *decoder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		name := a.Name.GetToken().Value
		d.anchors[name] = append(d.anchors[name], a)
	}
	return d
}

// resolve follows anchors, aliases and tags to the value they stand for. It
// returns nil once it has noted a problem.
func (d *decoder) resolve(n ast.Node, path string) ast.Node {
	for range maxDepth {
		switch t := n.(type) {
		case *ast.AnchorNode:
			n = t.Value
		case *ast.AliasNode:
			if n = d.anchored(t, path); n == nil {
				return nil
			}
		case *ast.TagNode:
			if n = d.tagged(t, path); n == nil {
				return nil
			}
		default:
			return n
		}
	}
	d.problem(placeOf(n), path, "an alias that leads back to itself", "")
	return nil
}

// anchored is the value of the last anchor of that name before the alias.
func (d *decoder) anchored(alias *ast.AliasNode, path string) ast.Node {
	name, at := alias.Value.GetToken().Value, placeOf(alias)
	var found ast.Node
	var names []string
	for n, anchors := range d.anchors {
		names = append(names, n)
		for _, a := range anchors {
			if n == name && placeOf(a).compare(at) < 0 {
				found = a.Value
			}
		}
	}
	if found == nil {
		hint := ""
		if near := nearest(name, names); near != "" && near != name {
			hint = fmt.Sprintf("did you mean %q?", "*"+near)
		}
		d.problem(at, path, fmt.Sprintf("no anchor %s before this alias", quote("&"+name)), hint)
	}
	return found
}

// tagged unwraps the tags of YAML's core schema; !!str makes a text of any scalar.
func (d *decoder) tagged(t *ast.TagNode, path string) ast.Node {
	switch t.Start.Value {
	case "!!str":
		if s, ok := t.Value.(ast.ScalarNode); ok {
			if _, null := s.(*ast.NullNode); !null {
				return asText(s)
			}
		}
		return t.Value
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return t.Value
	}
	d.problem(placeOf(t), path, fmt.Sprintf("tag %s means nothing here", quote(t.Start.Value)), "leave it out")
	return nil
}

func asText(s ast.ScalarNode) ast.Node {
	switch s.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return s
	}
	return ast.String(s.GetToken())
}

// entry is one key and its value, the value not yet resolved.
type entry struct {
	key   string
	at    place // of the key
	value ast.Node
}

// entries lists the keys of a map, merged ones (<<) last and only where the map
// does not have them itself. It reports false if n is no map.
func (d *decoder) entries(n ast.Node, path string) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	var list []entry
	var merged []ast.Node
	first := map[string]place{}
	for _, v := range values {
		key, at := v.Key.GetToken().Value, placeOfToken(v.Key.GetToken())
		if v.Key.IsMergeKey() {
			merged = append(merged, v.Value)
			continue
		}
		if before, twice := first[key]; twice {
			d.problem(at, join(path, key), fmt.Sprintf("duplicate field %s%s", quote(key), in(path)), fmt.Sprintf("it is already on line %d", before.line))
			continue
		}
		first[key] = at
		list = append(list, entry{key, at, v.Value})
	}
	for _, m := range merged {
		list = d.merge(list, first, m, path)
	}
	return list, true
}

// merge appends the entries of a merge key's value, a map or a list of maps, of
// which the earlier win.
func (d *decoder) merge(list []entry, have map[string]place, n ast.Node, path string) []entry {
	if d.left--; d.left < 0 {
		return list
	}
	n = d.resolve(n, path)
	if n == nil {
		return list
	}
	if seq, ok := n.(*ast.SequenceNode); ok {
		for _, v := range seq.Values {
			list = d.merge(list, have, v, path)
		}
		return list
	}
	more, ok := d.entries(n, path)
	if !ok {
		d.problem(placeOf(n), path, "<< takes a map or a list of maps", "write <<: *name")
	}
	for _, e := range more {
		if _, own := have[e.key]; !own {
			have[e.key] = e.at
			list = append(list, e)
		}
	}
	return list
}

// join adds a field to a path.
func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}
