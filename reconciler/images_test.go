package reconciler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
)

// registry resolves the images it knows, denies the others, is silent about one, and counts what it is asked.
type registry struct {
	means map[string]string
	mu    sync.Mutex
	asked int
}

func (r *registry) Resolve(_ context.Context, image, _ string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	digest, ok := r.means[image]
	switch {
	case image == "silent:1":
		return "", errors.New("ask a registry: status 503")
	case !ok:
		return "", fmt.Errorf("ask a registry: %w", fleet.ErrDenied)
	}
	return digest, nil
}

// imageWorld is a remediation on a clock that a test moves.
func imageWorld(now *time.Time) *remediation {
	return newRemediation(&Controller{now: func() time.Time { return *now }})
}

func TestMoving(t *testing.T) {
	base := fleet.Definition{ARN: "base", Containers: []fleet.ContainerDefinition{{Name: "pinned", Image: "app@sha256:00"}, {Name: "app", Image: "app:1"}, {Name: "gone", Image: "gone:1"}}}
	fresh := fleet.Fresh{Brings: "base", Images: []fleet.RevisionImage{{Container: "app", Image: "app:1", Digest: "sha256:11"}, {Container: "gone", Image: "gone:1", Digest: "sha256:22"}}}
	other := fresh
	other.Brings = "another"
	task := func(definition, app, gone string) fleet.Task {
		return fleet.Task{TaskDefinition: definition, LastStatus: fleet.StatusRunning, Containers: []fleet.Container{{Name: "app", ImageDigest: app}, {Name: "gone", ImageDigest: gone}}}
	}
	stopped := task("base", "sha256:99", "sha256:99")
	stopped.LastStatus = fleet.StatusStopped
	now := noon
	for name, tt := range map[string]struct {
		registry Registry
		fresh    fleet.Fresh
		tasks    []fleet.Task
		want     []string // container and words of why
	}{
		"no registry":                       {nil, fresh, nil, []string{"app (app:1): no registry", "gone (gone:1): no registry"}},
		"resolved as it runs":               {&registry{means: map[string]string{"app:1": "sha256:11", "gone:1": "sha256:22"}}, fresh, nil, nil},
		"one moved":                         {&registry{means: map[string]string{"app:1": "sha256:99", "gone:1": "sha256:22"}}, fresh, nil, []string{"app (app:1): sha256:11 runs, and the tag means sha256:99 now"}},
		"one cannot be resolved":            {&registry{means: map[string]string{"app:1": "sha256:11"}}, fresh, nil, []string{"gone (gone:1): cannot be shown to stay: ask a registry: denied"}},
		"nobody knows which digest runs":    {&registry{means: map[string]string{"app:1": "", "gone:1": ""}}, fleet.Fresh{Brings: "base"}, nil, []string{"app (app:1): ECS does not tell", "gone (gone:1): ECS does not tell"}},
		"the look is of another revision's": {&registry{means: map[string]string{"app:1": "sha256:11", "gone:1": "sha256:22"}}, other, nil, []string{"app (app:1): ECS does not tell", "gone (gone:1): ECS does not tell"}},
		"the tasks tell": {&registry{means: map[string]string{"app:1": "sha256:11", "gone:1": "sha256:22"}}, other,
			[]fleet.Task{task("base", "sha256:11", "sha256:22"), task("base", "sha256:11", ""), task("another", "sha256:98", "sha256:98"), stopped}, nil},
		"the tasks differ": {&registry{means: map[string]string{"app:1": "sha256:11", "gone:1": "sha256:22"}}, other,
			[]fleet.Task{task("base", "sha256:11", "sha256:22"), task("base", "sha256:12", "sha256:22")}, []string{"app (app:1): ECS does not tell"}},
	} {
		got, err := imageWorld(&now).moving(t.Context(), Target{Name: "prod", Registry: tt.registry}, fleet.Observation{Tasks: tt.tasks}, base, tt.fresh, 0)
		if len(got) != len(tt.want) || err != nil {
			t.Errorf("%s: %q %v, want %q", name, got, err, tt.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tt.want[i]) {
				t.Errorf("%s: %q, want %q", name, got[i], tt.want[i])
			}
		}
	}
}

// A registry that gives no answer says nothing: not that an image moves, and not that it stays.
func TestASilentRegistrySaysNothing(t *testing.T) {
	now := noon
	base := fleet.Definition{ARN: "base", Containers: []fleet.ContainerDefinition{{Name: "app", Image: "app:1"}, {Name: "agent", Image: "silent:1"}}}
	fresh := fleet.Fresh{Brings: "base", Images: []fleet.RevisionImage{{Container: "app", Image: "app:1", Digest: "sha256:11"}, {Container: "agent", Image: "silent:1", Digest: "sha256:22"}}}
	moves, err := imageWorld(&now).moving(t.Context(), Target{Name: "prod", Registry: &registry{means: map[string]string{"app:1": "sha256:11"}}}, fleet.Observation{}, base, fresh, 0)
	if len(moves) != 0 || err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("%q, %v", moves, err)
	}
}

// Services of one image ask once in ten minutes, and a question without an answer once a minute. A registration asks anew. What is
// old is forgotten.
func TestImagesAreAskedForOnce(t *testing.T) {
	now := noon
	r := imageWorld(&now)
	source := &registry{means: map[string]string{"app:1": "sha256:11"}}
	for _, step := range []struct {
		image string
		keep  time.Duration
		after time.Duration
		asked int
	}{{"app:1", factsKept, 0, 1}, {"app:1", factsKept, 9 * time.Minute, 1}, {"app:1", 0, 0, 2}, {"denied:1", factsKept, 0, 3}, {"denied:1", factsKept, 0, 3}, {"silent:1", factsKept, 0, 4}, {"silent:1", factsKept, 59 * time.Second, 4}, {"silent:1", factsKept, time.Second, 5}, {"app:1", factsKept, factsKept, 6}} {
		now = now.Add(step.after)
		_, _ = r.resolved(t.Context(), Target{Name: "prod", Registry: source}, step.image, "sha256:11", step.keep) // a denial is an answer too
		if source.asked != step.asked {
			t.Errorf("%+v: asked %d times", step, source.asked)
		}
	}
	if len(r.images) != 1 {
		t.Errorf("kept: %v", r.images)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := r.resolved(ctx, Target{Name: "prod", Registry: source}, "other:1", "sha256:11", factsKept); err == nil || len(r.images) != 1 {
		t.Errorf("a stop is no answer: %v %v", err, r.images)
	}
}
