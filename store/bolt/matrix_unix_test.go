//go:build linux

package bolt

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskwarden/store"
	"taskwarden/store/memory"
)

// readOnly makes the file of an open store one that cannot be written, as a volume that fails is mounted read-only, until the
// returned function is called.
func readOnly(t *testing.T, s *Store) (lift func()) {
	t.Helper()
	fd := int(s.file.Fd())
	kept, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Dup3(int(closed.Fd()), fd, 0); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(syscall.Dup3(kept, fd, 0), syscall.Close(kept), closed.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultMatrix plays each fault of a volume at each thing that is done with the file: a commit's outcome is never told wrong,
// reads go on, the error of a full volume says what to do, and everything works again after the fault, in this process and the next.
func TestFaultMatrix(t *testing.T) {
	if !alone(t) {
		return
	}
	faults := map[string]struct {
		begin func(*testing.T, *Store) (lift func())
		says  string
	}{
		"full":      {func(t *testing.T, _ *Store) func() { t.Helper(); return limitFiles(t, 40_000) }, "free space"},
		"read-only": {readOnly, ""},
	}
	ops := map[string]func(*testing.T, *Store) error{
		"commit": func(t *testing.T, s *Store) (last error) {
			t.Helper()
			for i := range 20 {
				key := fmt.Sprintf("c%02d", i)
				err := s.Commit(t.Context(), put(key, strings.Repeat("x", 10_000)), put(key+" also", "v"))
				_, one := s.Get(t.Context(), "stop", key)
				_, two := s.Get(t.Context(), "stop", key+" also")
				if (err == nil) != (one == nil) || (one == nil) != (two == nil) {
					t.Errorf("%s: told %v, and there: %v, %v", key, err, one, two)
				}
				last = errors.Join(last, err)
			}
			return last
		},
		"read": func(t *testing.T, s *Store) error {
			t.Helper()
			_, err := s.Get(t.Context(), "stop", "first")
			mustWork(t, err)
			return nil
		},
		"range": func(t *testing.T, s *Store) error { t.Helper(); mustFind(t, s); return nil },
		"copy from": func(t *testing.T, s *Store) error {
			t.Helper()
			_, err := store.Copy{From: s, To: memory.New(time.Now), Name: "x"}.Run(t.Context())
			mustWork(t, err)
			return nil
		},
		"sweep": func(t *testing.T, s *Store) error {
			t.Helper()
			_, err := s.Sweep(t.Context(), 0)
			return err
		},
	}
	for name, fault := range faults {
		for op, run := range ops {
			t.Run(name+"/"+op, func(t *testing.T) {
				dir := t.TempDir()
				s := mustOpen(t, dir, Options{})
				over := put("over", "v")
				over.Expires = time.Now().Add(time.Millisecond)
				commit(t, s, put("first", "v"), over)
				time.Sleep(2 * time.Millisecond) // the file's clock is the real one
				lift := fault.begin(t, s)
				err := run(t, s)
				lift()
				if op == "commit" && err == nil {
					t.Error("no commit failed: the fault does not strike")
				}
				if err != nil && !strings.Contains(err.Error(), fault.says) || errors.Is(err, ErrDamaged) {
					t.Errorf("error %v does not say %q", err, fault.says)
				}
				commit(t, s, put("after", strings.Repeat("x", 100_000)))
				mustFind(t, s)
				want := contents(t, s, "stop")
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if got := contents(t, mustOpen(t, dir, Options{}), "stop"); !same(got, want) {
					t.Errorf("%d items after opening it again, %d before", len(got), len(want))
				}
			})
		}
	}
}

func mustWork(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func mustFind(t *testing.T, s *Store) {
	t.Helper()
	items, err := s.Range(t.Context(), "stop", "first", "", 0)
	if err != nil || len(items) != 1 {
		t.Errorf("%d items, error %v", len(items), err)
	}
}
