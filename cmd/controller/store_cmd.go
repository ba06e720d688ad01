package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"taskwarden/contain"
	"taskwarden/store"
	"taskwarden/store/bolt"
	"taskwarden/store/dynamodb"
	"taskwarden/store/lease"
)

// saidEvery is how often a copy says how far it is.
const saidEvery = 2 * time.Second

func newStoreCmd(a *app) *cobra.Command {
	c := &cobra.Command{Use: "store", Short: "Work on a controller's store"}
	asGroup(c)
	c.AddCommand(newStoreCopyCmd(a))
	return c
}

func newStoreCopyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "copy FROM TO",
		Short: "Copy a store into an empty one",
		Long: `Copies all that a controller remembers from one store into another one, which must be
empty, then reads both again and compares every item. A store is bolt:DIRECTORY, or
the directory alone, or dynamodb:TABLE, with the ambient credentials and region.
Neither may be in use: stop the controller first, all replicas of it. A copy that was
interrupted leaves TO marked, and no controller starts on it; the same command again
empties it and begins anew.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return a.copyStore(cmd.Context(), args[0], args[1]) },
	}
}

// place is where a store is.
type place struct{ kind, name string }

// canonical is the same for all names of one store.
func (p place) canonical() place {
	if p.kind != "bolt" {
		return p
	}
	if path, err := filepath.Abs(p.name); err == nil {
		p.name = path
	}
	if path, err := filepath.EvalSymlinks(p.name); err == nil { // a new directory has no other names
		p.name = path
	}
	return p
}

func parsePlace(arg string) (place, error) {
	kind, name, qualified := strings.Cut(arg, ":")
	if !qualified || kind != "bolt" && kind != "dynamodb" {
		kind, name = "bolt", arg
	}
	if name == "" {
		return place{}, usageError("%q names no store: bolt:DIRECTORY, DIRECTORY or dynamodb:TABLE", arg)
	}
	return place{kind, name}, nil
}

func (p place) String() string { return p.kind + ":" + p.name }

func (a *app) copyStore(ctx context.Context, fromArg, toArg string) error {
	from, err := parsePlace(fromArg)
	if err != nil {
		return err
	}
	to, err := parsePlace(toArg)
	if err != nil {
		return err
	}
	if from.canonical() == to.canonical() {
		return usageError("%s and %s are one store", fromArg, toArg)
	}
	source, err := a.take(ctx, from, true)
	if err != nil {
		return err
	}
	target, err := a.take(ctx, to, false)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, h := range []held{source, target} {
		contain.Go(contain.Command, "watching the lease", func() error {
			select {
			case <-h.lost:
				return errors.New("another process took one of the stores")
			case <-ctx.Done():
				return nil
			}
		}, cancel)
	}
	done, err := store.Copy{From: source, To: target, Name: from.canonical().String(), Progress: a.copying(to)}.Run(ctx)
	if err = errors.Join(err, source.Close(), target.Close()); err != nil {
		return fmt.Errorf("copy %s to %s: %w", from, to, err)
	}
	return a.printCopied(from, to, done)
}

// quietly drops what a Monitor says: the error of a copy says it.
func quietly(store.Trouble) {}

// take opens a store for this process alone. One that is to be read must be there.
func (a *app) take(ctx context.Context, p place, mustExist bool) (held, error) {
	if p.kind == "bolt" {
		if _, err := os.Stat(filepath.Join(p.name, bolt.FileName)); mustExist && errors.Is(err, fs.ErrNotExist) {
			return held{}, fmt.Errorf("open %s: there is no %s in that directory", p, bolt.FileName)
		}
		db, err := bolt.Open(p.name, bolt.Options{})
		return held{Monitor: store.NewMonitor(db, quietly)}, err
	}
	base, err := a.awsConfig(ctx)
	if err != nil {
		return held{}, err
	}
	table, err := dynamodb.Open(ctx, base, p.name, dynamodb.Options{})
	if err != nil {
		return held{}, err
	}
	db, err := table.Own(ctx, lease.Options{Holder: holder() + ", a copy", NoWait: true, Waiting: func(seen lease.Seen) {
		if seen.Err != nil {
			fmt.Fprintf(a.stderr, "%s: %s\n", p, seen.Err)
			return
		}
		fmt.Fprintf(a.stderr, "%s: %s owns it; waiting up to %s to see whether that one lives\n", p, seen.Holder, lease.DefaultLasts)
	}})
	if errors.Is(err, lease.ErrHeld) {
		return held{}, fmt.Errorf("%w: stop every replica of the controller first", err)
	}
	if err != nil {
		return held{}, err
	}
	return held{Monitor: store.NewMonitor(db, quietly), lost: db.Lease().Done()}, nil
}

// copying says how far a copy is, now and then.
func (a *app) copying(to place) func(store.Copied) {
	last := time.Now()
	return func(done store.Copied) {
		if time.Since(last) >= saidEvery {
			last = time.Now()
			fmt.Fprintf(a.stderr, "%s: %d items, %d bytes, at %s\n", to, done.Items, done.Bytes, done.Kind)
		}
	}
}

func (a *app) printCopied(from, to place, done store.Copied) error {
	switch a.output {
	case "json", "jsonl", "yaml":
		return a.printValue(map[string]any{
			"from": from.String(), "to": to.String(), "items": done.Items, "bytes": done.Bytes, "compared": done.Compared,
		}, a.output)
	}
	_, err := fmt.Fprintf(a.stdout, "%d items (%d bytes) copied from %s to %s; %d compared, all the same\n", done.Items, done.Bytes, from, to, done.Compared)
	return err
}
