package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/fleet"
)

func TestPoliciesTakeOverridesAndLocations(t *testing.T) {
	cfg, err := config.Load("c", []byte(`apiVersion: taskwarden/v1
kind: ControllerConfig
detect:
  overrides: [{match: {services: ["payment-*"]}, threshold: 1}]
  logs:
    locations:
      - {match: {clusters: [prod], services: ["legacy-*"]}, group: "/legacy/{service}", stream: "{container}/{task}"}
      - {group: /all, stream: "{task}"}
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policiesOf(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]reconciler.Override{{Match: fleet.Scope{Services: []string{"payment-*"}}, Threshold: 1}}, p.Overrides); d != "" {
		t.Errorf("overrides (-want +got):\n%s", d)
	}
	want := []churn.Location{
		{Match: fleet.Scope{Clusters: []string{"prod"}, Services: []string{"legacy-*"}}, Group: "/legacy/{service}", Stream: "{container}/{task}"},
		{Group: "/all", Stream: "{task}"},
	}
	if d := cmp.Diff(want, p.Churn.Locations); d != "" {
		t.Errorf("locations (-want +got):\n%s", d)
	}
}
