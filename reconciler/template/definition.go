package template

import (
	"encoding/json"
	"fmt"
	"slices"

	"taskwarden/reconciler/fleet"
)

// define reduces the properties of a task definition, in any of the spellings, without functions.
func define(properties node, allow fleet.AllowList) Resource {
	r := Resource{lines: map[place]int{}}
	containers := properties.field("containerDefinitions")
	switch {
	case properties.kind == unseen:
		r.Open = properties.why
	case containers.kind == unseen:
		r.Open = containers.why
	case containers.kind == object || containers.kind == text:
		r.Open = "containerDefinitions is no list"
	}
	doc := map[string]any{"containerDefinitions": []any{}}
	for _, name := range []string{"family", "networkMode", "memory"} {
		if v, ok := word(properties.field(name), func(string) {}).(string); ok {
			doc[name] = v
		}
	}
	var found []any
	var gaps []map[string]string
	partial := false
	for _, m := range containers.members {
		if containers.kind != list || m.value.kind != object {
			partial = partial || m.value.kind == unseen
			continue
		}
		c, gap := r.container(m.value, len(found))
		found, gaps = append(found, c), append(gaps, gap)
	}
	if len(found) > 0 {
		doc["containerDefinitions"] = found
	}
	raw, err := json.Marshal(doc)
	if err == nil {
		r.Definition, err = fleet.ParseDefinition(raw, allow)
	}
	if err != nil {
		r.Open = "it cannot be read: " + err.Error()
		return r
	}
	r.Definition.Partial = partial
	for i, gap := range gaps {
		r.Definition.Containers[i].Unseen = gap
		blind(r.Definition.Containers[i])
	}
	return r
}

// blind takes back the values that stand for unseen ones.
func blind(c fleet.ContainerDefinition) {
	for i, e := range c.Env {
		if c.Unseen["environment."+e.Name] != "" {
			c.Env[i] = fleet.EnvVar{Name: e.Name}
		}
	}
}

// container reads one container definition and what is unseen of it.
func (r *Resource) container(n node, index int) (doc map[string]any, gaps map[string]string) {
	gaps = map[string]string{}
	doc = map[string]any{}
	name := n.field("name")
	doc["name"] = name.content
	if name.kind != text {
		doc["name"] = fmt.Sprintf("containerDefinitions[%d]", index)
	}
	r.lines[place{doc["name"].(string), ""}] = n.line
	for _, m := range n.members {
		s, ok := shapes[plain(m.key)]
		if !ok {
			continue
		}
		if v := s.read(m.value, func(why string) { gaps[s.name] = why }); v != nil {
			doc[s.name] = v
		}
	}
	if image := n.field("image"); image.kind == unseen && image.content != "?" {
		doc["image"] = image.content // its end often tells what it is
		if agentIsTold(image.content) {
			delete(gaps, "image")
		}
	}
	doc["environment"] = r.environment(n.field("environment"), doc["name"].(string), gaps)
	if len(gaps) == 0 {
		gaps = nil
	}
	return doc, gaps
}

// agentIsTold tells whether the repository's last part, which names the program, is whole.
func agentIsTold(image string) bool {
	start := 0
	for i := range image {
		switch image[i] {
		case '/':
			start = i + 1
		case ':', '@':
			return i > start && !slices.Contains([]byte(image[start:i]), '?')
		}
	}
	return start < len(image) && !slices.Contains([]byte(image[start:]), '?')
}

// environment reads the variables. A value that is unseen is one variable's gap, a name is the whole list's.
func (r *Resource) environment(n node, container string, gaps map[string]string) []any {
	out := []any{}
	if n.kind != list {
		other(n, "list", func(why string) { gaps["environment"] = why })
		return out
	}
	for _, m := range n.members {
		name, value := m.value.field("name"), m.value.field("value")
		if m.value.kind == unseen || name.kind != text {
			why := m.value.why
			if name.kind == unseen {
				why = name.why
			}
			if why == "" {
				why = "an entry has no name"
			}
			gaps["environment"] = why
			continue
		}
		if value.kind == unseen {
			gaps["environment."+name.content] = value.why
		}
		if at := (place{container, name.content}); r.lines[at] == 0 {
			r.lines[at] = max(value.line, m.value.line)
		}
		v, _ := word(value, func(string) {}).(string)
		out = append(out, map[string]any{"name": name.content, "value": v})
	}
	return out
}
