package scan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"taskwarden/reconciler/fleet"
)

// Change is one difference between the revision before the onset and the one at it. Values of environment variables that
// are not on the allow-list were never kept: that such a variable came or went shows, a change of its value does not.
type Change struct {
	Container string `json:"container"`
	What      string `json:"what"` // image, image digest, environment, secret, essential, …
	Name      string `json:"name,omitempty"`
	Was       string `json:"was"`
	Is        string `json:"is"`
}

// changes compares two task definitions and the images that ECS resolved for their deployments.
func changes(f Facts, was, is phase) []Change {
	a, b := f.Definitions[was.definition], f.Definitions[is.definition]
	if a.ARN == "" || b.ARN == "" {
		return nil
	}
	var out []Change
	for _, c := range b.Containers {
		old, ok := a.Container(c.Name)
		if !ok {
			out = append(out, Change{Container: c.Name, What: "container", Is: c.Image})
			continue
		}
		out = append(out, containerChanges(old, c)...)
		if x, y := digestOf(f, was, c.Name), digestOf(f, is, c.Name); c.Image == old.Image && x != y && x != "" && y != "" {
			out = append(out, Change{c.Name, "image digest", "", x, y})
		}
	}
	for _, c := range a.Containers {
		if _, ok := b.Container(c.Name); !ok {
			out = append(out, Change{Container: c.Name, What: "container", Was: c.Image})
		}
	}
	if a.Memory != b.Memory {
		out = append(out, Change{What: "task memory", Was: strconv.Itoa(a.Memory), Is: strconv.Itoa(b.Memory)})
	}
	return out
}

func digestOf(f Facts, p phase, container string) string {
	for _, i := range f.Revisions[p.revision].Images {
		if i.Container == container {
			return i.Digest
		}
	}
	return ""
}

func containerChanges(was, is fleet.ContainerDefinition) []Change {
	var out []Change
	add := func(what string, a, b any) {
		if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
			out = append(out, Change{is.Name, what, "", x, y})
		}
	}
	add("image", was.Image, is.Image)
	add("essential", was.Essential, is.Essential)
	add("restart policy", was.Restart, is.Restart)
	add("health check", was.HealthCheck, is.HealthCheck)
	add("memory", was.Memory, is.Memory)
	add("memory reservation", was.MemoryReservation, is.MemoryReservation)
	add("log driver", was.LogDriver, is.LogDriver)
	add("environment files", was.EnvFiles, is.EnvFiles)
	out = append(out, envChanges(was, is)...)
	for _, s := range is.Secrets {
		if !slices.Contains(was.Secrets, s) {
			out = append(out, Change{Container: is.Name, What: "secret", Name: s, Is: "set"})
		}
	}
	for _, s := range was.Secrets {
		if !slices.Contains(is.Secrets, s) {
			out = append(out, Change{Container: is.Name, What: "secret", Name: s, Was: "set"})
		}
	}
	return out
}

// hidden stands for a value that is not on the allow-list.
const hidden = "(hidden)"

func envChanges(was, is fleet.ContainerDefinition) []Change {
	a, b := envOf(was), envOf(is)
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	var out []Change
	for _, name := range slices.Compact(keys) {
		x, had := a[name]
		y, has := b[name]
		if had == has && x == y {
			continue
		}
		out = append(out, Change{is.Name, "environment", name, x, y})
	}
	return out
}

func envOf(c fleet.ContainerDefinition) map[string]string {
	out := map[string]string{}
	for _, e := range c.Env {
		shown, ok := e.Shown()
		if !ok {
			shown = hidden
		}
		out[e.Name] = shown
	}
	return out
}

// String is the change in words: "django: OTEL_TRACES_SAMPLER: always_on → xray".
func (c Change) String() string {
	place := c.What
	if c.Name != "" {
		place = c.Name
		if c.What == "secret" {
			place = "secret " + c.Name
		}
	}
	if c.Container != "" {
		place = c.Container + ": " + place
	}
	return place + ": " + cmp.Or(c.Was, "(none)") + " → " + cmp.Or(c.Is, "(none)")
}
