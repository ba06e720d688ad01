package console

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits are how many connections clients may hold open. A process with 256 files can then still reach AWS and its store.
type Limits struct {
	Connections int // of all clients together
	PerAddress  int // of one remote address; a load balancer or a port forwarding is one for all its users
}

// DefaultLimits serve many people and tools, and leave files free for calls to AWS.
var DefaultLimits = Limits{Connections: 128, PerAddress: 64}

// Limit bounds the connections of a listener. At a bound the connection that has waited longest for a request is closed for the
// new one, so that clients that are idle or slow to ask block no other client. Where all are being served the new one is closed.
func Limit(l net.Listener, most Limits) net.Listener {
	return &limited{Listener: l, most: most, open: map[*connection]bool{}}
}

type limited struct {
	net.Listener
	most Limits

	mu   sync.Mutex
	open map[*connection]bool
}

// connection is one that is open. Between its requests, and until the head of the first one is read, it waits.
type connection struct {
	net.Conn
	of      *limited
	address string
	waits   time.Time // since when; zero while a request is served. Guarded by of.mu
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		is := &connection{Conn: c, of: l, address: hostOf(c.RemoteAddr()), waits: time.Now()}
		victim, ok := l.admit(is)
		if victim != nil {
			_ = victim.Close() // its reader learns of it and ends
		}
		if ok {
			return is, nil
		}
		_ = c.Close()
	}
}

// admit takes a connection in, and gives the one that has to go for it; not ok: there is no room for it.
func (l *limited) admit(c *connection) (victim *connection, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := 0
	for o := range l.open {
		if o.address == c.address {
			same++
		}
	}
	if full := len(l.open) >= l.most.Connections; full || same >= l.most.PerAddress {
		if victim = l.longestWaiting(c.address, same >= l.most.PerAddress); victim == nil {
			return nil, false
		}
		delete(l.open, victim)
	}
	l.open[c] = true
	return victim, true
}

// longestWaiting is the connection that has waited longest, of all or of one address; nil: none waits.
func (l *limited) longestWaiting(address string, ofAddress bool) (longest *connection) {
	for c := range l.open {
		if c.waits.IsZero() || ofAddress && c.address != address {
			continue
		}
		if longest == nil || c.waits.Before(longest.waits) {
			longest = c
		}
	}
	return longest
}

// Close implements net.Conn.
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

func (c *connection) serving(now bool) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.waits = time.Time{}
	if !now {
		c.waits = time.Now()
	}
}

func hostOf(a net.Addr) string {
	if host, _, err := net.SplitHostPort(a.String()); err == nil {
		return host
	}
	return a.String()
}

type connectionKey struct{}

// withConnection lets the handler find the connection of a request.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// marked marks a request's connection as being served while the handler runs.
func marked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			c.serving(true)
			defer c.serving(false)
		}
		next.ServeHTTP(w, r)
	})
}

// framed closes the connection after a request with a Transfer-Encoding. A proxy may have read another length from its
// Content-Length (RFC 9112, section 6.3): what follows on the connection must not be taken for a request.
func framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Server is an HTTP server for the handler with limits on what a client may hold: time for each part of an exchange,
// and the size of headers. Limit bounds its listener.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: marked(framed(h)), ConnContext: withConnection,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       75 * time.Second, // above the 60 s of an AWS load balancer, which then closes first
		MaxHeaderBytes:    16 << 10,
	}
}
