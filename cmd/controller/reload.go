package main

import (
	"context"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/contain"
)

// look is how often the configuration file is looked at for a change.
const look = 5 * time.Second

// watch sends each new, good configuration: on SIGHUP, and when the file's content changes. A bad one is logged, shown
// in a metric, and leaves the old one in force.
func (g *generations) watch(ctx context.Context, cfg config.Config) <-chan config.Config {
	out := make(chan config.Config)
	if g.file == "" || g.file == "-" {
		return out // the text cannot change
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	text, _ := os.ReadFile(g.file) // it was just read
	contain.NewGroup(0).Keep(ctx, contain.Reload, g.file, func() error {
		tick := time.NewTicker(look)
		defer tick.Stop()
		for {
			forced := false
			select {
			case <-ctx.Done():
				signal.Stop(hup)
				return nil
			case <-hup:
				forced = true
			case <-tick.C:
			}
			now, err := os.ReadFile(g.file)
			if err == nil && string(now) == string(text) && !forced {
				continue
			}
			next, good := g.reload(now, err, cfg, string(now) == string(text))
			text = now
			if !good {
				continue
			}
			cfg = next
			select {
			case out <- cfg:
			case <-ctx.Done():
				signal.Stop(hup)
				return nil
			}
		}
	}, nil)
	return out
}

// reload reads a changed configuration. The sections that need a restart stay as they are, and that is said.
func (g *generations) reload(text []byte, err error, was config.Config, same bool) (config.Config, bool) {
	next := was
	var warnings []config.Problem
	if err == nil {
		err = contain.Do(contain.Reload, g.file, func() (err error) { next, warnings, err = config.Check(g.file, text); return err })
	}
	if err != nil {
		if !same {
			g.reloads.failed()
			g.log.Error("configuration not reloaded: the old one stays in force", zap.Error(err))
		}
		return was, false
	}
	for name, pair := range map[string][2]any{
		"controller": {was.Controller, next.Controller}, "store": {was.Store, next.Store}, "server": {was.Server, next.Server},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			g.log.Warn("a change of this section needs a restart", zap.String("section", name))
		}
	}
	next.Controller, next.Store, next.Server = was.Controller, was.Store, was.Server
	logWarnings(g.log, warnings)
	if reflect.DeepEqual(was, next) {
		g.reloads.succeeded()
		return was, false
	}
	return next, true // grant says what is in force of it
}

// reloads are the metrics of reading the configuration again.
type reloads struct {
	success prometheus.Gauge
	at      prometheus.Gauge
}

func newReloads(r prometheus.Registerer) *reloads {
	m := &reloads{
		success: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "taskwarden", Name: "config_last_reload_successful",
			Help: "Whether the last reading of the configuration succeeded."}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "taskwarden", Name: "config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was read."}),
	}
	r.MustRegister(m.success, m.at)
	m.succeeded()
	return m
}

func (r *reloads) succeeded() { r.success.Set(1); r.at.SetToCurrentTime() }
func (r *reloads) failed()    { r.success.Set(0) }
