package dynamodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"taskwarden/store/lease"
	"taskwarden/test/peer"
)

// cable is the SDK's way to the emulator. rule is asked about each attempt before it is sent.
type cable struct {
	mu   sync.Mutex
	seen []attempt
	rule func(attempt) fate
}

// attempt is one HTTP request; n counts those of its operation from 1.
type attempt struct {
	op   string
	n    int
	body string
}

// fate is what becomes of an attempt; the zero value: it passes.
type fate struct {
	lose   bool   // the reply, after it was applied
	panic  bool   // in place of it
	answer string // in place of it, with status 400: the body
}

func (c *cable) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	a := attempt{op: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_20120810."), n: 1, body: string(body)}
	c.mu.Lock()
	for _, s := range c.seen {
		if s.op == a.op {
			a.n++
		}
	}
	c.seen = append(c.seen, a)
	var f fate
	if c.rule != nil {
		f = c.rule(a)
	}
	c.mu.Unlock()
	if f.panic {
		panic("a defect behind the SDK")
	}
	if f.answer != "" {
		return &http.Response{StatusCode: 400, Request: r, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
			Body: io.NopCloser(strings.NewReader(f.answer))}, nil
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := http.DefaultClient.Do(r)
	if err == nil && f.lose {
		_ = resp.Body.Close()
		return nil, errors.New("connection reset by peer")
	}
	return resp, err
}

func (c *cable) set(rule func(attempt) fate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen, c.rule = nil, rule
}

// of gives the attempts of an operation since the last set.
func (c *cable) of(op string) (out []attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.seen {
		if a.op == op {
			out = append(out, a)
		}
	}
	return out
}

func exception(code, message string) string {
	return fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)
}

// cancelled is the answer to a transaction whose every action has the reason code.
func cancelled(a attempt, code string) string {
	var in struct{ TransactItems []json.RawMessage }
	if err := json.Unmarshal([]byte(a.body), &in); err != nil {
		panic(err)
	}
	reasons := make([]map[string]string, len(in.TransactItems))
	for i := range reasons {
		reasons[i] = map[string]string{"Code": code}
	}
	out, _ := json.Marshal(map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": reasons})
	return string(out)
}

// owned is a table of its own in the emulator at url, owned through a cable.
func owned(t *testing.T, url, name string) (*Store, *cable) {
	t.Helper()
	peer.Table(t, url, name)
	c := &cable{}
	cfg := peer.Config(url)
	cfg.HTTPClient = c
	table, err := Open(t.Context(), cfg, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := table.Own(t.Context(), lease.Options{ID: "test", Holder: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.set(nil)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}
