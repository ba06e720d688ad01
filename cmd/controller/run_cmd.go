package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"taskwarden/cmd/controller/config"
	"taskwarden/console"
	"taskwarden/contain"
	"taskwarden/reconciler/cloud"
	"taskwarden/reconciler/recording"
)

// gcPercent keeps the process small: what lives is small and steady, and the pages of a look are garbage (docs/performance.md).
const gcPercent = 20

// stopWithin is how long a stop may take: calls under way end, nothing new begins. ECS kills after 30 s by default.
const stopWithin = 10 * time.Second

func newRunCmd(a *app) *cobra.Command {
	var file, record string
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the control loop until it is told to stop",
		Long: `Watches every ECS service of the configured targets, records each stopped task with
its verdict, opens and clears findings, puts metrics, and plans or keeps alarms.
The configuration is read again on SIGHUP and when the file changes; controller,
store and server need a restart. A bad new file leaves the old one in force.
With store.type dynamodb any number of replicas may run: one owns the table and works,
the others stand by and take over within 15 seconds (docs/store.md).
With --record it also writes what it sees, masked, for replay: FILE and at most three
older ones, FILE.1 to FILE.3, of about 64 MiB each (docs/replay.md).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runController(cmd.Context(), file, record) },
	}
	addConfigFlag(c, &file)
	c.Flags().StringVar(&record, "record", "", "keep a masked recording in this file, for replay")
	return c
}

// runController runs until ctx ends. What can be wrong with this machine (configuration, port, store, credentials) is
// found before the first look; what is wrong with a target never ends the process.
func (a *app) runController(ctx context.Context, file, record string) error {
	cfg, warnings, source, err := a.checkedConfig(file)
	if err != nil {
		return err
	}
	if _, set := a.env("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	log, err := a.logger()
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }() // stderr may not be a file; nothing is lost
	logWarnings(log, warnings)
	listener, err := listen(ctx, cfg.Server.Address)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	base, err := a.awsConfig(ctx)
	if err != nil {
		return err
	}
	process := prometheus.NewRegistry()
	defer reportPanics(log, process)()
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	var writer *recording.Writer
	if record != "" {
		if writer, err = newWriter(record, log); err != nil {
			return err
		}
		defer writer.Close()
	}
	keeper, err := openKeeper(ctx, cfg, base, log, process)
	if err != nil {
		return err
	}
	g := &generations{a: a, file: file, source: source, log: log, base: base, keeper: keeper, process: process, reloads: newReloads(process), writer: writer}
	server := console.Server(listener.Addr().String(), console.New(console.Options{
		Source: g.current, Standby: keeper.state.standby, Starting: keeper.state.starting, Orders: &g.orders, Tokens: tokens(cfg), Registry: g, Log: log, Version: currentVersion(),
	}))
	log.Info("started", zap.String("version", currentVersion()), zap.String("configuration", source),
		zap.Stringer("address", listener.Addr()), zap.String("alarms", string(cfg.Alarms.Mode)), zap.Int("targets", max(1, len(cfg.Targets))))
	served := make(chan error, 1)
	serve(ctx, server, listener, served)
	err = g.run(ctx, cfg, served)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin/2)
	defer cancel()
	err = errors.Join(err, server.Shutdown(stop), g.close())
	log.Info("stopped", zap.Error(err))
	return err
}

// logWarnings logs what the configuration allows and what does not do what it seems to.
func logWarnings(log *zap.Logger, warnings []config.Problem) {
	for _, w := range warnings {
		log.Warn("configuration warning", zap.String("place", fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Column)), zap.String("message", w.Message), zap.String("remedy", w.Hint))
	}
}

// serve answers requests in the background, and tells served why that ended. After a panic it listens anew.
func serve(ctx context.Context, server *http.Server, l net.Listener, served chan<- error) {
	address, again := l.Addr().String(), false
	contain.NewGroup(0).Keep(ctx, contain.Listener, address, func() (err error) {
		if again { // Serve closed the listener
			if l, err = listen(ctx, address); err != nil {
				served <- err
				return err
			}
		}
		again = true
		served <- server.Serve(console.Limit(l, console.DefaultLimits))
		return nil
	}, nil)
}

// newWriter begins a recording. One that cannot be written any more ends; the controller goes on.
func newWriter(file string, log *zap.Logger) (*recording.Writer, error) {
	log.Info("recording", zap.String("file", file))
	return recording.NewWriter(recording.Options{
		Version: currentVersion(), Open: recording.Files(file),
		Failed: func(err error) {
			log.Error("the recording ends here, and everything else goes on", zap.String("file", file), zap.Error(err))
		},
	})
}

// listen takes the port first, so that a second controller on this machine fails before it touches anything.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on server.address %s (another controller, or another program, may have the port; "+
			"set server.address to a free one): %w", address, err)
	}
	return l, nil
}

// awsConfig loads the ambient AWS configuration, and fails with what to set where no region is known.
func (a *app) awsConfig(ctx context.Context) (cloud.Config, error) {
	base, err := cloud.Load(ctx, currentVersion(), a.region, a.profile)
	if err != nil {
		return base, err
	}
	if base.Region == "" {
		return base, errors.New("no AWS region: set AWS_REGION, --region, or a region in the profile")
	}
	within, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return base, cloud.CheckCredentials(within, base)
}

// tokens are the console's, from the configuration. A plain date ends a token at the start of that day.
func tokens(cfg config.Config) []console.Token {
	zone, err := time.LoadLocation(cfg.Timezone)
	if err != nil {
		zone = time.UTC // cannot be: the configuration was checked
	}
	var out []console.Token
	for _, t := range cfg.Server.Tokens {
		out = append(out, console.Token{Name: t.Name, Role: string(t.Role), SHA256: t.SHA256, Expires: t.Expires.Start(zone)})
	}
	return out
}

// buildInfo is the metric that says which version runs.
func buildInfo() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "taskwarden", Name: "build_info", Help: "The version that runs.",
		ConstLabels: prometheus.Labels{"version": currentVersion()}})
	g.Set(1)
	return g
}
