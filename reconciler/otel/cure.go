package otel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Advise completes a cause whose culprit is a sidecar by what its image and the task definition that ran tell: the agent
// and its version, known defects, the settings that bear on it; and ranks what may help. d nil: that definition is not
// known, and the cause says so. A cause that blames no sidecar comes back as it is: its program is nobody's but its owner's.
func Advise(cause finding.Cause, d *fleet.Definition, o Options) (finding.Cause, []finding.Cure) {
	if !cause.Sidecar || cause.Container == "" {
		return cause, nil
	}
	a, _ := agentOf(cause.Image)
	cause.Agent = a.Name
	if v, ok := versionOf(cause.Image); ok {
		cause.Version = v.String()
	} else if len(a.Fixed) > 0 {
		cause.Unseen = append(cause.Unseen, "its version: the tag names none, and may have moved; the digest tells which image ran")
	}
	cause.Defects = a.defects(cause)
	if d == nil {
		cause.Unseen = append(cause.Unseen, "its settings: the task definition that ran is not known any more")
		return cause, Cures(cause, fleet.Definition{}, nil)
	}
	o.Crash = true
	problems := Lint(*d, o)
	for _, p := range problems {
		if bears(p, cause) {
			cause.Settings = append(cause.Settings, settingOf(*d, p))
		}
	}
	return cause, Cures(cause, *d, problems)
}

// defects lists the agent's known crashes that the cause may be, likeliest first.
func (a agent) defects(c finding.Cause) []finding.Defect {
	v, known := versionOf(c.Image)
	var out []finding.Defect
	for _, r := range a.Fixed {
		open := r.In == version{}
		if !open && (!known || v.before(oldest) || !v.before(r.In)) {
			continue
		}
		match := r.match(c)
		if match == "" || open && match == byVersion {
			continue
		}
		d := finding.Defect{Crash: r.Crash, Ref: r.Ref, Match: match}
		if !open {
			d.FixedIn = r.In.String()
		}
		out = append(out, d)
	}
	rank := func(d finding.Defect) int { return slices.Index([]string{byTrace, bySignature, byVersion}, d.Match) }
	slices.SortStableFunc(out, func(x, y finding.Defect) int { return cmp.Compare(rank(x), rank(y)) })
	if len(out) > 0 && out[0].Match == byTrace {
		return slices.DeleteFunc(out, func(d finding.Defect) bool { return d.Match != byTrace })
	}
	return out
}

// What speaks for a defect.
const (
	byTrace     = "trace"
	bySignature = "signature"
	byVersion   = "version"
)

// match is what in the cause speaks for the defect; "": its log shows another crash.
func (r repair) match(c finding.Cause) string {
	trace := strings.Join(c.Tail, "\n")
	switch {
	case r.Frame != "" && strings.Contains(trace, r.Frame):
		return byTrace
	case r.Shows != "" && strings.Contains(c.Line, r.Shows), strings.HasPrefix(r.Shows, "OutOfMemory") && c.StopCause == "oom_killed":
		return bySignature
	case c.Line == "" && c.StopCause != "oom_killed":
		return byVersion
	}
	return ""
}

// bears tells whether a problem has to do with the crash of an agent: its own container's, or the load put on it.
func bears(p Problem, c finding.Cause) bool {
	if p.Container == c.Container {
		memory := p.Rule == "sidecar-no-memory-limit" && c.StopCause == "oom_killed"
		return memory || p.Rule == "sidecar-essential" || p.Rule == "sidecar-no-restart-policy"
	}
	return strings.HasPrefix(p.Rule, "sampler-") && takesTraces(c)
}

// takesTraces tells an agent that applications send their traces to.
func takesTraces(c finding.Cause) bool {
	if _, ok := agentOf(c.Image); ok {
		return true
	}
	name := strings.ToLower(c.Container)
	return slices.ContainsFunc([]string{"cwagent", "cloudwatch", "otel", "adot", "xray", "x-ray", "collector"}, func(s string) bool { return strings.Contains(name, s) })
}

// settingOf shows a problem with the values that may be kept.
func settingOf(d fleet.Definition, p Problem) finding.Setting {
	out := finding.Setting{Container: p.Container, Rule: p.Rule, Message: p.Message}
	c, _ := d.Container(p.Container)
	for _, name := range p.Env {
		if s := Read(c, name); s.State == Set {
			name += "=" + unquoted(s.Value)
		}
		out.Env = append(out.Env, name)
	}
	return out
}

// unquoted is a kept value as quote shows it, without the quotes where nothing had to be escaped.
func unquoted(value string) string {
	text := quote(value)
	if inner := text[1 : len(text)-1]; !strings.Contains(inner, `\`) {
		return inner
	}
	return text
}

// Cures ranks what may help against crashes of the cause's sidecar, by what lint found in the definition that runs. What
// each brings was measured nowhere, and each says what it leaves as it is (docs/findings.md gives the sources).
func Cures(cause finding.Cause, d fleet.Definition, problems []Problem) []finding.Cure {
	var out []finding.Cure
	a, _ := agentOf(cause.Image)
	if missing := a.missing(cause.Image); len(missing) > 0 {
		out = append(out, upgrade(cause, missing[0].In))
	}
	if c, ok := d.Container(cause.Container); ok && !c.Restart {
		out = append(out, finding.Cure{Kind: finding.RestartPolicy, Container: c.Name, Text: restartText(c),
			NotCured: "the crash: what the agent held at that moment is lost each time, and one that dies before restartAttemptPeriod (60 s or more) is over stays dead. Restarts show in Container Insights alone"})
	}
	if takesTraces(cause) {
		out = append(out, sampling(problems)...)
	}
	slices.SortStableFunc(out, func(a, b finding.Cure) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func rank(c finding.Cure) int {
	return slices.Index([]string{finding.Upgrade, finding.RestartPolicy, finding.SamplingRule, finding.SamplerSettings}, c.Kind)
}

func upgrade(c finding.Cause, to version) finding.Cure {
	v, _ := versionOf(c.Image)
	text := fmt.Sprintf("upgrade %s from %s to %s or later, and pin it", c.Container, v, to)
	if i := slices.IndexFunc(c.Defects, func(d finding.Defect) bool { return d.FixedIn != "" }); i >= 0 {
		text += fmt.Sprintf(": %s has the fix of %s (%s)", c.Defects[i].FixedIn, c.Defects[i].Crash, c.Defects[i].Ref)
	}
	return finding.Cure{Kind: finding.Upgrade, Container: c.Container, Text: text,
		NotCured: "crashes that the agent's makers do not know of. It takes a new task definition revision and a deployment"}
}

func restartText(c fleet.ContainerDefinition) string {
	text := "a restart policy on " + c.Name + " may bring it back inside its task"
	if c.Essential {
		text += "; while it is essential it still takes the task down where the restart is not attempted or fails"
	}
	return text
}

// unsampled is what no sampling lowers.
const unsampled = "Application Signals metrics: the SDK makes them from unsampled spans too, so a crash in the agent's metrics path keeps its load"

// sampling adds what lowers the traces that the application sends to the agent.
func sampling(problems []Problem) []finding.Cure {
	var out []finding.Cure
	for _, p := range problems {
		if p.Rule != "sampler-xray" && p.Rule != "sampler-always-on" {
			continue
		}
		if p.Rule == "sampler-xray" {
			out = append(out, finding.Cure{Kind: finding.SamplingRule, Container: p.Container,
				Text:     "a central X-Ray sampling rule for the service may lower the traces that reach the agent, without a deployment",
				NotCured: unsampled + "; nor that the sampler asks the agent for its rules"})
		}
		if p.Fix != nil {
			out = append(out, finding.Cure{Kind: finding.SamplerSettings, Container: p.Container, Text: samplerText(p), Set: p.Fix,
				NotCured: unsampled + ". Lost with it: central rules, the reservoir and adaptive boosts; at low traffic few traces are kept"})
		}
	}
	return out
}

func samplerText(p Problem) string {
	var set []string
	for _, name := range []string{Sampler, SamplerArg} {
		if v, ok := p.Fix[name]; ok {
			set = append(set, name+"="+v)
		}
	}
	return fmt.Sprintf("in %s set %s, both together: a ratio needs no agent to decide, and may lower the traces that reach it", p.Container, strings.Join(set, " and "))
}
