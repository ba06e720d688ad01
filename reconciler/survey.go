package reconciler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Deployer looks at one service for one change, and is the one way to make it. Its errors are *fleet.Fault where AWS
// answered.
type Deployer interface {
	// Fresh looks at a service and its newest service deployment now: whole, or an error.
	Fresh(ctx context.Context, cluster, service string) (fleet.Fresh, error)
	// Stack is the CloudFormation stack that made a resource, "" where none did.
	Stack(ctx context.Context, arn string) (string, error)
	// RawDefinition is one revision as AWS wrote it, tags beside it. It holds every value, so it is never kept or shown.
	RawDefinition(ctx context.Context, arn string) ([]byte, error)
	// NewestRevisions are a family's newest ACTIVE revisions, newest first.
	NewestRevisions(ctx context.Context, family string) ([]string, error)
	// UnknownFields lists the members of a registration that this release does not know.
	UnknownFields(document []byte) ([]string, error)
	// Register sends a registration as it stands, once.
	Register(ctx context.Context, document []byte) (arn string, err error)
	// Deploy points the service at one revision, once, and changes nothing else.
	Deploy(ctx context.Context, cluster, service, definition string) error
	// StopDeployment has ECS roll back the service deployment that is under way, once.
	StopDeployment(ctx context.Context, arn string) error
	// Ordered marks what is sent with the context as ordered by an approver: it is sent in every mode of remediation.
	Ordered(ctx context.Context) context.Context
}

// Registry tells what the tags of images mean now. Without one, no image that is not pinned by digest is known to stay.
type Registry interface {
	// Resolve is the digest (sha256:…) that a pull of the image gets now, or known where the tag is of an index that holds the
	// manifest known. An error says who was asked and why there is no answer.
	Resolve(ctx context.Context, image, known string) (string, error)
}

const (
	// factsKept is how long facts serve a plan before they are asked for again. Right before a write they are, whatever their age.
	factsKept = 10 * time.Minute
	// answersStand is how long the last facts stand for a plan while the questions have no answer.
	answersStand = 24 * time.Hour
	// surveyIn bounds a whole survey.
	surveyIn = time.Minute
)

var errSlowSurvey = errors.New("no whole answer within " + surveyIn.String())

// survey asks AWS and the registries: about six calls. What AWS denies to tell is unknown, and the facts say so. Any other
// failure is an error: then nothing is known, and nothing may be concluded.
func (r *remediation) survey(
	ctx context.Context, t Target, p rollout.Plan, o fleet.Observation, keep time.Duration,
) (rollout.Facts, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, surveyIn, errSlowSurvey)
	defer cancel()
	f, err := r.inquire(ctx, t, p, o, keep)
	if err != nil {
		return rollout.Facts{}, fmt.Errorf("find out about %s: %w", p.Key, err)
	}
	return f, nil
}

func (r *remediation) inquire(
	ctx context.Context, t Target, p rollout.Plan, o fleet.Observation, keep time.Duration,
) (f rollout.Facts, err error) {
	base, ok := o.Definitions[p.Base]
	if !ok {
		return f, fmt.Errorf("the base revision %s is not read", fleet.NameOf(p.Base))
	}
	fresh, err := r.fresh(ctx, t, p.Key)
	if err != nil {
		return f, err
	}
	f.Deleted, f.Express, f.PauseHooks = fresh.Gone, fresh.Express, fresh.PauseHooks
	raw, err := t.Deployer.RawDefinition(ctx, p.Base)
	if err != nil {
		return f, err
	}
	f.Base = statusIn(raw)
	if f.Registration, f.UnknownFields, err = registrable(t, raw, p.Set); err != nil {
		return f, err
	}
	origin := rollout.Origin{Tags: fresh.Tags, DefinitionTags: tagsIn(raw), CreatedBy: fresh.CreatedBy, RegisteredBy: base.RegisteredBy}
	switch origin.Stack, err = t.Deployer.Stack(ctx, p.ServiceARN); {
	case errors.Is(err, fleet.ErrDenied):
		origin.Unread = append(origin.Unread, err.Error())
	case err != nil:
		return f, err
	}
	f.Owner = rollout.OwnerOf(origin)
	f.MovingImages, err = r.moving(ctx, t, o, base, fresh, keep)
	return f, err
}

// registrable is why the revision with the values cannot be registered, and the fields that a registration would lose.
func registrable(t Target, raw []byte, set map[string]map[string]string) (why *rollout.Refusal, lost []string, err error) {
	document, err := rollout.Registration(raw, set, "plan")
	if refusal, refused := errors.AsType[*rollout.Refusal](err); refused {
		return refusal, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	lost, err = t.Deployer.UnknownFields(document)
	return nil, lost, err
}

// statusIn is the status of the revision in a raw answer.
func statusIn(raw []byte) string { return gjson.GetBytes(raw, "taskDefinition.status").Str }

// tagsIn are the tags of a raw answer.
func tagsIn(raw []byte) map[string]string {
	out := map[string]string{}
	for _, path := range []string{"tags", "taskDefinition.tags"} {
		gjson.GetBytes(raw, path).ForEach(func(_, tag gjson.Result) bool {
			out[tag.Get("key").Str] = tag.Get("value").Str
			return true
		})
	}
	return out
}

// fresh makes a fresh look and notes the tag that sets the service's mode.
func (r *remediation) fresh(ctx context.Context, t Target, key fleet.Key) (fleet.Fresh, error) {
	f, err := t.Deployer.Fresh(ctx, key.Cluster, key.Service)
	if err == nil && !f.Gone {
		r.state.Lock()
		r.tags[key] = modeTag{r.now(), f.Tags[rollout.Tag]}
		r.state.Unlock()
	}
	return f, err
}

// modeTag is what the owner of a service set as its mode, "" for nothing.
type modeTag struct {
	at    time.Time
	value string
}
