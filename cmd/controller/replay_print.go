package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/finding"
)

// occurred heads each line of a replay.
type occurred struct {
	At    time.Time `json:"at"`
	Event string    `json:"event"` // recording, start, stop, explained, finding, gauge, alarm
}

type recordingRow struct {
	occurred
	Format  int    `json:"format"`
	Version string `json:"version"` // of the program that recorded
}

type startRow struct {
	occurred
	Targets []string `json:"targets"`
	Judged  string   `json:"judgedBy"` // where the configuration came from
}

type stopRow struct {
	occurred
	console.Stop
}

type findingRow struct {
	occurred
	console.Finding
	From         string `json:"from,omitempty"`         // status before; left out: never seen before
	FromSeverity string `json:"fromSeverity,omitempty"` // same
}

type gaugeRow struct {
	occurred
	Target     string            `json:"target,omitempty"` // left out: the controller's own account
	Metric     string            `json:"metric"`
	Dimensions map[string]string `json:"dimensions"`
	Value      *float64          `json:"value"` // each minute from now on; null: nothing any more
}

type alarmRow struct {
	occurred
	console.Alarm
	Written bool `json:"written"` // the configuration allows it
}

type summaryRow struct {
	Event     string            `json:"event"`
	From      time.Time         `json:"from"`
	To        time.Time         `json:"to"`
	JudgedBy  string            `json:"judgedBy"`
	Cut       string            `json:"cut,omitempty"`
	Looks     int               `json:"looks"`
	Partial   int               `json:"partialLooks"`
	Services  int               `json:"services"`
	Planned   int               `json:"plannedStops"`
	Unplanned int               `json:"unplannedStops"`
	Causes    map[string]int    `json:"causes"`
	Opened    map[string]int    `json:"opened"`
	Closed    map[string]int    `json:"closed"`
	Open      []console.Finding `json:"open"` // at the end
}

// timeline prints a replay as --output asks: jsonl as it goes, the others at the end.
type timeline struct {
	a      *app
	format string
	source string
	rows   []any
	cells  [][4]string
}

func (t *timeline) add(m reconciler.Moment) error {
	row := t.rowOf(m)
	switch t.format {
	case "jsonl":
		return t.a.printValue(row, "jsonl")
	case "table", "wide":
		t.cells = append(t.cells, cellsOf(row))
	default:
		t.rows = append(t.rows, row)
	}
	return nil
}

func (t *timeline) rowOf(m reconciler.Moment) any {
	head := func(event string) occurred { return occurred{m.At.UTC(), event} }
	switch {
	case m.Recording != nil:
		return recordingRow{head("recording"), m.Recording.Format, m.Recording.Version}
	case m.Start != nil:
		r := startRow{head("start"), []string{}, t.source}
		for _, target := range m.Start.Targets {
			r.Targets = append(r.Targets, target.Name)
		}
		return r
	case m.Stop != nil && m.Refined:
		return stopRow{head("explained"), console.StopItem(*m.Stop)}
	case m.Stop != nil:
		return stopRow{head("stop"), console.StopItem(*m.Stop)}
	case m.Finding != nil:
		return findingRow{head("finding"), console.FindingItem(m.Finding.Finding), string(m.Finding.From), string(m.Finding.FromSeverity)}
	case m.Gauge != nil:
		r := gaugeRow{head("gauge"), m.Gauge.Target, m.Gauge.Metric, map[string]string{}, m.Gauge.Value}
		for _, d := range m.Gauge.Dimensions {
			r.Dimensions[d.Name] = d.Value
		}
		return r
	}
	return alarmRow{head("alarm"), console.AlarmItem(m.Alarm.AlarmReport), m.Alarm.Written}
}

func (t *timeline) close(s reconciler.Summary) error {
	sum := t.summaryOf(s)
	switch t.format {
	case "jsonl":
		return t.a.printValue(sum, "jsonl")
	case "table", "wide":
		return t.table(sum)
	}
	if t.rows == nil {
		t.rows = []any{}
	}
	return t.a.printValue(map[string]any{"items": t.rows, "summary": sum}, t.format)
}

func (t *timeline) summaryOf(s reconciler.Summary) summaryRow {
	out := summaryRow{Event: "summary", From: s.From.UTC(), To: s.To.UTC(), JudgedBy: t.source, Cut: s.Cut, Looks: s.Looks, Partial: s.Partial,
		Services: s.Services, Planned: s.Planned, Unplanned: s.Unplanned, Causes: counted(s.Causes), Opened: counted(s.Opened),
		Closed: counted(s.Closed), Open: []console.Finding{}}
	for _, f := range s.Open {
		out.Open = append(out.Open, console.FindingItem(f))
	}
	return out
}

func counted[K ~string](by map[K]int) map[string]int {
	out := map[string]int{}
	for k, n := range by {
		out[string(k)] = n
	}
	return out
}

// cellsOf is a row for a person: time, event, whose, what, and why.
func cellsOf(row any) [4]string {
	switch r := row.(type) {
	case recordingRow:
		return [4]string{clock(r.At), "", "recorded by taskwarden " + r.Version, ""}
	case startRow:
		return [4]string{clock(r.At), strings.Join(r.Targets, ","), "the controller begins, judging by " + r.Judged, ""}
	case stopRow:
		return [4]string{clock(r.At), r.Key().String(), stopWords(r), strings.Join(r.Evidence, "; ")}
	case findingRow:
		return [4]string{clock(r.At), r.Key().String(), findingWords(r), r.Message}
	case gaugeRow:
		return [4]string{clock(r.At), gaugeAddress(r), gaugeWords(r), ""}
	case alarmRow:
		what := fmt.Sprintf("alarm %s is %s", r.Kind, r.Status)
		if r.Written {
			what += ", and is written"
		}
		return [4]string{clock(r.At), r.Target, what, r.Reason}
	}
	return [4]string{}
}

func clock(at time.Time) string { return at.Format("2006-01-02 15:04:05") }

func stopWords(r stopRow) string {
	what := "unplanned stop"
	if r.Planned {
		what = "planned stop"
	}
	if r.Event == "explained" {
		what += " explained"
	}
	what += ": " + r.Cause
	if r.Culprit != nil {
		what += " by " + culpritWord(r.Culprit)
	}
	if s := signatureWord(r.Signatures); s != "" {
		what += ", " + s
	}
	if life := lifetime(r.LifetimeSeconds); life != "" {
		what += ", after " + life
	}
	return what
}

func findingWords(r findingRow) string {
	name := r.Type
	if r.Container != "" {
		name += " " + r.Container
	}
	was := finding.Finding{Status: finding.Status(cmp.Or(r.From, string(finding.False)))}
	switch {
	case !r.Open():
		return name + " closes"
	case r.Status == string(finding.Unknown):
		return name + " is unknown: the view is not whole"
	case !was.Open():
		return fmt.Sprintf("%s opens, %s (%s)", name, r.Severity, r.Reason)
	case r.FromSeverity != r.Severity:
		return fmt.Sprintf("%s is %s, was %s", name, r.Severity, r.FromSeverity)
	}
	return fmt.Sprintf("%s is open, %s (%s)", name, r.Severity, r.Reason)
}

func gaugeAddress(r gaugeRow) string {
	return strings.TrimSuffix(strings.Join([]string{r.Target, r.Dimensions["ClusterName"], r.Dimensions["ServiceName"]}, "/"), "//")
}

func gaugeWords(r gaugeRow) string {
	name := "gauge " + r.Metric
	if c := r.Dimensions["ContainerName"]; c != "" {
		name += " " + c
	}
	if r.Value == nil {
		return name + " falls silent"
	}
	return fmt.Sprintf("%s says %g", name, *r.Value)
}

func (t *timeline) table(s summaryRow) error {
	columns := []column[[4]string]{
		{"TIME", false, func(c [4]string) string { return c[0] }},
		{"ON", false, func(c [4]string) string { return c[1] }},
		{"WHAT", false, func(c [4]string) string { return c[2] }},
		{"WHY", true, func(c [4]string) string { return c[3] }},
	}
	if err := writeTable(t.a.stdout, columns, t.cells, t.format == "wide"); err != nil {
		return err
	}
	_, err := fmt.Fprint(t.a.stdout, "\n"+s.text())
	return err
}

// text is the summary for a person.
func (s summaryRow) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s from %s, judged by %s: %d whole looks, %d partial ones, %d services at the end.\n",
		brief(s.To.Sub(s.From)), clock(s.From), s.JudgedBy, s.Looks, s.Partial, s.Services)
	fmt.Fprintf(&out, "Stops: %d unplanned, %d planned (%s).\n", s.Unplanned, s.Planned, tally(s.Causes))
	fmt.Fprintf(&out, "Findings opened: %s; closed: %s.\n", tally(s.Opened), tally(s.Closed))
	if s.Cut != "" {
		fmt.Fprintf(&out, "Cut: %s.\n", s.Cut)
	}
	for _, f := range s.Open {
		fmt.Fprintf(&out, "Open at the end: %s %s %s: %s\n", f.Severity, f.Type, plainText(f.Key().String()), plainText(f.Message))
	}
	return out.String()
}

func tally(by map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%d %s", by[name], name))
	}
	return cmp.Or(plainText(strings.Join(parts, ", ")), "none")
}
