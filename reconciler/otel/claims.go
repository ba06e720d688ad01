package otel

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// maxEvidence is how many problems a claim shows.
const maxEvidence = 10

// Claims says whether the definitions that a service runs have a proven error in their settings: at most one claim, of type
// OTELMisconfigured, whose evidence names container, rule, variables and fix of each problem.
//
// A problem opens it that is a warning by itself: the sampler's info rules stay info here, whether a crash of a sidecar is
// open or not, since they are choices and no errors. While one is open (Options.Crash) they stand in the evidence beside
// the errors. What ails a sidecar is SidecarCrash's to tell, and a variable of the application is its owner's.
func Claims(definitions []fleet.Definition, o Options) []finding.Claim {
	calm := o
	calm.Crash = false
	var proven []string
	out := finding.Claim{Type: finding.OTELMisconfigured, Severity: finding.Warning}
	var where []string
	for _, d := range definitions {
		for _, p := range Lint(d, calm) {
			if !p.proven() {
				continue
			}
			if len(proven) == 0 {
				out.Reason = camel(p.Rule)
				out.Message = "container " + p.Container + ": " + p.Message
			}
			if p.Severity.Rank() > out.Severity.Rank() {
				out.Severity = p.Severity
			}
			proven = append(proven, evidence(d, p))
			where = append(where, revision(d))
		}
	}
	if len(proven) == 0 {
		return nil
	}
	out.Count = len(proven)
	errors := "1 error"
	if len(proven) > 1 {
		errors = fmt.Sprintf("%d errors", len(proven))
	}
	out.Message = fmt.Sprintf("%s in the telemetry settings of %s: %s", errors, strings.Join(slices.Compact(where), ", "), out.Message)
	out.Evidence = bounded(append(proven, raised(definitions, o)...))
	return []finding.Claim{out}
}

// proven tells whether the problem is an error by the definition alone, and one of telemetry.
func (p Problem) proven() bool {
	return p.Severity.Rank() >= finding.Warning.Rank() && !strings.HasPrefix(p.Rule, "sidecar-") && slices.ContainsFunc(p.Env, sign)
}

// raised is what an open crash makes of the sampler's info rules.
func raised(definitions []fleet.Definition, o Options) []string {
	if !o.Crash {
		return nil
	}
	var out []string
	for _, d := range definitions {
		for _, p := range Lint(d, o) {
			if r, _ := ruleOf(p.Rule); r.Raised && p.Severity.Rank() >= finding.Warning.Rank() {
				out = append(out, "while a sidecar crash is open, "+evidence(d, p))
			}
		}
	}
	return out
}

func evidence(d fleet.Definition, p Problem) string {
	text := fmt.Sprintf("%s container %s: %s (%s): %s", revision(d), p.Container, p.Rule, strings.Join(p.Env, ", "), p.Message)
	switch {
	case p.Fix != nil:
		var set []string
		for _, name := range slices.Sorted(maps.Keys(p.Fix)) {
			set = append(set, name+"="+p.Fix[name])
		}
		text += "; fix: " + strings.Join(set, ", ")
	case p.Held != "":
		text += "; not to be set here: " + p.Held
	}
	return text
}

// revision names a definition as ECS does: family:revision.
func revision(d fleet.Definition) string {
	if d.Revision == 0 {
		return d.Family
	}
	return fmt.Sprintf("%s:%d", d.Family, d.Revision)
}

func bounded(lines []string) []string {
	if more := len(lines) - maxEvidence; more > 0 {
		return append(lines[:maxEvidence:maxEvidence], fmt.Sprintf("and %d more: see lint of the task definition", more))
	}
	return lines
}

// camel is a rule's id as a reason: sampler-arg-mismatch is SamplerArgMismatch.
func camel(id string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(id, "-") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}
