package reconciler

import (
	"slices"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
)

// misconfigured judges the settings of the definitions that the service's tasks run. Where one of them is not read yet
// nothing is concluded from it: an open finding stays as it was told. claims are those of the same look.
func misconfigured(o fleet.Observation, was []finding.Finding, claims []finding.Claim, options otel.Options) []finding.Claim {
	if o.Gone {
		return nil
	}
	definitions, whole := runs(o)
	options.Crash = slices.ContainsFunc(claims, func(c finding.Claim) bool { return c.Type == finding.SidecarCrash && !c.Keeps }) ||
		slices.ContainsFunc(was, func(f finding.Finding) bool { return f.Type == finding.SidecarCrash && f.Open() })
	out := otel.Claims(definitions, options)
	if len(out) > 0 || whole {
		return out
	}
	for _, f := range was {
		if f.Type == finding.OTELMisconfigured && f.Open() {
			out = append(out, finding.Claim{Type: f.Type, Subject: f.Subject, Severity: f.Severity, Reason: f.Reason,
				Message: f.Message, Evidence: f.Evidence, Count: f.Count, Keeps: true})
		}
	}
	return out
}

// runs gives the definitions of the running tasks, in the order of their ARNs; whole is false while one is not read yet.
func runs(o fleet.Observation) (definitions []fleet.Definition, whole bool) {
	var arns []string
	for _, t := range o.Tasks {
		if t.LastStatus == fleet.StatusRunning && t.DesiredStatus != fleet.StatusStopped {
			arns = append(arns, t.TaskDefinition)
		}
	}
	slices.Sort(arns)
	whole = true
	for _, arn := range slices.Compact(arns) {
		d, ok := o.Definitions[arn]
		if whole = whole && ok; ok {
			definitions = append(definitions, d)
		}
	}
	return definitions, whole
}
