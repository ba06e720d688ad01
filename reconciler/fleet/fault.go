package fleet

import (
	"errors"
	"fmt"
)

// The few classes of failure that anybody acts on. A Fault wraps one; errors.Is tells.
var (
	ErrNotFound  = errors.New("not found")
	ErrConflict  = errors.New("conflict")
	ErrThrottled = errors.New("throttled")
	ErrDenied    = errors.New("denied")
	ErrTerminal  = errors.New("not to be repeated") // the request itself is wrong; the same one fails again
	ErrUnsent    = errors.New("nothing was sent")   // what had to be known before a write could not be read
)

// Fault is one failed AWS call.
type Fault struct {
	Operation string // "ecs:ListTasks"
	Action    string // the IAM action to allow, where Class is ErrDenied
	Code      string // AWS's own code
	Class     error  // one of the above, or nil: passing trouble, worth another try
	Err       error
}

// Error says what was called and what AWS answered; a denied call names the missing IAM action.
func (f *Fault) Error() string {
	if errors.Is(f.Class, ErrDenied) {
		return fmt.Sprintf("%s: denied: allow the IAM action %s", f.Operation, f.Action)
	}
	return fmt.Sprintf("%s: %v", f.Operation, f.Err)
}

// Unwrap lets errors.Is find the class and errors.As the SDK's own error.
func (f *Fault) Unwrap() []error {
	if f.Class == nil {
		return []error{f.Err}
	}
	return []error{f.Class, f.Err}
}

// DeniedAction is the IAM action whose absence caused err, or "".
func DeniedAction(err error) string {
	var f *Fault
	if errors.As(err, &f) && errors.Is(f, ErrDenied) {
		return f.Action
	}
	return ""
}
