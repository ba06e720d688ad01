package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/contain"
	"taskwarden/reconciler/cloud"
	"taskwarden/store"
	"taskwarden/store/bolt"
	"taskwarden/store/dynamodb"
	"taskwarden/store/lease"
)

// held is a store that this process alone may use.
type held struct {
	*store.Monitor                                // nil: no store is held
	lost           <-chan struct{}                // closed when that ends, however it does; nil where it cannot before Close
	acts           func() (from, until time.Time) // in which the owner may act on AWS; nil: always
	why            func() error                   // it was lost; nil: it cannot be
}

// reason is why the store was lost; nil where that is not known.
func (h held) reason() error {
	if h.why == nil {
		return nil
	}
	return h.why()
}

// isLost reports whether another process may own the store by now.
func (h held) isLost() bool {
	select {
	case <-h.lost:
		return true
	default:
		return false
	}
}

// untilLost is ctx, which ends as well when the store is lost.
func (h held) untilLost(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	contain.Go(contain.Ownership, "watching the lease", func() error {
		select {
		case <-h.lost:
			return errors.New("this process no longer owns the store")
		case <-ctx.Done():
			return nil
		}
	}, func(err error) { cancel(err) })
	return ctx, func() { cancel(nil) }
}

// keeper gets the store of a configuration into this process's hands, again where it was lost.
type keeper struct {
	own   func(context.Context) (held, error)
	log   *zap.Logger
	owner prometheus.Gauge
	state ownership
}

// openKeeper finds what can be wrong with the store before the first look. A file is owned from here on, until Close; a
// table is only looked at.
func openKeeper(ctx context.Context, cfg config.Config, base cloud.Config, log *zap.Logger, r prometheus.Registerer) (*keeper, error) {
	k := &keeper{log: log, owner: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "taskwarden", Name: "store_owner",
		Help: "1 while this process owns the store, 0 while it stands by."})}
	r.MustRegister(k.owner)
	k.state.allows(cfg)
	if cfg.Store.Type != config.StoreDynamoDB {
		db, err := bolt.Open(cfg.Store.Path, bolt.Options{})
		k.own = func(context.Context) (held, error) {
			mine := db
			if db = nil; mine == nil { // the one before was closed
				mine, err = bolt.Open(cfg.Store.Path, bolt.Options{})
			}
			return held{Monitor: store.NewMonitor(mine, k.trouble)}, err
		}
		return k, err
	}
	s := &shared{keeper: k, id: cfg.Controller.ID, open: func(ctx context.Context) (*dynamodb.Table, error) {
		return dynamodb.Open(ctx, base, cfg.Store.Table, dynamodb.Options{})
	}}
	k.own = s.take
	var err error
	// A table that does not answer now is asked again, by take. What a person must change ends the start.
	if s.table, err = s.open(ctx); err != nil && (!store.Passes(err) || errors.Is(err, store.ErrMissing)) {
		return nil, err
	}
	return k, nil
}

// take waits until this process owns the store, and looks whether it is whole. Where it loses the store meanwhile it waits again.
func (k *keeper) take(ctx context.Context) (held, error) {
	for {
		k.owner.Set(0)
		k.state.loses()
		h, err := k.own(ctx)
		if err != nil {
			return held{}, err
		}
		k.state.owns()
		k.owner.Set(1)
		err = contain.Do(contain.Load, "the store", func() error { return whole(ctx, h) })
		switch {
		case err == nil:
			return h, nil
		case ctx.Err() == nil && h.isLost():
			k.log.Warn("this process no longer owns the store: it stands by", zap.NamedError("reason", h.reason()), zap.NamedError("last", err))
			_ = h.Close() // there is nothing left to give back
		default:
			return held{}, errors.Join(err, h.Close())
		}
	}
}

// whole refuses a store that a copy did not finish.
func whole(ctx context.Context, h held) error {
	defer h.Opening()()
	ctx, cancel := h.untilLost(ctx)
	defer cancel()
	return store.Whole(ctx, h)
}

// trouble logs that the store begins or ceases to fail, and notes it for /readyz.
func (k *keeper) trouble(t store.Trouble) {
	what := "read"
	if t.Writing {
		what = "written"
	} else {
		k.state.reads(t.Err)
	}
	if t.Err != nil {
		k.log.Error("the store cannot be "+what+": it is tried on", zap.Error(t.Err))
		return
	}
	k.log.Info("the store can be " + what + " again")
}

// shared is a table that replicas share.
type shared struct {
	*keeper
	id    string
	open  func(context.Context) (*dynamodb.Table, error)
	table *dynamodb.Table // nil: it did not answer yet
	last  *lease.Lease    // that this process held; nil: none
}

// take waits until this process owns the table.
func (s *shared) take(ctx context.Context) (held, error) {
	if err := s.reach(ctx); err != nil {
		return held{}, err
	}
	db, err := s.table.Own(ctx, lease.Options{ID: s.id, Holder: holder(), Before: s.last, Note: s.state.configuration, Waiting: s.wait})
	if err != nil {
		return held{}, err
	}
	s.last = db.Lease()
	s.log.Info("this process owns the store", zap.String("table", s.table.Name()), zap.Uint64("epoch", db.Lease().Epoch()))
	contain.Go(contain.Ownership, "the table's settings", func() error { s.settings(context.WithoutCancel(ctx)); return nil }, func(error) {})
	return held{store.NewMonitor(db, s.trouble), db.Lease().Done(), db.Lease().Acts, db.Lease().Err}, nil
}

// reach opens a table that did not answer at the start.
func (s *shared) reach(ctx context.Context) (err error) {
	for s.table == nil {
		if s.table, err = s.open(ctx); err == nil {
			return nil
		}
		if ctx.Err() != nil || !store.Passes(err) {
			return err
		}
		s.wait(lease.Seen{Err: err})
		select {
		case <-time.After(look):
		case <-ctx.Done():
		}
	}
	return nil
}

// wait notes what is seen of the owner.
func (s *shared) wait(seen lease.Seen) {
	differs := s.state.waits(seen)
	if seen.Err != nil {
		s.log.Error("the lease of the store cannot be read or taken: trying on", zap.Error(seen.Err))
		return
	}
	s.log.Info("standby", zap.String("owner", seen.Holder))
	if differs {
		s.log.Warn("configuration differs from the owner's in what it allows: after a takeover this one is in force",
			zap.String("owner", seen.Holder), zap.String("owner_allows", seen.Note), zap.String("this_allows", s.state.configuration()))
	}
}

// settingsWithin bounds the two questions about how the table is kept.
const settingsWithin = 20 * time.Second

// settings says once what the table lacks.
func (s *shared) settings(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settingsWithin)
	defer cancel()
	for _, is := range s.table.Settings(ctx) {
		switch {
		case ctx.Err() != nil:
			return
		case is.Err != nil:
			s.log.Info("unknown whether the table has a setting", zap.String("setting", is.Name), zap.NamedError("reason", is.Err))
		case !is.On:
			s.log.Warn("the table lacks a setting", zap.String("setting", is.Name), zap.String("without_it", is.Lack))
		}
	}
}

// holder names this process to people.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
