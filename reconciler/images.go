package reconciler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/contain"
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

const (
	// imageIn bounds one question to a registry.
	imageIn = 20 * time.Second
	// silenceKept is how long a registry that gave no answer is left alone with the same question.
	silenceKept = time.Minute
)

var errNoImage = errors.New("no answer within " + imageIn.String())

// moving lists the images that a new deployment may start from other bytes than those that run, each with its container and why:
// all that are not pinned by digest, unless the registry resolves the tag to the digest that runs. What a registry does not show
// to stay moves. All images are asked for at once. An error means that a registry gave no answer: then nothing is known.
func (r *remediation) moving(
	ctx context.Context, t Target, o fleet.Observation, base fleet.Definition, fresh fleet.Fresh, keep time.Duration,
) ([]string, error) {
	moves := make([]string, len(base.Containers))
	silent := make([]error, len(base.Containers))
	group := contain.NewGroup(0)
	for i, c := range base.Containers {
		if strings.Contains(c.Image, "@sha256:") {
			continue
		}
		runs := running(o, base.ARN, fresh, c)
		group.Go(contain.Remediation, "image "+c.Image, func() (err error) {
			if moves[i], err = r.stays(ctx, t, c.Image, runs, keep); moves[i] != "" {
				moves[i] = fmt.Sprintf("%s (%s): %s", c.Name, c.Image, moves[i])
			}
			return err
		}, func(err error) { silent[i] = err })
	}
	_ = group.Wait() // each image has said its own
	return slices.DeleteFunc(moves, func(s string) bool { return s == "" }), errors.Join(silent...)
}

// stays is why an image moves or is not shown to stay, or "". An error means that the registry gave no answer.
func (r *remediation) stays(ctx context.Context, t Target, image, running string, keep time.Duration) (why string, err error) {
	switch {
	case running == "":
		return "ECS does not tell one digest that runs", nil
	case t.Registry == nil:
		return "no registry is asked", nil
	}
	switch digest, err := r.resolved(ctx, t, image, running, keep); {
	case fleet.Permanent(err):
		return "cannot be shown to stay: " + err.Error(), nil
	case err != nil:
		return "", err
	case digest != running:
		return fmt.Sprintf("%s runs, and the tag means %s now", running, digest), nil
	}
	return "", nil
}

// resolved asks the registry, unless it answered not long ago. Services of one image ask once.
func (r *remediation) resolved(ctx context.Context, t Target, image, running string, keep time.Duration) (string, error) {
	asked := imageAsked{t.Name, image, running}
	now := r.now()
	r.state.Lock()
	maps.DeleteFunc(r.images, func(_ imageAsked, a imageAnswer) bool { return now.Sub(a.at) >= factsKept })
	a, ok := r.images[asked]
	r.state.Unlock()
	if a.err != nil && !fleet.Permanent(a.err) {
		keep = min(keep, silenceKept)
	}
	if ok && now.Sub(a.at) < keep {
		return a.digest, a.err
	}
	a = imageAnswer{at: now}
	within, cancel := context.WithTimeoutCause(ctx, imageIn, errNoImage)
	defer cancel()
	a.digest, a.err = t.Registry.Resolve(within, image, running)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx) // stopped: that says nothing of the image
	case a.err != nil && within.Err() != nil:
		a.err = fmt.Errorf("ask for image %s: %w", image, context.Cause(within))
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
