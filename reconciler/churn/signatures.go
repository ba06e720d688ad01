package churn

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"taskwarden/reconciler/mask"
	"taskwarden/reconciler/regex"
)

// The rule base of crash signatures. Patterns are anchored at the message's beginning wherever a runtime writes the line
// itself, so that words in a quoted message, a configuration or a release note match nothing.
//
//	name                         seen as                                                   source                              fatal
//	go-concurrent-map-writes     fatal error: concurrent map writes | read and map write   Go runtime/map.go                   always: a throw cannot be recovered
//	go-concurrent-map-iteration  fatal error: concurrent map iteration and map write       Go runtime/map.go                   always
//	go-deadlock                  fatal error: all goroutines are asleep - deadlock!        Go runtime/proc.go                  always
//	go-nil-deref                 panic: … invalid memory address or nil pointer …          Go runtime/panic.go                 unless recovered and logged
//	go-panic                     panic: …; a goroutine trace whose header is cut off       Go runtime/panic.go                 unless recovered and logged
//	oom                          out of memory, Cannot allocate memory, oom-kill           kernel, libc, Go runtime            unless a worker or a fork
//	java-oom                     java.lang.OutOfMemoryError                                HotSpot, OpenJ9                     where the log ends with it or the VM says it ends
//	node-oom                     FATAL ERROR: … heap out of memory, its native frames      V8                                  always
//	python-traceback             Traceback (most recent call last):                        CPython                             where the log ends with it and no logger wrote it
//	rust-panic                   thread 'main' panicked at                                 std::panicking                      unless the process goes on
//	cpp-abort                    terminate called, assert failure, heap corruption         libstdc++, glibc, Envoy             always
//	segv                         Segmentation fault, SIGSEGV                               kernel, Envoy, Fluent Bit, HotSpot  unless it was a worker's
//	config-error                 a configuration that cannot be read or is refused         CloudWatch agent, collectors, …     unless only a warning, or logged by a process that goes on
//	credential-error             no, expired or refused credentials                        AWS SDKs and their users            where the process says it ends of it
//	port-in-use                  address already in use                                    EADDRINUSE                          unless only a warning, or the process goes on
//	uncaught-exception           Node.js v…, Exception in thread "main", Unhandled …       Node, JVM, .NET, Ruby, PHP, Swift   unless the process goes on
//
// What is logged after a shutdown began (SIGTERM) is a consequence and no signature, except a crash of the runtime itself.
type pattern struct {
	name  string
	re    regex.Expression
	raw   bool // a runtime writes it, no logger: a levelled line is a report of it
	least level
	fatal func(l logText, i int) bool
	weak  bool // of no interest once a shutdown has begun
	last  bool // too general to show, unless the process died of it
	// reported: beside the runtime's own line, an error's line of a logger counts, as frameworks write it that caught a panic.
	reported bool
}

var patterns = []pattern{
	{name: "go-concurrent-map-writes", raw: true, fatal: always, re: re(`^(?:fatal error: ?)?concurrent map (?:writes|read and map write|write and map read)\s*$`)},
	{name: "go-concurrent-map-iteration", raw: true, fatal: always, re: re(`^(?:fatal error: ?)?concurrent map iteration and map write\s*$`)},
	{name: "go-deadlock", raw: true, fatal: always, re: re(`^fatal error: all goroutines are asleep - deadlock!`)},
	{name: "oom", raw: true, fatal: always, re: re(`^(?:fatal error: (?:runtime: )?(?:out of memory|cannot allocate memory)|runtime: (?:out of memory|cannot allocate))`)},
	{name: "segv", raw: true, fatal: always, re: re(`^fatal error: unexpected signal during runtime execution|^SIGSEGV: segmentation violation`)},
	{name: "go-nil-deref", raw: true, reported: true, fatal: logText.died, re: re(`^panic: .*(?:invalid memory address or )?nil pointer dereference`)},
	{name: "go-nil-deref", raw: true, reported: true, fatal: always, re: re(`^\[signal SIGSEGV: segmentation violation code=\S+ addr=0x[0-9a-f]{1,3} `)},
	{name: "go-panic", raw: true, reported: true, fatal: logText.died, re: re(`^panic: `)},
	{name: "go-panic", raw: true, reported: true, fatal: always, re: re(`^fatal error: (?:stack overflow|sync: |unexpected signal|morestack|slice bounds|index out of range|checkdead|unlock of unlocked|bad |found bad|workbuf|runtime\.)`)},
	{name: "go-panic", raw: true, last: true, fatal: logText.tracedAfter, re: re(`^fatal error: `)}, // any other throw of the runtime
	{name: "go-panic", raw: true, reported: true, fatal: always, re: re(`^(?:runtime: goroutine stack exceeds|.*PLEASE REPORT THIS PANIC)`)},

	{name: "node-oom", fatal: always, re: re(`^FATAL ERROR: .*(?:heap out of memory|Allocation failed|OOM|invalid (?:array|table) size)|\b(?:node::OOMErrorHandler|v8::Utils::ReportOOMFailure|V8::FatalProcessOutOfMemory)\(|^<--- (?:Last few GCs|JS stacktrace) --->`)},
	{name: "java-oom", fatal: logText.javaDied, re: re(`\bjava[./]lang[./]OutOfMemoryError\b|\bOutOfMemoryError: (?:Java heap space|Metaspace|GC overhead|unable to create|Direct buffer|Requested array|Compressed class)|insufficient memory for the Java Runtime`)},
	{name: "python-traceback", raw: true, fatal: logText.pythonDied, re: re(`^Traceback \(most recent call last\):|^Fatal Python error: `)},
	{name: "rust-panic", raw: true, fatal: logText.rustDied, re: re(`^thread '[^']*'(?: \(\d+\))? (?:has )?(?:panicked at|overflowed its stack)|^thread caused non-unwinding panic`)},

	{name: "cpp-abort", fatal: logText.notRespawned, re: re(`^(?:\*\*\* )?SIGABRT(?:: abort| received| \()|^\*\*\* Check failure stack trace|^==\d+==ERROR: \w+Sanitizer: |^\*\*\* Error in .*(?:double free|free\(\)|malloc\(\)|corrupted)|^terminate called (?:after throwing|without an active|recursively)|^libc\+\+abi(?:\.dylib)?: |\bassert failure: |[Aa]ssertion .{1,200} failed\.?$|^Caught Aborted, suspect faulting|^# Fatal error in |^(?:double free or corruption|free\(\): |malloc\(\): |malloc_consolidate\(\): |corrupted (?:size|double)|munmap_chunk\(\): )|\*\*\* (?:stack smashing|buffer overflow) detected|^pure virtual method called|^(?:.*\s)?Aborted(?: \(core dumped\)|\s*$)|caught signal \(SIGABRT\)|^Fatal glibc error`)},
	{name: "segv", fatal: logText.notWorker, re: re(`^(?:.*\s)?Caught Segmentation fault|^(?:.*[\s:])?[Ss]egmentation fault(?:\s+\(core dumped\)|\s*$|:| at 0x)|caught signal \(SIGSEGV\)|^#\s+SIGSEGV \(0x|\bgot Segmentation Fault|\bexited (?:on|with) signal (?:11|SIGSEGV)|\bsegfault at [0-9a-f]|^Fatal (?:Python )?error: Segmentation fault|^Fatal error\. .*AccessViolation|^(?:\*\*\* )?SIG(?:SEGV|BUS)(?: received at| \(@0x)`)},
	{name: "oom", least: info, fatal: logText.notWorker, re: re(`(?i)\bout of memory: kill(?:ed)? process|\boom-kill(?:er)?\b.*(?:constraint|invoked)|\bmemory cgroup out of memory|^(?:.*[:\]\s])?(?:std::bad_alloc|MemoryError)\b|\boutofmemoryexception\b|^eheap_alloc: cannot allocate \d|^memory allocation of \d+ bytes failed`)},
	{name: "oom", least: bad, fatal: logText.starved, re: re(`(?i)\bcannot allocate memory\b|\bENOMEM\b|sent SIGKILL! Perhaps out of memory|^out of memory\b`)},

	{name: "config-error", weak: true, least: bad, fatal: logText.refused, re: configError},
	{name: "credential-error", weak: true, least: warn, fatal: logText.turnedAway, re: re(`\bNoCredentialProviders\b|\bExpiredToken(?:Exception)?\b|\bInvalidClientTokenId\b|\bUnrecognizedClientException\b|\bAccessDenied(?:Exception)?\b|\bAuthFailure\b|\bSignatureDoesNotMatch\b|\bInvalidAccessKeyId\b|\bCredentialsProviderError\b|\bNoCredentialsError\b|\bMissingAuthenticationToken|(?i:unable to locate credentials|(?:could not|unable to|cannot|failed to) (?:load|find|get|retrieve|refresh|read|fetch)[\w ]{0,20}(?:aws )?(?:shared |cached )*credentials|error (?:when |while )?(?:retrieving|refreshing|loading|fetching|getting) (?:\w+ ){0,2}credentials|no (?:valid )?(?:ec2 imds role|credentials? providers?)\b|security token included in the request is (?:invalid|expired)|is not authorized to perform|\bconfig profile \(\S+\) could not be found|\bcould not find default credentials|\b(?:token|credentials?) (?:is|are) (?:not valid|invalid|expired)\b)`)},
	{name: "port-in-use", weak: true, least: bad, fatal: logText.refused, re: re(`(?i)\baddress (?:is )?already in use\b|\bEADDRINUSE\b|\bport \d+ (?:was|is) already in use|\baddress in use\b|only one usage of each socket address|^connection in use: \(`)},
	{name: "config-error", weak: true, fatal: always, re: re(`(?:application|collector server) run finished with error|^(?:Error: )?(?:failed to|cannot) (?:build|create|start|set ?up) (?:pipelines|extensions|receivers|exporters)\b`)}, // a collector's start that failed, for whatever else
	{name: "config-error", weak: true, last: true, least: bad, fatal: logText.endsOf, re: settingError},
	{name: "uncaught-exception", raw: true, fatal: logText.ended, re: re(`^Node\.js v\d+\.\d+|^\s*throw er; // Unhandled|^\[UnhandledPromiseRejection: |^Exception in thread "main" |^Unhandled [Ee]xception[.:] |^\S+\.rb:\d+:in .+ \([A-Z]\w*(?:::[A-Z]\w*)*\)$|^(?:PHP |\S+\.swift:\d+: )?Fatal error: |^Runtime terminating during boot|^\*\* \([A-Z][\w.]*\) |^error: Uncaught `)},
}

// goCrashes are the signatures whose trace needs no second one.
var goCrashes = []string{"go-panic", "go-nil-deref", "go-concurrent-map-writes", "go-concurrent-map-iteration", "go-deadlock", "oom", "segv"}

// configError: each alternative is a product's own text for a configuration it refuses, or a generic one that ends a start.
var configError = re(strings.Join([]string{
	`Cannot translate JSON, ERROR is`, `missing key in JSON`, `please provide config, exit now`, `no inputs found, did you provide a valid config`, `[Uu]nable to parse config`, // CloudWatch agent
	`Configuration validation (?:first|second) phase failed`, `No csm, .*configuration`, `[Ii]nvalid Json input schema`, `Under path : .* \| Error :`,
	`(?i:\b(?:cannot|unable to|failed to|error|could not|can't) (?:load|loading|read|reading|unmarshal|decode|resolve|resolving|get|parse|parsing|validate|validating) (?:the |your )?(?:\w+ )?(?:config|configuration)\b)`, // collector, Vault, many
	`(?i:\b(?:cannot|unable to|failed to|error|could not|can't) (?:load|read|pars)(?:e|ing)? \S+\.(?:hcl|ya?ml|json|toml|conf|cfg|ini|xml|properties)\b)`, `Cannot fetch region variable`,                                   // Consul, X-Ray daemon
	`cannot load configuration's parser`, `(?:error|failed) decoding '`, `Config file is missing or invalid`, `error loading config file`,
	`(?:yaml|toml): (?:unmarshal errors|line \d+: |cannot unmarshal|mapping values)`, `cannot unmarshal .* into`, `references \w+ "[^"]*" which is not configured`,
	`'\w*' has invalid keys: `, `unknown (?:receivers|exporters|processors|extensions|connectors) type`, `invalid configuration: `, `missing configuration`,
	`(?i:configuration file contains? errors)`, `section '[^']*' (?:is missing|tried to instance)`, `^error in \S+:\d+: `, `(?i:could not open (?:\w+ )?configuration file)`, `(?i:invalid indentation level|section .* failed to (?:initialize|configure))`, // Fluent Bit
	`[Ee]rror initializing configuration`, `Unable to parse JSON as proto`, `Proto constraint validation failed`, // Envoy
	`(?i:bad configuration|configuration (?:error|is invalid|invalid)|invalid config(?:uration)? file|(?:config|configuration) file .{0,120}(?:not found|does not exist|no such file))`,
	`\[emerg\] .*(?:unknown directive|invalid number of arguments|unexpected|host not found in upstream|is not allowed here)`, `\bunknown directive "`, `Fluent::ConfigError|config error file=`,
	`[Ee]nvironment variable "?[A-Z][A-Z0-9_]+"? (?:is not set|is required|must be set|not found|is missing)`, `(?i:missing (?:required )?(?:environment variable|config|setting))`, `\b[A-Z][A-Z0-9]*_[A-Z0-9_]+ (?:must be set|(?:is )?(?:not set|required|missing))\b`, `: unbound variable$|: parameter (?:null or )?not set$`,
	`(?i:must (?:set|provide|specify|define) (?:the |an? )?)[A-Z][A-Z0-9_]{2,} (?i:environment|env\b|variable)`, `(?i:\b(?:no|invalid) (?:license|api)[ _]key\b)|\b(?:license|api)[ _]key (?:is )?(?:missing|required|invalid|not (?:set|found|configured))`,
	`APPLICATION FAILED TO START`, `Could not resolve placeholder '`, `[Uu]nknown (?:flag|variable|option|keyword|setting|configuration key|command line (?:flag|option))|flag provided but not defined`,
}, "|"))

// settingError is a failure that speaks of settings in whatever words.
var settingError = func() regex.Expression {
	subject := `\b(?:config(?:uration)?|settings|environment variables?|env vars?|(?:license|api) key|command[- ]line)\b`
	failure := `\b(?:missing|invalid|not (?:set|found|defined|provided|specified|valid|writable|readable)|unset|undefined|unknown|unexpected|required|must|failed|cannot|can't|unable|could not|couldn't|bad|errors?|malformed|unsupported|no such|does not exist)\b`
	return re(`(?i)` + subject + `.*` + failure + `|` + failure + `.*` + subject)
}()

// signaturesOf finds the known crashes in one container's lines: each name once, fatal ones first.
func signaturesOf(container string, lines []string, k *Knowledge) []Signature {
	found := map[string]Signature{}
	add := func(name string, fatal bool, line int) {
		if s, ok := found[name]; !ok || fatal && !s.Fatal {
			found[name] = Signature{container, name, fatal, Mask(strings.TrimSpace(lines[line]))}
		}
	}
	l := newLogText(lines)
	l.headers(add)
	has := func(name string) bool { _, ok := found[name]; return ok }
	if !has("python-traceback") {
		l.pythonTrace(add)
	}
	if !l.race && !slices.ContainsFunc(goCrashes, has) {
		l.goTrace(add)
	}
	k.search(lines, add)
	return slices.SortedFunc(maps.Values(found), Signature.compare)
}

// headers finds the lines that begin a crash: the first pattern that fits a record names it.
func (l logText) headers(add add) {
	for i, r := range l.records {
		at := slices.IndexFunc(patterns, func(p pattern) bool { return l.matches(p, i) })
		if at < 0 {
			continue
		}
		if fatal := patterns[at].fatal(l, i); fatal || !patterns[at].last {
			add(patterns[at].name, fatal, r.line)
		}
	}
}

// search finds users' own signatures.
func (k *Knowledge) search(lines []string, add add) {
	if k == nil || len(k.signatures) == 0 {
		return
	}
	for i, line := range lines {
		plain := mask.WithoutColours(line[:min(len(line), maxRecord)])
		folded := regex.Fold(plain)
		for _, u := range k.signatures {
			if u.re.Match(plain, folded) {
				add(u.name, u.fatal, i)
			}
		}
	}
}

// compare orders fatal ones first, then by name.
func (s Signature) compare(o Signature) int {
	if s.Fatal != o.Fatal {
		if s.Fatal {
			return -1
		}
		return 1
	}
	return cmp.Compare(s.Name, o.Name)
}

// fatalSignature is the first signature that the process died of, if there is one.
func fatalSignature(list []Signature) (Signature, bool) {
	i := slices.IndexFunc(list, func(s Signature) bool { return s.Fatal })
	if i < 0 {
		return Signature{}, false
	}
	return list[i], true
}
