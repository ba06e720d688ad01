package store

import (
	"context"
	"errors"
	"fmt"
)

// The classes of errors that a caller acts upon; ask with errors.Is.
var (
	// ErrNotFound: there is no such item, or it has expired.
	ErrNotFound = errors.New("item not found")
	// ErrConflict: a condition of a commit did not hold; errors.As gives the
	// *Conflict. Nothing was written; read again and decide anew.
	ErrConflict = errors.New("commit conflict")
	// ErrTooLarge: a body or a commit is over its limit; split it.
	ErrTooLarge = errors.New("too large for the store")
	// ErrInvalid: the call itself is wrong and will never succeed.
	ErrInvalid = errors.New("invalid use of the store")
	// ErrFenced: this process owned the store and does so no longer. Nothing
	// was written; what is remembered of the store is out of date.
	ErrFenced = errors.New("no longer the owner of the store")
	// ErrThrottled: the engine refuses what is over its capacity, and went on
	// doing so for as long as a commit is repeated. Nothing was written; try later.
	ErrThrottled = errors.New("store is throttled")
	// ErrUnavailable: the engine does not answer, fails, or does not accept the
	// credentials. A commit may have taken place; try later.
	ErrUnavailable = errors.New("store is not available")
	// ErrMissing: what the engine keeps its items in is not there.
	ErrMissing = errors.New("store does not exist")
	// ErrDenied: the credentials lack a permission.
	ErrDenied = errors.New("store is denied")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)

// Passes reports whether a call that failed with err may succeed later without
// anything being changed in this process or its permissions.
func Passes(err error) bool {
	for _, passing := range []error{ErrThrottled, ErrUnavailable, ErrMissing, context.DeadlineExceeded} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// Conflict is the ErrConflict of the first write whose condition did not hold.
type Conflict struct {
	Kind, Key string
	If        Condition
	Want      uint64 // the version demanded; 0 unless If is IfVersion
	Found     uint64 // the version found; 0: absent
}

// Error says what was demanded and what was found.
func (c *Conflict) Error() string {
	want := "no item"
	if c.If == IfVersion {
		want = fmt.Sprintf("version %d", c.Want)
	}
	found := "no item"
	if c.Found != 0 {
		found = fmt.Sprintf("version %d", c.Found)
	}
	return fmt.Sprintf("commit conflict on %s %q: wanted %s, found %s", c.Kind, c.Key, want, found)
}

// Is makes errors.Is(err, ErrConflict) hold.
func (c *Conflict) Is(target error) bool { return target == ErrConflict }
