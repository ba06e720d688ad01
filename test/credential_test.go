package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"taskwarden/reconciler"
	"taskwarden/reconciler/export"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/rollout"
	"taskwarden/store"
)

// leaked are where people put them, in variables whose values are kept.
var leaked = map[string]string{
	"OTEL_TRACES_SAMPLER_ARG":             "endpoint=http://proxyuser:S3CRETPW@sampling.internal:2000",
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT":  "https://otel.example.com/v1/traces?api_key=S3CRETKEY",
	"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "proxyuser:S3CRETPW@collector.internal:4317",
	"OTEL_EXPORTER_OTLP_ENDPOINT":         "http://proxyuser:S3/CRETPW#%S3CRETPW@collector.internal:4318",
}

// A credential in a setting is kept and shown nowhere. Yet the revision that the fix makes has it where it stood, and so has the one
// that the way back makes: a masked value is never written to AWS.
func TestACredentialInASettingIsMaskedAndNeverWrittenBack(t *testing.T) {
	t.Parallel()
	s := fixable(t)
	for _, k := range s.Clusters[0].Services[0].TaskDefinition.Containers {
		if env, ok := k["environment"].(map[string]any); ok {
			for name, value := range leaked {
				env[name] = value
			}
		}
	}
	bubble(t, func(t *testing.T) {
		w := newWorld(t, s)
		base := w.document(t, "django:1")
		c := w.run(w.remediate(rollout.Auto, cure))
		defer c.stop()
		time.Sleep(2 * time.Hour)
		r := rollouts(t, c, 1)[0]
		if r.Phase != rollout.Soaking {
			t.Fatalf("%s %s: %s", r.Phase, r.Outcome, r.Message)
		}
		i := slices.IndexFunc(r.Plan.Changes, func(c otel.Change) bool { return c.Name == "OTEL_TRACES_SAMPLER_ARG" })
		if i < 0 || r.Plan.Changes[i].Old != "endpoint=http://***@sampling.internal:2000" {
			t.Errorf("the plan changes %+v", r.Plan.Changes)
		}
		shown := w.shown(t, c, r)
		if _, err := c.RollBack(t.Context(), r.ID, rollout.Order{By: "oncall"}); err != nil {
			t.Fatal(err)
		}
		made := w.document(t, "django:2")
		time.Sleep(time.Hour)
		w.isBack(t, base)
		onlyTheValues(t, base, made, r.ID)

		shown = append(shown, w.shown(t, c, r)...)
		for _, text := range shown {
			for _, secret := range []string{"S3CRET", "CRETPW", "S3/"} {
				if i := strings.Index(text, secret); i >= 0 {
					t.Errorf("shown or kept: …%s…", text[max(0, i-200):min(len(text), i+40)])
				}
			}
		}
	})
}

// shown is all that the controller shows, logs and keeps, as text.
func (w *world) shown(t *testing.T, c running, r rollout.Rollout) []string {
	t.Helper()
	out := []string{fmt.Sprintf("%+v", c.Services())} // encoding/json refuses a key of theirs
	for _, v := range []any{c.Rollouts(fleet.Key{}), c.Findings(), c.Audit(fleet.Key{}), c.Stops(fleet.Key{}), c.Targets()} {
		body, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(body))
	}
	for _, f := range export.Formats() {
		text, err := export.Render(r, nil, f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	for _, e := range w.logs.All() {
		out = append(out, fmt.Sprint(e.Message, e.ContextMap()))
	}
	for _, kind := range []string{"memory", "stop", "rollout", "audit", "target"} {
		for it, err := range store.All(t.Context(), w.store, kind, "") {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(it.Body))
		}
	}
	book, err := reconciler.OpenBook(t.Context(), w.store, 90*24*time.Hour, true)
	if err != nil {
		t.Fatal(err)
	}
	kept, ok, err := book.Definition(t.Context(), fleet.NewAllowList().Hash(), r.Plan.Base)
	if !ok || err != nil {
		t.Fatalf("the base revision is not kept: %v", err)
	}
	return append(out, fmt.Sprintf("%+v", kept))
}
