package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxSize is the longest text that is read, in bytes. A fleet's configuration
// is a few kilobytes; anything near this is the wrong file.
const maxSize = 1 << 20

// Load reads one ControllerConfig. What the text leaves out has its default; an
// empty one gives [Default]. The name stands in the problems' places. The error
// is always of type [Errors] and holds every problem that was found.
func Load(name string, text []byte) (Config, error) {
	c, _, err := Check(name, text)
	return c, err
}

// Check is [Load] that also gives what is allowed and does not do what it seems
// to, in the order of the places. There are no warnings of a text with problems.
func Check(name string, text []byte) (Config, []Problem, error) {
	d := &decoder{file: name, left: maxValues, at: map[string]place{"": start}}
	root := d.parse(text)
	if len(d.problems) > 0 {
		return Config{}, nil, d.problems.sorted()
	}
	c := Default()
	if root != nil {
		c.APIVersion, c.Kind, c.Remediation.Default = "", "", ""
		d.load(root, &c)
		c.complete()
		d.validate(c)
		d.refuseMissing(c)
	}
	if len(d.problems) > 0 {
		return Config{}, nil, d.problems.sorted()
	}
	d.warn(c)
	return c, d.warnings.sorted(), nil
}

// parse returns the document's root, nil if the text holds none or problems
// were noted.
func (d *decoder) parse(text []byte) (root ast.Node) {
	if len(text) > maxSize {
		d.problem(start, "", fmt.Sprintf("%d bytes are more than a configuration may have", len(text)), fmt.Sprintf("the limit is %d", maxSize))
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	tokens := lexer.Tokenize(string(text))
	if at, deep := tooDeep(tokens); deep {
		d.problem(at, "", "nested too deeply", fmt.Sprintf("the limit is %d levels", maxDepth))
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.DirectiveType || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			d.problem(placeOf(doc.Body), "", "a second document", "a configuration is one document; remove the --- line and what follows")
			return nil
		}
		root = doc.Body
	}
	return root
}

func (d *decoder) syntax(err error) {
	at := start
	message := strings.SplitN(err.Error(), "\n", 2)[0]
	if located, ok := errors.AsType[yaml.Error](err); ok {
		message = located.GetMessage()
		at = placeOfToken(located.GetToken())
	}
	hint := ""
	if strings.Contains(message, "'\t'") {
		hint = "indent with spaces, not tabs"
	}
	d.problem(at, "", "not valid YAML: "+strings.ReplaceAll(message, "\t", `\t`), hint)
}

// maxDepth is how many levels a text may nest, far above what the format uses.
const maxDepth = 64

// tooDeep finds the place where a text nests deeper than maxDepth, before the
// parser recurses into it: a stack that overflows cannot be recovered. Blocks
// that are indented by lines need no check, since their depth is bounded by the
// square root of the size.
func tooDeep(tokens token.Tokens) (place, bool) {
	flow, run, line := 0, 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType, token.TagType:
			run++
		}
		if at := placeOfToken(tk); at.line != line && flow == 0 {
			line, run = at.line, 0
		}
		if flow > maxDepth || run > maxDepth && flow == 0 {
			return placeOfToken(tk), true
		}
	}
	return place{}, false
}
