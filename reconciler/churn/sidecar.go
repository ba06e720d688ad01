package churn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// sidecarCrashes claims, per container, that an agent beside the application took the task down. The first death in the
// window opens; the container's own deaths are the clock.
func (c court) sidecarCrashes() []finding.Claim {
	deaths := keep(c.stops, sidecarDeath)
	names := map[string]bool{}
	for _, s := range deaths {
		names[s.Verdict.Culprit.Container] = true
	}
	var out []finding.Claim
	for _, name := range slices.Sorted(maps.Keys(names)) {
		own := keep(deaths, func(s Stop) bool { return s.Verdict.Culprit.Container == name })
		r := c.runOf(own)
		fresh, kept, clears := c.clock(r)
		if !fresh && !kept {
			continue
		}
		claim := finding.Claim{
			Type: finding.SidecarCrash, Subject: name, Severity: finding.Warning, Reason: crashReason(r.stops), Message: c.crashMessage(name, r),
			Evidence: newest(r.stops), Since: r.stops[0].StoppedAt, Count: len(r.stops),
			Keeps: !fresh || r.last().StoppedAt.Before(c.now.Add(-c.p.Window)), Detail: c.detail(r, clears),
		}
		claim.Rate = c.rate(own).finding()
		out = append(out, claim)
	}
	return out
}

// lastCrash is the newest fatal signature of the deaths.
func lastCrash(run []Stop) (Signature, bool) {
	for _, s := range slices.Backward(run) {
		if sig, ok := fatalSignature(s.Verdict.Signatures); ok {
			return sig, true
		}
	}
	return Signature{}, false
}

func crashReason(run []Stop) string {
	if sig, ok := lastCrash(run); ok {
		return camel(sig.Name)
	}
	return "SidecarExited"
}

// camel writes go-concurrent-map-writes as GoConcurrentMapWrites.
func camel(name string) string {
	var out strings.Builder
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == ' ' }) {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

func (c court) crashMessage(name string, r run) string {
	last := r.last()
	m := fmt.Sprintf("sidecar %s", Mask(name))
	if last.Image != "" {
		m += " (" + imageOf(Mask(last.Image), last.ImageDigest) + ")"
	}
	m += fmt.Sprintf(" took %d task(s) down since %s", len(r.stops), r.stops[0].StoppedAt.UTC().Format(time.RFC3339))
	if code := last.Verdict.Culprit.ExitCode; code != nil {
		m += fmt.Sprintf(", last with exit %d", *code)
	}
	if sig, ok := lastCrash(r.stops); ok {
		m += ": " + sig.Line
	}
	if life := r.span(); life != "" {
		m += "; tasks die " + life
	}
	if set := c.sampler(last.TaskDefinition); set != "" {
		m += "; " + set
	}
	return m
}

// imageOf names an image with the first digits of the digest that ran, which a tag may no longer mean.
func imageOf(image, digest string) string {
	name, _, _ := strings.Cut(image, "@sha256:")
	hex := strings.TrimPrefix(digest, "sha256:")
	if hex == "" {
		return image
	}
	return name + "@" + hex[:min(12, len(hex))]
}

// sampler says which trace sampler goes with the crash: the X-Ray remote sampler talks to the agent beside it. It states
// what is set, and promises nothing.
func (c court) sampler(definition string) string {
	d, ok := c.o.Definitions[definition]
	if !ok {
		return ""
	}
	for _, container := range d.Containers {
		for _, e := range container.Env {
			if e.Name == "OTEL_TRACES_SAMPLER" && e.Kept && e.Value == "xray" {
				return "container " + Mask(container.Name) + " sets OTEL_TRACES_SAMPLER=xray"
			}
		}
	}
	return ""
}

// dead is one container found stopped inside running tasks.
type dead struct {
	tasks []fleet.Task
	last  fleet.Container
	image string // as the task ran it, or the definition has it
}

// sidecarsDown claims, per container, that it is dead while its task runs on. Only the definition tells a container that
// is not essential from a helper that did its work, so without one nothing is claimed.
func (c court) sidecarsDown() []finding.Claim {
	down := map[string]dead{}
	running := slices.SortedFunc(slices.Values(c.o.Tasks), func(a, b fleet.Task) int { return strings.Compare(a.ARN, b.ARN) })
	for _, t := range running {
		d, ok := c.o.Definitions[t.TaskDefinition]
		if t.LastStatus != fleet.StatusRunning || t.DesiredStatus == fleet.StatusStopped || !ok {
			continue
		}
		for _, box := range t.Containers {
			if c.isDown(t, d, box) {
				is := down[box.Name]
				def, _ := d.Container(box.Name)
				is.tasks, is.last, is.image = append(is.tasks, t), box, cmp.Or(box.Image, def.Image)
				down[box.Name] = is
			}
		}
	}
	var out []finding.Claim
	for _, name := range slices.Sorted(maps.Keys(down)) {
		out = append(out, c.downClaim(name, down[name]))
	}
	return out
}

// restartGrace is the shortest restartAttemptPeriod of a restart policy (ContainerRestartPolicy in the ECS API reference).
const restartGrace = 60 * time.Second

func (c court) isDown(t fleet.Task, d fleet.Definition, box fleet.Container) bool {
	if box.LastStatus != fleet.StatusStopped {
		return false
	}
	def, ok := d.Container(box.Name)
	known := c.p.Knowledge.Sidecar(box.Name, box.Image) || ok && c.p.Knowledge.Sidecar(def.Name, def.Image)
	switch {
	case !ok && !known, ok && def.Essential, d.Helper(box.Name):
		return false
	case def.Restart && c.o.At.Sub(t.StartedAt) < restartGrace:
		return false
	case box.ExitCode == nil || *box.ExitCode == 0:
		return known
	}
	return true
}

func (c court) downClaim(name string, d dead) finding.Claim {
	code := "without an exit code"
	if d.last.ExitCode != nil {
		code = fmt.Sprintf("with exit %d", *d.last.ExitCode)
	}
	known := c.p.Knowledge.Sidecar(name, d.image)
	m := fmt.Sprintf("sidecar %s is dead inside %d running task(s), ended %s, and nothing starts it again until the task is replaced. Silently lost meanwhile: %s",
		Mask(name), len(d.tasks), code, lostWith(name, d.image, known))
	if d.last.Reason != "" {
		m += ". AWS says: " + Mask(d.last.Reason)
	}
	var tasks []string
	for _, t := range d.tasks[:min(len(d.tasks), maxShown)] {
		line := "task " + t.ID()
		if t.Ran() {
			line += " runs since " + t.StartedAt.UTC().Format(time.RFC3339) + "; when its " + Mask(name) + " ended, AWS does not tell"
		}
		tasks = append(tasks, line)
	}
	newest := d.tasks[len(d.tasks)-1]
	return finding.Claim{Type: finding.SidecarDown, Subject: name, Severity: finding.Warning, Reason: "SidecarStopped", Message: m, Evidence: tasks,
		Count: len(d.tasks), Detail: finding.Detail{Cause: &finding.Cause{Container: Mask(name), Sidecar: known, ExitCode: d.last.ExitCode,
			Image: Mask(d.image), ImageDigest: d.last.ImageDigest, TaskDefinition: newest.TaskDefinition}}}
}
