package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

const planHash = "5f0c7e2b9a1d4c36"

// operating serves a world to an approver.
func operating(t *testing.T) (*shownWorld, map[string]string) {
	t.Helper()
	f := newShownWorld()
	env := running(t, f, console.Token{Name: "oncall", Role: "approver", SHA256: sha256Of("boss")}, console.Token{Name: "tv", Role: "viewer", SHA256: sha256Of("viewer")})
	env[tokenEnv] = "boss"
	return f, env
}

// A plan reads so that a person can say yes or no: what changes and why, what is lost, who owns it, where it stands.
func TestRolloutReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26 * 365 * 24 * time.Hour)
		f := newShownWorld()
		api := console.New(console.Options{Source: func() console.Source { return f }, Registry: prometheus.NewRegistry(), Log: zap.NewNop(),
			Tokens: []console.Token{{Role: "viewer", SHA256: sha256Of("x")}}})
		asked := func(path string) []byte {
			rec, req := httptest.NewRecorder(), httptest.NewRequest("GET", path, nil)
			req.Header.Set("Authorization", "Bearer x")
			api.ServeHTTP(rec, req)
			return rec.Body.Bytes()
		}
		for name, id := range map[string]string{"rollout-proposed.txt": "a1b2c3d4e5f6", "rollout-soaking.txt": "0011223344aa", "rollout-refused.txt": "ffeeddccbbaa"} {
			var text bytes.Buffer
			if err := describeRollout(&text, asked("/api/v1/rollouts/"+id), false); err != nil {
				t.Fatal(err)
			}
			golden(t, name, text.String())
		}
		for _, list := range []string{"rollouts", "audit"} {
			var page struct{ Items []json.RawMessage }
			var text bytes.Buffer
			if err := json.Unmarshal(asked("/api/v1/"+list), &page); err != nil {
				t.Fatal(err)
			}
			for _, wide := range []bool{false, true} {
				if err := tables[list](&text, page.Items, wide); err != nil {
					t.Fatal(err)
				}
				text.WriteString("\n")
			}
			golden(t, list+".txt", text.String())
		}
	})
}

func TestApproveFromTheKeyboard(t *testing.T) {
	f, env := operating(t)
	got := reading(t, env, "approve", "a1b2c3d4e5f6", "--hash", planHash, "--reason", "go", "--ticket", "OPS-7", "-o", "table")
	if got.code != 0 || got.out != "rollout a1b2c3d4e5f6 of prod/main/web: approved\n" || got.errOut != "" {
		t.Errorf("%+v", got)
	}
	r, _ := f.Rollout("a1b2c3d4e5f6")
	if r.Phase != rollout.Approved || r.Approval.By != "oncall" || r.Approval.Reason != "go" || r.Approval.Ticket != "OPS-7" {
		t.Errorf("%+v", r.Approval)
	}
	if got := reading(t, env, "get", "audit", "web", "-o", "table"); got.code != 0 || !strings.Contains(got.out, "approve") || !strings.Contains(got.out, "oncall") {
		t.Errorf("%+v", got)
	}
}

// get audit lists what was done first and the refused attempts after it, told apart; a limit counts for each, so that attempts
// never push an order out of it.
func TestGetAuditTellsRefusedAttemptsApart(t *testing.T) {
	f, env := operating(t)
	for range 5 {
		_ = f.Refused(t.Context(), reconciler.ByStranger, reconciler.AuditEntry{By: "nobody", Action: "approve", Text: "a token is needed"})
	}
	done := len(f.Audit(fleet.Key{}))
	for args, want := range map[string]string{
		"":                          strings.Repeat("-", done) + "RRRRR",
		" --limit 1":                "-R",
		" --refused false":          strings.Repeat("-", done),
		" --refused true":           "RRRRR",
		" --refused true --limit 2": "RR",
	} {
		got := reading(t, env, strings.Fields("get audit -o jsonl"+args)...)
		marks := ""
		for line := range strings.Lines(got.out) {
			mark := "-"
			if strings.Contains(line, `"refused":true`) {
				mark = "R"
			}
			marks += mark
		}
		if got.code != 0 || marks != want {
			t.Errorf("get audit%s: exit %d, %q, want %q\n%s%s", args, got.code, marks, want, got.out, got.errOut)
		}
	}
	if got := reading(t, env, "get", "stops", "--refused", "true"); got.code != 64 || !strings.Contains(got.errOut, "--refused is for get audit") {
		t.Errorf("%+v", got)
	}
}

func TestOrdersFromTheKeyboard(t *testing.T) {
	f, env := operating(t)
	for _, tc := range []struct {
		args, out string
		holds     func() bool
	}{
		{"reject a1b2c3d4e5f6 --reason no", "rollout a1b2c3d4e5f6 of prod/main/web: rejected\n",
			func() bool { r, _ := f.Rollout("a1b2c3d4e5f6"); return r.Outcome == rollout.Rejected }},
		{"rollback 0011223344aa", "rollout 0011223344aa of prod/main/web: to be rolled back\n",
			func() bool { r, _ := f.Rollout("0011223344aa"); return r.Order != nil && r.Order.By == "oncall" }},
		{"reset main/web", "prod/main/web: the service may be tried again\n",
			func() bool {
				return len(f.resets) == 1 && f.resets[0] == fleet.Key{Target: "prod", Cluster: "main", Service: "web"}
			}},
		{"reset arn:aws:ecs:eu-west-1:1:service/main/api", "prod/main/api: the service may be tried again\n", func() bool { return len(f.resets) == 2 }},
		{"pause --target prod --reason storm", "remediation of target prod writes nothing until resume\n", func() bool { return f.paused["prod"] }},
		{"resume --target prod", "the pause of target prod is over\n", func() bool { return !f.paused["prod"] }},
		{"pause", "remediation of every target writes nothing until resume\n", func() bool { return f.paused[""] }},
	} {
		got := reading(t, env, append(strings.Fields(tc.args), "-o", "table")...)
		if got.code != 0 || got.out != tc.out || got.errOut != "" || !tc.holds() {
			t.Errorf("%s: %+v", tc.args, got)
		}
	}
	if got := reading(t, env, "get", "targets", "-o", "wide"); !strings.Contains(got.out, "by oncall") {
		t.Errorf("a pause is shown: %s", got.out)
	}
	var d console.Done
	if got := reading(t, env, "resume", "-o", "json"); json.Unmarshal([]byte(got.out), &d) != nil || d.Action != "resume" || d.By != "oncall" {
		t.Errorf("%+v", got)
	}
	var r console.RolloutDetail
	if got := reading(t, env, "describe", "rollout", "0011223344aa"); json.Unmarshal([]byte(got.out), &r) != nil || r.Table == nil || len(r.Table.Rows) == 0 || r.Order.By != "oncall" {
		t.Errorf("%+v", got)
	}
}

func TestOrdersThatAreRefused(t *testing.T) {
	for _, tc := range []struct {
		token, args string
		code        int
		says        string
	}{
		{"boss", "approve a1b2c3d4e5f6 --hash 0000", 1, "read the plan again; the rollout is proposed"},
		{"boss", "approve 0011223344aa --hash " + planHash, 1, "it is soaking\n"},
		{"boss", "approve nope --hash " + planHash, 1, `no rollout "nope"`},
		{"boss", "reset nope", 1, `no service "nope"`},
		{"boss", "pause --target nope", 1, `no target "nope"`},
		{"viewer", "approve a1b2c3d4e5f6 --hash " + planHash, 1, "the token's role is viewer"},
		{"guess", "approve a1b2c3d4e5f6 --hash " + planHash, 1, "the one given was refused"},
		{"", "pause", 1, "--token-file FILE or TASKWARDEN_TOKEN"},
		{"boss", "approve a1b2c3d4e5f6", 64, "'taskwarden describe rollout a1b2c3d4e5f6' shows the plan and its hash"},
		{"boss", "approve", 64, ""},
		{"boss", "approve a/b --hash x", 64, "'taskwarden get rollouts' lists them"},
		{"boss", "reset a//b", 64, "empty part"},
		{"boss", "pause --target=", 64, "leave it out"},
		{"boss", "pause now", 64, ""},
		{"boss", "reject a1b2c3d4e5f6 --hash x", 64, "unknown flag"},
	} {
		f, env := operating(t)
		env[tokenEnv] = tc.token
		got := reading(t, env, strings.Fields(tc.args)...)
		if got.code != tc.code || !strings.Contains(got.errOut, tc.says) || got.out != "" {
			t.Errorf("%s: exit %d, want %d with %q: %+v", tc.args, got.code, tc.code, tc.says, got)
		}
		if r, _ := f.Rollout("a1b2c3d4e5f6"); r.Phase != rollout.Proposed || len(f.resets)+len(f.paused) > 0 {
			t.Errorf("%s changed something", tc.args)
		}
	}
	if got := reading(t, map[string]string{serverEnv: "http://127.0.0.1:1"}, "pause"); got.code != 1 || !strings.Contains(got.errOut, "'taskwarden get audit' shows it") {
		t.Errorf("%+v", got)
	}
	if got := reading(t, running(t, newShownWorld()), "pause"); got.code != 1 || !strings.Contains(got.errOut, "server.tokens") {
		t.Errorf("without any token configured: %+v", got)
	}
}

func TestWatchARollout(t *testing.T) {
	f, env := operating(t)
	ctx, stop := context.WithCancel(t.Context())
	a := &app{stderr: new(locked), env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, output: "table"}
	var out locked
	a.stdout = &out
	g, err := a.newDescribe(getFlags{}, []string{"rollout", "a1b2c3d4e5f6"})
	if err != nil {
		t.Fatal(err)
	}
	g.every = time.Millisecond
	done := make(chan error)
	go func() { done <- g.run(ctx, true) }()
	until := func(text string) {
		for !strings.Contains(out.String(), text) {
			select {
			case err := <-done:
				t.Fatalf("ended before %q: %v\n%s", text, err, out.String())
			case <-time.After(time.Millisecond):
			}
		}
	}
	until("To say yes: taskwarden approve a1b2c3d4e5f6 --hash " + planHash)
	if _, err := f.Approve(ctx, "a1b2c3d4e5f6", planHash, rollout.Order{By: "oncall"}); err != nil {
		t.Fatal(err)
	}
	until("State:           approved")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
