package registry

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// mostBytes of one answer: the distribution specification lets registries refuse manifests above 4 MiB.
const mostBytes = 4 << 20

// strayed is a request that is not sent because of where it leads.
type strayed struct{ why string }

// Error says where and why not.
func (s *strayed) Error() string { return s.why }

// httpsOnly sends what is encrypted, or goes to this machine by its loopback name (a test's registry: Direct refuses that
// address), and bounds each answer.
type httpsOnly struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper. Each hop of a redirect comes through here.
func (h httpsOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !loopback(r.URL.Hostname()) {
		return nil, &strayed{r.URL.Host + " is not asked: only https is spoken"}
	}
	resp, err := h.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{ReadCloser: resp.Body, left: mostBytes}
	return resp, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// bounded is a body that may not be longer than it should.
type bounded struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", mostBytes)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n, fmt.Errorf("the answer is longer than %d bytes", mostBytes)
	}
	return n, err
}

// Direct is the network as taskwarden uses it: public addresses alone, so that a task definition cannot make it knock at the
// doors of the network it runs in. Where the environment names a proxy (HTTPS_PROXY), that is asked, and decides.
func Direct() http.RoundTripper {
	dialer := &net.Dialer{Timeout: answerIn, Control: publicOnly}
	direct := &http.Transport{DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConns: 8, IdleConnTimeout: time.Minute,
		TLSHandshakeTimeout: answerIn, ResponseHeaderTimeout: answerIn}
	proxied := direct.Clone()
	proxied.DialContext, proxied.Proxy = nil, http.ProxyFromEnvironment
	return network{direct, proxied, http.ProxyFromEnvironment}
}

type network struct {
	direct, proxied http.RoundTripper
	proxy           func(*http.Request) (*url.URL, error)
}

// RoundTrip implements http.RoundTripper.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	proxy, err := n.proxy(r)
	if err != nil {
		return nil, errors.New("read the proxy's address from the environment: it is no URL")
	}
	if proxy != nil {
		return n.proxied.RoundTrip(r)
	}
	return n.direct.RoundTrip(r)
}

// publicOnly refuses to connect to an address that is not public. It sees what names were resolved to.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return &strayed{"the registry has no public address, so it is not asked"}
	}
	return nil
}

// reserved are networks that IsGlobalUnicast lets through and that lead to somewhere else than the Internet, or to an IPv4
// address within (IANA special-purpose address registries).
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "::/96", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
