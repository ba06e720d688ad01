package churn

import (
	"slices"
	"strings"
)

// logText is one container's log, oldest record first, with what is known of it as a whole.
type logText struct {
	records  []record
	shutdown int  // index of the record that began a shutdown; len(records): none
	race     bool // a race detector's report, whose traces are no crash
}

var (
	goHeader  = re(`^(?:panic: |fatal error: )`)
	goroutine = re(`^goroutine \d+(?: gp=\S+ m=\S+(?: mp=\S+)?)? \[[^\]]+\]:?$`)
	// trace is what may follow a crash's header without the process living on.
	trace = re(`^$|^\s|^goroutine \d+|^\[signal |^created by |^exit status \d|^[\w./*()\[\]{}@$·~<>%-]+\(.*\)$|^\S+\.(?:go|rs|py|java|js|cc|cpp|c):\d+|^r(?:ax|bx|cx|dx|di|si|bp|sp|8|9|1\d|ip|flags)\s|^[cfg]s\s+0x|^pc\s|^PC=|^runtime[:.]|^main[:.]|^\.\.\. ?\d+ more|^Caused by|^at |^Dumping heap|^Heap dump file|^#|^stack backtrace|^note: |^Error: |^panic: |^fatal error|^\.{3}|^-{3,}|^Aborted|^Killed|^[\w.]+(?:Error|Exception|Warning|Exit|Interrupt)\b`)
	// recovered is what frameworks write when they caught a panic.
	recovered = re(`(?i)http: panic serving|\brecover(?:ed|ing)?\b.*\bpanic|\bpanic(?:ked)?\b.*\brecover(?:ed)?\b|\[recovery\]|runtime/debug\.(?:Stack|PrintStack)|debug\.Stack\(|observed a panic|caught panic|handled panic`)
	// shutdownBegan is what processes write when they were asked to end.
	shutdownBegan = re(`(?i)\(SIGTERM\)|\b(?:received|got|caught|handling|on)\b.{0,24}\b(?:SIGTERM|SIGINT|signal 15|termination signal|shutdown signal|(?:stop|interrupt|terminated?) signal)|\bsignal: (?:terminated|interrupt)\b|\bsignal (?:terminated|SIGTERM)\b|^SIGTERM\b|\bexiting on signal|\bgraceful(?:ly)? (?:shut|stop|exit|terminat)|\bshutting down (?:gracefully|on|due to signal)|\bpreempted\b|\b(?:received|caught|got) signal:? (?:2|15)\b|\bsignal 15 \(SIGTERM\)|"signal": ?"(?:terminated|SIGTERM|interrupt)"|\bHandling signal: (?:term|int|quit)\b`)
	raceReport    = re(`^(?:WARNING: )?DATA RACE$|^Previous (?:write|read) at 0x`)
	warned        = re(`(?i)^(?:warn(?:ing)?\b|\(?deprecat)`)
)

func newLogText(lines []string) logText {
	l := logText{records: read(lines)}
	l.shutdown = len(l.records)
	for i, r := range l.records {
		line := lines[r.line][:min(len(lines[r.line]), maxRecord)] // a structured line may name the signal beside its message
		if l.shutdown == len(l.records) && shutdownBegan.MatchString(line) && !r.shows(recovered) {
			l.shutdown = i
		}
		l.race = l.race || r.shows(raceReport)
	}
	l.join()
	return l
}

// join puts a header that a log driver split over two records back together.
func (l *logText) join() {
	for i := range len(l.records) - 1 {
		a, b := &l.records[i], l.records[i+1]
		if !goHeader.MatchString(a.text + " ") {
			continue
		}
		whole := strings.TrimRight(a.text, " ") + " " + strings.TrimSpace(b.text)
		glued := a.text + b.text
		for _, s := range []string{whole, glued} {
			if !patterns[0].re.MatchString(a.text) && (patterns[0].re.MatchString(s) || patterns[1].re.MatchString(s) || patterns[2].re.MatchString(s)) {
				a.say(s)
			}
		}
	}
}

// javaFlags names settings that hold the words of a crash.
var javaFlags = re(`-XX:[+\w]`)

func (l logText) matches(p pattern, i int) bool {
	r := l.records[i]
	if r.text == "" || p.weak && i > l.shutdown || !r.shows(p.re) || r.shows(javaFlags) {
		return false
	}
	return p.credible(r)
}

// credible weighs who wrote the line. What a runtime writes itself carries no level, or the worst: any other level is a
// logger's, which speaks of a panic that somebody caught, or quotes another's words.
func (p pattern) credible(r record) bool {
	switch {
	case p.raw:
		return r.level == none || r.level == worst || p.reported && r.level == bad
	case r.level == none:
		return p.least != bad || !r.shows(warned)
	}
	return r.level >= p.least
}

// goFrame is the place line of a Go stack trace; two of them show a trace that lost even its goroutine line.
var goFrame = re(`^\s+\S+\.go:\d+ \+0x[0-9a-f]+`)
var pythonFrame = re(`^\s*File "[^"]+", line \d+(?:, in |$)`)
var pythonError = re(`^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)(?::|$)`)

// add notes a signature seen at a line.
type add func(name string, fatal bool, line int)

// pythonTrace finds a traceback whose header the tail has lost: a frame, and then the error that ends it.
func (l logText) pythonTrace(add add) {
	frame := slices.IndexFunc(l.records, func(r record) bool { return r.shows(pythonFrame) })
	if frame < 0 {
		return
	}
	for i, r := range l.records[frame:] {
		if r.level == none && r.shows(pythonError) {
			add("python-traceback", !l.goesOn(frame+i) && frame+i < l.shutdown, r.line)
			return
		}
	}
}

// goTrace finds a panic that was caught or, where none was, one whose header the tail has lost: a goroutine's line or two
// frames that no logger wrote, after which nothing lives on.
func (l logText) goTrace(add add) {
	caught := slices.IndexFunc(l.records, func(r record) bool {
		return r.shows(recovered) && !strings.HasPrefix(r.text, "panic: ")
	})
	if caught >= 0 {
		add("go-panic", false, l.records[caught].line)
		return
	}
	frames := 0
	for i, r := range l.records {
		if r.shows(goFrame) {
			frames++
		}
		if (r.shows(goroutine) || frames == 2) && r.level == none && !l.livesOn(i) {
			add("go-panic", true, r.line)
			return
		}
	}
}
