package main

import (
	"fmt"
	"time"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/rollout"
)

// remediationOf is the configuration's section remediation as the controller takes it.
func remediationOf(cfg config.Config) (reconciler.Remediation, error) {
	r := cfg.Remediation
	out := reconciler.Remediation{
		Ceiling: rollout.Mode(r.Mode), Default: rollout.Mode(r.Default), Audit: time.Duration(cfg.Retention.Audit),
		Settings: rollout.Settings{
			MaxConcurrent: r.MaxConcurrent, MaxSoaking: r.MaxSoaking, MaxPerDay: r.MaxPerDay, Canary: r.Canary,
			Soak: time.Duration(r.Soak), MinSoak: time.Duration(r.MinSoak), MaxSoak: time.Duration(r.MaxSoak),
			PlanTTL: time.Duration(r.PlanTTL), FleetSick: float64(r.FleetSick),
		},
	}
	for i, w := range r.Windows {
		zone, err := time.LoadLocation(w.Timezone)
		if err != nil {
			return out, fmt.Errorf("remediation.windows[%d].timezone: %w", i, err)
		}
		schedule, err := config.ParseSchedule(w.Cron, zone)
		if err != nil {
			return out, fmt.Errorf("remediation.windows[%d].cron: %w", i, err)
		}
		out.Settings.Windows = append(out.Settings.Windows, rollout.Window{Schedule: schedule, Duration: time.Duration(w.Duration), Name: w.Cron + " " + w.Timezone})
	}
	zone, err := time.LoadLocation(cfg.Timezone)
	if err != nil {
		return out, fmt.Errorf("timezone: %w", err)
	}
	out.Settings.Zone = zone
	for _, f := range r.Freezes {
		out.Settings.Freezes = append(out.Settings.Freezes, rollout.Freeze{From: f.From.Start(zone), To: f.To.End(zone), Reason: f.Reason})
	}
	for _, p := range r.Policies {
		policy := rollout.Policy{Name: p.Name, Match: scopeOf(config.Match{Clusters: p.Match.Clusters, Services: p.Match.Services}),
			Env: p.Match.Env, Set: p.Set, OnOwner: map[rollout.Ownership]rollout.Handling{
				rollout.NoOwner: rollout.Handling(p.OnOwner.None), rollout.UnknownOwner: rollout.Handling(p.OnOwner.Unknown),
				rollout.Owned: rollout.Handling(p.OnOwner.Owned),
			}}
		for _, typ := range p.When.All {
			policy.When = append(policy.When, string(typ))
		}
		out.Policies = append(out.Policies, policy)
	}
	return out, nil
}
