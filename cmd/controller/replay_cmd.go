package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"taskwarden/cmd/controller/config"
	"taskwarden/reconciler"
	"taskwarden/reconciler/recording"
)

func newReplayCmd(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "replay FILE|-",
		Short: "Run a recording through the same judging again",
		Long: `Reads a recording of "run --record FILE" and runs it through the code that judges
and plans, on a virtual clock: each stop with its verdict, each turn of a finding,
each gauge, each alarm plan, with its time, and a summary. It calls nothing and needs
no credentials; the same recording gives the same output to the byte.

Without --config it judges by the recorded configuration. With it, it shows what
other thresholds, storm rules, sidecars or signatures would have concluded from the
same facts. What was looked at, and which log lines were read, stays as recorded.`,
		Example: `  taskwarden replay incident.rec
  taskwarden replay incident.rec --config stricter.yaml -o jsonl | jq 'select(.event=="finding")'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" && file == "-" {
				return usageError("stdin cannot be both the configuration and the recording")
			}
			r := replayer{source: "the recording"}
			if c.Flags().Changed("config") {
				cfg, source, err := a.loadConfig(file)
				if err != nil {
					return err
				}
				r.cfg, r.source = &cfg, source
			}
			in, err := a.input(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			return a.replay(c.Context(), in, r)
		},
	}
	c.Flags().StringVar(&file, "config", "", `judge by this configuration, "-" for stdin (default: the recorded one)`)
	return c
}

func (a *app) replay(ctx context.Context, in io.Reader, by replayer) error {
	out := &timeline{a: a, format: a.format("jsonl"), source: by.source}
	r := reconciler.Replay{Options: by.options, Each: out.add}
	sum, err := r.Run(ctx, recording.Read(in))
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if sum.Cut != "" {
		fmt.Fprintf(a.stderr, "taskwarden: warning: %s\n", sum.Cut)
	}
	if err := out.close(sum); err != nil {
		return fmt.Errorf("write the replay: %w", err)
	}
	return nil
}

// replayer says what a recorded controller is judged by.
type replayer struct {
	cfg    *config.Config // nil: what was recorded
	source string
}

// options are those of the recorded targets; their accounts are the replay's affair.
func (r replayer) options(s recording.Start) (reconciler.Options, error) {
	var cfg config.Config
	var err error
	if r.cfg != nil {
		cfg = *r.cfg
	} else if cfg, err = config.Load("recorded configuration", []byte(s.Config)); err != nil {
		// Not wrapped: a bad configuration of the user's own has an exit code of its own.
		return reconciler.Options{}, errors.New("this version does not take the recorded configuration; give one with --config: " + err.Error())
	}
	o, err := settings(cfg)
	if err != nil {
		return o, err
	}
	own := map[string]config.Actions{}
	for _, t := range cfg.Targets {
		own[t.Name] = t.Actions
	}
	for _, t := range s.Targets {
		o.Targets = append(o.Targets, reconciler.Target{Name: t.Name, Actions: actions(cfg.Alarms.Actions, own[t.Name])})
	}
	return o, nil
}
