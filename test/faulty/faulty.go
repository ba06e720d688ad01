// Package faulty is a way to DynamoDB that fails on demand and meters what passes: the SDK's HTTP client, or a proxy for a real
// process. A test says what becomes of each call; time that a fate takes is the calling bubble's where there is one (see Bridge).
package faulty

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Call is one HTTP request. N counts those of its operation from 1, since the last Set.
type Call struct {
	Op   string
	N    int
	Body string
}

// Fate is what becomes of a call; the zero value: it passes.
type Fate struct {
	Before time.Duration // wait before it is sent on; it is sent on although the caller has gone
	After  time.Duration // wait before its answer is given
	Lose   bool          // carried out, and the connection cut
	Reset  bool          // not carried out, and the connection cut
	Panic  bool          // in place of it: a defect behind the SDK
	Answer string        // in place of it
	Status int           // of Answer; 0: 400
}

// Way is the way to one endpoint.
type Way struct {
	To     string  // the endpoint, for a proxy; an HTTP client is given it with each request
	Bridge *Bridge // nil: calls are made in the calling goroutine

	mu    sync.Mutex
	rule  func(Call) Fate
	seen  []Call
	units Units
}

// Set puts a rule in force, which is asked about each call before it is sent, one at a time; nil: every call passes.
func (w *Way) Set(rule func(Call) Fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.rule = nil, rule
}

// Of gives the calls of an operation since the last Set; "": of all.
func (w *Way) Of(op string) []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.seen), func(c Call) bool { return op != "" && c.Op != op })
}

// Units gives what was consumed since the last call of it.
func (w *Way) Units() Units {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.units
	w.units = Units{}
	return out
}

func (w *Way) decide(op string, body []byte) Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := Call{Op: op, N: 1, Body: string(body)}
	for _, s := range w.seen {
		if s.Op == op {
			c.N++
		}
	}
	w.seen = append(w.seen, c)
	if w.rule == nil {
		return Fate{}
	}
	return w.rule(c)
}

// errReset is what a caller sees of a connection that was cut.
var errReset = errors.New("read: connection reset by peer")

// Do makes a Way an HTTP client of the SDK.
func (w *Way) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	out, err := w.pass(r.Context(), r.URL.String(), r.Header, body)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: out.status, Header: out.header, Body: io.NopCloser(bytes.NewReader(out.body)), Request: r}, nil
}

// ServeHTTP makes a Way a proxy.
func (w *Way) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out, err := w.pass(r.Context(), w.To, r.Header, body)
	if err != nil {
		cut(rw)
		return
	}
	for name, values := range out.header {
		rw.Header()[name] = values
	}
	rw.WriteHeader(out.status)
	_, _ = rw.Write(out.body) // a caller that has gone needs no answer
}

// cut ends a connection as a reset does.
func cut(rw http.ResponseWriter) {
	if h, ok := rw.(http.Hijacker); ok {
		if c, _, err := h.Hijack(); err == nil {
			if tcp, ok := c.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = c.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// answer is that of an endpoint.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// pass lets a call have its fate.
func (w *Way) pass(ctx context.Context, url string, header http.Header, body []byte) (answer, error) {
	op := strings.TrimPrefix(header.Get("X-Amz-Target"), "DynamoDB_20120810.")
	f := w.decide(op, body)
	switch {
	case f.Panic:
		panic("a defect behind the SDK")
	case f.Reset:
		return answer{}, errReset
	case f.Answer != "":
		if f.Status == 0 {
			f.Status = http.StatusBadRequest
		}
		return answer{status: f.Status, header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, body: []byte(f.Answer)}, sleep(ctx, f.Before)
	}
	if err := sleep(ctx, f.Before); err != nil {
		go func() { // the request is on its way: nothing stops it
			_ = sleep(context.Background(), f.Before)
			_, _ = w.send(op, url, header, body)
		}()
		return answer{}, err
	}
	out, err := w.send(op, url, header, body)
	if err != nil {
		return out, err
	}
	if f.Lose {
		return out, errReset
	}
	return out, sleep(ctx, f.After)
}

// send carries a call out, and meters it.
func (w *Way) send(op, url string, header http.Header, body []byte) (answer, error) {
	exchange := direct
	if w.Bridge != nil {
		exchange = w.Bridge.exchange
	}
	out := exchange(url, header, metered(op, body))
	if out.err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.units.add(op, out.body)
	}
	return out, out.err
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// direct makes a call, which no caller's context ends.
func direct(url string, header http.Header, body []byte) answer {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	r.Header = header.Clone()
	r.Header.Del("Accept-Encoding")
	resp, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	out := answer{status: resp.StatusCode, header: resp.Header.Clone()}
	out.body, out.err = io.ReadAll(resp.Body)
	for _, name := range []string{"Content-Length", "X-Amz-Crc32", "Date"} { // of another body, or of another clock
		out.header.Del(name)
	}
	return out
}

// Exception is an answer of DynamoDB.
func Exception(code, message string) string {
	return fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)
}
