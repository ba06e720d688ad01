package otel

import (
	"strings"
	"testing"

	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

func TestClaims(t *testing.T) {
	const leftover = Sampler + "=parentbased_traceidratio|" + SamplerArg + "=endpoint=http://localhost:2000"
	warn := Options{Rules: map[string]finding.Severity{"sampler-xray": finding.Warning}}
	for _, tt := range []struct {
		name, env string
		options   Options
		reason    string // "": no claim
		evidence  []string
	}{
		{"a leftover argument", leftover, Options{}, "SamplerArgMismatch", []string{
			"shop:7 container app: sampler-arg-mismatch (OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG): ",
			"; fix: OTEL_TRACES_SAMPLER=parentbased_traceidratio, OTEL_TRACES_SAMPLER_ARG=0.01"}},
		{"AWS's own recipe", Sampler + "=xray", Options{}, "", nil},
		{"the recipe, while the agent crashes", Sampler + "=xray", Options{Crash: true}, "", nil},
		{"an error, while the agent crashes", Sampler + "=traceidratio|" + SamplerArg + "=5%", Options{Crash: true}, "SamplerArgInvalid", []string{
			"sampler-arg-invalid", "while a sidecar crash is open, shop:7 container app: sampler-not-parentbased"}},
		{"a choice that the configuration calls an error", Sampler + "=xray", warn, "SamplerXray", nil},
		{"an error that it calls a choice", leftover, Options{Rules: map[string]finding.Severity{"sampler-arg-mismatch": finding.Info}}, "", nil},
		{"an error that it switches off", leftover, Options{Rules: map[string]finding.Severity{"sampler-arg-mismatch": Off}}, "", nil},
		{"an idle setting", leftover + "|OTEL_SDK_DISABLED=true", Options{}, "", nil},
		{"two values of a setting", "OTEL_SERVICE_NAME=a|OTEL_SERVICE_NAME=b", Options{}, "EnvNameConflict", nil},
		{"two values of the application's", "MODE=a|MODE=b|" + Sampler + "=always_off", Options{}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := define(t, strings.Split(tt.env, "|")...)
			d.Family, d.Revision = "shop", 7
			got := Claims([]fleet.Definition{d}, tt.options)
			if tt.reason == "" {
				if len(got) != 0 {
					t.Fatalf("%+v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Type != finding.OTELMisconfigured || got[0].Severity != finding.Warning || got[0].Reason != tt.reason {
				t.Fatalf("%+v", got)
			}
			for _, want := range tt.evidence {
				if !strings.Contains(strings.Join(got[0].Evidence, "\n"), want) {
					t.Errorf("no %q in %q", want, got[0].Evidence)
				}
			}
		})
	}
	// A sidecar's old version is SidecarCrash's to tell, and one claim holds what several definitions have.
	bad := parse(t, bareSidecar)
	if got := Claims([]fleet.Definition{bad}, Options{}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	a, b := define(t, strings.Split(leftover, "|")...), define(t, Sampler+"=off")
	a.Family, b.Family = "a", "b"
	if got := Claims([]fleet.Definition{a, b}, Options{}); len(got) != 1 || got[0].Count != 2 || !strings.HasPrefix(got[0].Message, "2 errors in the telemetry settings of a, b: ") {
		t.Errorf("%+v", got)
	}
}
