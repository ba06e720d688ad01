package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/fleet"
)

// imageAsked is one question to a registry: it may depend on the target's credentials, and on what runs.
type imageAsked struct{ target, image, running string }

// imageAnswer is what a registry said, or why it said nothing.
type imageAnswer struct {
	at     time.Time
	digest string
	err    error
}

// moving lists the images that a new deployment may start from other bytes than those that run, each with its container and why:
// all that are not pinned by digest, but where the registry resolves the tag to the digest that runs. What cannot be shown to stay
// moves. Answers serve for as long as keep: services of one image ask once.
func (r *remediation) moving(ctx context.Context, t Target, o fleet.Observation, base fleet.Definition, fresh fleet.Fresh, keep time.Duration) []string {
	var out []string
	for _, c := range base.Containers {
		if strings.Contains(c.Image, "@sha256:") {
			continue
		}
		if why := r.stays(ctx, t, c.Image, running(o, base.ARN, fresh, c), keep); why != "" {
			out = append(out, fmt.Sprintf("%s (%s): %s", c.Name, c.Image, why))
		}
	}
	return out
}

// stays is why an image cannot be shown to stay, or "".
func (r *remediation) stays(ctx context.Context, t Target, image, running string, keep time.Duration) string {
	switch {
	case running == "":
		return "ECS does not tell one digest that runs"
	case t.Registry == nil:
		return "no registry is asked"
	}
	switch digest, err := r.resolved(ctx, t, image, running, keep); {
	case err != nil:
		return "cannot be shown to stay: " + err.Error()
	case digest != running:
		return fmt.Sprintf("%s runs, and the tag means %s now", running, digest)
	}
	return ""
}

// resolved asks the registry, unless it answered not long ago.
func (r *remediation) resolved(ctx context.Context, t Target, image, running string, keep time.Duration) (string, error) {
	asked := imageAsked{t.Name, image, running}
	now := r.now()
	r.state.Lock()
	maps.DeleteFunc(r.images, func(_ imageAsked, a imageAnswer) bool { return now.Sub(a.at) >= factsKept })
	a, ok := r.images[asked]
	r.state.Unlock()
	if ok && now.Sub(a.at) < keep {
		return a.digest, a.err
	}
	a = imageAnswer{at: now}
	if a.digest, a.err = t.Registry.Resolve(ctx, image, running); ctx.Err() != nil {
		return "", ctx.Err() // stopped: that says nothing of the image
	}
	r.state.Lock()
	defer r.state.Unlock()
	r.images[asked] = a
	return a.digest, a.err
}

// running is the digest that a container of the base revision runs: what the deployment resolved its image to (API reference,
// ContainerImage), or where ECS does not tell that, the one digest of all its running tasks. "": it is not known.
func running(o fleet.Observation, base string, fresh fleet.Fresh, c fleet.ContainerDefinition) string {
	i := slices.IndexFunc(fresh.Images, func(i fleet.RevisionImage) bool { return i.Container == c.Name && i.Image == c.Image })
	if i >= 0 && fresh.Brings == base && fresh.Images[i].Digest != "" {
		return fresh.Images[i].Digest
	}
	digest := ""
	for _, task := range o.Tasks {
		if task.TaskDefinition != base || task.Stopped() {
			continue
		}
		for _, is := range task.Containers {
			switch {
			case is.Name != c.Name || is.ImageDigest == "" || is.ImageDigest == digest: // one that has not started has no digest yet
			case digest != "":
				return ""
			default:
				digest = is.ImageDigest
			}
		}
	}
	return digest
}
