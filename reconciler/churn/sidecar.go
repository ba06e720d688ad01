package churn

import (
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
		fresh, kept := c.clock(own)
		if !fresh && !kept {
			continue
		}
		run := c.episode(own)
		last := run[len(run)-1]
		out = append(out, finding.Claim{
			Type: finding.SidecarCrash, Subject: name, Severity: finding.Warning, Reason: crashReason(run), Message: c.crashMessage(name, run),
			Evidence: newest(run), Since: run[0].StoppedAt, Count: len(run),
			Keeps: !fresh || last.StoppedAt.Before(c.now.Add(-c.p.Window)),
		})
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

func (c court) crashMessage(name string, run []Stop) string {
	last := run[len(run)-1]
	m := fmt.Sprintf("sidecar %s", Mask(name))
	if last.Image != "" {
		m += " (" + Mask(last.Image) + shortDigest(last.ImageDigest) + ")"
	}
	m += fmt.Sprintf(" took %d task(s) down since %s", len(run), run[0].StoppedAt.UTC().Format(time.RFC3339))
	if code := last.Verdict.Culprit.ExitCode; code != nil {
		m += fmt.Sprintf(", last with exit %d", *code)
	}
	if sig, ok := lastCrash(run); ok {
		m += ": " + sig.Line
	}
	if life := span(lifetimes(run)); life != "" {
		m += "; tasks die " + life
	}
	if set := c.sampler(last.TaskDefinition); set != "" {
		m += "; " + set
	}
	return m
}

func shortDigest(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	if hex == "" {
		return ""
	}
	return "@" + hex[:min(12, len(hex))]
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

// dead is one sidecar found stopped inside running tasks.
type dead struct {
	tasks []fleet.Task
	last  fleet.Container
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
				is.tasks, is.last = append(is.tasks, t), box
				down[box.Name] = is
			}
		}
	}
	var out []finding.Claim
	for _, name := range slices.Sorted(maps.Keys(down)) {
		out = append(out, downClaim(name, down[name]))
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

func downClaim(name string, d dead) finding.Claim {
	code := "without an exit code"
	if d.last.ExitCode != nil {
		code = fmt.Sprintf("with exit %d", *d.last.ExitCode)
	}
	m := fmt.Sprintf("sidecar %s is dead inside %d running task(s), ended %s; since when is unknown, and it stays so until the task is replaced", Mask(name), len(d.tasks), code)
	if d.last.Reason != "" {
		m += ": " + Mask(d.last.Reason)
	}
	var tasks []string
	for _, t := range d.tasks[:min(len(d.tasks), maxShown)] {
		tasks = append(tasks, "task "+t.ID())
	}
	return finding.Claim{Type: finding.SidecarDown, Subject: name, Severity: finding.Warning, Reason: "SidecarStopped", Message: m, Evidence: tasks, Count: len(d.tasks)}
}
