package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// remedy is what to do where the peer is not installed.
const remedy = "make bin/ministack"

// startsWithin bounds how long MiniStack may take to answer; it takes about a second.
const startsWithin = 30 * time.Second

// peer starts a MiniStack of its own on a free loopback port, gives its URL once it answers, and stops it when the test
// ends. DOCKER_HOST leads nowhere, so that it behaves the same where a container engine runs.
func peer(t *testing.T) string {
	t.Helper()
	program := installed(t)
	log := filepath.Join(t.TempDir(), "ministack.log")
	for range 3 { // another process may take the port between here and there
		port := freePort(t)
		url := fmt.Sprintf("http://127.0.0.1:%d", port)
		if start(t, program, port, log); answers(t, url) {
			return url
		}
	}
	said, _ := os.ReadFile(log) // what can be read of it
	t.Fatalf("MiniStack (%s) does not answer; `%s` after `rm -rf bin/ministack` installs it anew; it said:\n%s", program, remedy, said)
	return ""
}

// installed finds the program: TASKWARDEN_MINISTACK, or where make puts it.
func installed(t *testing.T) string {
	t.Helper()
	program := os.Getenv("TASKWARDEN_MINISTACK")
	if program == "" {
		program = filepath.Join(root(t), "bin", "ministack", "bin", "ministack")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("MiniStack, the independent AWS emulator that this test compares with, is not installed: %s (or set TASKWARDEN_MINISTACK to its program)", remedy)
	}
	return program
}

// root is the repository's: the next directory up with a go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod in any directory above")
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal(err)
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func start(t *testing.T, program string, port int, log string) {
	t.Helper()
	home := t.TempDir()
	said, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close() // the program has its own
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "BIND_HOST=127.0.0.1", fmt.Sprintf("GATEWAY_PORT=%d", port),
		"MINISTACK_ACCOUNT_ID=" + accountID, "MINISTACK_REGION=" + region, "DOCKER_HOST=tcp://127.0.0.1:1", "LOG_LEVEL=WARNING",
		"PYTHONDONTWRITEBYTECODE=1",
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatalf("start MiniStack: %v (install it anew: rm -rf bin/ministack; %s)", err, remedy)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() }) // it was told to end: its exit code says nothing
}

func answers(t *testing.T, url string) bool {
	t.Helper()
	return within(t, startsWithin, func() bool {
		r, err := http.Get(url + "/_ministack/health")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// within asks again and again whether something has come true.
func within(t *testing.T, d time.Duration, is func() bool) bool {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); time.Now().Before(deadline); {
		if is() {
			return true
		}
		<-tick.C
	}
	return false
}
