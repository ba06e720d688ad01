package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	logged "go.uber.org/zap/zaptest/observer"

	"taskwarden/contain"
)

// Every panic is counted and logged, the stack once for each place in the code: work that fails is tried again, day and night.
func TestPanicsAreCountedAndLoggedWithOneStack(t *testing.T) {
	core, logs := logged.New(zap.ErrorLevel)
	registry := prometheus.NewRegistry()
	t.Cleanup(reportPanics(zap.New(core), registry))
	for range 3 {
		_ = contain.Do(contain.Pass, "prod/web", func() error { panic("first") })
	}
	_ = contain.Do(contain.Pass, "prod/web", func() error { panic("at another line") })
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "taskwarden_panics_total" || families[0].GetMetric()[0].GetCounter().GetValue() != 4 ||
		families[0].GetMetric()[0].GetLabel()[0].GetValue() != "pass" {
		t.Errorf("%v: counted %v", err, families)
	}
	stacks := 0
	for _, l := range logs.FilterMessage("panic contained").All() {
		if l.ContextMap()["where"] != "pass" || l.ContextMap()["of"] != "prod/web" || l.ContextMap()["at"] == "" {
			t.Errorf("logged %v", l.ContextMap())
		}
		if _, ok := l.ContextMap()["stack"]; ok {
			stacks++
		}
	}
	if n := logs.Len(); n != 4 || stacks != 2 {
		t.Errorf("%d lines, %d stacks", n, stacks)
	}
}
