package template

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// stack is a CloudFormation template with what has been found out about it.
type stack struct {
	root       node
	notes      []string
	conditions map[string]*bool // by name; nil: cannot be told, or is being told
	depth      int
	work       int // values still looked at: functions inside functions may double what they hold
}

// maxWork is how many values one template's evaluation may look at.
const maxWork = 1 << 20

// readStack reads the task definitions of one template (CloudFormation user guide: template anatomy, intrinsic functions;
// AWS::ECS::TaskDefinition).
func readStack(root node, allow fleet.AllowList) Reading {
	s := &stack{root: root, conditions: map[string]*bool{}, work: maxWork}
	out := Reading{Kind: CloudFormation}
	if transform := root.get("Transform"); transform.kind != null {
		s.note("the template has a Transform, which may change what is judged here: lint what it makes as well (aws cloudformation get-template --template-stage Processed)")
	}
	for _, m := range root.get("Resources").members {
		kind := m.value.get("Type")
		switch {
		case kind.is("AWS::ECS::TaskDefinition"):
			r := define(s.eval(m.value.get("Properties")), allow)
			r.Address, r.Line = m.key, m.value.line
			out.Resources = append(out.Resources, r)
		case kind.is("AWS::CloudFormation::Stack"):
			s.note("the nested stack " + m.key + " is a template of its own: lint that as well")
		case strings.HasPrefix(m.key, "Fn::ForEach"):
			s.note(m.key + " makes resources that are not judged: lint what it makes as well")
		}
	}
	out.Notes = s.notes
	return out
}

func (s *stack) note(text string) {
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// eval gives n without functions: with what they come to, or unseen.
func (s *stack) eval(n node) node {
	if s.depth++; s.depth > maxDepth {
		s.depth--
		return open("it is nested too deeply")
	}
	defer func() { s.depth-- }()
	if s.work--; s.work < 0 {
		return open("the template is too involved")
	}
	if n.kind == text && strings.Contains(n.content, "{{resolve:") {
		return open("a dynamic reference is resolved when it is deployed").at(n)
	}
	if n.kind != object && n.kind != list {
		return n
	}
	if n.kind == object && len(n.members) == 1 {
		if key := n.members[0].key; key == "Ref" || strings.HasPrefix(key, "Fn::") {
			return s.call(key, n.members[0].value).at(n)
		}
	}
	out := n
	out.members = nil
	for _, m := range n.members {
		if n.kind == object && strings.HasPrefix(m.key, "Fn::") {
			s.note(fmt.Sprintf("%s at line %d may change what is judged here", m.key, m.value.line))
			continue
		}
		if v := s.eval(m.value); v.kind != removed {
			out.members = append(out.members, member{m.key, v})
		}
	}
	return out
}

// at gives n the place of another node.
func (n node) at(o node) node {
	n.line = o.line
	return n
}

// ref is what Ref of a name comes to.
func (s *stack) ref(name string) node {
	if name == "AWS::NoValue" {
		return node{kind: removed}
	}
	p := s.root.get("Parameters").get(name)
	if p.kind != object {
		return open(name + " is known when it is deployed")
	}
	kind, value := p.get("Type").content, p.get("Default")
	switch {
	case strings.HasPrefix(kind, "AWS::SSM::Parameter::"):
		return open("the parameter " + name + " is read from SSM when it is deployed")
	case p.get("NoEcho").is("true"):
		return open("the parameter " + name + " is secret (NoEcho)")
	case value.kind != text:
		return open("the parameter " + name + " has no default")
	}
	s.note("the parameter " + name + " is judged by its default; a deployment may give another")
	if kind == "CommaDelimitedList" || strings.HasPrefix(kind, "List<") {
		return split(value.content, ",")
	}
	return value
}

func split(s, by string) node {
	out := node{kind: list}
	for part := range strings.SplitSeq(s, by) {
		out.members = append(out.members, member{value: textNode(strings.TrimSpace(part))})
	}
	return out
}

// condition is the value of a named condition, nil where it cannot be told.
func (s *stack) condition(name string) *bool {
	if known, ok := s.conditions[name]; ok {
		return known
	}
	s.conditions[name] = nil // one that leads back to itself cannot be told
	s.conditions[name] = s.truth(s.root.get("Conditions").get(name))
	return s.conditions[name]
}

// truth evaluates a condition's expression, nil where it cannot be told.
func (s *stack) truth(n node) *bool {
	if s.depth++; s.depth > maxDepth {
		s.depth--
		return nil
	}
	defer func() { s.depth-- }()
	if n.kind != object || len(n.members) != 1 {
		return nil
	}
	key, args := n.members[0].key, n.members[0].value
	switch key {
	case "Condition":
		return s.condition(args.content)
	case "Fn::Not":
		if len(args.members) != 1 {
			return nil
		}
		if v := s.truth(args.members[0].value); v != nil {
			return new(!*v)
		}
	case "Fn::And", "Fn::Or":
		return s.junction(args, key == "Fn::Or")
	case "Fn::Equals":
		if len(args.members) != 2 {
			return nil
		}
		a, b := s.eval(args.members[0].value), s.eval(args.members[1].value)
		if a.kind == text && b.kind == text {
			return new(a.content == b.content)
		}
	}
	return nil
}

// junction is And, or Or: decides is the value of one part that decides it whatever the others are.
func (s *stack) junction(args node, decides bool) *bool {
	open := false
	for _, m := range args.members {
		switch v := s.truth(m.value); {
		case v == nil:
			open = true
		case *v == decides:
			return v
		}
	}
	if open || len(args.members) == 0 {
		return nil
	}
	return new(!decides)
}
