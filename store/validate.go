package store

import (
	"fmt"
)

// overhead is what a write counts beside its kind, key and body: DynamoDB adds
// up to 100 bytes to an item and counts attribute names and numbers.
const overhead = 200

// Size is what the write counts towards MaxBytes: kind, key, body and a fixed
// 200 bytes, without the body for a Delete.
func (w Write) Size() int {
	n := len(w.Kind) + len(w.Key) + overhead
	if !w.Delete {
		n += len(w.Body)
	}
	return n
}

// Check returns the *Conflict when the condition of w does not hold for an
// item that has version found (0: absent or expired).
func (w Write) Check(found uint64) error {
	switch {
	case w.If == Absent && found != 0:
		return &Conflict{Kind: w.Kind, Key: w.Key, If: Absent, Found: found}
	case w.If == IfVersion && found != w.Version:
		return &Conflict{Kind: w.Kind, Key: w.Key, If: IfVersion, Want: w.Version, Found: found}
	}
	return nil
}

// ValidateKey returns ErrInvalid unless kind and key can name an item. Engines
// call it first in Get.
func ValidateKey(kind, key string) error {
	if err := validateKind(kind); err != nil {
		return err
	}
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("%w: key of %s has %d bytes, must have 1 to %d", ErrInvalid, kind, len(key), MaxKey)
	}
	return nil
}

// ValidateRange returns ErrInvalid unless a Range can be asked so, and the
// limit to use. Engines call it first in Range.
func ValidateRange(kind, prefix, after string, limit int) (int, error) {
	if err := validateKind(kind); err != nil {
		return 0, err
	}
	if n := max(len(prefix), len(after)); n > MaxKey {
		return 0, fmt.Errorf("%w: prefix or after of a range over %s has %d bytes, at most %d", ErrInvalid, kind, n, MaxKey)
	}
	if limit < 0 {
		return 0, fmt.Errorf("%w: limit %d of a range over %s is below 0", ErrInvalid, limit, kind)
	}
	if limit == 0 {
		limit = DefaultLimit
	}
	return limit, nil
}

// ValidateCommit returns ErrInvalid or ErrTooLarge unless the writes can be
// committed together. Engines call it first in Commit.
func ValidateCommit(writes []Write) error {
	if len(writes) > MaxItems {
		return fmt.Errorf("%w: %d writes in one commit, at most %d", ErrTooLarge, len(writes), MaxItems)
	}
	type name struct{ kind, key string }
	seen := make(map[name]bool, len(writes))
	total := 0
	for _, w := range writes {
		if err := w.validate(); err != nil {
			return err
		}
		n := name{w.Kind, w.Key}
		if seen[n] {
			return fmt.Errorf("%w: two writes to %s %q in one commit", ErrInvalid, w.Kind, w.Key)
		}
		seen[n] = true
		total += w.Size()
	}
	if total > MaxBytes {
		return fmt.Errorf("%w: %d bytes in one commit, at most %d", ErrTooLarge, total, MaxBytes)
	}
	return nil
}

func (w Write) validate() error {
	if err := ValidateKey(w.Kind, w.Key); err != nil {
		return err
	}
	if w.If > IfVersion {
		return fmt.Errorf("%w: condition %d on %s %q is unknown", ErrInvalid, w.If, w.Kind, w.Key)
	}
	if w.If == IfVersion && w.Version == 0 {
		return fmt.Errorf("%w: IfVersion 0 on %s %q: no item has version 0, use Absent", ErrInvalid, w.Kind, w.Key)
	}
	if w.Delete {
		return nil
	}
	if len(w.Body) > MaxBody {
		return fmt.Errorf("%w: body of %s %q has %d bytes, at most %d", ErrTooLarge, w.Kind, w.Key, len(w.Body), MaxBody)
	}
	if !w.Expires.IsZero() && w.Expires.UnixMilli() <= 0 {
		return fmt.Errorf("%w: %s %q expires at %s, must be after 1970", ErrInvalid, w.Kind, w.Key, w.Expires)
	}
	return nil
}

func validateKind(kind string) error {
	if kind == "" || len(kind) > MaxKind {
		return fmt.Errorf("%w: kind %.80q has %d bytes, must have 1 to %d", ErrInvalid, kind, len(kind), MaxKind)
	}
	for _, c := range []byte(kind) {
		if (c < 'a' || c > 'z') && c != '-' {
			return fmt.Errorf("%w: kind %q must be of a-z and '-' only", ErrInvalid, kind)
		}
	}
	return nil
}
