package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/recording"
)

// look is how often the configuration file is looked at for a change.
const look = 5 * time.Second

// generations runs one controller after another: a reloaded configuration ends the running one and starts its successor
// on the same store and the same port. Since a controller works from what is, nothing has to be handed over.
type generations struct {
	a       *app
	file    string
	source  string
	log     *zap.Logger
	base    cloud.Config
	keeper  *keeper
	process *prometheus.Registry
	reloads *reloads
	writer  *recording.Writer // nil: nothing is recorded

	orders   sync.Mutex // held while a controller is replaced, and while an order is carried out
	mu       sync.RWMutex
	running  *reconciler.Controller
	registry *prometheus.Registry
	held     held // valid while a controller runs, and after the last one
}

// run keeps one controller running until ctx ends or the server fails, while this process owns the store. Where it loses
// the store it stands by again.
func (g *generations) run(ctx context.Context, cfg config.Config, served <-chan error) error {
	changed := g.watch(ctx, cfg)
	for {
		var err error
		if cfg, err = g.own(ctx, cfg, changed, served); err != nil || ctx.Err() != nil {
			return err
		}
		if cfg, err = g.rule(ctx, cfg, changed, served); ctx.Err() != nil || !g.held.isLost() {
			return err
		}
		g.retire(err)
	}
}

// own waits until this process owns the store.
func (g *generations) own(ctx context.Context, cfg config.Config, changed <-chan config.Config, served <-chan error) (config.Config, error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	type taken struct {
		held
		err error
	}
	done := make(chan taken, 1)
	go func() {
		h, err := g.keeper.take(within)
		done <- taken{h, err}
	}()
	for {
		select {
		case cfg = <-changed:
		case err := <-served:
			cancel()
			g.held = (<-done).held
			return cfg, fmt.Errorf("serve the API: %w", err)
		case t := <-done:
			if g.held = t.held; ctx.Err() != nil {
				return cfg, nil
			}
			return cfg, t.err
		}
	}
}

// rule runs controllers on the store until it is lost, ctx ends or the server fails.
func (g *generations) rule(ctx context.Context, cfg config.Config, changed <-chan config.Config, served <-chan error) (config.Config, error) {
	for {
		own, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		c, err := g.start(own, cfg)
		if err != nil {
			cancel()
			return cfg, err
		}
		go func() { done <- c.Run(own) }()
		select {
		case cfg = <-changed:
			cancel()
			if err := <-done; err != nil {
				return cfg, err
			}
		case <-g.held.lost:
			cancel()
			return cfg, <-done
		case err := <-served:
			cancel()
			return cfg, errors.Join(fmt.Errorf("serve the API: %w", err), <-done)
		case err := <-done: // ctx ended, or it could not begin
			cancel()
			return cfg, err
		}
	}
}

// retire ends what was seen and told as the owner.
func (g *generations) retire(err error) {
	g.orders.Lock()
	defer g.orders.Unlock()
	g.mu.Lock()
	g.running, g.registry = nil, nil
	g.mu.Unlock()
	g.log.Warn("this process no longer owns the store: it stands by", zap.NamedError("last", err))
	_ = g.held.Close() // there is nothing left to give back
	g.held = held{}
}

// close gives the store back, after the last controller.
func (g *generations) close() error {
	if g.held.Store == nil {
		return nil
	}
	return g.held.Close()
}

// start makes the next controller.
func (g *generations) start(ctx context.Context, cfg config.Config) (*reconciler.Controller, error) {
	g.orders.Lock()
	defer g.orders.Unlock()
	registry := prometheus.NewRegistry()
	o, err := assemble(ctx, cfg, g.base, g.held, registry, g.log)
	if err != nil {
		return nil, err
	}
	if g.writer != nil {
		text, err := cfg.Shared().YAML()
		if err != nil {
			return nil, fmt.Errorf("write the configuration: %w", err)
		}
		o.Recorder, o.Config = g.writer, string(text)
	}
	c := reconciler.New(o)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running, g.registry = c, registry
	return c, nil
}

// current is what the API shows; nil until the first controller is assembled.
func (g *generations) current() console.Source {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.running == nil {
		return nil
	}
	return g.running
}

// Gather gives the metrics of the process and of the running controller.
func (g *generations) Gather() ([]*dto.MetricFamily, error) {
	g.mu.RLock()
	own := g.registry
	g.mu.RUnlock()
	if own == nil {
		return g.process.Gather()
	}
	return prometheus.Gatherers{g.process, own}.Gather()
}

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
	go func() {
		defer signal.Stop(hup)
		tick := time.NewTicker(look)
		defer tick.Stop()
		for {
			forced := false
			select {
			case <-ctx.Done():
				return
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
				return
			}
		}
	}()
	return out
}

// reload reads a changed configuration. The sections that need a restart stay as they are, and that is said.
func (g *generations) reload(text []byte, err error, was config.Config, same bool) (config.Config, bool) {
	next := was
	if err == nil {
		next, err = config.Load(g.file, text)
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
	g.reloads.succeeded()
	if reflect.DeepEqual(was, next) {
		return was, false
	}
	g.log.Info("configuration reloaded", zap.String("file", g.file), zap.String("alarms", string(next.Alarms.Mode)))
	return next, true
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
