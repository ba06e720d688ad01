package account

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"taskwarden/test/account/wire"
)

// operation answers one call, under the account's lock.
type operation func(a *Account, in wire.Input) (map[string]any, error)

// errCut says that the reply is withheld.
var errCut = errors.New("connection cut after the call was applied")

// ServeHTTP answers AWS API calls over a listener.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply, err := a.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's way to break the connection without a reply
	}
	for k, v := range reply.Header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(reply.Body)))
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body) // the client is gone: nothing to do about it
}

// Transport answers calls in process, in the caller's goroutine: no listener, no goroutine and no clock of its own, so that
// it works inside a testing/synctest bubble. It serves as an http.Client's transport, and by its Do as an AWS client's
// HTTPClient.
func (a *Account) Transport() *Transport { return &Transport{a} }

// Transport is an account's in-process connection.
type Transport struct{ account *Account }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	reply, err := t.account.answer(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", reply.Status, http.StatusText(reply.Status)), StatusCode: reply.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: reply.Header,
		Body: io.NopCloser(bytes.NewReader(reply.Body)), ContentLength: int64(len(reply.Body)), Request: r,
	}, nil
}

// Do implements the AWS SDK's HTTPClient.
func (t *Transport) Do(r *http.Request) (*http.Response, error) { return t.RoundTrip(r) }

// answer is a call from its bytes to the reply's bytes. An error means that there is no reply at all.
func (a *Account) answer(r *http.Request) (wire.Reply, error) {
	req, err := wire.Decode(r)
	var bad *wire.Error
	if errors.As(err, &bad) {
		return req.Codec.Fail(bad, ""), nil
	}
	g, err := a.pass(r.Context(), req)
	if err == nil {
		err = a.unanswered(r.Context(), req)
	}
	if err != nil {
		return wire.Reply{}, err
	}
	return a.apply(r.Context(), req, g)
}

// apply lets the world come up to now and then does what the call asks.
func (a *Account) apply(ctx context.Context, req wire.Request, g Gate) (wire.Reply, error) {
	if err := ctx.Err(); err != nil {
		return wire.Reply{}, err
	}
	a.mu.Lock()
	a.advance(time.Now())
	a.requests++
	id := fmt.Sprintf("00000000-0000-4000-a000-%012d", a.requests)
	f := a.fault(req, a.now)
	out, failed := a.do(req, g, f)
	cut := g.Cut || failed == nil && f.cuts()
	a.recordCall(req, a.now, failed, cut)
	reply := replyTo(req, out, failed, id)
	if failed == nil {
		reply = f.mangles(reply)
	}
	a.unlock()
	if cut {
		return wire.Reply{}, errCut
	}
	return reply, nil
}

func replyTo(req wire.Request, out map[string]any, failed *wire.Error, id string) wire.Reply {
	if failed != nil {
		return req.Codec.Fail(failed, id)
	}
	reply, err := req.Codec.Reply(out, id)
	if err != nil {
		return req.Codec.Fail(&wire.Error{Code: "InternalFailure", Status: 500, Message: err.Error()}, id)
	}
	return reply
}

func (a *Account) do(req wire.Request, g Gate, f *Injection) (map[string]any, *wire.Error) {
	if refused := cmp.Or(a.throttled(req), a.denial(req), g.Err, f.refuses(req)); refused != nil {
		return nil, refused
	}
	var again bool
	req.Input, again = f.asks(req.Input)
	var out map[string]any
	var err error
	op, known := operations[req.Service][req.Op]
	switch {
	case req.Service == "cloudwatch":
		out, err = a.metrics.Do(req.Op, req.Input, a.now)
	case known:
		a.signer, a.called = req.AccessKey, req.Region
		out, err = op(a, req.Input)
	default:
		err = wire.Bad("UnknownOperationException", "The requested operation %s is not supported.", req.Op)
	}
	var failed *wire.Error
	if err != nil && !errors.As(err, &failed) {
		failed = &wire.Error{Code: "InternalFailure", Status: 500, Message: err.Error()}
	}
	if failed == nil {
		out = f.distorts(req, out, again)
	}
	return out, failed
}
