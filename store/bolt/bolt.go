// Package bolt is the store.Store of a single controller: one bbolt file in a
// directory of its own, locked against a second process.
//
// Layout of taskwarden.db: a bucket for each kind (key → record, see item.go),
// the bucket _expires (instant, kind, key → nothing) that lets Sweep find what
// has expired without reading the rest, and the bucket _store with the schema
// version. Kinds are of [a-z-], so names with an underscore never meet one.
//
// Atomicity and durability come from bbolt: a commit is on disk (fdatasync)
// before it returns, and a killed process leaves the last complete commit.
// Commits that arrive while another is being synced share the next one. The
// file does not shrink; freed pages are used again.
//
// bbolt maps the file into memory and needs file locks, so a local disk or EBS
// volume is the place for it; its authors do not test it on NFS or EFS.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"taskwarden/store"
)

// FileName is the name of the database in its directory.
const FileName = "taskwarden.db"

// defaultLockTimeout bridges a restart whose predecessor is just ending.
const defaultLockTimeout = 2 * time.Second

// Options change how a store is opened; the zero value is right for production.
type Options struct {
	// Now is the clock that expiry is judged by; nil: time.Now. It may be
	// called from many goroutines.
	Now func() time.Time
	// LockTimeout is how long Open waits for another process to let go of the
	// file; 0: 2 seconds.
	LockTimeout time.Duration
}

// Store is the engine; it is a store.Store. The zero value is of no use, see
// Open.
type Store struct {
	db   *bbolt.DB
	path string   // of the database file
	file *os.File // the one that bbolt works on, to let go of it after a panic
	now  func() time.Time

	queue  queue
	broken atomic.Pointer[error] // set once by a panic inside bbolt

	life   sync.RWMutex // held for reading by every call, for writing by Close
	closed bool
}

var _ store.Store = (*Store)(nil)

// Open opens the database in the directory path, and creates both when they do
// not exist (0700 and 0600). It reads the whole file once to verify it, so a
// damaged one is refused before anything is concluded from it. Errors:
// ErrLocked, ErrDamaged and ErrNewer, each with the file and the remedy in its
// text, or one that wraps what the file system said.
func Open(path string, o Options) (*Store, error) {
	return open(path, o, current)
}

func open(dir string, o Options, s schema) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = defaultLockTimeout
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory %s: %w", dir, explain(err))
	}
	st := &Store{path: filepath.Join(dir, FileName), now: o.Now}
	st.queue.turn = make(chan struct{}, 1)
	err := st.guard(func() error { return st.load(o.LockTimeout, s) })
	if err != nil {
		_ = st.release() // the first error says more
		return nil, fmt.Errorf("open store %s: %w", st.path, err)
	}
	st.announce()
	return st, nil
}

// load opens, verifies and migrates the file.
func (s *Store) load(lockTimeout time.Duration, sc schema) error {
	if err := create(s.path, sc); err != nil {
		return explain(err)
	}
	db, err := bbolt.Open(s.path, 0o600, &bbolt.Options{
		Timeout: lockTimeout,
		// The array type degrades on large files with many free pages, which
		// retention makes (bbolt: FreelistType).
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile:     s.openFile,
	})
	if err != nil {
		return s.explainOpen(err)
	}
	s.db = db
	if err := s.verify(sc); err != nil {
		return err
	}
	return explain(sc.migrate(db))
}

// create makes the file when there is none. It appears complete or not at all,
// so that one which lacks anything is always a damaged one: a kill leaves at
// most a small taskwarden-*.new, and of two that start together one wins.
func create(path string, sc schema) error {
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "taskwarden-*.new")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where it became the store
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(f.Name(), 0o600, nil)
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	if err := errors.Join(db.Update(sc.found), db.Close()); err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openFile opens the file for bbolt, which would create a missing one and take
// an empty one for new.
func (s *Store) openFile(path string, flag int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag&^os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is a %s, not a file: move it away", path, info.Mode().Type())
	case info.Size() == 0:
		err = damaged("the file is empty")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.file = f
	return f, nil
}

// release closes the file and ends its lock. After a panic inside bbolt its
// own locks may be held for ever, so its Close must not be called then.
func (s *Store) release() error {
	switch {
	case s.db != nil && s.broken.Load() == nil:
		return s.db.Close()
	case s.file != nil:
		return errors.Join(unlock(s.file), s.file.Close())
	}
	return nil
}

// Close waits for the calls under way, then closes the file and its lock. A
// second Close does nothing.
func (s *Store) Close() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	_ = os.Remove(s.holderPath())
	if err := s.release(); err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// enter begins a call: it refuses one on a closed or broken store or with an
// ended context. When it returns nil the caller ends the call with
// s.life.RUnlock.
func (s *Store) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return store.ErrClosed
	}
	if err := s.broken.Load(); err != nil {
		s.life.RUnlock()
		return s.locate(*err)
	}
	return nil
}

// ended returns the error of a context that has ended, with its cause.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
