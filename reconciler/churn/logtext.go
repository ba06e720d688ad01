package churn

import (
	"slices"
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
		if l.records[j].shows(recovered) && !strings.Contains(l.records[j].text, "[recovered") {
			return true
		}
		if j > i && !l.records[j].shows(trace) {
			break
		}
	}
	return false
}

func (l logText) tracedAfter(i int) bool {
	for _, r := range l.records[i+1 : min(len(l.records), i+6)] {
		if r.shows(goroutine) || r.text == "runtime stack:" {
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
		if !sameTime && !r.shows(trace) && (r.level != none || !r.at.IsZero()) {
			alive++
		}
	}
	return alive >= 2
}

var javaEnds = re(`VM is shutting down|Terminating due to java|Aborting due to java|insufficient memory for the Java Runtime|Exception in thread "main"|JVMDUMP\d+`)

func (l logText) javaDied(i int) bool {
	for _, r := range l.records {
		if r.shows(javaEnds) {
			return true
		}
	}
	r := l.records[i]
	return (r.level == none || r.level == worst) && !l.goesOn(i)
}

// goesOn tells whether anything but a stack trace follows.
func (l logText) goesOn(i int) bool {
	for _, r := range l.records[i+1:] {
		if !r.shows(trace) {
			return true
		}
	}
	return false
}

var pythonEnds = re(`Worker failed to boot|^Fatal Python error|Reason: (?:Worker|App) failed`)
var pythonLogged = re(`(?i)\b(?:exception|error) (?:in|on|while|during|handling|processing)\b|internal server error|\braised (?:error|exception|unexpected)\b|exception was never retrieved`)

func (l logText) pythonDied(i int) bool {
	for _, r := range l.records[i:] {
		if r.shows(pythonEnds) {
			return true
		}
	}
	if i > l.shutdown || l.records[i].level != none {
		return false
	}
	if i > 0 && (l.records[i-1].level >= bad || l.records[i-1].shows(pythonLogged)) {
		return false
	}
	end := l.exception(i + 1)
	return end == len(l.records) || !l.records[end].shows(asked) && l.closes(end)
}

// closes tells whether all that follows may be the message of the exception at i, which has as many lines as it likes.
func (l logText) closes(i int) bool {
	rest := l.records[i+1:]
	return !l.goesOn(i) || len(rest) <= 6 && !slices.ContainsFunc(rest, func(r record) bool { return r.level != none || !r.at.IsZero() })
}

// asked are the exceptions of a process that was told to end.
var asked = re(`^(?:KeyboardInterrupt|SystemExit: 0|(?:asyncio\.exceptions\.)?CancelledError)\b`)

var pythonChained = re(`^During handling of the above|^The above exception was`)

// exception is the index of the line that ends a traceback whose frames begin at i, whatever the exception's name; where
// another traceback is chained to it, of the last one. len(records): the tail is cut before it.
func (l logText) exception(i int) int {
	last := len(l.records)
	for ; i < len(l.records); i++ {
		switch r := l.records[i]; {
		case r.text == "", strings.HasPrefix(r.text, " "):
		case r.shows(pythonChained), strings.HasPrefix(r.text, "Traceback (most recent"):
			last = len(l.records)
		case last < len(l.records):
			return last
		default:
			last = i
		}
	}
	return last
}

func (l logText) rustDied(i int) bool {
	for _, r := range l.records[i:] {
		if strings.HasPrefix(r.text, "thread 'main'") && !l.livesOn(i) || r.shows(rustAborts) {
			return true
		}
	}
	end := i
	for j, r := range l.records[i:] {
		if r.shows(gaveUpText) {
			return !l.livesOn(i + j)
		}
		if r.shows(rustNote) {
			end = i + j // the panic's own message stands in between
		}
	}
	return !l.livesOn(i) && !l.goesOn(end)
}

var rustNote = re(`^note: run with |^stack backtrace:`)

var rustAborts = re(`^thread caused non-unwinding panic|^fatal runtime error: `)

var worker = re(`(?i)\b(?:worker|child|children)\b|\bfork\b|Perhaps out of memory`)

// respawns is what parents write that start another child in the place of a dead one.
var respawns = re(`(?i)\brespawn|\bstart(?:ing)? (?:\S+ )?worker\b|\bbooting worker\b|\brestarted again\b`)

// notWorker: the line does not speak of a child process, which its parent replaces, and none near it does.
func (l logText) notWorker(i int) bool {
	return !l.records[i].shows(worker) && l.records[i].level != warn && l.notRespawned(i)
}

func (l logText) notRespawned(i int) bool {
	near := l.records[i:min(len(l.records), i+40)]
	return !slices.ContainsFunc(near, func(r record) bool { return r.shows(respawns) })
}

// ended: no logger wrote the line, and nothing follows that only a living process writes.
func (l logText) ended(i int) bool {
	return i < l.shutdown && !l.livesOn(i)
}

// starved: it is no child's, and nothing shows that the process went on without the memory.
func (l logText) starved(i int) bool { return l.notWorker(i) && !l.livesOn(i) }

// endsOf: the process says near the line that it ends, or the line is an error that no logger wrote, and no more follows.
func (l logText) endsOf(i int) bool {
	r := l.records[i]
	return !l.livesOn(i) && (l.gaveUp(i) || r.level == none && !r.stamped && r.shows(plainError) && len(l.records)-i <= 3)
}

var plainError = re(`(?i)^\W*(?:[\w./-]{1,40}: )?(?:config(?:uration)? )?(?:error|fatal|failed|invalid|missing|cannot|can't|unable|could not|bad)\b`)

// turnedAway: the process says that it ends for want of credentials, or, as a command that is none's log, says no more.
func (l logText) turnedAway(i int) bool {
	return l.gaveUp(i) || l.records[i].level == none && len(l.records)-i <= 3 && !l.livesOn(i)
}

var gaveUpText = re(`(?i)application run finished|\bexiting\b|\bexit now\b|\bgiving up\b|\b(?:cannot|can't|could not|couldn't|unable to|failed to) (?:start|boot|continue|proceed)\b|\bfatal\b|\baborting\b|\bhas stopped\b|unhandled|uncaught|^panic: |\bexit(?:ed)?(?: with)? (?:error )?(?:code|status)[ =:]+[1-9]|shutting down with error|\bstart(?:up)? failed\b`)

// refused: a start that cannot go on, as no later line of a living process shows.
func (l logText) refused(i int) bool {
	return l.gaveUp(i) || !l.livesOn(i)
}

// gaveUp: the line or one near its end says that the process ends of it.
func (l logText) gaveUp(i int) bool {
	if l.records[i].level == worst || l.records[i].shows(gaveUpText) {
		return true
	}
	next := min(i+1, len(l.records))
	for j, r := range l.records[next:min(len(l.records), i+4)] {
		if r.shows(gaveUpText) || next+j < l.shutdown && r.shows(shutsDown) {
			return true
		}
	}
	return false
}

// shutsDown is a shutdown that nobody asked for, where no signal was spoken of before.
var shutsDown = re(`(?i)\bshut(?:ting)? ?down\b`)

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
