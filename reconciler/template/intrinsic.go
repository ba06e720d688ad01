package template

import (
	"regexp"
	"strconv"
	"strings"
)

// call evaluates an intrinsic function, or says why it is unseen. What other resources, the account and the region give
// is known when it is deployed.
func (s *stack) call(function string, args node) node {
	switch function {
	case "Ref":
		return s.ref(args.content)
	case "Fn::Sub":
		return s.sub(args)
	case "Fn::If":
		return s.choose(args)
	case "Fn::Join":
		return s.join(args)
	case "Fn::Select":
		return s.pick(args)
	case "Fn::Split":
		if by, of := s.pair(args); by.kind == text && of.kind == text && by.content != "" {
			return split(of.content, by.content)
		}
	case "Fn::FindInMap":
		return s.find(args)
	case "Fn::GetAtt":
		return open("an attribute of another resource is known when it is deployed")
	case "Fn::ImportValue":
		return open("a value of another stack is known when it is deployed")
	}
	return open(function + " is known when it is deployed")
}

// pair evaluates a list of two.
func (s *stack) pair(args node) (a, b node) {
	if args.kind != list || len(args.members) != 2 {
		return node{}, node{}
	}
	return s.eval(args.members[0].value), s.eval(args.members[1].value)
}

// variable is ${Name}, ${Resource.Attribute} or ${!Literal} of Fn::Sub.
var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// sub puts values into a text. What is unseen stands as ? in what is left.
func (s *stack) sub(args node) node {
	form, own := args, node{}
	if args.kind == list && len(args.members) > 0 {
		form = args.members[0].value
		if len(args.members) > 1 {
			own = args.members[1].value
		}
	}
	if form.kind != text {
		return open("Fn::Sub without a text")
	}
	why := ""
	content := variable.ReplaceAllStringFunc(form.content, func(found string) string {
		name := strings.TrimSpace(found[2 : len(found)-1])
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		v := own.get(name)
		if v.kind == null {
			v = s.ref(name)
		} else {
			v = s.eval(v)
		}
		if v.kind == text {
			return v.content
		}
		if why == "" {
			why = v.why
		}
		return "?"
	})
	return partly(content, why)
}

// partly is a text of which some part may be unseen.
func partly(content, why string) node {
	if why == "" && strings.Contains(content, "{{resolve:") {
		content, why = "?", "a dynamic reference is resolved when it is deployed"
	}
	if why != "" {
		return node{kind: unseen, content: content, why: why}
	}
	return textNode(content)
}

// choose takes the branch of a condition that can be told, either branch where both are equal, and is unseen otherwise.
func (s *stack) choose(args node) node {
	if args.kind != list || len(args.members) != 3 {
		return open("Fn::If without three parts")
	}
	name := args.members[0].value.content
	if v := s.condition(name); v != nil {
		s.note("the condition " + name + " is judged by the defaults of its parameters: what it switches is not judged both ways")
		if *v {
			return s.eval(args.members[1].value)
		}
		return s.eval(args.members[2].value)
	}
	a, b := s.eval(args.members[1].value), s.eval(args.members[2].value)
	if a.kind == text && b.kind == text && a.content == b.content {
		return a
	}
	return open("it depends on the condition " + name)
}

func (s *stack) join(args node) node {
	by, parts := s.pair(args)
	if by.kind != text || parts.kind != list {
		return open("Fn::Join of what is known when it is deployed")
	}
	why := ""
	words := make([]string, 0, len(parts.members))
	for _, m := range parts.members {
		if m.value.kind == unseen {
			why = m.value.why
		}
		words = append(words, m.value.content)
	}
	return partly(strings.Join(words, by.content), why)
}

func (s *stack) pick(args node) node {
	index, from := s.pair(args)
	i, err := strconv.Atoi(index.content)
	if err != nil || from.kind != list || i < 0 || i >= len(from.members) {
		return open("Fn::Select of what is known when it is deployed")
	}
	return from.members[i].value
}

func (s *stack) find(args node) node {
	at := s.root.get("Mappings")
	for _, m := range args.members[:min(3, len(args.members))] {
		key := s.eval(m.value)
		if key.kind != text {
			return open("Fn::FindInMap by what is known when it is deployed")
		}
		at = at.get(key.content)
	}
	if at.kind != text && at.kind != list {
		return open("Fn::FindInMap finds nothing")
	}
	return at
}
