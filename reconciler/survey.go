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

// factsKept is how long facts serve. Right before a registration they are asked for again, whatever their age.
const factsKept = 10 * time.Minute

// survey is what was found out about one service because a policy matches it.
type survey struct {
	at    time.Time
	plan  string // what it was made for: the base revision and the values
	facts rollout.Facts
	// counted is the end of the reading of metrics that Requests is of; a plan may be made before the first one.
	counted time.Time
}

// surveyed gives the facts for a plan: those known if they are young enough, or new ones.
func (r *remediation) surveyed(ctx context.Context, t Target, p rollout.Plan, o fleet.Observation, cures []string, keep time.Duration) (rollout.Facts, error) {
	purpose := p.Base + fmt.Sprint(p.Set)
	r.state.Lock()
	s, ok := r.surveys[p.Key]
	r.state.Unlock()
	if !ok || s.plan != purpose || r.now().Sub(s.at) >= keep {
		s = survey{at: r.now(), plan: purpose}
		var err error
		if s.facts, err = r.survey(ctx, t, p, o, keep); err != nil {
			return rollout.Facts{}, fmt.Errorf("find out about %s: %w", p.Key, err)
		}
	}
	if read := o.Metrics.Signals.At; s.facts.Requests == (rollout.Requests{}) || s.facts.Requests.Unknown != "" && s.counted != read {
		s.facts.Requests, s.counted = requestsOf(ctx, t, o.Metrics.Signals), read
	}
	r.state.Lock()
	r.surveys[p.Key] = s
	r.state.Unlock()
	// What the view knows is never older than the view.
	s.facts.FamilyUsers = r.c.view.familyUsers(p.Key, familyOf(p.Base))
	s.facts.Cures, s.facts.InternalOperation = cures, internalOperation(o.Metrics.Signals)
	return s.facts, nil
}

// survey asks AWS: about six calls. What a person can be told as unknown is; anything else that fails is an error.
func (r *remediation) survey(ctx context.Context, t Target, p rollout.Plan, o fleet.Observation, keep time.Duration) (rollout.Facts, error) {
	base := o.Definitions[p.Base]
	fresh, err := r.fresh(ctx, t, p.Key)
	if err != nil {
		return rollout.Facts{}, err
	}
	raw, err := t.Deployer.RawDefinition(ctx, p.Base)
	if err != nil {
		return rollout.Facts{}, err
	}
	f := rollout.Facts{Deleted: fresh.Gone, Base: statusIn(raw), Express: fresh.Express, PauseHooks: fresh.PauseHooks, MovingImages: r.moving(ctx, t, o, base, fresh, keep)}
	document, err := rollout.Registration(raw, p.Set, "plan")
	refusal, refused := errors.AsType[*rollout.Refusal](err)
	switch {
	case refused:
		f.Registration = refusal
	case err != nil:
		return rollout.Facts{}, err
	default:
		if f.UnknownFields, err = t.Deployer.UnknownFields(document); err != nil {
			return rollout.Facts{}, err
		}
	}
	origin := rollout.Origin{Tags: fresh.Tags, DefinitionTags: tagsIn(raw), CreatedBy: fresh.CreatedBy, RegisteredBy: base.RegisteredBy}
	if origin.Stack, err = t.Deployer.Stack(ctx, p.ServiceARN); err != nil {
		origin.Unread = append(origin.Unread, err.Error())
	}
	f.Owner = rollout.OwnerOf(origin)
	return f, nil
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
