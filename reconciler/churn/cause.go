package churn

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// detail is what a run of deaths says beyond its message; the rate is the caller's.
func (c court) detail(r run, clears time.Time) finding.Detail {
	cause := causeOf(r.stops)
	return finding.Detail{Cause: cause, Lifetimes: r.finding(), Traits: c.traits(r.stops, cause.Container),
		Last: r.last().StoppedAt, ClearsAt: clears.UTC()}
}

// blamed is what makes two deaths the same for a cause.
type blamed struct {
	cause     Cause
	container string
}

func blamedOf(s Stop) blamed {
	b := blamed{cause: s.Verdict.Cause}
	if s.Verdict.Culprit != nil {
		b.container = s.Verdict.Culprit.Container
	}
	return b
}

// causeOf is the commonest cause among the stops, in the words of the newest that shows it; where two are equally common,
// the one that came last.
func causeOf(stops []Stop) *finding.Cause {
	counts := map[blamed]int{}
	for _, s := range stops {
		counts[blamedOf(s)]++
	}
	var most blamed
	for _, s := range slices.Backward(stops) {
		if b := blamedOf(s); counts[b] > counts[most] {
			most = b
		}
	}
	own := keep(stops, func(s Stop) bool { return blamedOf(s) == most })
	newest := own[len(own)-1]
	out := &finding.Cause{
		Container: Mask(most.container), StopCause: string(most.cause), Sidecar: newest.Verdict.Sidecar && most.container != "",
		Image: Mask(newest.Image), ImageDigest: newest.ImageDigest, TaskDefinition: newest.TaskDefinition, Explains: len(own), Of: len(stops),
	}
	if culprit := newest.Verdict.Culprit; culprit != nil {
		out.ExitCode = culprit.ExitCode
	}
	for _, s := range slices.Backward(own) {
		if sig, ok := fatalSignature(s.Verdict.Signatures); ok && (most.container == "" || sig.Container == most.container) {
			out.Signature, out.Line, out.LogGroup, out.LogStream = sig.Name, sig.Line, s.Log.Group, s.Log.Stream
			out.Tail = crashOf(s.Tail, sig.Line)
			break
		}
	}
	return out
}

// crashOf is the part of a tail that begins with the line that shows the crash.
func crashOf(tail []string, line string) []string {
	at := max(slices.IndexFunc(tail, func(l string) bool { return strings.TrimSpace(l) == line }), 0)
	return tail[at:min(len(tail), at+maxTail)]
}

// Names of traits, by which deaths are compared with the tasks that live.
const (
	traitZone     = "zone"
	traitNode     = "node"
	traitRevision = "revision"
	traitVersion  = "version"
	traitSampler  = "sampler"
)

// maxTail bounds the log lines that a cause carries: the crash and the first calls of its trace. The stop has them all.
const maxTail = 12

// maxTraits bounds the values of one trait that a finding carries: those with most deaths.
const maxTraits = 8

// traits counts where the tasks of these deaths ran, what they ran, and the same of the tasks that run now. A task that
// does not tell a trait is not counted for it. What is beyond maxTraits is one entry without a value.
func (c court) traits(deaths []Stop, container string) []finding.Trait {
	type named struct{ name, value string }
	counts := map[named]*finding.Trait{}
	at := func(name, value string) *finding.Trait {
		t := counts[named{name, value}]
		if t == nil {
			t = &finding.Trait{Name: name, Value: value}
			counts[named{name, value}] = t
		}
		return t
	}
	each := func(zone, node, definition, image string, count func(*finding.Trait)) {
		for _, n := range []named{{traitZone, zone}, {traitNode, node}, {traitRevision, fleet.NameOf(definition)},
			{traitVersion, image}, {traitSampler, samplerOf(c.o.Definitions[definition])}} {
			if n.value != "" {
				count(at(n.name, n.value))
			}
		}
	}
	for _, s := range deaths {
		each(s.Zone, s.Node, s.TaskDefinition, s.Image, func(t *finding.Trait) { t.Deaths++ })
	}
	for _, t := range c.o.Tasks {
		if t.LastStatus == fleet.StatusRunning {
			box, _ := t.Container(container)
			each(t.AvailabilityZone, t.ContainerInstance, t.TaskDefinition, box.Image, func(t *finding.Trait) { t.Alive++ })
		}
	}
	all := slices.Collect(maps.Values(counts))
	slices.SortFunc(all, func(a, b *finding.Trait) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(b.Deaths, a.Deaths), cmp.Compare(a.Value, b.Value))
	})
	var out []finding.Trait
	shown := map[string]int{}
	for _, t := range all {
		t.Value = Mask(t.Value)
		if shown[t.Name]++; shown[t.Name] <= maxTraits {
			out = append(out, *t)
			continue
		}
		if rest := &out[len(out)-1]; rest.Value == "" {
			rest.Deaths, rest.Alive = rest.Deaths+t.Deaths, rest.Alive+t.Alive
		} else {
			out = append(out, finding.Trait{Name: t.Name, Deaths: t.Deaths, Alive: t.Alive})
		}
	}
	return out
}

// samplerOf is the trace sampler that a definition sets, or "".
func samplerOf(d fleet.Definition) string {
	for _, container := range d.Containers {
		for _, e := range container.Env {
			if e.Name == "OTEL_TRACES_SAMPLER" && e.Kept {
				return e.Value
			}
		}
	}
	return ""
}
