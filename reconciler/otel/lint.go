package otel

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agext/levenshtein"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Problem is one thing a rule found in one container definition; its JSON is CONTRACT's lint line.
type Problem struct {
	Container string            `json:"container"`
	Rule      string            `json:"rule"`
	Severity  finding.Severity  `json:"severity"`
	Env       []string          `json:"env"` // the variables concerned, never nil
	Message   string            `json:"message"`
	Fix       map[string]string `json:"fix"` // variables to set together; nil: no setting cures it, or it cannot be set safely
	Held      string            `json:"-"`   // why there is no fix although a setting would cure it, "" otherwise
}

// Options is what Lint is told beside the definition. The zero value applies every rule as documented.
type Options struct {
	// Sidecar tells by name and image whether a container is a known agent or proxy. nil: telemetry agents by image alone.
	Sidecar func(name, image string) bool
	// Crash says that a sidecar crash of the definition's family is open: it raises the sampler's info rules to warning.
	Crash bool
	// Rules gives rules by id another severity, or Off. Rules left out keep their own.
	Rules map[string]finding.Severity
}

// Off as the severity of a rule switches the rule off.
const Off finding.Severity = "off"

// ParseRules reads the configuration section lint.rules: rule id to off, on, info, warning or critical. An error names
// the entry and the nearest right word.
func ParseRules(in map[string]string) (map[string]finding.Severity, error) {
	out := map[string]finding.Severity{}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		if _, ok := ruleOf(id); !ok {
			ids := make([]string, 0, len(rules))
			for _, r := range rules {
				ids = append(ids, r.ID)
			}
			return nil, fmt.Errorf("lint rule %q is unknown: did you mean %q?", id, nearest(id, ids))
		}
		switch severity := finding.Severity(in[id]); {
		case severity == "on":
		case severity == Off, severity.Rank() > 0:
			out[id] = severity
		default:
			return nil, fmt.Errorf("lint rule %s: severity %q is unknown: use off, on, info, warning or critical", id, in[id])
		}
	}
	return out, nil
}

// Lint applies the rules to each container of d, and answers in the order of the containers, then of the rules.
func Lint(d fleet.Definition, o Options) []Problem {
	l := newLook(d, o)
	var out []Problem
	for _, c := range d.Containers {
		for _, r := range rules {
			if o.Rules[r.ID] == Off {
				continue
			}
			for _, h := range r.check(l, c) {
				out = append(out, Problem{
					Container: c.Name, Rule: r.ID, Severity: o.severity(r, h),
					Env: append([]string{}, h.env...), Message: h.message, Fix: h.fix, Held: h.held,
				})
			}
		}
	}
	return out
}

// severity is the rule's own, raised while a crash is open, replaced where configured; a weak hit never exceeds info.
func (o Options) severity(r Rule, h hit) finding.Severity {
	severity := r.Severity
	if r.Raised && o.Crash {
		severity = finding.Warning
	}
	severity = cmp.Or(o.Rules[r.ID], severity)
	if h.weak && severity.Rank() > finding.Info.Rank() {
		return finding.Info
	}
	return severity
}

// look is one definition under one set of options.
type look struct {
	definition fleet.Definition
	options    Options
}

func newLook(d fleet.Definition, o Options) look {
	if o.Sidecar == nil {
		o.Sidecar = func(_, image string) bool { _, ok := agentOf(image); return ok }
	}
	return look{definition: d, options: o}
}

// hit is one rule's answer on one container.
type hit struct {
	env     []string
	message string
	fix     map[string]string
	held    string // Problem.Held
	weak    bool   // not proven by the definition alone: reported as info
}

func (l look) sidecar(c fleet.ContainerDefinition) bool { return l.options.Sidecar(c.Name, c.Image) }

// app tells whether c runs the service's own work: neither a known sidecar nor a helper that others wait for.
func (l look) app(c fleet.ContainerDefinition) bool {
	return !l.sidecar(c) && !l.definition.Helper(c.Name)
}

// Fixes merges the fixes of problems into what Patch takes: container to variable to value. Where two problems of a
// container differ, the more severe one decides, then the earlier.
func Fixes(problems []Problem) map[string]map[string]string {
	ordered := slices.Clone(problems)
	slices.SortStableFunc(ordered, func(a, b Problem) int { return cmp.Compare(b.Severity.Rank(), a.Severity.Rank()) })
	out := map[string]map[string]string{}
	for _, p := range ordered {
		if p.Fix != nil && out[p.Container] == nil {
			out[p.Container] = maps.Clone(p.Fix)
		}
	}
	return out
}

// nearest is the candidate most like word.
func nearest(word string, candidates []string) string {
	return slices.MinFunc(candidates, func(a, b string) int {
		return cmp.Compare(levenshtein.Distance(word, a, nil), levenshtein.Distance(word, b, nil))
	})
}

// quote shows a kept value: bounded, without a password in a URL, on one line.
func quote(value string) string {
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		if scheme := strings.Index(value, "//"); scheme >= 0 && scheme < at {
			value = value[:scheme+2] + "***" + value[at:]
		}
	}
	if len(value) > 80 {
		value = value[:77] + "..."
	}
	return fmt.Sprintf("%q", value)
}
