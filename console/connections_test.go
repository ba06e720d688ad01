package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// listening serves the API on a real port with real limits.
func listening(t *testing.T, f *fake, most Limits, tokens ...Token) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Server(l.Addr().String(), handler(t, f, tokens...))
	done := make(chan error, 1)
	go func() { done <- s.Serve(Limit(l, most)) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func dial(t *testing.T, address, sends string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, sends); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Logf("send to %s: %v", address, err) // the server may have closed it already
	}
	return c
}

// closed reports whether the server closes a connection within a time that is shorter than any of its time limits.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Clients that open connections and then do nothing, or send half a request, block no other client: the server closes the
// connections that wait longest.
func TestIdleConnectionsBlockNoOtherClient(t *testing.T) {
	for name, c := range map[string]struct {
		most  Limits
		sends string
	}{
		"nothing is sent":          {Limits{8, 8}, ""},
		"half a head is sent":      {Limits{8, 8}, "GET /healthz HTTP/1.1\r\nHost: localh"},
		"one request each is sent": {Limits{8, 8}, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		"of one address":           {Limits{100, 8}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := listening(t, world(), c.most)
			var idle []net.Conn
			for range 40 {
				idle = append(idle, dial(t, address, c.sends))
			}
			client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			resp, err := client.Get("http://" + address + "/healthz")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			var open atomic.Int32
			var wg sync.WaitGroup
			for _, c := range idle {
				wg.Go(func() {
					if !closed(c) {
						open.Add(1)
					}
				})
			}
			if wg.Wait(); open.Load() > 8 {
				t.Errorf("%d connections are still open", open.Load())
			}
		})
	}
}

// A connection whose request is being served keeps its place; a new one has to go.
func TestAConnectionThatIsServedIsNotClosedForAnother(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, finish := make(chan struct{}, 2), make(chan struct{})
	s := Server("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-finish
		_, _ = io.WriteString(w, "whole")
	}))
	go func() { _ = s.Serve(Limit(l, Limits{2, 2})) }()
	defer func() { _ = s.Close() }()
	get := "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	served := []net.Conn{dial(t, l.Addr().String(), get), dial(t, l.Addr().String(), get)}
	<-begun
	<-begun
	if !closed(dial(t, l.Addr().String(), get)) {
		t.Error("a third connection is taken although both are being served")
	}
	close(finish)
	for _, c := range served {
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "whole" {
			t.Errorf("%q %v", body, err)
		}
	}
}

// pipes is a listener in memory, so that time can be virtual.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.done); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// A client that is slow with the head of a request, with its body, or with the next request, loses its connection in time. A
// head that is too large is refused.
func TestTimesAndSizesOfRequestsAreLimited(t *testing.T) {
	head := "POST /api/v1/rollouts/asks:approve HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer boss\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		sends, answers string
		within         time.Duration
	}{
		"no request":            {"", "", 5 * time.Second},
		"half a head":           {"GET / HTTP/1.1\r\nHost: loc", "", 5 * time.Second},
		"half a body":           {head + "Content-Length: 50\r\n\r\n{", "400 Bad Request", 10 * time.Second},
		"no second request":     {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK", 75 * time.Second},
		"a head of 20 kB":       {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 21<<10) + "\r\n\r\n", "431 Request Header Fields Too Large", time.Second},
		"a body of 65 kB":       {head + "Content-Length: 66560\r\n\r\n{\"reason\":\"" + strings.Repeat("x", 66560-13) + "\"}", "400 Bad Request", 75 * time.Second},
		"a body without tokens": {strings.Replace(head, "boss", "guess", 1) + "Content-Length: 1000000\r\n\r\n", "401 Unauthorized", 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pipes{make(chan net.Conn), make(chan struct{})}
				f := world()
				s := Server("", handler(t, f, people...))
				go func() { _ = s.Serve(Limit(p, DefaultLimits)) }()
				defer func() { _ = s.Close() }()
				ours, theirs := net.Pipe()
				p.conns <- theirs
				began := time.Now()
				go func() { _, _ = io.WriteString(ours, c.sends) }() // the server need not read all of it
				got, _ := io.ReadAll(ours)                           // until the server closes it
				if took := time.Since(began); took > c.within+time.Second {
					t.Errorf("closed after %s, want %s", took, c.within)
				}
				if line, _, _ := strings.Cut(string(got), "\r\n"); line != strings.TrimSuffix("HTTP/1.1 "+c.answers, "HTTP/1.1 ") {
					t.Errorf("answered %q, want %q", line, c.answers)
				}
				unchanged(t, name, f)
			})
		})
	}
}

// A request with both a Content-Length and a Transfer-Encoding is read by its Transfer-Encoding. What a proxy might have taken
// for a part of its body is not taken for a second request: the connection is closed.
func TestARequestWithTwoLengthsEndsItsConnection(t *testing.T) {
	f := world()
	address := listening(t, f, DefaultLimits, people...)
	hidden := "POST /api/v1/remediation:pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer boss\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	c := dial(t, address, "POST /api/v1/rollouts/asks:approve HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guess\r\nContent-Type: application/json\r\n"+
		fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(hidden)+5, hidden))
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(all), "HTTP/1.1 "); n != 1 || !strings.HasPrefix(string(all), "HTTP/1.1 401 ") || !strings.Contains(string(all), "Connection: close") {
		t.Errorf("%d answers: %s", n, all)
	}
	unchanged(t, "two lengths", f)
	for name, lengths := range map[string]string{"two Content-Lengths": "Content-Length: 2\r\nContent-Length: 3", "an unknown encoding": "Transfer-Encoding: gzip, chunked",
		"two encodings": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "a sign": "Content-Length: +2"} {
		c := dial(t, address, "POST /api/v1/remediation:pause HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer boss\r\nContent-Type: application/json\r\n"+lengths+"\r\n\r\n{}")
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") && !strings.HasPrefix(string(answer), "HTTP/1.1 501 ") {
			t.Errorf("%s: %v %s", name, err, answer)
		}
	}
	unchanged(t, "broken lengths", f)
}

// A request line may hold a whole URL. Its host counts as the name that was asked for, and the Host header does not; so a page
// cannot pass a foreign name off as this machine's.
func TestAWholeURLInTheRequestLine(t *testing.T) {
	for _, c := range []struct {
		line, header, status string
		tokens               []Token
	}{
		{"GET http://localhost/api/v1/findings", "Host: localhost", "200", nil},
		{"GET http://evil.example/api/v1/findings", "Host: localhost", "403", nil},
		{"GET http://localhost/api/v1/findings", "Host: evil.example", "200", nil},
		{"GET http://localhost/api/v1/findings", "Host: localhost", "401", people},
		{"POST http://localhost/api/v1/rollouts/asks:approve", "Host: localhost\r\nOrigin: http://evil.example", "403", people},
		{"POST http://evil.example/api/v1/rollouts/asks:approve", "Host: localhost", "401", people},
		{"CONNECT evil.example:443", "Host: evil.example:443", "403", nil},
		{"GET //evil.example/api/v1/findings", "Host: localhost", "307", nil}, // to the path /evil.example/api/v1/findings, here
	} {
		f := world()
		conn := dial(t, listening(t, f, DefaultLimits, c.tokens...), c.line+" HTTP/1.1\r\n"+c.header+"\r\nConnection: close\r\n\r\n")
		all, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 "+c.status+" ") {
			t.Errorf("%s, %s: %v %.200s", c.line, c.header, err, all)
		}
		if strings.Contains(string(all), "Location:") && !strings.Contains(string(all), "\r\nLocation: /evil.example/api/v1/findings\r\n") {
			t.Errorf("%s leads elsewhere: %s", c.line, all)
		}
		unchanged(t, c.line, f)
	}
}
