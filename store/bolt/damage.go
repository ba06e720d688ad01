package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"taskwarden/contain"
)

// The classes of errors that only this engine has.
var (
	// ErrLocked: another process has the file open.
	ErrLocked = errors.New("database is in use by another process")
	// ErrDamaged: the file is not what was written. What it still says is not
	// to be relied upon.
	ErrDamaged = errors.New("database file is damaged")
	// ErrNewer: a newer taskwarden wrote the file.
	ErrNewer = errors.New("database was written by a newer taskwarden")
)

// remedy follows every report of damage.
const remedy = "stop taskwarden and restore the file from a backup, or move it away to start with an empty one: " +
	"the history of stops, the open findings and the controller's own state (pauses, holds, rollouts) are then lost, nothing in AWS is"

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s; %s", ErrDamaged, fmt.Sprintf(format, args...), remedy)
}

// guard runs fn and turns a panic into ErrDamaged. bbolt asserts the structure
// of its pages by panicking, and a mapped page that cannot be read (truncated
// file, failing disk) faults (etcd-io/bbolt issues 105 and 446). After a panic
// bbolt's own locks are in doubt, so it breaks the store: each later call gets
// the same error.
func (s *Store) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	err = contain.Do(contain.Database, s.path, fn)
	if p := contain.In(err); p != nil {
		err = damaged("%v", p.Value)
		s.broken.CompareAndSwap(nil, &err)
	}
	return err
}

// locate adds the file to a report of damage; Open does it for its own.
func (s *Store) locate(err error) error {
	if errors.Is(err, ErrDamaged) {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return err
}

// explainOpen says what an error of bbolt.Open means and what to do.
func (s *Store) explainOpen(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w%s: likely a second taskwarden with the same data directory, or one that a deployment is still replacing; "+
			"stop it, wait for it to end, or give this one a directory of its own", ErrLocked, s.holder())
	case errors.Is(err, ErrDamaged):
		return err
	case errors.As(err, &errno), errors.Is(err, fs.ErrPermission):
		return explain(err)
	case s.file == nil:
		return err
	}
	// What remains is what bbolt says of the content.
	return damaged("not a database, or its first pages are destroyed: %v", err)
}

// explain adds the remedy to what the file system said, and keeps the error.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case says(err, syscall.ENOSPC), says(err, syscall.EDQUOT), says(err, syscall.EFBIG):
		return fmt.Errorf("%w: no room for the database file; free space on its volume or raise the limit", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the data directory and its files must be readable and writable for uid %d on a file system mounted read-write", err, os.Getuid())
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%w: a directory is in the place of the database file; move it away", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a file is in the place of the data directory; name a directory", err)
	case says(err, syscall.EIO):
		return fmt.Errorf("%w: the volume fails; check it, then restart", err)
	}
	return err
}

// says looks for errno in the text as well: bbolt does not wrap the error when
// it cannot grow the file.
func says(err error, errno syscall.Errno) bool {
	return errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error())
}

// verify reads the whole file before it is relied upon: the schema is one that
// sc knows, every page is where it should be, every record has its checksum,
// and no page is both free and in use.
func (s *Store) verify(sc schema) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		info, err := s.file.Stat()
		if err != nil {
			return fmt.Errorf("size of the file: %w", err)
		}
		if tx.Size() > info.Size() {
			return damaged("truncated to %d of %d bytes", info.Size(), tx.Size())
		}
		version, err := sc.read(tx)
		if err != nil {
			return err
		}
		// The walk comes first, since Check reads pages in a goroutine whose
		// faults cannot be turned into errors.
		if err := walk(tx, version == sc.version); err != nil {
			return err
		}
		return check(tx)
	})
}

// walk visits every key, and decodes the records when they are of the schema
// that this program writes.
func walk(tx *bbolt.Tx, decoding bool) error {
	return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		if b == nil {
			return damaged("%q is not a bucket", name)
		}
		kind := string(name)
		records := decoding && !strings.HasPrefix(kind, "_")
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return damaged("bucket %q within %q", k, kind)
			}
			if !records {
				return nil
			}
			_, err := decode(kind, string(k), v)
			return err
		})
	})
}

// check runs bbolt's own check of pages and free list.
func check(tx *bbolt.Tx) error {
	if err := bound(tx); err != nil {
		return err
	}
	var first error
	more := 0
	for err := range tx.Check() { // read to the end: the sender blocks otherwise
		if first == nil {
			first = err
		} else {
			more++
		}
	}
	if first != nil {
		return damaged("%v (and %d more)", first, more)
	}
	return nil
}

// bound refuses a page that claims to go on beyond the end: bbolt's check would count through what it claims, up to four
// billion pages. It refuses elements outside their page too: that check reads their keys, and a fault in its goroutine would end
// the process.
func bound(tx *bbolt.Tx) error {
	file, err := os.Open(tx.DB().Path())
	if err != nil {
		return fmt.Errorf("read the pages: %w", err)
	}
	defer func() { _ = file.Close() }()
	size := tx.DB().Info().PageSize
	pages := int(tx.Size() / int64(size))
	var raw []byte
	for id := 2; id < pages; id++ {
		p, err := tx.Page(id)
		if err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		if p.Type == "free" {
			continue
		}
		first := id
		if id += p.OverflowCount; id >= pages {
			return damaged("page %d of %d goes on for %d pages", p.ID, pages, p.OverflowCount)
		}
		raw = slices.Grow(raw[:0], (1+p.OverflowCount)*size)[:(1+p.OverflowCount)*size]
		if _, err := file.ReadAt(raw, int64(first)*int64(size)); err != nil {
			return fmt.Errorf("page %d: %w", first, err)
		}
		if !elementsWithin(raw, p.Type, p.Count) {
			return damaged("page %d has elements outside of it", first)
		}
	}
	return nil
}

// elementsWithin tells whether the keys and values of a page lie in it. After a header of 16 bytes a page has elements of 16 bytes,
// which say where, counted from the element, the key begins, and how long key and value are (bbolt's format, version 2).
func elementsWithin(raw []byte, kind string, count int) bool {
	const size = 16
	word := func(at int) int { return int(binary.NativeEndian.Uint32(raw[at:])) }
	for i := range count {
		at := size + i*size
		switch {
		case kind != "branch" && kind != "leaf":
			return true
		case at+size > len(raw):
			return false
		case kind == "branch" && at+word(at)+word(at+4) > len(raw):
			return false
		case kind == "leaf" && at+word(at+4)+word(at+8)+word(at+12) > len(raw):
			return false
		}
	}
	return true
}

func (s *Store) holderPath() string {
	return filepath.Join(filepath.Dir(s.path), "taskwarden.holder")
}

// announce leaves a note of who holds the file for the one that is refused: a
// file lock cannot be asked for its owner on every system. The note decides
// nothing, so failing to write it is no reason to fail.
func (s *Store) announce() {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	note := fmt.Sprintf("pid %d on %s since %s", os.Getpid(), host, s.now().UTC().Format(time.RFC3339))
	_ = os.WriteFile(s.holderPath(), []byte(note+"\n"), 0o600)
}

// holder reads that note for a message; "" if there is none.
func (s *Store) holder() string {
	note, err := os.ReadFile(s.holderPath())
	if err != nil || len(note) == 0 || len(note) > 1000 {
		return ""
	}
	return fmt.Sprintf(" (last opened by %s)", strings.TrimSpace(string(note)))
}
