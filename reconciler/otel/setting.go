package otel

import (
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// The variables that rules speak of.
const (
	Sampler    = "OTEL_TRACES_SAMPLER"
	SamplerArg = "OTEL_TRACES_SAMPLER_ARG"
)

// State says how much a task definition shows of a variable.
type State int

// States of a Setting.
const (
	Absent State = iota // the definition does not set it; the image still may
	Set                 // Value is what the definition sets
	Unseen              // it is, or may be, set where nobody can look: nothing can be concluded
)

// Setting is one variable of one container as far as the definition shows it.
type Setting struct {
	Name      string
	State     State
	Value     string // where State is Set
	Why       string // where State is Unseen
	Ambiguous bool   // set more than once: which one the process gets is not documented
}

// Read is the variable of that name in c. An inline value wins over environment files (ECS developer guide,
// taskdef-envfiles), so it is seen even beside them.
func Read(c fleet.ContainerDefinition, name string) Setting {
	s := Setting{Name: name}
	inline := inlineOf(c, name)
	switch {
	case len(inline) > 0:
		last := inline[len(inline)-1]
		s.State, s.Value = Set, last.Value
		s.Ambiguous = len(slices.Compact(inline)) > 1 || slices.Contains(c.Secrets, name)
		if !last.Kept {
			s.State, s.Why = Unseen, "its value is not kept"
		}
	case slices.Contains(c.Secrets, name):
		s.State, s.Why = Unseen, "its value arrives from a secret"
	case c.EnvFiles > 0:
		s.State, s.Why = Unseen, "it may arrive from an environment file"
	}
	return s
}

// Blank tells whether nothing is set: OpenTelemetry treats an empty value as an unset one (specification, "SDK
// environment variables", parsing empty value). An unseen variable is not blank.
func (s Setting) Blank() bool {
	return s.State == Absent || s.State == Set && strings.TrimSpace(s.Value) == ""
}

// Given tells whether a value is set and seen.
func (s Setting) Given() bool { return s.State == Set && !s.Blank() }

func inlineOf(c fleet.ContainerDefinition, name string) []fleet.EnvVar {
	var out []fleet.EnvVar
	for _, e := range c.Env {
		if e.Name == name {
			out = append(out, e)
		}
	}
	return out
}

// settable tells whether Patch would agree to set the variable.
func settable(c fleet.ContainerDefinition, name string) bool {
	n := len(inlineOf(c, name))
	return !slices.Contains(c.Secrets, name) && (n == 1 || n == 0 && c.EnvFiles == 0)
}

// Gap is a place where the definition does not show what a rule would have to see.
type Gap struct {
	Container string
	Subject   string // a variable's name, or "image"
	Why       string
}

// Gaps lists what Lint could not judge: a rule that is silent about these has not found them right.
func Gaps(d fleet.Definition) []Gap {
	var out []Gap
	for _, c := range d.Containers {
		for _, name := range []string{Sampler, SamplerArg} {
			if s := Read(c, name); s.State == Unseen {
				out = append(out, Gap{c.Name, name, s.Why + ": not judged"})
			}
		}
		if agent, ok := agentOf(c.Image); ok && agent.Fixed != nil {
			if _, known := versionOf(c.Image); !known {
				out = append(out, Gap{c.Name, "image", "its tag names no full version, so known crashes cannot be ruled out: see imageDigest of a running task"})
			}
		}
	}
	return out
}

// nameConflict finds variables that are set twice with different values, or both inline and as a secret. Which one the
// process gets is not documented; RegisterTaskDefinition refuses the second kind today.
func nameConflict(_ look, c fleet.ContainerDefinition) []hit {
	var out []hit
	seen := map[string]bool{}
	for _, e := range c.Env {
		if seen[e.Name] {
			continue
		}
		seen[e.Name] = true
		entries := inlineOf(c, e.Name)
		kept := !slices.ContainsFunc(entries, func(v fleet.EnvVar) bool { return !v.Kept })
		slices.SortFunc(entries, func(a, b fleet.EnvVar) int { return strings.Compare(a.Value, b.Value) })
		different := len(slices.Compact(slices.Clone(entries))) > 1
		switch {
		case slices.Contains(c.Secrets, e.Name):
			out = append(out, hit{env: []string{e.Name}, message: e.Name + " is set both in environment and in secrets: keep one"})
		case len(entries) > 1 && !kept:
			out = append(out, hit{env: []string{e.Name}, weak: true,
				message: fmt.Sprintf("%s is set %d times; whether the values differ is not visible here: keep one", e.Name, len(entries))})
		case different:
			out = append(out, hit{env: []string{e.Name},
				message: fmt.Sprintf("%s is set %d times with different values, and which one counts is not documented: keep one", e.Name, len(entries))})
		}
	}
	return append(out, secretTwice(c)...)
}

func secretTwice(c fleet.ContainerDefinition) []hit {
	var out []hit
	for i, name := range c.Secrets {
		first := slices.Index(c.Secrets, name)
		if i != first && !slices.Contains(c.Secrets[first+1:i], name) {
			out = append(out, hit{env: []string{name}, weak: true, message: name + " is listed more than once in secrets: keep one"})
		}
	}
	return out
}
