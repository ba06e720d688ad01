package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"taskwarden/store"
	"taskwarden/store/storetest"
)

// childEnv makes this binary play another process; see TestMain.
const childEnv = "TASKWARDEN_BOLT_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return mustOpen(t, t.TempDir(), Options{Now: now})
	})
}

// mustOpen opens the store of a directory until the test ends, and then looks
// whether the order of expiry agrees with the items.
func mustOpen(tb testing.TB, dir string, o Options) *Store {
	tb.Helper()
	s, err := Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			return
		}
		wantOrder(tb, dir)
	})
	return s
}

// wantOrder demands that the bucket _expires lists exactly the items that
// expire, and that bbolt finds nothing wrong with the file.
func wantOrder(tb testing.TB, dir string) {
	tb.Helper()
	db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: true, Timeout: time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		want, got := map[string]bool{}, map[string]bool{}
		err := tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			kind := string(name)
			return b.ForEach(func(k, v []byte) error {
				if kind == string(expiresBucket) {
					got[string(k)] = true
				}
				if strings.HasPrefix(kind, "_") {
					return nil
				}
				r, err := decode(kind, string(k), v)
				if r.expires != 0 {
					want[string(expiryKey(r.expires, kind, string(k)))] = true
				}
				return err
			})
		})
		if diff := cmp.Diff(want, got); diff != "" {
			tb.Errorf("order of expiry (-items +order):\n%s", diff)
		}
		return errors.Join(err, check(tx))
	})
	if err != nil {
		tb.Error(err)
	}
}

func put(key, body string) store.Write {
	return store.Write{Item: store.Item{Kind: "stop", Key: key, Body: []byte(body)}}
}

func commit(tb testing.TB, s *Store, writes ...store.Write) {
	tb.Helper()
	if err := s.Commit(tb.Context(), writes...); err != nil {
		tb.Fatal(err)
	}
}

// same compares two lists of items, which cmp.Diff does too slowly for many.
func same(a, b []store.Item) bool {
	return slices.EqualFunc(a, b, func(a, b store.Item) bool {
		return a.Kind == b.Kind && a.Key == b.Key && a.Version == b.Version && bytes.Equal(a.Body, b.Body) && a.Expires.Equal(b.Expires)
	})
}

// contents reads all that a store shows of the given kinds.
func contents(tb testing.TB, s *Store, kinds ...string) []store.Item {
	tb.Helper()
	var items []store.Item
	for _, kind := range kinds {
		for item, err := range store.All(tb.Context(), s, kind, "") {
			if err != nil {
				tb.Fatal(err)
			}
			items = append(items, item)
		}
	}
	return items
}

func TestOpenKeepsWhatWasStored(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := mustOpen(t, dir, Options{})
	for i := range 50 {
		commit(t, s, put(fmt.Sprintf("k%02d", i), strings.Repeat("x", i*100)))
	}
	want := contents(t, s, "stop")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, mustOpen(t, dir, Options{}), "stop")); diff != "" || len(want) != 50 {
		t.Errorf("%d items, after reopening (-want +got):\n%s", len(want), diff)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, FileName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	start := time.Now()
	_, err := Open(dir, Options{LockTimeout: 100 * time.Millisecond})
	if !errors.Is(err, ErrLocked) {
		t.Fatalf("second open: error %v, want ErrLocked", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("second open gave up after %v", took)
	}
	for _, want := range []string{filepath.Join(dir, FileName), fmt.Sprintf("pid %d", os.Getpid()), "stop it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	commit(t, s, put("k", "v")) // the first one is not disturbed
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("after close the directory has %v, error %v", left, err)
	}
	mustOpen(t, dir, Options{})
}

// TestOpenWaits: the lock of a predecessor that is just ending is waited for.
func TestOpenWaits(t *testing.T) {
	dir := t.TempDir()
	first := mustOpen(t, dir, Options{})
	opened := make(chan error)
	go func() {
		second, err := Open(dir, Options{LockTimeout: 30 * time.Second})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

func TestOpenAtOnce(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		stores, errs := make([]*Store, 8), make([]error, 8)
		var wg sync.WaitGroup
		for i := range stores {
			wg.Go(func() { stores[i], errs[i] = Open(dir, Options{LockTimeout: 60 * time.Millisecond}) })
		}
		wg.Wait()
		open := 0
		for i, s := range stores {
			switch {
			case errs[i] == nil:
				open++
				commit(t, s, put("k", "v"))
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			case !errors.Is(errs[i], ErrLocked):
				t.Errorf("error %v, want ErrLocked", errs[i])
			}
		}
		if open != 1 {
			t.Fatalf("%d of 8 hold the store", open)
		}
	}
}

func TestOpenPlaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	occupied := t.TempDir()
	if err := os.MkdirAll(filepath.Join(occupied, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, want string }{
		{"file for the directory", file, "name a directory"},
		{"below a file", filepath.Join(file, "data"), "name a directory"},
		{"directory for the file", occupied, "move it away"},
	} {
		_, err := Open(tt.dir, Options{})
		if err == nil || !strings.Contains(err.Error(), tt.dir) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with the place and %q", tt.name, err, tt.want)
		}
	}
}

func TestOpenWithoutPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root is refused nothing: run as another user")
	}
	for _, tt := range []struct {
		name      string
		file, dir os.FileMode
	}{{"unreadable file", 0, 0o700}, {"file without write", 0o400, 0o700}, {"closed directory", 0o600, 0}} {
		dir := t.TempDir()
		if err := mustOpen(t, dir, Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(filepath.Join(dir, FileName), 0o600) })
		t.Cleanup(func() { os.Chmod(dir, 0o700) })
		if err := errors.Join(os.Chmod(filepath.Join(dir, FileName), tt.file), os.Chmod(dir, tt.dir)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, Options{})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), fmt.Sprintf("uid %d", os.Getuid())) {
			t.Errorf("%s: error %v, want one that names the user", tt.name, err)
		}
	}
}
