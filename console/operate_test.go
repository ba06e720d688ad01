package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/reconciler"
	"taskwarden/reconciler/rollout"
)

var people = []Token{
	{Name: "oncall", Role: "approver", SHA256: hash("boss")},
	{Role: "approver", SHA256: hash("nameless")},
	{Name: "dashboard", Role: "viewer", SHA256: hash("viewer")},
	{Name: "left", Role: "approver", SHA256: hash("old"), Expires: time.Now().Add(-time.Second)},
}

// attempt is one POST; what is left out is as an approver's tool sends it.
type attempt struct {
	path, token, body string
	headers           map[string]string
}

// post sends it over a connection that arrived on a loopback address.
func post(h http.Handler, a attempt) (int, failure, string) {
	r := httptest.NewRequest("POST", apiPath+a.path, strings.NewReader(a.body))
	r.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	for name, value := range a.headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, loopback(r))
	var f failure
	_ = json.Unmarshal(w.Body.Bytes(), &f)
	return w.Code, f, w.Body.String()
}

const yes = `{"hash":"00000000000000aa","reason":"go","ticket":"OPS-7"}`

func TestNobodyButAnApproverOperates(t *testing.T) {
	for name, tc := range map[string]struct {
		attempt
		status   int
		code, by string
	}{
		"none":           {attempt{}, 401, "unauthorized", "nobody"},
		"wrong":          {attempt{token: "guess"}, 401, "unauthorized", "nobody"},
		"expired":        {attempt{token: "old"}, 401, "unauthorized", "left"},
		"viewer":         {attempt{token: "viewer"}, 403, "forbidden", "dashboard"},
		"another origin": {attempt{token: "boss", headers: map[string]string{"Origin": "https://evil.example"}}, 403, "cross_origin", "nobody"},
		"another site":   {attempt{token: "boss", headers: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403, "cross_origin", "nobody"},
		"a form":         {attempt{token: "boss", headers: map[string]string{"Content-Type": "text/plain"}}, 415, "json_only", "oncall"},
		"no type":        {attempt{token: "boss", headers: map[string]string{"Content-Type": ""}}, 415, "json_only", "oncall"},
		"form, nameless": {attempt{token: "nameless", headers: map[string]string{"Content-Type": "text/plain"}}, 415, "json_only", "token with sha256 " + hash("nameless")[:8] + "…"},
	} {
		for _, path := range []string{"rollouts/asks:approve", "rollouts/asks:reject", "rollouts/whole:rollback", "services/prod/main/web:reset", "remediation:pause", "remediation:resume"} {
			f := world()
			was := remediated()
			a := tc.attempt
			a.path = path
			if strings.HasSuffix(path, "approve") {
				a.body = yes
			}
			status, got, body := post(handler(t, f, people...), a)
			if status != tc.status || got.Error == nil || got.Error.Code != tc.code {
				t.Errorf("%s: %s: %d %s", name, path, status, body)
			}
			unchanged(t, name+" "+path, f)
			if len(f.audit) != len(was.audit) || len(f.refused) != len(was.refused)+1 || f.refused[0].By != tc.by || f.refused[0].Action != path[strings.LastIndex(path, ":")+1:] {
				t.Errorf("%s: %s: %d audit entries, refused %+v", name, path, len(f.audit), f.refused[0])
			}
			if (strings.HasPrefix(path, "rollouts") || strings.HasPrefix(path, "services")) && f.refused[0].Key != web {
				t.Errorf("%s: %s: refused of %v", name, path, f.refused[0].Key)
			}
			if want := map[bool]reconciler.Caller{true: reconciler.ByApprover, false: reconciler.ByStranger}[tc.code == "json_only"]; f.callers[0] != want {
				t.Errorf("%s: %s: kept among those of a %s, want %s", name, path, f.callers[0], want)
			}
		}
	}
}

func unchanged(t *testing.T, name string, f *fake) {
	t.Helper()
	if was := remediated(); !reflect.DeepEqual(f.rollouts, was.rollouts) || len(f.resets) > 0 || len(f.paused) > 0 {
		t.Errorf("%s: something changed: %+v %v %v", name, f.rollouts, f.resets, f.paused)
	}
}

func TestWithoutTokensNobodyOperates(t *testing.T) {
	f := world()
	h := handler(t, f)
	status, got, _ := post(h, attempt{path: "rollouts/asks:approve", body: yes})
	if status != 403 || got.Error.Code != "tokens_required" || !strings.Contains(got.Error.Message, "server.tokens") || !strings.Contains(got.Error.Message, "role: approver") {
		t.Errorf("%d %+v", status, got.Error)
	}
	r := httptest.NewRequest("POST", apiPath+"rollouts/asks:approve", strings.NewReader(yes))
	r.Host = "evil.example" // a name that a web page rebinds to this machine: same origin to the browser
	r.Header.Set("Origin", "http://evil.example")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, arrived(r, "127.0.0.1"))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "host_not_allowed") || len(f.refused) != len(remediated().refused)+2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	unchanged(t, "without tokens", f)
}

func TestApproversOperate(t *testing.T) {
	f := world()
	h := handler(t, f, people...)
	do := func(path, body string, says string) {
		t.Helper()
		if status, _, got := post(h, attempt{path: path, token: "boss", body: body, headers: map[string]string{"Sec-Fetch-Site": "same-origin"}}); status != 200 || !strings.Contains(got, says) {
			t.Errorf("%s: %d %s", path, status, got)
		}
	}
	do("rollouts/asks:approve", yes, `"phase":"approved"`)
	if r := f.rollouts["asks"]; r.Phase != rollout.Approved || r.Approval.By != "oncall" || r.Approval.Reason != "go" || r.Approval.Ticket != "OPS-7" {
		t.Errorf("%+v", r)
	}
	if e := f.audit[0]; e.Hash != "00000000000000aa" || e.By != "oncall" || e.Ticket != "OPS-7" || e.Refused {
		t.Errorf("%+v", e)
	}
	do("rollouts/asks:reject", `{"reason":"not today"}`, `"outcome":"rejected"`)
	do("services/prod/main/web:reset", "", `"service":"web","action":"reset","by":"oncall"`)
	do("services/"+arn(other)+":reset", "{}", `"target":"test"`)
	if len(f.resets) != 2 || f.resets[0] != web || f.resets[1] != other {
		t.Errorf("%v", f.resets)
	}
	do("remediation:pause", `{"target":"prod","reason":"storm"}`, "remediation of target prod writes nothing until resume")
	do("remediation:pause", `{}`, "every target")
	do("remediation:resume", `{"target":"prod"}`, "is over")
	if f.paused["prod"] || !f.paused[""] {
		t.Errorf("%v", f.paused)
	}
	r := f.rollouts["whole"]
	r.Order = nil
	f.rollouts["whole"] = r
	do("rollouts/whole:rollback", `{"reason":"pager"}`, `"rollback":{"by":"oncall","reason":"pager"`)
}

func TestWhatChangesNothingSaysWhereItStands(t *testing.T) {
	for _, tc := range []struct {
		path, body     string
		status         int
		code, says     string
		phase, outcome string
	}{
		{path: "rollouts/asks:approve", body: `{"hash":"00000000000000ab"}`, status: 409, code: "conflict", says: "00000000000000aa", phase: "proposed"},
		{path: "rollouts/whole:approve", body: yes, status: 409, code: "conflict", says: "soaking", phase: "soaking"},
		{path: "rollouts/no:approve", body: `{"hash":"00000000000000bb"}`, status: 409, code: "conflict", says: "refused", phase: "proposed", outcome: "refused"},
		{path: "rollouts/whole:reject", status: 409, code: "conflict", phase: "soaking"},
		{path: "rollouts/asks:rollback", status: 409, code: "conflict", phase: "proposed"},
		{path: "rollouts/nope:approve", body: yes, status: 404, code: "not_found", says: "nope"},
		{path: "rollouts/asks:approve", body: `{}`, status: 400, code: "bad_request", says: "planHash"},
		{path: "rollouts/asks:approve", status: 400, code: "bad_request", says: "planHash"},
		{path: "rollouts/asks:approve", body: `{"hash":"00000000000000aa"`, status: 400, code: "bad_request", says: "cannot be read"},
		{path: "rollouts/asks:approve", body: yes + yes, status: 400, code: "bad_request", says: "more than one"},
		{path: "rollouts/asks:approve", body: `{"hash":"00000000000000aa","force":true}`, status: 400, code: "bad_request", says: "force"},
		{path: "rollouts/asks:approve", body: `{"hash":"00000000000000aa","target":"prod"}`, status: 400, code: "bad_request", says: "takes no target"},
		{path: "rollouts/asks:approve?hash=1", body: yes, status: 400, code: "bad_request", says: "query"},
		{path: "rollouts/asks:reject", body: `{"reason":"` + strings.Repeat("é", wordLimit+1) + `"}`, status: 400, code: "bad_request", says: "longer than 1000"},
		{path: "rollouts/asks:reject", body: `{"reason":"` + strings.Repeat("x", bodyLimit) + `"}`, status: 400, code: "bad_request", says: "too large"},
		{path: "services/web:reset", status: 409, code: "ambiguous", says: "prod/main/web"},
		{path: "services/nope:reset", status: 404, code: "not_found", says: "nope"},
		{path: "remediation:pause", body: `{"target":"nope"}`, status: 404, code: "not_found", says: "nope"},
	} {
		f := world()
		status, got, body := post(handler(t, f, people...), attempt{path: tc.path, token: "boss", body: tc.body})
		if status != tc.status || got.Error == nil || got.Error.Code != tc.code || !strings.Contains(got.Error.Message, tc.says) ||
			got.Error.Phase != tc.phase || got.Error.Outcome != tc.outcome || strings.Contains(got.Error.Message, rollout.ErrConflict.Error()) {
			t.Errorf("%s %.60s: %d %.300s", tc.path, tc.body, status, body)
		}
		unchanged(t, tc.path, f)
		if len(f.audit) != len(remediated().audit) || len(f.refused) != len(remediated().refused)+1 || f.refused[0].By != "oncall" || len(f.refused[0].Reason) > 4*wordLimit {
			t.Errorf("%s: refused %.300s", tc.path, fmt.Sprint(f.refused[0]))
		}
	}
}

func TestASecondApprovalChangesNothing(t *testing.T) {
	f := world()
	h := handler(t, f, people...)
	_, _, _ = post(h, attempt{path: "rollouts/asks:approve", token: "boss", body: yes})
	first := f.rollouts["asks"]
	status, got, _ := post(h, attempt{path: "rollouts/asks:approve", token: "nameless", body: yes})
	if status != 409 || got.Error.Phase != "approved" || !reflect.DeepEqual(first, f.rollouts["asks"]) || first.Approval == nil {
		t.Errorf("%d %+v %+v", status, got.Error, f.rollouts["asks"])
	}
}

// A flood of rejected calls writes a bounded number of entries, none of them into the audit log, and approves nothing.
func TestAFloodOfRejectedCallsIsBounded(t *testing.T) {
	f := world()
	h := handler(t, f, people...)
	turned := map[int]int{}
	for range 10 * rejectionsAtOnce {
		status, _, _ := post(h, attempt{path: "rollouts/asks:approve", token: "guess", body: yes})
		turned[status]++
	}
	if n := len(f.refused); n > 2*rejectionsAtOnce || len(f.audit) != len(remediated().audit) || turned[429] == 0 || turned[401]+turned[429] != 10*rejectionsAtOnce {
		t.Errorf("%d entries, answers %v", n, turned)
	}
	unchanged(t, "a flood", f)
	if status, _, body := post(h, attempt{path: "rollouts/asks:approve", token: "boss", body: yes}); status != 200 {
		t.Errorf("an approver in a flood: %d %s", status, body)
	}
}

func TestAWriteThatFailedSaysToLook(t *testing.T) {
	f := world()
	f.full = errors.New("disk full at /data")
	status, got, body := post(handler(t, f, people...), attempt{path: "rollouts/asks:approve", token: "boss", body: yes})
	if status != 500 || got.Error.Code != "not_written" || strings.Contains(body, "/data") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := post(handler(t, f, people...), attempt{path: "rollouts/asks:approve", token: "viewer", body: yes}); status != 403 {
		t.Errorf("a log that cannot be written opens nothing: %d", status)
	}
}

func TestRolloutsAndAuditAreListed(t *testing.T) {
	s := serve(t, world())
	for path, want := range map[string][]string{
		"rollouts": {"asks", "no", "whole"}, "rollouts?phase=soaking": {"whole"}, "rollouts?outcome=refused": {"no"}, "rollouts?phase=proposed": {"asks"},
		"rollouts?address=prod/main/web": {"asks", "whole"}, "rollouts?policy=nope": nil, "rollouts?target=test": {"no"},
		"audit": {"approve", "propose", "resume"}, "audit?address=prod/main/web": {"approve", "propose", "resume"}, "audit?refused=false": {"approve", "propose", "resume"},
		"audit?refused=true": {"pause"}, "audit?refused=true&address=test/main/web": {"pause"}, "audit?refused=true&action=approve": nil,
		"audit?address=test/main/web": nil, "audit?action=approve": {"approve"}, "audit?target=prod&limit=2": {"approve", "propose"},
	} {
		_, _, body := ask(t, s, apiPath+path)
		var got struct{ Items []struct{ ID, Action string } }
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, i := range got.Items {
			said = append(said, i.ID+i.Action)
		}
		if !reflect.DeepEqual(said, want) {
			t.Errorf("%s: %q, want %q", path, said, want)
		}
	}
	f := world() // entries of one moment keep their order over pages
	for i := range 7 {
		e := f.audit[0]
		e.Action = fmt.Sprint("step ", 7-i)
		f.audit = append(f.audit[:i:i], append([]reconciler.AuditEntry{e}, f.audit[i:]...)...)
	}
	s = serve(t, f)
	var got []string
	for path := apiPath + "audit?limit=2"; path != ""; {
		_, _, body := ask(t, s, path)
		var page struct {
			Items []struct{ Action string }
			Next  string
		}
		_ = json.Unmarshal([]byte(body), &page)
		for _, i := range page.Items {
			got = append(got, i.Action)
		}
		if path = ""; page.Next != "" {
			path = apiPath + "audit?limit=2&next=" + page.Next
		}
	}
	if want := "step 7,step 6,step 5,step 4,step 3,step 2,step 1,approve,propose,resume"; strings.Join(got, ",") != want {
		t.Errorf("%q", got)
	}
}

func TestOperationsAreFoundByTheirPaths(t *testing.T) {
	for path, want := range map[string]string{
		"rollouts/a:approve": "approve a", "services/a/b/c:reset": "reset a/b/c", "services/arn:aws:ecs:x:1:service/m/w:reset": "reset arn:aws:ecs:x:1:service/m/w",
		"remediation:pause": "pause ", "rollouts/:approve": "", "rollouts/a:pause": "", "rollouts/a": "", "services/a:approve": "", "remediation:pause/x": "",
	} {
		got := ""
		if o, subject, ok := operationAt(apiPath + path); ok {
			got = o.action() + " " + subject
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// gate is a lock that the test opens once an order has come to it.
type gate struct{ reached, open chan struct{} }

func (g gate) Lock()   { close(g.reached); <-g.open }
func (g gate) Unlock() {}

// An order waits while the controller is replaced, and goes to the successor.
func TestAnOrderGoesToTheSuccessor(t *testing.T) {
	was, is := world(), world()
	src := was
	orders := gate{make(chan struct{}), make(chan struct{})}
	h := New(Options{Source: func() Source { return src }, Orders: orders, Tokens: people, Registry: prometheus.NewRegistry(), Log: zap.NewNop()})
	done := make(chan int)
	go func() {
		status, _, _ := post(h, attempt{path: "remediation:pause", token: "boss"})
		done <- status
	}()
	select {
	case <-orders.reached:
	case status := <-done:
		t.Fatalf("it did not wait: %d", status)
	}
	src = is
	close(orders.open)
	if status := <-done; status != 200 || !is.paused[""] || was.paused[""] {
		t.Errorf("%d %v %v", status, is.paused, was.paused)
	}
}
