package faulty

import (
	"net/http"
	"testing"
)

// Bridge lets a synctest bubble call a real server: its calls are made by goroutines outside of the bubble. The bubble's time stands
// while an answer is waited for, and runs, as always there, when everything in it only waits for time.
type Bridge struct {
	free chan *worker
}

// worker makes one call at a time. Its channels are made outside of the bubble: a wait on them is no wait for time.
type worker struct {
	calls   chan call
	answers chan answer
}

type call struct {
	url    string
	header http.Header
	body   []byte
}

// NewBridge must be called outside of the bubble.
func NewBridge(t testing.TB) *Bridge {
	const workers = 32
	b := &Bridge{free: make(chan *worker, workers)}
	all := make([]*worker, workers)
	for i := range all {
		w := &worker{make(chan call), make(chan answer)}
		all[i] = w
		go func() {
			for c := range w.calls {
				w.answers <- direct(c.url, c.header, c.body)
			}
		}()
		b.free <- w
	}
	t.Cleanup(func() {
		for _, w := range all {
			close(w.calls)
		}
	})
	return b
}

func (b *Bridge) exchange(url string, header http.Header, body []byte) answer {
	w := <-b.free
	defer func() { b.free <- w }()
	w.calls <- call{url, header, body}
	return <-w.answers
}
