package dynamodb

import (
	"bytes"
	"slices"
	"sync"

	"taskwarden/store"
)

// queue holds the commits that wait. Whoever finds it idle starts the one that empties it, so that there is one transaction
// at a time: two with a condition on the fence would cancel each other.
type queue struct {
	mu      sync.Mutex
	waiting []*request
	busy    bool // somebody empties it
}

// request is one Commit.
type request struct {
	writes []store.Write
	over   []bool // for each write under store.Any: an expired item was found in its place
	bytes  int
	err    error         // valid once done is closed
	done   chan struct{} // closed when the request has its answer
}

// name is what a transaction may name once.
type name struct{ kind, key string }

// newRequest copies the bodies: a caller whose context ends goes, and may use them again, while the commit is under way.
func newRequest(writes []store.Write) *request {
	r := &request{writes: slices.Clone(writes), over: make([]bool, len(writes)), done: make(chan struct{})}
	for i := range r.writes {
		r.writes[i].Body = bytes.Clone(r.writes[i].Body)
		r.bytes += r.writes[i].Size()
	}
	return r
}

func (r *request) answer(err error) {
	r.err = err
	close(r.done)
}

// add reports whether the caller has to see to it that the queue is emptied.
func (q *queue) add(r *request) (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
	first = !q.busy
	q.busy = true
	return first
}

// take removes the longest waiting requests that fit into one transaction; none: the queue is idle again. No two of them name
// one item, and none overtakes another that names an item of its own.
func (q *queue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	var group, rest []*request
	named := map[name]bool{}
	items, size := 0, 0
	for _, r := range q.waiting {
		fits := items+len(r.writes) <= store.MaxItems && size+r.bytes <= store.MaxBytes
		fits = !slices.ContainsFunc(r.writes, func(w store.Write) bool { return named[name{w.Kind, w.Key}] }) && fits
		for _, w := range r.writes {
			named[name{w.Kind, w.Key}] = true // also of one that stays: what comes after it must not overtake it
		}
		if !fits {
			rest = append(rest, r)
			continue
		}
		group, items, size = append(group, r), items+len(r.writes), size+r.bytes
	}
	q.waiting, q.busy = rest, len(group) > 0
	return group
}

// fail answers every request that waits, after a panic ended the goroutine that empties the queue. The next request starts another one.
func (q *queue) fail(panicked error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	answer(q.waiting, panicked)
	q.waiting, q.busy = nil, false
}

// withdraw removes a request that nobody has taken yet.
func (q *queue) withdraw(r *request) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}
