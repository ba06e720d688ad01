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
)

const (
	bodyLimit = 64 << 10
	wordLimit = 1000 // characters of one text in a body
	nobody    = "nobody"
)

// operate carries out an operation for an approver, and turns everybody else down. What was read whole is carried out and
// audited even where the client goes away.
func (a *api) operate(w http.ResponseWriter, r *http.Request, op operation, subject string) {
	if r.Method != http.MethodPost {
		deny(w, &problem{status: http.StatusMethodNotAllowed, Code: "method_not_allowed", allow: http.MethodPost,
			Message: r.Method + " is not served here: this path takes POST"})
		return
	}
	o := order{subject: subject}
	var denied, p *problem
	if o.who.By, denied = a.approver(r); denied == nil {
		p = o.read(w, r, op) // before the lock: a client may be slow
	}
	if a.o.Orders != nil {
		a.o.Orders.Lock()
		defer a.o.Orders.Unlock()
	}
	src := a.o.Source()
	if src == nil {
		fail(w, a.absent())
		return
	}
	if denied == nil && p == nil && strings.Contains(op.path, "{address}") {
		o.key, p = resolve(src, subject)
	}
	ctx := context.WithoutCancel(r.Context())
	switch {
	case denied != nil:
		deny(w, a.stranger(ctx, src, r, op, o, denied))
		return
	case p != nil:
		a.note(ctx, src, op, o, p.Message)
		deny(w, p)
		return
	}
	done, err := op.do(ctx, src, o)
	if err != nil {
		fail(w, a.failed(src, op, o, err))
		return
	}
	answer(w, http.StatusOK, done)
}

// approver gives the name of the approver whose request it is, or why it is none's. A name is there where a token was known.
func (a *api) approver(r *http.Request) (string, *problem) {
	if p := a.foreignHost(r); p != nil {
		return nobody, p
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return nobody, &problem{status: http.StatusForbidden, Code: "cross_origin", Message: "a page of another origin may not operate this controller"}
	}
	if len(a.tokens) == 0 {
		return nobody, &problem{status: http.StatusForbidden, Code: "tokens_required", Message: "this needs an approver's token, and none is configured: " +
			"put {name: NAME, role: approver, sha256: HASH} into server.tokens and restart; 'openssl rand -hex 32' makes a token, and 'printf %s TOKEN | sha256sum' its hash"}
	}
	t, p := holder(r.Header.Get("Authorization"), a.tokens, time.Now())
	if p == nil && t.Role != "approver" {
		p = &problem{status: http.StatusForbidden, Code: "forbidden", Message: "the token's role is " + t.Role + ": this needs one of role approver"}
	}
	return nameOf(t), p
}

// nameOf is the name of a token, or what tells it from others where it has none.
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
