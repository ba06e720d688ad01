// Package peer starts the emulators of AWS that tests talk to and that we did not write, each a process of its own on a free
// loopback port that ends with its test. One that is not installed fails the test, and says what installs it.
package peer

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

// startsWithin bounds how long a peer may take to answer; they take a second or two.
const startsWithin = 60 * time.Second

// program is how a peer is started.
type program struct {
	name    string
	install string // the make target
	command func(port int) []string
	env     func(port int) []string // beside PATH, HOME and TMPDIR
	alive   string                  // path that is answered
}

// start runs it and gives its URL once it answers.
func (p program) start(t testing.TB) string {
	t.Helper()
	log := filepath.Join(t.TempDir(), p.name+".log")
	for range 3 { // another process may take the port between here and there
		port := freePort(t)
		url := fmt.Sprintf("http://127.0.0.1:%d", port)
		if p.launch(t, port, log); p.answers(url) {
			return url
		}
	}
	said, _ := os.ReadFile(log) // what can be read of it
	t.Fatalf("%s does not answer; `make %s` after `rm -rf %s` installs it anew; it said:\n%s", p.name, p.install, p.install, said)
	return ""
}

func (p program) launch(t testing.TB, port int, log string) {
	t.Helper()
	home := t.TempDir()
	said, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = said.Close() }() // the program has its own
	ctx, stop := context.WithCancel(context.Background())
	command := p.command(port)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}, p.env(port)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, said, said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatalf("start %s: %v (install it anew: rm -rf %s; make %s)", p.name, err, p.install, p.install)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() }) // it was told to end: its exit code says nothing
}

func (p program) answers(url string) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startsWithin); time.Now().Before(deadline); <-tick.C {
		if r, err := http.Get(url + p.alive); err == nil {
			_ = r.Body.Close()
			return true
		}
	}
	return false
}

// installed is the path of a file that make puts there, or the one that variable names.
func installed(t testing.TB, what, variable, install, path string) string {
	t.Helper()
	file := os.Getenv(variable)
	if file == "" {
		file = filepath.Join(root(t), path)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%s, which this test talks to, is not installed: make %s (or set %s to its place)", what, install, variable)
	}
	return file
}

// root is the repository's: the next directory up with a go.mod.
func root(t testing.TB) string {
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

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
