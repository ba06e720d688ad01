package churn

import (
	"regexp"
	"strings"
	"time"
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
	shutdownBegan = re(`(?i)\(SIGTERM\)|\b(?:received|got|caught|handling|on)\b.{0,24}\b(?:SIGTERM|SIGINT|signal 15|termination signal|shutdown signal|(?:stop|interrupt|terminated?) signal)|\bsignal: (?:terminated|interrupt)\b|\bsignal (?:terminated|SIGTERM)\b|^SIGTERM\b|\bexiting on signal|\bgraceful(?:ly)? (?:shut|stop|exit|terminat)|\bshutting down (?:gracefully|on|due to signal)|\bpreempted\b|\bsignal 15 \(SIGTERM\)|"signal": ?"(?:terminated|SIGTERM|interrupt)"|^Handling signal: (?:term|int)`)
	raceReport    = re(`^WARNING: DATA RACE|^Previous (?:write|read) at 0x`)
	warned        = re(`(?i)^(?:warn(?:ing)?\b|\(?deprecat)`)
)

func newLogText(lines []string) logText {
	l := logText{records: read(lines)}
	l.shutdown = len(l.records)
	for i, r := range l.records {
		line := lines[r.line][:min(len(lines[r.line]), maxRecord)] // a structured line may name the signal beside its message
		if l.shutdown == len(l.records) && shutdownBegan.MatchString(line) && !recovered.MatchString(r.text) {
			l.shutdown = i
		}
		l.race = l.race || raceReport.MatchString(r.text)
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
				a.text = s
			}
		}
	}
}

// javaFlags names settings that hold the words of a crash.
var javaFlags = re(`-XX:[+\w]`)

func (l logText) matches(p pattern, i int) bool {
	r := l.records[i]
	if r.text == "" || !p.re.MatchString(r.text) || javaFlags.MatchString(r.text) {
		return false
	}
	if p.weak && i > l.shutdown {
		return false
	}
	if p.least > none && r.level != none && r.level < p.least || p.least == bad && r.level == none && warned.MatchString(r.text) {
		return false
	}
	if p.raw && r.level != none && r.level != worst {
		// A logger says it: a panic that somebody caught, or another's words.
		return strings.HasPrefix(p.name, "go-") && r.level == bad && p.name != "go-concurrent-map-writes" && p.name != "go-concurrent-map-iteration" && p.name != "go-deadlock"
	}
	return true
}

func always(logText, int) bool { return true }

// died: a panic's header is the runtime's own, and nobody caught it.
func (l logText) died(i int) bool {
	r := l.records[i]
	if r.level != none && r.level != worst || l.caughtNear(i) {
		return false
	}
	if r.stamped && !l.tracedAfter(i) {
		return false // the standard logger wrote it, as code that recovers does
	}
	return !l.livesOn(i)
}

// caughtNear looks for a recovery in the lines around a header, the trace included.
func (l logText) caughtNear(i int) bool {
	for j := max(0, i-3); j < min(len(l.records), i+40); j++ {
		if recovered.MatchString(l.records[j].text) && !strings.Contains(l.records[j].text, "[recovered") {
			return true
		}
		if j > i && !trace.MatchString(l.records[j].text) {
			break
		}
	}
	return false
}

func (l logText) tracedAfter(i int) bool {
	for _, r := range l.records[i+1 : min(len(l.records), i+6)] {
		if goroutine.MatchString(r.text) {
			return true
		}
	}
	return false
}

// livesOn tells whether lines follow that only a living process writes: two with a level or a time, beyond the trace, and
// not of the same second as the crash: what a process says as it ends carries one time.
func (l logText) livesOn(i int) bool {
	var died time.Time
	for _, r := range l.records[:i+1] {
		if !r.at.IsZero() {
			died = r.at
		}
	}
	alive := 0
	for _, r := range l.records[i+1:] {
		sameTime := !r.at.IsZero() && !died.IsZero() && r.at.Sub(died) < time.Second
		if !sameTime && !trace.MatchString(r.text) && (r.level != none || !r.at.IsZero()) {
			alive++
		}
	}
	return alive >= 2
}

var javaEnds = re(`VM is shutting down|Terminating due to java|Aborting due to java|insufficient memory for the Java Runtime|Exception in thread "main"|JVMDUMP\d+`)

func (l logText) javaDied(i int) bool {
	for _, r := range l.records {
		if javaEnds.MatchString(r.text) {
			return true
		}
	}
	r := l.records[i]
	return (r.level == none || r.level == worst) && !l.goesOn(i)
}

// goesOn tells whether anything but a stack trace follows.
func (l logText) goesOn(i int) bool {
	for _, r := range l.records[i+1:] {
		if !trace.MatchString(r.text) {
			return true
		}
	}
	return false
}

var pythonEnds = re(`Worker failed to boot|^Fatal Python error|Reason: (?:Worker|App) failed`)
var pythonLogged = re(`(?i)\b(?:exception|error) (?:in|on|while|during|handling|processing)\b|internal server error`)

func (l logText) pythonDied(i int) bool {
	for _, r := range l.records[i:] {
		if pythonEnds.MatchString(r.text) {
			return true
		}
	}
	if i > l.shutdown || l.records[i].level != none {
		return false
	}
	if i > 0 && (l.records[i-1].level >= bad || pythonLogged.MatchString(l.records[i-1].text)) {
		return false
	}
	return !l.goesOn(i)
}

func (l logText) rustDied(i int) bool {
	if strings.HasPrefix(l.records[i].text, "thread 'main'") {
		return true
	}
	return !l.goesOn(i)
}

var worker = re(`(?i)\b(?:worker|child|children)\b|\bfork\b|Perhaps out of memory`)

// notWorker: the line does not speak of a child process, which its parent replaces.
func (l logText) notWorker(i int) bool {
	return !worker.MatchString(l.records[i].text) && l.records[i].level != warn
}

var gaveUpText = re(`(?i)application run finished|\bexiting\b|cannot start|failed to start|\bfatal\b|\baborting\b|unhandled|uncaught|^panic: |exit status [1-9]|shutting down with error`)

// refused: a start that cannot go on, as no later line of a living process shows.
func (l logText) refused(i int) bool {
	return l.gaveUp(i) || !l.livesOn(i)
}

// gaveUp: the line or one near its end says that the process ends of it.
func (l logText) gaveUp(i int) bool {
	if l.records[i].level == worst || gaveUpText.MatchString(l.records[i].text) {
		return true
	}
	for _, r := range l.records[min(i+1, len(l.records)):min(len(l.records), i+4)] {
		if gaveUpText.MatchString(r.text) {
			return true
		}
	}
	return false
}

// goFrame is the place line of a Go stack trace; two of them show a trace that lost even its goroutine line.
var goFrame = regexp.MustCompile(`^\s+\S+\.go:\d+ \+0x[0-9a-f]+`)
var pythonFrame = regexp.MustCompile(`^\s*File "[^"]+", line \d+, in `)
var pythonError = regexp.MustCompile(`^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)(?::|$)`)

// traces finds crashes whose header the tail has lost, and panics that were caught.
func (l logText) traces(add func(string, bool, int), found map[string]Signature) {
	_, hasPanic := found["go-panic"]
	for _, name := range []string{"go-nil-deref", "go-concurrent-map-writes", "go-concurrent-map-iteration", "go-deadlock", "oom", "segv"} {
		_, ok := found[name]
		hasPanic = hasPanic || ok
	}
	caught, frames := -1, 0
	for i, r := range l.records {
		if recovered.MatchString(r.text) && caught < 0 && !strings.HasPrefix(r.text, "panic: ") {
			caught = i
		}
		if pythonFrame.MatchString(r.text) {
			frames++
		}
		_, known := found["python-traceback"]
		if frames > 0 && !known && pythonError.MatchString(r.text) && r.level == none {
			add("python-traceback", !l.goesOn(i) && i < l.shutdown, r.line)
		}
	}
	switch {
	case hasPanic || l.race:
	case caught >= 0:
		add("go-panic", false, l.records[caught].line)
	default:
		frames := 0
		for i, r := range l.records {
			if goFrame.MatchString(r.text) {
				frames++
			}
			if (goroutine.MatchString(r.text) || frames == 2) && r.level == none && !l.livesOn(i) {
				add("go-panic", true, r.line)
				return
			}
		}
	}
}
