package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"taskwarden/reconciler"
)

const (
	bodyLimit = 64 << 10
	wordLimit = 1000     // characters of one text in a body
	nobody    = "nobody" // the audit log's name for a caller without a token that is known
)

// operate carries out an operation for an approver and rejects every other caller. An order that was read whole is carried out
// and audited even where the client goes away.
func (a *api) operate(w http.ResponseWriter, r *http.Request, op operation, subject string) {
	if r.Method != http.MethodPost {
		deny(w, &problem{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", allow: http.MethodPost,
			Message: r.Method + " is not served here: this path takes POST"})
		return
	}
	o := order{subject: subject}
	var p *problem
	if o.who.By, p = a.approver(r); p != nil {
		deny(w, a.auditRejection(context.WithoutCancel(r.Context()), r, op, o, p))
		return
	}
	p = o.read(w, r, op) // before the lock: a client may be slow
	done, p := a.carryOut(context.WithoutCancel(r.Context()), op, o, p)
	if p != nil { // after the lock: a client may be slow to read, too
		deny(w, p)
		return
	}
	answer(w, http.StatusOK, done)
}

// carryOut does what the order says, unless it could not be read. It alone holds Orders, and writes nothing to the client.
func (a *api) carryOut(ctx context.Context, op operation, o order, unread *problem) (any, *problem) {
	if a.o.Orders != nil {
		a.o.Orders.Lock()
		defer a.o.Orders.Unlock()
	}
	src := a.o.Source()
	if src == nil {
		return nil, a.absent()
	}
	p := unread
	if p == nil && strings.Contains(op.path, "{address}") {
		o.key, p = resolve(src, o.subject)
	}
	if p != nil {
		a.note(ctx, src, op, o, reconciler.ByApprover, p.Message)
		return nil, p
	}
	done, err := op.do(ctx, src, o)
	if err != nil {
		return nil, a.failed(src, op, o, err)
	}
	return done, nil
}

// approver authenticates the request and returns the token's name. If the request is rejected, the name is still set when the
// token was recognized.
func (a *api) approver(r *http.Request) (string, *problem) {
	if p := a.foreignHost(r); p != nil {
		return nobody, p
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return nobody, &problem{status: http.StatusForbidden, Code: "cross_origin",
			Message: "a page of another origin may not operate this controller"}
	}
	if len(a.tokens) == 0 {
		return nobody, &problem{status: http.StatusForbidden, Code: "tokens_required",
			Message: "this needs an approver's token, and none is configured: " +
				"put {name: NAME, role: approver, sha256: HASH} into server.tokens and restart; " +
				"'openssl rand -hex 32' makes a token, and 'printf %s TOKEN | sha256sum' its hash"}
	}
	t, p := authenticate(r.Header.Get("Authorization"), a.tokens, time.Now())
	if p == nil && t.Role != "approver" {
		p = &problem{status: http.StatusForbidden, Code: "forbidden",
			Message: "the token's role is " + t.Role + ": this needs one of role approver"}
	}
	return nameOf(t), p
}

// nameOf is the name of a token; where it has none, the beginning of its hash.
func nameOf(t Token) string {
	switch {
	case t.Name != "":
		return t.Name
	case len(t.SHA256) >= 8:
		return "token with sha256 " + t.SHA256[:8] + "…"
	}
	return nobody
}

// read reads what an approver asked for.
func (o *order) read(w http.ResponseWriter, r *http.Request, op operation) *problem {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return &problem{status: http.StatusUnsupportedMediaType, Code: "json_only", Message: "send JSON, with 'Content-Type: application/json'"}
	}
	if r.URL.RawQuery != "" {
		return badRequest("no query parameter is taken here: everything stands in the body")
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit))
	body.DisallowUnknownFields()
	var rest any
	if err := body.Decode(&o.said); err != nil && !errors.Is(err, io.EOF) { // no body is an empty one
		return badRequest("the body cannot be read as {" + oneOf(op.takes) + "}: " + err.Error())
	}
	if err := body.Decode(&rest); !errors.Is(err, io.EOF) {
		return badRequest("the body holds more than one JSON document")
	}
	o.who.Reason, o.who.Ticket = clip(o.said.Reason), clip(o.said.Ticket)
	for _, f := range [][2]string{{"hash", o.said.Hash}, {"target", o.said.Target}, {"reason", o.said.Reason}, {"ticket", o.said.Ticket}} {
		switch {
		case f[1] != "" && !slices.Contains(op.takes, f[0]):
			return badRequest(op.action() + " takes no " + f[0] + ", only " + oneOf(op.takes))
		case utf8.RuneCountInString(f[1]) > wordLimit:
			return badRequest(fmt.Sprintf("%s is longer than %d characters", f[0], wordLimit))
		}
	}
	if slices.Contains(op.takes, "hash") && o.said.Hash == "" {
		return badRequest("hash is missing: give the planHash of the plan that you read")
	}
	return nil
}

// clip bounds what goes into the audit log.
func clip(s string) string {
	if r := []rune(s); len(r) > wordLimit {
		return string(r[:wordLimit]) + "…"
	}
	return s
}
