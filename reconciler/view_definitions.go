package reconciler

import (
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// texts makes task definitions small, since they are kept for ever: what revisions have in common (images, log options,
// names) is kept once, and log options that equal those of the container before are one map. Like a map, it is not safe
// for concurrent use. What it gives shares its parts and must not be changed.
type texts map[string]string

// once gives the kept copy of a text. A copy, since the text may have been cut from a whole answer, which would stay.
func (s texts) once(text string) string {
	kept, ok := s[text]
	if !ok {
		kept = strings.Clone(text)
		s[kept] = kept
	}
	return kept
}

// slim gives the definition back in fewer bytes: equal to d in every field.
func (s texts) slim(d fleet.Definition) fleet.Definition {
	d.ARN, d.Family = strings.Clone(d.ARN), s.once(d.Family)
	d.NetworkMode, d.RegisteredBy = s.once(d.NetworkMode), s.once(d.RegisteredBy)
	d.Containers = slices.Clone(d.Containers)
	var before map[string]string
	for i, c := range d.Containers {
		c.Name, c.Image, c.LogDriver = s.once(c.Name), s.once(c.Image), s.once(c.LogDriver)
		if len(c.LogOptions) > 0 && maps.Equal(c.LogOptions, before) {
			c.LogOptions = before
		} else {
			c.LogOptions = s.options(c.LogOptions)
		}
		before = c.LogOptions
		s.slimLists(&c)
		d.Containers[i] = c
	}
	return d
}

func (s texts) options(all map[string]string) map[string]string {
	if all == nil {
		return nil
	}
	out := make(map[string]string, len(all))
	for k, v := range all {
		out[s.once(k)] = s.once(v)
	}
	return out
}

// slimLists replaces the container's lists by copies without room to grow.
func (s texts) slimLists(c *fleet.ContainerDefinition) {
	c.DependsOn, c.Ports = exact(c.DependsOn), exact(c.Ports)
	c.Env, c.Secrets = exact(c.Env), exact(c.Secrets)
	for i, dep := range c.DependsOn {
		c.DependsOn[i] = fleet.Dependency{Container: s.once(dep.Container), Condition: s.once(dep.Condition)}
	}
	for i, e := range c.Env {
		c.Env[i].Name, c.Env[i].Value = s.once(e.Name), s.once(e.Value)
	}
	for i, name := range c.Secrets {
		c.Secrets[i] = s.once(name)
	}
}

func exact[T any](list []T) []T {
	if list == nil {
		return nil
	}
	return append(make([]T, 0, len(list)), list...)
}
