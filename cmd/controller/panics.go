package main

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/contain"
)

// reportPanics counts and logs every contained panic of this process, until the function that it returns is called. The stack
// is logged once for each place in the code that panics: what fails is tried again, and would fill the log.
func reportPanics(log *zap.Logger, r prometheus.Registerer) (end func()) {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "taskwarden", Name: "panics_total",
		Help: "Panics that were contained, by the kind of work that panicked."}, []string{"where"})
	r.MustRegister(count)
	var logged sync.Map // place and line of code
	return contain.Report(func(p *contain.Panic) {
		count.WithLabelValues(string(p.Place)).Inc()
		fields := []zap.Field{zap.String("where", string(p.Place)), zap.String("of", p.Subject), zap.String("at", p.At), zap.Error(p)}
		if _, again := logged.LoadOrStore([2]string{string(p.Place), p.At}, true); !again {
			fields = append(fields, zap.ByteString("stack", p.Stack))
		}
		log.Error("panic contained", fields...)
	})
}
