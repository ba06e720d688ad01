// Command demo shows the main job: the mission's incident happens in a simulated AWS account, and the real binary, started
// as in production with the account's address as its AWS endpoint, sees it, explains it, raises the alarm that was missing,
// and rolls out the fix once somebody approves it. It narrates what happens and exits 0 only if every expected step happened.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// limit is the demo's own deadline; it usually needs about half of it.
const limit = 110 * time.Second

func main() {
	controller := flag.String("controller", "bin/controller", "the binary to show")
	scenario := flag.String("scenario", "test/scenarios/incident.yaml", "what happens in the account")
	config := flag.String("config", "test/demo/config.yaml", "the binary's configuration, completed with a port and a data directory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *controller, *scenario, *config); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, controller, scenario, config string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("time is up"))
	defer cancel()
	s := newStory(time.Now())
	world, err := begin(scenario, s)
	if err != nil {
		return err
	}
	defer world.close()
	p, err := start(ctx, controller, config, world, s)
	if err != nil {
		return err
	}
	defer func() { _ = p.stop() }() // where it ended well it is stopped below, and how is told there
	for !s.complete() {
		select {
		case <-ctx.Done():
			s.summary()
			return fmt.Errorf("%w: missing: %s", context.Cause(ctx), s.missing())
		case err := <-p.exited:
			return fmt.Errorf("the controller ended by itself: %w", err)
		case <-time.After(250 * time.Millisecond):
			if err := errors.Join(world.look(ctx, s), p.operate(ctx)); err != nil {
				return err
			}
		}
	}
	if err := p.report(ctx); err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return err
	}
	s.summary()
	return nil
}
