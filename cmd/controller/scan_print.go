package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"taskwarden/reconciler/scan"
)

// print writes the report as --output asks: a table for people, json and yaml one document, jsonl one line a service.
func (s *scanning) print(r scan.Report) error {
	switch format := s.a.format("json"); format {
	case "table", "wide":
		p := &scanPage{w: s.a.stdout, r: r, wide: format == "wide"}
		p.all()
		return p.err
	case "jsonl":
		for _, item := range r.Items {
			if err := s.a.printValue(item, format); err != nil {
				return err
			}
		}
		return nil
	default:
		return s.a.printValue(r, format)
	}
}

// scanPage writes the report for people. The first error of writing ends it.
type scanPage struct {
	w    io.Writer
	r    scan.Report
	wide bool
	err  error
}

func (p *scanPage) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, plainText(fmt.Sprintf(format, args...)))
	}
}

func (p *scanPage) all() {
	for _, t := range p.r.Targets {
		whole := "a complete look"
		if !t.Complete {
			whole = "NOT a complete look"
		}
		p.line("%s (%s) at %s: %s, %s, %s; %s; history asked for: %s", t.Target, t.Region, moment(p.r.At), count(t.Clusters, "cluster"),
			count(t.Services, "service"), count(t.Tasks, "task"), whole, scan.Span(time.Duration(p.r.History)*time.Second))
	}
	p.causes()
	p.services()
	p.alarms()
	p.cost()
	p.unseen()
	p.line("")
	p.line("NEXT")
	for _, n := range p.r.Next {
		p.line("  %s", n)
	}
}

// causes shows what churns, a cause at a time.
func (p *scanPage) causes() {
	if len(p.r.Causes) == 0 {
		p.line("")
		p.line("No service is seen to churn, as far back as stated below.")
	}
	for i, c := range p.r.Causes {
		p.line("")
		p.line("CAUSE %d: %s", i+1, causeTitle(c))
		if c.Line != "" {
			p.line("  line      %s", c.Line)
		}
		if c.Image != "" {
			p.line("  image     %s", c.Image)
		}
		for _, s := range p.r.Items {
			if slices.Contains(c.Services, s.Address()) {
				p.churning(s)
			}
		}
	}
}

func causeTitle(c scan.Cause) string {
	explains := fmt.Sprintf("one cause explains %d of %s that churn", c.Explains, count(c.Of, "service"))
	if c.Container == "" {
		return fmt.Sprintf("not known: no evidence names a container; %d of %s that churn", c.Explains, count(c.Of, "service"))
	}
	kind := "container"
	if c.Sidecar {
		kind = "sidecar"
	}
	if c.Signature != "" {
		return fmt.Sprintf("%s %s dies of %s; %s", kind, c.Container, c.Signature, explains)
	}
	return fmt.Sprintf("%s %s ends; %s", kind, c.Container, explains)
}

// churning shows one service with all that is known of it.
func (p *scanPage) churning(s scan.Service) {
	p.line("")
	p.line("  %s  %d/%d running, %s", s.Address(), s.Running, s.Desired, s.TaskDefinition)
	row := func(head, format string, args ...any) { p.line("    %-10s"+format, append([]any{head}, args...)...) }
	if r := s.Rate; r != nil {
		row("rate", "%.2f deaths a task and day (95 %% bounds %.2f to %.2f): %s since %s", r.PerTaskDay, r.Low, r.High, count(r.Deaths, "death"), moment(r.From))
	}
	if l := s.Lifetimes; l != nil {
		row("lifetimes", "%s to %s (p10 to p90), median %s, of %s by %s", seconds(l.P10), seconds(l.P90), seconds(l.P50), count(l.Count, "task"), l.Source)
	}
	if s.Onset != nil {
		p.onset(row, *s.Onset)
	}
	if c := s.Culprit; c != nil {
		row("culprit", "%s", culpritText(*c))
	}
	for _, f := range s.Findings {
		text := fmt.Sprintf("%s %s (%s)", f.Severity, strings.TrimSpace(f.Type+" "+f.Subject), f.Reason)
		if p.wide {
			text += ": " + f.Message
		}
		row("finding", "%s", text)
	}
	advice(row, s)
	row("told", "%s", toldText(s, p.r))
	if s.Owner != "" {
		row("owner", "%s registered %s", s.Owner, s.TaskDefinition)
	}
	for _, source := range s.Sources {
		row("seen", "%s", sourceText(source))
	}
}

// advice shows the settings that were judged, the proof of the ages, and what may help.
func advice(row func(head, format string, args ...any), s scan.Service) {
	for _, set := range s.Settings {
		if len(set.Env) > 0 {
			row("setting", "%s %s (%s): %s", set.Container, strings.Join(set.Env, ", "), set.Rule, set.Message)
		}
	}
	row("proof", "%s", proofText(s))
	for i, c := range s.Cures {
		row(fmt.Sprintf("cure %d", i+1), "%s: %s", strings.ReplaceAll(c.Kind, "_", " "), c.Text)
		row("", "will not cure: %s", c.NotCured)
	}
	if len(s.Cures) > 0 {
		row("", "(what these bring was not measured)")
	}
}

func (p *scanPage) onset(row func(head, format string, args ...any), o scan.Onset) {
	revision := o.Revision
	if revision == "" {
		revision = "a revision that is not known"
	}
	deployed := ""
	if o.Deployed != nil {
		deployed = ", deployed " + moment(*o.Deployed)
	}
	switch o.Began {
	case scan.WithDeployment:
		row("since", "%s, with %s%s", moment(o.FirstDeath), revision, deployed)
	case scan.WithoutDeployment:
		row("since", "%s, while %s had long been in force%s: nothing was deployed then", moment(o.FirstDeath), revision, deployed)
	default:
		row("since", "%s or earlier, which is as far as can be seen; in force then: %s%s", moment(o.FirstDeath), revision, deployed)
	}
	switch {
	case o.Before == "":
		row("changed", "not known: no deployment before it is kept")
	case len(o.Changes) == 0:
		row("changed", "nothing that is kept differs from %s", o.Before)
	}
	for _, c := range o.Changes {
		row("changed", "%s (since %s)", c, o.Before)
	}
}

func culpritText(c scan.Culprit) string {
	text := c.Container
	if c.Image != "" {
		text += ", " + c.Image
	}
	if c.ExitCode != nil {
		text += fmt.Sprintf(", exit %d", *c.ExitCode)
	}
	return text + fmt.Sprintf("; shown by %d of %s examined", c.Shown, count(c.Examined, "death"))
}

func proofText(s scan.Service) string {
	pr := s.Proof
	if pr.Youngest == nil {
		return "no task runs"
	}
	ages := fmt.Sprintf("running tasks started between %s and %s", moment(*pr.Oldest), moment(*pr.Youngest))
	if pr.DeploymentEnded == nil {
		return ages + "; a deployment is under way, or its end is not known"
	}
	return fmt.Sprintf("%s; the last deployment ended %s, so %d of them replaced others", ages, moment(*pr.DeploymentEnded), pr.Younger)
}

func toldText(s scan.Service, r scan.Report) string {
	if i := slices.IndexFunc(r.Targets, func(t scan.Target) bool { return t.Target == s.Target }); i >= 0 && r.Targets[i].Alarms == nil {
		return "unknown: the alarms could not be read"
	}
	if len(s.Alarms) == 0 {
		return "nobody: no alarm watches this service or taskwarden's gauges (composite and metric-math alarms are not looked into)"
	}
	var out []string
	for _, t := range s.Alarms {
		out = append(out, fmt.Sprintf("%s (%s, %s): %s, %s", t.Name, t.State, count(t.Actions, "action"), t.Tells, t.Why))
	}
	return strings.Join(out, "; ")
}

func sourceText(r scan.Reach) string {
	if r.Since == nil {
		return fmt.Sprintf("%s: %s", r.Source, r.Told)
	}
	return fmt.Sprintf("%s since %s: %s", r.Source, moment(*r.Since), r.Told)
}

// services lists every service with how far it was seen.
func (p *scanPage) services() {
	p.line("")
	if p.err != nil || len(p.r.Items) == 0 {
		p.line("No service was seen.")
		return
	}
	w := tabwriter.NewWriter(p.w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tSTATUS\tRUNNING\tDEATHS\tRATE\tSEEN SINCE\tFINDINGS\tWHY")
	for _, s := range p.r.Items {
		cells := []string{s.Address(), s.Status, fmt.Sprintf("%d/%d", s.Running, s.Desired), deathsCell(s), rateCell(s), sinceCell(s), findingsCell(s), s.Reason}
		for i := range cells {
			cells[i] = plainText(cells[i])
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if p.err = w.Flush(); !p.wide {
		return
	}
	for _, s := range p.r.Items {
		if s.Status == scan.Churning {
			continue // its sources stand with its cause
		}
		p.line("")
		p.line("  %s", s.Address())
		for _, source := range s.Sources {
			p.line("    %-10s%s", "seen", sourceText(source))
		}
	}
}

func deathsCell(s scan.Service) string {
	if s.Deaths == 0 && s.SeenSince == nil {
		return "?"
	}
	return fmt.Sprint(s.Deaths)
}

func rateCell(s scan.Service) string {
	if s.Rate == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", s.Rate.PerTaskDay)
}

func sinceCell(s scan.Service) string {
	if s.SeenSince == nil {
		return "-"
	}
	return moment(*s.SeenSince)
}

func findingsCell(s scan.Service) string {
	var out []string
	for _, f := range s.Findings {
		if !slices.Contains(out, f.Type) {
			out = append(out, f.Type)
		}
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ",")
}

func (p *scanPage) alarms() {
	p.line("")
	p.line("ALARMS")
	for _, t := range p.r.Targets {
		if t.Alarms == nil {
			p.line("  %s: could not be read", t.Target)
			continue
		}
		p.line("  %s: %s in all; for each service that churns see \"told\"", t.Target, count(*t.Alarms, "alarm"))
	}
}

func (p *scanPage) cost() {
	p.line("")
	p.line("COST of keeping watch with a controller: about $%.2f a month", p.r.Cost.MonthlyUSD)
	for _, i := range p.r.Cost.Items {
		p.line("  $%-7.2f %s", i.USD, i.What)
	}
	for _, a := range p.r.Cost.Assumes {
		p.line("  assumed: %s", a)
	}
}

// unseen says what is not in the report, and why.
func (p *scanPage) unseen() {
	p.line("")
	p.line("NOT SEEN")
	for _, t := range p.r.Targets {
		if t.Error != "" {
			p.line("  %s: %s", t.Target, t.Error)
		}
	}
	for _, g := range p.r.Gaps {
		where := strings.Join(g.Services[:min(len(g.Services), 3)], ", ")
		if more := len(g.Services) - 3; more > 0 {
			where += fmt.Sprintf(" and %d more", more)
		}
		text := g.Reason
		if g.Action != "" {
			text = "denied: allow the IAM action " + g.Action
		}
		p.line("  %s: %s%s", g.Source, text, strings.TrimRight(" ("+where, " (")+closing(where))
	}
	for _, n := range p.r.NotRead {
		p.line("  not looked at: %s", n)
	}
}

func closing(where string) string {
	if where == "" {
		return ""
	}
	return ")"
}

// count is a number with its noun: "0 tasks", "1 task".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// moment is a time to the minute, in UTC.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

func seconds(s float64) string { return scan.Span(time.Duration(s) * time.Second) }
