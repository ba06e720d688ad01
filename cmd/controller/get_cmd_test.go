package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
)

func TestGetTables(t *testing.T) {
	env := running(t, newShownWorld())
	for args, want := range map[string][]string{
		"get findings": {"SEVERITY   TYPE           STATUS   SERVICE         CONTAINER   COUNT   AGE     LAST SEEN   REASON",
			"warning    SidecarCrash   open     prod/main/web   cwagent     3       3h12m   0s          GoConcurrentMapWrites"},
		"get finding --status all": {"critical   SilentChurn    closed   prod/main/web   -           0       -"},
		"get findings -o wide":     {"MESSAGE", "cwagent crashed [2J"},
		"get services":             {"SERVICE         RUNNING   PENDING   STOPS   DEPLOYING   SEEN   REASON", "prod/main/api   2/2       0         0       no          0s     Quiet"},
		"get services web -o wide": {"prod/main/web", "fine"},
		"get stops":                {"STOPPED   SERVICE         TASK   PLANNED   CAUSE                        CULPRIT       LIFETIME   SIGNATURE", "4h        prod/main/web   t4     yes       essential_container_exited   cwagent (2)   6h3m       go-concurrent-map-writes"},
		"get stops main/web":       {"t0"},
		"get alarms":               {"prod     silent-churn   missing   -       yes     taskwarden/tw/prod/silent-churn"},
		"get targets":              {"prod     yes     yes        1m30s           5m       1          2          3       1"},
		"get targets prod -o wide": {"allow the IAM action ecs:ListClusters"},
		"describe service web":     {"Service:         prod/main/web\n", "Seen:            0s ago, complete\n", "Findings:\n  SidecarCrash of cwagent: warning, open (GoConcurrentMapWrites)\n    what       cwagent crashed [2J\n    since ", "    evidence   3 stops\n", "Newest stops:\nSTOPPED"},
	} {
		list := strings.Fields(args)
		if !strings.Contains(args, "-o") {
			list = append(list, "-o", "table")
		}
		got := reading(t, env, list...)
		if got.code != 0 || got.errOut != "" || strings.Contains(got.out, "\x1b") {
			t.Errorf("%s: exit %d\n%s%s", args, got.code, got.out, got.errOut)
		}
		for _, w := range want {
			if !strings.Contains(got.out, w) {
				t.Errorf("%s: no %q in\n%s", args, w, got.out)
			}
		}
	}
	if got := reading(t, env, "get", "stops", "api", "-o", "table"); got.out != "" || got.errOut != "No stops found.\n" || got.code != 0 {
		t.Errorf("an empty list: %+v", got)
	}
}

func TestGetDocuments(t *testing.T) {
	env := running(t, newShownWorld())
	type list struct {
		Items []struct {
			Type, Status, Service, TaskARN string
			Culprit                        *struct{ ExitCode int }
		}
	}
	var asJSON, asYAML list
	if got := reading(t, env, "get", "findings", "-o", "json"); json.Unmarshal([]byte(got.out), &asJSON) != nil || got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if len(asJSON.Items) != 1 || asJSON.Items[0].Status != "True" || asJSON.Items[0].Type != "SidecarCrash" {
		t.Errorf("%+v", asJSON)
	}
	got := reading(t, env, "get", "findings", "-o", "yaml")
	if err := yaml.Unmarshal([]byte(got.out), &asYAML); err != nil || got.code != 0 || len(asYAML.Items) != 1 {
		t.Fatalf("%v %+v", err, got)
	}
	var loose struct{ Items []map[string]any }
	if err := yaml.Unmarshal([]byte(got.out), &loose); err != nil || loose.Items[0]["status"] != "True" || loose.Items[0]["message"] != "cwagent crashed\x1b[2J" {
		t.Errorf("YAML keeps a status text and a message: %v %v", err, loose)
	}
	for _, format := range []string{"jsonl", ""} { // what is piped is jsonl
		args := []string{"get", "stops"}
		if format != "" {
			args = append(args, "-o", format)
		}
		lines := strings.Split(strings.TrimSpace(reading(t, env, args...).out), "\n")
		if len(lines) != 5 || !strings.Contains(lines[0], `"taskArn":"arn:aws:ecs:eu-west-1:1:task/main/t0"`) || !json.Valid([]byte(lines[4])) {
			t.Errorf("%q: %q", format, lines)
		}
	}
	if got := reading(t, env, "get", "stops", "api", "-o", "json"); got.out != "{\n  \"items\": []\n}\n" {
		t.Errorf("an empty list: %q", got.out)
	}
	if got := reading(t, env, "get", "stops", "api", "-o", "jsonl"); got.out != "" || got.code != 0 {
		t.Errorf("an empty list: %+v", got)
	}
	var d console.ServiceDetail
	if got := reading(t, env, "describe", "service", "prod/main/web", "-o", "json"); json.Unmarshal([]byte(got.out), &d) != nil || d.Place.Service != "web" || len(d.Stops) != 5 {
		t.Errorf("%+v", got)
	}
	if got := reading(t, env, "describe", "service", "arn:aws:ecs:eu-west-1:1:service/main/web", "-o", "jsonl"); strings.Count(got.out, "\n") != 1 || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestGetLimitAndFilters(t *testing.T) {
	env := running(t, newShownWorld())
	for args, want := range map[string]int{
		"get stops --limit 2": 2, "get stops --limit 0": 5, "get stops --limit 99": 5, "get stops --planned true": 1, "get stops --planned false": 4,
		"get stops --since 90m": 2, "get stops --since 1d": 5, "get findings --status all": 2, "get findings --status open": 1,
		"get findings --status all --limit 1": 1,
	} {
		if got := reading(t, env, strings.Fields(args)...); got.code != 0 || strings.Count(got.out, "\n") != want {
			t.Errorf("%s: %d lines, want %d: %+v", args, strings.Count(got.out, "\n"), want, got)
		}
	}
}

// TestGetReadsAllPages needs more items than a page holds.
func TestGetReadsAllPages(t *testing.T) {
	f := newShownWorld()
	for i := range 2*perPage + 1 {
		s := f.stops[0]
		s.Stop.TaskARN = fmt.Sprintf("task/%05d", i)
		s.Stop.StoppedAt = s.Stop.StoppedAt.Add(-time.Duration(i) * time.Second)
		f.stops = append(f.stops, s)
	}
	env := running(t, f)
	seen := map[string]bool{}
	for line := range strings.Lines(reading(t, env, "get", "stops").out) {
		seen[line] = true
	}
	if len(seen) != len(f.stops) {
		t.Errorf("%d different stops of %d", len(seen), len(f.stops))
	}
	if got := reading(t, env, "get", "stops", "--limit", "1500"); strings.Count(got.out, "\n") != 1500 {
		t.Errorf("limit over a page: %d", strings.Count(got.out, "\n"))
	}
}

func TestGetExitCodes(t *testing.T) {
	f := newShownWorld()
	env := running(t, f)
	blind := newShownWorld()
	blind.ready, blind.findings = false, nil
	blindEnv := running(t, blind)
	nobody := map[string]string{serverEnv: "http://127.0.0.1:1"}
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for _, tc := range []struct {
		env  map[string]string
		args string
		code int
		says string
	}{
		{env, "get findings --fail-on critical --status all", 0, ""}, // the critical one is closed
		{env, "get findings --fail-on warning", 2, "1 finding at or above warning"},
		{env, "get findings --fail-on info --limit 1", 2, "1 finding"},
		{env, "describe service web --fail-on warning", 2, "1 finding"},
		{env, "describe service api --fail-on info", 0, ""},
		{blindEnv, "get findings --fail-on info", 3, "no current, complete view of target prod"},
		{blindEnv, "get findings", 0, "no current, complete view of target prod"},
		{env, "get findings", 0, ""},
		{env, "get services nope", 1, `no service "nope"`},
		{env, "get targets nope", 1, `no target is named "nope"`},
		{env, "describe service nope", 1, "list what there is"},
		{nobody, "get findings", 1, "no controller answers at http://127.0.0.1:1"},
		{nobody, "get findings", 1, "start one with 'taskwarden run', or name the one that runs with --server or TASKWARDEN_SERVER"},
		{map[string]string{serverEnv: other.URL}, "get findings", 1, "not as a taskwarden controller does"},
		{env, "get rollouts nope", 1, `no service "nope"`},
		{env, "describe rollout 1", 1, `no rollout "1"`},
		{env, "describe rollout a/b", 64, "get rollouts"},
		{env, "describe rollout 1 --fail-on info", 64, "describe service"},
		{env, "describe stop 1", 64, "service, rollout"},
		{env, "get", 64, "See 'taskwarden get --help'"},
		{env, "get nothing", 64, `"nothing" is not one of findings, services, stops, alarms, rollouts, targets, audit`},
		{env, "get findings a b", 64, ""},
		{env, "describe service", 64, ""},
		{env, "describe service a//b", 64, "empty part"},
		{env, "get findings --fail-on bad", 64, "info, warning, critical"},
		{env, "get stops --fail-on info", 64, "--fail-on is for"},
		{env, "get findings --fail-on info --watch", 64, "give one"},
		{env, "get stops --status all", 64, "--status is for get findings"},
		{env, "get findings --status closed", 64, "open, all"},
		{env, "get findings --since 1h", 64, "--since is for get stops"},
		{env, "get findings --limit -1", 64, "--limit"},
		{env, "get findings --server ftp://x", 64, "is not the URL of a server"},
		{env, "get findings --token-file /nonexistent", 1, "read the token"},
	} {
		got := reading(t, tc.env, strings.Fields(tc.args)...)
		if got.code != tc.code || !strings.Contains(got.errOut, tc.says) || tc.says == "" && tc.code == 0 && got.errOut != "" {
			t.Errorf("%s: exit %d, want %d with %q\n%s", tc.args, got.code, tc.code, tc.says, got.errOut)
		}
	}
	f.services = append(f.services, reconciler.ServiceReport{Observation: fleet.Observation{Key: fleet.Key{Target: "test", Cluster: "main", Service: "web"}}})
	if got := reading(t, env, "describe", "service", "web"); got.code != 1 || !strings.Contains(got.errOut, "prod/main/web, test/main/web") {
		t.Errorf("ambiguous: %+v", got)
	}
}

func TestGetToken(t *testing.T) {
	const sum = "0a9f110a2a6b8d3d2d2bf2e2f22f1a77b2d6e0b8a4b3a08f6b5d0a3d3ab0d4d7"
	env := running(t, newShownWorld(), console.Token{Role: "viewer", SHA256: sum}, console.Token{Role: "viewer", SHA256: sha256Of("s3cret")})
	if got := reading(t, env, "get", "findings"); got.code != 1 || !strings.Contains(got.errOut, "a token is needed") || !strings.Contains(got.errOut, "--token-file FILE or TASKWARDEN_TOKEN") {
		t.Errorf("no token: %+v", got)
	}
	env[tokenEnv] = "wrong"
	if got := reading(t, env, "get", "findings"); got.code != 1 || !strings.Contains(got.errOut, "the one given was refused") || strings.Contains(got.errOut, "wrong") {
		t.Errorf("wrong token: %+v", got)
	}
	if got := reading(t, env, "health", "-o", "table"); got.code != 0 {
		t.Errorf("health needs no token: %+v", got)
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := reading(t, env, "get", "findings", "--token-file", file); got.code != 0 || got.out == "" {
		t.Errorf("the file beats the environment: %+v", got)
	}
	env[tokenEnv] = " s3cret\n"
	if got := reading(t, env, "get", "findings"); got.code != 0 {
		t.Errorf("environment: %+v", got)
	}
	env[tokenEnv] = "two words"
	if got := reading(t, env, "get", "findings"); got.code != 1 || strings.Contains(got.errOut, "two words") {
		t.Errorf("no token at all: %+v", got)
	}
}

func TestServerURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://x:1/": "http://x:1", "https://x/base/": "https://x/base", "x:8080": "http://x:8080", "localhost": "http://localhost", "[::1]:80": "http://[::1]:80",
		"ftp://x": "", "http://": "", "http://x?y": "", "::": "",
	} {
		got, err := serverURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v", in, got, err)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", time.Minute: "1m", 90 * time.Second: "1m30s", 3*time.Hour + 12*time.Minute + 9*time.Second: "3h12m",
		time.Hour + time.Second: "1h", 49*time.Hour + time.Minute: "2d1h", 24 * time.Hour: "1d",
	} {
		if got := brief(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
