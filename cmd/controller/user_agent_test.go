package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The built version reaches the requests of every client that is made from the ambient configuration, the table's too.
func TestRequestsNameTheVersion(t *testing.T) {
	was := version
	version = "v1.2.3-4-gabc-dirty"
	t.Cleanup(func() { version = was })
	var mu sync.Mutex
	agents := map[string]string{} // by the service of the signature
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if scope := strings.Split(r.Header.Get("Authorization"), "/"); len(scope) > 3 {
			agents[scope[3]] = r.UserAgent()
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"ValidationException","message":"no"}`))
	}))
	defer server.Close()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	command(t, nil, "", "scan")
	command(t, nil, "", "store", "copy", filledFile(t, 1), "dynamodb:held")
	for _, service := range []string{"ecs", "dynamodb"} {
		if !slices.Contains(strings.Fields(agents[service]), "taskwarden/v1.2.3-4-gabc-dirty") {
			t.Errorf("%s: %q", service, agents[service])
		}
	}
}
