package faulty

import (
	"net/http"
	"testing"
)

// Bridge lets a synctest bubble call a real server: its calls are made by goroutines outside of the bubble. The bubble's time stands
// while an answer is waited for, and runs, as always there, when everything in it only waits for time.
type Bridge struct {
	free chan *worker
	done chan struct{} // closed at the test's end
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
	b := &Bridge{free: make(chan *worker, workers), done: make(chan struct{})}
	for range workers {
		w := &worker{make(chan call), make(chan answer)}
		go b.work(w)
		b.free <- w
	}
	t.Cleanup(func() { close(b.done) })
	return b
}

func (b *Bridge) work(w *worker) {
	for {
		select {
		case c := <-w.calls:
			w.answers <- direct(c.url, c.header, c.body)
		case <-b.done:
			return
		}
	}
}

func (b *Bridge) exchange(url string, header http.Header, body []byte) answer {
	w := <-b.free
	defer func() { b.free <- w }()
	select {
	case w.calls <- call{url, header, body}:
		return <-w.answers
	case <-b.done:
		return answer{err: errReset}
	}
}
