package churn

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

const (
	maxWantedStops = 20               // a look: GetLogEvents allows 10 to 25 calls a second in an account
	maxSources     = 3                // a stop without a culprit
	logsBefore     = 15 * time.Minute // of a stop's beginning; pages before may be empty and cost calls
	logsAfter      = 2 * time.Minute  // of its end, for lines that were buffered
	logsGiveUp     = 24 * time.Hour   // after the stop
)

// sourcesOf lists the containers whose last lines may tell more: the culprit, or each that failed. What never started has
// written nothing.
func sourcesOf(t fleet.Task, v Verdict) []Source {
	switch v.Cause {
	case ImagePull, Placement:
		return nil
	case ResourceInit:
		if !t.Ran() {
			return nil
		}
	default:
	}
	if v.Culprit != nil {
		if c, ok := t.Container(v.Culprit.Container); ok {
			return []Source{{Container: c}}
		}
		return nil
	}
	var out []Source
	for _, c := range t.Containers {
		if c.ExitCode != nil && *c.ExitCode != 0 && len(out) < maxSources {
			out = append(out, Source{Container: c})
		}
	}
	return out
}

// refine takes a stop that wants logs as far as this look allows, and tells whether that changed it.
func (s Stop) refine(o fleet.Observation, p Policy, now time.Time) (Stop, bool) {
	if now.Sub(s.StoppedAt) > logsGiveUp {
		s.say("its logs could not be read within 24 h")
		s.LogsAt, s.Sources = LogsNone, nil
		return s, true
	}
	located := s.locate(o, p)
	if len(s.Sources) == 0 {
		s.LogsAt = LogsNone
		return s, true
	}
	for _, src := range s.Sources {
		if _, ok := o.Logs[src.Ref]; !ok || src.Ref == (fleet.LogRef{}) {
			return s, located
		}
	}
	s.judgeLogs(o.Logs, p)
	return s, true
}

// locate finds out where the sources' logs are, once the definition is known, and says why where it cannot be told.
func (s *Stop) locate(o fleet.Observation, p Policy) bool {
	d, ok := o.Definitions[s.TaskDefinition]
	if !ok || !slices.ContainsFunc(s.Sources, func(src Source) bool { return src.Ref == (fleet.LogRef{}) }) {
		return false
	}
	var found []Source
	for _, src := range s.Sources {
		ref, why := s.logOf(d, src.Container)
		if why != "" {
			if ref, ok = p.logOf(o.Key, *s, src.Container.Name); !ok {
				s.say("no log: " + Mask(why))
				continue
			}
			s.say(Mask("log " + ref.Stream + " of group " + ref.Group + " by detect.logs.locations: " + why))
		}
		src.Ref = ref
		found = append(found, src)
	}
	s.Sources = found
	return true
}

// logOf is where the definition says that the container's log is, or why it does not.
func (s *Stop) logOf(d fleet.Definition, c fleet.Container) (fleet.LogRef, string) {
	def, ok := d.Container(c.Name)
	if !ok {
		return fleet.LogRef{}, "container " + c.Name + " is not in the task definition"
	}
	return fleet.LogOf(fleet.Task{ARN: s.TaskARN, Containers: []fleet.Container{c}}, def)
}

// logOf is where the configuration says that the log is, or false.
func (p Policy) logOf(key fleet.Key, s Stop, container string) (fleet.LogRef, bool) {
	i := slices.IndexFunc(p.Locations, func(l Location) bool { return l.Match.Cluster(key.Cluster) && l.Match.Service(key.Service) })
	if i < 0 || p.Locations[i].Stream == "" {
		return fleet.LogRef{}, false
	}
	family, _, _ := strings.Cut(fleet.NameOf(s.TaskDefinition), ":")
	fill := strings.NewReplacer("{cluster}", key.Cluster, "{service}", key.Service, "{family}", family,
		"{container}", container, "{task}", fleet.NameOf(s.TaskARN))
	return fleet.LogRef{Group: fill.Replace(p.Locations[i].Group), Stream: fill.Replace(p.Locations[i].Stream)}, true
}

// judgeLogs reads the lines: signatures, the culprit where the exit codes did not tell, and the tail that is kept.
func (s *Stop) judgeLogs(logs map[fleet.LogRef]fleet.Tail, p Policy) {
	lines := map[string][]string{}
	for _, src := range s.Sources {
		tail := logs[src.Ref]
		if tail.Missing != "" {
			s.say(fmt.Sprintf("no log of %s: %s", Mask(src.Container.Name), Mask(tail.Missing)))
			continue
		}
		lines[src.Container.Name] = tail.Lines
	}
	s.LogsAt = LogsFetched
	if len(lines) == 0 {
		s.LogsAt = LogsNone
	}
	s.Verdict.Signatures = allSignatures(lines, p.Knowledge)
	for _, sig := range s.Verdict.Signatures {
		s.say(sig.evidence())
	}
	s.accuse(p.Knowledge)
	shown := s.tailContainer(lines)
	s.Tail = tailOf(shown, lines, s.Verdict.Signatures, p.TailLines)
	for _, src := range s.Sources {
		if src.Container.Name == shown && len(s.Tail) > 0 {
			s.Log = src.Ref
		}
	}
	s.Sources = nil
}

// accuse names the culprit by the only fatal signature. That there was none means that there are several containers, so an
// agent among them is a sidecar.
func (s *Stop) accuse(k *Knowledge) {
	if s.Verdict.Culprit != nil || s.Verdict.Cause != EssentialContainerExited && s.Verdict.Cause != UnknownCause {
		return
	}
	var guilty *Source
	for i := range s.Sources {
		if !hasFatal(s.Verdict.Signatures, s.Sources[i].Container.Name) {
			continue
		}
		if guilty != nil {
			return
		}
		guilty = &s.Sources[i]
	}
	if guilty == nil {
		return
	}
	c := guilty.Container
	s.Verdict.Culprit = &Culprit{Container: c.Name, ExitCode: c.ExitCode}
	s.Verdict.Sidecar = k.Sidecar(c.Name, c.Image)
	s.Image, s.ImageDigest = c.Image, c.ImageDigest
	s.say("culprit " + Mask(c.Name) + ": its log alone ends in a crash")
}

func (s *Stop) tailContainer(lines map[string][]string) string {
	if c := s.Verdict.Culprit; c != nil {
		return c.Container
	}
	if sig, ok := fatalSignature(s.Verdict.Signatures); ok {
		return sig.Container
	}
	for _, src := range s.Sources {
		if len(lines[src.Container.Name]) > 0 {
			return src.Container.Name
		}
	}
	return ""
}

const afterSignature = 8 // lines that are kept after the one that shows the crash, so that its trace names the code

// tailOf keeps the last n lines, masked; where the line that shows the crash came earlier, it and the next few stand in
// front in place of as many.
func tailOf(container string, lines map[string][]string, sigs []Signature, n int) []string {
	all := lines[container]
	at := -1
	for _, sig := range sigs {
		if sig.Container == container {
			at = slices.IndexFunc(all, func(l string) bool { return Mask(strings.TrimSpace(l)) == sig.Line })
			break
		}
	}
	var out []string
	from := max(0, len(all)-n)
	if at >= 0 && at < from {
		head := min(at+1+min(afterSignature, n*2/3), len(all))
		from = max(head, len(all)-max(0, n-(head-at)))
		out = maskAll(all[at:head])
	}
	return append(out, maskAll(all[from:])...)
}

func maskAll(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = Mask(l)
	}
	return out
}

// wants asks for the logs of the newest stops whose place is known and that this look did not bring.
func wants(stops []Stop, o fleet.Observation) []Want {
	var out []Want
	asked := 0
	waiting := keep(stops, func(s Stop) bool { return s.LogsAt == LogsWanted })
	for _, s := range slices.Backward(byTime(waiting)) {
		if asked == maxWantedStops {
			break
		}
		n := len(out)
		for _, src := range s.Sources {
			if _, ok := o.Logs[src.Ref]; ok || src.Ref == (fleet.LogRef{}) {
				continue
			}
			from := s.StoppedAt
			if !s.StoppingAt.IsZero() {
				from = s.StoppingAt
			}
			out = append(out, Want{TaskARN: s.TaskARN, Container: src.Container.Name, Ref: src.Ref, From: from.Add(-logsBefore), To: s.StoppedAt.Add(logsAfter)})
		}
		if len(out) > n {
			asked++
		}
	}
	return out
}
