// Package wire speaks AWS's own protocols for the simulated account: it turns an HTTP request into an operation name and
// a decoded input, and an answer or an error back into bytes.
package wire

import "fmt"

// Error is an AWS API error as a service of the simulated account answers it.
type Error struct {
	Code    string // the shape name AWS uses, such as "ClusterNotFoundException"
	Status  int    // the HTTP status; 400 where AWS blames the client
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d): %s", e.Code, e.Status, e.Message) }

// Bad is a client error (HTTP 400) of the given code.
func Bad(code, format string, args ...any) *Error {
	return &Error{Code: code, Status: 400, Message: fmt.Sprintf(format, args...)}
}
