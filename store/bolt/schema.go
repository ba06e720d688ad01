package bolt

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

var (
	storeBucket   = []byte("_store")
	expiresBucket = []byte("_expires")
	schemaKey     = []byte("schema")
)

// schema is a version of the layout, and the steps that lead to it.
type schema struct {
	version uint64
	// steps[v] turns a file of version v into one of v+1. It runs in one
	// transaction with the new version number, so a kill repeats it whole.
	steps map[uint64]func(*bbolt.Tx) error
}

// current is the layout that this program reads and writes.
var current = schema{version: 1}

// read returns the version of a file, and refuses one that is newer, cannot be
// brought up to date or is not ours.
func (s schema) read(tx *bbolt.Tx) (uint64, error) {
	b := tx.Bucket(storeBucket)
	if b == nil {
		return 0, damaged("no schema record: not a database of taskwarden, or its first pages are destroyed")
	}
	text := b.Get(schemaKey)
	version, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || version == 0 {
		return 0, damaged("schema record is %.40q", text)
	}
	if version > s.version {
		return 0, fmt.Errorf("%w: its schema is %d, this program knows up to %d; run the newer taskwarden, or restore a backup of the older one", ErrNewer, version, s.version)
	}
	for v := version; v < s.version; v++ {
		if s.steps[v] == nil {
			return 0, fmt.Errorf("schema %d is too old: no way from %d to %d in this program; upgrade through the release between", version, v, v+1)
		}
	}
	return version, nil
}

// found lays out an empty file.
func (s schema) found(tx *bbolt.Tx) error {
	for _, name := range [][]byte{storeBucket, expiresBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return s.write(tx, s.version)
}

func (s schema) write(tx *bbolt.Tx, version uint64) error {
	return tx.Bucket(storeBucket).Put(schemaKey, strconv.AppendUint(nil, version, 10))
}

// migrate brings a file that read accepts to s.version, a transaction a step.
func (s schema) migrate(db *bbolt.DB) error {
	for {
		var version uint64
		err := db.View(func(tx *bbolt.Tx) (err error) {
			version, err = s.read(tx)
			return err
		})
		if err != nil || version == s.version {
			return err
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			if err := s.steps[version](tx); err != nil {
				return err
			}
			return s.write(tx, version+1)
		})
		if err != nil {
			return fmt.Errorf("bring schema %d to %d: %w", version, version+1, err)
		}
	}
}
