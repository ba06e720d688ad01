package bolt

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"taskwarden/store"
)

// moving returns a step that renames the kind from to the kind to.
func moving(from, to string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(to))
		if err != nil {
			return err
		}
		old := tx.Bucket([]byte(from))
		err = old.ForEach(func(k, v []byte) error {
			r, err := decode(from, string(k), v)
			if err != nil {
				return err
			}
			return b.Put(k, encode(to, string(k), r))
		})
		return errors.Join(err, tx.DeleteBucket([]byte(from)))
	}
}

func openAs(t *testing.T, dir string, sc schema) (*Store, error) {
	t.Helper()
	s, err := open(dir, Options{}, sc)
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func mustClose(t *testing.T, s *Store, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSchemaOlder(t *testing.T) {
	dir := t.TempDir()
	s, err := openAs(t, dir, schema{version: 1})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, put("k", "v"))
	mustClose(t, s, nil)

	// The second step fails: the first one stays, nothing of the second.
	broken := errors.New("broken step")
	half := func(tx *bbolt.Tx) error { return errors.Join(moving("stop-b", "stop-c")(tx), broken) }
	steps := map[uint64]func(*bbolt.Tx) error{1: moving("stop", "stop-b"), 2: half}
	if _, err := openAs(t, dir, schema{version: 3, steps: steps}); !errors.Is(err, broken) {
		t.Fatalf("open with a broken step: error %v", err)
	}
	s, err = openAs(t, dir, schema{version: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "stop-b", "k"); err != nil {
		t.Errorf("after the first step: %v", err)
	}
	mustClose(t, s, nil)

	steps[2] = moving("stop-b", "stop-c")
	for range 2 { // a second open has nothing left to do
		s, err = openAs(t, dir, schema{version: 3, steps: steps})
		if err != nil {
			t.Fatal(err)
		}
		if item, err := s.Get(t.Context(), "stop-c", "k"); err != nil || string(item.Body) != "v" || item.Version != 1 {
			t.Errorf("after both steps: %+v, error %v", item, err)
		}
		if _, err := s.Get(t.Context(), "stop", "k"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after both steps the old kind: error %v", err)
		}
		mustClose(t, s, nil)
	}
	_, err = openAs(t, dir, schema{version: 5, steps: steps})
	if err == nil || !strings.Contains(err.Error(), "no way from 3 to 4") {
		t.Errorf("without a step: error %v", err)
	}
}

func TestSchemaNewer(t *testing.T) {
	dir := t.TempDir()
	s, err := openAs(t, dir, schema{version: 7})
	mustClose(t, s, err)
	before, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	if !errors.Is(err, ErrNewer) || errors.Is(err, ErrDamaged) {
		t.Fatalf("error %v, want ErrNewer", err)
	}
	for _, say := range []string{filepath.Join(dir, FileName), "schema is 7", fmt.Sprintf("up to %d", current.version), "run the newer"} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("%q does not say %q", err, say)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil || string(after) != string(before) {
		t.Errorf("the refused file was changed, error %v", err)
	}
}

func TestSchemaMissing(t *testing.T) {
	for name, write := range map[string]func(*bbolt.Tx) error{
		"nothing at all": func(*bbolt.Tx) error { return nil },
		"another program's": func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("members"))
			return err
		},
		"no number": func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(storeBucket)
			return errors.Join(err, b.Put(schemaKey, []byte("one")))
		},
		"zero": func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(storeBucket)
			return errors.Join(err, b.Put(schemaKey, []byte("0")))
		},
	} {
		dir := t.TempDir()
		db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(write), db.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: error %v, want ErrDamaged", name, err)
		}
	}
}
