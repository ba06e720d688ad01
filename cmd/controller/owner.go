package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
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
	store.Store
	lost <-chan struct{}                // closed when that ends, however it does; nil where it cannot before Close
	acts func() (from, until time.Time) // in which the owner may act on AWS; nil: always
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

// keeper gets the store of a configuration into this process's hands, again where it was lost.
type keeper struct {
	own     func(context.Context) (held, error)
	standby atomic.Pointer[string] // what the API says while another process owns the store
	owner   prometheus.Gauge
}

// openKeeper finds what can be wrong with the store before the first look. A file is owned from here on, until Close; a
// table is only looked at.
func openKeeper(ctx context.Context, cfg config.Config, base cloud.Config, log *zap.Logger, r prometheus.Registerer) (*keeper, error) {
	k := &keeper{owner: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "taskwarden", Name: "store_owner",
		Help: "1 while this process owns the store, 0 while it stands by."})}
	r.MustRegister(k.owner)
	if cfg.Store.Type != config.StoreDynamoDB {
		db, err := bolt.Open(cfg.Store.Path, bolt.Options{})
		k.own = func(context.Context) (held, error) {
			mine := db
			if db = nil; mine == nil { // the one before was closed
				mine, err = bolt.Open(cfg.Store.Path, bolt.Options{})
			}
			return held{Store: mine}, err
		}
		return k, err
	}
	table, err := dynamodb.Open(ctx, base, cfg.Store.Table, dynamodb.Options{})
	if err != nil {
		return nil, err
	}
	o := lease.Options{ID: cfg.Controller.ID, Holder: holder(), Waiting: func(owner string, err error) { k.wait(log, owner, err) }}
	k.own = func(ctx context.Context) (held, error) {
		db, err := table.Own(ctx, o)
		if err != nil {
			return held{}, err
		}
		log.Info("this process owns the store", zap.String("table", table.Name()), zap.Uint64("epoch", db.Lease().Epoch()))
		return held{db, db.Lease().Done(), db.Lease().Acts}, nil
	}
	return k, nil
}

// wait notes who owns the store. What went wrong is for the log alone: /readyz needs no token.
func (k *keeper) wait(log *zap.Logger, owner string, err error) {
	text := "standby: " + owner + " owns the store"
	if err != nil {
		text = "standby: the owner of the store cannot be found out, see the log"
		log.Error("the lease of the store cannot be read or taken: trying on", zap.Error(err))
	} else {
		log.Info("standby", zap.String("owner", owner))
	}
	k.standby.Store(&text)
}

// take waits until this process owns the store, and looks whether it is whole.
func (k *keeper) take(ctx context.Context) (held, error) {
	k.owner.Set(0)
	h, err := k.own(ctx)
	if err != nil {
		return h, err
	}
	if err := contain.Do(contain.Load, "the store", func() error { return store.Whole(ctx, h) }); err != nil {
		return held{}, errors.Join(err, h.Close())
	}
	k.standby.Store(nil)
	k.owner.Set(1)
	return h, nil
}

// waiting is what the API says while no controller runs here; "" while one is starting.
func (k *keeper) waiting() string {
	if text := k.standby.Load(); text != nil {
		return *text
	}
	return ""
}

// holder names this process to people.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
