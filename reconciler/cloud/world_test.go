package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"taskwarden/reconciler/fleet"
	"taskwarden/test/account"
	"taskwarden/test/account/wire"
)

// everything is a mode in which each call of the table may be sent.
func everything() map[Class]bool {
	return map[Class]bool{Read: true, Evidence: true, Metrics: true, Alarms: true, Remediate: true}
}

// world opens a simulated account and lets its services reach their desired counts.
func world(t *testing.T, s account.Scenario) *account.Account {
	t.Helper()
	w, err := account.New(s, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Minute) // in a synctest bubble
	w.Advance(time.Now())
	return w
}

func baseConfig(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
		BaseEndpoint: aws.String("http://account.invalid"),
		HTTPClient:   client,
	}
}

// watching is an Account on a simulated one, at the full documented rate unless o says otherwise.
func watching(w *account.Account, o Options) *Account {
	if o.Allow == nil {
		o.Allow = everything()
	}
	if o.Budgets == nil {
		o.Budgets = NewBudgets(1)
	}
	return New(baseConfig(w.Transport()), o)
}

// seen is what one sweep delivered.
type seen struct {
	fleet.Sweep
	clusters map[string]fleet.Cluster
}

func (s seen) services() (n int) {
	for _, c := range s.clusters {
		n += len(c.Services)
	}
	return n
}

func (s seen) tasks() (n int) {
	for _, c := range s.clusters {
		n += len(c.Tasks)
	}
	return n
}

func sweep(ctx context.Context, a *Account) seen {
	out := seen{clusters: map[string]fleet.Cluster{}}
	out.Sweep = a.Sweep(ctx, func(c fleet.Cluster) { out.clusters[c.Name] = c })
	return out
}

// fails has each call that match picks answered with the error, until remove is called.
func fails(w *account.Account, match func(account.Call) bool, err *wire.Error) (remove func()) {
	return w.Gate(match, func(account.Call) account.Gate { return account.Gate{Err: err} })
}

func isOp(names ...string) func(account.Call) bool {
	return func(c account.Call) bool {
		for _, n := range names {
			if c.Op == n {
				return true
			}
		}
		return false
	}
}

func inCluster(name string, match func(account.Call) bool) func(account.Call) bool {
	return func(c account.Call) bool { return c.Input["cluster"] == name && match(c) }
}

func outage() *wire.Error {
	return &wire.Error{Code: "ServerException", Status: 500, Message: "try later"}
}

func throttling() *wire.Error { return wire.Bad("ThrottlingException", "Rate exceeded") }

// count is how many calls of the operation reached the account.
func count(w *account.Account, op string) (n int) {
	for _, c := range w.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

// canned answers ECS and Logs calls with fixed JSON, by operation; the first entry of a list is used up each time but the last.
type canned map[string][]string

var cannedMu sync.Mutex // a look calls from several goroutines

func (c canned) Do(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body := `{}`
	cannedMu.Lock()
	defer cannedMu.Unlock()
	if of := c[op]; len(of) > 0 {
		body = of[0]
		if len(of) > 1 {
			c[op] = of[1:]
		}
	}
	return answer(r, 200, "application/x-amz-json-1.1", []byte(body)), nil
}

func answer(r *http.Request, status int, kind string, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func quoted(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
