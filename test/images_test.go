package test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	oci "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/registry"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
)

const (
	appImage   = "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/django:prod"
	agentImage = "registry.example/agents/cloudwatch-agent:latest"
)

// library is a registry of others, in process.
type library struct{ http.Handler }

func newLibrary() library { return library{oci.New(oci.Logger(log.New(io.Discard, "", 0)))} }

func (l library) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	l.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// push makes a tag mean a new image, and gives its digest.
func (l library) push(t *testing.T, tag string) string {
	t.Helper()
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(tag)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithTransport(l)); err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest.String()
}

// tagged is fixable with images by tag: the application's in ECR, the agent's in a registry of others.
func tagged(t *testing.T, l library) account.Scenario {
	t.Helper()
	s := fixable(t)
	s.Images = []account.Image{{Name: appImage, Digest: digestOf("1")}, {Name: agentImage, Digest: l.push(t, agentImage)}}
	for _, c := range s.Clusters[0].Services[0].TaskDefinition.Containers {
		c["image"] = appImage
		if c["name"] == "cwagent" {
			c["image"] = agentImage
		}
	}
	return s
}

func digestOf(s string) string { return "sha256:" + strings.Repeat(s, 64) }

// asking is remediate with registries to ask.
func (w *world) asking(mode rollout.Mode, l library) func(*reconciler.Options) {
	base := w.remediate(mode, cure)
	return func(o *reconciler.Options) {
		base(o)
		o.Targets[0].Registry = registry.New(o.Targets[0].Deployer.(*cloud.Account), registry.NewPublic(l, "v1"))
	}
}

// Images by tag are no hindrance where the registries say that they stay.
func TestImagesThatStay(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	s := tagged(t, l)
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.asking(rollout.Auto, l))
		defer c.stop()
		time.Sleep(time.Hour)
		if r := rollouts(t, c, 1)[0]; r.Phase != rollout.Soaking || !r.Live() || len(w.writes("RegisterTaskDefinition")) != 1 || len(w.writes("UpdateService")) != 1 {
			t.Errorf("%s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		if n := w.account.CallCounts()["ecr:BatchGetImage"]; n < 2 || n > 20 {
			t.Errorf("ECR was asked %d times: once for the plan, and again right before the registration", n)
		}
	})
}

// An image that would move, or cannot be shown not to, is a refusal that says which, from what to what, or why nobody knows. It
// ends when that does.
func TestImagesThatMove(t *testing.T) {
	t.Parallel()
	push := func(image, digest string) account.Step {
		return account.Step{At: account.Exactly(0), Do: account.DoPush, Why: "CI pushed", Push: []account.Image{{Name: image, Digest: digest}}}
	}
	for name, tt := range map[string]struct {
		begin, end func(*testing.T, library) []account.Step // end: two hours later
		says       []string
	}{
		"ECR's moved": {func(*testing.T, library) []account.Step { return []account.Step{push(appImage, digestOf("2"))} },
			func(*testing.T, library) []account.Step { return []account.Step{push(appImage, digestOf("1"))} },
			[]string{"django (" + appImage + ")", digestOf("1") + " runs", "means " + digestOf("2")}},
		"ECR is denied": {func(*testing.T, library) []account.Step {
			return []account.Step{{Do: account.DoDeny, Actions: []string{"ecr:BatchGetImage"}, Why: "nobody thought of it"}}
		}, func(*testing.T, library) []account.Step {
			return []account.Step{{Do: account.DoAllow, Actions: []string{"ecr:BatchGetImage"}, Why: "allowed"}}
		}, []string{"django (" + appImage + "): cannot be shown to stay", "allow the IAM action ecr:BatchGetImage"}},
		"another registry's moved": {func(t *testing.T, l library) []account.Step { l.push(t, agentImage); return nil }, nil,
			[]string{"cwagent (" + agentImage + ")", "and the tag means sha256:"}},
		"another registry has it no more": {func(_ *testing.T, l library) []account.Step {
			r := httptest.NewRequest(http.MethodDelete, "https://registry.example/v2/agents/cloudwatch-agent/manifests/latest", nil)
			l.ServeHTTP(httptest.NewRecorder(), r)
			return nil
		}, nil, []string{"ask registry.example for agents/cloudwatch-agent:latest", "no such tag"}},
	} {
		l := newLibrary()
		s := tagged(t, l)
		s.Timeline = append(s.Timeline, tt.begin(t, l)...)
		if tt.end != nil {
			for _, step := range tt.end(t, l) {
				step.At = account.Exactly(2 * time.Hour)
				s.Timeline = append(s.Timeline, step)
			}
		}
		bubble(t, func(t *testing.T) {
			w := newWorld(t, s)
			c := w.run(w.asking(rollout.Auto, l))
			defer c.stop()
			time.Sleep(time.Hour)
			r := rollouts(t, c, 1)[0]
			if r.Outcome != rollout.Refused || r.Reason != rollout.ReasonDrift || len(w.writes("RegisterTaskDefinition")) != 0 {
				t.Errorf("%s: %s %s %s: %s", name, r.Phase, r.Outcome, r.Reason, r.Message)
			}
			for _, text := range tt.says {
				if !strings.Contains(r.Message, text) {
					t.Errorf("%s: %q is not in: %s", name, text, r.Message)
				}
			}
			if tt.end == nil {
				return
			}
			time.Sleep(2 * time.Hour)
			if is := rollouts(t, c, 1)[0]; is.ID != r.ID || is.Phase != rollout.Soaking || len(w.writes("RegisterTaskDefinition")) != 1 {
				t.Errorf("%s, and over: %s %s %s: %s", name, is.Phase, is.Outcome, is.Reason, is.Message)
			}
		})
	}
}

// A tag that moves between the plan and the yes to it is seen right before the registration.
func TestAnImageMovesBeforeTheYes(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	s := tagged(t, l)
	s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(2*time.Hour + 5*time.Minute - time.Second), Do: account.DoPush, Why: "CI pushed", Push: []account.Image{{Name: appImage, Digest: digestOf("2")}}})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.asking(rollout.Approve, l))
		defer c.stop()
		time.Sleep(2*time.Hour + 5*time.Minute) // between two surveys
		r := rollouts(t, c, 1)[0]
		if _, err := c.Approve(t.Context(), r.ID, r.Plan.Hash, rollout.Order{By: "oncall"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		is := c.Rollouts(fleet.Key{})[0]
		if is.ID != r.ID || is.Outcome != rollout.Refused || is.Reason != rollout.ReasonDrift || len(w.writes("RegisterTaskDefinition")) != 0 {
			t.Errorf("%s %s %s: %s", is.Phase, is.Outcome, is.Reason, is.Message)
		}
	})
}

// One that moves between the registration and the deployment, which a pause held up, is not deployed: the base's content is the
// family's newest again, and the service is held.
func TestAnImageMovesBeforeTheDeployment(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	s := tagged(t, l)
	s.Timeline = append(s.Timeline,
		account.Step{Do: account.DoFault, Ops: []string{"ecs:UpdateService"}, Kind: account.FaultThrottle, Calls: 1, Why: "others deploy"},
		account.Step{At: account.Exactly(time.Hour), Do: account.DoPush, Why: "CI pushed", Push: []account.Image{{Name: appImage, Digest: digestOf("2")}}})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.asking(rollout.Auto, l))
		defer c.stop()
		for deadline := time.Now().Add(30 * time.Minute); len(w.writes("RegisterTaskDefinition")) == 0; time.Sleep(time.Second) {
			if time.Now().After(deadline) {
				t.Fatal("nothing was registered")
			}
		}
		if err := c.Pause(t.Context(), "", rollout.Order{By: "oncall"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Minute)
		if r := rollouts(t, c, 1)[0]; r.Phase != rollout.Rolling || r.Reason != rollout.ReasonPaused {
			t.Fatalf("%s %s %s: %s", r.Phase, r.Outcome, r.Reason, r.Message)
		}
		if err := c.Resume(t.Context(), "", rollout.Order{By: "oncall"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.Failed || r.Reason != rollout.ReasonDrift || len(w.writes("UpdateService")) != 0 || len(w.writes("RegisterTaskDefinition")) != 2 {
			t.Errorf("%s %s %s: %s; %d deployed, %d registered", r.Phase, r.Outcome, r.Reason, r.Message, len(w.writes("UpdateService")), len(w.writes("RegisterTaskDefinition")))
		}
	})
}

// One that moves while the fix soaks does not hold up the way back.
func TestAnImageMovesBeforeTheWayBack(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	s := tagged(t, l)
	s.Clusters[0].Services[0].Models = harmful(t).Clusters[0].Services[0].Models
	s.Timeline = append(s.Timeline, account.Step{At: account.Exactly(30 * time.Minute), Do: account.DoPush, Why: "CI pushed", Push: []account.Image{{Name: appImage, Digest: digestOf("2")}}})
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		c := w.run(w.asking(rollout.Auto, l))
		defer c.stop()
		time.Sleep(8 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Outcome != rollout.RolledBack || len(w.writes("UpdateService")) != 2 {
			t.Errorf("%s %s %s: %s; %d deployed", r.Phase, r.Outcome, r.Reason, r.Message, len(w.writes("UpdateService")))
		}
	})
}
