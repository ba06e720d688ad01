package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/console"
	"taskwarden/contain"
	"taskwarden/reconciler"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/recording"
	"taskwarden/store"
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

	book    *reconciler.Book // of the last controller on this store; nil: there was none
	pending *config.Config   // what was asked for and is not yet in force whole, because a raise could not be audited; nil: nothing
}

// run keeps one controller running until ctx ends or the server fails, while this process owns the store. Where it loses
// the store it stands by again.
func (g *generations) run(ctx context.Context, cfg config.Config, served <-chan error) error {
	changed := g.watch(ctx, cfg)
	for {
		err := contain.Do(contain.Controller, "its start", func() (err error) {
			if g.held.Monitor == nil {
				if cfg, err = g.own(ctx, cfg, changed, served); err != nil || ctx.Err() != nil {
					return err
				}
			}
			cfg, err = g.rule(ctx, cfg, changed, served)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return err
		case g.held.isLost():
			g.retire(err)
		case contain.In(err) == nil || !contain.Pause(ctx): // after a panic the next controller starts on the same store
			return err
		}
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
	var h held
	contain.Go(contain.Ownership, "the store", func() (err error) { h, err = g.keeper.take(within); return err },
		func(err error) { done <- taken{h, err} })
	for {
		select {
		case cfg = <-changed:
			g.keeper.state.allows(cfg)
			g.reloads.succeeded()
			g.log.Info("configuration read: it is in force once this process owns the store", zap.String("file", g.file))
		case err := <-served:
			cancel()
			g.held = (<-done).held
			return cfg, fmt.Errorf("%w: %w", errServe, err)
		case t := <-done:
			if g.held = t.held; ctx.Err() != nil {
				return cfg, nil
			}
			return cfg, t.err
		}
	}
}

// rule runs controllers on the store until it is lost, ctx ends or the server fails. A first one that cannot be made ends that,
// unless the reason passes. Once one has run, a successor that cannot be made is tried again: the store may be down, and meanwhile
// no controller runs, so nothing is written.
func (g *generations) rule(ctx context.Context, cfg config.Config, changed <-chan config.Config, served <-chan error) (config.Config, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // after a panic too, the controller ends
	for {
		own, cancel := context.WithCancel(ctx)
		again := g.book != nil
		c, err := g.open(own, cfg, served)
		if err != nil {
			cancel()
			if g.held.isLost() || errors.Is(err, errServe) || !again && !store.Passes(err) {
				return cfg, err
			}
			g.log.Error("the controller does not run: it cannot be made; that is tried again", zap.Duration("again", look), zap.Error(err))
			next, stop, err := g.idle(ctx, cfg, changed, served)
			if stop {
				return next, err
			}
			cfg = next
			continue
		}
		done := make(chan error, 1)
		contain.Go(contain.Controller, "its run", func() error { return c.Run(own) }, func(err error) { done <- err })
		next, end := cfg, true // where reign panics
		err = contain.Do(contain.Controller, "its watch", func() (err error) {
			next, end, err = g.reign(ctx, cfg, changed, served, done)
			return err
		})
		cancel()
		if end {
			return next, errors.Join(err, <-done)
		}
		if err := <-done; err != nil {
			return next, err
		}
		cfg = next
	}
}

// errServe is the failure of the API's server.
var errServe = errors.New("serve the API")

// open makes the next controller. Its reads of the store are repeated while they fail for a reason that passes, for as long as this
// process owns the store, the API is served and ctx lasts.
func (g *generations) open(ctx context.Context, cfg config.Config, served <-chan error) (*reconciler.Controller, error) {
	defer g.held.Opening()()
	g.keeper.state.opens(true)
	defer g.keeper.state.opens(false)
	ctx, cancel := g.held.untilLost(ctx)
	defer cancel()
	type made struct {
		c   *reconciler.Controller
		err error
	}
	done := make(chan made, 1)
	var c *reconciler.Controller
	contain.Go(contain.Load, "the controller", func() (err error) { c, err = g.start(ctx, cfg); return err }, func(err error) { done <- made{c, err} })
	select {
	case m := <-done:
		return m.c, m.err
	case err := <-served:
		cancel()
		<-done
		return nil, fmt.Errorf("%w: %w", errServe, err)
	}
}

// reign waits while a controller runs: until another configuration is in force, or (end) until there is to be no controller here.
func (g *generations) reign(
	ctx context.Context, cfg config.Config, changed <-chan config.Config, served <-chan error, done chan error,
) (next config.Config, end bool, err error) {
	for {
		var retry <-chan time.Time
		if g.pending != nil {
			retry = time.After(grantAgain)
		}
		wanted := g.pending
		select {
		case is := <-changed:
			wanted = &is
		case <-retry:
		case <-g.held.lost:
			return cfg, true, nil
		case err := <-served:
			return cfg, true, fmt.Errorf("%w: %w", errServe, err)
		case err := <-done: // ctx ended, or it could not begin
			done <- err
			return cfg, true, nil
		}
		granted, complete := g.grant(ctx, cfg, *wanted)
		if g.pending = nil; !complete {
			g.pending = wanted
		}
		if !same(granted, cfg) {
			return granted, false, nil
		}
	}
}

// idle waits before a controller is made again; stop where there is to be none here.
func (g *generations) idle(
	ctx context.Context, cfg config.Config, changed <-chan config.Config, served <-chan error,
) (next config.Config, stop bool, err error) {
	select {
	case next := <-changed:
		granted, complete := g.grant(ctx, cfg, next)
		if g.pending = nil; !complete {
			g.pending = &next
		}
		return granted, false, nil
	case <-time.After(look):
		return cfg, false, nil
	case <-g.held.lost:
		return cfg, true, nil
	case err := <-served:
		return cfg, true, fmt.Errorf("%w: %w", errServe, err)
	case <-ctx.Done():
		return cfg, true, nil
	}
}

// retire ends what was seen and told as the owner.
func (g *generations) retire(err error) {
	g.orders.Lock()
	defer g.orders.Unlock()
	g.mu.Lock()
	g.running, g.registry = nil, nil
	g.book, g.pending = nil, nil // the next owner's configuration may allow something else
	g.mu.Unlock()
	g.log.Warn("this process no longer owns the store: it stands by", zap.NamedError("reason", g.held.reason()), zap.NamedError("last", err))
	_ = g.held.Close() // there is nothing left to give back
	g.held = held{}
}

// close gives the store back, after the last controller.
func (g *generations) close() error {
	if g.held.Monitor == nil {
		return nil
	}
	return g.held.Close()
}

// start makes the next controller.
func (g *generations) start(ctx context.Context, cfg config.Config) (*reconciler.Controller, error) {
	g.orders.Lock()
	defer g.orders.Unlock()
	g.keeper.state.allows(cfg)
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
	first := g.book == nil
	if g.book = o.Book; first {
		if err := g.grantFirst(ctx, cfg); err != nil {
			g.book = nil
			return nil, err
		}
	}
	c := reconciler.New(o)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running, g.registry = c, registry
	return c, nil
}

// current is what the API shows; nil until the first controller is assembled, and while its successor waits for the store.
func (g *generations) current() console.Source {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.running == nil || g.keeper.state.blocked() {
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
