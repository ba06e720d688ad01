package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Over HTTP, only an approver with the plan's own hash has anything written to the account. The audit log has the approval, and
// each refused attempt is kept apart from it, both with the name and the result.
func TestOnlyAnApproverHasAFixRolledOut(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, fixable(t))
		c := w.run(w.remediate(rollout.Approve, cure))
		defer c.stop()
		time.Sleep(time.Hour)
		plan := rollouts(t, c, 1)[0]
		if plan.Phase != rollout.Proposed {
			t.Fatalf("%s: %s", plan.Phase, plan.Message)
		}
		hash := func(token string) string { sum := sha256.Sum256([]byte(token)); return hex.EncodeToString(sum[:]) }
		api := console.New(console.Options{Source: func() console.Source { return c.Controller }, Registry: prometheus.NewRegistry(), Log: zap.NewNop(), Tokens: []console.Token{
			{Name: "oncall", Role: "approver", SHA256: hash("approver")}, {Name: "tv", Role: "viewer", SHA256: hash("viewer")},
			{Name: "left", Role: "approver", SHA256: hash("expired"), Expires: time.Now().Add(-time.Minute)}}})
		post := func(token, planHash, origin string) (int, string) {
			body, _ := json.Marshal(map[string]string{"hash": planHash, "reason": "seen", "ticket": "OPS-1"})
			r := httptest.NewRequest("POST", "/api/v1/rollouts/"+plan.ID+":approve", strings.NewReader(string(body)))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+token)
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			rec := httptest.NewRecorder()
			api.ServeHTTP(rec, r)
			return rec.Code, rec.Body.String()
		}
		for _, a := range []struct {
			token, hash, origin string
			status              int
		}{
			{"", plan.Plan.Hash, "", 401}, {"guess", plan.Plan.Hash, "", 401}, {"expired", plan.Plan.Hash, "", 401},
			{"viewer", plan.Plan.Hash, "", 403}, {"approver", plan.Plan.Hash, "https://elsewhere.example", 403},
			{"approver", "0123456789abcdef", "", 409}, {"approver", "", "", 400},
		} {
			if status, body := post(a.token, a.hash, a.origin); status != a.status {
				t.Errorf("%+v: %d %s", a, status, body)
			}
		}
		time.Sleep(time.Hour)
		if now := rollouts(t, c, 1)[0]; now.Phase != rollout.Proposed || len(w.writes("RegisterTaskDefinition")) != 0 {
			t.Fatalf("%s: %s", now.Phase, now.Message)
		}
		if status, body := post("approver", plan.Plan.Hash, ""); status != 200 || !strings.Contains(body, `"phase":"approved"`) {
			t.Fatalf("%d %s", status, body)
		}
		time.Sleep(time.Hour)
		if status, body := post("approver", plan.Plan.Hash, ""); status != 409 || !strings.Contains(body, `"phase":"soaking"`) {
			t.Errorf("a second approval: %d %s", status, body)
		}
		if now := rollouts(t, c, 1)[0]; now.Phase != rollout.Soaking || now.Approval == nil || now.Approval.By != "oncall" || len(w.writes("UpdateService")) != 1 {
			t.Errorf("%s %s: %s", now.Phase, now.Outcome, now.Message)
		}
		said := func(entries []reconciler.AuditEntry) (by string) { // newest first
			for _, e := range entries {
				if e.Action == "approve" {
					by += " " + e.By
					if e.Rollout != plan.ID || e.Key != django || e.Refused != (e.Text != "proposed → approved") {
						t.Errorf("%+v", e)
					}
				}
			}
			return by
		}
		if done, refused := said(c.Audit(fleet.Key{})), said(c.Refusals(fleet.Key{})); done != " oncall" || refused != " oncall oncall oncall nobody tv left nobody nobody" {
			t.Errorf("the audit log says %q, and the refused attempts are of %q", done, refused)
		}
	})
}

// An approval after which nothing would be sent answers 409 with the reason and the remedy, and changes nothing: here the
// service's mode is plan, by remediation.default or by its own tag.
func TestAnApprovalThatWouldSendNothingIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		standard     rollout.Mode
		tag          string
		says, remedy string
	}{
		"the default is plan": {rollout.Show, "", "remediation.default is plan", "set remediation.default to approve"},
		"the tag is plan":     {"", "plan", "the service's tag taskwarden:remediation makes its mode plan", "set the tag to approve or auto on " + django.String()},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				scenario := fixable(t)
				if c.tag != "" {
					scenario.Clusters[0].Services[0].Tags = map[string]string{rollout.Tag: c.tag}
				}
				w := newWorld(t, scenario)
				run := w.run(func(o *reconciler.Options) {
					w.remediate(rollout.Approve, cure)(o)
					o.Remediation.Default = c.standard
				})
				defer run.stop()
				time.Sleep(time.Hour)
				plan := rollouts(t, run, 1)[0]
				_, err := run.Approve(t.Context(), plan.ID, plan.Plan.Hash, rollout.Order{By: "oncall"})
				if !errors.Is(err, rollout.ErrConflict) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.remedy) {
					t.Errorf("%v", err)
				}
				time.Sleep(time.Hour)
				if now := rollouts(t, run, 1)[0]; now.Phase != rollout.Proposed || now.Approval != nil || len(w.writes("RegisterTaskDefinition")) != 0 {
					t.Errorf("%s %s: %s", now.Phase, now.Outcome, now.Message)
				}
			})
		})
	}
}
