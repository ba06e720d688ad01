package churn

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// found writes signatures as "name!" (fatal) or "name", joined by blanks.
func found(sigs []Signature) string {
	var out []string
	for _, s := range sigs {
		if s.Fatal {
			s.Name += "!"
		}
		out = append(out, s.Name)
	}
	return strings.Join(out, " ")
}

func TestSignatures(t *testing.T) {
	for _, c := range []struct{ name, want, log string }{
		// Go runtime, runtime/map.go and runtime/panic.go.
		{"go map writes, bare", "go-concurrent-map-writes!", "fatal error: concurrent map writes"},
		{"go map writes, windows line end", "go-concurrent-map-writes!", "fatal error: concurrent map writes\r"},
		{"go map writes, coloured", "go-concurrent-map-writes!", "\x1b[31mfatal error: concurrent map read and map write\x1b[0m"},
		{"go map writes, console time in front", "go-concurrent-map-writes!", "2026-05-01T10:00:00.123Z fatal error: concurrent map writes"},
		{"go map writes, stream and time of aws logs tail", "go-concurrent-map-writes!", "2026-05-01T10:00:00+00:00 ecs/cwagent/0123456789abcdef0123456789abcdef fatal error: concurrent map writes"},
		{"go map writes, docker compose", "go-concurrent-map-writes!", "cwagent-1  | fatal error: concurrent map writes"},
		{"go map writes, docker's JSON", "go-concurrent-map-writes!", `{"log":"fatal error: concurrent map writes\n","stream":"stderr","time":"2026-05-01T10:00:00Z"}`},
		{"go map writes, container runtime interface", "go-concurrent-map-writes!", "2026-05-01T10:00:00.1Z stderr F fatal error: concurrent map writes"},
		{"go map writes, syslog", "go-concurrent-map-writes!", "May  1 10:00:00 ip-10-0-0-1 cwagent[17]: fatal error: concurrent map writes"},
		{"go map writes, split over two records", "go-concurrent-map-writes!", "fatal error: \nconcurrent map writes\ngoroutine 1 [running]:"},
		{"go map writes, split within a word", "go-concurrent-map-writes!", "fatal error: concurrent map wri\ntes\ngoroutine 1 [running]:"},
		{"go map writes, newest first", "go-concurrent-map-writes!", "\truntime/panic.go:1077 +0x40\nruntime.throw({0x1, 0x2})\ngoroutine 12 [running]:\n\nfatal error: concurrent map writes\n2026-05-01T10:00:00Z I! started"},
		{"go map iteration", "go-concurrent-map-iteration!", "fatal error: concurrent map iteration and map write"},
		{"go map writes, quoted by a logger", "", `level=warn msg="the agent had died of fatal error: concurrent map writes" task=1`},
		{"go map writes, quoted at the beginning by a logger", "", `{"level":"info","msg":"fatal error: concurrent map writes"}`},
		{"go map writes, in a release note", "", "* Fixed a crash (fatal error: concurrent map writes) in the metrics limiter"},
		{"go deadlock", "go-deadlock!", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()"},
		{"go nil", "go-nil-deref!", "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a]\n\ngoroutine 1 [running]:"},
		{"go nil, header cut off", "go-nil-deref!", "[signal SIGSEGV: segmentation violation code=0x1 addr=0x8 pc=0x14631c8]\n\ngoroutine 96 [running]:"},
		{"go panic", "go-panic!", "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1d\nexit status 2"},
		{"go panic, repanicked", "go-panic!", "panic: boom [recovered]\n\tpanic: boom\n\ngoroutine 1 [running]:"},
		{"go panic, log.Panic", "go-panic!", "2026/05/01 10:00:00 no database\npanic: no database\n\ngoroutine 1 [running]:\nlog.Panic({0x1})"},
		{"go panic, syslog tabs", "go-panic!", "panic: boom\n#011/app/main.go:5"},
		{"go trace without its header", "go-panic!", "goroutine 33 [IO wait]:\ninternal/poll.runtime_pollWait(0x1)\n\t/usr/local/go/src/runtime/netpoll.go:305 +0x89"},
		{"go frames alone", "go-panic!", "main.work(0x1)\n\t/app/main.go:19 +0x6\ncreated by main.main in goroutine 1\n\t/app/main.go:5 +0x5e"},
		{"go stack overflow", "go-panic!", "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow"},
		{"go recovered by net/http", "go-panic", "2026/05/01 10:00:00 http: panic serving 10.0.0.1:4242: boom\ngoroutine 35 [running]:\nnet/http.(*conn).serve.func1()"},
		{"go recovered by gin", "go-panic", "[Recovery] 2026/05/01 - 10:00:00 panic recovered:\nboom\n/app/main.go:5"},
		{"go recovered by grpc, logfmt", "go-panic", `time="2026-05-01T10:00:00Z" level=error msg="panic: boom" grpc.method=Get`},
		{"go recovered, JSON", "go-panic", `{"level":"error","ts":"2026-05-01T10:00:00Z","msg":"recovered from panic","error":"runtime error: index out of range","stacktrace":"goroutine 1 [running]:\nruntime/debug.Stack()"}`},
		{"go recovered and printed with debug.Stack", "go-panic", "2026/05/01 10:00:00 panic: boom\ngoroutine 7 [running]:\nruntime/debug.Stack()\n\t/usr/local/go/src/runtime/debug/stack.go:24"},
		{"go recovered by the standard logger, process lives on", "go-panic", "2026/05/01 10:00:00 panic: boom\n2026/05/01 10:00:02 GET /health 200\n2026/05/01 10:00:09 GET /health 200"},
		{"go race report", "", "==================\nWARNING: DATA RACE\nWrite at 0x00c000 by goroutine 7:\n  main.f()\nPrevious write at 0x00c000 by goroutine 6:\nGoroutine 7 (running) created at:\ngoroutine 7 [running]:"},
		{"go out of memory", "oom!", "fatal error: runtime: out of memory\n\nruntime stack:"},

		// Kernel, libc, supervisors.
		{"kernel oom", "oom!", "[12345.6] Memory cgroup out of memory: Killed process 4242 (java) total-vm:1kB"},
		{"gunicorn worker", "oom", "[2026-05-01 10:00:00 +0000] [7] [ERROR] Worker (pid:9) was sent SIGKILL! Perhaps out of memory?"},
		{"memory in plain words", "", "memory limit is 512 MB, out of memory protection enabled"},
		{"c++ bad_alloc, which is both", "cpp-abort! oom!", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nAborted (core dumped)"},
		{"glibc heap", "cpp-abort!", "double free or corruption (!prev)"},
		{"envoy assert", "cpp-abort!", "[2026-05-01 10:00:00.1][7][critical][assert] [source/common/network/x.cc:42] assert failure: fd_ != -1."},
		{"segv shell", "segv!", "/entrypoint.sh: line 3:    17 Segmentation fault      (core dumped) ./app\nSegmentation fault (core dumped)"},
		{"segv fluent-bit", "segv!", "[2026/05/01 10:00:00] [engine] caught signal (SIGSEGV)"},
		{"segv hotspot", "segv!", "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=7"},
		{"segv of an nginx worker", "segv", "2026/05/01 10:00:00 [alert] 1#1: worker process 9 exited on signal 11"},
		{"exit code 139 in words", "", `[INFO] change="ContainerChange: cont_def -> STOPPED, Exit 139"`},

		// Java, Node, Python, Rust.
		{"java main", "java-oom!", `Exception in thread "main" java.lang.OutOfMemoryError: Java heap space`},
		{"java exit on oom", "java-oom!", "Terminating due to java.lang.OutOfMemoryError: Java heap space"},
		{"java handled", "java-oom", "2026-05-01 10:00:00 ERROR [http-1] c.a.Handler - request failed\njava.lang.OutOfMemoryError: Java heap space\n\tat a.B.c(B.java:1)\n2026-05-01 10:00:09 INFO  [main] c.a.Handler - next request\n2026-05-01 10:00:19 INFO  [main] c.a.Handler - next request"},
		{"java options", "", "JAVA_OPTS=-XX:+CrashOnOutOfMemoryError -XX:OnOutOfMemoryError=kill"},
		{"node heap", "node-oom!", "<--- Last few GCs --->\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory"},
		{"python uncaught", "python-traceback!", "Traceback (most recent call last):\n  File \"/app/a.py\", line 3, in <module>\n    main()\nValueError: no"},
		{"python logged", "python-traceback", "2026-05-01 10:00:00 ERROR:root:Exception in worker\nTraceback (most recent call last):\n  File \"/app/a.py\", line 3, in f\nValueError: no\nINFO:root:next job"},
		{"python header cut off", "python-traceback!", "  File \"/app/a.py\", line 3, in f\n    return 1/0\nZeroDivisionError: division by zero"},
		{"rust main", "rust-panic!", "thread 'main' panicked at 'boom', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1`"},
		{"rust main, new form", "rust-panic!", "thread 'main' (17) panicked at src/main.rs:2:5:\nboom"},
		{"rust task, process lives on", "rust-panic", "thread 'tokio-runtime-worker' panicked at src/a.rs:1:1:\n2026-05-01T10:00:00Z  INFO app: serving"},

		// Configuration, credentials, ports.
		{"collector config", "config-error!", "Error: failed to get config: cannot unmarshal the configuration: decoding failed\n2026/05/01 10:00:00 collector server run finished with error: failed to get config"},
		{"collector unknown exporter", "config-error!", "Error: invalid configuration: service::pipelines::traces: references exporter \"awsxray\" which is not configured"},
		{"fluent-bit config", "config-error!", "[2026/05/01 10:00:00] [error] configuration file contains errors. Aborting"},
		{"envoy config", "config-error!", "[2026-05-01 10:00:00.1][1][critical][main] [source/server/server.cc:117] error initializing configuration '/etc/envoy.yaml': Unable to parse JSON as proto"},
		{"warning about a setting", "", `2026-05-01T10:00:00Z [WARN] Invalid format for "X", configuration error ignored`},
		{"no credentials", "credential-error", "2026-05-01T10:00:00Z E! NoCredentialProviders: no valid providers in chain"},
		{"expired token after SIGTERM", "", "[2026/05/01 10:00:00] [engine] caught signal (SIGTERM)\n[2026/05/01 10:00:01] [error] [output] ExpiredToken"},
		{"sequence token is no credential", "", `2022-03-07T10:05:33.439Z	warn	x.go:84	Error	{"error": "InvalidSequenceTokenException"}`},
		{"licence key", "config-error!", `level=error msg="can't initialize agent: no license key, add it"`},
		{"port", "port-in-use!", "Error: listen tcp :2000: bind: address already in use"},
		{"port, only a warning", "", "2026-05-01T10:00:00Z W! metrics: listen tcp :8888: bind: address already in use"},
		{"port, goes on", "port-in-use", "2026-05-01T10:00:00Z ERROR listener failed: address already in use\n2026-05-01T10:00:05Z INFO retry\n2026-05-01T10:00:09Z INFO listening on :8081"},

		// Healthy ends.
		{"clean shutdown", "", "2026-05-01T10:00:00Z INFO Received SIGTERM, shutting down gracefully\n2026-05-01T10:00:01Z ERROR failed to flush: cannot load configuration"},
		{"shutdown told in a field", "", `{"level":"info","msg":"shutting down apps","signal":"SIGTERM"}` + "\n" + `{"level":"error","msg":"bind: address already in use"}`},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := found(signaturesOf("c", strings.Split(c.log, "\n"), nil))
			if got != c.want {
				t.Errorf("signatures = %q, want %q", got, c.want)
			}
		})
	}
}

func TestSignaturesOfUsers(t *testing.T) {
	k, err := NewKnowledge(nil, []SignatureRule{{Name: "licence", Pattern: `licence (expired|missing)$`, Fatal: true}, {Name: "slow", Pattern: "^SLOW"}})
	if err != nil {
		t.Fatal(err)
	}
	got := found(signaturesOf("c", []string{"SLOW query", "\x1b[1mlicence expired\x1b[0m"}, k))
	if want := "licence! slow"; got != want {
		t.Errorf("signatures = %q, want %q", got, want)
	}
}

func FuzzSignatures(f *testing.F) {
	for i, c := range labelledCases(f) {
		for _, name := range slices.Sorted(maps.Keys(c.input.Logs)) {
			if i%4 == 0 {
				f.Add(strings.Join(c.input.Logs[name], "\n"))
			}
		}
	}
	f.Add("fatal error: \nconcurrent map writes")
	f.Add(`{"level":"error","msg":"panic: x"}` + "\n#011\x1b[")
	f.Add("level=error msg=\"\\\"")
	f.Add("goroutine 1 [running]:\npanic: ")
	f.Fuzz(func(t *testing.T, log string) {
		for _, s := range signaturesOf("c", strings.Split(log, "\n"), nil) {
			if s.Name == "" || len(s.Line) > maxLine {
				t.Errorf("bad signature %+v", s)
			}
		}
	})
}
