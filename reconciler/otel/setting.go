package otel

import (
	"cmp"
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
	Masked    bool   // Value lacks what the mask took out, or State is Unseen because it took out all
}

// Read is the variable of that name in c. An inline value wins over environment files (ECS developer guide,
// taskdef-envfiles), so it is seen even beside them.
func Read(c fleet.ContainerDefinition, name string) Setting {
	s := Setting{Name: name}
	inline := inlineOf(c, name)
	switch {
	case len(inline) > 0:
		last := inline[len(inline)-1]
		s.State, s.Value, s.Masked = Set, last.Value, last.Masked
		s.Ambiguous = len(inline) > 1 && (!alike(inline) || last.Masked) || slices.Contains(c.Secrets, name)
		switch {
		case last.Masked && !last.Kept:
			s.State, s.Why = Unseen, "its value is masked"
		case !last.Kept:
			s.State, s.Why = Unseen, cmp.Or(c.Unseen["environment."+name], "its value is not kept")
		}
	case slices.Contains(c.Secrets, name):
		s.State, s.Why = Unseen, "its value arrives from a secret"
	case c.EnvFiles > 0:
		s.State, s.Why = Unseen, "it may arrive from an environment file"
	default:
		if why := openList(c); why != "" {
			s.State, s.Why = Unseen, why
		}
	}
	return s
}

// openList says why a variable that no list of c shows may still be there: a template leaves one of the lists open.
func openList(c fleet.ContainerDefinition) string {
	for _, field := range []string{"environment", "secrets", "environmentFiles"} {
		if why := c.Unseen[field]; why != "" {
			return "it may be in " + field + ", which is open: " + why
		}
	}
	return ""
}

// Blank reports whether nothing is set: OpenTelemetry treats an empty value as an unset one (specification, "SDK
// environment variables", parsing empty value). An unseen variable is not blank.
func (s Setting) Blank() bool {
	return s.State == Absent || s.State == Set && strings.TrimSpace(s.Value) == ""
}

// Given reports whether a value is set and seen.
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

// unsettable says why Patch would refuse to set the variable, "" where it would not.
func unsettable(c fleet.ContainerDefinition, name string) string {
	n := len(inlineOf(c, name))
	switch {
	case slices.Contains(c.Secrets, name):
		return name + " arrives from a secret, and ECS refuses a name in both places"
	case n > 1:
		return fmt.Sprintf("%s is set %d times: keep one first", name, n)
	case n == 0 && c.EnvFiles > 0:
		return name + " may arrive from an environment file, which an inline value would hide"
	case n == 0 && openList(c) != "":
		return name + ": " + openList(c)
	}
	return ""
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
		kept := !slices.ContainsFunc(entries, func(v fleet.EnvVar) bool { return !v.Kept || v.Masked })
		different := !alike(entries)
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

// alike reports whether all entries have one value, as far as values are kept.
func alike(entries []fleet.EnvVar) bool {
	return !slices.ContainsFunc(entries, func(e fleet.EnvVar) bool { return e != entries[0] })
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
