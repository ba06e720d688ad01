package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"taskwarden/contain"
)

// Token is one bearer token that the API takes, known by its hash only.
type Token struct {
	Name    string    // of the person or tool that has it; may be empty
	Role    string    // viewer or approver: both may read
	SHA256  string    // of the token, in lowercase hex
	Expires time.Time // refused from then on; zero: never
}

// readers are the roles that may read.
var readers = []string{"viewer", "approver"}

type secret struct {
	Token
	sum []byte
}

// secrets decodes the hashes. One that is no sha256 matches no token, and still counts as configured.
func secrets(tokens []Token) []secret {
	var out []secret
	for _, t := range tokens {
		sum, err := hex.DecodeString(t.SHA256)
		if err != nil {
			sum = nil
		}
		out = append(out, secret{t, sum})
	}
	return out
}

// authenticate finds the configured token that the Authorization header carries, and why it does not open the API, or nil.
// Every hash is compared, each in constant time, so that timing does not show which one came near.
func authenticate(header string, tokens []secret, now time.Time) (Token, *problem) {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return Token{}, unauthorized("a token is needed: send it as 'Authorization: Bearer TOKEN'")
	}
	sum := sha256.Sum256([]byte(value))
	found := -1
	for i, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Token{}, unauthorized("the token is not one of server.tokens")
	}
	t := tokens[found].Token
	switch {
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return t, unauthorized("the token expired at " + t.Expires.UTC().Format(time.RFC3339))
	case !slices.Contains(readers, t.Role):
		return t, &problem{status: http.StatusForbidden, Code: "forbidden", Message: "the token's role is none of " + oneOf(readers)}
	}
	return t, nil
}

func unauthorized(message string) *problem {
	return &problem{status: http.StatusUnauthorized, Code: "unauthorized", Message: message}
}

// admit lets only reads through that may be answered: by method, by the host name asked for, and by token. What changes
// something goes to operate, which has its own, stricter rules.
func (a *api) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if op, subject, ok := operationAt(r.URL.Path); ok {
			a.operate(w, r, op, subject)
			return
		}
		if p := a.refusal(r); p != nil {
			deny(w, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// deny is fail with the headers that HTTP wants beside some statuses.
func deny(w http.ResponseWriter, p *problem) {
	switch p.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="taskwarden"`)
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", p.allow)
	}
	fail(w, p)
}

func (a *api) refusal(r *http.Request) *problem {
	protected := strings.HasPrefix(r.URL.Path, apiPath) || r.URL.Path+"/" == apiPath
	if p := a.foreignHost(r); p != nil {
		return p
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &problem{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", allow: "GET, HEAD",
			Message: r.Method + " is not served here: this path is read-only"}
	case !protected:
		return nil
	case len(a.tokens) > 0:
		_, p := authenticate(r.Header.Get("Authorization"), a.tokens, time.Now())
		return p
	case !arrivedOnLoopback(r):
		return &problem{status: http.StatusForbidden, Code: "tokens_required",
			Message: "no tokens are configured, so only this machine may read: set server.tokens"}
	}
	return nil
}

// foreignHost refuses a name that a web page may have rebound to this machine.
func (a *api) foreignHost(r *http.Request) *problem {
	if len(a.tokens) > 0 || !arrivedOnLoopback(r) || loopbackHost(r.Host) {
		return nil
	}
	return &problem{status: http.StatusForbidden, Code: "host_not_allowed",
		Message: "without tokens this server answers only as localhost, 127.0.0.1 or [::1]"}
}

// arrivedOnLoopback reports whether the connection came in on a loopback address of this machine, which no other machine can
// reach. It is a fact of the connection, and the client cannot state it.
func arrivedOnLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && local.IP.IsLoopback()
}

// loopbackHost reports whether a Host header names this machine. HTTP/1.0 clients may send none. Browsers, which the check is
// for, always send one.
func loopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	if host == "" || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// headers say to browsers that nothing here is a page, may be framed, or may be kept. No CORS header is ever sent.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		next.ServeHTTP(w, r)
	})
}

// contain turns a panic into a 500.
func (a *api) contain(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := contain.Do(contain.Request, r.Method+" "+r.URL.Path, func() error { next.ServeHTTP(w, r); return nil })
		if err != nil {
			fail(w, &problem{status: http.StatusInternalServerError, Code: "internal",
				Message: "a defect in the controller: its log has the details"})
		}
	})
}
