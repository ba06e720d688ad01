package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"pgregory.net/rapid"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

// What AWS, registries and other people do to a fix, for TestWhateverHappensToAFix: writes that are turned away, questions that have
// no answer, and deployments that come amid our own calls.

// Access keys tell the calls of a person and of the test from the controller's.
const (
	personsKey = "person"
	testsKey   = "witness"
)

// keyed is an ECS client with an access key of its own.
func (w *world) keyed(key string) *ecs.Client {
	cfg := sdk(w.account)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(key, "test", "")
	return ecs.NewFromConfig(cfg)
}

// misfortune is one of them.
type misfortune struct {
	at, span time.Duration
	what     string
	op       string // "image": a registry is asked
	once     bool   // one call, whatever span says
	nth      int    // a foreign deployment: the call of op, counted from at while a rollout of the service registers or rolls
	service  int
}

func (m misfortune) String() string {
	return fmt.Sprintf("%s+%s %s %s once=%t nth=%d %d", m.at, m.span, m.what, m.op, m.once, m.nth, m.service)
}

var (
	turnedAway = map[string]*wire.Error{
		"throttled": wire.Bad("ThrottlingException", "Rate exceeded"),
		"worded":    wire.Bad("ClientException", "Too many concurrent attempts to create a new revision of the specified family."),
		"conflict":  wire.Bad("ConflictException", "The request could not be processed because of conflict in the current state of the resource."),
	}
	// A deployment that comes amid these is one that the controller can see before its next write. Right before UpdateService arrives
	// it could not.
	seenInTime = []string{"DescribeServices", "ListServiceDeployments", "DescribeStackResources", "DescribeTaskDefinition", "RegisterTaskDefinition", "image"}
)

func drawMisfortunes(t *rapid.T, services int) []misfortune {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) misfortune {
		m := misfortune{at: time.Duration(rapid.IntRange(0, 240).Draw(t, "at")) * time.Minute,
			span: time.Duration(rapid.IntRange(1, 30).Draw(t, "minutes")) * time.Minute,
			what: rapid.SampledFrom([]string{"throttled", "worded", "conflict", "unanswered", "unanswered", "foreign", "forced"}).Draw(t, "what")}
		switch m.what {
		case "unanswered":
			m.op = rapid.SampledFrom([]string{"DescribeStackResources", "image"}).Draw(t, "op")
		case "foreign", "forced":
			m.op, m.nth = rapid.SampledFrom(seenInTime).Draw(t, "op"), rapid.IntRange(1, 8).Draw(t, "nth")
			m.service = rapid.IntRange(0, services-1).Draw(t, "service")
		default:
			m.op, m.once = rapid.SampledFrom([]string{"RegisterTaskDefinition", "UpdateService"}).Draw(t, "op"), rapid.Bool().Draw(t, "once")
		}
		return m
	}), 0, 6).Draw(t, "misfortunes")
}

// byTag has an image of the service asked for in a registry.
func byTag(v *account.Service) {
	for _, c := range v.TaskDefinition.Containers {
		if c["name"] == "nginx" {
			c["image"] = "registry.example/nginx:1.27"
		}
	}
}

// fortune is how the misfortunes of one world go on.
type fortune struct {
	w     *witness
	begin time.Time
	mu    sync.Mutex
	calls map[int]int // by misfortune
	sent  map[string]time.Time
}

// befall has the misfortunes happen from now on.
func (w *witness) befall() (end func()) {
	w.fortune = &fortune{w: w, begin: time.Now(), calls: map[int]int{}, sent: map[string]time.Time{}}
	return w.account.Gate(func(c account.Call) bool {
		ours := c.AccessKey != personsKey && c.AccessKey != testsKey
		return ours && c.Op != "RegisterTaskDefinition" && c.Op != "UpdateService" && slices.Contains(seenInTime, c.Op)
	}, w.fortune.meets)
}

// now are the misfortunes of an operation that are under way. A foreign deployment is under way from its time on.
func (f *fortune) now(op string, each func(i int, m misfortune) (stop bool)) {
	for i, m := range f.w.d.misfortunes {
		since := time.Since(f.begin) - m.at
		if m.op == op && since >= 0 && (since < m.span || m.nth > 0) && each(i, m) {
			return
		}
	}
}

// count is the number of a call that a misfortune met.
func (f *fortune) count(i int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[i]++
	return f.calls[i]
}

// meets is what a call of the controller meets before it is carried out.
func (f *fortune) meets(c account.Call) (g account.Gate) {
	f.now(c.Op, func(i int, m misfortune) bool {
		if m.nth > 0 && !f.w.acts(m.service) {
			return false
		}
		n := f.count(i)
		switch {
		case m.what == "foreign" && n == m.nth:
			f.w.deploysAHotfix(m.service)
		case m.what == "forced" && n == m.nth:
			f.w.forces(m.service)
		case m.nth > 0, m.once && n > 1:
		case m.what == "unanswered":
			g.Err = &wire.Error{Code: "ServiceUnavailable", Status: 503, Message: "a test"}
		default:
			g.Err = turnedAway[m.what]
		}
		return g.Err != nil
	})
	return g
}

// Resolve implements reconciler.Registry: every tag means what runs, unless the registry gives no answer. It takes its time.
func (f *fortune) Resolve(ctx context.Context, _, known string) (string, error) {
	if g := f.meets(account.Call{Op: "image"}); g.Err != nil {
		return "", errors.New("ask registry.example: status 503")
	}
	select {
	case <-time.After(10 * time.Second):
	case <-ctx.Done():
	}
	return known, ctx.Err()
}

// acts reports whether a rollout of the service registers or rolls.
func (w *witness) acts(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running.Controller == nil {
		return false
	}
	key := fleet.Key{Target: "prod", Cluster: "prod", Service: fmt.Sprintf("django%d", n)}
	return slices.ContainsFunc(w.running.Rollouts(key), func(r rollout.Rollout) bool {
		return r.Live() && (r.Phase == rollout.Registering || r.Phase == rollout.Rolling)
	})
}

// deploysAHotfix is a person who registers the running revision with another image, and deploys it.
func (w *witness) deploysAHotfix(n int) {
	client, service := w.keyed(personsKey), fmt.Sprintf("django%d", n)
	services, err := client.DescribeServices(w.t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{service}})
	if err != nil || len(services.Services) != 1 {
		w.t.Errorf("a person cannot describe %s: %v", service, err)
		return
	}
	running, err := client.DescribeTaskDefinition(w.t.Context(), &ecs.DescribeTaskDefinitionInput{TaskDefinition: services.Services[0].TaskDefinition})
	if err != nil {
		w.t.Errorf("a person cannot describe the revision of %s: %v", service, err)
		return
	}
	d := running.TaskDefinition
	for i := range d.ContainerDefinitions {
		if aws.ToString(d.ContainerDefinitions[i].Name) == "nginx" {
			d.ContainerDefinitions[i].Image = aws.String(fmt.Sprintf("registry.example/nginx:hotfix@sha256:%064x", time.Now().UnixNano()))
		}
	}
	next, err := client.RegisterTaskDefinition(w.t.Context(), &ecs.RegisterTaskDefinitionInput{Family: d.Family, ContainerDefinitions: d.ContainerDefinitions,
		Cpu: d.Cpu, Memory: d.Memory, Volumes: d.Volumes, NetworkMode: d.NetworkMode, RequiresCompatibilities: d.RequiresCompatibilities})
	if err == nil {
		_, err = client.UpdateService(w.t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("prod"), Service: &service, TaskDefinition: next.TaskDefinition.TaskDefinitionArn})
	}
	if err != nil && w.t.Context().Err() == nil {
		w.t.Logf("a person's deployment of %s: %v", service, err) // denied, in some worlds
	}
}

// forces is a person who has the running revision deployed again.
func (w *witness) forces(n int) {
	_, err := w.keyed(personsKey).UpdateService(w.t.Context(), &ecs.UpdateServiceInput{Cluster: aws.String("prod"),
		Service: aws.String(fmt.Sprintf("django%d", n)), ForceNewDeployment: true})
	if err != nil && w.t.Context().Err() == nil {
		w.t.Logf("a person's forced deployment: %v", err) // denied, in some worlds
	}
}

// paced complains of a write that is sent again too soon after the same one. The lock is held.
func (w *witness) paced(c account.Call) {
	what := fmt.Sprint(c.Op, c.Input["service"], c.Input["taskDefinition"], c.Input["family"], c.Input["tags"])
	if last, again := w.fortune.sent[what]; again && time.Since(last) < 14*time.Second {
		w.complain("%s is sent again after %s", c.Op, time.Since(last))
	}
	w.fortune.sent[what] = time.Now()
}

// registersOverNobody complains of a registration for a service that has run another revision for some seconds: the look before
// it must have been older than the last question. The lock is held.
func (w *witness) registersOverNobody(c account.Call, r rollout.Rollout) {
	if c.Op != "RegisterTaskDefinition" || r.Phase != rollout.Registering {
		return
	}
	out, err := w.ecs.DescribeServices(w.t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String("prod"), Services: []string{r.Plan.ServiceARN}})
	if err != nil || len(out.Services) != 1 {
		w.complain("describe %s: %v", r.Plan.ServiceARN, err)
		return
	}
	p := out.Services[0].Deployments[0]
	if since := time.Since(aws.ToTime(p.CreatedAt)); aws.ToString(p.TaskDefinition) != r.Plan.Base && since > 5*time.Second {
		w.complain("%s registers, and %s was deployed %s before", r.ID, aws.ToString(p.TaskDefinition), since)
	}
}

// approves says yes to what waits for it, where the world's mode is approve.
func (w *witness) approves() {
	if w.d.mode != rollout.Approve {
		return
	}
	for _, r := range w.running.Rollouts(fleet.Key{}) {
		if r.Live() && r.Phase == rollout.Proposed {
			if _, err := w.running.Approve(w.t.Context(), r.ID, r.Plan.Hash, rollout.Order{By: "oncall"}); err != nil && !errors.Is(err, rollout.ErrConflict) {
				w.t.Error(err)
			}
		}
	}
}

// noErrorIsAnAnswer looks for rollouts that took one for it. The lock is held.
func (w *witness) noErrorIsAnAnswer() {
	for _, r := range w.running.Rollouts(fleet.Key{}) {
		if r.Reason == rollout.ReasonDrift {
			w.complain("%s is %s: no image moves in this world: %s", r.ID, r.Outcome, r.Message)
		}
		if strings.HasSuffix(r.Plan.Base, ":1") && (r.Outcome == rollout.Exported || r.Plan.Owner.State != rollout.NoOwner) {
			w.complain("%s is %s: its owner is taken for %s: %v", r.ID, r.Outcome, r.Plan.Owner.State, r.Plan.Owner.Evidence)
		}
	}
}

// concluded looks at what was made of misfortunes: what passes is waited for, and nothing is held that nothing was done to.
func (w *witness) concluded() {
	denied := slices.ContainsFunc(w.d.events, func(e event) bool { return e.what == "denied" })
	updated := map[string]bool{}
	for _, c := range w.account.Calls() {
		if c.Op == "UpdateService" && c.AccessKey == "test" && (c.Code == "" || c.Cut || c.Code == "ServerException") {
			updated[fmt.Sprint(c.Input["service"])] = true
		}
	}
	for _, r := range w.running.Rollouts(fleet.Key{}) {
		passing := strings.Contains(r.Message, "Too many concurrent") || strings.Contains(r.Message, "ConflictException") || strings.Contains(r.Message, "ThrottlingException")
		if r.Outcome == rollout.Failed && passing && r.Reason != rollout.ReasonTurnedAway {
			w.complain("%s is given up for what passes: %s %s", r.ID, r.Reason, r.Message)
		}
		if r.Outcome == rollout.Failed && r.Reason == rollout.ReasonTurnedAway && !updated[r.Plan.ServiceARN] && !denied && w.holds(r.Key()) {
			w.complain("%s is held, and nothing was done to it: %s %s", r.Key(), r.Outcome, r.Message)
		}
	}
}

// holds reports whether a service is held, by another reason than a fix that somebody applied and took out again.
func (w *witness) holds(key fleet.Key) bool {
	adopted := slices.ContainsFunc(w.running.Rollouts(key), func(r rollout.Rollout) bool { return r.Foreign })
	return !adopted && slices.Contains(open(w.running.Controller)[key.Service], "RemediationHeld/")
}
