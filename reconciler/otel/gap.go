package otel

import (
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// Gap is a place where the definition does not show what a rule would have to see.
type Gap struct {
	Container string // "" where it is the task definition's
	Subject   string // a variable's name, or a field of the container definition in the API's spelling
	Why       string
	Changes   string // how the answer may change once it is seen
}

// Gaps lists what Lint could not judge: a rule that is silent about these has not found them right.
func Gaps(d fleet.Definition, o Options) []Gap {
	l := newLook(d, o)
	var out []Gap
	if d.Partial {
		out = append(out, Gap{Subject: "containerDefinitions", Why: "the template leaves containers open", Changes: "those are not judged, and an agent among them would serve the others"})
	}
	for _, c := range d.Containers {
		out = append(out, l.samplerGaps(c)...)
		if agent, ok := agentOf(c.Image); ok && agent.Fixed != nil {
			if _, known := versionOf(c.Image); !known {
				out = append(out, Gap{c.Name, "image", "its tag names no full version, so known crashes cannot be ruled out", "see imageDigest of a running task"})
			}
		}
		for _, field := range slices.Sorted(maps.Keys(c.Unseen)) {
			if name, variable := strings.CutPrefix(field, "environment."); !variable {
				out = append(out, Gap{c.Name, field, c.Unseen[field] + ": not judged", "rules that read it say nothing of this container"})
			} else if sign(name) && name != Sampler && name != SamplerArg {
				out = append(out, Gap{c.Name, name, c.Unseen[field] + ": not judged", "an endpoint or a switch there is judged by no rule"})
			}
		}
	}
	return out
}

// samplerGaps is what cannot be seen of one container's sampling.
func (l look) samplerGaps(c fleet.ContainerDefinition) []Gap {
	var out []Gap
	for _, name := range []string{Sampler, SamplerArg} {
		if s := Read(c, name); s.State == Unseen {
			out = append(out, Gap{c.Name, name, s.Why + ": not judged", "the pair is right where both are set together, as in parentbased_traceidratio and 0.01"})
		}
	}
	if !l.app(c) || !telemetry(c) || disabled(c) {
		return out
	}
	switch file := configFile(c); {
	case file != "":
		out = append(out, Gap{c.Name, file, "the sampler is in the file that it names: not judged", "what the other variables say does not count"})
	case Read(c, Sampler).State == Absent && c.Command:
		out = append(out, Gap{c.Name, Sampler, "the image or the command may set it: not judged", "then sampler-missing does not apply"})
	case Read(c, Sampler).State == Absent:
		out = append(out, Gap{c.Name, Sampler, "the image may set it: not judged", "then sampler-missing does not apply"})
	}
	return out
}
