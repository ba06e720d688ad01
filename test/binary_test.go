package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskwarden/contain"
	"taskwarden/test/account"
)

// buildOnce builds the real binary once for all tests of this package.
var buildOnce = sync.OnceValues(func() (string, error) { return compile("controller", "-race") })

// built are the directories that compile made.
var built struct {
	mu   sync.Mutex
	dirs []string
}

// compile builds the real binary with flags of go build.
func compile(name string, flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "taskwarden-test-")
	if err != nil {
		return "", err
	}
	built.mu.Lock()
	built.dirs = append(built.dirs, dir)
	built.mu.Unlock()
	path := filepath.Join(dir, name)
	args := append([]string{"build", "-o", path}, flags...)
	out, err := exec.Command("go", append(args, "taskwarden/cmd/controller")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the controller: %w\n%s", err, out)
	}
	return path, nil
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests of the real binary wait for real minutes, not for the processor: let them wait together.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	// rapid's default is a hundred worlds; one of ours is a day of a whole controller. -rapid.checks asks for more.
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		if err := flag.Set("rapid.checks", "20"); err != nil {
			panic(err)
		}
	}
	debug.SetGCPercent(800) // simulated weeks leave a large, lasting record behind
	// A panic of a controller in this process is contained, and must not pass unseen: no test here plants one.
	var panics atomic.Int64
	contain.Report(func(p *contain.Panic) {
		panics.Add(1)
		fmt.Fprintf(os.Stderr, "%v\n%s", p, p.Stack)
	})
	code := m.Run()
	if panics.Load() > 0 && code == 0 {
		fmt.Fprintln(os.Stderr, "FAIL: the tests passed, and a controller panicked")
		code = 1
	}
	for _, dir := range built.dirs {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serve puts an account behind a loopback listener.
func serve(t *testing.T, s account.Scenario) (*account.Account, string) {
	t.Helper()
	a, err := account.New(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	return a, server.URL
}

// process is one run of the real binary.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string // of its API
	stderr *lockedBuffer
	done   chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// launch starts the binary on a configuration; dir holds its store, so that a second launch goes on where the first ended.
func launch(t *testing.T, endpoint, region, dir, config string) *process {
	t.Helper()
	return launchOn(t, endpoint, region, dir, config, fmt.Sprintf("{type: bolt, path: %q}", filepath.Join(dir, "data")))
}

// launchOn is launch with the store's section; env is added to the environment.
func launchOn(t *testing.T, endpoint, region, dir, config, store string, env ...string) *process {
	t.Helper()
	return launchBinary(t, binary(t), endpoint, region, dir, config, store, nil, env...)
}

// launchBinary is launchOn with the program and more flags.
func launchBinary(t *testing.T, path, endpoint, region, dir, config, store string, flags []string, env ...string) *process {
	t.Helper()
	address := freeAddress(t)
	config = "apiVersion: taskwarden/v1\nkind: ControllerConfig\n" + config + fmt.Sprintf("\nstore: %s\nserver: {address: %q}\n", store, address)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, url: "http://" + address, stderr: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd = exec.Command(path, append([]string{"run", "--config", file, "--log-format", "json"}, flags...)...)
	p.cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+endpoint, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("controller's log:\n%s", p.stderr)
		}
	})
	return p
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// kill ends it as a lost host does.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
}

// terminate ends it as ECS does, and expects exit 0 within 10 s.
func (p *process) terminate() {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("stopped with %v", err)
		}
	case <-time.After(10 * time.Second):
		p.t.Errorf("not stopped %s after SIGTERM", time.Since(began))
	}
}

// items reads a list of the API; an error is none yet.
func (p *process) items(path string) []map[string]any {
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var body struct{ Items []map[string]any }
	if json.NewDecoder(resp.Body).Decode(&body) != nil {
		return nil
	}
	return body.Items
}

// status is the HTTP status and body of a path; 0 while nobody answers.
func (p *process) status(path string) (int, string) {
	resp, err := http.Get(p.url + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// eventually waits for something the outside world does in its own time.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond) // another process's time cannot be virtual
	}
}

// fails runs the binary to its end and expects an exit code and words on stderr.
func fails(t *testing.T, env []string, code int, words []string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Env = env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("%v: %v, want exit %d\n%s", args, err, code, &stderr)
	}
	for _, w := range words {
		if !strings.Contains(stderr.String(), w) {
			t.Errorf("%v: stderr lacks %q:\n%s", args, w, &stderr)
		}
	}
}
