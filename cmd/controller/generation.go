package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/console"
	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/recording"
)

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
