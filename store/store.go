// Package store is the durable memory of the controller: kinds of items under
// ordered keys, a version on each item, commits that are conditional and
// all-or-none, and an expiry. It knows no meaning of what it keeps: bodies are
// bytes.
//
// The promises are those that every engine can keep, an embedded file
// (store/bolt) as well as a DynamoDB table written with TransactWriteItems. So
// there are no snapshots over several reads, at most [MaxItems] writes in one
// commit, and no order between kinds. Package storetest is the suite that
// every engine passes.
//
// # Versions
//
// An item has version 1 when it is created and one more after each write. A
// deleted or expired item leaves nothing behind, so the item that is created
// next under its key starts at 1 again: whoever needs to tell the two apart
// puts an identity into the body.
//
// # Expiry
//
// From Expires on an item is absent for Get, Range and every condition. When
// its bytes are freed is the engine's affair (DynamoDB documents TTL deletion
// as "within a few days"), and nothing can be concluded from it.
//
// # Failures
//
// A commit that returned nil is durable. A commit that failed with
// [ErrConflict], [ErrInvalid], [ErrTooLarge], [ErrThrottled] or [ErrClosed] changed nothing.
// So did one that failed with [ErrFenced]: another process owns the store now.
// After any other error, a cancelled context included, it is unknown whether
// the commit took place (all of it or nothing): read before repeating it.
package store

import (
	"context"
	"time"
)

// Limits of every engine. They follow from DynamoDB's (Service, account, and
// table quotas; API reference of TransactWriteItems), with room for what an
// engine adds to an item.
const (
	// MaxItems is the most writes in one Commit: TransactWriteItems takes 100
	// actions, of which the owner's fence is one.
	MaxItems = 99
	// MaxBytes is the most bytes in one Commit, the sum of [Write.Size]:
	// TransactWriteItems takes 4 MB; the decimal reading is the safe one.
	MaxBytes = 4_000_000
	// MaxBody is the most bytes in one Body: a DynamoDB item has at most
	// 400 KB, keys and attribute names included.
	MaxBody = 350 << 10
	// MaxKey is the most bytes in a Key, a prefix or an after: a DynamoDB sort
	// key has at most 1,024.
	MaxKey = 1000
	// MaxKind is the most bytes in a Kind.
	MaxKind = 64
	// DefaultLimit is the limit of a Range that is asked with 0.
	DefaultLimit = 1000
)

// Item is one record.
type Item struct {
	// Kind names the table that the item is in: 1 to MaxKind bytes of [a-z-].
	Kind string
	// Key is unique within Kind: 1 to MaxKey bytes of any value, ordered
	// bytewise.
	Key string
	// Version is set by the store: 1 on creation, one more on each write.
	Version uint64
	// Body is opaque, at most MaxBody bytes. The store keeps no reference to a
	// body that it was given or that it gave away. No bytes may read back as
	// nil or as empty.
	Body []byte
	// Expires is the instant from which on the item reads as absent; zero:
	// never. It must be after 1970, is kept to the millisecond (cut, not
	// rounded), and reads back in UTC.
	Expires time.Time
}

// Condition is what a Write demands of the item that is stored now. An expired
// item counts as absent.
type Condition uint8

const (
	// Any demands nothing.
	Any Condition = iota
	// Absent demands that there is no such item.
	Absent
	// IfVersion demands that the item is there with exactly Write.Version.
	IfVersion
)

// String names the condition for messages.
func (c Condition) String() string {
	switch c {
	case Any:
		return "any"
	case Absent:
		return "absent"
	case IfVersion:
		return "if version"
	}
	return "unknown condition"
}

// Write is one change in a Commit: it puts the whole Item, or deletes it.
type Write struct {
	// Item is what to put. Its Version is the operand of IfVersion and is
	// ignored otherwise. A Delete uses Kind and Key only.
	Item
	// If is what must hold now for the commit to take place.
	If Condition
	// Delete removes the item instead of putting it. Deleting what is absent
	// under Any or Absent changes nothing and is no error; under Absent it
	// serves as a bare check within a larger commit.
	Delete bool
}

// Store is an engine. Its methods may be called at the same time from many
// goroutines. All of them return [ErrInvalid] for a kind, key or limit out of
// bounds, [ErrClosed] after Close, and an error that wraps the context's when
// the context ended first.
type Store interface {
	// Get returns one item, or ErrNotFound. It sees every commit that returned
	// before it was called.
	Get(ctx context.Context, kind, key string) (Item, error)

	// Range returns the items of a kind whose keys begin with prefix and are
	// greater than after, in key order, at most limit of them (0:
	// DefaultLimit; below 0: ErrInvalid). Fewer than limit means that there
	// are no more; an error comes without items. It sees every commit that
	// returned before it was called, but it is no snapshot: of a commit that
	// runs at the same time it may show a part. An answer is held in memory
	// whole, so ask large bodies in small pages.
	Range(ctx context.Context, kind, prefix, after string, limit int) ([]Item, error)

	// Commit makes all writes durable, or none. When a condition does not hold
	// the error is a *[Conflict] (ErrConflict) for the first such write in the
	// order given. Two writes to one kind and key are refused with ErrInvalid,
	// more than MaxItems or MaxBytes with ErrTooLarge; no writes are a
	// success. See the package comment for what an error says about the state.
	Commit(ctx context.Context, writes ...Write) error

	// Kinds lists every kind that has items, in order. A kind whose items are
	// all deleted or expired may be among them.
	Kinds(ctx context.Context) ([]string, error)

	// Close waits for calls that are under way and releases the engine. A
	// second Close does nothing.
	Close() error
}
