package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"taskwarden/console"
	"taskwarden/reconciler/fleet"
)

var rolloutColumns = []column[console.Rollout]{
	{"ROLLOUT", false, func(r console.Rollout) string { return r.ID }},
	{"SERVICE", false, func(r console.Rollout) string { return r.Key().String() }},
	{"POLICY", false, func(r console.Rollout) string { return r.Policy }},
	{"STATE", false, func(r console.Rollout) string { return stateWord(r) + alikeCell(r) }},
	{"SINCE", false, func(r console.Rollout) string { return age(r.Since) }},
	{"REASON", false, func(r console.Rollout) string { return r.Reason }},
	{"HASH", false, func(r console.Rollout) string { return r.PlanHash }},
	{"FROM", true, func(r console.Rollout) string { return fleet.NameOf(r.BaseRevision) }},
	{"TO", true, func(r console.Rollout) string { return fleet.NameOf(r.NewRevision) }},
	{"CHANGES", true, func(r console.Rollout) string { return changesCell(r.Changes) }},
	{"VERDICT", true, func(r console.Rollout) string { return verdictCell(r.Table) }},
	{"MESSAGE", true, func(r console.Rollout) string { return r.Message }},
	{"REMEDY", true, func(r console.Rollout) string { return r.Remedy }},
}

var auditColumns = []column[console.AuditEntry]{
	{"AT", false, func(e console.AuditEntry) string { return momentOr(e.At, "") }},
	{"BY", false, func(e console.AuditEntry) string { return e.By }},
	{"ACTION", false, func(e console.AuditEntry) string { return e.Action }},
	{"REFUSED", false, func(e console.AuditEntry) string { return yesNo(e.Refused) }},
	{"ON", false, func(e console.AuditEntry) string { return strings.Trim(e.Key().String(), "/") }},
	{"ROLLOUT", false, func(e console.AuditEntry) string { return e.Rollout }},
	{"HASH", true, func(e console.AuditEntry) string { return e.Hash }},
	{"REASON", true, func(e console.AuditEntry) string { return e.Reason }},
	{"TICKET", true, func(e console.AuditEntry) string { return e.Ticket }},
	{"TEXT", false, func(e console.AuditEntry) string { return e.Text }},
}

var changeColumns = []column[console.Change]{
	{"CONTAINER", false, func(c console.Change) string { return c.Container }},
	{"VARIABLE", false, func(c console.Change) string { return c.Name }},
	{"OLD", false, func(c console.Change) string {
		if !c.Existed {
			return "(not set)"
		}
		return cmp.Or(c.Old, "(empty)")
	}},
	{"NEW", false, func(c console.Change) string { return cmp.Or(c.New, "(empty)") }},
}

var rowColumns = []column[console.Row]{
	{"WHAT", false, func(r console.Row) string { return r.What }},
	{"BEFORE", false, func(r console.Row) string { return r.Before }},
	{"AFTER", false, func(r console.Row) string { return r.After }},
}

// stateWord is how a rollout ended, or where it stands.
func stateWord(r console.Rollout) string { return cmp.Or(r.Outcome, r.Phase) }

// alikeCell says that one change serves other services too.
func alikeCell(r console.Rollout) string {
	if r.SameChange == 0 {
		return ""
	}
	return fmt.Sprintf(", as %d more", r.SameChange)
}

func changesCell(all []console.Change) string {
	var out []string
	for _, c := range all {
		out = append(out, fmt.Sprintf("%s: %s=%s", c.Container, c.Name, c.New))
	}
	return strings.Join(out, ", ")
}

func verdictCell(t *console.Table) string {
	switch {
	case t == nil:
		return ""
	case t.Confidence == 0:
		return t.Verdict
	}
	if t.Confidence > 0.999 {
		return t.Verdict + ", more than 99.9 % confidence" // it is never certain
	}
	return fmt.Sprintf("%s, %.1f %% confidence", t.Verdict, 100*t.Confidence)
}

func momentOr(t *time.Time, never string) string {
	if t == nil {
		return never
	}
	return moment(*t)
}

// describeRollout writes a plan as a person needs it to say yes or no, and what became of it.
func describeRollout(w io.Writer, raw json.RawMessage, wide bool) error {
	var d console.RolloutDetail
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("read the rollout: %w", err)
	}
	if err := writeHead(w, rolloutHead(d)); err != nil {
		return err
	}
	if err := section(w, "Changes", changeColumns, d.Changes, wide); err != nil {
		return err
	}
	if err := planPage(w, d); err != nil {
		return err
	}
	if d.Table != nil {
		if err := section(w, "Before and after ("+plainText(verdictCell(d.Table))+")", rowColumns, d.Table.Rows, wide); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, plainText(d.Table.Message)); err != nil {
			return err
		}
	}
	if d.Outcome != "" || d.Phase != "proposed" || d.Handling != "apply" {
		return nil
	}
	_, err := fmt.Fprintf(w, "\nTo say yes: taskwarden approve %s --hash %s\n", plainText(d.ID), plainText(d.PlanHash))
	return err
}

func rolloutHead(d console.RolloutDetail) [][2]string {
	state := stateWord(d.Rollout)
	if d.Since != nil {
		state += fmt.Sprintf(" since %s, %s ago", moment(*d.Since), age(d.Since))
	}
	if d.Outcome == "" && d.Deadline != nil {
		state += ", until " + moment(*d.Deadline)
	}
	why := d.Reason
	if d.Reason != "" && d.Message != "" {
		why += ": "
	}
	waits := ""
	if d.WaitsSince != nil {
		waits = fmt.Sprintf("since %s, %s", moment(*d.WaitsSince), age(d.WaitsSince))
	}
	canary := ""
	if d.Canary {
		canary = "yes, of the policy's first wave"
	}
	return [][2]string{
		{"Rollout", d.ID}, {"Service", d.Key().String()}, {"Policy", d.Policy}, {"State", state}, {"Reason", why + d.Message}, {"Waits", waits}, {"Remedy", d.Remedy},
		{"Plan hash", d.PlanHash}, {"Task definition", fleet.NameOf(d.BaseRevision)}, {"New revision", fleet.NameOf(d.NewRevision)}, {"Canary", canary},
		{"Approved", wordText(d.Approval)}, {"Rollback asked", wordText(d.Order)}, {"Same change", alikeText(d)},
	}
}

// alikeNamed is how many of the services with the same change are named.
const alikeNamed = 20

// alikeText says of which other services the owner makes the same change, or which wait for the same approval.
func alikeText(d console.RolloutDetail) string {
	if len(d.Alike) == 0 {
		return ""
	}
	of := cmp.Or(d.Owner.Name, "an owner that is not known")
	if d.Outcome == "" {
		of = "policy " + d.Policy + " that wait too"
	}
	text := fmt.Sprintf("as %d more of %s: %s", len(d.Alike), of, strings.Join(d.Alike[:min(len(d.Alike), alikeNamed)], ", "))
	if n := len(d.Alike) - alikeNamed; n > 0 {
		text += fmt.Sprintf(" and %d others", n)
	}
	return text
}

func wordText(o *console.Word) string {
	if o == nil {
		return ""
	}
	text := "by " + o.By + ", " + momentOr(o.At, "at an unknown time")
	if o.Ticket != "" {
		text += ", " + o.Ticket
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

func planPage(w io.Writer, d console.RolloutDetail) error {
	var b strings.Builder
	b.WriteString("\nPlan:\n")
	p := findingPage{&b}
	p.rows("why", d.Why)
	p.rows("expected", d.Expected)
	p.rows("lost", d.Lost)
	p.row("decides", d.Power)
	owner := cmp.Or(d.Owner.Name, d.Owner.State)
	if d.Owner.Name != "" && d.Owner.State != "owned" {
		owner += " (" + d.Owner.State + ")"
	}
	p.rows("owner", append([]string{owner + ", so the policy says: " + d.Handling}, d.Owner.Evidence...))
	p.rows("untouched", d.LeftAlone)
	p.rows("instead", d.Cures)
	_, err := io.WriteString(w, b.String())
	return err
}

// rows writes several texts under one heading.
func (p findingPage) rows(head string, texts []string) {
	for _, text := range texts {
		p.row(head, text)
		head = ""
	}
}
