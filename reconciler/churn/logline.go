package churn

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"taskwarden/reconciler/mask"
	"taskwarden/reconciler/regex"
)

// level is how bad a logger said its line is; none where no logger wrote it: a runtime that dies, or plain print.
type level int

const (
	none level = iota
	debug
	info
	warn
	bad // error
	worst
)

// record is one message of a log, freed of what loggers and relays put around it.
type record struct {
	line    int // index of the line it came from
	text    string
	folded  string // text as expressions look for words in it
	level   level
	stamped bool      // Go's standard logger wrote it: it has no levels
	at      time.Time // zero: none was found
}

// say sets the message.
func (r *record) say(text string) { r.text, r.folded = text, regex.Fold(text) }

// shows tells whether the message matches.
func (r record) shows(x regex.Expression) bool { return x.Match(r.text, r.folded) }

// maxRecord bounds what is looked at of one line: headers of crashes are short.
const maxRecord = 16 << 10

// read splits lines into records, oldest first even if the lines came newest first.
func read(lines []string) []record {
	var out []record
	for i, l := range lines {
		out = append(out, recordsOf(i, l)...)
	}
	if reversed(out) {
		slices.Reverse(out)
	}
	return out
}

var syslogEscape = regexp.MustCompile(`#0(11|12|15|33\[[0-9;]*m)`)

func recordsOf(i int, l string) []record {
	l = mask.WithoutColours(l[:min(len(l), maxRecord)])
	l = strings.ToValidUTF8(l, "")
	if strings.Contains(l, "#0") {
		l = syslogEscape.ReplaceAllStringFunc(l, func(s string) string {
			switch s[:4] {
			case "#011":
				return "\t"
			case "#012":
				return "\n"
			}
			return ""
		})
	}
	r := record{line: i, text: strings.TrimRight(l, "\r\n \t")}
	r.strip()
	var out []record
	for part := range strings.SplitSeq(r.text, "\n") {
		next := r
		next.say(strings.TrimRight(part, "\r "))
		out = append(out, next)
	}
	return out
}

// prefixes are what loggers, consoles and relays put in front of a message. Each is anchored; they are taken off in any
// order until none fits.
var prefixes = []struct {
	re   *regexp.Regexp
	take func(r *record, m []string)
}{
	{regexp.MustCompile(`^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?) +`), func(r *record, m []string) { r.at, r.stamped = stamp(m[1]), true }},
	{regexp.MustCompile(`^\[?(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?\]?(?:\s+|$|:\s)`), func(r *record, m []string) { r.at = stamp(m[1]) }},
	{regexp.MustCompile(`^\d\d:\d\d:\d\d(?:[.,]\d+)?\s+`), nil},
	{regexp.MustCompile(`^\d{13}(?:,"?|\s+)`), nil}, // milliseconds, as exports of CloudWatch Logs have them
	{regexp.MustCompile(`^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[\w.-]+ [\w./-]+(?:\[\d+\])?: )?`), nil},
	{regexp.MustCompile(`^(?:stdout|stderr) [FP] `), nil},             // container runtime interface
	{regexp.MustCompile(`^[\w.-]+/[\w.-]+/[0-9a-f-]{32,36}\s+`), nil}, // a stream's name, as "aws logs tail" shows it
	{regexp.MustCompile(`^<\d{1,3}>`), nil},                           // syslog priority
	{regexp.MustCompile(`^[\w.-]{1,40}\s+\| ?`), nil},                 // docker compose
	{regexp.MustCompile(`^[\w./-]+ (?:std(?:err|out)): `), func(r *record, _ []string) { r.level = none }},
	{regexp.MustCompile(`^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] `), func(r *record, m []string) { r.level = levelOf(m[1]) }}, // klog
	{regexp.MustCompile(`^([DIWE])! `), func(r *record, m []string) { r.level = levelOf(m[1]) }},                                            // telegraf, CloudWatch agent
	{regexp.MustCompile(`^\[\s*(?i:(trace|debug|info|notice|warn|warning|error|err|fatal|critical|crit|alert|emerg))\s*\]\s*`), func(r *record, m []string) { r.level = levelOf(m[1]) }},
	{regexp.MustCompile(`^(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|SEVERE|PANIC)(?:[\t:|]\s*|\s+- |\s{2,}|\s+\[|\s+(?:[\w.$@/-]+:\d+|[a-z][\w$]*(?:\.[\w$]+)+)\s+)`), func(r *record, m []string) { r.level = levelOf(m[1]) }},
	{regexp.MustCompile(`^(debug|info|warn|error|fatal|panic|dpanic)(?:\t|\s{2,})`), func(r *record, m []string) { r.level = levelOf(m[1]) }},               // zap's console
	{regexp.MustCompile(`^\[[^\]]{1,60}[ :](DEBUG|INFO|WARNING|ERROR|CRITICAL)(?:/[\w-]+)?\]\s*`), func(r *record, m []string) { r.level = levelOf(m[1]) }}, // Celery
	{regexp.MustCompile(`^\[[^\]\s][^\]]{0,80}\]\s*`), nil}, // thread, module, pid; not Go's [signal …], see strip
	{regexp.MustCompile(`^[\w@./-]+\.(?:go|cc|c|py|rs):\d+[:\]]?\s+`), nil},
}

// leading is a level's word in front of a message: it tells the level, but may belong to what is said.
var leading = regexp.MustCompile(`^(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL) [a-zA-Z]`)

// strip takes off prefixes and unwraps structured lines.
func (r *record) strip() {
	for range 12 {
		switch {
		case strings.HasPrefix(r.text, "[signal "):
			return
		case strings.HasPrefix(r.text, "{"):
			if !r.unwrapJSON() {
				return
			}
		case logfmt.MatchString(r.text):
			r.unwrapLogfmt()
			return
		case !r.stripOne():
			if m := leading.FindStringSubmatch(r.text); m != nil && r.level == none {
				r.level = levelOf(m[1])
			}
			r.unquote()
			return
		}
	}
}

func (r *record) stripOne() bool {
	for _, p := range prefixes {
		m := p.re.FindStringSubmatch(r.text)
		if m == nil {
			continue
		}
		if p.take != nil {
			p.take(r, m)
		}
		r.text = r.text[len(m[0]):]
		return true
	}
	return false
}

// unquote opens a message that is one quoted text, as relays of another process's stderr write it.
func (r *record) unquote() {
	if len(r.text) < 2 || r.text[0] != '"' || r.text[len(r.text)-1] != '"' {
		return
	}
	var s string
	if json.Unmarshal([]byte(r.text), &s) == nil {
		r.text = s
	}
}

// unwrapJSON takes the message out of a JSON line; level and time with it. A wrapper without a level ({"log":…,"stream":…})
// leaves the message as the process wrote it.
func (r *record) unwrapJSON() bool {
	var m map[string]any
	if json.Unmarshal([]byte(r.text), &m) != nil {
		return false
	}
	first := func(keys ...string) string {
		for _, k := range keys {
			if s, ok := m[k].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	if l := first("level", "severity", "lvl", "levelname", "log.level", "@l", "loglevel", "Level"); l != "" {
		r.level = levelOf(l)
	} else if n, ok := m["level"].(float64); ok {
		r.level = levelOfNumber(n)
	} else if l := inner(m, "log", "level"); l != "" { // Elastic Common Schema
		r.level = levelOf(l)
	}
	if t, err := time.Parse(time.RFC3339Nano, first("ts", "time", "timestamp", "@timestamp")); err == nil {
		r.at = t
	}
	r.text = strings.TrimRight(first("msg", "message", "log", "@m", "textPayload", "event", "short_message", "RenderedMessage"), "\r\n")
	if r.text == "" {
		r.text = inner(m, "fields", "message") // Rust's tracing
	}
	if e := first("error", "err", "error.message", "exception"); e != "" {
		r.text += ": " + e
	}
	return true
}

// inner is the text at m[object][key], or "".
func inner(m map[string]any, object, key string) string {
	in, _ := m[object].(map[string]any)
	s, _ := in[key].(string)
	return s
}

var (
	logfmt      = re(`(?:^|\s)(?:level|lvl|severity)=\S+.*\s(?:msg|message)=|(?:^|\s)(?:msg|message)=.*\s(?:level|lvl|severity)=`)
	logfmtLevel = regexp.MustCompile(`(?:^|\s)(?:level|lvl|severity)="?(\w+)`)
	logfmtText  = regexp.MustCompile(`(?:^|\s)(?:msg|message)=("(?:[^"\\]|\\.)*"|\S+)`)
	logfmtTime  = regexp.MustCompile(`(?:^|\s)(?:time|ts|t)="?([0-9T:.+Z-]{19,35})`)
	logfmtError = regexp.MustCompile(`(?:^|\s)(?:error|err)=("(?:[^"\\]|\\.)*"|\S+)`)
)

func (r *record) unwrapLogfmt() {
	line := r.text
	if m := logfmtLevel.FindStringSubmatch(line); m != nil {
		r.level = levelOf(m[1])
	}
	if m := logfmtTime.FindStringSubmatch(line); m != nil {
		r.at = stamp(m[1][:19])
	}
	r.text = ""
	for _, re := range []*regexp.Regexp{logfmtText, logfmtError} {
		if m := re.FindStringSubmatch(line); m != nil {
			r.text = strings.TrimPrefix(r.text+": "+unquoted(m[1]), ": ")
		}
	}
}

func unquoted(s string) string {
	var out string
	if strings.HasPrefix(s, `"`) && json.Unmarshal([]byte(s), &out) == nil {
		return out
	}
	return strings.Trim(s, `"`)
}

func levelOf(s string) level {
	switch strings.ToLower(s) {
	case "t", "d", "trace", "debug", "verbose":
		return debug
	case "w", "warn", "warning":
		return warn
	case "e", "error", "err", "severe":
		return bad
	case "f", "fatal", "critical", "crit", "panic", "dpanic", "alert", "emerg", "emergency":
		return worst
	}
	return info
}

// levelOfNumber reads the levels of pino and bunyan (10 to 60) and of syslog (0 to 7).
func levelOfNumber(n float64) level {
	syslog := []level{worst, worst, worst, bad, warn, info, info, debug}
	switch {
	case n >= 0 && int(n) < len(syslog):
		return syslog[int(n)]
	case n < 30:
		return debug
	case n < 40:
		return info
	case n < 50:
		return warn
	case n < 60:
		return bad
	}
	return worst
}

var oneForm = strings.NewReplacer("/", "-", "T", " ", ",", ".")

// stamp reads the parts of a time that order lines; the offset does not matter within one log.
func stamp(s string) time.Time {
	s = oneForm.Replace(s)
	for _, layout := range []string{"2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// reversed tells lines that came newest first, as the console shows them: their times fall, or a stack trace stands in
// front of the line that heads it.
func reversed(rs []record) bool {
	up, down := 0, 0
	var last time.Time
	for _, r := range rs {
		if r.at.IsZero() {
			continue
		}
		if !last.IsZero() {
			switch {
			case r.at.After(last):
				up++
			case r.at.Before(last):
				down++
			}
		}
		last = r.at
	}
	if up+down > 0 {
		return down > 2*up
	}
	head := slices.IndexFunc(rs, func(r record) bool { return r.shows(goHeader) })
	if head < 0 {
		return false
	}
	isTrace := func(r record) bool { return r.shows(goroutine) }
	return slices.ContainsFunc(rs[max(0, head-4):head], isTrace) && !slices.ContainsFunc(rs[head:], isTrace)
}
