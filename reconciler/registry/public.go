package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"taskwarden/reconciler/fleet"
)

const (
	// answerIn bounds one question, with its token and its wait for the budget.
	answerIn = 20 * time.Second
	// mostRegistries bounds the budgets that are kept; a fleet uses a handful.
	mostRegistries = 200
	// saidMost is how many characters of a registry's or the network's own words are repeated.
	saidMost = 160
)

var errSlow = errors.New("no answer within " + answerIn.String())

// Public asks registries without credentials. It is safe for concurrent use; one serves all targets, so that they share the
// budgets.
type Public struct {
	network http.RoundTripper
	agent   string // the User-Agent of each request

	mu      sync.Mutex
	budgets map[string]*budget // by registry
}

// NewPublic asks through a network; Direct is the real one. Each request names the program and its version.
func NewPublic(network http.RoundTripper, version string) *Public {
	return &Public{network: httpsOnly{network}, agent: "taskwarden/" + version, budgets: map[string]*budget{}}
}

// resolve asks with HEAD, which registries do not count as a pull (Docker Hub documentation, "Pull usage and limits"), and reads
// the manifest only where an index may hold the one that is known.
func (p *Public) resolve(ctx context.Context, tag name.Tag, known string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerIn, errSlow)
	defer cancel()
	digest, err := p.ask(ctx, tag, known)
	if err != nil {
		return "", fmt.Errorf("ask %s for %s:%s: %w", tag.RegistryStr(), tag.RepositoryStr(), tag.TagStr(), said(ctx, err))
	}
	return digest, nil
}

func (p *Public) ask(ctx context.Context, tag name.Tag, known string) (string, error) {
	budget, err := p.budget(tag.RegistryStr())
	if err != nil {
		return "", err
	}
	if err := budget.look(ctx); err != nil {
		return "", err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithTransport(p.network), remote.WithUserAgent(p.agent),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1})} // whoever asks comes again
	head, err := remote.Head(tag, options...)
	if err != nil {
		return "", budget.heard(ctx, err)
	}
	if head.Digest.String() == known || !head.MediaType.IsIndex() {
		return head.Digest.String(), nil
	}
	if err := budget.pull(); err != nil {
		return "", err
	}
	got, err := remote.Get(tag, options...)
	if err != nil {
		return "", budget.heard(ctx, err)
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(got.Manifest))
	if err != nil {
		return "", errors.New("the index cannot be read")
	}
	for _, m := range index.Manifests {
		if m.Digest.String() == known {
			return known, nil
		}
	}
	return got.Digest.String(), nil
}

func (p *Public) budget(registry string) (*budget, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.budgets[registry]
	if !ok && len(p.budgets) >= mostRegistries {
		return nil, &answered{fmt.Sprintf("%d other registries were asked already", mostRegistries), fleet.ErrTerminal}
	}
	if !ok {
		b = newBudget()
		p.budgets[registry] = b
	}
	return b, nil
}

// answered is a registry's no: the same question would meet it again. Other errors are no answer.
type answered struct {
	text  string
	class error // of package fleet
}

// Error says what the registry answered.
func (a *answered) Error() string { return a.text }

// Unwrap gives the class.
func (a *answered) Unwrap() error { return a.class }

// said puts the failures of a question into few words of our own. A registry's answer is repeated by its codes alone: its body
// is whatever the other side wrote.
func said(ctx context.Context, err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		switch answer.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			return &answered{fmt.Sprintf("status %d: it shows the image to nobody without credentials, and taskwarden has none for it", answer.StatusCode), fleet.ErrDenied}
		case http.StatusNotFound:
			return &answered{"status 404: it has no such tag", fleet.ErrNotFound}
		case http.StatusTooManyRequests:
			return fmt.Errorf("status 429: too many requests; it is left alone for %s", restFor)
		}
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	if no, ok := errors.AsType[*answered](err); ok {
		return no
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if inner := (*strayed)(nil); errors.As(err, &inner) {
		return &answered{inner.Error(), fleet.ErrTerminal}
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if r := []rune(text); len(r) > saidMost {
		text = string(r[:saidMost]) + "…"
	}
	return errors.New(text)
}
