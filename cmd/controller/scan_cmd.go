package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/scan"
)

type scanFlags struct {
	config   string
	clusters []string
	service  string
	history  string
	budget   float64
	failOn   string
}

// newScanCmd makes the verb; ambient gives the AWS configuration to look with.
func newScanCmd(a *app, ambient func(context.Context) (cloud.Config, error)) *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use:   "scan",
		Short: "Look once at every ECS service, back through what AWS still shows of its past",
		Long: `Looks once at every service with the ambient credentials, and never writes. Stopped
tasks are visible for about an hour; scan therefore also reads the age of running
tasks, the newest 100 events of each service, the log streams of tasks that are gone
and 90 days of service deployments. It prints what churns and why, grouped by cause,
what changed when it began, what may help, who would be told, and for each row how
far back it was able to see. Not seeing a death is "unknown" unless that reach says
more.

It works with ReadOnlyAccess. A source that is denied shortens the reach, is named
with the IAM action to allow, and makes the exit code 3; where nothing can be reached
at all it is 1. With --fail-on it is 2 when a finding is at least that severe.`,
		Example: `  taskwarden scan
  taskwarden scan --cluster prod --history 30d -o json
  taskwarden scan --service prod/web --fail-on warning`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.newScan(f)
			if err != nil {
				return err
			}
			if s.base, err = ambient(cmd.Context()); err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	addConfigFlag(c, &f.config)
	c.Flags().StringArrayVar(&f.clusters, "cluster", nil, "cluster to look at: a name or a pattern, may be given again (default: the targets' own)")
	c.Flags().StringVar(&f.service, "service", "", "the one service to look at: [target/]cluster/service, service alone where unique, or its ARN")
	c.Flags().StringVar(&f.history, "history", "14d", "how far back to look at most")
	c.Flags().Float64Var(&f.budget, "api-budget", 0.5, "share of each documented ECS API bucket to use, above 0 and at most 1")
	c.Flags().StringVar(&f.failOn, "fail-on", "", "exit 2 on a finding at or above info, warning or critical")
	return c
}

// scanning is one run of the verb.
type scanning struct {
	a        *app
	cfg      config.Config
	base     cloud.Config
	flags    scanFlags
	policies reconciler.Policies
	lint     otel.Options
	history  time.Duration
	failOn   finding.Severity
	stderr   sync.Mutex // targets report their progress side by side
}

// newScan reads the command line and the configuration.
func (a *app) newScan(f scanFlags) (*scanning, error) {
	s := &scanning{a: a, flags: f, failOn: finding.Severity(f.failOn)}
	history, err := config.ParseDuration(f.history)
	switch {
	case f.failOn != "" && s.failOn.Rank() == 0:
		return nil, usageError("--fail-on: %q is not one of info, warning, critical", f.failOn)
	case err != nil || history <= 0:
		return nil, usageError("--history: %q is no length of time: write it as in 14d or 36h", f.history)
	case !(f.budget > 0 && f.budget <= 1):
		return nil, usageError("--api-budget: %v is not above 0 and at most 1", f.budget)
	}
	if err := (fleet.Scope{Clusters: f.clusters}).Validate(); err != nil {
		return nil, usageError("--cluster: %v", err)
	}
	s.history = time.Duration(history)
	if s.cfg, _, err = a.loadConfig(f.config); err != nil {
		return nil, err
	}
	if s.policies, err = policiesOf(s.cfg); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	s.lint = s.policies.Lint
	return s, nil
}

// run looks, judges, prints and gives the verdict.
func (s *scanning) run(ctx context.Context) error {
	report, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err := s.print(report); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if s.failOn != "" && report.Worst().Rank() >= s.failOn.Rank() {
		return &exitError{exitFindings, fmt.Errorf("a finding is at or above %s", s.failOn)}
	}
	if !report.Complete {
		return &exitError{exitIncomplete, errors.New("not everything could be seen: " + strings.Join(missingOf(report), "; "))}
	}
	return nil
}

// missingOf names what was not seen, each action once.
func missingOf(r scan.Report) []string {
	var out []string
	add := func(action, reason string) {
		text := reason
		if action != "" {
			text = "allow " + action
		}
		if text = plainText(text); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, t := range r.Targets {
		add(t.Action, t.Error)
	}
	for _, g := range r.Gaps {
		add(g.Action, g.Reason)
	}
	return out
}

// policyOf is the policy for one service.
func (s *scanning) policyOf(key fleet.Key) scan.Policy {
	p := scan.Policy{Churn: s.policies.Churn, Lint: s.lint, History: s.history}
	for _, o := range s.policies.Overrides {
		if o.Match.Cluster(key.Cluster) && o.Match.Service(key.Service) {
			p.Churn.Threshold = o.Threshold
			break
		}
	}
	return p
}

// scopeOf is what of a target is looked at. Clusters and the service given on the command line take the place of the
// configured ones; what the configuration excludes stays out.
func (s *scanning) scopeOf(t config.Target) fleet.Scope {
	scope := fleet.Scope{Clusters: t.Clusters, ExcludeClusters: t.ExcludeClusters, Services: t.Services, ExcludeServices: t.ExcludeServices}
	if len(s.flags.clusters) > 0 {
		scope.Clusters = nil
		for _, c := range s.flags.clusters {
			scope.Clusters = append(scope.Clusters, fleet.NameOf(c))
		}
	}
	if s.flags.service == "" {
		return scope
	}
	cluster, service := scan.Place(s.flags.service)
	scope.Services = []string{service}
	if cluster != "" && len(s.flags.clusters) == 0 {
		scope.Clusters = []string{cluster}
	}
	return scope
}
