package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHealth(t *testing.T) {
	env := running(t, newShownWorld())
	if diff := cmp.Diff(result{0, "ok\n", ""}, reading(t, env, "health"), cmp.AllowUnexported(result{})); diff != "" {
		t.Error(diff)
	}
	if got := reading(t, env, "health", "-o", "json"); got.code != 0 || !strings.Contains(got.out, `"status": "ok"`) {
		t.Errorf("%+v", got)
	}
	if got := reading(t, nil, "health", "--server", env[serverEnv]); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := reading(t, env, "health", "--server", "127.0.0.1:1"); got.code != 1 || !strings.Contains(got.errOut, "no controller answers at http://127.0.0.1:1") {
		t.Errorf("%+v", got)
	}
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }))
	defer sick.Close()
	if got := reading(t, nil, "health", "--server", sick.URL); got.code != 1 || !strings.Contains(got.errOut, "500") {
		t.Errorf("%+v", got)
	}
	if got := reading(t, env, "health", "now"); got.code != 64 {
		t.Errorf("%+v", got)
	}
}
