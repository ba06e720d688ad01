package template

import (
	"math"
	"strconv"
)

// shape is what a property of a container definition looks like. Containers of Terraform's JSON, of the Cloud Control
// provider's blocks and of CloudFormation differ in spelling alone.
type shape struct {
	name string // as the API spells it
	read reader
}

// reader gives a node's JSON value, nil for none, and tells gap why a part of it is not known.
type reader func(n node, gap func(why string)) any

// shapes are the properties that are judged, by their names in plain spelling; the name and the variables are read apart.
var shapes = map[string]shape{
	"image":             {"image", word},
	"essential":         {"essential", truth},
	"memory":            {"memory", number},
	"memoryreservation": {"memoryReservation", number},
	"restartpolicy":     {"restartPolicy", fields(map[string]shape{"enabled": {"enabled", truth}})},
	"healthcheck":       {"healthCheck", fields(map[string]shape{"command": {"command", known(listOf(word))}})},
	"logconfiguration":  {"logConfiguration", fields(map[string]shape{"logdriver": {"logDriver", word}, "options": {"options", known(texts)}})},
	"dependson":         {"dependsOn", listOf(fields(map[string]shape{"containername": {"containerName", word}, "condition": {"condition", word}}))},
	"portmappings":      {"portMappings", listOf(fields(map[string]shape{"containerport": {"containerPort", number}}))},
	"secrets":           {"secrets", listOf(fields(map[string]shape{"name": {"name", word}}))},
	"environmentfiles":  {"environmentFiles", listOf(func(node, func(string)) any { return struct{}{} })},
	"command":           {"command", some},
	"entrypoint":        {"entryPoint", some},
}

// other is what is not of the expected kind: null is nothing, the rest is a gap.
func other(n node, want string, gap func(string)) any {
	switch n.kind {
	case null, removed:
	case unseen:
		gap(n.why)
	default:
		gap("it is no " + want)
	}
	return nil
}

func word(n node, gap func(string)) any {
	if n.kind == text {
		return n.content
	}
	return other(n, "text", gap)
}

// truth reads true and false, also in quotes as CloudFormation takes them.
func truth(n node, gap func(string)) any {
	if v, err := strconv.ParseBool(n.content); n.kind == text && err == nil {
		return v
	}
	return other(n, "truth value", gap)
}

func number(n node, gap func(string)) any {
	if v, err := strconv.ParseFloat(n.content, 64); n.kind == text && err == nil && math.Abs(v) <= math.MaxInt32 {
		return int(v)
	}
	return other(n, "number", gap)
}

// some reads a list of which only matters that it holds something.
func some(n node, _ func(string)) any {
	if n.kind == unseen || n.kind == list && len(n.members) > 0 {
		return []string{"?"}
	}
	return nil
}

// known reads without telling of what is not known: the rest is enough for the rules.
func known(read reader) reader {
	return func(n node, _ func(string)) any { return read(n, func(string) {}) }
}

func fields(of map[string]shape) reader {
	return func(n node, gap func(string)) any {
		if n.kind == list && len(n.members) == 1 {
			n = n.members[0].value // Terraform writes some blocks as lists of one
		}
		if n.kind != object {
			return other(n, "object", gap)
		}
		out := map[string]any{}
		for _, m := range n.members {
			if s, ok := of[plain(m.key)]; ok {
				if v := s.read(m.value, gap); v != nil {
					out[s.name] = v
				}
			}
		}
		return out
	}
}

func listOf(read reader) reader {
	return func(n node, gap func(string)) any {
		if n.kind != list {
			return other(n, "list", gap)
		}
		out := []any{}
		for _, m := range n.members {
			if m.value.kind == unseen {
				gap(m.value.why) // whether it is there at all is not known
			} else if v := read(m.value, gap); v != nil {
				out = append(out, v)
			}
		}
		return out
	}
}

// texts reads a map of texts whose keys are data.
func texts(n node, gap func(string)) any {
	out := map[string]string{}
	for _, m := range n.members {
		if v, ok := word(m.value, gap).(string); ok && n.kind == object {
			out[m.key] = v
		}
	}
	return out
}
