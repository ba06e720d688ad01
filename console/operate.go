package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

const (
	bodyLimit = 64 << 10
	wordLimit = 1000 // characters of one text in a body
	// strangersAtOnce is how many attempts of those who may not operate are audited one by one; then one a second.
	strangersAtOnce = 100
	nobody          = "nobody"
)

// operation is one thing that people may do: a POST.
type operation struct {
	path  string   // under apiPath, with one {name} for the subject, or none
	about string   // for the OpenAPI document
	takes []string // fields of the body, of said
	shows string   // schema of the answer
	do    func(context.Context, Source, order) (any, error)
}

// order is what a person asked for.
type order struct {
	subject string    // id of a rollout
	key     fleet.Key // the service of an address
	said    said
	who     rollout.Order
}

// said is the body of an operation; each takes some of it.
type said struct {
	Hash   string `json:"hash"`
	Target string `json:"target"`
	Reason string `json:"reason"`
	Ticket string `json:"ticket"`
}

// sayings tells what each field is for.
var sayings = map[string]string{
	"hash":   "The planHash of the plan as it was read. Needed.",
	"target": "Name of the configured target; left out: every target.",
	"reason": "Why, for the audit log.",
	"ticket": "Where it is discussed, for the audit log.",
}

// Done is the answer to an operation that is about no rollout.
type Done struct {
	Place
	Action  string `json:"action" jsonschema_description:"What was done: reset, pause or resume."`
	By      string `json:"by" jsonschema_description:"Name of the token."`
	Message string `json:"message" jsonschema_description:"What holds from now on."`
}

// operations are all operations, in the order of the document.
var operations = []operation{
	{"rollouts/{id}:approve", "Say yes to exactly the plan with that hash.", []string{"hash", "reason", "ticket"}, "RolloutDetail",
		func(ctx context.Context, src Source, o order) (any, error) {
			return shown(src.Approve(ctx, o.subject, o.said.Hash, o.who))
		}},
	{"rollouts/{id}:reject", "Say no to a plan, before anything was written.", []string{"reason", "ticket"}, "RolloutDetail",
		func(ctx context.Context, src Source, o order) (any, error) {
			return shown(src.Reject(ctx, o.subject, o.who))
		}},
	{"rollouts/{id}:rollback", "Have a rollout taken back, also while remediation is paused.", []string{"reason", "ticket"}, "RolloutDetail",
		func(ctx context.Context, src Source, o order) (any, error) {
			return shown(src.RollBack(ctx, o.subject, o.who))
		}},
	{"services/{address}:reset", "Let a service be tried again after its last try was rolled back or failed, or its plan rejected.",
		[]string{"reason", "ticket"}, "Done",
		func(ctx context.Context, src Source, o order) (any, error) {
			return Done{placeOf(o.key), "reset", o.who.By, "the service may be tried again"}, src.Reset(ctx, o.key, o.who)
		}},
	{"remediation:pause", "Stop every automatic write to a target, or to all, until resume, across restarts. A person's rollback goes on.",
		[]string{"target", "reason", "ticket"}, "Done",
		func(ctx context.Context, src Source, o order) (any, error) {
			return Done{Place{Target: o.said.Target}, "pause", o.who.By, "remediation of " + reach(o.said.Target) + " writes nothing until resume"},
				src.Pause(ctx, o.said.Target, o.who)
		}},
	{"remediation:resume", "End the pause of a target, or that of all; pauses of single targets hold on.", []string{"target", "reason", "ticket"}, "Done",
		func(ctx context.Context, src Source, o order) (any, error) {
			return Done{Place{Target: o.said.Target}, "resume", o.who.By, "the pause of " + reach(o.said.Target) + " is over"},
				src.Resume(ctx, o.said.Target, o.who)
		}},
}

func shown(r rollout.Rollout, err error) (any, error) { return planOf(r), err }

func reach(target string) string {
	if target == "" {
		return "every target"
	}
	return "target " + target
}

func (o operation) action() string { return o.path[strings.LastIndex(o.path, ":")+1:] }

// operationAt finds the operation of a path, and what stands there for its subject.
func operationAt(path string) (operation, string, bool) {
	for _, o := range operations {
		before, after, wild := strings.Cut(apiPath+o.path, "{")
		if !wild {
			if path == before {
				return o, "", true
			}
			continue
		}
		rest, begins := strings.CutPrefix(path, before)
		subject, ends := strings.CutSuffix(rest, after[strings.Index(after, "}")+1:])
		if begins && ends && subject != "" {
			return o, subject, true
		}
	}
	return operation{}, "", false
}

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
		fail(w, starting())
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

// strangers bounds what those who may not operate can write into the audit log.
type strangers struct {
	limit   *rate.Limiter
	unheard atomic.Int64 // attempts since the last entry that have none
}

// stranger audits an attempt of somebody who may not operate. Attempts beyond the bound are counted in the next entry.
func (a *api) stranger(ctx context.Context, src Source, r *http.Request, op operation, o order, p *problem) *problem {
	if !a.strangers.limit.Allow() {
		a.strangers.unheard.Add(1)
		return &problem{status: http.StatusTooManyRequests, Code: "too_many_attempts", Message: "too many attempts were turned down: try again in a minute"}
	}
	why := p.Message
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		why += " (from " + host + ")"
	}
	if n := a.strangers.unheard.Swap(0); n > 0 {
		why += fmt.Sprintf("; %d more attempts before it have no entry of their own", n)
	}
	a.note(ctx, src, op, o, why)
	return p
}

// note audits an attempt that was turned down here.
func (a *api) note(ctx context.Context, src Source, op operation, o order, why string) {
	key, id := o.key, ""
	if strings.Contains(op.path, "{id}") {
		id = strings.Trim(quoted(o.subject), `"`)
		if of, ok := src.Rollout(o.subject); ok {
			key = of.Key()
		}
	}
	if strings.Contains(op.path, "{address}") && key == (fleet.Key{}) {
		var p *problem
		if key, p = resolve(src, o.subject); p != nil {
			why = "service " + quoted(o.subject) + ": " + why
		}
	}
	if err := src.Refused(ctx, key, op.action(), id, why, o.who); err != nil {
		a.o.Log.Error("an attempt that was turned down is not in the audit log", zap.String("action", op.action()), zap.String("by", o.who.By), zap.Error(err))
	}
}

// failed words the error of an operation. One that is no refusal may have been carried out: who asked should look.
func (a *api) failed(src Source, op operation, o order, err error) *problem {
	p := &problem{Message: err.Error()}
	switch {
	case errors.Is(err, fleet.ErrNotFound):
		p.status, p.Code = http.StatusNotFound, "not_found"
	case errors.Is(err, fleet.ErrConflict):
		p.status, p.Code = http.StatusConflict, "conflict"
		if r, ok := src.Rollout(o.subject); ok {
			p.Phase, p.Outcome = string(r.Phase), string(r.Outcome)
		}
	default:
		a.o.Log.Error("an order could not be written down", zap.String("action", op.action()), zap.String("by", o.who.By), zap.Error(err))
		p.status, p.Code = http.StatusInternalServerError, "not_written"
		p.Message = "this could not be written down, the controller's log has the details: look whether it holds before you try again"
	}
	for _, class := range []error{fleet.ErrNotFound, fleet.ErrConflict} {
		p.Message = strings.TrimSuffix(p.Message, ": "+class.Error())
	}
	return p
}
