package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"taskwarden/console"
	"taskwarden/reconciler/fleet"
)

// column of a table. A wide one is shown only with -o wide.
type column[T any] struct {
	head string
	wide bool
	cell func(T) string
}

var tables = map[string]func(io.Writer, []json.RawMessage, bool) error{
	"findings": tableOf(findingColumns),
	"causes":   tableOf(causeColumns),
	"services": tableOf(serviceColumns),
	"stops":    tableOf(stopColumns),
	"alarms":   tableOf(alarmColumns),
	"rollouts": tableOf(rolloutColumns),
	"audit":    tableOf(auditColumns),
	"targets":  tableOf(targetColumns),
}

var findingColumns = []column[console.Finding]{
	{"SEVERITY", false, func(f console.Finding) string { return f.Severity }},
	{"TYPE", false, func(f console.Finding) string { return f.Type }},
	{"STATUS", false, func(f console.Finding) string { return statusWord(f.Status) }},
	{"SERVICE", false, func(f console.Finding) string { return f.Key().String() }},
	{"CONTAINER", false, func(f console.Finding) string { return f.Container }},
	{"COUNT", false, func(f console.Finding) string { return strconv.Itoa(f.Count) }},
	{"AGE", false, func(f console.Finding) string { return age(f.FirstSeen) }},
	{"LAST SEEN", false, func(f console.Finding) string { return age(f.LastSeen) }},
	{"REASON", false, func(f console.Finding) string { return f.Reason }},
	{"CULPRIT", true, func(f console.Finding) string { return blamed(f).Container }},
	{"SIGNATURE", true, func(f console.Finding) string { return blamed(f).Signature }},
	{"IMAGE", true, func(f console.Finding) string { return blamed(f).Image }},
	{"SETTINGS", true, settingsCell},
	{"RATE", true, perDayCell},
	{"DIES AFTER", true, diesCell},
	{"CLEARS IN", true, clearsCell},
	{"DO FIRST", true, func(f console.Finding) string { return firstCure(f.Cures) }},
	{"CAUSE", true, func(f console.Finding) string { return f.CauseID }},
	{"MESSAGE", true, func(f console.Finding) string { return f.Message }},
	{"HEARD BY", true, heardWord},
}

var serviceColumns = []column[console.Service]{
	{"SERVICE", false, func(s console.Service) string { return s.Key().String() }},
	{"RUNNING", false, func(s console.Service) string { return fmt.Sprintf("%d/%d", s.Running, s.Desired) }},
	{"PENDING", false, func(s console.Service) string { return strconv.Itoa(s.Pending) }},
	{"STOPS", false, func(s console.Service) string { return strconv.Itoa(s.UnplannedStops) }},
	{"DEPLOYING", false, func(s console.Service) string { return yesNo(s.Deploying) }},
	{"SEEN", false, func(s console.Service) string { return age(s.SeenAt) }},
	{"REASON", false, func(s console.Service) string { return s.Reason }},
	{"COMPLETE", true, func(s console.Service) string { return yesNo(s.Complete) }},
	{"FINDINGS", true, func(s console.Service) string { return strings.Join(s.Findings, ",") }},
	{"TASK DEFINITION", true, func(s console.Service) string { return fleet.NameOf(s.TaskDefinition) }},
	{"MESSAGE", true, func(s console.Service) string { return s.Message }},
}

var stopColumns = []column[console.Stop]{
	{"STOPPED", false, func(s console.Stop) string { return age(s.StoppedAt) }},
	{"SERVICE", false, func(s console.Stop) string { return s.Key().String() }},
	{"TASK", false, func(s console.Stop) string { return fleet.NameOf(s.TaskARN) }},
	{"PLANNED", false, func(s console.Stop) string { return yesNo(s.Planned) }},
	{"CAUSE", false, func(s console.Stop) string { return s.Cause }},
	{"CULPRIT", false, func(s console.Stop) string { return culpritWord(s.Culprit) }},
	{"LIFETIME", false, func(s console.Stop) string { return lifetime(s.LifetimeSeconds) }},
	{"SIGNATURE", false, func(s console.Stop) string { return signatureWord(s.Signatures) }},
	{"CONFIDENCE", true, func(s console.Stop) string { return s.Confidence }},
	{"TASK DEFINITION", true, func(s console.Stop) string { return fleet.NameOf(s.TaskDefinition) }},
	{"IMAGE", true, func(s console.Stop) string { return s.Image }},
	{"EVIDENCE", true, func(s console.Stop) string { return strings.Join(s.Evidence, "; ") }},
}

var alarmColumns = []column[console.Alarm]{
	{"TARGET", false, func(a console.Alarm) string { return a.Target }},
	{"KIND", false, func(a console.Alarm) string { return a.Kind }},
	{"SERVICE", true, func(a console.Alarm) string { return strings.TrimSuffix(a.Cluster+"/"+a.Service, "/") }},
	{"STATUS", false, func(a console.Alarm) string { return a.Status }},
	{"STATE", false, func(a console.Alarm) string { return a.State }},
	{"OWNED", false, func(a console.Alarm) string { return yesNo(a.Owned) }},
	{"NAME", false, func(a console.Alarm) string { return a.Name }},
	{"REASON", true, func(a console.Alarm) string { return a.Reason }},
}

var targetColumns = []column[console.Target]{
	{"TARGET", false, func(t console.Target) string { return t.Target }},
	{"READY", false, func(t console.Target) string { return yesNo(t.Ready) }},
	{"COMPLETE", false, func(t console.Target) string { return yesNo(t.Complete) }},
	{"LAST COMPLETE", false, func(t console.Target) string { return age(t.LastComplete) }},
	{"RESYNC", false, func(t console.Target) string { return lifetime(t.ResyncSeconds) }},
	{"CLUSTERS", false, func(t console.Target) string { return strconv.Itoa(t.Clusters) }},
	{"SERVICES", false, func(t console.Target) string { return strconv.Itoa(t.Services) }},
	{"TASKS", false, func(t console.Target) string { return strconv.Itoa(t.Tasks) }},
	{"TROUBLES", false, func(t console.Target) string { return strconv.Itoa(len(t.Troubles)) }},
	{"SWEEP", true, func(t console.Target) string { return fmt.Sprintf("%.1fs, %d calls", t.SweepSeconds, t.SweepCalls) }},
	{"TOLD", true, func(t console.Target) string { return coverageWord(t.Coverage) }},
	{"UNHEARD", true, func(t console.Target) string { return strings.Join(t.Unheard, "; ") }},
	{"COST A MONTH", true, func(t console.Target) string { return costWord(t.Cost) }},
	{"PAUSED", true, func(t console.Target) string { return wordText(t.Paused) }},
	{"IN THE WAY", true, func(t console.Target) string { return strings.Join(t.Troubles, "; ") }},
}

// writeTable aligns the columns. An empty cell shows as "-", so that no column is lost to a reader that splits at blanks.
func writeTable[T any](w io.Writer, columns []column[T], items []T, wide bool) error {
	tw := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	line := func(cell func(column[T]) string) {
		var cells []string
		for _, c := range columns {
			if !c.wide || wide {
				cells = append(cells, plainText(cell(c)))
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t")) // Flush tells of a failed write
	}
	line(func(c column[T]) string { return c.head })
	for _, it := range items {
		line(func(c column[T]) string {
			if s := c.cell(it); s != "" {
				return s
			}
			return "-"
		})
	}
	return tw.Flush()
}

// plainText is text that cannot move a terminal's cursor or break a line: log lines and AWS's reasons are others' words.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

// age is how long ago something was, to two units; "" for never.
func age(t *time.Time) string {
	if t == nil {
		return ""
	}
	return brief(max(0, time.Since(*t)))
}

func lifetime(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return brief(time.Duration(seconds * float64(time.Second)))
}

// brief is a length of time in its two largest units: 45s, 3h12m, 5d2h.
func brief(d time.Duration) string {
	s := int64(d / time.Second)
	for _, u := range []struct {
		size, next  int64
		name, minor string
	}{{86400, 3600, "d", "h"}, {3600, 60, "h", "m"}, {60, 1, "m", "s"}} {
		if s < u.size {
			continue
		}
		out := strconv.FormatInt(s/u.size, 10) + u.name
		if minor := s % u.size / u.next; minor > 0 {
			out += strconv.FormatInt(minor, 10) + u.minor
		}
		return out
	}
	return strconv.FormatInt(s, 10) + "s"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func statusWord(s string) string {
	switch s {
	case "True":
		return "open"
	case "False":
		return "closed"
	}
	return strings.ToLower(s)
}

// heardWord names the alarms that tell of a finding, or says that nobody hears.
func heardWord(f console.Finding) string {
	if f.Unheard != "" {
		return "nobody: " + f.Unheard
	}
	return strings.Join(f.HeardBy, ", ")
}

// coverageWord is how many services have an alarm, by failure.
func coverageWord(all []console.Cover) string {
	var out []string
	for _, c := range all {
		out = append(out, fmt.Sprintf("%s %d/%d", c.Failure, c.Covered, c.Services))
	}
	return strings.Join(out, ", ")
}

// costWord is both bounds, and what a further CloudTrail copy may add.
func costWord(c *console.Cost) string {
	if c == nil {
		return ""
	}
	word, extra := fmt.Sprintf("$%.2f-%.2f", c.LowUSD, c.MonthlyUSD), 0.0
	for _, i := range c.Items {
		if i.Extra {
			extra += i.USD
		}
	}
	if extra > 0 {
		word += fmt.Sprintf(" (+ $%.2f for a second CloudTrail copy)", extra)
	}
	return word
}

func culpritWord(c *console.Culprit) string {
	switch {
	case c == nil:
		return ""
	case c.ExitCode == nil:
		return c.Container
	}
	return fmt.Sprintf("%s (%d)", c.Container, *c.ExitCode)
}

// signatureWord names the fatal signature, else the first.
func signatureWord(all []console.Signature) string {
	for _, s := range all {
		if s.Fatal {
			return s.Name
		}
	}
	if len(all) > 0 {
		return all[0].Name
	}
	return ""
}
