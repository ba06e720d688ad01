package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"taskwarden/console"
	"taskwarden/reconciler/finding"
)

// pageWidth is how wide described findings are: they are read in terminals and pasted into tickets.
const pageWidth = 100

// pageHead is how wide the column of headings is, with its indent.
const pageHead = 15

// describeFindings shows findings whole: here is the place where somebody reads what, since when, how often, who, by which
// line, of which version, under which setting, what to do in which order, and what that will not cure.
func describeFindings(w io.Writer, findings []console.Finding, wide bool) error {
	if len(findings) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("\nFindings:\n")
	told := map[string]string{} // by cause: the finding that tells it
	for i, f := range findings {
		if i > 0 {
			b.WriteString("\n")
		}
		on := ""
		if f.Container != "" {
			on = " of " + f.Container
		}
		fmt.Fprintf(&b, "  %s\n", plainText(fmt.Sprintf("%s%s: %s, %s (%s)", f.Type, on, f.Severity, statusWord(f.Status), f.Reason)))
		p := findingPage{&b}
		p.when(f)
		if by := told[f.CauseID]; by != "" {
			p.row("who", fmt.Sprintf("the same cause as of %s above, with the same to do", by))
		} else {
			p.who(f)
			p.advice(f)
			told[f.CauseID] = f.Type + on
		}
		p.rest(f, wide)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// findingPage writes rows of a heading and a wrapped text.
type findingPage struct{ b *strings.Builder }

// row writes one row; an empty text writes none.
func (p findingPage) row(head, text string) {
	if text == "" {
		return
	}
	for i, line := range wrapped(plainText(text), pageWidth-pageHead) {
		if i > 0 {
			head = ""
		}
		fmt.Fprintf(p.b, "    %-*s%s\n", pageHead-4, head, line)
	}
}

// wrapped breaks a text at blanks; a word longer than a line keeps a line to itself.
func wrapped(text string, width int) []string {
	var out []string
	for word := range strings.FieldsSeq(text) {
		if n := len(out); n > 0 && len([]rune(out[n-1]))+1+len([]rune(word)) <= width {
			out[n-1] += " " + word
			continue
		}
		out = append(out, word)
	}
	return out
}

func (p findingPage) when(f console.Finding) {
	p.row("what", f.Message)
	since := ""
	if f.FirstSeen != nil {
		since = fmt.Sprintf("%s, %s ago", moment(*f.FirstSeen), age(f.FirstSeen))
	}
	p.row("since", since)
	often := fmt.Sprintf("%d times", f.Count)
	if f.Count == 1 {
		often = "once"
	}
	if r := f.Rate; r != nil {
		often += fmt.Sprintf("; %d since %s, which is %.2f a task and day (95 %% bounds %.2f to %.2f, over %.1f task days)",
			r.Deaths, moment(r.From), r.PerTaskDay, r.Low, r.High, r.TaskDays)
	}
	p.row("how often", often)
	if l := f.Lifetimes; l != nil {
		p.row("dies", fmt.Sprintf("%s to %s after its start (the middle 80 %%), median %s, 95 %% by %s; seen of %d that died and %d that lived on",
			lifetime(l.P10), lifetime(l.P90), lifetime(l.P50), lifetime(l.P95), l.Deaths, l.Alive))
	}
}

func (p findingPage) who(f console.Finding) {
	c := blamed(f)
	if c.Container != "" {
		who := c.Container
		if c.Sidecar {
			who = "sidecar " + who
		}
		if c.Agent != "" {
			who += " (" + c.Agent + ")"
		}
		if c.ExitCode != nil {
			who += fmt.Sprintf(", exit %d", *c.ExitCode)
		}
		if c.Of > 0 {
			who += fmt.Sprintf(", in %d of %d deaths", c.Explains, c.Of)
		}
		p.row("who", who)
	}
	p.row("log line", c.Line)
	if c.LogGroup != "" {
		p.row("read in", c.LogGroup+" "+c.LogStream)
	}
	p.row("version", strings.TrimSpace(c.Image+" "+c.ImageDigest))
	for _, d := range c.Defects {
		fixed := "not fixed yet"
		if d.FixedIn != "" {
			fixed = "fixed in " + d.FixedIn
		}
		p.row("known bug", fmt.Sprintf("%s (%s), %s; %s", d.Crash, d.Ref, fixed, speaks[d.Match]))
	}
	for _, s := range c.Settings {
		p.row("setting", fmt.Sprintf("%s: %s", strings.Join(append([]string{s.Container}, s.Env...), " "), s.Message))
	}
	for _, u := range c.Unseen {
		p.row("not seen", u)
	}
}

// speaks says what makes a known defect a suspect.
var speaks = map[string]string{"trace": "the crash's trace names it", "signature": "the log ends in such a crash", "version": "this version has it, and no log line tells"}

func (p findingPage) advice(f console.Finding) {
	for i, c := range f.Cures {
		p.row(fmt.Sprintf("do %d", i+1), strings.ReplaceAll(c.Kind, "_", " ")+": "+c.Text)
		if c.NotCured != "" {
			p.row("", "will not cure "+c.NotCured)
		}
	}
	if len(f.Cures) > 0 {
		p.row("", "(none of this was measured here)")
	}
}

func (p findingPage) rest(f console.Finding, wide bool) {
	if f.ClearsAt != nil {
		p.row("over", moment(*f.ClearsAt)+", unless it happens again; a deployment begins the count afresh")
	}
	p.row("cause", f.CauseID+": 'taskwarden get findings --by cause' shows what else has it")
	for _, e := range f.Evidence {
		p.row("evidence", e)
	}
	if !wide {
		return
	}
	for _, line := range blamed(f).Tail {
		p.row("log", line)
	}
	for _, t := range f.Traits {
		if t.Value != "" {
			p.row(t.Name, fmt.Sprintf("%s: %d died, %d run", t.Value, t.Deaths, t.Alive))
		}
	}
}

var causeColumns = []column[console.Cause]{
	{"SEVERITY", false, func(c console.Cause) string { return c.Severity }},
	{"CAUSE", false, func(c console.Cause) string { return c.CauseID }},
	{"TARGET", false, func(c console.Cause) string { return c.Target }},
	{"CULPRIT", false, func(c console.Cause) string { return c.Cause.Container }},
	{"SIGNATURE", false, func(c console.Cause) string { return c.Cause.Signature }},
	{"SERVICES", false, func(c console.Cause) string { return fmt.Sprint(len(c.Services)) }},
	{"COUNT", false, func(c console.Cause) string { return fmt.Sprint(c.Count) }},
	{"AGE", false, func(c console.Cause) string { return age(c.FirstSeen) }},
	{"TYPES", false, func(c console.Cause) string { return strings.Join(c.Types, ",") }},
	{"IN COMMON", false, func(c console.Cause) string { return sharedWord(c.Shared) }},
	{"IMAGE", true, func(c console.Cause) string { return c.Cause.Image }},
	{"DO FIRST", true, func(c console.Cause) string { return firstCure(c.Cures) }},
	{"WHERE", true, func(c console.Cause) string { return strings.Join(c.Services, ",") }},
}

func sharedWord(all []console.Shared) string {
	var out []string
	for _, s := range all {
		out = append(out, s.Text)
	}
	return strings.Join(out, "; ")
}

func firstCure(cures []finding.Cure) string {
	if len(cures) == 0 {
		return ""
	}
	return cures[0].Text
}

// Cells of a finding's wide columns.

// blamed is a finding's cause; the zero one where none is known.
func blamed(f console.Finding) finding.Cause {
	if f.Cause == nil {
		return finding.Cause{}
	}
	return *f.Cause
}

func perDayCell(f console.Finding) string {
	if f.Rate == nil {
		return ""
	}
	return fmt.Sprintf("%.2f", f.Rate.PerTaskDay)
}

func diesCell(f console.Finding) string {
	if f.Lifetimes == nil {
		return ""
	}
	return lifetime(f.Lifetimes.P10) + "-" + lifetime(f.Lifetimes.P90)
}

func settingsCell(f console.Finding) string {
	var out []string
	for _, s := range blamed(f).Settings {
		for _, e := range s.Env {
			if !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
	}
	return strings.Join(out, " ")
}

func clearsCell(f console.Finding) string {
	if f.ClearsAt == nil || time.Until(*f.ClearsAt) <= 0 {
		return ""
	}
	return brief(time.Until(*f.ClearsAt))
}
