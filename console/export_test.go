package console

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// exporting is the world with two services that one stack owns and that need the same change, and one that wants nothing.
func exporting() *fake {
	f := world()
	for _, k := range []fleet.Key{web, api2} {
		r := f.rollouts["asks"]
		r.ID, r.Plan.Key, r.Plan.ServiceARN, r.Outcome, r.CreatedAt = "export-"+k.Service, k, arn(k), rollout.Exported, at.Add(time.Hour)
		r.Plan.Owner = rollout.Owner{State: rollout.Owned, Name: "CloudFormation stack shop", Evidence: []string{"a stack made it"}}
		r.Plan.Set = map[string]map[string]string{"app": {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}}
		f.rollouts[r.ID] = r
	}
	delete(f.rollouts, "asks")
	delete(f.rollouts, "whole")
	return f
}

func TestExport(t *testing.T) {
	f := exporting()
	h := handler(t, f, people...)
	get := func(path, token string) (int, string, string) {
		r := httptest.NewRequest("GET", servicePath+path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, loopback(r))
		return w.Code, w.Header().Get("Content-Type"), w.Body.String()
	}
	for _, tt := range []struct {
		path, token string
		status      int
		media       string
		says        []string
	}{
		{"prod/main/web:export", "boss", 200, "application/json", []string{`"rollout": "export-web"`, `"sameChange": [` + "\n    \"" + api2.String() + `"`, "| jq 'def put"}},
		{"prod/main/web:export?format=", "boss", 200, "application/json", []string{`"changes"`}},
		{"web:export?format=json", "boss", 409, "application/json", []string{"ambiguous"}},
		{"prod/main/web:export?format=cloudformation", "boss", 200, "application/yaml", []string{"# Owner: CloudFormation stack shop; a stack made it", `Value: "0.01" # not set now`, "#   " + api2.String()}},
		{arn(web) + ":export?format=terraform", "nameless", 200, "text/plain; charset=utf-8", []string{`resource "aws_ecs_task_definition" "web"`}},
		{"prod/main/web:export?format=ecspresso", "boss", 200, "text/plain; charset=utf-8", []string{`"containerDefinitions"`}},
		{"prod/main/web:export?format=pulumi", "boss", 400, "application/json", []string{"is not one of json, cloudformation, terraform, ecspresso"}},
		{"prod/main/web:export?limit=1", "boss", 400, "application/json", []string{"unknown query parameter"}},
		{"prod/main/web:export", "viewer", 403, "application/json", []string{"the token's role is viewer"}},
		{"prod/main/web:export", "guess", 401, "application/json", []string{"not one of server.tokens"}},
		{"prod/main/web:export", "", 401, "application/json", []string{"a token is needed"}},
		{"nope:export", "boss", 404, "application/json", []string{`no service`}},
		{"prod/main/gone:export", "boss", 404, "application/json", []string{"nothing was planned for prod/main/gone"}},
		{other.String() + ":export", "boss", 409, "application/json", []string{"a stack owns it", `"outcome":"refused"`}},
	} {
		status, media, body := get(tt.path, tt.token)
		if status != tt.status || media != tt.media {
			t.Errorf("%s by %q: %d %s %s", tt.path, tt.token, status, media, body)
		}
		for _, text := range tt.says {
			if !strings.Contains(body, text) {
				t.Errorf("%s by %q: no %q in %s", tt.path, tt.token, text, body)
			}
		}
	}
	if len(f.audit) != len(remediated().audit) {
		t.Errorf("an export changes nothing, and is audited: %+v", f.audit[0])
	}
	h = handler(t, f) // without tokens
	if status, _, body := get("prod/main/web:export", ""); status != 403 || !strings.Contains(body, "tokens_required") {
		t.Errorf("%d %s", status, body)
	}
}

func TestExportIsAsTheDocumentSays(t *testing.T) {
	doc := readDocument(t)
	r := httptest.NewRequest("GET", servicePath+"prod/main/web:export", nil)
	r.Header.Set("Authorization", "Bearer boss")
	w := httptest.NewRecorder()
	handler(t, exporting(), people...).ServeHTTP(w, loopback(r))
	var served any
	if err := json.Unmarshal(w.Body.Bytes(), &served); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	op := doc["paths"].(node)[exportPath].(node)["get"].(node)
	agree(t, doc, exportPath, op["responses"].(node)["200"].(node)["content"].(node)["application/json"].(node)["schema"], served)
}

// One change of one owner is counted where rollouts are listed, and its services are named where one is described.
func TestTheSameChangeIsCounted(t *testing.T) {
	s := serve(t, exporting())
	var list struct{ Items []Rollout }
	_, _, body := ask(t, s, rolloutsPath)
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != 3 {
		t.Fatalf("%v %s", err, body)
	}
	for _, r := range list.Items {
		if want := map[bool]int{true: 1}[strings.HasPrefix(r.ID, "export")]; r.SameChange != want {
			t.Errorf("%s: %d others", r.ID, r.SameChange)
		}
	}
	var d RolloutDetail
	_, _, body = ask(t, s, rolloutPath+"export-web")
	if err := json.Unmarshal([]byte(body), &d); err != nil || len(d.Alike) != 1 || d.Alike[0] != api2.String() || d.SameChange != 1 {
		t.Errorf("%v %s", err, body)
	}
}
