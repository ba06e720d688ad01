package churn

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/mask"
)

const (
	maxEvidence   = 16
	maxSignatures = 10
)

// Planned tells the causes that somebody or something meant. An unknown cause is not planned.
func (c Cause) Planned() bool {
	switch c {
	case Deployment, ScaleIn, OperatorStop, HostDrain, SpotInterruption, Maintenance, TaskScheduledEnd:
		return true
	default:
		return false
	}
}

// Explain says why a task stopped, who is to blame and how sure that is. It is total: any input has a verdict, and what is
// missing lowers the confidence. A nil k knows the built-in sidecars and signatures.
func Explain(in Input, k *Knowledge) Verdict {
	f := factsOf(in)
	v := Verdict{Signatures: allSignatures(in.Logs, k)}
	for _, r := range rules {
		if ruling, ok := r.match(f); ok {
			v.Cause, v.Confidence = ruling.cause, ruling.confidence
			v.Planned = v.Cause.Planned()
			v.Evidence = append(v.Evidence, fmt.Sprintf("rule %s: %s (%s)", r.id, ruling.why, r.source))
			break
		}
	}
	v.Evidence = append(v.Evidence, seen(in)...)
	if !v.Planned {
		v.blame(f, k)
	}
	if v.Confidence != Low && f.code == "" && !v.Planned {
		v.Confidence = Low
		v.Evidence = append(v.Evidence, "no stop code was given: an operator's free text could read the same")
	}
	for _, s := range v.Signatures {
		v.Evidence = append(v.Evidence, s.evidence())
	}
	v.Evidence = bounded(v.Evidence)
	return v
}

// blame names the culprit.
func (v *Verdict) blame(f facts, k *Knowledge) {
	c, why := culprit(f, v.Cause, k, v.Signatures)
	if c == nil {
		if why != "" {
			v.Evidence = append(v.Evidence, "culprit unknown: "+why)
		}
		if v.Cause == EssentialContainerExited && v.Confidence == High && len(f.Task.Containers) > 0 {
			v.Confidence = Medium
		}
		return
	}
	v.Culprit = &Culprit{Container: c.Name, ExitCode: c.ExitCode}
	v.Sidecar = k.Sidecar(c.Name, f.image(*c)) && hasCompany(f.Task, *c)
	v.Evidence = append(v.Evidence, fmt.Sprintf("culprit %s: %s", Mask(c.Name), why))
	if c.ExitCode != nil && *c.ExitCode == 137 && v.Cause == EssentialContainerExited {
		v.Evidence = append(v.Evidence, "exit 137 is SIGKILL; no reason says that memory ran out")
	}
}

// hasCompany is false for an agent that is the task itself, as a collector's own service runs it. Containers that AWS
// injects are no company.
func hasCompany(t fleet.Task, c fleet.Container) bool {
	return slices.ContainsFunc(t.Containers, func(o fleet.Container) bool {
		return o.Name != c.Name && !slices.ContainsFunc(sidecarPrefixes, func(p string) bool { return strings.HasPrefix(o.Name, p) })
	})
}

// seen puts the task's own words into evidence.
func seen(in Input) []string {
	t := in.Task
	if len(t.Containers) == 0 && t.ARN == "" && t.StopCode == "" && t.StoppedReason == "" {
		return nil
	}
	out := []string{fmt.Sprintf("stopCode %s, stoppedReason %s", orNone(t.StopCode), orNone(Mask(t.StoppedReason)))}
	if !t.Stopped() && t.LastStatus != "" {
		out = append(out, fmt.Sprintf("lastStatus %s, desiredStatus %s: the stop is not over", Mask(t.LastStatus), Mask(t.DesiredStatus)))
	}
	var ends []string
	for _, c := range t.Containers[:min(len(t.Containers), 10)] {
		end := Mask(c.Name) + " no exit code"
		if c.ExitCode != nil {
			end = fmt.Sprintf("%s %d", Mask(c.Name), *c.ExitCode)
		}
		if c.Reason != "" {
			end += " (" + Mask(c.Reason) + ")"
		}
		ends = append(ends, end)
	}
	if len(ends) > 0 {
		out = append(out, "containers: "+strings.Join(ends, ", "))
	}
	if s := in.Service; s != nil && len(s.Deployments) > 0 {
		var ds []string
		for _, d := range s.Deployments[:min(len(s.Deployments), 4)] {
			ds = append(ds, strings.Join(strings.Fields(d.ID+" "+d.Status+" "+d.RolloutState), " "))
		}
		out = append(out, fmt.Sprintf("task started by %s; deployments: %s", orNone(Mask(t.StartedBy)), Mask(strings.Join(ds, ", "))))
	}
	if life := t.Lifetime(); life > 0 {
		out = append(out, "ran for "+human(life))
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func (s Signature) evidence() string {
	state := "not fatal"
	if s.Fatal {
		state = "fatal"
	}
	return fmt.Sprintf("log of %s shows %s (%s): %s", Mask(s.Container), s.Name, state, s.Line)
}

// bounded keeps evidence short enough to store and show.
func bounded(list []string) []string {
	for i, s := range list {
		list[i] = mask.Cut(s, 2*maxLine)
	}
	return list[:min(len(list), maxEvidence)]
}

func allSignatures(logs map[string][]string, k *Knowledge) []Signature {
	out := []Signature{}
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		out = append(out, signaturesOf(name, logs[name], k)...)
	}
	return out[:min(len(out), maxSignatures)]
}
