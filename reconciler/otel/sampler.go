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
	kind      string // what name spells, rightly or not, without "parentbased_"; "" where none is set, unseen or unknown
	parent    bool
	language  language
	idle      string // why the settings have no effect, "" where they have
}

func samplerOf(c fleet.ContainerDefinition) sampler {
	s := sampler{container: c, name: Read(c, Sampler), arg: Read(c, SamplerArg), language: languageOf(c)}
	if spelled := spelled(s.name.Value); s.name.Given() && slices.Contains(samplers, spelled) {
		s.kind, s.parent = strings.CutPrefix(spelled, "parentbased_")
	}
	switch file := configFile(c); {
	case disabled(c):
		s.idle = "OTEL_SDK_DISABLED is true, so it has no effect now"
	case file != "":
		s.idle = "the file that " + file + " names decides instead"
	case !exports(c, "OTEL_TRACES_EXPORTER") && !s.language.Fatal:
		s.idle = "OTEL_TRACES_EXPORTER is none, so no trace leaves the process"
	}
	return s
}

// spelled is a sampler's name as its author meant it: SDKs differ in what they forgive.
func spelled(value string) string { return strings.ToLower(strings.Trim(value, " \t\r\n\"'")) }

// disabled tells whether the SDK is off: true in any case and nothing else (specification, "SDK environment variables",
// Boolean).
func disabled(c fleet.ContainerDefinition) bool {
	return strings.EqualFold(strings.TrimSpace(Read(c, "OTEL_SDK_DISABLED").Value), "true")
}

// exports tells whether the variable leaves the exporter of a signal on.
func exports(c fleet.ContainerDefinition, variable string) bool {
	return !strings.EqualFold(strings.TrimSpace(Read(c, variable).Value), "none")
}

// configFile is the variable that names a file in place of all others (specification, "Declarative configuration"), or "".
func configFile(c fleet.ContainerDefinition) string {
	for _, name := range []string{"OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"} {
		if len(inlineOf(c, name)) > 0 || slices.Contains(c.Secrets, name) {
			return name
		}
	}
	return ""
}

// applicationSignals tells whether Application Signals is on in the AWS distribution.
func applicationSignals(c fleet.ContainerDefinition) bool {
	on := func(name string) bool { return strings.EqualFold(strings.TrimSpace(Read(c, name).Value), "true") }
	return on("OTEL_AWS_APPLICATION_SIGNALS_ENABLED") || on("OTEL_AWS_APP_SIGNALS_ENABLED")
}

// hit is one answer on the sampler, with a fix to that ratio where one is given. It is weak where the settings are idle, or
// set twice.
func (s sampler) hit(message, ratio string, weak bool) []hit {
	h := hit{message: message, weak: weak || s.idle != "" || s.name.Ambiguous || s.arg.Ambiguous}
	if s.idle != "" {
		h.message += "; " + s.idle
	}
	for _, v := range []Setting{s.name, s.arg} {
		if len(inlineOf(s.container, v.Name)) > 0 {
			h.env = append(h.env, v.Name)
		}
	}
	if len(h.env) == 0 {
		h.env = []string{Sampler}
	}
	if ratio != "" {
		h.fix, h.held = s.fix(ratio)
	}
	return []hit{h}
}

// fix is the parent-based ratio sampler with both variables explicit, or why one of them cannot be set here. Both always
// change together: a ratio sampler with a leftover "endpoint=…" samples everything, and so may one without an argument
// (ADOT Java then adds "endpoint=http://localhost:2000" by itself).
func (s sampler) fix(ratio string) (set map[string]string, held string) {
	for _, name := range []string{Sampler, SamplerArg} {
		if why := unsettable(s.container, name); why != "" {
			return nil, why
		}
	}
	return map[string]string{Sampler: "parentbased_traceidratio", SamplerArg: ratio}, ""
}

func samplerXRay(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	if s.kind != "xray" {
		return nil
	}
	return s.hit("the sampler asks X-Ray through the agent for central rules (by default 1 request a second and 5 %), "+
		"and falls back to that while the agent is away; a ratio needs no agent to decide, and loses the central rules, "+
		"the reservoir and adaptive boosts", defaultRatio, false)
}

func samplerAlwaysOn(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	switch s.kind {
	case "always_on":
		return s.hit(s.name.Value+" samples every trace that begins here", defaultRatio, false)
	case "traceidratio":
		if s.arg.Blank() {
			return s.hit(s.name.Value+" without an argument means 1.0: every trace is sampled", defaultRatio, false)
		}
		if v, problem := ratio(s.arg.Value); s.arg.Given() && problem == "" && v >= 1 {
			return s.hit("a ratio of "+quote(s.arg.Value)+" samples every trace that begins here", defaultRatio, false)
		}
	}
	return nil
}

// samplerMissing speaks of containers with signs of instrumentation, and, where no container has any, once of the
// service's own container.
func samplerMissing(l look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	if !s.name.Blank() || disabled(c) || configFile(c) != "" || !slices.Contains(l.instrumented(), c.Name) {
		return nil
	}
	elsewhere := "the image sets it"
	if c.Command {
		elsewhere = "the image or the command sets it"
	}
	message := Sampler + " is not set: unless " + elsewhere + ", OpenTelemetry's default parentbased_always_on samples every trace that begins here"
	if s.language.Name == "Java" && applicationSignals(c) {
		message = Sampler + " is not set: unless " + elsewhere + ", ADOT Java with Application Signals takes xray, which asks the agent"
	}
	switch {
	case s.arg.Given():
		message += "; " + SamplerArg + " alone has no effect"
	case !telemetry(c):
		message = "no OpenTelemetry setting in this task definition; if the image carries an SDK, its default sampler samples every trace that begins here"
	}
	return s.hit(message, "", false)
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

// sign tells whether a variable belongs to OpenTelemetry or X-Ray.
func sign(name string) bool {
	return strings.HasPrefix(name, "OTEL_") || name == "AWS_XRAY_DAEMON_ADDRESS"
}

// telemetry tells whether c carries any sign of OpenTelemetry.
func telemetry(c fleet.ContainerDefinition) bool {
	return slices.ContainsFunc(c.Env, func(e fleet.EnvVar) bool { return sign(e.Name) }) || slices.ContainsFunc(c.Secrets, sign)
}

func samplerNotParentBased(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	if s.parent || s.kind != "traceidratio" && s.kind != "jaeger_remote" {
		return nil
	}
	keep := ""
	if v, problem := ratio(s.arg.Value); s.kind == "traceidratio" && s.arg.Given() && problem == "" && v < 1 {
		keep = strings.TrimSpace(s.arg.Value) // the rate stays as it is
	}
	return s.hit(s.kind+" decides anew in each service and ignores the caller's decision, so traces come out in pieces; parentbased_"+
		s.kind+" follows the caller", keep, false)
}

func samplerUnknown(_ look, c fleet.ContainerDefinition) []hit {
	s := samplerOf(c)
	value := s.name.Value
	switch {
	case !s.name.Given() || slices.Contains(samplers, value):
		return nil
	case s.kind != "":
		return s.misspelled()
	}
	message := quote(value) + " is no sampler of the OpenTelemetry specification or of the AWS distributions"
	if strings.Contains(value, ".") || strings.HasPrefix(value, "experimental") {
		return s.hit(message+"; it works only if the image carries the distribution that defines it", "", true)
	}
	return s.hit(message+": "+s.language.BadName+"; did you mean "+meant(value)+"?", "", false)
}

// misspelled judges a name that is right but for case, white space or quotes. xray is compared exactly by the AWS
// distributions of Java, JavaScript and Python; the specification's own names are not, in some languages.
func (s sampler) misspelled() []hit {
	value, like := s.name.Value, spelled(s.name.Value)
	keep := ""
	if _, problem := ratio(s.arg.Value); s.kind == "traceidratio" && problem == "" {
		keep = strings.TrimSpace(s.arg.Value)
	}
	if strings.ContainsAny(value, `"'`) {
		return s.hit(quote(value)+" has quotes in it, which belong to a shell and not to the value: write "+like, keep, false)
	}
	folded, trimmed := strings.TrimSpace(value) != like, strings.TrimSpace(value) != value
	if s.kind != "xray" && (!folded || s.language.Folds) && (!trimmed || s.language.Trims) {
		return nil
	}
	return s.hit(quote(value)+" works only in SDKs that trim the value and ignore its case: write "+like, keep, s.language.Name == "" && s.kind != "xray")
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
	return s.hit(v.message, v.ratio, v.weak)
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
		return verdict{ratio: defaultRatio, message: s.name.Value + " has no ratio: " + s.language.NoRatio}
	}
	if remote(s.arg.Value) {
		return verdict{mismatch: true, ratio: defaultRatio, message: quote(s.arg.Value) + " is an argument of the remote samplers, and " +
			s.name.Value + " cannot read it; " + s.language.BadRatio}
	}
	if _, problem := ratio(s.arg.Value); problem != "" {
		return verdict{ratio: ratioMeant(s.arg.Value), message: quote(s.arg.Value) + " " + problem + "; " + s.language.BadRatio}
	}
	return verdict{}
}

func orphanVerdict(s sampler) verdict {
	v, problem := ratio(s.arg.Value)
	if s.language.Name == "Java" && applicationSignals(s.container) {
		if remote(s.arg.Value) {
			return verdict{} // that of the xray sampler, which ADOT Java then takes
		}
		return verdict{mismatch: true, message: SamplerArg + " is set without " + Sampler + ": ADOT Java with Application Signals then takes xray, which cannot read " +
			quote(s.arg.Value) + "; " + s.language.BadRatio}
	}
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
