// Package console is the read-only HTTP API of a running controller: what it sees, what it concluded, and how well it
// sees. Everything is answered from the controller's memory; nothing here calls AWS or the store.
//
// Who may read: with tokens configured, every path under /api/v1 needs one; without, only connections that arrive on a
// loopback address are answered, and only under a loopback host name, so that a web page cannot reach the API through a
// name that it rebinds to 127.0.0.1. /healthz, /readyz and /metrics need no token: probes and scrapers rarely have one,
// and what they show is counts and the names of targets.
package console

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"taskwarden/reconciler"
	"taskwarden/reconciler/alarm"
	"taskwarden/reconciler/finding"
	"taskwarden/reconciler/fleet"
)

// Source is the running controller as the API reads it; *reconciler.Controller is one. Answers may be shared: they are
// never changed here.
type Source interface {
	Findings() []finding.Finding
	Services() []reconciler.ServiceReport
	Stops(scope fleet.Key) []reconciler.Recorded
	Alarms() []reconciler.AlarmReport
	Targets() []reconciler.TargetReport
	HearingOf(f finding.Finding) reconciler.Hearing
	CoverOf(key fleet.Key) []alarm.Cover
}

// Options is what the API needs.
type Options struct {
	// Source gives the controller that runs at the moment: a reloaded configuration replaces it. While it gives nil,
	// the API answers 503.
	Source   func() Source
	Tokens   []Token             // none: reads on loopback only
	Registry prometheus.Gatherer // what /metrics shows
	Log      *zap.Logger         // panics, once each
	Version  string              // of the program, for the OpenAPI document
}

// api is the handler's state; it never changes after New.
type api struct {
	o       Options
	tokens  []secret
	openapi []byte
}

// New makes the handler of the whole API.
func New(o Options) http.Handler {
	a := &api{o: o, tokens: secrets(o.Tokens), openapi: document(o.Version)}
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
	mux.HandleFunc(openapiPath, func(w http.ResponseWriter, _ *http.Request) { answerBytes(w, http.StatusOK, a.openapi) })
	for _, missing := range []string{"rollouts", "audit", "remediation"} {
		gone := func(w http.ResponseWriter, _ *http.Request) { fail(w, notInThisVersion(missing)) }
		mux.HandleFunc(apiPath+missing, gone)
		mux.HandleFunc(apiPath+missing+"/", gone)
	}
	return a.contain(headers(a.admit(mux)))
}

// Server is an HTTP server for the handler with limits on what a client may hold: time for each part of an exchange,
// and the size of headers.
func Server(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

func root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("taskwarden\n\n/api/v1/findings      what is wrong\n/api/v1/services      every service watched\n" +
		"/api/v1/stops         every task that stopped, and why\n/api/v1/alarms        the alarms wanted and had, and others on the services\n" +
		"/api/v1/targets       how well each target is seen\n/api/v1/openapi.json  the whole API\n" +
		"/healthz /readyz /metrics\n")) // a client that went away needs no answer
}
