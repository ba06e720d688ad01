package recording

import (
	"context"
	"errors"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/mask"
)

// fault is an error as far as anybody acts on it: its class, its action, and its text.
type fault struct {
	Text      string `json:"text"`
	Class     string `json:"class,omitempty"`
	Operation string `json:"operation,omitempty"`
	Action    string `json:"action,omitempty"`
	Code      string `json:"code,omitempty"`
}

// classes are the errors that are asked for with errors.Is, by the names they have in a recording.
var classes = map[string]error{
	"notFound": fleet.ErrNotFound, "conflict": fleet.ErrConflict, "throttled": fleet.ErrThrottled,
	"denied": fleet.ErrDenied, "terminal": fleet.ErrTerminal, "canceled": context.Canceled,
}

func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	out := &fault{Text: mask.Text(err.Error())}
	for name, class := range classes {
		if errors.Is(err, class) {
			out.Class = name
		}
	}
	var f *fleet.Fault
	if errors.As(err, &f) {
		out.Operation, out.Action, out.Code = f.Operation, f.Action, f.Code
	}
	return out
}

// told is an error read from a recording: the text of the old one, and what it wrapped.
type told struct {
	text string
	is   *fleet.Fault
}

func (t told) Error() string { return t.text }
func (t told) Unwrap() error { return t.is }

func (f *fault) err() error {
	if f == nil {
		return nil
	}
	return told{f.Text, &fleet.Fault{Operation: f.Operation, Action: f.Action, Code: f.Code, Class: classes[f.Class], Err: errors.New(f.Text)}}
}
