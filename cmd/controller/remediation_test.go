package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Every field of the section reaches the controller, with its defaults, and the last day of a freeze is part of it.
func TestRemediationOf(t *testing.T) {
	cfg, err := config.Load("c", []byte(`apiVersion: taskwarden/v1
kind: ControllerConfig
timezone: Asia/Tokyo
retention: {audit: 30d}
remediation:
  mode: auto
  windows: [{cron: "0 10 * * MON-THU", duration: 4h}]
  freezes: [{from: 2026-12-20, to: 2027-01-05, reason: year end}]
  maxConcurrent: 2
  maxSoaking: 3
  maxPerDay: 4
  canary: 5
  soak: 5h
  minSoak: 2h
  maxSoak: 6h
  planTTL: 7h
  fleetSick: 0.5
  policies:
    - name: otel-sampler
      match: {clusters: ["prod"], services: ["web-*"], env: {OTEL_TRACES_SAMPLER: ["xray"]}}
      when: {all: [SidecarCrash]}
      set: {OTEL_TRACES_SAMPLER: always_off, OTEL_TRACES_SAMPLER_ARG: ""}
      onOwner: {unknown: refuse}
`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := remediationOf(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tokyo, _ := time.LoadLocation("Asia/Tokyo")
	want := reconciler.Remediation{Ceiling: rollout.Auto, Default: rollout.Auto, Audit: 30 * 24 * time.Hour,
		Settings: rollout.Settings{MaxConcurrent: 2, MaxSoaking: 3, MaxPerDay: 4, Canary: 5, Soak: 5 * time.Hour, MinSoak: 2 * time.Hour,
			MaxSoak: 6 * time.Hour, PlanTTL: 7 * time.Hour, FleetSick: 0.5, Zone: tokyo,
			Windows: []rollout.Window{{Duration: 4 * time.Hour, Name: "0 10 * * MON-THU Asia/Tokyo"}},
			Freezes: []rollout.Freeze{{From: time.Date(2026, 12, 20, 0, 0, 0, 0, tokyo), To: time.Date(2027, 1, 6, 0, 0, 0, 0, tokyo), Reason: "year end"}}},
		Policies: []rollout.Policy{{Name: "otel-sampler", Match: fleet.Scope{Clusters: []string{"prod"}, Services: []string{"web-*"}},
			Env: map[string][]string{"OTEL_TRACES_SAMPLER": {"xray"}}, When: []string{"SidecarCrash"},
			Set:     map[string]string{"OTEL_TRACES_SAMPLER": "always_off", "OTEL_TRACES_SAMPLER_ARG": ""},
			OnOwner: map[rollout.Ownership]rollout.Handling{rollout.NoOwner: rollout.Apply, rollout.UnknownOwner: rollout.Refuse, rollout.Owned: rollout.Export}}},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(rollout.Window{}, "Schedule"), cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); d != "" {
		t.Error(d)
	}
	// A Monday, 10:00 in Tokyo.
	if next := got.Settings.Windows[0].Schedule.Next(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)); !next.Equal(time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("the window opens at %s", next)
	}
}

// Only approve and auto may send what changes a service.
func TestWritesNeedAMode(t *testing.T) {
	for mode, want := range map[config.RemediationMode]bool{config.RemediationOff: false, config.RemediationPlan: false, config.RemediationApprove: true, config.RemediationAuto: true} {
		cfg := config.Default()
		cfg.Remediation.Mode = mode
		if got := classes(cfg)[cloud.Remediate]; got != want {
			t.Errorf("%s: %t", mode, got)
		}
	}
}
