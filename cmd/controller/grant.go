package main

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
)

const (
	// auditWithin is how long the store may take for the audit entries of a changed configuration.
	auditWithin = 10 * time.Second
	// grantAgain is when a raise is tried again whose audit entries could not be saved.
	grantAgain = 30 * time.Second
	// entriesPerCommit stays below the most writes in a commit (store.MaxItems).
	entriesPerCommit = 50
	// configured is who the audit log says changed the configuration.
	configured = "configuration"
)

// grant gives the configuration that may be in force now: next, if all that it raises is in the audit log; else the part of it
// that raises nothing. What is lowered never waits for the store. complete is false where a raise has to be tried again.
func (g *generations) grant(ctx context.Context, was, next config.Config) (granted config.Config, complete bool) {
	changes := authorityOf(was).changes(authorityOf(next))
	raised, kept := split(changes)
	if err := g.auditChanges(ctx, next, raised); err != nil {
		g.reloads.failed()
		granted = lowered(was, next)
		g.log.Error("raised configuration not in force: its audit entry could not be saved, so the old one stays in force",
			zap.Strings("refused", texts(raised)), zap.Strings("lowered", texts(kept)), zap.Duration("again", grantAgain), zap.Error(err))
		return granted, false
	}
	if err := g.auditChanges(ctx, next, kept); err != nil {
		g.log.Error("configuration lowered without an audit entry: it could not be saved",
			zap.Strings("lowered", texts(kept)), zap.Error(err))
	}
	g.reloads.succeeded()
	g.saveAuthority(ctx, next, changes)
	g.log.Info("configuration in force", zap.String("file", g.file), zap.Strings("raised", texts(raised)), zap.Strings("lowered", texts(kept)))
	return next, true
}

// grantFirst is grant for the first configuration of this process on the store: what the last one allowed is read there. On a new
// store there is nothing to compare with. A raise that cannot be audited is an error, since no configuration is in force that could
// stay so.
func (g *generations) grantFirst(ctx context.Context, cfg config.Config) error {
	stored, err := g.book.Authority(ctx)
	if err != nil {
		return err
	}
	changes := authority(stored).changes(authorityOf(cfg))
	if stored == nil || len(changes) == 0 {
		g.saveAuthority(ctx, cfg, changes)
		return nil
	}
	if err := g.auditChanges(ctx, cfg, changes); err != nil {
		return fmt.Errorf("what the configuration allows differs from what was in force before, and that could not be audited: %w", err)
	}
	g.saveAuthority(ctx, cfg, changes)
	raised, kept := split(changes)
	g.log.Info("configuration in force",
		zap.String("file", g.file), zap.Strings("raised", texts(raised)), zap.Strings("lowered", texts(kept)))
	return nil
}

// auditChanges writes an audit entry for each change, with what was allowed and what is to be.
func (g *generations) auditChanges(ctx context.Context, cfg config.Config, changes []authorityChange) error {
	ctx, cancel := context.WithTimeout(ctx, auditWithin)
	defer cancel()
	keep := time.Duration(cfg.Retention.Audit)
	var entries []reconciler.AuditEntry
	for i, c := range changes {
		action := "lower"
		if c.raises {
			action = "raise"
		}
		entries = append(entries, reconciler.AuditEntry{At: time.Now().Round(0).UTC(), By: configured, Action: action, Text: c.String()})
		if len(entries) == entriesPerCommit || i == len(changes)-1 {
			if err := g.book.Note(ctx, keep, entries...); err != nil {
				return err
			}
			entries = nil
		}
	}
	return nil
}

// saveAuthority keeps what is allowed, for the next process. Without it that one audits the same changes once more.
func (g *generations) saveAuthority(ctx context.Context, cfg config.Config, changes []authorityChange) {
	if len(changes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, auditWithin)
	defer cancel()
	if err := g.book.SetAuthority(ctx, authorityOf(cfg)); err != nil {
		g.log.Error("could not save what the configuration allows: the next start compares with an older one", zap.Error(err))
	}
}

func split(changes []authorityChange) (raised, kept []authorityChange) {
	for _, c := range changes {
		if c.raises {
			raised = append(raised, c)
		} else {
			kept = append(kept, c)
		}
	}
	return raised, kept
}

func texts(changes []authorityChange) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, c.String())
	}
	return out
}

// same reports whether two configurations have the same effect.
func same(a, b config.Config) bool { return reflect.DeepEqual(a, b) }
