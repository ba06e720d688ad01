package template

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxYAML is the longest YAML that is read, in bytes: CloudFormation takes templates of 1 MB (CloudFormation quotas).
	maxYAML = 2 << 20
	// maxNodes bounds what aliases may unfold to.
	maxNodes = 1 << 18
)

// parseYAML reads the documents of a YAML text.
func parseYAML(raw []byte) ([]node, error) {
	if len(raw) > maxYAML {
		return nil, &Error{Problem: fmt.Sprintf("%d bytes of YAML are more than a CloudFormation template may have", len(raw)), Remedy: "the limit is 1 MB"}
	}
	tokens := lexer.Tokenize(string(raw))
	if at, deep := deepest(tokens); deep {
		return nil, &Error{Line: at.Line, Column: at.Column, Problem: errDeep.Error()}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, yamlError(err)
	}
	var out []node
	y := yamlReader{anchors: map[string]ast.Node{}}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.DirectiveType || doc.Body.Type() == ast.CommentType {
			continue
		}
		n, err := y.value(doc.Body, 0)
		if err != nil {
			return nil, &Error{Problem: err.Error()}
		}
		out = append(out, n)
	}
	return out, nil
}

func yamlError(err error) error {
	out := &Error{Problem: "not YAML: " + strings.SplitN(err.Error(), "\n", 2)[0]}
	if located, ok := errors.AsType[yaml.Error](err); ok {
		out.Problem = "not YAML: " + located.GetMessage()
		if tk := located.GetToken(); tk != nil && tk.Position != nil {
			out.Line, out.Column = max(1, tk.Position.Line), max(1, tk.Position.Column)
		}
	}
	if strings.Contains(out.Problem, "\t") {
		out.Problem, out.Remedy = strings.ReplaceAll(out.Problem, "\t", `\t`), "indent with spaces, not tabs"
	}
	return out
}

// deepest finds a token that nests deeper than the parser may follow: a stack that overflows cannot be recovered.
// Indented blocks need no check, since their depth is bounded by the square root of the size.
func deepest(tokens token.Tokens) (token.Position, bool) {
	flow, run, line := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position == nil {
			continue
		}
		if tk.Position.Line != line && flow == 0 {
			line, run = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType, token.TagType:
			run++
		}
		if flow > maxDepth || flow == 0 && run > maxDepth {
			return *tk.Position, true
		}
	}
	return token.Position{}, false
}

// yamlReader turns YAML into nodes, and CloudFormation's short forms into the long ones.
type yamlReader struct {
	anchors map[string]ast.Node
	count   int
}

func (y *yamlReader) value(n ast.Node, depth int) (node, error) {
	if y.count++; y.count > maxNodes {
		return node{}, errors.New("its aliases unfold to too much")
	}
	if depth > maxDepth {
		return node{}, errDeep
	}
	out := node{line: lineOfToken(n)}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode:
		return y.object(n.Values, out, depth)
	case *ast.MappingValueNode:
		return y.object([]*ast.MappingValueNode{n}, out, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, item := range n.Values {
			v, err := y.value(item, depth+1)
			if err != nil {
				return node{}, err
			}
			out.members = append(out.members, member{value: v})
		}
	case *ast.AnchorNode:
		y.anchors[n.Name.GetToken().Value] = n.Value
		return y.value(n.Value, depth+1)
	case *ast.AliasNode:
		target, ok := y.anchors[n.Value.GetToken().Value]
		if !ok {
			return node{}, fmt.Errorf("line %d: the alias %q has no anchor before it", out.line, n.Value.GetToken().Value)
		}
		return y.value(target, depth+1)
	case *ast.TagNode:
		return y.tagged(n, depth)
	case *ast.StringNode:
		out.kind, out.content = text, n.Value
	case *ast.LiteralNode:
		out.kind, out.content = text, n.Value.Value
	default:
		out.kind, out.content = text, n.GetToken().Value
	}
	return out, nil
}

func (y *yamlReader) object(values []*ast.MappingValueNode, out node, depth int) (node, error) {
	out.kind = object
	for _, mv := range values {
		v, err := y.value(mv.Value, depth+1)
		if err != nil {
			return node{}, err
		}
		if mv.Key.IsMergeKey() {
			out.members = append(merged(v), out.members...)
			continue
		}
		key := mv.Key.GetToken().Value
		if s, ok := mv.Key.(*ast.StringNode); ok {
			key = s.Value
		}
		if v.line == 0 || v.kind == object || v.kind == list {
			v.line = lineOfToken(mv.Key)
		}
		out.members = append(out.members, member{key, v})
	}
	if len(out.members) > 0 && out.members[0].value.line > 0 && out.line > out.members[0].value.line {
		out.line = out.members[0].value.line
	}
	return out, nil
}

// merged is what <<: brings: the members of an object, or of each of a list, of which the first counts.
func merged(v node) []member {
	if v.kind == object {
		return v.members
	}
	var out []member
	for _, m := range v.members {
		out = append(merged(m.value), out...)
	}
	return out
}

// tagged reads !Ref X as {Ref: X}, !GetAtt X as {Fn::GetAtt: X}, and YAML's own tags as what they stand before.
func (y *yamlReader) tagged(n *ast.TagNode, depth int) (node, error) {
	v, err := y.value(n.Value, depth+1)
	name := n.Start.Value
	if err != nil || strings.HasPrefix(name, "!!") || len(name) < 2 {
		return v, err
	}
	key := "Fn::" + name[1:]
	if name == "!Ref" || name == "!Condition" {
		key = name[1:]
	}
	return node{kind: object, line: v.line, members: []member{{key, v}}}, nil
}

func lineOfToken(n ast.Node) int {
	if n == nil {
		return 0
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return tk.Position.Line
	}
	return 0
}
