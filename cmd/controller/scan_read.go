package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"taskwarden/cmd/controller/config"
	"taskwarden/contain"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/scan"
)

const (
	targetsAtOnce  = 4
	servicesAtOnce = 8
	tellEvery      = 100 // services
	// readRounds bounds how often one service is asked what else it wants; each answer leads to the next want.
	readRounds = 12
)

// look reads every target and puts the report together.
func (s *scanning) look(ctx context.Context) (scan.Report, error) {
	targets := s.cfg.Targets
	if len(targets) == 0 {
		targets = []config.Target{{Name: "default"}}
	}
	report := scan.Report{At: time.Now().UTC().Truncate(time.Second), History: s.history.Seconds()}
	budgets := cloud.NewBudgets(s.flags.budget)
	all := make([]*targetScan, len(targets))
	group := contain.NewGroup(targetsAtOnce)
	for i, t := range targets {
		all[i] = s.open(t, budgets)
		group.Go(contain.Command, "the look at "+t.Name, func() error { all[i].sweep(ctx); return nil }, all[i].panicked)
	}
	_ = group.Wait() // each target carries its own error
	if err := cmp.Or(ctx.Err(), s.chooseService(all), unreachable(all)); err != nil {
		return report, err
	}
	var services []scan.Service
	for _, t := range all {
		judged, err := t.judge(ctx, report.At)
		if err != nil {
			return report, err
		}
		services = append(services, judged...)
		report.Targets = append(report.Targets, t.report)
		report.Gaps = append(report.Gaps, t.holes...)
		report.Unheard = append(report.Unheard, t.unheard...)
	}
	if err := ctx.Err(); err != nil {
		return report, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return scan.Compose(report, services, time.Duration(s.cfg.Watch.Resync)), nil
}

// unreachable is the error of all targets, if no cluster of any could be read.
func unreachable(all []*targetScan) error {
	var errs []error
	for _, t := range all {
		if t.reached {
			return nil
		}
		errs = append(errs, fmt.Errorf("target %s: %w", t.report.Target, cmp.Or(t.err, errors.New("no cluster is there to be looked at"))))
	}
	return errors.Join(errs...)
}

// chooseService keeps the one service that --service means.
func (s *scanning) chooseService(all []*targetScan) error {
	if s.flags.service == "" {
		return nil
	}
	var keys []fleet.Key
	for _, t := range all {
		for _, o := range t.services {
			keys = append(keys, o.Key)
		}
	}
	slices.SortFunc(keys, fleet.Key.Compare)
	found := scan.Matching(keys, s.flags.service)
	switch {
	case len(found) > 1:
		list := ""
		for _, k := range found {
			list += "\n  " + k.String()
		}
		return usageError("--service: %q means more than one service:%s", s.flags.service, list)
	case len(found) == 0:
		if err := unreachable(all); err != nil {
			return err
		}
		return fmt.Errorf("no service %q was seen: is the cluster watched, and the region right?", s.flags.service)
	}
	for _, t := range all {
		t.services = slices.DeleteFunc(t.services, func(o fleet.Observation) bool { return o.Key != found[0] })
	}
	return nil
}

// targetScan is the look at one target.
type targetScan struct {
	*scanning
	account  *cloud.Account
	report   scan.Target
	err      error // the first reason why the look is not whole
	reached  bool  // some cluster was read
	services []fleet.Observation
	holes    []scan.Hole
	unheard  []scan.Unheard

	mu          sync.Mutex
	events      map[string][]fleet.ServiceEvent // by service ARN
	definitions map[string]fleet.Definition
	closed      map[scan.Source]*scan.Gap // sources that are denied, so that not every service asks them
}

func (s *scanning) open(t config.Target, budgets *cloud.Budgets) *targetScan {
	out := &targetScan{scanning: s, report: scan.Target{Target: t.Name}, events: map[string][]fleet.ServiceEvent{}, definitions: map[string]fleet.Definition{},
		closed: map[scan.Source]*scan.Gap{}}
	out.account = cloud.New(s.base, cloud.Options{
		Target: t.Name, Region: t.Region, RoleARN: t.RoleARN, ExternalID: t.ExternalID, Scope: s.scopeOf(t), Budgets: budgets,
		Allow:     map[cloud.Class]bool{cloud.Read: true, cloud.Evidence: s.cfg.Detect.Logs.Enabled},
		AllowList: allowList(s.cfg), Events: out.keepEvents,
	})
	out.report.Region = out.account.Region()
	return out
}

func (t *targetScan) keepEvents(service string, events []fleet.ServiceEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events[service] = events
}

func (t *targetScan) progress(format string, args ...any) {
	t.stderr.Lock()
	defer t.stderr.Unlock()
	fmt.Fprintf(t.a.stderr, "scan: %s: %s\n", plainText(t.report.Target), fmt.Sprintf(format, args...))
}

// sweep looks at all clusters once.
func (t *targetScan) sweep(ctx context.Context) {
	t.progress("listing clusters, services and tasks in %s", t.report.Region)
	sweep := t.account.Sweep(ctx, func(c fleet.Cluster) {
		t.reached = t.reached || c.Seen.Complete || len(c.Services)+len(c.Tasks) > 0
		t.report.Services += len(c.Services)
		t.report.Tasks += len(c.Tasks)
		by := map[string][]fleet.Task{}
		for _, task := range c.Tasks {
			by[task.ServiceName()] = append(by[task.ServiceName()], task)
		}
		for _, service := range c.Services {
			key := fleet.Key{Target: t.report.Target, Cluster: c.Name, Service: service.Name}
			t.services = append(t.services, fleet.Observation{Key: key, Seen: c.Seen, Service: service, Tasks: by[service.Name]})
		}
	})
	t.err = sweep.Err
	t.reached = t.reached || sweep.Err == nil
	t.report.Complete, t.report.Clusters, t.report.Calls = sweep.Complete, len(sweep.Clusters), sweep.Calls
	if sweep.Err != nil {
		t.report.Error, t.report.Action = sweep.Err.Error(), fleet.DeniedAction(sweep.Err)
	}
	t.progress("%s, %s, %s", count(t.report.Clusters, "cluster"), count(t.report.Services, "service"), count(t.report.Tasks, "task"))
}

// panicked notes that the look at the target ended with a panic.
func (t *targetScan) panicked(err error) {
	if err != nil {
		t.err, t.report.Error = err, err.Error()
	}
}

// judge reads each service's history as far as it wants it, and judges. A service that cannot be judged for a panic fails the
// scan: a report without it would read as if it were fine.
func (t *targetScan) judge(ctx context.Context, now time.Time) ([]scan.Service, error) {
	out := make([]scan.Service, len(t.services))
	var (
		group = contain.NewGroup(servicesAtOnce)
		read  int
		done  atomic.Int64
	)
	for i, o := range t.services {
		group.Go(contain.Command, o.Key.String(), func() error {
			f := scan.NewFacts(o, t.events[o.Service.ARN])
			if t.read(ctx, &f, now) {
				t.mu.Lock()
				read++
				t.mu.Unlock()
			}
			out[i] = scan.Judge(f, t.policyOf(o.Key), now)
			if n := done.Add(1); n%tellEvery == 0 {
				t.progress("%d of %s judged", n, count(len(t.services), "service"))
			}
			return nil
		}, nil)
	}
	if err := group.Wait(); err != nil { // what could not be read is in each service's gaps
		return nil, err
	}
	t.progress("read the history of %s", count(read, "service"))
	t.cover(ctx, out)
	return out, nil
}

// cover says which alarms concern the services that lose tasks, what they cover, and which findings reach nobody. Tags are
// of no use here, and cost a call each.
func (t *targetScan) cover(ctx context.Context, services []scan.Service) {
	have, err := t.account.Alarms(ctx, nil)
	if err != nil {
		t.holes = append(t.holes, scan.Hole{Gap: *gapOf(scan.Alarms, err), Services: []string{}})
		return
	}
	n := len(have)
	t.report.Alarms = &n
	beside := map[fleet.Key]alarm.Place{}
	for _, o := range t.services {
		var p alarm.Place
		for _, arn := range o.Service.TargetGroups {
			p.TargetGroups = append(p.TargetGroups, fleet.ResourceOf(arn))
		}
		if d, ok := t.definitions[o.Service.TaskDefinition]; ok {
			p.LogGroups = d.LogGroups()
		}
		beside[o.Key] = p
	}
	index := alarm.NewIndex(have, alarm.Facts{Topics: t.topics(ctx, have)})
	t.report.Coverage, t.unheard = scan.Alarmed(services, index, beside)
}

// topics reads whom the alarms' topics reach. What cannot be read stays unknown: ReadOnlyAccess holds it, and a narrower
// policy need not.
func (t *targetScan) topics(ctx context.Context, have []alarm.Have) map[string]alarm.Topic {
	out := map[string]alarm.Topic{}
	for _, arn := range alarm.Topics(have) {
		topic, err := t.account.Topic(ctx, arn)
		if err != nil {
			t.progress("topics of alarms cannot be read, so whether they reach anybody is not known: %v", err)
			break
		}
		out[arn] = topic
	}
	return out
}

// read fetches what a service wants until it wants nothing more, and reports whether it wanted anything.
func (t *targetScan) read(ctx context.Context, f *scan.Facts, now time.Time) (any bool) {
	p := t.policyOf(f.Key)
	for range readRounds {
		wants := scan.Wants(*f, p, now)
		if len(wants) == 0 || ctx.Err() != nil {
			return any
		}
		any = true
		for source, part := range bySource(wants) {
			t.fetch(ctx, f, source, part)
		}
	}
	return any
}

// bySource puts wants of one source together, in order.
func bySource(wants []scan.Want) func(yield func(scan.Source, []scan.Want) bool) {
	slices.SortStableFunc(wants, scan.Want.Compare)
	return func(yield func(scan.Source, []scan.Want) bool) {
		for len(wants) > 0 {
			n := slices.IndexFunc(wants, func(w scan.Want) bool { return w.Source != wants[0].Source })
			if n < 0 {
				n = len(wants)
			}
			if !yield(wants[0].Source, wants[:n]) {
				return
			}
			wants = wants[n:]
		}
	}
}

// gapIn is what stands in the way of a source: the error, and once it was denied, that.
func (t *targetScan) gapIn(source scan.Source, err error) *scan.Gap {
	t.mu.Lock()
	defer t.mu.Unlock()
	gap := gapOf(source, err)
	if gap != nil && gap.Action != "" {
		t.closed[source] = gap
	}
	return gap
}

func (t *targetScan) isClosed(source scan.Source) *scan.Gap {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed[source]
}

// fetch reads the wants of one source into the facts. What fails is noted as a gap, and not asked again.
func (t *targetScan) fetch(ctx context.Context, f *scan.Facts, source scan.Source, wants []scan.Want) {
	if gap := t.isClosed(source); gap != nil {
		for _, w := range wants {
			f.Answered(w, gap)
		}
		return
	}
	arns := make([]string, 0, len(wants))
	for _, w := range wants {
		arns = append(arns, w.ARN)
	}
	var err error
	switch source {
	case scan.Deployments:
		f.Deployments, err = t.account.Deployments(ctx, f.Cluster, f.Service.ARN, wants[0].From)
	case scan.Replaced:
		var described []fleet.ServiceDeployment
		described, err = t.account.DescribeDeployments(ctx, arns)
		f.Describe(described)
	case scan.Revisions:
		var revisions []fleet.ServiceRevision
		revisions, err = t.account.Revisions(ctx, arns)
		for _, r := range revisions {
			f.Revisions[r.ARN] = r
		}
	default:
		for _, w := range wants {
			f.Answered(w, t.gapIn(source, t.fetchOne(ctx, f, w)))
		}
		return
	}
	gap := t.gapIn(source, err)
	for _, w := range wants {
		f.Answered(w, gap)
	}
}

func (t *targetScan) fetchOne(ctx context.Context, f *scan.Facts, w scan.Want) error {
	switch w.Source {
	case scan.Definitions:
		d, err := t.definition(ctx, w.ARN)
		if err == nil {
			f.Definitions[w.ARN] = d
		}
		return err
	case scan.LogLines:
		tail, err := t.account.Tail(ctx, w.Ref, w.From, time.Time{}, t.policies.Churn.LogLines)
		f.Logs[w.Ref] = tail
		return err
	case scan.LogStreams:
		stream, err := t.account.Stream(ctx, w.Ref)
		f.Streams[w.Ref] = stream
		return err
	}
	return fmt.Errorf("a scan cannot read %s", w.Source)
}

// definition reads each task definition once.
func (t *targetScan) definition(ctx context.Context, arn string) (fleet.Definition, error) {
	t.mu.Lock()
	d, ok := t.definitions[arn]
	t.mu.Unlock()
	if ok {
		return d, nil
	}
	d, err := t.account.Definition(ctx, arn)
	if err == nil {
		t.mu.Lock()
		t.definitions[arn] = d
		t.mu.Unlock()
	}
	return d, err
}

// gapOf is what stands in the way; nil for nothing. What AWS does not know any more is an answer.
func gapOf(source scan.Source, err error) *scan.Gap {
	if err == nil || errors.Is(err, fleet.ErrNotFound) {
		return nil
	}
	return &scan.Gap{Source: source, Action: fleet.DeniedAction(err), Reason: err.Error()}
}
