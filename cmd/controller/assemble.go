package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/churn"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/otel"
	"taskwarden/reconciler/registry"
)

// tailLines is how many log lines are kept with a stop, of those read.
const tailLines = 20

// assemble turns a configuration into what a controller runs on.
func assemble(ctx context.Context, cfg config.Config, base cloud.Config, s held, r prometheus.Registerer, log *zap.Logger) (reconciler.Options, error) {
	o, err := settings(cfg)
	if err != nil {
		return o, err
	}
	if o.Remediation, err = remediationOf(cfg); err != nil {
		return o, err
	}
	if o.Book, err = reconciler.OpenBook(ctx, s, time.Duration(cfg.Retention.Stops), cfg.Metrics.Enabled); err != nil {
		return o, err
	}
	accounts := accounts{base: base, budgets: cloud.NewBudgets(float64(cfg.Watch.APIBudget)), allow: allowList(cfg),
		classes: classes(cfg), observe: observer(r), acts: s.acts}
	o.Home, o.Log, o.Registry = accounts.open(config.Target{Name: "home"}), log, r
	public := registry.NewPublic(registry.Direct(), currentVersion())
	targets := cfg.Targets
	if len(targets) == 0 {
		targets = []config.Target{{Name: "default"}}
	}
	overlaps := findOverlaps(ctx, targets, func(ctx context.Context) (string, error) { return cloud.CallerAccount(ctx, base) })
	for i, t := range targets {
		account := accounts.open(t, overlaps[i].others...)
		o.Targets = append(o.Targets, reconciler.Target{Name: t.Name, Observer: account, CloudWatch: account, Deployer: account,
			Registry: registry.New(account, public), Actions: actions(cfg.Alarms.Actions, t.Actions), Overlap: overlaps[i].why})
	}
	return o, nil
}

// settings are the options that come from the configuration alone: no account, no store, no log.
func settings(cfg config.Config) (reconciler.Options, error) {
	policies, err := policiesOf(cfg)
	if err != nil {
		return reconciler.Options{}, err
	}
	zone, err := time.LoadLocation(cfg.Timezone)
	if err != nil {
		return reconciler.Options{}, fmt.Errorf("timezone: %w", err)
	}
	audit, err := config.ParseSchedule(cfg.Schedules.AlarmAudit, zone)
	if err != nil {
		return reconciler.Options{}, fmt.Errorf("schedules.alarmAudit: %w", err)
	}
	report, err := config.ParseSchedule(cfg.Schedules.Report, zone)
	if err != nil {
		return reconciler.Options{}, fmt.Errorf("schedules.report: %w", err)
	}
	return reconciler.Options{
		ID: cfg.Controller.ID, HomeActions: actions(cfg.Alarms.Actions, config.Actions{}),
		Policies: policies, AllowHash: allowList(cfg).Hash(), Resync: time.Duration(cfg.Watch.Resync), Metrics: cfg.Metrics.Enabled,
		Alarms: reconciler.Mode(cfg.Alarms.Mode), Layout: alarm.Layout(cfg.Alarms.Layout), AlarmAudit: audit, Report: report,
	}, nil
}

// allowList is the built-in list with the variables that policies name: their values may be kept, to be compared.
func allowList(cfg config.Config) fleet.AllowList {
	out := fleet.NewAllowList()
	for _, p := range cfg.Remediation.Policies {
		for name, values := range p.Match.Env {
			out = out.With(name, values...)
		}
		for name, value := range p.Set {
			out = out.With(name, value)
		}
	}
	return out
}

// accounts makes the AWS side of targets; all share one set of budgets.
type accounts struct {
	base    cloud.Config
	budgets *cloud.Budgets
	allow   fleet.AllowList
	classes map[cloud.Class]bool
	observe func(cloud.CallStat)
	acts    func() (from, until time.Time)
}

func (a accounts) open(t config.Target, others ...fleet.Scope) *cloud.Account {
	scope := t.Scope()
	scope.Others = others
	return cloud.New(a.base, cloud.Options{
		Target: t.Name, Region: t.Region, RoleARN: t.RoleARN, ExternalID: t.ExternalID,
		Scope: scope, Allow: a.classes, Budgets: a.budgets, AllowList: a.allow, Observe: a.observe,
		Lease: a.acts,
	})
}

// classes are the calls that the configuration's modes allow. Everything else is refused before it is sent.
func classes(cfg config.Config) map[cloud.Class]bool {
	return map[cloud.Class]bool{
		cloud.Read:     true,
		cloud.Evidence: cfg.Detect.Logs.Enabled,
		cloud.Metrics:  cfg.Metrics.Enabled,
		cloud.Alarms:   cfg.Alarms.Mode == config.AlarmsEnsure || cfg.Alarms.Mode == config.AlarmsSync,
		// In mode plan fixes are shown, and no write may be sent even by mistake.
		cloud.Remediate: cfg.Remediation.Mode == config.RemediationApprove || cfg.Remediation.Mode == config.RemediationAuto,
	}
}

// observer counts AWS calls in the metrics of a controller.
func observer(r prometheus.Registerer) func(cloud.CallStat) {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "taskwarden", Name: "aws_calls_total",
		Help: "Attempts of AWS calls, by operation and AWS's error code (empty: success)."}, []string{"target", "operation", "code"})
	waited := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "taskwarden", Name: "aws_budget_wait_seconds_total",
		Help: "Time that calls waited for the API budget."}, []string{"target", "bucket"})
	r.MustRegister(calls, waited)
	return func(s cloud.CallStat) {
		calls.WithLabelValues(s.Target, s.Operation.String(), s.Code).Inc()
		waited.WithLabelValues(s.Target, s.Operation.Bucket).Add(s.Waited.Seconds())
	}
}

func policiesOf(cfg config.Config) (reconciler.Policies, error) {
	var rules []churn.SignatureRule
	for _, s := range cfg.Detect.Signatures {
		rules = append(rules, churn.SignatureRule{Name: s.Name, Pattern: s.Pattern, Fatal: s.Fatal})
	}
	knowledge, err := churn.NewKnowledge(cfg.Detect.Sidecars, rules)
	if err != nil {
		return reconciler.Policies{}, fmt.Errorf("detect: %w", err)
	}
	severities, err := lintRules(cfg.Lint)
	if err != nil {
		return reconciler.Policies{}, err
	}
	p := reconciler.Policies{Lint: otel.Options{Sidecar: knowledge.Sidecar, Rules: severities}, Churn: churn.Policy{
		Window: time.Duration(cfg.Detect.Window), Threshold: cfg.Detect.Threshold, RatePerTaskDay: cfg.Detect.RatePerTaskDay,
		StormStops: cfg.Detect.Storm.Stops, StormWithin: time.Duration(cfg.Detect.Storm.Within),
		ClearAfter: time.Duration(cfg.Detect.ClearAfter), // 0: auto
		Logs:       cfg.Detect.Logs.Enabled, LogLines: cfg.Detect.Logs.Lines, TailLines: tailLines, Knowledge: knowledge,
	}}
	for _, o := range cfg.Detect.Overrides {
		p.Overrides = append(p.Overrides, reconciler.Override{Match: scopeOf(o.Match), Threshold: o.Threshold})
	}
	for _, l := range cfg.Detect.Logs.Locations {
		p.Churn.Locations = append(p.Churn.Locations, churn.Location{Match: scopeOf(l.Match), Group: l.Group, Stream: l.Stream})
	}
	return p, nil
}

func scopeOf(m config.Match) fleet.Scope {
	return fleet.Scope{Clusters: m.Clusters, Services: m.Services}
}

// actions are a target's own, and the common ones where it has none of a kind.
func actions(common, own config.Actions) alarm.Actions {
	pick := func(own, common []string) []string {
		if len(own) > 0 {
			return own
		}
		return common
	}
	return alarm.Actions{Alarm: pick(own.Alarm, common.Alarm), OK: pick(own.OK, common.OK)}
}

// currentVersion is the version that runs, for logs, the API, metrics and the User-Agent of requests.
func currentVersion() string {
	info, _ := debug.ReadBuildInfo() // nil is an answer
	return currentBuild(info).Version
}
