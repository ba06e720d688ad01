package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logged "go.uber.org/zap/zaptest/observer"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/fleet"
	"taskwarden/store"
	"taskwarden/store/memory"
)

// brittle is a store that takes no commit while it is down.
type brittle struct {
	store.Store
	down bool
}

func (b *brittle) Commit(ctx context.Context, w ...store.Write) error {
	if b.down {
		return errors.New("the disk is full")
	}
	return b.Store.Commit(ctx, w...)
}

// granting is generations with a book on a store that can fail, and what they log.
func granting(t *testing.T) (*generations, *brittle, *logged.ObservedLogs) {
	t.Helper()
	s := &brittle{Store: memory.New(time.Now)}
	core, logs := logged.New(zapcore.InfoLevel)
	g := &generations{keeper: &keeper{}, file: "config.yaml", log: zap.New(core), reloads: newReloads(prometheus.NewRegistry())}
	g.book = bookOn(t, s)
	return g, s, logs
}

func bookOn(t *testing.T, s store.Store) *reconciler.Book {
	t.Helper()
	b, err := reconciler.OpenBook(t.Context(), s, time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loaded(t *testing.T, text string) config.Config {
	t.Helper()
	cfg, err := config.Load("c", []byte("apiVersion: taskwarden/v1\nkind: ControllerConfig\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func audited(b *reconciler.Book) []string {
	var out []string
	for _, e := range b.Audit(fleet.Key{}) {
		out = append(out, e.By+" "+e.Action+" "+e.Text)
	}
	return out
}

// changes of a configuration that allow more, and the same back again, which allow less.
var raisedBy = map[string][2]string{
	"remediation.mode: plan → auto":       {"remediation: {mode: plan, default: \"off\"}", "remediation: {mode: auto, default: \"off\"}"},
	"remediation.default: plan → approve": {"remediation: {mode: auto, default: plan}", "remediation: {mode: auto, default: approve}"},
	"alarms.mode: plan → sync":            {"alarms: {mode: plan}", "alarms: {mode: sync}"},
	"metrics.enabled: false → true":       {"metrics: {enabled: false}", "metrics: {enabled: true}"},
	"remediation.maxPerDay: 10 → 11":      {"", "remediation: {maxPerDay: 11}"},
	"remediation.fleetSick: 0.2 → 0.5":    {"", "remediation: {fleetSick: 0.5}"},
	"remediation.policies.p.onOwner.owned: export → apply": {"remediation: {policies: [{name: p, set: {A: b}}]}",
		"remediation: {policies: [{name: p, set: {A: b}, onOwner: {owned: apply}}]}"},
	"targets.u: none → the ambient account in us-east-1, clusters [*] but [], services [*] but []": {"targets: [{name: t, region: eu-west-1}]",
		"targets: [{name: t, region: eu-west-1}, {name: u, region: us-east-1}]"},
	`remediation.windows: "0 10 * * *" UTC for 1h → none`: {"remediation: {windows: [{cron: \"0 10 * * *\", duration: 1h}]}", ""},
	"remediation.freezes.2026-12-20 to 2027-01-05: no rollout starts → none": {
		"remediation: {freezes: [{from: 2026-12-20, to: 2027-01-05}]}", ""},
}

// What a changed configuration allows more is in the audit log, old and new, before the configuration is in force, and in the log.
// Where the entry cannot be saved the old one stays in force, and the log says so.
func TestARaiseIsAuditedBeforeItIsInForce(t *testing.T) {
	for want, texts := range raisedBy {
		t.Run(want, func(t *testing.T) {
			g, s, logs := granting(t)
			was, next := loaded(t, texts[0]), loaded(t, texts[1])
			s.down = true
			granted, complete := g.grant(t.Context(), was, next)
			if complete || len(audited(g.book)) != 0 {
				t.Errorf("complete: %t, audited %q", complete, audited(g.book))
			}
			for _, c := range authorityOf(was).changes(authorityOf(granted)) {
				if c.raises {
					t.Errorf("in force without an audit entry: %s", c)
				}
			}
			if l := logs.FilterMessageSnippet("raised configuration not in force").All(); len(l) != 1 || l[0].Level != zapcore.ErrorLevel || !strings.Contains(strings.Join(fields(l[0], "refused"), "\n"), want) {
				t.Errorf("the log says %+v", l)
			}
			s.down = false
			granted, complete = g.grant(t.Context(), was, next)
			if d := cmp.Diff(next, granted); !complete || d != "" {
				t.Errorf("complete: %t, in force (-want +got):\n%s", complete, d)
			}
			if got := audited(bookOn(t, s)); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), "configuration raise "+want) {
				t.Errorf("the audit log says %q", got)
			}
			if l := logs.FilterMessage("configuration in force").All(); len(l) != 1 || !strings.Contains(strings.Join(fields(l[0], "raised"), "\n"), want) {
				t.Errorf("the log says %+v", l)
			}
		})
	}
}

func fields(e logged.LoggedEntry, name string) []string {
	var out []string
	if all, ok := e.ContextMap()[name].([]any); ok {
		for _, v := range all {
			out = append(out, v.(string))
		}
	}
	return out
}

// What is lowered is in force at once, also while the store takes nothing, and alone where something else is raised.
func TestLoweringNeedsNoStore(t *testing.T) {
	for name, texts := range raisedBy {
		t.Run(name, func(t *testing.T) {
			g, s, logs := granting(t)
			s.down = true
			was, next := loaded(t, texts[1]), loaded(t, texts[0])
			granted, complete := g.grant(t.Context(), was, next)
			if d := cmp.Diff(next, granted); !complete || d != "" {
				t.Errorf("complete: %t, in force (-want +got):\n%s", complete, d)
			}
			if l := logs.FilterMessageSnippet("lowered without an audit entry").All(); len(l) != 1 {
				t.Errorf("the log says %+v", l)
			}
		})
	}
	g, s, _ := granting(t)
	s.down = true
	was := loaded(t, "alarms: {mode: plan}\nremediation: {mode: auto, policies: [{name: p, set: {A: b}}, {name: q, set: {A: b}}]}\ntargets: [{name: t, region: eu-west-1}, {name: u, region: us-east-1}]")
	next := loaded(t, "alarms: {mode: ensure}\nremediation: {mode: \"off\", policies: [{name: p, set: {A: c}}, {name: r, set: {A: b}}]}\ntargets: [{name: u, region: eu-west-2}, {name: v, region: us-east-1}]")
	granted, complete := g.grant(t.Context(), was, next)
	if complete || granted.Remediation.Mode != config.RemediationOff || granted.Alarms.Mode != config.AlarmsPlan {
		t.Errorf("complete: %t, remediation %s, alarms %s", complete, granted.Remediation.Mode, granted.Alarms.Mode)
	}
	if p := granted.Remediation.Policies; len(p) != 1 || p[0].Set["A"] != "b" {
		t.Errorf("policies %+v", p)
	}
	if u := granted.Targets; len(u) != 1 || u[0].Name != "u" || u[0].Region != "us-east-1" {
		t.Errorf("targets %+v", u)
	}
}

// A raise that comes with a restart is audited by the next process; one that cannot be is not put in force.
func TestARaiseByARestartIsAudited(t *testing.T) {
	g, s, _ := granting(t)
	if err := g.grantFirst(t.Context(), loaded(t, "remediation: {mode: plan}")); err != nil {
		t.Fatal(err)
	}
	if got := audited(g.book); len(got) != 0 {
		t.Errorf("a first start changes nothing, and says %q", got)
	}
	g.book = bookOn(t, s)
	s.down = true // nothing needs to be written
	if err := g.grantFirst(t.Context(), loaded(t, "remediation: {mode: plan}")); err != nil {
		t.Errorf("the same configuration again: %v", err)
	}
	if err := g.grantFirst(t.Context(), loaded(t, "remediation: {mode: auto}")); err == nil || !strings.Contains(err.Error(), "could not be audited") {
		t.Errorf("a raise without a store: %v", err)
	}
	s.down = false
	if err := g.grantFirst(t.Context(), loaded(t, "remediation: {mode: auto}")); err != nil {
		t.Fatal(err)
	}
	if got := audited(g.book); len(got) != 2 || !strings.Contains(strings.Join(got, "\n"), "configuration raise remediation.mode: plan → auto") {
		t.Errorf("%q", got)
	}
}

// No secret comes into the audit log by a configuration.
func TestAuthorityHoldsNoSecret(t *testing.T) {
	a := authorityOf(loaded(t, `targets: [{name: t, region: eu-west-1, roleArn: "arn:aws:iam::111122223333:role/r", externalId: sesame}]
remediation: {policies: [{name: p, match: {env: {KEY: [sesame]}}, set: {A: sesame}}]}
server: {tokens: [{role: viewer, sha256: `+strings.Repeat("5e5a", 16)+`}]}`))
	for subject, value := range a {
		if strings.Contains(value, "sesame") || strings.Contains(value, "5e5a5e5a") {
			t.Errorf("%s: %s", subject, value)
		}
	}
}
