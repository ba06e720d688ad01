package main

import (
	"errors"
	"fmt"
	"io"

	"taskwarden/cmd/controller/config"
)

// The exit codes, a contract with scripts. 64 and 78 are EX_USAGE and EX_CONFIG
// of sysexits(3).
const (
	exitOK         = 0
	exitFailed     = 1
	exitFindings   = 2  // findings at or above --fail-on
	exitIncomplete = 3  // done, but something could not be seen
	exitUsage      = 64 // unknown verb or flag, wrong arguments
	exitConfig     = 78 // bad configuration
)

// exitError is an error with the exit code it asks for. A nil err exits without
// a message, for verbs that have said all on their output.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is an error of the person at the keyboard.
func usageError(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[config.Errors](err); ok {
		return exitConfig
	}
	return exitFailed
}

// printError is the one place where errors are shown. The problems of a
// configuration stand alone on their lines, so that editors find the places.
func printError(w io.Writer, err error, help string) {
	if e, ok := errors.AsType[*exitError](err); ok && e.err == nil {
		return
	}
	if problems, ok := errors.AsType[config.Errors](err); ok {
		fmt.Fprintln(w, problems)
		return
	}
	fmt.Fprintf(w, "taskwarden: %v\n", err)
	if exitCode(err) == exitUsage {
		fmt.Fprintf(w, "See '%s --help'.\n", help)
	}
}
