package registry

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"taskwarden/reconciler/fleet"
)

// library is a registry on a loopback port, which counts what it is asked.
type library struct {
	t    *testing.T
	host string
	next http.Handler

	mu    sync.Mutex
	asked []string // method and path
	agent string   // of the last request
}

func open(t *testing.T) *library {
	t.Helper()
	l := &library{t: t, next: ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)))}
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	l.host = strings.TrimPrefix(s.URL, "http://")
	return l
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.asked, l.agent = append(l.asked, r.Method+" "+r.URL.Path), r.UserAgent()
	l.mu.Unlock()
	for _, h := range []string{"Authorization", "Cookie"} {
		if v := r.Header.Get(h); v != "" && r.Method != http.MethodPut && r.Method != http.MethodPost && r.Method != http.MethodPatch {
			l.t.Errorf("%s sent: %q", h, v)
		}
	}
	l.next.ServeHTTP(w, r)
}

// push puts an index of two images under a tag.
func (l *library) push(tag string) (index string, manifests []string) {
	l.t.Helper()
	i, err := random.Index(64, 1, 2)
	if err != nil {
		l.t.Fatal(err)
	}
	ref, err := name.ParseReference(l.host + "/" + tag)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, i); err != nil {
		l.t.Fatal(err)
	}
	all, err := i.IndexManifest()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, m := range all.Manifests {
		manifests = append(manifests, m.Digest.String())
	}
	return digestOf(l.t, i), manifests
}

func digestOf(t *testing.T, of interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func (l *library) manifests(method string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.asked {
		if strings.HasPrefix(a, method+" ") && strings.Contains(a, "/manifests/") {
			n++
		}
	}
	return n
}

func (l *library) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = nil
}

// A tag is what it means now; of an index also each manifest in it; and a manifest is read only where it may matter.
func TestResolve(t *testing.T) {
	l := open(t)
	index, manifests := l.push("team/app:prod")
	image, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, _ := name.ParseReference(l.host + "/team/plain") // a valid name
	if err := remote.Write(ref, image); err != nil {
		t.Fatal(err)
	}
	plain, other := digestOf(t, image), "sha256:"+strings.Repeat("ab", 32)
	c := New(nil, NewPublic(http.DefaultTransport, "v1"))
	for _, tt := range []struct {
		image, known, want string
		gets               int
	}{
		{"team/app:prod", index, index, 0},
		{"team/app:prod", manifests[1], manifests[1], 1},
		{"team/app:prod", other, index, 1},
		{"team/plain", plain, plain, 0},
		{"team/plain:latest", other, plain, 0},
	} {
		l.forget()
		got, err := c.Resolve(t.Context(), l.host+"/"+tt.image, tt.known)
		if err != nil || got != tt.want || l.manifests("GET") != tt.gets || l.manifests("HEAD") != 1 {
			t.Errorf("%s, known %s: %s %v, want %s; asked %q", tt.image, tt.known, got, err, tt.want, l.asked)
		}
		if !slices.Contains(strings.Fields(l.agent), "taskwarden/v1") {
			t.Errorf("%s: User-Agent %q", tt.image, l.agent)
		}
	}
	if _, err := c.Resolve(t.Context(), l.host+"/team/app:gone", other); err == nil || !strings.Contains(err.Error(), "no such tag") || !strings.Contains(err.Error(), l.host) {
		t.Errorf("a tag that is not there: %v", err)
	}
	for _, bad := range []string{"", "UPPER/case", "app@sha256:" + strings.Repeat("ab", 32), "https://host/app:1"} {
		if got, err := c.Resolve(t.Context(), bad, other); err == nil {
			t.Errorf("%q means %s", bad, got)
		}
	}
}

// ecr notes what it is asked.
type ecr struct{ asked []fleet.PrivateImage }

func (e *ecr) ImageDigest(_ context.Context, i fleet.PrivateImage, _ string) (string, error) {
	e.asked = append(e.asked, i)
	return "sha256:private", nil
}

func TestWhoseRegistry(t *testing.T) {
	for image, want := range map[string]fleet.PrivateImage{
		"111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/app:prod":  {Account: "111122223333", Region: "eu-west-1", Repository: "team/app", Tag: "prod"},
		"111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/app":        {Account: "111122223333", Region: "cn-north-1", Repository: "app", Tag: "latest"},
		"111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com/app:1": {Account: "111122223333", Region: "us-gov-west-1", Repository: "app", Tag: "1"},
		"111122223333.dkr-ecr.us-east-1.on.aws/app:1":                 {Account: "111122223333", Region: "us-east-1", Repository: "app", Tag: "1"},
		"nginx":                                {},
		"index.docker.io/library/nginx:latest": {},
		"public.ecr.aws/nginx/nginx:1":         {},
		"111122223333.dkr.ecr.us-east-1.amazonaws.com.evil.example/app:1": {},
		"evil.example/111122223333.dkr.ecr.us-east-1.amazonaws.com/app:1": {},
		"1111222233334.dkr.ecr.us-east-1.amazonaws.com/app:1":             {},
	} {
		e, asked := &ecr{}, ""
		public := NewPublic(trip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.Host
			return nil, fmt.Errorf("no network here")
		}), "v1")
		_, err := New(e, public).Resolve(t.Context(), image, "sha256:x")
		if want == (fleet.PrivateImage{}) {
			host, _, _ := strings.Cut(image, "/")
			if !strings.Contains(host, ".") {
				host = "index.docker.io"
			}
			if err == nil || len(e.asked) > 0 || asked != host {
				t.Errorf("%s: %v, ECR asked for %v, asked %s", image, err, e.asked, asked)
			}
			continue
		}
		if err != nil || len(e.asked) != 1 || e.asked[0] != want || asked != "" {
			t.Errorf("%s: %v %+v, want %+v; asked %s", image, err, e.asked, want, asked)
		}
	}
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// said in few words of our own, whatever the other side writes.
func TestWhatARegistryAnswers(t *testing.T) {
	secret := strings.Repeat("<internal page>", 50)
	answer := func(status int, header http.Header) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range header {
				w.Header()[k] = v
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"errors":[{"code":"` + secret + `","message":"` + secret + `"}]}`))
		})
	}
	for name, tt := range map[string]struct {
		next     http.Handler
		want     string
		answered bool // whether that is an answer, and not merely none
	}{
		"denied":             {answer(403, nil), "without credentials", true},
		"no such tag":        {answer(404, nil), "no such tag", true},
		"broken":             {answer(500, nil), "status 500", false},
		"too many":           {answer(429, nil), "too many requests", false},
		"a redirect to http": {answer(302, http.Header{"Location": {"http://internal.example/v2/"}}), "only https", true},
		"a realm by http":    {answer(401, http.Header{"Www-Authenticate": {`Bearer realm="http://internal.example/token"`}}), "only https", true},
		"a realm inside":     {answer(401, http.Header{"Www-Authenticate": {`Bearer realm="https://169.254.169.254/token"`}}), "private or link-local", false},
		"no digest":          {answer(200, nil), "Docker-Content-Digest", false},
	} {
		l := open(t)
		l.next = tt.next
		_, err := New(nil, NewPublic(http.DefaultTransport, "v1")).Resolve(t.Context(), l.host+"/app:1", "sha256:x")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) || len(err.Error()) > 400 {
			t.Errorf("%s: %v", name, err)
		}
		if fleet.Permanent(err) != tt.answered {
			t.Errorf("%s: %v, an answer: %t", name, err, !tt.answered)
		}
	}
}

// An answer without an end ends: by bytes, and by time.
func TestBounds(t *testing.T) {
	l := open(t)
	l.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("cd", 32))
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Length", "100")
			return
		}
		for r.Context().Err() == nil && strings.Contains(r.URL.Path, "manifests") {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	_, err := New(nil, NewPublic(http.DefaultTransport, "v1")).Resolve(t.Context(), l.host+"/app:1", "sha256:x")
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("endless: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		silent := trip(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		c := New(nil, NewPublic(silent, "v1"))
		_, err := c.Resolve(t.Context(), "registry.example/app:1", "sha256:x")
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "no answer within 20s") || took > 21*time.Second {
			t.Errorf("silent: %v after %s", err, took)
		}
		began = time.Now()
		for i := range 100 { // every other image of it would cost as long
			_, err = c.Resolve(t.Context(), fmt.Sprintf("registry.example/app:%d", i), "sha256:x")
		}
		if took := time.Since(began); took > time.Second || fleet.Permanent(err) || !strings.Contains(err.Error(), "left alone") {
			t.Errorf("silent still: %v after %s", err, took)
		}
	})
}

// A registry that says 429 is left alone, and manifests are read rarely.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, sent := 429, 0
		p := NewPublic(trip(func(r *http.Request) (*http.Response, error) {
			sent++
			w := httptest.NewRecorder()
			w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("cd", 32))
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			w.Header().Set("Content-Length", "17")
			w.WriteHeader(status)
			if r.Method == http.MethodGet {
				_, _ = w.WriteString(`{"manifests":[]}` + "\n")
			}
			return w.Result(), nil
		}), "v1")
		ask := func(image string) error {
			_, err := New(nil, p).Resolve(t.Context(), image, "sha256:x")
			return err
		}
		for range 3 {
			if err := ask("registry.example/app:1"); err == nil || !strings.Contains(err.Error(), "429") {
				t.Errorf("%v", err)
			}
		}
		if sent != 1 {
			t.Errorf("asked %d times", sent)
		}
		status = 200
		if err := ask("other.example/app:1"); err != nil {
			t.Errorf("another registry: %v", err)
		}
		time.Sleep(restFor)
		for range pullsAtOnce {
			if err := ask("registry.example/app:1"); err != nil {
				t.Errorf("after the rest: %v", err)
			}
		}
		if err := ask("registry.example/app:1"); err == nil || !strings.Contains(err.Error(), "manifest is not read") {
			t.Errorf("%v", err)
		}
		for i := range mostRegistries + 1 {
			_ = ask(fmt.Sprintf("r%d.example/app:1", i)) // some of them are one too many
		}
		if n := len(p.budgets); n != mostRegistries {
			t.Errorf("%d budgets", n)
		}
	})
}

// No name leads into the network that the controller runs in.
func TestOnlyPublicAddresses(t *testing.T) {
	l := open(t)
	direct := Direct().(network)
	direct.proxy = func(*http.Request) (*url.URL, error) { return nil, nil } // whatever this machine has
	p := NewPublic(direct, "v1")
	for _, image := range []string{l.host + "/app:1", "localhost:1/app:1", "10.0.0.1/app:1", "169.254.169.254/app:1"} {
		if _, err := New(nil, p).Resolve(t.Context(), image, "sha256:x"); err == nil || !strings.Contains(err.Error(), "no public address") && !strings.Contains(err.Error(), "only https") {
			t.Errorf("%s: %v", image, err)
		}
	}
	if len(l.asked) > 0 {
		t.Errorf("asked: %q", l.asked)
	}
	for address, want := range map[string]bool{
		"8.8.8.8": true, "2600:1f18::1": true, "127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.0.1": false, "169.254.169.254": false,
		"169.254.170.2": false, "100.64.0.1": false, "0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "::1": false, "fd00:ec2::254": false,
		"fe80::1": false, "::ffff:10.0.0.1": false, "64:ff9b::a00:1": false, "2002:a00:1::": false, "::10.0.0.1": false, "198.18.0.1": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

// Where there is a proxy, it is asked instead.
func TestProxy(t *testing.T) {
	var direct, proxied int
	n := network{trip(func(*http.Request) (*http.Response, error) { direct++; return nil, fmt.Errorf("no") }),
		trip(func(*http.Request) (*http.Response, error) { proxied++; return nil, fmt.Errorf("no") }),
		func(r *http.Request) (*url.URL, error) {
			if r.URL.Host == "outside.example" {
				return url.Parse("http://proxy.internal:3128")
			}
			return nil, nil
		}}
	for _, host := range []string{"outside.example", "inside.example"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = n.RoundTrip(r) // both say no
	}
	if direct != 1 || proxied != 1 {
		t.Errorf("%d direct, %d by the proxy", direct, proxied)
	}
}
