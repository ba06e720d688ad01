package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/console"
	"taskwarden/reconciler/finding"
)

// locked is a buffer that a running watch writes and the test reads.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}
func (l *locked) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

func TestGetWatchPrintsOnChange(t *testing.T) {
	f := newShownWorld()
	var away bool
	asked := make(chan struct{}) // unbuffered: a question is answered when the test has taken note
	h := console.New(console.Options{Source: func() console.Source { return f }, Registry: prometheus.NewRegistry(), Log: zap.NewNop()})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		gone := away
		f.mu.Unlock()
		if gone {
			http.Error(w, "restarting", http.StatusBadGateway)
		} else {
			h.ServeHTTP(w, r)
		}
		select {
		case asked <- struct{}{}:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	var out, errOut locked
	g := &get{a: &app{stdout: &out, stderr: &errOut}, client: &client{server: s.URL, http: s.Client()}, kind: "findings", query: url.Values{}, format: "jsonl", every: time.Millisecond}
	done := make(chan error)
	go func() { done <- g.run(ctx, true) }()
	rounds := func(n int) {
		for range n {
			<-asked
		}
	}
	change := func(do func()) { f.mu.Lock(); do(); f.mu.Unlock(); rounds(4) }
	rounds(4)
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines before any change", n)
	}
	change(func() { f.findings = append([]finding.Finding{}, f.findings...); f.findings[0].Count = 4 })
	change(func() { away = true })
	change(func() { away = false })
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"count":4`) {
		t.Errorf("after one change:\n%s", got)
	}
	if got := errOut.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "asking again") {
		t.Errorf("a controller that is away is said once: %q", got)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("interrupted: %v", err)
	}
}

func TestGetWatchEndsWhenRefused(t *testing.T) {
	env := running(t, newShownWorld(), console.Token{Role: "viewer", SHA256: sha256Of("x")})
	if got := reading(t, env, "get", "findings", "--watch"); got.code != 1 || !strings.Contains(got.errOut, "token") {
		t.Errorf("%+v", got)
	}
}
