package otel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"taskwarden/reconciler/fleet"
)

// Samplers of the OpenTelemetry specification ("SDK environment variables", OTEL_TRACES_SAMPLER) and of the AWS
// distributions. Others exist in vendors' distributions: they are data, not errors.
var samplers = []string{
	"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off",
	"parentbased_traceidratio", "jaeger_remote", "parentbased_jaeger_remote", "xray",
}

// defaultRatio is the share of root spans that the proposed fix keeps.
const defaultRatio = "0.01"

// sampler is what a container's definition says of its sampling.
type sampler struct {
	container fleet.ContainerDefinition
	name, arg Setting
	kind      string // name without "parentbased_"; "" where none is set or it is unseen
	parent    bool
}

func samplerOf(c fleet.ContainerDefinition) sampler {
	s := sampler{container: c, name: Read(c, Sampler), arg: Read(c, SamplerArg)}
	if s.name.Given() && slices.Contains(samplers, s.name.Value) {
		s.kind, s.parent = strings.CutPrefix(s.name.Value, "parentbased_")
	}
	return s
}

// hit is one answer on the sampler; weak where it is set twice.
func (s sampler) hit(message string, fix map[string]string, weak bool) []hit {
	h := hit{message: message, fix: fix, weak: weak || s.name.Ambiguous || s.arg.Ambiguous}
	for _, v := range []Setting{s.name, s.arg} {
		if len(inlineOf(s.container, v.Name)) > 0 {
			h.env = append(h.env, v.Name)
		}
	}
	if len(h.env) == 0 {
		h.env = []string{Sampler}
	}
	return []hit{h}
}

// fix is the parent-based ratio sampler with both variables explicit, or nil where one of them cannot be set here. Both
// always change together: a ratio sampler with a leftover "endpoint=…" samples everything, and so may one without an
// argument (ADOT Java then adds "endpoint=http://localhost:2000" by itself).
func (s sampler) fix(ratio string) map[string]string {
	if !settable(s.container, Sampler) || !settable(s.container, SamplerArg) {
		return nil
	}
	return map[string]string{Sampler: "parentbased_traceidratio", SamplerArg: ratio}
}

func samplerXRay(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	if s.kind != "xray" {
		return nil
	}
	return s.hit("the sampler asks X-Ray through the agent for central rules (by default 1 request a second and 5 %), "+
		"and falls back to that while the agent is away; a ratio needs no agent to decide, and loses the central rules, "+
		"the reservoir and adaptive boosts", s.fix(defaultRatio), false)
}

func samplerAlwaysOn(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	switch s.kind {
	case "always_on":
		return s.hit(s.name.Value+" exports every trace that begins here", s.fix(defaultRatio), false)
	case "traceidratio":
		if s.arg.Blank() {
			return s.hit(s.name.Value+" without an argument means 1.0: every trace is exported", s.fix(defaultRatio), false)
		}
		if v, problem := ratio(s.arg.Value); s.arg.Given() && problem == "" && v >= 1 {
			return s.hit("a ratio of "+quote(s.arg.Value)+" exports every trace that begins here", s.fix(defaultRatio), false)
		}
	}
	return nil
}

// samplerMissing speaks of containers with signs of instrumentation, and, where no container has any, once of the
// service's own container.
func samplerMissing(l look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	disabled := Read(c, "OTEL_SDK_DISABLED")
	if !s.name.Blank() || strings.EqualFold(disabled.Value, "true") || !slices.Contains(l.instrumented(), c.Name) {
		return nil
	}
	message := Sampler + " is not set: unless the image sets it, OpenTelemetry's default parentbased_always_on exports every trace that begins here"
	switch {
	case s.arg.Given():
		message += "; " + SamplerArg + " alone has no effect"
	case !telemetry(c):
		message = "no OpenTelemetry setting in this task definition; if the image carries an SDK, its default sampler exports every trace that begins here"
	}
	return s.hit(message, nil, false)
}

// instrumented names the containers that ought to have a sampler.
func (l look) instrumented() []string {
	var signs, own, essential []string
	for _, c := range l.definition.Containers {
		if l.app(c) && telemetry(c) {
			signs = append(signs, c.Name)
		}
		if l.app(c) && c.Essential {
			own = append(own, c.Name)
		}
		if c.Essential {
			essential = append(essential, c.Name)
		}
	}
	for _, names := range [][]string{signs, own[:min(1, len(own))], essential[:min(1, len(essential))]} {
		if len(names) > 0 {
			return names
		}
	}
	return nil
}

// telemetry tells whether c carries any sign of OpenTelemetry.
func telemetry(c fleet.ContainerDefinition) bool {
	sign := func(name string) bool {
		return strings.HasPrefix(name, "OTEL_") || name == "AWS_XRAY_DAEMON_ADDRESS"
	}
	return slices.ContainsFunc(c.Env, func(e fleet.EnvVar) bool { return sign(e.Name) }) || slices.ContainsFunc(c.Secrets, sign)
}

func samplerNotParentBased(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	if s.parent || s.kind != "traceidratio" && s.kind != "jaeger_remote" {
		return nil
	}
	var fix map[string]string
	if v, problem := ratio(s.arg.Value); s.kind == "traceidratio" && s.arg.Given() && problem == "" && v < 1 {
		fix = s.fix(s.arg.Value) // the rate stays as it is
	}
	return s.hit(s.kind+" decides anew in each service and ignores the caller's decision, so traces come out in pieces; parentbased_"+
		s.kind+" follows the caller", fix, false)
}

func samplerUnknown(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	if !s.name.Given() || s.kind != "" {
		return nil
	}
	value := s.name.Value
	message := quote(value) + " is no sampler of the OpenTelemetry specification or of the AWS distributions"
	if strings.Contains(value, ".") {
		return s.hit(message+"; it works only if the image carries the vendor's distribution that defines it", nil, true)
	}
	if like := strings.ToLower(strings.TrimSpace(value)); slices.Contains(samplers, like) {
		return s.hit(quote(value)+" works only in SDKs that trim the value and ignore its case: write "+like, nil, false)
	}
	return s.hit(message+": an SDK that does not know it warns and keeps its default; did you mean "+meant(value)+"?", nil, false)
}

// meant is the sampler somebody most likely wanted: the shortest that contains the word ("off"), or the nearest.
func meant(value string) string {
	word := strings.ToLower(strings.TrimSpace(value))
	var holding []string
	for _, name := range samplers {
		if strings.Contains(name, word) {
			holding = append(holding, name)
		}
	}
	if len(holding) == 0 {
		return nearest(word, samplers)
	}
	return slices.MinFunc(holding, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}

func samplerArgInvalid(_ look, c fleet.ContainerDefinition) []hit {
	return argument(samplerOf(c), false)
}

func samplerArgMismatch(_ look, c fleet.ContainerDefinition) []hit {
	return argument(samplerOf(c), true)
}

// argument judges the argument against the sampler it is given to: mismatch asks for arguments that belong to another
// sampler, otherwise for broken ones.
func argument(s sampler, mismatch bool) []hit {
	if s.arg.State == Unseen || s.name.State == Unseen {
		return nil
	}
	v := verdictOn(s)
	if v.message == "" || v.mismatch != mismatch {
		return nil
	}
	var fix map[string]string
	if v.ratio != "" {
		fix = s.fix(v.ratio)
	}
	return s.hit(v.message, fix, v.weak)
}

// verdict is what is wrong with a sampler's argument; the zero value: nothing.
type verdict struct {
	message  string
	mismatch bool
	weak     bool
	ratio    string // of the fix; "": none
}

func verdictOn(s sampler) verdict {
	switch {
	case s.kind == "traceidratio":
		return ratioVerdict(s)
	case s.arg.Blank():
		return verdict{}
	case s.name.Blank():
		return orphanVerdict(s)
	case s.kind == "xray":
		return xrayVerdict(s)
	case s.kind == "jaeger_remote":
		return jaegerVerdict(s)
	case s.kind != "":
		return constantVerdict(s)
	}
	return verdict{} // an unknown sampler's argument is its own
}

func ratioVerdict(s sampler) verdict {
	if s.arg.Blank() {
		return verdict{ratio: defaultRatio, message: s.name.Value + " has no ratio: SDKs take 1.0, everything, and ADOT Java puts endpoint=http://localhost:2000 in its place"}
	}
	if listLike(s.arg.Value) {
		return verdict{mismatch: true, ratio: defaultRatio, message: quote(s.arg.Value) + " is an argument of the remote samplers; " +
			s.name.Value + " ignores it and takes 1.0: everything is sampled"}
	}
	if _, problem := ratio(s.arg.Value); problem != "" {
		return verdict{ratio: defaultRatio, message: quote(s.arg.Value) + " " + problem + "; SDKs then take 1.0: everything is sampled"}
	}
	return verdict{}
}

func orphanVerdict(s sampler) verdict {
	v, problem := ratio(s.arg.Value)
	if problem == "" && v >= 1 {
		return verdict{} // what the default sampler does anyway
	}
	out := verdict{mismatch: true, weak: true, message: SamplerArg + " is set without " + Sampler + ": unless the image sets one, the default sampler ignores it"}
	if problem == "" {
		out.ratio = strings.TrimSpace(s.arg.Value)
	}
	return out
}

func constantVerdict(s sampler) verdict {
	does := 0.0
	if s.kind == "always_on" {
		does = 1
	}
	v, problem := ratio(s.arg.Value)
	if problem == "" && v == does {
		return verdict{}
	}
	return verdict{mismatch: true, weak: problem != "" || does == 0, message: fmt.Sprintf("%s takes no argument: %s is ignored", s.name.Value, quote(s.arg.Value))}
}
