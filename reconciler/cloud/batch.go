package cloud

import (
	"errors"

	"taskwarden/reconciler/fleet"
)

// batch fills calls to their limit across pages, so that a page's remainder does not cost a call of its own. A failed
// call is the last one: what failed after its retries is likely to fail for all the others too. A call that answered
// with failures for some of its ids is not a failed call.
type batch struct {
	size int
	do   func(ids []string) error

	ids    []string
	seen   map[string]bool
	err    error // the first
	failed bool
}

// add takes an id once: a list that shifts while its pages are read may name one twice.
func (b *batch) add(id string) {
	if b.seen[id] {
		return
	}
	if b.seen == nil {
		b.seen = map[string]bool{}
	}
	b.seen[id] = true
	if b.ids = append(b.ids, id); len(b.ids) == b.size {
		b.flush()
	}
}

// rest does what is left and tells the first error of all.
func (b *batch) rest() error {
	b.flush()
	return b.err
}

func (b *batch) flush() {
	ids := b.ids
	b.ids = nil
	if b.failed || len(ids) == 0 {
		return
	}
	err := b.do(ids)
	if b.err == nil {
		b.err = err
	}
	_, b.failed = errors.AsType[*fleet.Fault](err)
}
