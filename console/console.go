// Package console is the HTTP API of a running controller: what it sees, what it concluded, how well it sees, and what
// people may tell it. Reads are answered from the controller's memory; nothing here calls AWS or the store.
//
// Who may read: with tokens configured, every path under /api/v1 needs one; without, only connections that arrive on a
// loopback address are answered, and only under a loopback host name, so that a web page cannot reach the API through a
// name that it rebinds to 127.0.0.1. /healthz, /readyz and /metrics need no token: probes and scrapers rarely have one,
// and what they show is counts and the names of targets.
//
// Who may operate: an approver's token and nothing else, from no other origin, in JSON, which a web page cannot send across
// origins unasked. Each order is in the audit log. Each attempt that changed nothing is kept apart from it: bounded in number,
// for a short time, so that a flood of attempts hides no order.
package console

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
	"taskwarden/reconciler/rollout"
)

// Source is the running controller as the API reads and operates it; *reconciler.Controller is one. Answers may be shared:
// they are never changed here.
type Source interface {
	Operator
	Findings() []finding.Finding
	Services() []reconciler.ServiceReport // without their tasks
	Service(key fleet.Key) (reconciler.ServiceReport, bool)
	Stops(scope fleet.Key) []reconciler.Recorded
	Alarms() []reconciler.AlarmReport
	Targets() []reconciler.TargetReport
	HearingOf(f finding.Finding) reconciler.Hearing
	CoverOf(key fleet.Key) []alarm.Cover
	Rollouts(scope fleet.Key) []rollout.Rollout
	Rollout(id string) (rollout.Rollout, bool)
	Audit(scope fleet.Key) []reconciler.AuditEntry    // what was done, newest first
	Refusals(scope fleet.Key) []reconciler.AuditEntry // refused attempts, newest first
	Paused(target string) (rollout.Order, bool)
}

// Operator is what people may do. A *rollout.OrderError says that nothing was changed, and why. Each call audits itself; Refused
// keeps an attempt that was rejected before it came to one.
type Operator interface {
	Approve(ctx context.Context, id, hash string, who rollout.Order) (rollout.Rollout, error)
	Reject(ctx context.Context, id string, who rollout.Order) (rollout.Rollout, error)
	RollBack(ctx context.Context, id string, who rollout.Order) (rollout.Rollout, error)
	Reset(ctx context.Context, key fleet.Key, who rollout.Order) error
	Pause(ctx context.Context, target string, who rollout.Order) error
	Resume(ctx context.Context, target string, who rollout.Order) error
	Refused(ctx context.Context, caller reconciler.Caller, e reconciler.AuditEntry) error
}

// Options is what the API needs.
type Options struct {
	// Source gives the controller that runs at the moment: a reloaded configuration replaces it. While it gives nil,
	// the API answers 503.
	Source func() Source
	// Standby says who runs the controller while this process does not, "" where it is starting; nil: always "".
	Standby func() string
	// Starting says what this process waits for before a controller runs in it, "" where that is not known; nil: always "".
	Starting func() string
	// Orders is held while an order is carried out; nil: never. Whoever replaces the controller holds it meanwhile, so that
	// no order goes to one whose successor has read the store already.
	Orders   sync.Locker
	Tokens   []Token             // none: reads on loopback only, and no writes
	Registry prometheus.Gatherer // what /metrics shows
	Log      *zap.Logger         // what could not be written down, once each
	Version  string              // of the program, for the OpenAPI document
}

// api is the handler's state. After New only the count of rejected calls changes.
type api struct {
	o          Options
	tokens     []secret
	openapi    []byte
	rejections rejections
}

// New makes the handler of the whole API.
func New(o Options) http.Handler {
	a := &api{o: o, tokens: secrets(o.Tokens), openapi: document(o.Version),
		rejections: rejections{limit: rate.NewLimiter(rate.Every(time.Second), rejectionsAtOnce)}}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", healthz)
	mux.HandleFunc("/readyz", a.readyz)
	mux.Handle("/metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("/{$}", root)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, noSuchPath(r.URL.Path)) })
	for _, l := range lists {
		mux.HandleFunc(l.path, a.serve(l))
	}
	mux.HandleFunc(servicePath+"{address...}", a.service)
	mux.HandleFunc(rolloutPath+"{id}", a.rollout)
	mux.HandleFunc(openapiPath, func(w http.ResponseWriter, _ *http.Request) { answerBytes(w, http.StatusOK, a.openapi) })
	return a.contain(headers(a.admit(mux)))
}

func root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("taskwarden\n\n/api/v1/findings      what is wrong\n/api/v1/services      every service watched\n" +
		"/api/v1/stops         every task that stopped, and why\n/api/v1/alarms        the alarms wanted and had, and others on the services\n" +
		"/api/v1/targets       how well each target is seen\n" +
		"/api/v1/rollouts      plans, and what became of them\n/api/v1/audit         who did what\n/api/v1/openapi.json  the whole API\n" +
		"/healthz /readyz /metrics\n")) // a client that went away needs no answer
}
