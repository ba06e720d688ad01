package cloud

import (
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskwarden/test/account"
)

func TestLoadReadsTheSDKsEnvironment(t *testing.T) {
	w, err := account.New(account.Bulk(1, 1, 1), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w)
	defer server.Close()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "ap-northeast-1",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CA_BUNDLE": bundle(t), "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	for _, region := range []string{"", "eu-west-1"} {
		cfg, err := Load(t.Context(), "dev", region, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := cfg.HTTPClient.(ownBody); !ok {
			t.Errorf("the transport shares its body with the SDK: %T", cfg.HTTPClient)
		}
		a := New(cfg, Options{Allow: everything()})
		want := region
		if region == "" {
			want = "ap-northeast-1"
		}
		if s := sweep(t.Context(), a); s.Err != nil || !s.Complete || a.Region() != want {
			t.Errorf("in %s: %+v", a.Region(), s.Sweep)
		}
		calls := w.Calls()
		if last := calls[len(calls)-1]; last.Region != want || last.AccessKey != "AKIAEXAMPLE" {
			t.Errorf("%+v", last)
		}
	}
	if _, err := Load(t.Context(), "dev", "", "no-such-profile"); err == nil || !strings.Contains(err.Error(), "no-such-profile") {
		t.Errorf("%v", err)
	}
}

// Each call of the table names the program, that to STS too. What cannot stand in a header's token becomes a hyphen.
func TestEveryCallNamesTheProgram(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
		"AWS_ENDPOINT_URL": "http://account.invalid", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	for version, want := range map[string]string{
		"dev": "taskwarden/dev", "v1.2.3": "taskwarden/v1.2.3", "v1.2.3-4-gabc-dirty": "taskwarden/v1.2.3-4-gabc-dirty",
		"v0.0.0-20261201083344-31f1f26+dirty": "taskwarden/v0.0.0-20261201083344-31f1f26+dirty",
		"feature/x\r\nHost: y":                "taskwarden/feature-x--Host--y",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, account.Bulk(1, 1, 1))
			cfg, err := Load(t.Context(), version, "", "")
			if err != nil {
				t.Fatal(err)
			}
			cfg.HTTPClient = w.Transport()
			all(t.Context(), New(cfg, Options{Allow: everything(), Budgets: NewBudgets(1), RoleARN: role}))
			services := map[string]bool{}
			for _, c := range w.Calls() {
				services[c.Service] = true
				if !slices.Contains(strings.Fields(c.UserAgent), want) {
					t.Errorf("%s: %q lacks %q", c.Action(), c.UserAgent, want)
				}
			}
			for _, o := range Operations() {
				if !services[o.Service] {
					t.Errorf("no call to %s was seen", o.Service)
				}
			}
		})
	}
}

// bundle is a file with some certificate authority.
func bundle(t *testing.T) string {
	t.Helper()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tls.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// readLater reads the request's body, and once more from its start.
type readLater struct{ got string }

func (c *readLater) Do(r *http.Request) (*http.Response, error) {
	defer func() {
		again, _ := r.GetBody()
		b, _ := io.ReadAll(again)
		c.got += "|" + string(b)
	}()
	b, err := io.ReadAll(r.Body)
	c.got = string(b)
	return nil, errors.Join(err, errors.New("done"))
}

type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Close() error { c.closed = true; return nil }

func (c *closable) Read(p []byte) (int, error) {
	if c.closed {
		return 0, errors.New("read after close")
	}
	return c.Reader.Read(p)
}

func TestTheTransportOwnsItsBody(t *testing.T) {
	body := &closable{Reader: strings.NewReader("hello")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://account.invalid", body)
	if err != nil {
		t.Fatal(err)
	}
	seen := &readLater{}
	closing := doFunc(func(own *http.Request) (*http.Response, error) {
		_ = body.Close() // what the SDK does as soon as there is an answer
		return seen.Do(own)
	})
	if _, err := (ownBody{closing}).Do(r); err == nil || err.Error() != "done" || seen.got != "hello|hello" {
		t.Errorf("%v, read %q", err, seen.got)
	}
}

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
