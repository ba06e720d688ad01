package export

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// cloudFormation is a part of a template: Environment of AWS::ECS::TaskDefinition's ContainerDefinitions.
func (s sheet) cloudFormation() []byte {
	var b strings.Builder
	comment(&b, "#", s.head("the template's resource of type AWS::ECS::TaskDefinition with that family"))
	fmt.Fprintf(&b, "Resources:\n  TaskDefinition: # the name that it has in your template\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      Family: %s\n      ContainerDefinitions:\n", yamlText(s.family))
	for _, c := range s.containers {
		fmt.Fprintf(&b, "        - Name: %s\n          Environment:\n", yamlText(c.name))
		for _, v := range c.variables {
			fmt.Fprintf(&b, "            - Name: %s\n              Value: %s # %s\n", yamlText(v.name), yamlText(v.value), v.said())
		}
	}
	comment(&b, "#", s.foot())
	return []byte(b.String())
}

// terraform is a part of a configuration: container_definitions of aws_ecs_task_definition.
func (s sheet) terraform() []byte {
	var b strings.Builder
	comment(&b, "#", s.head("container_definitions of the resource aws_ecs_task_definition with that family"))
	fmt.Fprintf(&b, "resource \"aws_ecs_task_definition\" %s { # the name that it has in your configuration\n  family = %s\n  container_definitions = jsonencode([\n", hclText(label(s.family)), hclText(s.family))
	for _, c := range s.containers {
		fmt.Fprintf(&b, "    {\n      name = %s\n      environment = [\n", hclText(c.name))
		for _, v := range c.variables {
			fmt.Fprintf(&b, "        { name = %s, value = %s }, # %s\n", hclText(v.name), hclText(v.value), v.said())
		}
		b.WriteString("      ]\n    },\n")
	}
	b.WriteString("  ])\n}\n")
	comment(&b, "#", s.foot())
	return []byte(b.String())
}

// ecspresso is a part of ecs-task-def.jsonnet, or without the comments of ecs-task-def.json.
func (s sheet) ecspresso() []byte {
	var b strings.Builder
	comment(&b, "//", s.head("containerDefinitions of ecs-task-def.json or ecs-task-def.jsonnet"))
	b.WriteString("{\n  \"containerDefinitions\": [\n")
	for i, c := range s.containers {
		fmt.Fprintf(&b, "    {\n      \"name\": %s,\n      \"environment\": [\n", quoted(c.name))
		for j, v := range c.variables {
			fmt.Fprintf(&b, "        // %s\n        { \"name\": %s, \"value\": %s }%s\n", v.said(), quoted(v.name), quoted(v.value), comma(j, len(c.variables)))
		}
		fmt.Fprintf(&b, "      ]\n    }%s\n", comma(i, len(s.containers)))
	}
	b.WriteString("  ]\n}\n")
	comment(&b, "//", s.foot())
	return []byte(b.String())
}

func comma(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}

// quoted is a string as JSON and jsonnet write it.
func quoted(s string) string {
	return escaped(plain(s), func(r rune) string {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	})
}

// yamlText is a string as YAML writes it between double quotes.
func yamlText(s string) string { return escaped(plain(s), long) }

// hclText is a string as HCL writes it: its templates begin with ${ and %{ (HCL native syntax specification, "Template
// Expressions").
func hclText(s string) string {
	return escaped(strings.NewReplacer("${", "$${", "%{", "%%{").Replace(plain(s)), long)
}

// plain is a string between double quotes with the escapes that all three languages know.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s { // what is no UTF-8 becomes U+FFFD
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

// escaped writes by its code what some reader may take for the end of a line, refuse, or join with the character before.
func escaped(s string, astral func(rune) string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == ' ' || unicode.IsPrint(r) && !unicode.Is(unicode.M, r):
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(astral(r))
		}
	}
	return b.String()
}

func long(r rune) string { return fmt.Sprintf(`\U%08x`, r) }

// label is a name that Terraform takes for a resource.
func label(family string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, family)
	if out == "" || out[0] >= '0' && out[0] <= '9' || out[0] == '-' {
		out = "_" + out
	}
	return out
}
