//go:build linux || darwin

package bolt

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"taskwarden/store"
)

// limitFiles lets no file of this process grow over n bytes until the returned
// function is called. A write over it fails with EFBIG, as with ENOSPC on a
// full volume in the middle of a transaction.
func limitFiles(t *testing.T, n uint64) (lift func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

// alone runs the rest of a test in a process of its own, since a limit on
// files holds for the test runner's files too. It reports whether this is the
// process that runs it.
func alone(t *testing.T) bool {
	t.Helper()
	if os.Getenv("TASKWARDEN_BOLT_ALONE") == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "TASKWARDEN_BOLT_ALONE="+t.Name())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// TestFull fills the room for the file: the commit that does not fit fails and
// says why, everything before it stays, and with more room it goes on.
func TestFull(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	commit(t, s, put("first", "v"))
	lift := limitFiles(t, 300_000)
	var full error
	stored := 1
	for i := 0; full == nil && i < 1000; i++ {
		full = s.Commit(t.Context(), put(fmt.Sprintf("a%04d", i), strings.Repeat("x", 10_000)), put(fmt.Sprintf("b%04d", i), "v"))
		if full == nil {
			stored += 2
		}
	}
	again := s.Commit(t.Context(), put("large", strings.Repeat("x", 300_000)))
	lift()
	for _, err := range []error{full, again} {
		if err == nil || !strings.Contains(err.Error(), "free space") || errors.Is(err, ErrDamaged) {
			t.Fatalf("a full volume: error %v", err)
		}
	}
	if got := len(contents(t, s, "stop")); got != stored || stored < 3 {
		t.Errorf("%d items, want %d", got, stored)
	}
	commit(t, s, put("after", "v"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(contents(t, mustOpen(t, dir, Options{}), "stop")); got != stored+1 {
		t.Errorf("%d items after reopening, want %d", got, stored+1)
	}
}

// TestFullAtStart: a store that cannot be created leaves nothing that the next
// start would stumble over.
func TestFullAtStart(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	lift := limitFiles(t, 5000)
	_, err := Open(dir, Options{})
	lift()
	if err == nil || !strings.Contains(err.Error(), "free space") {
		t.Fatalf("error %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, error %v", left, err)
	}
	mustOpen(t, dir, Options{})
}

// TestExplain: what the file system says keeps its class and gets a remedy.
func TestExplain(t *testing.T) {
	wrap := func(errno syscall.Errno) error { return &os.PathError{Op: "open", Path: "p", Err: errno} }
	for _, tt := range []struct {
		err  error
		want string
	}{
		{wrap(syscall.ENOSPC), "free space"},
		{wrap(syscall.EDQUOT), "free space"},
		{fmt.Errorf("file resize error: %s", syscall.ENOSPC), "free space"}, // as bbolt has it
		{wrap(syscall.EROFS), "mounted read-write"},
		{wrap(syscall.EACCES), "readable and writable"},
		{wrap(syscall.EIO), "volume fails"},
		{store.ErrClosed, ""},
	} {
		got := explain(tt.err)
		if !errors.Is(got, tt.err) || !strings.Contains(got.Error(), tt.want) {
			t.Errorf("%v is explained as %q, want %q", tt.err, got, tt.want)
		}
	}
	if explain(nil) != nil {
		t.Error("no error is explained")
	}
}
