package rollout

import (
	"errors"
	"fmt"
)

// The classes of an OrderError. They are apart from the classes of AWS's answers (package fleet): no call was made.
var (
	ErrNotFound = errors.New("no such rollout, service or target") // what the order names does not exist
	ErrConflict = errors.New("the order does not fit")             // it exists, and its state does not allow the order
)

// OrderError says why a person's order changed nothing. Its text is written for that person and does not repeat the class,
// which errors.Is finds.
type OrderError struct {
	Class   error  // ErrNotFound or ErrConflict
	Message string // why
	Remedy  string // what the person can do; may be empty
}

// Error gives the reason and the remedy.
func (e *OrderError) Error() string {
	if e.Remedy == "" {
		return e.Message
	}
	return e.Message + "; remedy: " + e.Remedy
}

// Unwrap gives the class.
func (e *OrderError) Unwrap() error { return e.Class }

// NotFound is the error of an order that names something that does not exist.
func NotFound(format string, args ...any) *OrderError {
	return &OrderError{Class: ErrNotFound, Message: fmt.Sprintf(format, args...)}
}

// Conflict is the error of an order that what it names does not allow now.
func Conflict(remedy, format string, args ...any) *OrderError {
	return &OrderError{Class: ErrConflict, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}
