package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/contain"
)

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// arrived gives a request the local address that its connection would have had.
func arrived(r *http.Request, ip string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(ip), Port: 8080}))
}

func loopback(r *http.Request) *http.Request {
	r.Host = "localhost:8080"
	return arrived(r, "127.0.0.1")
}

func TestTokens(t *testing.T) {
	h := handler(t, world(),
		Token{Name: "old", Role: "viewer", SHA256: hash("old"), Expires: time.Now().Add(-time.Second)},
		Token{Name: "oncall", Role: "viewer", SHA256: hash("s3cret"), Expires: time.Now().Add(time.Hour)},
		Token{Role: "approver", SHA256: hash("boss")},
		Token{Role: "janitor", SHA256: hash("janitor")},
		Token{Role: "viewer", SHA256: "not hex"},
		Token{Role: "viewer", SHA256: ""},
	)
	for name, tc := range map[string]struct {
		path, header string
		status       int
		says         string
	}{
		"none":               {"/api/v1/findings", "", 401, "Authorization: Bearer"},
		"viewer":             {"/api/v1/findings", "Bearer s3cret", 200, ""},
		"case of the scheme": {"/api/v1/findings", "bearer s3cret", 200, ""},
		"approver":           {"/api/v1/services/prod/main/web", "Bearer boss", 200, ""},
		"wrong":              {"/api/v1/findings", "Bearer s3cre", 401, "not one of server.tokens"},
		"the hash itself":    {"/api/v1/findings", "Bearer " + hash("s3cret"), 401, "not one of"},
		"expired":            {"/api/v1/findings", "Bearer old", 401, "expired at"},
		"unknown role":       {"/api/v1/findings", "Bearer janitor", 403, "role"},
		"basic":              {"/api/v1/findings", "Basic czNjcmV0", 401, "Bearer"},
		"empty":              {"/api/v1/findings", "Bearer ", 401, "Bearer"},
		"document":           {"/api/v1/openapi.json", "", 401, "Bearer"},
		"missing path":       {"/api/v1/nope", "", 401, "Bearer"},
		"not in version":     {"/api/v1/rollouts", "", 401, "Bearer"},
		"health":             {"/healthz", "", 200, ""},
		"ready":              {"/readyz", "", 200, ""},
		"metrics":            {"/metrics", "", 200, ""},
	} {
		for _, ip := range []string{"127.0.0.1", "10.0.0.5"} {
			r := httptest.NewRequest("GET", tc.path, nil)
			r.Host = "taskwarden.example"
			if tc.header != "" {
				r.Header.Set("Authorization", tc.header)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, arrived(r, ip))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.says) {
				t.Errorf("%s on %s: %d %s", name, ip, w.Code, w.Body)
			}
			if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s: %d with WWW-Authenticate %q", name, w.Code, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
}

func TestWithoutTokensOnlyThisMachineReads(t *testing.T) {
	h := handler(t, world())
	for _, tc := range []struct {
		ip, host, path string
		status         int
		code           string
	}{
		{"127.0.0.1", "localhost:8080", "/api/v1/findings", 200, ""},
		{"127.0.0.1", "127.0.0.1:8080", "/api/v1/findings", 200, ""},
		{"127.0.0.1", "127.9.9.9", "/api/v1/findings", 200, ""},
		{"::1", "[::1]:8080", "/api/v1/findings", 200, ""},
		{"::1", "[::1]", "/api/v1/findings", 200, ""},
		{"127.0.0.1", "LOCALHOST.", "/api/v1/findings", 200, ""},
		{"127.0.0.1", "", "/api/v1/findings", 200, ""},
		{"127.0.0.1", "evil.example:8080", "/api/v1/findings", 403, "host_not_allowed"},
		{"127.0.0.1", "localhost.evil.example", "/api/v1/findings", 403, "host_not_allowed"},
		{"127.0.0.1", "10.0.0.5:8080", "/api/v1/findings", 403, "host_not_allowed"},
		{"127.0.0.1", "evil.example", "/metrics", 403, "host_not_allowed"},
		{"10.0.0.5", "localhost:8080", "/api/v1/findings", 403, "tokens_required"},
		{"10.0.0.5", "10.0.0.5:8080", "/api/v1", 403, "tokens_required"},
		{"10.0.0.5", "10.0.0.5:8080", "/healthz", 200, ""},
		{"10.0.0.5", "10.0.0.5:8080", "/readyz", 200, ""},
	} {
		r := httptest.NewRequest("GET", tc.path, nil)
		r.Host = tc.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, arrived(r, tc.ip))
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.code) {
			t.Errorf("%+v: %d %s", tc, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder() // where a connection's address is not known, nothing is open
	h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/findings", nil))
	if w.Code != 403 {
		t.Errorf("unknown address: %d", w.Code)
	}
}

func TestOnlyReads(t *testing.T) {
	s := serve(t, world())
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
		for _, path := range []string{"/api/v1/findings", "/api/v1/services/web", "/healthz", "/nope"} {
			req, _ := http.NewRequest(method, s.URL+path, nil)
			req.Header.Set("Origin", "https://evil.example")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s: %d %v", method, path, resp.StatusCode, resp.Header)
			}
		}
	}
	resp, err := http.Head(s.URL + "/api/v1/findings")
	if err != nil || resp.StatusCode != 200 || resp.ContentLength <= 0 {
		t.Errorf("HEAD: %v %+v", err, resp)
	}
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	s := serve(t, world())
	for _, path := range []string{"/", "/healthz", "/api/v1/findings", "/nope", "/metrics"} {
		_, h, _ := ask(t, s, path)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer"} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

func TestPanicIsContainedAndReportedOnce(t *testing.T) {
	var reported []string
	t.Cleanup(contain.Report(func(p *contain.Panic) { reported = append(reported, p.Error()) }))
	f := world()
	f.panics = true
	h := New(Options{Source: func() Source { return f }, Registry: prometheus.NewRegistry(), Log: zap.NewNop()})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, loopback(httptest.NewRequest("GET", "/api/v1/findings", nil)))
	if w.Code != 500 || strings.Contains(w.Body.String(), "boom") || !json.Valid(w.Body.Bytes()) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if len(reported) != 1 || !strings.Contains(reported[0], "request of GET /api/v1/findings panicked: boom") {
		t.Errorf("reported %q", reported)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, loopback(httptest.NewRequest("GET", "/api/v1/services", nil)))
	if w.Code != 200 {
		t.Errorf("after the panic: %d", w.Code)
	}
}

func TestHealthAndReadiness(t *testing.T) {
	var src Source
	standby := ""
	h := New(Options{Source: func() Source { return src }, Standby: func() string { return standby }, Registry: prometheus.NewRegistry(), Log: zap.NewNop()})
	expect := func(path string, status int, says string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, loopback(httptest.NewRequest("GET", path, nil)))
		if w.Code != status || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s, want %d with %s", path, w.Code, w.Body, status, says)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, `"targets":[]`)
	expect("/api/v1/findings", 503, "starting")
	expect("/api/v1/services/web", 503, "starting")
	standby = "standby: host-7/1 owns the store"
	expect("/healthz", 200, "ok")
	expect("/readyz", 503, `"ready":false,"targets":[],"message":"standby: host-7/1 owns the store`)
	for _, path := range []string{"targets", "services/web", "rollouts/r1"} {
		expect("/api/v1/"+path, 503, `"code":"standby","message":"standby: host-7/1 owns the store`)
	}
	f := world()
	src = f // a reload replaces the source under the same handler
	expect("/readyz", 200, `"ready":true`)
	expect("/api/v1/findings", 200, "items")
	f.targets[1].Ready = false
	expect("/readyz", 503, `"ready":false,"targets":[{"target":"test","ready":false`)
	expect("/healthz", 200, "ok")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, loopback(httptest.NewRequest("GET", "/readyz", nil)))
	if strings.Contains(w.Body.String(), "IAM") {
		t.Errorf("readiness tells what only readers may know: %s", w.Body)
	}
}

func TestMetricsAndRoot(t *testing.T) {
	s := serve(t, world())
	if status, _, body := ask(t, s, "/metrics"); status != 200 || !strings.Contains(body, "taskwarden_up 0") {
		t.Errorf("%d %s", status, body)
	}
	if status, h, body := ask(t, s, "/"); status != 200 || !strings.Contains(body, "/api/v1/findings") || h.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %s", status, body)
	}
}
